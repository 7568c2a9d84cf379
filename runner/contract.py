"""What the portal and a sandbox say to each other. Plain data, no Django, no web.

The portal writes a JobSpec; an Executor runs it and answers with a JobResult. Nothing else passes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class CloseCode(StrEnum):
    """Why a run failed: the closed vocabulary that an author may read. It holds nothing of the data."""

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
    """What one run may use. Seconds, megabytes (2**20 bytes), and counts."""

    wall_s: float = 3600.0
    cpu_s: float = 7200.0
    memory_mb: int = 4096
    pids: int = 128
    output_mb: int = 16
    """Bytes one output file may have, and (four times that) all of them together."""
    output_files: int = 32
    log_mb: float = 10.0
    """Bytes of each stream that are kept; a run that writes much more is ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One piece of code to run once.

    `inputs` maps a table's name to its file (Parquet, Arrow IPC or CSV), seen read-only by the code under $WEIR_DATA.
    `out` is an existing empty folder of the caller's, into which accepted outputs are copied after the code has ended;
    the code itself never sees it. `environment` is the folder of a Python environment (a venv) for the code.
    """

    run_id: str
    code: str
    inputs: Mapping[str, Path]
    out: Path
    environment: Path
    parameters: Mapping[str, object] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """A file that passed the gates and lies in JobSpec.out under this name."""

    name: str
    type: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedFile:
    """A file that the code wrote and the gates did not let out."""

    name: str
    reason: str
    code: CloseCode = CloseCode.OUTPUT_TYPE
    """OUTPUT_TOO_BIG or OUTPUT_TYPE: why a run fails when nothing else of it comes out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """How a job went. Only `status`, `code`, `error_class` and `error_line` are fit for its author's eyes."""

    status: Status
    code: CloseCode | None = None
    error_class: str = ""
    """With code EXCEPTION: the name of a built-in exception class, otherwise "Exception"."""
    error_line: int | None = None
    """With code EXCEPTION: the line in the author's own file."""
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
    """What this host's sandbox offers: the name of the executor, and each layer that was probed and held."""

    executor: str
    layers: tuple[str, ...]
    missing: tuple[str, ...] = ()
    kernel: str = ""
    """Which kernel the runs share: the same text for every worker whose runs are on it. Empty: not known, any."""
    separates_kernels: bool = False
    """Each run has a kernel of its own: nothing that a kernel counts is shared with another run."""


class SandboxUnavailable(RuntimeError):
    """This host cannot confine code well enough; the text says what is missing and how to mend it. No code is run."""


class Executor(Protocol):
    """Something that runs jobs. Every implementation passes the same contract tests."""

    def probe(self) -> Capabilities:
        """Try every layer with a probe that attempts to get out. Raises SandboxUnavailable; safe to repeat."""
        ...

    def run(
        self,
        spec: JobSpec,
        *,
        started: Callable[[], None] = lambda: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> JobResult:
        """Run one job to its end. `started` is called once, when the code begins; `cancelled` is polled at least
        twice a second, and a true answer kills the job within two seconds. Never raises for what the code does;
        raises SandboxUnavailable when there is no sandbox. Leaves nothing behind but files in `spec.out`."""
        ...

    def sweep(self) -> None:
        """Remove what killed predecessors left on this host. Safe at any time, also beside running jobs."""
        ...
