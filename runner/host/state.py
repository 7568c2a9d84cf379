"""State of sandboxes on the host: a user id for each run, a folder for staged copies, and the sweep of leftovers."""

import contextlib
import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.contract import SandboxUnavailable
from runner.host.linux import process_start

DEFAULT_UIDS = "64900-64963"
CLONE = 0x40049409  # FICLONE
MARK = "weir"
SHARED = Path("/tmp")  # noqa: S108 not $TMPDIR, which the users that runs get may be unable to enter


def base() -> Path:
    """Return our state folder on this host. Raises SandboxUnavailable unless only we can write to it."""
    named = os.environ.get("WEIR_SANDBOX_STATE")
    path = Path(named) if named else SHARED / f"weir-sandbox-{os.getuid()}"
    path.mkdir(mode=0o711, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise SandboxUnavailable(
            f"{path} is not a folder that only this user can write to. Remove it, or set WEIR_SANDBOX_STATE."
        )
    if stat.S_IMODE(found.st_mode) != 0o711:
        path.chmod(0o711)
    return path


def _check_way_to(path: Path) -> None:
    """Check that the users that runs get can enter all parents of this path. Raises SandboxUnavailable."""
    closed = next((folder for folder in path.parents if not folder.stat().st_mode & 0o001), None)
    if closed is not None:
        raise SandboxUnavailable(
            f"The users that runs get cannot reach {path}: they may not enter {closed}. "
            "Set WEIR_SANDBOX_STATE to a folder that every user can reach, or leave it unset."
        )


def new_name() -> str:
    """Return a fresh name that records which process it belongs to."""
    pid = os.getpid()
    return f"{MARK}-{pid}-{process_start(pid)}-{secrets.token_hex(8)}"


def is_abandoned(name: str) -> bool:
    """Whether the process that created this name has ended."""
    parts = name.split("-")
    if len(parts) != 4 or parts[0] != MARK or not parts[1].isdecimal():
        return False
    return process_start(int(parts[1])) != parts[2]


def _uids() -> range:
    text = os.environ.get("WEIR_SANDBOX_UIDS", DEFAULT_UIDS)
    first, _, last = text.partition("-")
    if not (first.isdecimal() and last.isdecimal() and 0 < int(first) <= int(last)):
        raise SandboxUnavailable(
            f"WEIR_SANDBOX_UIDS is {text!r}. Write FIRST-LAST: a range of user ids that nobody else uses."
        )
    return range(int(first), int(last) + 1)


@contextlib.contextmanager
def own_uid() -> Iterator[int | None]:
    """Lease a user id that no other run has at the same time. Yields None without root: then runs use our own."""
    if os.getuid() != 0:
        yield None
        return
    _check_way_to(base().resolve())
    leased = lock_one("uids", _uids())
    if leased is None:
        raise SandboxUnavailable(
            "All user ids for sandboxes are in use. Run fewer jobs at once, or widen WEIR_SANDBOX_UIDS."
        )
    uid, lock = leased
    try:
        yield uid
    finally:
        os.close(lock)


def lock_one(kind: str, numbers: Iterable[int]) -> tuple[int, int] | None:
    """Lock the first of these numbers that nobody on this host has locked. Returns it and the descriptor to close, or
    None."""
    folder = base() / kind
    folder.mkdir(mode=0o700, exist_ok=True)
    for number in numbers:
        lock = os.open(folder / str(number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        return number, lock
    return None


def readable_by_all(path: Path) -> bool:
    """Whether other users could read this file or list this folder if they could reach it."""
    mode = os.stat(path).st_mode  # noqa: PTH116 one call
    return bool(mode & 0o004) and (not path.is_dir() or bool(mode & 0o001))


@dataclass(slots=True)
class Stage:
    """Copies of files for the run's user, in a folder with an unguessable name that is created when first needed."""

    uid: int | None
    guest: bool = False
    """Whether the reader is on another kernel: then everybody may read the copies, but only we may enter the folder."""
    folder: Path | None = None

    def readable(self, path: Path) -> Path:
        """Return a file that the sandbox can read: this one, or a copy if its mode forbids that."""
        other = self.uid is not None or self.guest
        return self._copy(path) if other and not readable_by_all(path) else path

    def _copy(self, path: Path) -> Path:
        if self.folder is None:
            self.folder = base() / new_name()
            self.folder.mkdir(mode=0o700 if self.guest else 0o711)
        copy = self.folder / secrets.token_hex(8)
        target = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
        with path.open("rb") as source, os.fdopen(target, "wb") as file:
            try:
                fcntl.ioctl(file.fileno(), CLONE, source.fileno())
            except OSError:  # this file system cannot share blocks
                shutil.copyfileobj(source, file, 2**20)
            os.fchmod(file.fileno(), 0o444 if self.guest else 0o400)
            os.fchown(file.fileno(), self.uid if self.uid is not None else -1, -1)
        return copy

    def drop(self) -> None:
        if self.folder is not None:
            shutil.rmtree(self.folder)
            self.folder = None


def sweep_stages() -> None:
    """Remove staged copies of processes that have ended."""
    for path in base().iterdir():
        if is_abandoned(path.name):
            shutil.rmtree(path)
