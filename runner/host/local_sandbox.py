"""One bubblewrap sandbox from its start to the proof of its end: spawn, join the control group, read, kill, wait."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, cast

from runner.host import bwrap_options
from runner.host.cgroups import Group
from runner.host.linux import become_subreaper, memory_file, unpack_fds
from runner.host.logs import READ, Log
from runner.host.readable_paths import readable_paths
from runner.host.spawner import Child, Program, spawn

START_S = 30.0
REPORT_BYTES = 512
FOLDERS = 3
DEATH_S = 10.0


class NotStarted(RuntimeError):
    """The sandbox did not start. The message is bubblewrap's own, if it gave one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to start, with which arguments, and what it sees."""

    program: Path
    view: Callable[[list[int]], bwrap_options.View]
    """Builds the view and appends each descriptor that it opens to the list."""
    arguments: Sequence[str]
    seccomp: bytes
    nested_users: bool
    uid: int | None
    log_bytes: int = 2**20


@dataclass(slots=True)
class LocalSandbox:
    """A running sandbox. Every public method may be called at any time, `close` repeatedly."""

    process: "subprocess.Popen[bytes] | Child"
    control: socket.socket
    log_bytes: int
    init: int = 0
    init_fd: int = -1
    folders: tuple[int, ...] = ()
    report: str = ""
    ready: bool = False
    landlock: int = 0
    group: Group | None = None
    stdout: Log = field(init=False)
    stderr: Log = field(init=False)
    rusage_cpu_s: float = 0.0
    rusage_peak: int = 0
    _poll: "select.epoll | None" = None
    _readers: dict[int, Callable[[], None]] = field(default_factory=dict)
    _ended: bool = False
    _finished: bool = False

    def __post_init__(self) -> None:
        self.stdout, self.stderr = Log(self.log_bytes), Log(self.log_bytes)

    @property
    def outputs(self) -> int:
        return self.folders[0]

    @property
    def returned(self) -> int:
        return cast("int", self.process.returncode)

    @property
    def disk_was_full(self) -> bool:
        return False

    # Start

    def start_reading(self) -> None:
        """Start to read the streams, the control socket and the end of the process."""
        self._poll = select.epoll()
        for pipe, log in ((self.process.stdout, self.stdout), (self.process.stderr, self.stderr)):
            number = cast("IO[bytes]", pipe).fileno()
            os.set_blocking(number, False)
            self._listen(number, partial(self._read, number, log))
        self.control.setblocking(False)  # noqa: FBT003
        self._listen(self.control.fileno(), self._hear)

    def _listen(self, number: int, reader: Callable[[], None]) -> None:
        self._readers[number] = reader
        cast("select.epoll", self._poll).register(number, select.EPOLLIN)

    def _ignore(self, number: int) -> None:
        if self._readers.pop(number, None) is not None:
            cast("select.epoll", self._poll).unregister(number)

    def adopt(self, init: int, group: Group | None) -> None:
        """Open a handle of the sandbox's init and put it into its control group before any code runs."""
        self.init = init
        try:
            self.init_fd = os.pidfd_open(init)
            if group is not None:
                group.join(init)
        except ProcessLookupError as gone:
            raise NotStarted("The sandbox ended while it was being set up.") from gone
        self.group = group
        outer = os.pidfd_open(self.process.pid)
        self._readers[outer] = lambda: self._note_end(outer)
        cast("select.epoll", self._poll).register(outer, select.EPOLLIN)

    # Read

    def turn(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for events and handle them. Returns False once the main process has ended."""
        for number, _ in cast("select.epoll", self._poll).poll(timeout):
            reader = self._readers.get(number)
            if reader is not None:
                reader()
        return not self._ended

    def _note_end(self, outer: int) -> None:
        self._ended = True
        self._ignore(outer)
        os.close(outer)

    def _read(self, number: int, log: Log) -> None:
        try:
            data = os.read(number, READ)
        except BlockingIOError:
            return
        if data:
            log.add(data)
        else:
            self._ignore(number)

    def _hear(self) -> None:
        """Read the folders' descriptors first, then one line. The kernel drops descriptors sent with anything else."""
        try:
            if not self.ready:
                self._hear_ready()
                return
            data = self.control.recv(REPORT_BYTES)
        except (BlockingIOError, ConnectionResetError):
            return
        self.report = data.decode("ascii", "replace")
        self._ignore(self.control.fileno())

    def _hear_ready(self) -> None:
        size = socket.CMSG_SPACE(4 * FOLDERS)
        data, ancillary, _, _ = self.control.recvmsg(16, size, socket.MSG_CMSG_CLOEXEC)
        if not data.startswith(b"ready "):
            self._ignore(self.control.fileno())
            return
        self.landlock = int(data[6:])
        self.folders = tuple(number for _, _, packed in ancillary for number in unpack_fds(packed))
        self.ready = True

    def take_control(self) -> socket.socket:
        """Hand the control socket over to the caller, once the sandbox is ready."""
        self._ignore(self.control.fileno())
        return self.control

    # End

    def kill(self) -> None:
        """Kill everything inside at once: if the init of a pid namespace dies, all its processes die."""
        with contextlib.suppress(ProcessLookupError):
            if self.init_fd >= 0:
                signal.pidfd_send_signal(self.init_fd, signal.SIGKILL)
            else:
                self.process.kill()

    def finish(self) -> None:
        """Kill what is left, wait until the pid namespace is proven dead, and read what is left in the pipes."""
        if self._finished:
            return
        self._finished = True
        self.kill()
        try:
            self.process.wait(DEATH_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._await_init()
        self._drain()

    def _await_init(self) -> None:
        if self.init_fd < 0:
            return
        poll = select.poll()
        poll.register(self.init_fd, select.POLLIN)
        if not poll.poll(DEATH_S * 1000):
            raise NotStarted("The sandbox cannot be stopped: its processes hang in the kernel.")
        with contextlib.suppress(ChildProcessError):
            _, _, usage = os.wait4(self.init, 0)
            self.rusage_cpu_s = usage.ru_utime + usage.ru_stime
            self.rusage_peak = usage.ru_maxrss * 1024

    def _drain(self) -> None:
        while self._readers:
            events = cast("select.epoll", self._poll).poll(0)
            if not events:
                break
            for number, _ in events:
                if number in self._readers:
                    self._readers[number]()

    def close(self) -> None:
        """Kill what still runs and close every descriptor."""
        self.finish()
        for number in (self.init_fd, *self.folders):
            if number >= 0:
                os.close(number)
        self.init_fd, self.folders = -1, ()
        if self._poll is not None:
            self._poll.close()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        self.control.close()


def start(command: Command, group: Group | None) -> LocalSandbox:
    """Start a sandbox. Returns it once its init is in the control group and its command may run. Raises NotStarted."""
    become_subreaper()
    with contextlib.ExitStack() as near:
        with contextlib.ExitStack() as far:
            control, control_far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            near.callback(control.close)
            far.callback(control_far.close)
            info, info_far = _pipe(near, far)
            block_far, block = _pipe(far, near)
            ends = {"control": control_far.fileno(), "info": info_far, "block": block_far}
            process = _spawn(command, ends, far)
        sandbox = LocalSandbox(process=process, control=control, log_bytes=command.log_bytes)
        try:
            sandbox.start_reading()
            sandbox.adopt(_child(info, sandbox), group)
            os.write(block, b"1")
        except BaseException as bad:
            sandbox.close()
            if isinstance(bad, NotStarted):
                raise NotStarted(sandbox.stderr.text().strip() or str(bad)) from bad
            raise
        near.pop_all()
        os.close(info)
        os.close(block)
    return sandbox


def _close_all(numbers: list[int]) -> None:
    for number in numbers:
        os.close(number)


def _pipe(reader: contextlib.ExitStack, writer: contextlib.ExitStack) -> tuple[int, int]:
    read, write = os.pipe()
    reader.callback(os.close, read)
    writer.callback(os.close, write)
    return read, write


def _spawn(
    command: Command, ends: Mapping[str, int], far: contextlib.ExitStack
) -> "subprocess.Popen[bytes] | Child":
    """Run bubblewrap as the run's own user, without environment variables and with only the descriptors it needs."""
    opened: list[int] = []
    far.callback(_close_all, opened)
    view = command.view(opened)
    seccomp = memory_file("filter", command.seccomp)
    opened.append(seccomp)
    readable = readable_paths([path for path, _ in (*view.binds, *view.lent)], command.uid)
    options = bwrap_options.arguments(
        view, readable.paths, nested_users=command.nested_users, seccomp=seccomp
    )
    options += ["--info-fd", str(ends["info"]), "--block-fd", str(ends["block"])]
    packed = memory_file("options", b"".join(os.fsencode(option) + b"\0" for option in options))
    opened.append(packed)
    program = os.open(command.program, os.O_PATH | os.O_CLOEXEC)
    opened.append(program)
    environment = {}
    if (libraries := bwrap_options.libraries(command.program)) is not None:
        opened.append(os.open(libraries, os.O_PATH | os.O_CLOEXEC))
        environment["LD_LIBRARY_PATH"] = f"/proc/self/fd/{opened[-1]}"
    control = str(ends["control"])
    arguments = [word.replace("{control}", control) for word in command.arguments]
    path, words = f"/proc/self/fd/{program}", ["/usr/bin/bwrap", "--args", str(packed), "--", *arguments]
    if command.uid is None:  # no user to change to: Popen does not have to fork a copy of this process
        return subprocess.Popen(  # noqa: S603 our own program, our own arguments
            words,
            executable=path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            pass_fds=(*opened, *ends.values()),
            cwd="/",
        )
    return spawn(
        Program(
            path=path,
            arguments=words,
            environment=environment,
            uid=command.uid,
            place=readable.place,
            mounts=readable.mounts,
            descriptors=(*opened, *ends.values()),
        )
    )


def _child(info: int, sandbox: LocalSandbox) -> int:
    """Read the pid of the sandbox's init, which bubblewrap reports. Raises NotStarted."""
    poll, text, end = select.poll(), b"", time.monotonic() + START_S
    poll.register(info, select.POLLIN)
    while time.monotonic() < end:
        if poll.poll((end - time.monotonic()) * 1000):
            part = os.read(info, 4096)
            text += part
            if not part or text.rstrip().endswith(b"}"):
                break
    try:
        return int(json.loads(text)["child-pid"])
    except (ValueError, KeyError) as bad:
        sandbox.process.wait(1) if sandbox.process.poll() is not None else sandbox.process.kill()
        raise NotStarted("Bubblewrap did not report which process it started.") from bad
