"""Run code of ours over a stranger's file, in a sandbox that sees this file and nothing else of the portal's.

For what only a real parser can do: read an upload, look into a sealed table, put one in another order. The parser is
trusted until the file has taken it over; from then on it is a hostile program in the same sandbox as submitted code.
It gets the file (read-only), the modules that are named here, and perhaps one folder of the disk to write large results
into. It answers with a JSON value. Both are to be judged as hostile by whoever called.
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
from runner.host.supervise import Watch

ROOM = "/room"
ANSWER = "answer"
ANSWER_MB = 16
HEARD_EVERY_S = 1.0
ENTRIES = 10_000
"""So many files a lent folder may hold."""


class Broken(Exception):
    """The parser did not come to its end; `code` says why. EXCEPTION is a fault of ours, the others are the file's."""

    def __init__(self, code: CloseCode, said: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.said = said
        """What it wrote to standard error. May repeat what stands in the file: for tests, not for logs."""


class Stopped(Exception):
    """The caller said to stop."""


@dataclass(frozen=True, slots=True)
class Room:
    """An empty folder of the caller's, in which files of up to so many bytes together may be left. Seen as /room."""

    path: Path
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsing:
    """One piece of work. `call` is one of `modules`, run as a script; it reads $WEIR_DATA/file and $WEIR_PARAMETERS,
    and leaves its answer in $WEIR_OUT/answer."""

    modules: Mapping[str, Path]
    """Dotted name -> source file of ours."""
    call: str
    packages: Sequence[str]
    """Distributions of this Python that are shown inside."""
    file: Path
    limits: Limits
    parameters: Mapping[str, object] = field(default_factory=dict)
    room: Room | None = None


def parse(work: Parsing, heard: Callable[[float], bool] = lambda share: True) -> dict[str, Any]:
    """Run it and return its answer. `heard` is told about once a second how far it says to be; False stops it.

    Raises Broken, Stopped, and SandboxUnavailable where nothing can be confined.
    """
    python = own(tuple(work.packages))
    probe(Path(sys.prefix), python)
    try:
        with _watched(work, python, heard) as (watch, listener):
            return _answer(watch, listener, work)
    except NotStarted as bad:
        raise SandboxUnavailable(f"The sandbox for reading files did not start: {bad}") from bad


@contextlib.contextmanager
def _watched(
    work: Parsing, python: Interpreter, heard: Callable[[float], bool]
) -> Iterator[tuple[Watch, "_Listener"]]:
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
        box = start(shipment.command(), group)
        try:
            listener = _Listener(box.stdout.text, heard, work)
            yield Watch(box, work.limits, lambda: None, listener.is_over), listener
        finally:
            box.close()


@contextlib.contextmanager
def _lent(room: Room | None, uid: int | None) -> Iterator[tuple[tuple[Path, str], ...]]:
    """Give the room to the user of the sandbox while it lasts."""
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
    """Asked by the watch whether to stop: hears how far the work is, and looks at how full the room is."""

    said: Callable[[], str]
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
        return not self.heard(share_of(self.said()))


def share_of(text: str) -> float:
    """The last whole line of what a parser has said, as a share of its work."""
    line = text.rpartition("\n")[0].rpartition("\n")[2]
    try:
        share = float(line)
    except ValueError:
        return 0.0
    return min(max(share, 0.0), 1.0) if share == share else 0.0  # noqa: PLR0124 not a number is not itself


def _size(folder: Path) -> int:
    """Bytes on disk below a folder that is being written; too many entries count as too many bytes."""
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


def _answer(watch: Watch, listener: _Listener, work: Parsing) -> dict[str, Any]:
    ended = watch.run()
    verdict = judge(ended, work.limits, 1)
    if not ended.ready or verdict.code is CloseCode.INTERNAL:
        raise SandboxUnavailable("The sandbox for reading files cannot start on this host.")
    if listener.is_full:
        raise Broken(CloseCode.DISK_LIMIT)
    if verdict.status is Status.CANCELLED:
        raise Stopped
    if verdict.status is not Status.SUCCEEDED:
        raise Broken(verdict.code or CloseCode.INTERNAL, watch.box.stderr.text())
    return understood(lambda: read(watch.box.outputs, ANSWER, ANSWER_MB * 2**20))


def understood(fetch: Callable[[], bytes]) -> dict[str, Any]:
    """An answer, if it is what one should be. Raises Broken."""
    try:
        value = strict_json.parse(fetch())
    except Refusal as bad:
        raise Broken(CloseCode.OUTPUT_TYPE) from bad
    if not isinstance(value, dict):
        raise Broken(CloseCode.OUTPUT_TYPE)
    return value


def take(room: Path, name: str, *, most: int) -> Path:
    """A file that was left in a room, made ours alone. Raises Broken for anything but a plain file of so many bytes."""
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
    """Remove a room and whatever was left there."""
    for folder, _, _ in os.walk(room):
        with contextlib.suppress(OSError):
            Path(folder).chmod(0o700)
    shutil.rmtree(room, ignore_errors=True)
