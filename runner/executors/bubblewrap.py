"""The default executor: bubblewrap, with our own scripts inside it."""

from collections.abc import Callable
from dataclasses import replace

from runner.contract import Capabilities, CloseCode, JobResult, JobSpec, OutputFile, RefusedFile, Status
from runner.gates import collect
from runner.host import selftest
from runner.host.cgroups import sweep_groups
from runner.host.job import check
from runner.host.local_sandbox import NotStarted
from runner.host.outcome import judge
from runner.host.session import Launcher, bubblewrapped
from runner.host.state import sweep_stages
from runner.host.supervise import Supervisor


class BubblewrapExecutor:
    """Runs jobs in bubblewrap with namespaces, seccomp, Landlock, resource limits and control groups or a watchdog."""

    def probe(self) -> Capabilities:
        return selftest.probe(selftest.default_environment())

    def run(
        self,
        spec: JobSpec,
        *,
        started: Callable[[], None] = lambda: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> JobResult:
        check(spec)
        layers = selftest.probe(spec.environment).layers
        return run_under(bubblewrapped, spec, layers, started, cancelled)

    def sweep(self) -> None:
        sweep_groups()
        sweep_stages()


def run_under(
    launch: Launcher,
    spec: JobSpec,
    layers: tuple[str, ...],
    started: Callable[[], None],
    cancelled: Callable[[], bool],
) -> JobResult:
    """Run a job in the sandbox that `launch` starts, and pass its outputs through the gates."""
    try:
        with launch(spec, started, cancelled) as supervisor:
            return _result(spec, supervisor, layers, launch)
    except NotStarted as bad:
        return JobResult(status=Status.FAILED, code=CloseCode.INTERNAL, stderr=str(bad), layers=layers)


def _result(spec: JobSpec, supervisor: Supervisor, layers: tuple[str, ...], launch: Launcher) -> JobResult:
    ended = supervisor.run()
    outcome = judge(ended, spec.limits, spec.code.count("\n") + 1)
    outputs, refused = _collect(spec, supervisor, outcome, launch)
    outcome = with_outputs(outcome, outputs, refused)
    sandbox = supervisor.sandbox
    return replace(
        outcome,
        wall_s=round(supervisor.wall_s, 4),
        cpu_s=round(ended.cpu_s, 4),
        peak_memory_bytes=supervisor.peak_bytes(),
        stdout=sandbox.stdout.text(),
        stderr=sandbox.stderr.text(),
        stdout_bytes=sandbox.stdout.written,
        stderr_bytes=sandbox.stderr.written,
        outputs=outputs,
        refused=refused,
        layers=layers,
    )


def _collect(
    spec: JobSpec, supervisor: Supervisor, outcome: JobResult, launch: Launcher
) -> tuple[tuple[OutputFile, ...], tuple[RefusedFile, ...]]:
    """Return (accepted, refused) outputs of a successful run; of any other run, nothing is accepted.

    Always decode with the default environment: the run's own packages are a stranger's and might let out whatever the
    code wrote.
    """
    if outcome.status is not Status.SUCCEEDED:
        return (), ()
    decoders = selftest.default_environment()
    return collect.collect(supervisor.sandbox.outputs, spec.out, spec.limits, decoders, launch)


def with_outputs(
    outcome: JobResult, outputs: tuple[OutputFile, ...], refused: tuple[RefusedFile, ...]
) -> JobResult:
    """Return the final outcome: a run without any accepted output has failed, for the reason of the first refusal."""
    if outcome.status is not Status.SUCCEEDED or outputs:
        return outcome
    codes = [file.code for file in refused]
    code = codes[0] if codes else CloseCode.OUTPUT_MISSING
    return JobResult(status=Status.FAILED, code=code, exit_code=outcome.exit_code)
