"""Run one function over many disjoint blocks of people: one sandbox, one fork server in it, one fresh child per block.

A block yields exactly `output_size` finite floats, or nothing. Which blocks failed, how, and how long they took
depends on the data, so it goes into a private report for the owner's side only. See BlockRunner in runner/contract.py.
"""

import contextlib
import marshal
import math
import os
import secrets
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from runner.contract import (
    LEAST_RESERVE_S,
    MAX_NUMBERS,
    MAX_TRACEBACKS,
    OWN_SHARE,
    Answers,
    Block,
    BlockColumn,
    Limits,
    Report,
    SandboxUnavailable,
    working_s,
)
from runner.host import selftest
from runner.host.core import Core, steady_core
from runner.host.fork_server import BlockEnd, ForkServer, ServerGone, Work, fork_server
from runner.host.linux import memory_file
from runner.host.local_sandbox import NotStarted

MAX_CODE = 2**20
TRIES = 3
ALIGNED = 8
UNITS = ("D", "s", "ms", "us", "ns")
KINDS = {"number": "f", "whole": "iu", "category": "iu", "boolean": "b", "date": "M", "person": "iu"}
"""The kinds of numpy types that a column of each kind may consist of."""


def run_blocks(  # noqa: PLR0913 -- each is named at the call
    code: str,
    blocks: Sequence[Block],
    output_size: int,
    limits: Limits,
    *,
    halves: bool = False,
    state: npt.NDArray[np.float64] | None = None,
    labels: tuple[str, ...] = (),
    slot_s: float = 0.0,
    explain: bool = False,
    environment: Path | None = None,
) -> tuple[Answers, Report]:
    """See BlockRunner."""
    place = environment or selftest.default_environment()
    if state is not None and state.ndim != 1:
        raise ValueError("A state is a vector.")
    work = Work(
        code=code,
        output_size=output_size,
        limits=_own_limits(limits, slot_s),
        halves=halves,
        state=None if state is None else np.asarray(state, np.float64).tobytes(),
        labels=labels,
        explain=explain,
        environment=place,
        over_s=working_s(slot_s) if slot_s else math.inf,
    )
    _check(work, slot_s)
    for block in blocks:
        check_block(block, halves=halves)
    layers = selftest.probe(place).layers
    called = time.monotonic()
    with _core(slot_s) as core:
        work = work if core is None else replace(work, core=core.number)
        run = _Run(work, blocks, _Slots(slot_s), core, called)
        run.all()
    return run.answers, run.report((*layers, *([core.layer] if core else [])))


def _own_limits(limits: Limits, slot_s: float) -> Limits:
    if not slot_s:
        return limits
    own = OWN_SHARE * working_s(slot_s)
    return replace(limits, wall_s=min(limits.wall_s, own), cpu_s=min(limits.cpu_s, own))


@contextlib.contextmanager
def _core(slot_s: float) -> Iterator[Core | None]:
    if not slot_s:
        yield None
        return
    with steady_core() as core:
        yield core


def _check(work: Work, slot_s: float) -> None:
    if not 1 <= work.output_size <= MAX_NUMBERS:
        raise ValueError(f"A block answers with 1 to {MAX_NUMBERS:,} numbers, not {work.output_size:,}.")
    if len(work.code.encode("utf-8", "surrogatepass")) > MAX_CODE:
        raise ValueError(f"The code has more than {MAX_CODE:,} bytes.")
    if work.state is not None and len(work.state) > 8 * MAX_NUMBERS:
        raise ValueError(f"A state consists of at most {MAX_NUMBERS:,} numbers.")
    if work.labels and (work.output_size != 1 or work.halves):
        raise ValueError("A label is one answer, of which no halves can be taken.")
    if slot_s and not LEAST_RESERVE_S < slot_s < math.inf:
        raise ValueError(f"A slot must take more than {LEAST_RESERVE_S} seconds, not {slot_s}.")


# A block as bytes


def check_block(block: Block, *, halves: bool) -> None:
    """Raise ValueError if a block is malformed."""
    if len({column.values.shape for column in block.values()}) != 1:
        raise ValueError("A block needs columns, all with the same number of cells.")
    if halves and sum(column.kind == "person" for column in block.values()) != 1:
        raise ValueError("Halves need exactly one column that numbers the block's people.")
    for name, column in block.items():
        if wrong := _wrong_with(column):
            raise ValueError(f"Column {name!r} of kind {column.kind} {wrong}.")


def _wrong_with(column: BlockColumn) -> str:
    values, missing = column.values, column.missing
    if values.ndim != 1 or values.dtype.kind not in KINDS[column.kind]:
        return f"cannot consist of {values.ndim} dimensions of {values.dtype}"
    if missing is not None and (missing.dtype != np.bool_ or missing.shape != values.shape):
        return "needs one flag for each cell: whether it is empty"
    if column.kind == "person" and missing is not None:
        return "cannot have empty cells"
    if column.kind == "date" and np.datetime_data(values.dtype)[0] not in UNITS:
        return "counts time in a unit that a table cannot have"
    if column.kind == "category" and not _are_labelled(
        values if missing is None else values[~missing], column
    ):
        return "has a code without a label"
    return ""


def _are_labelled(codes: npt.NDArray[Any], column: BlockColumn) -> bool:
    return codes.size == 0 or bool(-1 <= codes.min() <= codes.max() < len(column.labels))


def packed(block: Block) -> bytes:
    """Return a block as bytes: the length of a description, the description, then each array at its offset."""
    parts = {name: _parts(column) for name, column in block.items()}
    room = _aligned(8 + len(marshal.dumps(_described(block, parts, 2**62), 2)))
    described = marshal.dumps(_described(block, parts, room), 2)
    head = struct.pack("=q", len(described)) + described
    bodies = [part.tobytes() for each in parts.values() for part in each]
    return head.ljust(room, b"\0") + b"".join(body.ljust(_aligned(len(body)), b"\0") for body in bodies)


def _parts(column: BlockColumn) -> list[npt.NDArray[Any]]:
    """Return a column's values and, if it may have empty cells, their flags."""
    values, missing = column.values, column.missing
    if column.kind == "category":
        codes = values.astype(np.int64)
        return [codes if missing is None else np.where(missing, -1, codes)]
    if column.kind == "person":
        return [values.astype(np.int64)]
    native = values.astype(values.dtype.newbyteorder("="))
    return [native] if missing is None else [native, missing]


def _described(
    block: Block, parts: dict[str, list[npt.NDArray[Any]]], at: int
) -> list[tuple[str, str, str, int, int, int, tuple[str, ...]]]:
    """As runner/inside/block_call.py reads it."""
    found = []
    for name, (values, *flags) in parts.items():
        column, flags_at = block[name], at + _aligned(values.nbytes)
        found.append(
            (
                name,
                str(column.kind),
                values.dtype.str,
                values.size,
                at,
                flags_at if flags else -1,
                column.labels,
            )
        )
        at = flags_at + sum(_aligned(each.nbytes) for each in flags)
    return found


def _aligned(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED


# The run

in_random_order: Callable[[list[int]], None] = secrets.SystemRandom().shuffle


@dataclass(slots=True)
class _Slots:
    """Start times at fixed intervals, if `length` is not 0.

    What delays a start all the same (a server that died) delays it by whole slots. Start times stay on the same grid,
    and as the order is random and secret, a block that sees the time cannot tell whether a slot was left out: blocks
    together see the same set of times but for one, so such a delay changes no more than one other block's answer.
    """

    length: float
    origin: float | None = None
    last: int = -1

    def wait(self) -> None:
        """Return at the beginning of the next slot; the first time at once."""
        now = time.monotonic()
        if self.origin is None:
            self.origin = now
        if self.length:
            self.last = max(self.last + 1, math.ceil((now - self.origin) / self.length))
            time.sleep(max(0.0, self.origin + self.last * self.length - now))

    def taken(self) -> float:
        return 0.0 if self.origin is None else time.monotonic() - self.origin


@dataclass(slots=True)
class _Run:
    """Runs all blocks, one after the other, with as many fork servers as needed, usually one.

    A server that dies takes the block in hand with it. It is tried once more, after all others, so only a block that
    kills its server again has failed. A block that runs again gives the same answer.
    """

    work: Work
    blocks: Sequence[Block]
    slots: _Slots
    core: Core | None
    called: float
    start_s: float = 0.0
    wall_s: float = 0.0
    servers: int = 0
    answers: Answers = field(init=False)
    ends: list[str] = field(init=False)
    seconds: list[float] = field(init=False)
    tracebacks: list[str] = field(default_factory=list)
    _lost: list[int] = field(default_factory=list)
    _unconfined: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        count = len(self.blocks)
        self.answers = np.full((count, self.work.output_size), np.nan)
        self.ends, self.seconds = ["failed"] * count, [0.0] * count

    def report(self, layers: tuple[str, ...]) -> Report:
        return Report(
            ends=tuple(self.ends),
            seconds=tuple(self.seconds),
            wall_s=self.wall_s,
            start_s=self.start_s,
            layers=layers,
            servers=self.servers,
            tracebacks=tuple(self.tracebacks),
        )

    def all(self) -> None:
        numbers = list(range(len(self.blocks)))
        if self.slots.length:
            in_random_order(numbers)
        lost = self._through(numbers)
        self._unconfined.clear()
        self._through(lost)
        if self._unconfined:
            raise SandboxUnavailable(
                "This host could not confine a block. Run `python -m runner` to find out why."
            )
        if self.slots.length and self.blocks:
            self.slots.wait()
        self.wall_s = self.slots.taken()

    def _through(self, numbers: Iterable[int]) -> list[int]:
        """Run these blocks. Returns the ones that were lost with their server."""
        waiting, self._lost = deque(numbers), []
        fruitless, reason = 0, ""
        while waiting:
            before = len(waiting)
            try:
                self._use_server(waiting)
            except NotStarted as bad:
                reason = str(bad)
            fruitless = fruitless + 1 if len(waiting) == before else 0
            if fruitless == TRIES or (fruitless and not self.servers):
                raise SandboxUnavailable(f"The fork server did not start: {reason or 'it ends at once'}")
        return self._lost

    def _use_server(self, waiting: deque[int]) -> None:
        with fork_server(self.work) as server:
            self.servers += 1
            self.start_s = self.start_s or time.monotonic() - self.called
            with contextlib.suppress(ServerGone):
                if self.core is not None:
                    self.core.check(server.pid)
                self._converse(server, waiting)

    def _converse(self, server: ForkServer, waiting: deque[int]) -> None:
        """Run blocks until none is left. Each is packed while the one before it runs, so its size delays no start."""
        with contextlib.ExitStack() as opened:
            content = self._sealed(waiting[0], opened)
            while waiting:
                self.slots.wait()
                self._lost.append(number := waiting.popleft())
                server.hand_out(number, content)
                opened.close()
                content = self._sealed(waiting[0], opened) if waiting else -1
                ended = server.result()
                self._lost.pop()
                self._note(number, ended)

    def _sealed(self, number: int, opened: contextlib.ExitStack) -> int:
        file = memory_file("block", packed(self.blocks[number]))
        opened.callback(os.close, file)
        return file

    def _note(self, number: int, ended: BlockEnd) -> None:
        if (
            ended.end == "failed" and not ended.confined
        ):  # nothing of the code has run: that is the host's fault
            self._lost.append(number)
            self._unconfined.add(number)
            return
        self._unconfined.discard(number)
        self.seconds[number] = ended.seconds
        self.ends[number] = ended.end
        if ended.end == "ok":
            answer = np.frombuffer(ended.answer)
            if self._is_declared(answer):
                self.answers[number] = answer
            else:
                self.ends[number] = "failed"
        story = ended.story.decode("utf-8", "replace")
        if story and story not in self.tracebacks and len(self.tracebacks) < MAX_TRACEBACKS:
            self.tracebacks.append(story)

    def _is_declared(self, answer: Answers) -> bool:
        """Whether these are finite numbers, and the number of a label. The child checks that too, but it may lie."""
        if self.work.labels and answer[0] not in range(len(self.work.labels)):
            return False
        return bool(np.isfinite(answer).all())
