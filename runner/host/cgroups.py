"""Control groups (v2 or v1): limit and count memory, processes and CPU time of everything that a run starts."""

import contextlib
import os
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from runner.contract import MIB, Limits
from runner.host.state import is_abandoned, new_name

V1_WANTED = ("memory", "pids", "cpuacct")
V2_WANTED = ("memory", "pids")
INIT = 1
"""The sandbox's own init counts as one process."""
REMOVE_TRIES = 100


def _mounts() -> dict[str, Path]:
    """Return controller (or "v2") -> mount point of its hierarchy, as this process sees it."""
    found: dict[str, Path] = {}
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        place = Path(before.split(" ")[4])
        if kind == "cgroup2":
            found["v2"] = place
        elif kind == "cgroup":
            found |= {name: place for name in options.split(",") if name in V1_WANTED}
    return found


def _own_paths() -> dict[str, str]:
    lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    parts = (line.split(":", 2) for line in lines)
    return {name: path for _, names, path in parts for name in (names.split(",") if names else ["v2"])}


@dataclass(frozen=True, slots=True)
class Parents:
    """The folders in which groups are created: one for v2, one per controller for v1."""

    version: int
    folders: dict[str, Path]


def _v2_parent(mounts: dict[str, Path], own: dict[str, str]) -> Parents | None:
    """Return the subtree that was delegated to us: from the setting, or the parent of our own group."""
    if "v2" not in mounts or "v2" not in own:
        return None
    named = os.environ.get("WEIR_CGROUP")
    parent = Path(named) if named else mounts["v2"] / own["v2"].lstrip("/") / ".."
    try:
        enabled = (parent / "cgroup.subtree_control").read_text(encoding="ascii").split()
    except OSError:
        return None
    return Parents(2, {"v2": parent.resolve()}) if set(V2_WANTED) <= set(enabled) else None


def _v1_parents(mounts: dict[str, Path], own: dict[str, str]) -> Parents | None:
    if not all(name in mounts and name in own for name in V1_WANTED):
        return None
    return Parents(1, {name: mounts[name] / own[name].lstrip("/") for name in V1_WANTED})


@cache
def parents() -> Parents | None:
    """Return where groups can be created on this host, or None. Tried once and cached."""
    if os.environ.get("WEIR_CGROUP") == "none":
        return None
    mounts, own = _mounts(), _own_paths()
    for candidate in (_v2_parent(mounts, own), _v1_parents(mounts, own)):
        if candidate is not None and _works(candidate):
            return candidate
    return None


def _works(candidate: Parents) -> bool:
    group = Group(candidate, new_name())
    try:
        group.create(Limits(memory_mb=64, pids=16))
    except OSError:
        return False
    finally:
        group.remove()
    return True


def _number(path: Path, line: str = "") -> int:
    """Return the number in a file, or the one after the word `line`; 0 if the file does not exist."""
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        return 0
    if not line:
        return int(text)
    return next((int(row.split()[1]) for row in text.splitlines() if row.split()[0] == line), 0)


class Group:
    """The control group of one run."""

    def __init__(self, where: Parents, name: str) -> None:
        self.version = where.version
        self._folders = {controller: folder / name for controller, folder in where.folders.items()}

    def _at(self, controller: str) -> Path:
        return self._folders["v2" if self.version == 2 else controller]

    def create(self, limits: Limits) -> None:
        for folder in self._folders.values():
            folder.mkdir()
        memory = str(limits.memory_mb * MIB)
        if self.version == 2:
            self._write("memory", "memory.max", memory)
            self._write_if_there("memory.swap.max", "0")
        else:
            self._write("memory", "memory.limit_in_bytes", memory)
            self._write_if_there("memory.memsw.limit_in_bytes", memory)
        self._write("pids", "pids.max", str(limits.pids + INIT))

    def _write(self, controller: str, name: str, value: str) -> None:
        (self._at(controller) / name).write_text(value, encoding="ascii")

    def _write_if_there(self, name: str, value: str) -> None:
        if (self._at("memory") / name).exists():
            self._write("memory", name, value)

    def join(self, pid: int) -> None:
        for folder in self._folders.values():
            (folder / "cgroup.procs").write_text(str(pid), encoding="ascii")

    def out_of_memory(self) -> bool:
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        return _number(self._at("memory") / name, "oom_kill") > 0

    def refused_processes(self) -> int:
        return _number(self._at("pids") / "pids.events", "max")

    def processes(self) -> int:
        return _number(self._at("pids") / "pids.current")

    def cpu_s(self) -> float:
        if self.version == 2:
            return _number(self._at("cpu") / "cpu.stat", "usage_usec") / 1e6
        return _number(self._at("cpuacct") / "cpuacct.usage") / 1e9

    def peak_bytes(self) -> int:
        return _number(
            self._at("memory") / ("memory.peak" if self.version == 2 else "memory.max_usage_in_bytes")
        )

    def remove(self) -> None:
        """Remove the group. Retries, because the last process leaves it a moment after it was reaped."""
        for folder in self._folders.values():
            _remove(folder)


def _remove(folder: Path) -> None:
    for attempt in range(REMOVE_TRIES):
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            if attempt == REMOVE_TRIES - 1:
                raise
            time.sleep(0.005)
        else:
            return


def sweep_groups() -> None:
    """Remove the groups of workers that have ended, and kill what still runs in them."""
    where = parents()
    for parent in where.folders.values() if where else ():
        for folder in parent.iterdir():
            if folder.is_dir() and is_abandoned(folder.name):
                _kill_members(folder)
                _remove(folder)


def _kill_members(folder: Path) -> None:
    for line in (folder / "cgroup.procs").read_text(encoding="ascii").split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(line), 9)
