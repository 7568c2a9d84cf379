"""The contract between the portal and a sandbox: plain data, without Django.

The portal writes a JobSpec; an Executor runs it and returns a JobResult. Nothing else passes between them.
A BlockRunner runs one function over many blocks of people.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:  # code environments are built by a Python that has no packages
    import numpy as np
    import numpy.typing as npt

Answers: TypeAlias = "npt.NDArray[np.float64]"
"""One row for each block. A row of NaN is a block without an answer."""

MIB = 2**20
"""Bytes of a megabyte, here and wherever a name ends in `_mb`."""


class CloseCode(StrEnum):
    """Why a run failed: a closed vocabulary that the author may read, because it reveals nothing of the data."""

    TIME_LIMIT = "TIME_LIMIT"
    MEMORY_LIMIT = "MEMORY_LIMIT"
    DISK_LIMIT = "DISK_LIMIT"
    PROCESS_LIMIT = "PROCESS_LIMIT"
    EXIT_NONZERO = "EXIT_NONZERO"
    EXCEPTION = "EXCEPTION"
    OUTPUT_MISSING = "OUTPUT_MISSING"
    OUTPUT_TOO_BIG = "OUTPUT_TOO_BIG"
    OUTPUT_TYPE = "OUTPUT_TYPE"
    POLICY_BLOCKED = "POLICY_BLOCKED"
    WORKER_LOST = "WORKER_LOST"
    INTERNAL = "INTERNAL"


class Status(StrEnum):
    """How a job ended. Only an executor's caller can cancel."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run may use, in seconds, megabytes (2**20 bytes) and counts."""

    wall_s: float = 3600.0
    cpu_s: float = 7200.0
    memory_mb: int = 4096
    pids: int = 128
    output_mb: int = 16
    """Size of one output file; all of them together may have four times that."""
    output_files: int = 32
    log_mb: float = 10.0
    """How much of each stream is kept. A run that writes far more is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One piece of code to run once.

    `inputs` maps each table's name to its file (Parquet, Arrow IPC or CSV), which the code can read under $WEIR_DATA.
    `out` is an existing, empty folder into which accepted outputs are written after the code has ended; the code itself
    never sees it. `environment` is the folder of a Python environment (a venv) for the code.
    """

    run_id: str
    code: str
    inputs: Mapping[str, Path]
    out: Path
    environment: Path
    parameters: Mapping[str, object] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    columns: Mapping[str, Mapping[str, Mapping[str, object]]] = field(default_factory=dict)
    """What is declared of each table's columns, from which their types in `main` follow: `nullable` (a cell may be
    empty), and `categories` if it has some that are text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """A file that passed the gates and is now in JobSpec.out under this name."""

    name: str
    type: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedFile:
    """A file that the code wrote and the gates refused."""

    name: str
    reason: str
    code: CloseCode = CloseCode.OUTPUT_TYPE
    """OUTPUT_TOO_BIG or OUTPUT_TYPE: why the run fails if no other file is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """The result of a job. Only `status`, `code`, `error_class` and `error_line` may be shown to its author."""

    status: Status
    code: CloseCode | None = None
    error_class: str = ""
    """With code EXCEPTION: the name of the class if it is built in, otherwise "Exception"."""
    error_line: int | None = None
    """With code EXCEPTION: the line in the author's file."""
    exit_code: int | None = None
    signal: int | None = None
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_memory_bytes: int = 0
    stdout: str = ""
    stderr: str = ""
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    outputs: tuple[OutputFile, ...] = ()
    refused: tuple[RefusedFile, ...] = ()
    layers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What this host's sandbox offers: the executor's name, and each layer that was probed and held."""

    executor: str
    layers: tuple[str, ...]
    missing: tuple[str, ...] = ()
    kernel: str = ""
    """Which kernel the runs share: the same text for all workers whose runs share it. Empty if unknown: any kernel."""
    separates_kernels: bool = False
    """Whether each run has its own kernel, so that nothing a kernel counts is shared with another run."""


class SandboxUnavailable(RuntimeError):
    """This host cannot confine code well enough. The message says what is missing and how to fix it. No code ran."""


class Executor(Protocol):
    """Runs jobs. Every implementation passes the same contract tests."""

    def probe(self) -> Capabilities:
        """Test every layer by trying to break out. Raises SandboxUnavailable; safe to repeat."""
        ...

    def run(
        self,
        spec: JobSpec,
        *,
        started: Callable[[], None] = lambda: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> JobResult:
        """Run one job to its end. Calls `started` once, when the code begins, and polls `cancelled` at least twice a
        second; if that returns True, the job is killed within two seconds. Never raises for what the code does;
        raises SandboxUnavailable if there is no sandbox. Leaves nothing behind but files in `spec.out`."""
        ...

    def sweep(self) -> None:
        """Remove what killed workers left on this host. Safe at any time, even while jobs are running."""
        ...


MAX_NUMBERS = 16_384
"""The most numbers that a block answers with, and that a state consists of."""
RESERVE_S = 0.25
"""The most last seconds of a slot. When they begin, a block is killed whatever it has waited for; in them the kernel
removes it, with all its memory and files, so that no later block starts later."""
LEAST_RESERVE_S = 0.1
"""The reserve of a slot in which a block may not work at all."""
OWN_SHARE = 0.8
"""The part of its slot, without the reserve, that a block may use by its own time; the rest is for waiting."""


def working_s(slot_s: float) -> float:
    """Return the seconds of a slot before its reserve.

    A block has to make whatever the kernel has to remove, and making it takes longer than removing it. So a reserve
    that is as long as the work, and LEAST_RESERVE_S, is enough; and RESERVE_S is enough for all that a block can hold.
    """
    return max(slot_s - RESERVE_S, (slot_s - LEAST_RESERVE_S) / 2)


def slot_of(work_s: float) -> float:
    """Return the seconds of a slot in which a block may work so long: the inverse of `working_s`."""
    return work_s + min(RESERVE_S, LEAST_RESERVE_S + work_s)


ColumnKind: TypeAlias = Literal["number", "whole", "category", "boolean", "date", "person"]
"""What a block's column holds. Its type in the code is that of the same column in `main` of a run.

* number: float32 or float64; an empty cell is NaN.
* whole: integers of any width; in the code int64, say, or Int64 if cells may be empty.
* category: codes into `labels`. Categories that are numbers are of kind whole or number.
* boolean: in the code bool, or the nullable "boolean" if cells may be empty.
* date: datetime64; whole days ("D") become milliseconds. An empty cell is NaT.
* person: the number of the row's person within the block, from 0. The halves of a block are the people with even and
  with odd numbers.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockColumn:
    """One column of a block: `values` has one cell a row."""

    values: "npt.NDArray[Any]"
    kind: ColumnKind
    missing: "npt.NDArray[np.bool_] | None" = None
    """Which cells are empty. None if the column is declared to have no empty cells: the type in the code depends on
    that declaration, not on whether this block has an empty cell."""
    labels: tuple[str, ...] = ()
    """With kind category: the declared categories."""


Block: TypeAlias = Mapping[str, BlockColumn]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What happened to the blocks. Depends on the data: with private data, for the owner's side only."""

    ends: tuple[str, ...]
    """How each block ended: "ok", "failed", "time" (it took too long) or, with slots, "waited" (it had to wait
    for a processor until its slot was over: the host was too busy)."""
    seconds: tuple[float, ...]
    """The time that each block took, without waits for a processor; 0 if it did not run."""
    wall_s: float
    """From the start of the first block to the end of the last slot."""
    start_s: float
    """From the call until the first fork server was ready."""
    layers: tuple[str, ...]
    """The sandbox's layers, and whether the blocks had a processor core of constant load."""
    servers: int
    """Number of fork servers started: 1 unless one died."""
    tracebacks: tuple[str, ...] = ()
    """With `explain`: of the first blocks that failed differently, at most MAX_TRACEBACKS of TRACEBACK_BYTES each.
    Written by the code, so it is no more trustworthy than a log."""

    @property
    def failed(self) -> int:
        return sum(end != "ok" for end in self.ends)


MAX_TRACEBACKS = 3
TRACEBACK_BYTES = 4096


class BlockRunner(Protocol):
    """Runs one function over many blocks of people, each in a child of its own that knows of no other block."""

    def __call__(  # noqa: PLR0913 -- each is named at the call
        self,
        code: str,
        blocks: Sequence[Block],
        output_size: int,
        limits: Limits,
        *,
        halves: bool = False,
        state: "npt.NDArray[np.float64] | None" = None,
        labels: tuple[str, ...] = (),
        slot_s: float = 0.0,
        explain: bool = False,
        environment: Path | None = None,
    ) -> tuple[Answers, Report]:
        """Call `main(t)` of the code on every block, as a pandas DataFrame. Returns (blocks x output_size) floats and
        the report. A block that does not return exactly `output_size` finite numbers in time has a row of NaN.

        `limits` apply to one block: CPU time; wall time without waits for a processor; memory beyond the libraries'.
        `halves`: answer 2 f(B) - (f(B1) + f(B2)) / 2, with B1, B2 the people with even and odd numbers; the limits hold
        for the three calls together, and a block fails if any of them does. A block needs one column of kind person.
        `state`: call `main(t, state)` with this vector, read-only.
        `labels`: `main` returns one of these texts, and the answer is its position; `output_size` is 1.
        `slot_s`: seconds between the starts of blocks, of which a block may use `working_s`. Blocks
        start in a random order that nobody is told. A processor core is busy for the whole call. So neither time nor
        load depend on what a block does.
        `explain`: collect tracebacks. They quote data, so for mock data only.
        Raises ValueError for bad arguments, and SandboxUnavailable.
        """
        ...
