"""Run one function over many disjoint blocks: one sandbox, one fork server in it, one fresh child per block.

A block yields exactly `output_size` finite floats, or nothing. Which blocks failed, how, and how long they took
depends on the data, so it goes into a private report for the owner's side only.
"""

import marshal
import struct
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from runner.contract import Limits, SandboxUnavailable
from runner.host import selftest
from runner.host.fork_server import TICK_S, BlockEnd, ForkServer, ServerGone, Work, fork_server
from runner.host.local_sandbox import NotStarted

Array = npt.NDArray[np.generic]
Block = Array | Mapping[str, Array]
Answers = npt.NDArray[np.float64]

MAX_OUTPUT = 4096
MAX_CODE = 2**20
MAX_AT_ONCE = 64
TRIES = 3
LIMITS = Limits(wall_s=10, cpu_s=2, memory_mb=512)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Private: how each block ended ("ok", "failed", "time"), total duration, number of fork servers started."""

    ends: tuple[str, ...]
    wall_s: float
    layers: tuple[str, ...]
    servers: int

    @property
    def failed(self) -> int:
        return sum(end != "ok" for end in self.ends)


def run_blocks(  # noqa: PLR0913 -- each is named at the call
    code: str,
    blocks: Sequence[Block],
    output_size: int,
    limits: Limits = LIMITS,
    *,
    environment: Path | None = None,
    at_once: int = 2,
    every_s: float = 0.0,
) -> tuple[Answers, Report]:
    """Call `block(x)` (or `main(x)`) of the code on every block. Returns (blocks x output_size) floats, with a row of
    NaN for each failed block, and the private report.

    `limits` apply to one block: CPU time, wall time excluding waits for a CPU, and memory beyond that of the libraries.
    A block is an array, or a mapping of columns, which the code receives as a DataFrame. With `at_once=1` no block can
    notice the load of another. With `every_s`, which must exceed a block's wall time, blocks start at fixed intervals,
    `at_once` at a time, so that a clock reveals nothing about earlier blocks.
    Raises ValueError for bad arguments, and SandboxUnavailable.
    """
    _check(code, output_size, at_once)
    if every_s and every_s <= limits.wall_s:
        raise ValueError(
            f"A block may take {limits.wall_s} seconds, so blocks must start at longer intervals than that."
        )
    place = environment or selftest.default_environment()
    layers = selftest.probe(place).layers
    tables = any(isinstance(block, Mapping) for block in blocks)
    work = Work(code=code, output_size=output_size, limits=limits, tables=tables, environment=place)
    begin = time.monotonic()
    run = _Run(work, blocks)
    run.all(at_once, every_s)
    wall_s = time.monotonic() - begin
    return run.answers, Report(ends=tuple(run.ends), wall_s=wall_s, layers=layers, servers=run.servers)


def _check(code: str, output_size: int, at_once: int) -> None:
    if not 1 <= output_size <= MAX_OUTPUT:
        raise ValueError(f"A block answers with 1 to {MAX_OUTPUT:,} numbers, not {output_size}.")
    if len(code.encode("utf-8", "surrogatepass")) > MAX_CODE:
        raise ValueError(f"The code has more than {MAX_CODE:,} bytes.")
    if not 1 <= at_once <= MAX_AT_ONCE:
        raise ValueError(f"1 to {MAX_AT_ONCE} blocks run at a time, not {at_once}.")


def packed(block: Block) -> bytes:
    """Return a block as bytes: the length of a description, the description, then each array at its offset."""
    arrays = dict(block) if isinstance(block, Mapping) else {None: block}
    parts = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    if any(array.dtype.hasobject for array in parts.values()):
        raise ValueError(
            "A block may contain only numbers, dates and text of fixed width, not Python objects."
        )
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


class _Run:
    """Runs all blocks with as many fork servers as needed, usually one.

    A server that dies takes the blocks in hand with it. Each of them is tried once more, alone and after all others, so
    only a block that kills its server again has failed. A block that runs again gives the same answer.
    """

    def __init__(self, work: Work, blocks: Sequence[Block]) -> None:
        self.work = work
        self.blocks = blocks
        self.answers: Answers = np.full((len(blocks), work.output_size), np.nan)
        self.ends = ["failed"] * len(blocks)
        self.servers = 0
        self._lost: list[int] = []
        self._unconfined: set[int] = set()

    def all(self, at_once: int, every_s: float) -> None:
        lost = self._through(range(len(self.blocks)), at_once, every_s)
        self._unconfined.clear()
        self._through(lost, 1, 0.0)
        if self._unconfined:
            raise SandboxUnavailable(
                "This host could not confine a block. Run `python -m runner` to find out why."
            )
        self.answers[~np.isfinite(self.answers).all(axis=1)] = np.nan

    def _through(self, numbers: Iterable[int], at_once: int, every_s: float) -> list[int]:
        """Run these blocks. Returns the ones that were lost with their server."""
        waiting, self._lost = deque(numbers), []
        fruitless, reason = 0, ""
        while waiting:
            before = len(waiting)
            try:
                self._use_server(waiting, at_once, every_s)
            except NotStarted as bad:
                reason = str(bad)
            fruitless = fruitless + 1 if len(waiting) == before else 0
            if fruitless == TRIES or (fruitless and not self.servers):
                raise SandboxUnavailable(f"The fork server did not start: {reason or 'it ends at once'}")
        return self._lost

    def _use_server(self, waiting: deque[int], at_once: int, every_s: float) -> None:
        with fork_server(self.work, at_once) as server:
            self.servers += 1
            try:
                self._converse(server, waiting, at_once, every_s)
            except ServerGone:
                self._lost += server.in_hand

    def _converse(self, server: ForkServer, waiting: deque[int], at_once: int, every_s: float) -> None:
        begin = time.monotonic()
        while waiting or server.in_hand:
            wait_s = TICK_S
            while waiting and len(server.in_hand) < at_once:
                wait_s = begin + waiting[0] // at_once * every_s - time.monotonic()
                if wait_s > 0:
                    break
                content = packed(self.blocks[waiting[0]])
                server.hand_out(waiting.popleft(), content)
            for ended in server.ended_blocks(max(0.0, wait_s)):
                self._note(ended)

    def _note(self, ended: BlockEnd) -> None:
        number = ended.number
        if (
            ended.end == "failed" and not ended.confined
        ):  # nothing of the code has run: that is the host's fault
            self._lost.append(number)
            self._unconfined.add(number)
            return
        self._unconfined.discard(number)
        self.ends[number] = ended.end
        if ended.end == "ok":
            self.answers[number] = np.frombuffer(ended.answer)
