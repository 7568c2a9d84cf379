"""Watch a sandbox to its end: enforce its limits, cancel it on request, and record how it ended."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from runner.contract import MIB, CloseCode, Limits
from runner.host.cgroups import INIT
from runner.host.logs import Log
from runner.host.meter import Meter, Reading, Totals
from runner.host.outcome import Ended

TICK_S = 0.03
CANCEL_POLL_S = 0.25
STARTED_S = 30.0
CROWDED_S = 1.0
REFUSED_PROCESSES = 50


class Sandbox(Protocol):
    """A running sandbox, wherever it runs."""

    init: int
    folders: tuple[int, ...]
    report: str
    ready: bool
    landlock: int
    stdout: Log
    stderr: Log
    rusage_cpu_s: float
    rusage_peak: int

    @property
    def group(self) -> Totals | None: ...
    @property
    def outputs(self) -> int:
        """A descriptor of the folder with the code's output files, once the code has ended."""
        ...

    @property
    def returned(self) -> int: ...
    @property
    def disk_was_full(self) -> bool: ...
    def turn(self, timeout: float) -> bool: ...
    def finish(self) -> None: ...


@dataclass(slots=True)
class Supervisor:
    """One run under supervision. `reason` says why we killed it, if we did."""

    sandbox: Sandbox
    limits: Limits
    started: Callable[[], None]
    cancelled: Callable[[], bool]
    meter: Meter = field(init=False)
    reason: CloseCode | None = None
    is_cancelled: bool = False
    began: float = 0.0
    wall_s: float = 0.0
    _crowded_since: float | None = None
    _next_poll: float = 0.0

    def __post_init__(self) -> None:
        self.meter = Meter(self.sandbox.init, (), self.sandbox.group)

    def run(self) -> Ended:
        """Watch until nothing of the sandbox is left."""
        self._await_ready()
        tick = TICK_S
        while self.reason is None and not self.is_cancelled and self.sandbox.turn(tick):
            self._look()
        self._note_last()
        self.sandbox.finish()
        self.wall_s = time.monotonic() - self.began
        return self._ended()

    def _await_ready(self) -> None:
        deadline = time.monotonic() + STARTED_S
        while not self.sandbox.ready and self.sandbox.turn(TICK_S):
            if time.monotonic() > deadline:
                self.reason = CloseCode.INTERNAL
                break
        self.began = time.monotonic()
        if self.sandbox.ready:
            self.meter.folders = self.sandbox.folders
            self.started()

    def _note_last(self) -> None:
        """Check for full folders once more: unlike processes, they can still be seen after the end."""
        if self.sandbox.folders:
            self.meter.disk()

    def _look(self) -> None:
        now = time.monotonic()
        if now >= self._next_poll:
            self._next_poll = now + CANCEL_POLL_S
            self.is_cancelled = self.cancelled()
        reading = self.meter.read()
        self.reason = self._exceeded(reading, now)

    def _exceeded(self, reading: Reading, now: float) -> CloseCode | None:
        """Return the first limit that is exceeded."""
        if now - self.began > self.limits.wall_s or reading.cpu_s > self.limits.cpu_s:
            return CloseCode.TIME_LIMIT
        if self._too_much_memory(reading):
            return CloseCode.MEMORY_LIMIT
        if reading.too_many_inodes:
            return CloseCode.DISK_LIMIT
        if self.sandbox.stdout.is_flood or self.sandbox.stderr.is_flood:
            return CloseCode.OUTPUT_TOO_BIG
        return CloseCode.PROCESS_LIMIT if self._too_many_processes(reading, now) else None

    def _too_much_memory(self, reading: Reading) -> bool:
        allowed = self.limits.memory_mb * MIB
        if self.sandbox.group is not None:
            return self.sandbox.group.out_of_memory()
        seen = allowed - reading.buffers
        return reading.memory > seen and self.meter.proportional() > seen

    def _refused(self) -> bool:
        """Whether the run tried to start too many processes or threads."""
        if self.sandbox.group is not None:
            return self.sandbox.group.refused_processes() > 0
        return self.meter.last.peak_tasks >= self.limits.pids + INIT

    def _too_many_processes(self, reading: Reading, now: float) -> bool:
        """Whether the run keeps starting too many processes. Without a group, staying at the limit counts as that."""
        if self.sandbox.group is not None:
            return self.sandbox.group.refused_processes() > REFUSED_PROCESSES
        if reading.tasks < self.limits.pids + INIT:
            self._crowded_since = None
            return False
        self._crowded_since = self._crowded_since or now
        return now - self._crowded_since > CROWDED_S

    def _ended(self) -> Ended:
        group = self.sandbox.group
        cpu = group.cpu_s() if group is not None else self.meter.last.cpu_s
        return Ended(
            stopped=self.reason,
            cancelled=self.is_cancelled and self.reason is None,
            ready=self.sandbox.ready,
            returned=self.sandbox.returned,
            report=self.sandbox.report,
            out_of_memory=group is not None and group.out_of_memory(),
            refused_processes=self._refused(),
            disk_was_full=self.meter.last.disk_was_full or self.sandbox.disk_was_full,
            cpu_s=max(cpu, self.sandbox.rusage_cpu_s),
        )

    def peak_bytes(self) -> int:
        group = self.sandbox.group
        seen = group.peak_bytes() if group is not None else self.meter.last.peak_memory
        return max(seen, self.sandbox.rusage_peak)
