"""Measures: what they hold, how they are taken and how they are printed."""

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path


class Of(StrEnum):
    """What a goal limits: our figure, its ratio to the floor, or its difference from the floor."""

    OURS = "ours"
    RATIO = "ratio"
    BEYOND = "beyond"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """An upper or lower limit."""

    limit: float
    of: Of = Of.OURS
    at_least: bool = False

    def is_met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        subject = {Of.OURS: "", Of.RATIO: "ratio ", Of.BEYOND: "beyond "}[self.of]
        return f"{subject}{'≥' if self.at_least else '≤'} {self.limit:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One line: ours, the floor of the same run, and the goal. `cpu` and `floor_cpu` are processor time in ms."""

    name: str
    ours: float
    unit: str = "ms"
    floor: float | None = None
    goal: Goal | None = None
    cpu: float | None = None
    floor_cpu: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.ours / self.floor if self.floor else None

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is met; None without a goal."""
        if self.goal is None:
            return None
        value = {Of.OURS: self.ours, Of.RATIO: self.ratio, Of.BEYOND: self.ours - (self.floor or 0.0)}
        judged = value[self.goal.of]
        return None if judged is None else self.goal.is_met(judged)

    @property
    def is_met_in_cpu(self) -> bool:
        """Whether processor time alone meets a goal for time, as wall time would on an idle machine."""
        if self.goal is None or self.cpu is None or self.unit != "ms" or self.goal.of == Of.RATIO:
            return False
        beyond = (self.floor_cpu or 0.0) if self.goal.of == Of.BEYOND else 0.0
        return self.goal.is_met(self.cpu - beyond)

    def as_line(self) -> str:
        parts = [f"{self.name:50.50}", f"{_figure(self.ours):>9} {self.unit:6}"]
        parts.append(f"floor {_figure(self.floor):>8}" if self.floor is not None else " " * 14)
        parts.append(f"x {self.ratio:6.2f}" if self.ratio is not None else " " * 8)
        parts.append(f"cpu {_figure(self.cpu)}" + _beside(self.floor_cpu) if self.cpu is not None else "")
        if self.goal is not None:
            missed = "missed in wall time, met in cpu" if self.is_met_in_cpu else "MISSED"
            parts.append(f"goal {self.goal}: {'met' if self.is_met else missed}")
        return "  ".join(part for part in [*parts, self.note] if part)

    def as_json(self) -> dict[str, object]:
        goal = None if self.goal is None else str(self.goal)
        return {**asdict(self), "ratio": self.ratio, "goal": goal, "is_met": self.is_met}


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _beside(floor: float | None) -> str:
    return "" if floor is None else f" ({_figure(floor)})"


@dataclass(frozen=True, slots=True)
class Took:
    """Wall and processor time of one call in milliseconds; that of ended children is counted."""

    wall: float
    cpu: float


def processor_seconds() -> float:
    parts = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in parts)


def took(step: Callable[[], object]) -> Took:
    wall, cpu = time.perf_counter(), processor_seconds()
    step()
    return Took((time.perf_counter() - wall) * 1e3, (processor_seconds() - cpu) * 1e3)


def median(takes: Sequence[Took]) -> Took:
    return Took(statistics.median(t.wall for t in takes), statistics.median(t.cpu for t in takes))


def repeated(step: Callable[[], object], rounds: int) -> Took:
    """Return the median of several calls, after a warm-up call."""
    step()
    return median([took(step) for _ in range(rounds)])


def compared(ours: Callable[[], object], floor: Callable[[], object], rounds: int) -> tuple[Took, Took]:
    """Time both in turns, so that other load on the machine affects both."""
    ours(), floor()
    pairs = [(took(ours), took(floor)) for _ in range(rounds)]
    return median([pair[0] for pair in pairs]), median([pair[1] for pair in pairs])


def versus(
    name: str, ours: Took, floor: Took | None = None, goal: Goal | None = None, note: str = ""
) -> Measure:
    """Return a measure of wall time in ms, with processor time."""
    return Measure(
        name=name,
        ours=ours.wall,
        cpu=ours.cpu,
        floor=None if floor is None else floor.wall,
        floor_cpu=None if floor is None else floor.cpu,
        goal=goal,
        note=note,
    )


def wall_only(measure: Measure) -> Measure:
    """Drop processor time: processes in a sandbox are not counted among our children."""
    return replace(measure, cpu=None, floor_cpu=None)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def peak_memory_mb(pid: int | str = "self") -> float:
    """Return the peak memory of a process so far."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def process_cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and its children, live ones included."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(path.parent.name) == pid or int(fields[1]) == pid:
            total += sum(map(int, fields[11:15]))
    return total / ticks


def machine() -> dict[str, object]:
    """Describe the machine that the figures were taken on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        "unknown",
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30
    return {"cores": os.cpu_count(), "processor": model, "memory_gb": memory, "kernel": os.uname().release}


def bare_python() -> None:
    """Measure the floor of everything that starts a process."""
    subprocess.run([sys.executable, "-I", "-c", "pass"], check=True)
