"""Make files in places that only root may enter, such as an interpreter under /root, readable for a run's user.

Root starts each sandbox as an unprivileged user. If that user cannot reach the interpreter or a table by its path, the
starting process gets its own mount namespace, in which those files are bound below a folder that the user can reach.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from runner.host.state import base, readable_by_all


@cache
def _open_to_all(folder: Path) -> bool:
    return bool(folder.stat().st_mode & 0o001) and (folder == folder.parent or _open_to_all(folder.parent))


def is_readable(path: Path) -> bool:
    """Whether every user can reach and read this path."""
    real = path.resolve()
    return _open_to_all(real.parent) and readable_by_all(real)


@dataclass(frozen=True, slots=True)
class ReadablePaths:
    """Paths that the run's user can read, and the mounts that the new process has to make for them first, as root."""

    paths: tuple[str, ...]
    place: str = ""
    mounts: tuple[tuple[str, str, bool], ...] = ()


def readable_paths(paths: Sequence[Path], uid: int | None) -> ReadablePaths:
    """Return the paths as the run's user can reach them."""
    plain = tuple(str(path) for path in paths)
    if uid is None or all(is_readable(path) for path in paths):
        return ReadablePaths(plain)
    place = base() / "view"
    place.mkdir(mode=0o711, exist_ok=True)
    seen = tuple(f"{place}/{number}" for number in range(len(plain)))
    folders = (path.is_dir() for path in paths)
    return ReadablePaths(seen, str(place), tuple(zip(plain, seen, folders, strict=True)))
