"""Read a remote sandbox from a stream. Our courier inside sends it, but it is trusted no more than the code itself.

A frame is a letter, a length and bytes: (r)eady, (o)ut, (e)rr, (u)sage, (s)tatus, (f)ile, (d)ata of a file, (.) end.
Outputs are recreated in a fresh folder of ours, as the same kinds of files, for the gates to judge.
"""

import contextlib
import json
import os
import shutil
import stat
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from runner.contract import MIB, Limits
from runner.gates.collect import LISTED
from runner.host.job import ALL_TOGETHER
from runner.host.logs import Log
from runner.host.meter import Totals
from runner.host.state import base, new_name

HEADER = struct.Struct("=cI")
USAGE = struct.Struct("=dQI")
FRAME_BYTES = 2**16
LARGEST = 2**40
ENTRIES = LISTED + 1
REFUSED_EACH = 20


class Malformed(ValueError):
    """The stream contains something that our courier never sends."""


BROKEN = (ValueError, KeyError, TypeError, OSError, OverflowError, RecursionError, struct.error)
"""Exceptions that reading a malformed stream may raise."""


class Stream(Protocol):
    """The connection to a sandbox."""

    def receive(self, timeout: float) -> bytes | None:
        """Return what arrives within `timeout` seconds: empty for nothing, None at the end."""
        ...

    def kill(self) -> None:
        """Kill the sandbox and everything in it, and wait until it has ended. May be called repeatedly."""
        ...


@dataclass(slots=True)
class ReportedTotals:
    """The totals that the courier reports, for when the sandbox's host cannot be asked."""

    cpu: float = 0.0
    memory: int = 0
    tasks: int = 0
    pids: int = 2**31
    crowded: int = 0
    killed: Callable[[], bool] = lambda: False

    def out_of_memory(self) -> bool:
        return self.killed()

    def refused_processes(self) -> int:
        """An estimate: whenever the sandbox was at its limit, assume that some processes were refused."""
        return REFUSED_EACH * self.crowded

    def processes(self) -> int:
        return self.tasks

    def cpu_s(self) -> float:
        return self.cpu

    def peak_bytes(self) -> int:
        return self.memory


def delivery_limits(limits: Limits) -> tuple[int, int, int]:
    """Return how much the courier sends: bytes of one file, bytes in total, entries. Larger files are only listed."""
    cap = limits.output_mb * MIB
    return cap, (ALL_TOGETHER + 1) * cap, ENTRIES


def _within(number: float) -> float:
    """Return the number if it is a possible amount. Raises Malformed."""
    if not 0 <= number <= LARGEST:
        raise Malformed("an impossible figure of use")
    return number


@dataclass(slots=True)
class RemoteSandbox:
    """A running remote sandbox; implements runner.host.supervise.Sandbox."""

    stream: Stream
    limits: Limits
    group: Totals | None
    init: int = 0
    reported: ReportedTotals = field(default_factory=ReportedTotals)
    folders: tuple[int, ...] = ()
    outputs: int = -1
    ready: bool = False
    landlock: int = 0
    report: str = ""
    returned: int = -9
    disk_was_full: bool = False
    rusage_cpu_s: float = 0.0
    rusage_peak: int = 0
    stdout: Log = field(init=False)
    stderr: Log = field(init=False)
    problem: str = ""
    _folder: Path = field(init=False)
    _buffer: bytearray = field(default_factory=bytearray)
    _ended: bool = False
    _has_status: bool = False
    _room: int = 0
    _entries: int = 0
    _file: int = -1
    _missing: int = 0

    def __post_init__(self) -> None:
        size = int(self.limits.log_mb * MIB)
        self.stdout, self.stderr = Log(size), Log(size)
        self._room = delivery_limits(self.limits)[1]
        self._folder = base() / new_name()
        (self._folder / "out").mkdir(mode=0o700, parents=True)
        self.outputs = os.open(self._folder / "out", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    @property
    def is_whole(self) -> bool:
        """Whether everything has arrived, including the courier's last frame."""
        return self._ended and self._has_status and not self.problem

    def turn(self, timeout: float) -> bool:
        """Handle what has arrived. Returns False at the end of the courier or the stream."""
        if self._ended:
            return False
        data = self.stream.receive(timeout)
        if data is None:
            self._ended = True
            self.problem = "The sandbox's stream ended early."
            return False
        self._buffer += data
        try:
            while self._take_frame():
                pass
        except BROKEN as bad:
            self.problem, self._ended = f"The sandbox's stream cannot be read: {bad}", True
        return not self._ended

    def _take_frame(self) -> bool:
        if self._ended or len(self._buffer) < HEADER.size:
            return False
        kind, length = HEADER.unpack_from(self._buffer)
        if length > FRAME_BYTES:
            raise Malformed("a frame is too long")
        end = HEADER.size + length
        if len(self._buffer) < end:
            return False
        data = bytes(self._buffer[HEADER.size : end])
        del self._buffer[:end]
        self._handle(kind, data)
        return True

    def _handle(self, kind: bytes, data: bytes) -> None:
        handlers: dict[bytes, Callable[[bytes], None]] = {
            b"r": self._on_ready,
            b"o": self.stdout.add,
            b"e": self.stderr.add,
            b"u": self._on_usage,
            b"s": self._on_status,
            b"f": self._on_file,
            b"d": self._on_data,
            b".": self._on_end,
        }
        if kind not in handlers:
            raise Malformed("a frame of an unknown kind")
        handlers[kind](data)

    def _on_ready(self, data: bytes) -> None:
        word, _, version = data.decode("ascii").partition(" ")
        if word == "ready" and not self.ready:
            self.landlock, self.ready = min(int(version), 99), True

    def _on_usage(self, data: bytes) -> None:
        cpu, memory, tasks = USAGE.unpack(data)
        self.reported.cpu, self.reported.tasks = max(self.reported.cpu, _within(cpu)), tasks
        self.reported.memory = max(self.reported.memory, int(_within(memory)))
        self.reported.crowded += tasks >= self.reported.pids

    def _on_status(self, data: bytes) -> None:
        status: dict[str, Any] = json.loads(data)
        self.returned = int(status["returned"])
        if not -128 <= self.returned <= 255:
            raise Malformed("an impossible exit code")
        self.report = str(status["report"])[:512]
        self.disk_was_full = status["disk_was_full"] is True
        self.rusage_cpu_s, self.rusage_peak = _within(float(status["cpu_s"])), int(_within(status["peak"]))
        self._has_status = True

    def _on_file(self, data: bytes) -> None:
        header: dict[str, Any] = json.loads(data)
        name = bytes.fromhex(header["name"])
        mode, links, size, sent = (int(header[key]) for key in ("mode", "links", "size", "sent"))
        self._entries += 1
        self._room -= sent
        if not 0 <= sent <= size <= LARGEST or self._missing or self._room < 0 or self._entries > ENTRIES:
            raise Malformed("more files than announced")
        if not 1 <= len(name) <= 255 or b"/" in name or b"\0" in name or name in (b".", b".."):
            raise Malformed("an invalid file name")
        self._leave_file()
        self._stand_in(name, mode, links)
        self._missing = sent
        if self._file >= 0:
            os.ftruncate(self._file, size)

    def _stand_in(self, name: bytes, mode: int, links: int) -> None:
        """Create a harmless entry of the same kind, so that the gates judge it like any other."""
        if stat.S_ISDIR(mode):
            os.mkdir(name, 0o700, dir_fd=self.outputs)
        elif stat.S_ISLNK(mode):
            os.symlink("nowhere", name, dir_fd=self.outputs)
        elif not stat.S_ISREG(mode):
            os.mkfifo(name, 0o600, dir_fd=self.outputs)
        else:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.open(name, flags, 0o600, dir_fd=self.outputs)
            if links > 1:
                os.link(name, self._folder / str(self._entries), src_dir_fd=self.outputs)

    def _on_data(self, data: bytes) -> None:
        if len(data) > self._missing or self._file < 0:
            raise Malformed("more data than announced")
        self._missing -= os.write(self._file, data)

    def _on_end(self, _: bytes) -> None:
        if self._missing:
            raise Malformed("less data than announced")
        self._leave_file()
        self._ended = True

    def _leave_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def finish(self) -> None:
        """Kill the sandbox and settle how it ended. Nothing of it is left afterwards."""
        self.stream.kill()
        if not self.is_whole:
            self.returned, self.report = -9, ""
        totals = self.reported if self.group is None else self.group
        if self.problem and not totals.out_of_memory():
            self.ready = False  # not the code's doing: the sandbox or the connection broke

    def close(self) -> None:
        """Kill what still runs and free what this side holds."""
        try:
            self.finish()
        finally:
            self._leave_file()
            with contextlib.suppress(OSError):
                os.close(self.outputs)
            shutil.rmtree(self._folder)
