"""The executor for hosts with gVisor: the same scripts in a `runsc` sandbox, which has its own kernel.

Inside, our courier is the first process and reports over its standard output. No folder of the host is writable, so
outputs arrive as bytes (runner.executors.remote_sandbox).
"""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import IO, Any, cast

from runner.contract import Capabilities, JobResult, JobSpec, Limits, SandboxUnavailable
from runner.executors.bubblewrap import run_under
from runner.executors.remote_sandbox import RemoteSandbox, ReportedTotals, delivery_limits
from runner.host import selftest
from runner.host.cgroups import INIT, Group, sweep_groups
from runner.host.job import Shipment, check, harness, resource_limits, sizes, variables
from runner.host.linux import become_subreaper, kernel
from runner.host.local_sandbox import DEATH_S, NotStarted
from runner.host.logs import READ
from runner.host.meter import descendants
from runner.host.session import grouped
from runner.host.state import Stage, base, is_abandoned, new_name, sweep_stages
from runner.host.supervise import Supervisor

HOW = "Install it, or set WEIR_RUNSC to where it is."
KERNEL_MB = 96
"""What gVisor's own kernel may use in addition to the code."""
TASKS = 1024
"""Threads of gVisor's kernel, which the host counts. The code's processes are counted inside."""
HELPERS = 1
USER = 65533
UNKNOWN_LIMITS = ("MSGQUEUE", "SIGPENDING", "RTPRIO", "NICE")
"""gVisor fixes these limits itself and refuses to change them."""
COMPLAINT_BYTES = 4096
NEVER = lambda: False  # noqa: E731
NOTHING = lambda: None  # noqa: E731
LAYERS = ("gvisor", "own-kernel", "no-network", "mount-namespace", "no-capabilities", "seccomp",
          "resource-limits")  # fmt: skip


def find() -> Path:
    """Return the path of this host's runsc. Raises SandboxUnavailable."""
    named = os.environ.get("WEIR_RUNSC") or shutil.which("runsc", path="/usr/local/bin:/usr/bin:/bin")
    if not named or not os.access(named, os.X_OK):
        raise SandboxUnavailable(f"gVisor's runsc is not installed on this host. {HOW}")
    return Path(named)


class GvisorExecutor:
    """Runs jobs in gVisor. Our own layers apply inside as well, on gVisor's kernel."""

    def probe(self) -> Capabilities:
        return _probe(selftest.default_environment())

    def run(
        self,
        spec: JobSpec,
        *,
        started: Callable[[], None] = NOTHING,
        cancelled: Callable[[], bool] = NEVER,
    ) -> JobResult:
        check(spec)
        return run_under(launched, spec, _probe(spec.environment).layers, started, cancelled)

    def sweep(self) -> None:
        with contextlib.suppress(SandboxUnavailable):
            find()
            for path in _states().iterdir():
                if is_abandoned(name := path.name.partition("_sandbox")[0]):
                    _runsc("delete", "-force", name)
        sweep_groups()
        sweep_stages()


@cache
def _probe(environment: Path) -> Capabilities:
    find()
    try:
        selftest.attempt(environment, launched, own_kernel=True)
    except (NotStarted, PermissionError) as bad:
        raise SandboxUnavailable(f"gVisor could not create a sandbox here: {bad}") from bad
    with grouped(Limits()) as group:
        last = "watchdog" if group is None else f"cgroup-v{group.version}"
    return Capabilities(
        executor="gvisor",
        layers=(*LAYERS, last),
        missing=("landlock: gVisor's kernel does not have it",),
        kernel=kernel(),
        separates_kernels=True,
    )


def guest_limits(limits: Limits) -> dict[str, int]:
    """Return the resource limits that gVisor's kernel accepts. The courier counts as one of the processes."""
    wanted = resource_limits(limits) | {"NPROC": limits.pids + INIT + HELPERS}
    return {name: value for name, value in wanted.items() if name not in UNKNOWN_LIMITS}


@contextlib.contextmanager
def launched(
    spec: JobSpec,
    started: Callable[[], None] = NOTHING,
    cancelled: Callable[[], bool] = NEVER,
) -> Iterator[Supervisor]:
    """Start a sandbox and yield its supervisor. Leaves nothing behind. Raises NotStarted."""
    become_subreaper()
    together = replace(
        spec.limits, memory_mb=spec.limits.memory_mb + KERNEL_MB, pids=spec.limits.pids + TASKS
    )
    with contextlib.ExitStack() as stack:
        stage = Stage(None, guest=True)
        stack.callback(stage.drop)
        group = stack.enter_context(grouped(together))
        shipment = Shipment(spec, stage, own_limits=guest_limits(spec.limits))
        bundle = stack.enter_context(_bundle(shipment))
        stream = Runsc(bundle, group)
        reported = ReportedTotals(pids=spec.limits.pids)
        counted = CombinedTotals(group, reported) if group is not None else None
        sandbox = RemoteSandbox(
            stream=stream, limits=spec.limits, group=counted, reported=reported, init=stream.process.pid
        )
        stack.callback(stream.close)
        stack.callback(sandbox.close)
        stream.release()
        yield Supervisor(sandbox, together, started, cancelled)
        if not sandbox.ready and not sandbox.is_whole:
            sandbox.stderr.add(stream.complaint)


@contextlib.contextmanager
def _bundle(shipment: Shipment) -> Iterator[Path]:
    """Yield the folder of an OCI bundle. Its root holds only mount points; all files are mounted read-only."""
    folder = base() / new_name()
    folder.mkdir(mode=0o700)
    (folder / "rootfs").mkdir()
    (folder / "files").mkdir()
    try:
        (folder / "config.json").write_text(json.dumps(_config(shipment, folder)), encoding="utf-8")
        yield folder
    finally:
        shutil.rmtree(folder)


def _config(shipment: Shipment, folder: Path) -> dict[str, Any]:
    spec, python = shipment.spec, shipment.python
    root = folder / "rootfs"
    for target, link in python.links:
        place = root / link.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)
    binds = shipment.binds()
    for number, (inside, content) in enumerate(shipment.contents("courier").items()):
        file = folder / "files" / str(number)
        file.write_bytes(content)
        file.chmod(0o444)
        binds.append((file, inside))
    start, _ = harness("start", compiled=python.same_as_ours)
    courier, _ = harness("courier", compiled=python.same_as_ours)
    bounds = [str(number) for number in delivery_limits(spec.limits)]
    return {
        "ociVersion": "1.0.2",
        "hostname": "sandbox",
        "root": {"path": str(root), "readonly": True},
        "process": {
            "user": {"uid": USER, "gid": USER},
            "cwd": "/out",
            "args": [python.command, "-I", "-B", "-X", "utf8", courier, start, *bounds],
            "env": [f"{name}={value}" for name, value in variables(python).items()],
            "noNewPrivileges": True,
            "capabilities": {},
        },
        "mounts": [
            *(_bind(path, place) for path, place in binds),
            *(_memory(place, 4096, "ro") for place in python.empty),
            *(_memory(place, size, "mode=1777") for place, size in sizes(spec.limits).items()),
        ],
        "linux": {"namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]},
    }


def _bind(path: Path, place: str) -> dict[str, Any]:
    return {
        "type": "bind",
        "source": str(path),
        "destination": place,
        "options": ["rbind", "ro", "nosuid", "nodev"],
    }


def _memory(place: str, size: int, option: str) -> dict[str, Any]:
    options = [f"size={size}", option, "nosuid", "nodev"]
    return {"type": "tmpfs", "source": "tmpfs", "destination": place, "options": options}


def _states() -> Path:
    folder = base() / "runsc"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _command(*arguments: str) -> list[str]:
    platform = os.environ.get("WEIR_RUNSC_PLATFORM")
    own = [] if os.getuid() == 0 else ["--rootless"]
    options = [*own, "--network=none", "--ignore-cgroups", *([f"--platform={platform}"] if platform else [])]
    return [str(find()), f"--root={_states()}", *options, *arguments]


def _runsc(*arguments: str) -> None:
    """Run a runsc command for a sandbox that may have ended already."""
    subprocess.run(_command(*arguments), env={}, capture_output=True, check=False, timeout=DEATH_S)  # noqa: S603


def _sessions(root: int) -> set[int]:
    return {_session(pid) for pid in descendants(root)} - {0}


def _end(process: "subprocess.Popen[bytes]", sessions: set[int]) -> None:
    """Kill all processes of these sessions and reap those that became our children. Raises NotStarted."""
    end = time.monotonic() + DEATH_S
    while left := [pid for pid in descendants(os.getpid()) if _session(pid) in sessions]:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            if pid == process.pid:
                process.poll()
            else:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
        if time.monotonic() > end:
            raise NotStarted("The sandbox cannot be stopped: its processes hang in the kernel.")
        time.sleep(0.002)


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


@dataclass(slots=True)
class CombinedTotals:
    """Totals of the host, except for processes, which only the courier can count."""

    host: Group
    inside: ReportedTotals

    def out_of_memory(self) -> bool:
        return self.host.out_of_memory()

    def refused_processes(self) -> int:
        return self.inside.refused_processes()

    def processes(self) -> int:
        return self.inside.processes()

    def cpu_s(self) -> float:
        return self.host.cpu_s()

    def peak_bytes(self) -> int:
        return self.host.peak_bytes()


@dataclass(slots=True)
class Runsc:
    """The stream of a `runsc run`, which waits until it is in its control group."""

    bundle: Path
    group: Group | None
    process: "subprocess.Popen[bytes]" = field(init=False)
    complaint: bytes = b""
    _poll: "select.poll" = field(default_factory=select.poll)
    _sessions: set[int] = field(default_factory=set)
    """Recorded while all run: a process that has lost its parent cannot be found as a descendant."""
    _is_dead: bool = False

    def __post_init__(self) -> None:
        command = ["/bin/sh", "-c", 'read -r go && exec setpriv --pdeathsig KILL -- "$@"', "sh"]
        command += _command("run", f"--bundle={self.bundle}", self.bundle.name)
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(  # noqa: S603 our own program, our own arguments
            command,
            env={"PATH": "/usr/bin:/bin"},
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            cwd="/",
            start_new_session=True,
        )
        for stream in (self.process.stdout, self.process.stderr):
            number = cast("IO[bytes]", stream).fileno()
            os.set_blocking(number, False)
            self._poll.register(number, select.POLLIN)

    def release(self) -> None:
        stdin = cast("IO[bytes]", self.process.stdin)
        if self.group is not None:
            self.group.join(self.process.pid)
        stdin.write(b"go\n")
        stdin.close()

    def receive(self, timeout: float) -> bytes | None:
        """Return what the courier sent. Errors of runsc itself are kept in `complaint`."""
        out = cast("IO[bytes]", self.process.stdout).fileno()
        for number, _ in self._poll.poll(timeout * 1000):
            data = os.read(number, READ)
            if number != out:
                self._complain(number, data)
            elif data:
                self._sessions = self._sessions or _sessions(self.process.pid)
                return data
            else:
                return None
        return b""

    def _complain(self, number: int, data: bytes) -> None:
        self.complaint = (self.complaint + data)[-COMPLAINT_BYTES:]
        if not data:
            self._poll.unregister(number)

    def kill(self) -> None:
        if self._is_dead:
            return
        self._is_dead = True
        _end(self.process, self._sessions | _sessions(self.process.pid))
        self.process.wait()
        _runsc("delete", "-force", self.bundle.name)

    def close(self) -> None:
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            cast("IO[bytes]", stream).close()
