"""The host's side of the fork server: hand it blocks, watch each child, and read the answer of each dead child.

Nothing here waits for a block. The server reports over a socket when a child has started and when it has died. In
between, this side reads the child's clocks and memory and kills it if it exceeds a limit.
"""

import contextlib
import marshal
import math
import os
import platform
import select
import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from runner.contract import MIB, Limits
from runner.host import bwrap_options, seccomp
from runner.host.interpreter import Interpreter, interpreter
from runner.host.job import harness, resource_limits, variables
from runner.host.linux import memory_file, memory_files, pid_of, unpack_fds
from runner.host.local_sandbox import Command, LocalSandbox, NotStarted, start
from runner.host.meter import children, cpu_s, own_memory, reserved, waited_s
from runner.host.session import grouped, staged

# As in runner/inside/block_server.py
NUMBER = struct.Struct("=i")
MEMORY = struct.Struct("=qq")
MESSAGE = struct.Struct("=ii?d")
BEGUN = -1

CAPABILITIES = ("CAP_SYS_ADMIN", "CAP_SETPCAP")
BASE_MB = 512
"""What the server and its libraries may use. Its children share that memory."""
FOLDER_BYTES = 16 * MIB
FOLDERS = ("/out", "/tmp", "/dev/shm")  # noqa: S108
SLACK_MB = 128
"""How far a child may exceed its limit before it is noticed and killed."""
UNANSWERED = struct.pack("=Q", 0x7FF8_0000_0000_7E1A)
"""A NaN that arithmetic does not produce. It marks a number that was not written."""
START_S = 60.0
HANG_S = 60.0
TICK_S = 0.01


class ServerGone(RuntimeError):
    """The fork server has died or is hanging."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What all blocks of one call share."""

    code: str
    output_size: int
    limits: Limits
    tables: bool
    environment: Path


@dataclass(slots=True)
class RunningBlock:
    """A block that was handed out. `handle` is a pidfd once its process has started."""

    answer: int
    sent: float
    handle: int = -1
    pid: int = -1
    begun: float = 0.0
    late: bool = False

    def close(self) -> None:
        os.close(self.answer)
        if self.handle >= 0:
            os.close(self.handle)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockEnd:
    """How a block ended: "ok" with its answer, "failed" or "time". If it was not `confined`, its code did not run."""

    number: int
    end: str
    answer: bytes
    confined: bool


@contextmanager
def fork_server(work: Work, at_once: int) -> Iterator["ForkServer"]:
    """Yield a fork server in its own sandbox, ready for blocks. Raises NotStarted."""
    python = interpreter(work.environment)
    with staged() as stage, grouped(_together(work.limits, at_once)) as group:
        sandbox = start(_command(work, python, stage.uid), group)
        try:
            _await_ready(sandbox)
            with contextlib.closing(_introduced(sandbox, work)) as server:
                yield server
        finally:
            sandbox.close()


def _together(limits: Limits, at_once: int) -> Limits:
    """Return the limits of the whole sandbox: the server, each child at its limit, and slack.

    Only a child over its limit can use all of this. It then uses more than any other child, so the kernel kills it and
    not a neighbour.
    """
    each = BASE_MB + limits.memory_mb + len(FOLDERS) * FOLDER_BYTES // MIB + SLACK_MB
    return replace(limits, memory_mb=BASE_MB + at_once * each, pids=2 * at_once + 1)


def _command(work: Work, python: Interpreter, uid: int | None) -> Command:
    main, _ = harness("block_server", compiled=python.same_as_ours)

    def view(opened: list[int]) -> bwrap_options.View:
        names = ("block_server", "preload", "confine")
        contents = dict(harness(name, compiled=python.same_as_ours) for name in names)
        contents["/weir/job"] = marshal.dumps(_job(work), 2)
        return bwrap_options.View(
            binds=python.mounts,
            files=memory_files(contents, opened),
            links=python.links,
            empty=python.empty,
            writable=dict.fromkeys(FOLDERS, MIB),
            variables=_variables(python),
            capabilities=CAPABILITIES,
        )

    return Command(
        program=bwrap_options.find(),
        view=view,
        # Not -I, which would ignore the hash seed; bubblewrap clears the environment, so no other variable is read.
        arguments=[python.command, "-s", "-B", "-X", "utf8", main, "{control}"],
        seccomp=seccomp.build(platform.machine(), seccomp.Profile.BLOCK_SERVER),
        nested_users=True,
        uid=uid,
    )


def _variables(python: Interpreter) -> dict[str, str]:
    """Return variables for one thread and a fixed hash seed, so that a block that runs again gives the same answer."""
    found = {name: "1" if name.endswith("_THREADS") else value for name, value in variables(python).items()}
    return found | {"PYTHONHASHSEED": "0"}


def _job(work: Work) -> dict[str, object]:
    own = {"FSIZE": FOLDER_BYTES, "NOFILE": 64, "SIGPENDING": 0, "CPU": math.ceil(work.limits.cpu_s) + 1}
    return {
        "code": work.code,
        "output_size": work.output_size,
        "limits": resource_limits(work.limits) | own,
        "filter": seccomp.build(platform.machine(), seccomp.Profile.BLOCK),
        "tables": work.tables,
        "folder_bytes": FOLDER_BYTES,
    }


def _await_ready(sandbox: LocalSandbox) -> None:
    deadline = time.monotonic() + START_S
    while not sandbox.ready:
        if not sandbox.turn(0.05) or time.monotonic() > deadline:
            sandbox.finish()
            raise NotStarted(sandbox.stderr.text()[-600:] or "it did not become ready")


def _introduced(sandbox: LocalSandbox, work: Work) -> "ForkServer":
    try:
        return ForkServer(sandbox, work)
    except ServerGone as gone:
        raise NotStarted("it ended right after its start") from gone


class ForkServer:
    """Hands out blocks and reports how each ended. Every method may raise ServerGone."""

    def __init__(self, sandbox: LocalSandbox, work: Work) -> None:
        self.sandbox = sandbox
        self.limits = work.limits
        self.size = 8 * work.output_size
        self.in_hand: dict[int, RunningBlock] = {}
        self.hang_s = 4 * work.limits.wall_s + HANG_S
        self.control = sandbox.take_control()
        self._poll = select.poll()
        self._poll.register(self.control.fileno(), select.POLLIN)
        self._look_at = 0.0
        self.most = self._make_room()

    def _make_room(self) -> int:
        """Set the children's memory limits, on top of what the server uses. Returns the limit to watch, in bytes."""
        try:
            (server,) = children(self.sandbox.init)
            own, (address, data) = own_memory(server), reserved(server)
        except (ValueError, KeyError, FileNotFoundError, ProcessLookupError) as gone:
            raise ServerGone from gone
        if own > BASE_MB * MIB:
            raise NotStarted(f"the libraries that the code names take more than {BASE_MB} MB")
        more = self.limits.memory_mb * MIB
        self._send(MEMORY.pack(address + resource_limits(self.limits)["AS"], data + more))
        return own + more + len(FOLDERS) * FOLDER_BYTES

    def _send(self, data: bytes, *descriptors: int) -> None:
        try:
            socket.send_fds(self.control, [data], descriptors)
        except OSError as gone:
            raise ServerGone from gone

    def hand_out(self, number: int, block: bytes) -> None:
        answer = memory_file("answer", UNANSWERED * (self.size // 8), writable=True)
        self.in_hand[number] = RunningBlock(answer, time.monotonic())
        content = memory_file("block", block)
        try:
            self._send(NUMBER.pack(number), content, answer)
        finally:
            os.close(content)

    def ended_blocks(self, timeout: float) -> Iterator[BlockEnd]:
        """Wait at most `timeout` seconds, yield the blocks that have ended, and enforce the limits of the others."""
        wait = min(timeout, TICK_S) if self.in_hand else timeout
        if self._poll.poll(wait * 1000):
            while (heard := self._hear()) is not None:
                if heard:
                    yield heard[0]
        if self.in_hand and time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + TICK_S
            self._look()

    def _hear(self) -> tuple[BlockEnd, ...] | None:
        """Read one message. Returns how a child ended, () if one has started, or None if there is no message."""
        try:
            data, ancillary, _, _ = self.control.recvmsg(
                MESSAGE.size, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return None
        except ConnectionResetError as gone:
            raise ServerGone from gone
        if len(data) < MESSAGE.size:
            raise ServerGone
        number, status, confined, used = MESSAGE.unpack(data)
        if status != BEGUN:
            return (self._ended(number, status, used, confined=confined),)
        child = self.in_hand[number]
        (child.handle,) = (handle for _, _, packed in ancillary for handle in unpack_fds(packed))
        child.pid, child.begun = pid_of(child.handle), time.monotonic()
        return ()

    def _ended(self, number: int, status: int, used: float, *, confined: bool) -> BlockEnd:
        """Read a dead child's answer, which counts if it is complete and the child ended cleanly and in time."""
        child = self.in_hand.pop(number)
        answer = os.pread(child.answer, self.size, 0)
        child.close()
        late = child.late or used > self.limits.cpu_s
        written = all(answer[place : place + 8] != UNANSWERED for place in range(0, self.size, 8))
        end = "time" if late else "ok" if status == 0 and written else "failed"
        return BlockEnd(number=number, end=end, answer=answer if end == "ok" else b"", confined=confined)

    def _look(self) -> None:
        """Kill every child that is over a limit."""
        now = time.monotonic()
        for child in self.in_hand.values():
            if now - child.sent > self.hang_s:
                raise ServerGone
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if child.pid > 0 and not child.late and self._is_over(child, now):
                    signal.pidfd_send_signal(child.handle, signal.SIGKILL)

    def _is_over(self, child: RunningBlock, now: float) -> bool:
        """Whether a child exceeds a limit. Time spent waiting for a CPU does not count: it depends on others' load."""
        taken = now - child.begun - waited_s(child.pid)
        child.late = cpu_s(child.pid) > self.limits.cpu_s or taken > self.limits.wall_s
        return child.late or own_memory(child.pid) > self.most

    def close(self) -> None:
        for child in self.in_hand.values():
            child.close()
        with contextlib.suppress(OSError):
            self.control.shutdown(socket.SHUT_RDWR)
