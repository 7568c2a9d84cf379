"""Self-test at start-up: code runs only on a host whose sandbox has withstood attempts to break out."""

import contextlib
import json
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache, partial
from pathlib import Path

from runner.contract import Capabilities, CloseCode, JobSpec, Limits, SandboxUnavailable, Status
from runner.host import linux
from runner.host.cgroups import parents
from runner.host.interpreter import Interpreter
from runner.host.job import INSIDE
from runner.host.local_sandbox import NotStarted
from runner.host.outcome import judge
from runner.host.session import Launcher, bubblewrapped
from runner.host.supervise import Supervisor

ROOT = Path(__file__).resolve().parents[2]
ATTEMPT = Limits(wall_s=20, cpu_s=10, memory_mb=512, pids=16, output_mb=1, log_mb=0.1)
SWELLING = Limits(wall_s=10, cpu_s=10, memory_mb=96, pids=16, output_mb=1, log_mb=0.1)
ANSWER_BYTES = 4096
ALWAYS = ("bubblewrap", "user-namespace", "pid-namespace", "network-namespace", "ipc-namespace", "mount-namespace",
          "no-capabilities", "no-proc", "seccomp", "resource-limits")  # fmt: skip


def default_environment() -> Path:
    folder = os.environ.get("WEIR_ENVIRONMENTS")
    return Path(folder).absolute() / "default" if folder else ROOT / ".environments" / "default"


@cache
def probe(environment: Path, guest: Interpreter | None = None) -> Capabilities:
    """Try to break out of a sandbox in every known way. Raises SandboxUnavailable; a success is cached.

    `guest`: the Python to start inside, if it is not that of the environment.
    """
    try:
        landlock = attempt(environment, partial(bubblewrapped, guest=guest))
    except (NotStarted, PermissionError) as bad:
        raise SandboxUnavailable(
            f"Bubblewrap could not create a sandbox here: {bad} {_hint()}".strip()
        ) from bad
    return _capabilities(landlock)


def _hint() -> str:
    """Return the most common reason, if it applies here."""
    switches = {
        "/proc/sys/kernel/unprivileged_userns_clone": "0",
        "/proc/sys/user/max_user_namespaces": "0",
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1",
    }
    for path, closed in switches.items():
        with contextlib.suppress(OSError):
            if Path(path).read_text(encoding="ascii").strip() == closed:
                return f"({path} is {closed}: this host forbids user namespaces.)"
    return ""


@contextlib.contextmanager
def _listener() -> Iterator[int]:
    with socket.socket() as waiting:
        waiting.bind(("127.0.0.1", 0))
        waiting.listen(1)
        yield int(waiting.getsockname()[1])


def attempt(environment: Path, launch: Launcher, *, own_kernel: bool = False) -> int:
    """Try to break out and to use too much memory. Returns the Landlock ABI version that was in force, 0 for none.

    `own_kernel`: the sandbox has its own kernel, so its /proc does not show the host.
    """
    landlock = _escape(environment, launch, own_kernel=own_kernel)
    _swell(environment, launch)
    return landlock


def _escape(environment: Path, launch: Launcher, *, own_kernel: bool) -> int:
    with tempfile.TemporaryDirectory(prefix="weir-probe-") as folder, _listener() as port:
        canary = Path(folder) / "canary"
        canary.write_text(secrets.token_hex(8), encoding="ascii")
        target = {
            "port": port,
            "canary": str(canary),
            "pid": os.getpid(),
            "pids": ATTEMPT.pids,
            "own_kernel": own_kernel,
        }
        spec = spec_of(_script("escape"), environment, ATTEMPT, target)
        with launch(spec) as supervisor:
            ended = supervisor.run()
            if judge(ended, ATTEMPT, 10_000).status is not Status.SUCCEEDED:
                raise SandboxUnavailable(
                    f"The sandbox's self-test failed: {supervisor.sandbox.stderr.text().strip()[-600:]}"
                )
            escaped = _answer(supervisor)
            if escaped:
                raise SandboxUnavailable(f"The sandbox does not hold on this host: {', '.join(escaped)}.")
            return supervisor.sandbox.landlock


def _answer(supervisor: Supervisor) -> list[str]:
    file = os.open(
        "escaped.json", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=supervisor.sandbox.outputs
    )
    with os.fdopen(file, "rb") as stream:
        names: list[str] = json.loads(stream.read(ANSWER_BYTES))
    return names


def _swell(environment: Path, launch: Launcher) -> None:
    """Check that a run that uses too much memory is killed."""
    with launch(spec_of(_script("swell"), environment, SWELLING)) as supervisor:
        code = judge(supervisor.run(), SWELLING, 100).code
    if code is not CloseCode.MEMORY_LIMIT:
        raise SandboxUnavailable(
            f"The sandbox's memory limit does not hold on this host (the run ended as {code})."
        )


def _script(name: str) -> str:
    return (INSIDE / f"{name}.py").read_text(encoding="utf-8")


def spec_of(
    code: str, environment: Path, limits: Limits, parameters: Mapping[str, object] | None = None
) -> JobSpec:
    """Return a job of our own without outputs."""
    return JobSpec(
        run_id="self-test",
        code=code,
        inputs={},
        out=Path(os.devnull),
        environment=environment,
        parameters=parameters or {},
        limits=limits,
    )


def _capabilities(landlock: int) -> Capabilities:
    groups = parents()
    layers, missing = list(ALWAYS), []
    if landlock:
        layers.append(f"landlock-{landlock}")
    else:
        missing.append("landlock: this kernel does not have it, or it is switched off")
    if groups is not None:
        layers.append(f"cgroup-v{groups.version}")
    else:
        layers.append("watchdog")
        missing.append("cgroup: none is writable, so a watchdog adds up memory and processes")
    if os.getuid() == 0:
        layers.append("own-user")
    else:
        missing.append("own-user: only root can give each run its own user id")
    return Capabilities(
        executor="bubblewrap", layers=tuple(layers), missing=tuple(missing), kernel=linux.kernel()
    )
