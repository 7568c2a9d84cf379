"""The contract between the portal and a sandbox: plain data, without Django.

The portal writes a JobSpec; an Executor runs it and returns a JobResult. Nothing else passes between them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

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
