"""Run one function over many disjoint blocks: one sandbox, one pristine process in it, one fresh child per block.

What leaves a block is exactly `output_size` finite floats, or nothing. Which blocks failed, how and how long they
took depends on the data: that is the private report, for the owner's side alone.
"""

import contextlib
import marshal
import os
import platform
import select
import signal
import socket
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from runner import bpf, bubblewrap, selftest
from runner.box import Box, Command, NotStarted, start
from runner.contract import Limits, SandboxUnavailable
from runner.interpreter import Interpreter, interpreter
from runner.job import MIB, harness, resource_limits, variables
from runner.linux import memory_file
from runner.meter import descendants, resident
from runner.session import grouped, staged

Array = npt.NDArray[np.generic]
Block = Array | Mapping[str, Array]
Answers = npt.NDArray[np.float64]

HEADER = struct.Struct("=ii")
LATE = -1
CAPABILITIES = ("CAP_SYS_ADMIN", "CAP_SETPCAP")
MAX_OUTPUT = 4096
MAX_CODE = 2**20
BASE_MB = 512
"""What the libraries of the zygote itself may take."""
FOLDER_BYTES = 16 * MIB
START_S = 60.0
TICK_MS = 50
SILENCE_S = 5.0
LIMITS = Limits(wall_s=10, cpu_s=2, memory_mb=512, pids=16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Private: how each block ended ("ok", "failed", "time"), and what all of them took together."""

    ends: tuple[str, ...]
    wall_s: float
    layers: tuple[str, ...]

    @property
    def failed(self) -> int:
        return sum(end != "ok" for end in self.ends)


def run_blocks(
    code: str,
    blocks: Sequence[Block],
    output_size: int,
    limits: Limits = LIMITS,
    *,
    environment: Path | None = None,
    at_once: int = 2,
) -> tuple[Answers, Report]:
    """Call `block(x)` (or `main(x)`) of the code on every block; answers a row each, NaN where one failed.

    `limits` are those of one block: whole seconds of CPU time, wall time as a last resort, memory. A block is an
    array, or a mapping of columns that arrives as a DataFrame. With `at_once=1` no block can feel another's load.
    Raises ValueError for wrong arguments and SandboxUnavailable.
    """
    _check(code, output_size, at_once)
    place = environment or selftest.default_environment()
    layers = selftest.probe(place).layers
    tables = any(isinstance(block, Mapping) for block in blocks)
    job = _job(code, output_size, limits, tables=tables)
    answers = np.full((len(blocks), output_size), np.nan)
    begin = time.monotonic()
    with _zygote(job, limits, place, at_once) as box:
        ends = _Conversation(box, blocks, answers, limits, at_once).hold()
    answers[~np.isfinite(answers).all(axis=1)] = np.nan
    return answers, Report(ends=ends, wall_s=time.monotonic() - begin, layers=layers)


def _check(code: str, output_size: int, at_once: int) -> None:
    if not 1 <= output_size <= MAX_OUTPUT:
        raise ValueError(f"A block answers with 1 to {MAX_OUTPUT:,} numbers, not {output_size}.")
    if len(code.encode("utf-8", "surrogatepass")) > MAX_CODE:
        raise ValueError(f"The code has more than {MAX_CODE:,} bytes.")
    if at_once < 1:
        raise ValueError("At least one block runs at a time.")


def _job(code: str, output_size: int, limits: Limits, *, tables: bool) -> dict[str, object]:
    own = resource_limits(limits) | {"FSIZE": FOLDER_BYTES, "NOFILE": 64, "SIGPENDING": 0}
    own["DATA"] += BASE_MB * MIB  # the zygote's own pages, which a child shares
    return {
        "code": code,
        "output_size": output_size,
        "limits": own,
        "filter": bpf.build(platform.machine(), bpf.Stage.BLOCK),
        "tables": tables,
        "wall_s": limits.wall_s,
        "folder_bytes": FOLDER_BYTES,
    }


@contextmanager
def _zygote(job: dict[str, object], limits: Limits, environment: Path, at_once: int) -> Iterator[Box]:
    """The sandbox with its fork server, ready to take blocks."""
    together = replace(
        limits,
        memory_mb=BASE_MB + at_once * (limits.memory_mb + 3 * FOLDER_BYTES // MIB),
        pids=limits.pids * at_once + 1,
    )
    python = interpreter(environment)
    try:
        with staged() as stage, grouped(together) as group:
            box = start(_command(job, python, stage.uid), group)
            try:
                _await_ready(box)
                yield box
            finally:
                box.close()
    except NotStarted as bad:
        raise SandboxUnavailable(f"The fork server does not start: {bad}") from bad


def _command(job: dict[str, object], python: Interpreter, uid: int | None) -> Command:
    main, _ = harness("zygote", compiled=python.same_as_ours)

    def view(opened: list[int]) -> bubblewrap.View:
        contents = dict(harness(name, compiled=python.same_as_ours) for name in ("zygote", "confine"))
        contents["/weir/job"] = marshal.dumps(job, 2)
        opened.extend(memory_file("file", content) for content in contents.values())
        return bubblewrap.View(
            binds=python.mounts,
            files=list(zip(opened[-len(contents) :], contents, strict=True)),
            links=python.links,
            empty=python.empty,
            writable=dict.fromkeys(("/out", "/tmp", "/dev/shm"), MIB),  # noqa: S108
            variables={
                name: "1" if name.endswith("_THREADS") else value for name, value in variables(python).items()
            },
            capabilities=CAPABILITIES,
        )

    return Command(
        program=bubblewrap.find(),
        view=view,
        arguments=[python.command, "-I", "-B", "-X", "utf8", main, "{control}"],
        seccomp=bpf.build(platform.machine(), bpf.Stage.ZYGOTE),
        nested_users=True,
        uid=uid,
    )


def _await_ready(box: Box) -> None:
    deadline = time.monotonic() + START_S
    while not box.ready:
        if not box.turn(0.05) or time.monotonic() > deadline:
            box.finish()
            raise NotStarted(box.stderr.text()[-600:] or "it did not become ready")


def packed(block: Block) -> bytes:
    """A block as bytes: the length of a description, the description, then each array at its place."""
    arrays = dict(block) if isinstance(block, Mapping) else {None: block}
    parts = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    if any(array.dtype.hasobject for array in parts.values()):
        raise ValueError("A block holds plain numbers, dates and text of fixed width, no Python objects.")
    bodies = [array.tobytes() for array in parts.values()]
    room = 8 + len(marshal.dumps(_described(parts, 2**62), 2))
    head = marshal.dumps(_described(parts, room), 2)
    return struct.pack("=q", len(head)) + head.ljust(room - 8, b"\0") + b"".join(bodies)


def _described(parts: Mapping[str | None, Array], offset: int) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for name, array in parts.items():
        found.append((name, array.dtype.str, array.size, offset, array.shape))
        offset += array.nbytes
    return found


def end_greedy(init: int, most: int) -> None:
    """Kill each block that holds more memory than it may, in ways that its own limits do not count. Only that one."""
    for pid in descendants(init):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if resident(pid) > most:
                os.kill(pid, signal.SIGKILL)


class _Conversation:
    """Hand out blocks, a few at a time, and note what comes back."""

    def __init__(
        self, box: Box, blocks: Sequence[Block], answers: Answers, limits: Limits, at_once: int
    ) -> None:
        self.box = box
        self.blocks = blocks
        self.answers = answers
        self.at_once = at_once
        self.patience = limits.wall_s + SILENCE_S
        self.most = (BASE_MB + limits.memory_mb) * MIB
        self.ends = ["failed"] * len(blocks)
        self.control = box.take_control()
        self.control.settimeout(None)

    def hold(self) -> tuple[str, ...]:
        sent = heard = 0
        while heard < len(self.blocks):
            while sent < len(self.blocks) and sent - heard < self.at_once:
                self._send(sent)
                sent += 1
            if not self._hear():
                break
            heard += 1
        self.control.shutdown(socket.SHUT_RDWR)
        return tuple(self.ends)

    def _send(self, number: int) -> None:
        content = memory_file("block", packed(self.blocks[number]))
        socket.send_fds(self.control, [struct.pack("=i", number)], [content])
        os.close(content)

    def _hear(self) -> bool:
        """One answer; False when the fork server is gone, which leaves the remaining blocks as failed."""
        poll = select.poll()
        poll.register(self.control.fileno(), select.POLLIN)
        end = time.monotonic() + self.patience
        while not poll.poll(TICK_MS):
            if time.monotonic() > end:
                return False
            end_greedy(self.box.init, self.most)
        data = self.control.recv(HEADER.size + 8 * MAX_OUTPUT)
        if len(data) < HEADER.size:
            return False
        number, status = HEADER.unpack_from(data)
        body = data[HEADER.size :]
        if len(body) == 8 * self.answers.shape[1]:
            self.answers[number] = np.frombuffer(body)
            self.ends[number] = "ok"
        elif status == LATE:
            self.ends[number] = "time"
        return True
