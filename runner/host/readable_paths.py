"""Give a run's own user a way to files that lie where only root may go, such as an interpreter under /root.

Root starts each sandbox as a user that can do nothing. Where that user cannot reach the interpreter or a table by its
path, the starting process gets a mount namespace of its own with those files bound below a folder that it can reach.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from runner.host.state import base, readable_by_all


@cache
def _open_to_all(folder: Path) -> bool:
    return bool(folder.stat().st_mode & 0o001) and (folder == folder.parent or _open_to_all(folder.parent))


def in_reach(path: Path) -> bool:
    """Whether any user gets to this path and can read it."""
    real = path.resolve()
    return _open_to_all(real.parent) and readable_by_all(real)


@dataclass(frozen=True, slots=True)
class Way:
    """Paths that the run's user can use, and the view of them that the new process has to make first, as root."""

    paths: tuple[str, ...]
    place: str = ""
    mounts: tuple[tuple[str, str, bool], ...] = ()


def way(paths: Sequence[Path], uid: int | None) -> Way:
    """The paths as the run's user can reach them."""
    plain = tuple(str(path) for path in paths)
    if uid is None or all(in_reach(path) for path in paths):
        return Way(plain)
    place = base() / "view"
    place.mkdir(mode=0o711, exist_ok=True)
    seen = tuple(f"{place}/{number}" for number in range(len(plain)))
    folders = (path.is_dir() for path in paths)
    return Way(seen, str(place), tuple(zip(plain, seen, folders, strict=True)))
