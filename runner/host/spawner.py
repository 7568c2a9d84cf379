"""Start a sandbox as another user, through a small helper process (spawner_process.py) for each thread.

One per thread, because the kernel kills a child that "dies with its parent" when the parent thread ends.
"""

import array
import contextlib
import marshal
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from runner.host import spawner_process


class Child:
    """A started program with its streams: the part of subprocess.Popen's interface that we use."""

    def __init__(self, pid: int, stdout: IO[bytes], stderr: IO[bytes]) -> None:
        self.pid, self.stdout, self.stderr = pid, stdout, stderr
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._note(os.WNOHANG)

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None and timeout is not None and not self._ends_within(timeout):
            raise subprocess.TimeoutExpired("bubblewrap", timeout)
        self._note(0)
        return self.returncode or 0

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _ends_within(self, seconds: float) -> bool:
        number = os.pidfd_open(self.pid)
        try:
            poll = select.poll()
            poll.register(number, select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        finally:
            os.close(number)

    def _note(self, how: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, how)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The program to start, and its user. Descriptors keep their numbers."""

    path: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    uid: int
    place: str
    mounts: Sequence[tuple[str, str, bool]]
    descriptors: Sequence[int]


class _Spawner:
    """The helper process of one thread."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.socket, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with far:
            script = str(Path(spawner_process.__file__))
            self.process = subprocess.Popen(  # noqa: S603 our own script
                [sys.executable, "-I", "-S", "-B", script, str(far.fileno())],
                stdin=subprocess.DEVNULL,
                env={},
                cwd="/",
                pass_fds=(far.fileno(),),
            )

    def ask(self, data: bytes, descriptors: Sequence[int]) -> int:
        rights = array.array("i", descriptors)
        self.socket.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        answer = self.socket.recv(4)
        if len(answer) != 4:
            raise ConnectionResetError
        return int(struct.unpack("=i", answer)[0])

    def __del__(self) -> None:
        self.socket.close()
        if self.owner == os.getpid():
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            self.process.wait()


class _Mine(threading.local):
    spawner: _Spawner | None = None


_mine = _Mine()


def spawn(program: Program) -> Child:
    """Start a program with an empty standard input and pipes for the other two streams. Raises OSError."""
    with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        theirs.callback(os.close, nothing)
        (out, out_far), (err, err_far) = _pipe(ours, theirs), _pipe(ours, theirs)
        request = {
            "numbers": [0, 1, 2, *program.descriptors],
            "program": program.path,
            "arguments": list(program.arguments),
            "environment": dict(program.environment),
            "uid": program.uid,
            "place": program.place,
            "mounts": list(program.mounts),
        }
        sent = [nothing, out_far, err_far, *program.descriptors]
        pid = _ask(marshal.dumps(request), sent)
        if pid < 0:
            raise OSError(-pid, f"The sandbox could not be started: {os.strerror(-pid)}.")
        ours.pop_all()
        return Child(pid, out, err)


def _pipe(ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[IO[bytes], int]:
    read, write = os.pipe()
    theirs.callback(os.close, write)
    return ours.enter_context(os.fdopen(read, "rb", buffering=0)), write


def _ask(data: bytes, descriptors: Sequence[int]) -> int:
    """Ask the helper process for a new child. A helper that was killed is replaced once."""
    if _mine.spawner is not None and _mine.spawner.owner == os.getpid():
        with contextlib.suppress(ConnectionError):
            return _mine.spawner.ask(data, descriptors)
    _mine.spawner = _Spawner()
    return _mine.spawner.ask(data, descriptors)
