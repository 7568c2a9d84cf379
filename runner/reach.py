"""Give a run's own user a way to files that lie where only root may go, such as an interpreter under /root.

Root starts each sandbox as a user that can do nothing. Where that user cannot reach the interpreter or a table by its
path, the starting process gets a mount namespace of its own with those files bound below a folder that it can reach.
"""

import ctypes
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from runner.state import base, readable_by_all

NEW_MOUNTS = 0x00020000
BIND, RECURSIVE, PRIVATE = 4096, 16384, 1 << 18


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _mount(source: str, target: str, kind: str, flags: int, options: str) -> None:
    words = [word.encode() for word in (source, target, kind)]
    if _libc().mount(*words, ctypes.c_ulong(flags), options.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount {source} on {target}: {os.strerror(number)}")


@cache
def _open_to_all(folder: Path) -> bool:
    return bool(folder.stat().st_mode & 0o001) and (folder == folder.parent or _open_to_all(folder.parent))


def in_reach(path: Path) -> bool:
    """Whether any user gets to this path and can read it."""
    real = path.resolve()
    return _open_to_all(real.parent) and readable_by_all(real)


@dataclass(frozen=True, slots=True)
class Way:
    """Paths that the run's user can use, and what the new process has to do first, still as root."""

    paths: tuple[str, ...]
    enter: Callable[[], None] | None


def way(paths: Sequence[Path], uid: int | None) -> Way:
    """The paths as the run's user can reach them."""
    plain = tuple(str(path) for path in paths)
    if uid is None or all(in_reach(path) for path in paths):
        return Way(plain, None)
    place = base() / "view"
    place.mkdir(mode=0o711, exist_ok=True)
    _libc()  # loaded before the fork
    seen = tuple(f"{place}/{number}" for number in range(len(plain)))
    folders = tuple(path.is_dir() for path in paths)

    def enter() -> None:
        if _libc().unshare(NEW_MOUNTS) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        _mount("none", "/", "", RECURSIVE | PRIVATE, "")
        _mount("tmpfs", str(place), "tmpfs", 0, "mode=0711,size=65536")
        for source, target, is_folder in zip(plain, seen, folders, strict=True):
            if is_folder:
                os.mkdir(target, 0o711)  # noqa: PTH102 as little Python as can be between fork and exec
            else:
                os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o444))
            _mount(source, target, "", BIND, "")
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)

    return Way(seen, enter)
