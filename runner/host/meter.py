"""Measure a running sandbox from outside: its processes in /proc, its in-memory folders, its control group."""

import contextlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from runner.host.linux import PAGE, TICKS, kernel_file

INODES = 100_000
FULL_BYTES = 2 * PAGE
FEW_DESCRIPTORS = 32
BUFFER = 208 * 1024
"""What the kernel may buffer for one end of a socket: memory that no process uses and only control groups count."""
PROCESS_CLOCK = 2  # CPUCLOCK_SCHED of a whole process; the pid's complement stands before it
ALONE = 2
"""Number of processes: the sandbox's init and one of the code."""


class Totals(Protocol):
    """What a whole sandbox has used, as counted by the kernel or by our courier inside."""

    def out_of_memory(self) -> bool: ...
    def refused_processes(self) -> int: ...
    def processes(self) -> int: ...
    def cpu_s(self) -> float: ...
    def peak_bytes(self) -> int: ...


@dataclass(slots=True)
class Reading:
    """The latest values and the peaks."""

    cpu_s: float = 0.0
    memory: int = 0
    peak_memory: int = 0
    buffers: int = 0
    """Upper bound of what the kernel may buffer for processes with many open descriptors."""
    tasks: int = 0
    peak_tasks: int = 0
    disk_was_full: bool = False
    too_many_inodes: bool = False


@dataclass(slots=True)
class Meter:
    """Measures a sandbox whose init has the pid `root`. `folders` are descriptors of its writable folders."""

    root: int
    folders: tuple[int, ...]
    group: Totals | None
    last: Reading = field(default_factory=Reading)

    def read(self) -> Reading:
        used = self.disk()
        if self.group is not None:
            self.last.cpu_s = self.group.cpu_s()
            self.last.tasks = self.group.processes()
        else:
            self._tree(used)
        self.last.peak_tasks = max(self.last.peak_tasks, self.last.tasks)
        return self.last

    def disk(self) -> int:
        used = 0
        for folder in self.folders:
            state = os.fstatvfs(folder)
            used += (state.f_blocks - state.f_bfree) * state.f_frsize
            if state.f_bfree * state.f_frsize <= FULL_BYTES:
                self.last.disk_was_full = True
            if state.f_files - state.f_ffree > INODES:
                self.last.too_many_inodes = True
        return used

    def _tree(self, disk: int) -> None:
        cpu, memory, tasks, buffers, pids = 0.0, 0, 0, 0, descendants(self.root)
        for pid in pids:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                ticks, threads, resident = _process(pid)
                cpu, tasks, memory = cpu + ticks / TICKS, tasks + threads, memory + resident
                buffers += max(0, _descriptors(pid) - FEW_DESCRIPTORS) * BUFFER
        self.last.buffers = buffers
        self.last.cpu_s = max(self.last.cpu_s, cpu)
        self.last.tasks = tasks
        self.last.memory = memory + disk
        if self.last.memory > self.last.peak_memory:
            # A forked child shares most of its memory, so the sum is too high: measure again, more slowly.
            seen = self.last.memory if len(pids) <= ALONE else self.proportional()
            self.last.peak_memory = max(self.last.peak_memory, seen)

    def proportional(self) -> int:
        """Return the bytes in use, counting shared pages once. Slow: used before a kill. May fall back to the sum."""
        total = self.disk()
        for pid in descendants(self.root):
            try:
                text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
            except (FileNotFoundError, ProcessLookupError):
                continue
            except PermissionError:
                return self.last.memory
            line = next((row for row in text.splitlines() if row.startswith("Pss:")), "Pss: 0")
            total += int(line.split()[1]) * 1024
        return total


def _process(pid: int) -> tuple[int, int, int]:
    """Return (CPU ticks including reaped children, threads, resident bytes) of one process."""
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    ticks = sum(int(value) for value in fields[11:15])
    return ticks, int(fields[17]), int(fields[21]) * PAGE


def _descriptors(pid: int) -> int:
    """Return how many descriptors a process has open, or (before Linux 6.2) an estimate from its table's size."""
    known = os.stat(f"/proc/{pid}/fd").st_size  # noqa: PTH116 asked every 30 ms
    if known:
        return known
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    room = next((line for line in status.splitlines() if line.startswith("FDSize:")), "FDSize: 0")
    return int(room.split()[1]) // 2  # the table doubles when it is full


def cpu_s(pid: int) -> float:
    """Return one process's CPU time in seconds, to the microsecond. Raises ProcessLookupError once it is reaped."""
    try:
        return time.clock_gettime(~pid << 3 | PROCESS_CLOCK)
    except OSError as gone:
        raise ProcessLookupError(pid) from gone


def waited_s(pid: int) -> float:
    """Return the seconds that a process waited for a CPU while none of its threads ran, or less; 0 if the kernel does
    not count waits.

    A thread that waits while another one of its process runs does not make the process wait. So what the others ran is
    taken off each thread's wait, and the longest rest counts. It is exact for a single thread, or one that never
    sleeps.
    """
    used, longest = cpu_s(pid), 0.0
    for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 asked every 10 ms
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            ran, waited = map(int, kernel_file(f"/proc/{pid}/task/{task}/schedstat").split()[:2])
            longest = max(longest, waited / 1e9 - max(0.0, used - ran / 1e9))
    return longest


def threads(pid: int) -> int:
    """Return how many threads a process has."""
    return _process(pid)[1]


def own_memory(pid: int) -> int:
    """Return the bytes in use that are not mapped from files. A first thread that has ended shows none: ask another."""
    for task in (pid, *map(int, os.listdir(f"/proc/{pid}/task"))):  # noqa: PTH208 asked every 10 ms
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            _, held, of_files, *_ = map(int, kernel_file(f"/proc/{pid}/task/{task}/statm").split())
            if held:
                return (held - of_files) * PAGE
    return 0


def reserved(pid: int) -> tuple[int, int]:
    """Return the bytes of address space, and the part that resource limits count as data."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    found = {name: text for name, _, text in (line.partition(":") for line in status)}
    address, data = (int(found[name].split()[0]) * 1024 for name in ("VmSize", "VmData"))
    return address, data


def descendants(root: int) -> list[int]:
    """Return the pids of a process and all its descendants, as /proc shows them."""
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children(pid)
    return found


def children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            text = Path(f"/proc/{pid}/task/{task}/children").read_text(encoding="ascii")
            found += [int(child) for child in text.split()]
    return found
