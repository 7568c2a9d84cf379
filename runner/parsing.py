"""Run our own code on an untrusted file, in a sandbox that sees that file and nothing else of the portal.

For work that needs a real parser: reading an upload, inspecting a sealed table, sorting one. A malicious file may take
the parser over, which makes it a hostile program in the same sandbox as submitted code. It gets the file (read-only),
the named modules and, if needed, one folder on disk for large results. It returns a JSON value. Callers must treat
both as hostile.
"""

import contextlib
import importlib.util
import marshal
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from runner.contract import CloseCode, JobSpec, Limits, SandboxUnavailable, Status
from runner.gates import strict_json
from runner.gates.folder import FLAGS, read
from runner.gates.refusal import Refusal
from runner.host import bwrap_options
from runner.host.interpreter import PACKAGES, Interpreter, own
from runner.host.job import Shipment, resource_limits
from runner.host.local_sandbox import NotStarted, start
from runner.host.outcome import judge
from runner.host.selftest import probe
from runner.host.session import grouped, staged
from runner.host.supervise import Supervisor

ROOM = "/room"
ANSWER = "answer"
ANSWER_MB = 16
HEARD_EVERY_S = 1.0
ENTRIES = 10_000
"""How many files a lent folder may hold."""


class Broken(Exception):
    """The parser failed; `code` says why. EXCEPTION is a bug of ours, all others are the file's fault."""

    def __init__(self, code: CloseCode, errors: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.errors = errors
        """What it wrote to standard error. May quote the file, so it is for tests, not for logs."""


class Stopped(Exception):
    """The caller asked to stop."""


@dataclass(frozen=True, slots=True)
class Room:
    """An empty folder for results of at most `bytes` bytes in total. The sandbox sees it as /room."""

    path: Path
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsing:
    """One parsing job. `call` is one of `modules`, run as a script; it reads $WEIR_DATA/file and $WEIR_PARAMETERS and
    writes its answer to $WEIR_OUT/answer."""

    modules: Mapping[str, Path]
    """Dotted module name -> source file."""
    call: str
    packages: Sequence[str]
    """Installed distributions of this Python that the sandbox can import."""
    file: Path
    limits: Limits
    parameters: Mapping[str, object] = field(default_factory=dict)
    room: Room | None = None


def parse(work: Parsing, heard: Callable[[float], bool] = lambda share: True) -> dict[str, Any]:
    """Run the job and return its answer. `heard` gets the reported progress (0 to 1) about once a second and may return
    False to stop the job.

    Raises Broken, Stopped, and SandboxUnavailable if this host cannot confine anything.
    """
    python = own(tuple(work.packages))
    probe(Path(sys.prefix), python)
    try:
        with _supervised(work, python, heard) as (supervisor, listener):
            return _answer(supervisor, listener, work)
    except NotStarted as bad:
        raise SandboxUnavailable(f"The sandbox for reading files did not start: {bad}") from bad


@contextlib.contextmanager
def _supervised(
    work: Parsing, python: Interpreter, heard: Callable[[float], bool]
) -> Iterator[tuple[Supervisor, "_Listener"]]:
    spec = JobSpec(
        run_id="parsing",
        code=f"import runpy\nrunpy.run_module({work.call!r}, run_name='__main__')\n",
        inputs={"file": work.file},
        out=Path(os.devnull),
        environment=Path(sys.prefix),
        parameters=work.parameters,
        limits=work.limits,
    )
    with staged() as stage, _lent(work.room, stage.uid) as lent, grouped(work.limits) as group:
        shipment = Shipment(
            spec=spec,
            stage=stage,
            bwrap=bwrap_options.find(),
            guest=python,
            own_limits=_resource_limits(work),
            modules={_place(name): _compiled(name, path) for name, path in work.modules.items()},
            lent=lent,
        )
        sandbox = start(shipment.command(), group)
        try:
            listener = _Listener(sandbox.stdout.text, heard, work)
            yield Supervisor(sandbox, work.limits, lambda: None, listener.is_over), listener
        finally:
            sandbox.close()


@contextlib.contextmanager
def _lent(room: Room | None, uid: int | None) -> Iterator[tuple[tuple[Path, str], ...]]:
    """Make the sandbox's user the owner of the room while the sandbox runs."""
    if room is None:
        yield ()
        return
    if uid is not None:
        os.chown(room.path, uid, -1)
    try:
        yield ((room.path, ROOM),)
    finally:
        if uid is not None:
            os.chown(room.path, os.getuid(), -1)


def _resource_limits(work: Parsing) -> dict[str, int]:
    limits = resource_limits(work.limits)
    return {**limits, "FSIZE": max(limits["FSIZE"], work.room.bytes if work.room else 0)}


def _place(name: str) -> str:
    return f"{PACKAGES}/{name.replace('.', '/')}.pyc"


@cache
def _compiled(name: str, path: Path) -> bytes:
    code = compile(path.read_bytes(), f"/{name}", "exec", dont_inherit=True)
    return importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)


@dataclass(slots=True)
class _Listener:
    """Tells the supervisor whether to stop: passes on the progress and checks how full the room is."""

    output: Callable[[], str]
    heard: Callable[[float], bool]
    work: Parsing
    is_full: bool = False
    next: float = 0.0

    def is_over(self) -> bool:
        if self.work.room is not None and _size(self.work.room.path) > self.work.room.bytes:
            self.is_full = True
            return True
        if time.monotonic() < self.next:
            return False
        self.next = time.monotonic() + HEARD_EVERY_S
        return not self.heard(share_of(self.output()))


def share_of(text: str) -> float:
    """Return the progress on the last complete line of a parser's output, from 0 to 1."""
    line = text.rpartition("\n")[0].rpartition("\n")[2]
    try:
        share = float(line)
    except ValueError:
        return 0.0
    return min(max(share, 0.0), 1.0) if share == share else 0.0  # noqa: PLR0124 not a number is not itself


def _size(folder: Path) -> int:
    """Return the bytes on disk below a folder that is being written; too many entries count as too many bytes."""
    total, entries, waiting = 0, 0, [folder]
    while waiting:
        with contextlib.suppress(FileNotFoundError), os.scandir(waiting.pop()) as found:
            for entry in found:
                entries += 1
                if entries > ENTRIES:
                    return sys.maxsize
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    total += status.st_blocks * 512
                    if stat.S_ISDIR(status.st_mode):
                        waiting.append(Path(entry.path))
    return total


def _answer(supervisor: Supervisor, listener: _Listener, work: Parsing) -> dict[str, Any]:
    ended = supervisor.run()
    outcome = judge(ended, work.limits, 1)
    if not ended.ready or outcome.code is CloseCode.INTERNAL:
        raise SandboxUnavailable("The sandbox for reading files cannot start on this host.")
    if listener.is_full:
        raise Broken(CloseCode.DISK_LIMIT)
    if outcome.status is Status.CANCELLED:
        raise Stopped
    if outcome.status is not Status.SUCCEEDED:
        raise Broken(outcome.code or CloseCode.INTERNAL, supervisor.sandbox.stderr.text())
    return understood(lambda: read(supervisor.sandbox.outputs, ANSWER, ANSWER_MB * 2**20))


def understood(fetch: Callable[[], bytes]) -> dict[str, Any]:
    """Return the fetched answer if it is a valid JSON object. Raises Broken."""
    try:
        value = strict_json.parse(fetch())
    except Refusal as bad:
        raise Broken(CloseCode.OUTPUT_TYPE) from bad
    if not isinstance(value, dict):
        raise Broken(CloseCode.OUTPUT_TYPE)
    return value


def take(room: Path, name: str, *, most: int) -> Path:
    """Take over a file left in a room and return its path. Raises Broken unless it is a regular file of at most `most`
    bytes."""
    path = room / name
    try:
        number = os.open(path, FLAGS)
    except OSError as bad:
        raise Broken(CloseCode.OUTPUT_MISSING) from bad
    try:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise Broken(CloseCode.OUTPUT_TYPE)
        if status.st_size > most:
            raise Broken(CloseCode.OUTPUT_TOO_BIG)
        os.fchown(number, os.getuid(), os.getgid())
        os.fchmod(number, 0o600)
    finally:
        os.close(number)
    return path


def empty(room: Path) -> None:
    """Remove a room and everything in it."""
    for folder, _, _ in os.walk(room):
        with contextlib.suppress(OSError):
            Path(folder).chmod(0o700)
    shutil.rmtree(room, ignore_errors=True)
