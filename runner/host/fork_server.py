"""The host's side of the fork server: hand it a block, watch the child, and read the dead child's answer.

The server reports over a socket when a child has started and when it has died. In between, this side reads the child's
clocks and memory and kills it if it exceeds a limit.
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from runner.contract import MIB, TRACEBACK_BYTES, Limits
from runner.host import bwrap_options, seccomp
from runner.host.interpreter import Interpreter, interpreter
from runner.host.job import THREAD_STACK, harness, resource_limits, variables
from runner.host.linux import memory_file, memory_files, pid_of, unpack_fds
from runner.host.local_sandbox import Command, LocalSandbox, NotStarted, start
from runner.host.meter import children, cpu_s, own_memory, reserved, threads, waited_s
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
THREADS = 8
"""How many threads a block may have, its first one included. They share one processor core."""
OTHERS = 2
"""The sandbox's other processes: its init and the server."""
SLACK_MB = 128
"""How far a child may exceed its limit before it is noticed and killed."""
UNANSWERED = struct.pack("=Q", 0x7FF8_0000_0000_7E1A)
"""A NaN that arithmetic does not produce. It marks a number that was not written."""
START_S = 60.0
HANG_S = 60.0
TICK_S = 0.01
SOON_S = 0.001


class ServerGone(RuntimeError):
    """The fork server has died or is hanging."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What all blocks of one call share. `limits` are those of one block."""

    code: str
    output_size: int
    limits: Limits
    halves: bool
    state: bytes | None
    labels: Sequence[str]
    explain: bool
    environment: Path
    core: int = -1
    """The processor core that all of it runs on, or -1 for any."""
    over_s: float = math.inf
    """Seconds after which a block is killed, even if it has spent them waiting."""

    @property
    def answer_bytes(self) -> int:
        return 8 * self.output_size

    @property
    def story_bytes(self) -> int:
        """Room for a traceback, which only mock data may have."""
        return TRACEBACK_BYTES if self.explain else 0


@dataclass(slots=True)
class RunningBlock:
    """A block that was handed out. `handle` is a pidfd once its process has started."""

    answer: int
    sent: float
    handle: int = -1
    pid: int = -1
    waited: float = 0.0
    """Seconds that it, and the server before, have waited for a processor, as last read."""
    killed: str = ""
    """"time", "waited" or "failed" (too much memory), if it was killed for that."""

    def own_s(self, now: float) -> float:
        """Return the seconds that it has taken, without waits: they depend on others' load."""
        return now - self.sent - self.waited

    def close(self) -> None:
        os.close(self.answer)
        if self.handle >= 0:
            os.close(self.handle)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockEnd:
    """How a block ended, in a word of Report.ends. If it was not `confined`, its code did not run."""

    end: str
    answer: bytes
    story: bytes
    confined: bool
    seconds: float


@contextmanager
def fork_server(work: Work) -> Iterator["ForkServer"]:
    """Yield a fork server in its own sandbox, ready for blocks. Raises NotStarted."""
    python = interpreter(work.environment)
    with staged() as stage, grouped(_together(work.limits)) as group:
        sandbox = start(_command(work, python, stage.uid), group)
        try:
            _await_ready(sandbox)
            with contextlib.closing(_introduced(sandbox, work)) as server:
                yield server
        finally:
            sandbox.close()


def _together(limits: Limits) -> Limits:
    """Return the limits of the whole sandbox: the server, a child at its limit, and slack.

    Only a child over its limit can use all of this. The kernel then kills it and not the server, which uses less.
    """
    child = BASE_MB + limits.memory_mb + len(FOLDERS) * FOLDER_BYTES // MIB + SLACK_MB
    return replace(limits, memory_mb=BASE_MB + child, pids=OTHERS + THREADS)


def _command(work: Work, python: Interpreter, uid: int | None) -> Command:
    main, _ = harness("block_server", compiled=python.same_as_ours)

    def view(opened: list[int]) -> bwrap_options.View:
        names = ("block_server", "block_call", "preload", "confine")
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
    # The allocators of pyarrow and polars would start threads.
    allocators = dict.fromkeys(("JE_ARROW_MALLOC_CONF", "_RJEM_MALLOC_CONF"), "background_thread:false")
    return found | {"PYTHONHASHSEED": "0"} | allocators


def _job(work: Work) -> dict[str, object]:
    own = {
        "FSIZE": FOLDER_BYTES,
        "NOFILE": 64,
        "SIGPENDING": 0,
        "CPU": math.ceil(work.limits.cpu_s) + 1,
        "NPROC": OTHERS + THREADS,
    }
    return {
        "code": work.code,
        "output_size": work.output_size,
        "halves": work.halves,
        "state": work.state,
        "labels": tuple(work.labels),
        "story_bytes": work.story_bytes,
        "core": work.core,
        "limits": resource_limits(work.limits) | own,
        "filter": seccomp.build(platform.machine(), seccomp.Profile.BLOCK),
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
    """Runs one block at a time and reports how it ended. Every method may raise ServerGone."""

    def __init__(self, sandbox: LocalSandbox, work: Work) -> None:
        self.sandbox = sandbox
        self.limits = work.limits
        self.work = work
        self.in_hand: RunningBlock | None = None
        self.hang_s = 4 * work.limits.wall_s + HANG_S
        self.control = sandbox.take_control()
        self._poll = select.poll()
        self._poll.register(self.control.fileno(), select.POLLIN)
        self._look_at = self._waited_before = 0.0
        try:
            (self.pid,) = children(sandbox.init)
            self.most = self._make_room()
        except (ValueError, KeyError, FileNotFoundError, ProcessLookupError) as gone:
            raise ServerGone from gone

    def _make_room(self) -> int:
        """Set the children's memory limits, on top of what the server uses. Returns the limit to watch, in bytes."""
        own, (address, data) = own_memory(self.pid), reserved(self.pid)
        if own > BASE_MB * MIB:
            raise NotStarted(f"the libraries that the code names take more than {BASE_MB} MB")
        if threads(self.pid) > 1:  # a fork would lose them, whatever they hold
            raise NotStarted("a library that the code names has started a thread")
        more = self.limits.memory_mb * MIB
        stacks = (THREADS - 1) * THREAD_STACK  # they count as data, although they are hardly used
        self._send(MEMORY.pack(address + resource_limits(self.limits)["AS"], data + more + stacks))
        return own + more + len(FOLDERS) * FOLDER_BYTES

    def _send(self, data: bytes, *descriptors: int) -> None:
        try:
            socket.send_fds(self.control, [data], descriptors)
        except OSError as gone:
            raise ServerGone from gone

    def hand_out(self, number: int, content: int) -> None:
        """Start the block in the memory file `content`, of which the caller keeps the descriptor."""
        room = UNANSWERED * self.work.output_size + bytes(self.work.story_bytes)
        self._waited_before = self._waited()
        self.in_hand = RunningBlock(memory_file("answer", room, writable=True), time.monotonic())
        self._send(NUMBER.pack(number), content, self.in_hand.answer)

    def result(self) -> BlockEnd:
        """Watch the block that was handed out to its end."""
        while (ended := self._next()) is None:
            if self.in_hand is not None and time.monotonic() >= self._look_at:
                self._look_at = time.monotonic() + self._look(self.in_hand)
        return ended

    def _waited(self) -> float:
        try:
            return waited_s(self.pid)
        except (FileNotFoundError, ProcessLookupError) as gone:
            raise ServerGone from gone

    def _next(self) -> BlockEnd | None:
        """Wait for a message until it is time to look, and read what has arrived."""
        if not self._poll.poll(max(0.0, self._look_at - time.monotonic()) * 1000):
            return None
        try:
            data, ancillary, _, _ = self.control.recvmsg(
                MESSAGE.size, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionResetError as gone:
            raise ServerGone from gone
        if len(data) < MESSAGE.size or self.in_hand is None:
            raise ServerGone
        _, status, confined, used = MESSAGE.unpack(data)
        child = self.in_hand
        if status != BEGUN:
            return self._ended(child, status, used, confined=confined)
        (child.handle,) = (handle for _, _, packed in ancillary for handle in unpack_fds(packed))
        child.pid = pid_of(child.handle)
        return None

    def _ended(self, child: RunningBlock, status: int, used: float, *, confined: bool) -> BlockEnd:
        """Read a dead child's answer, which counts if it is complete and the child ended cleanly and in time."""
        size, story = self.work.answer_bytes, self.work.story_bytes
        written = os.pread(child.answer, size + story, 0)
        answer, text = written[:size], written[size:].rstrip(b"\0")
        complete = all(answer[place : place + 8] != UNANSWERED for place in range(0, size, 8))
        late = "time" if used > self.limits.cpu_s else ""
        end = child.killed or late or ("ok" if status == 0 and complete else "failed")
        self.in_hand = None
        child.close()
        return BlockEnd(
            end=end,
            answer=answer if end == "ok" else b"",
            story=text if end == "failed" else b"",
            confined=confined,
            seconds=max(used, child.own_s(time.monotonic())),
        )

    def _look(self, child: RunningBlock) -> float:
        """Kill the child if it is over a limit. Returns the seconds until the next look."""
        now = time.monotonic()
        if now - child.sent > self.hang_s:
            raise ServerGone
        if child.pid <= 0 or child.killed:
            return TICK_S
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            child.waited = waited_s(child.pid) + self._waited() - self._waited_before
            child.killed = self._exceeded(child, now)
            if child.killed:
                signal.pidfd_send_signal(child.handle, signal.SIGKILL)
        left = min(self.limits.wall_s - child.own_s(now), self.work.over_s - (now - child.sent))
        return min(TICK_S, max(SOON_S, left))

    def _exceeded(self, child: RunningBlock, now: float) -> str:
        """Return how a child ends that is over a limit, or "" if it is not."""
        if child.own_s(now) > self.limits.wall_s or cpu_s(child.pid) > self.limits.cpu_s:
            return "time"
        if now - child.sent > self.work.over_s:
            return "waited"
        return "failed" if own_memory(child.pid) > self.most else ""

    def close(self) -> None:
        if self.in_hand is not None:
            self.in_hand.close()
            self.in_hand = None
        with contextlib.suppress(OSError):
            self.control.shutdown(socket.SHUT_RDWR)
