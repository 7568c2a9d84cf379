"""Read a file from a folder that hostile code has filled: follow no link, wait for nothing, trust nothing."""

import errno
import os
import stat
from collections.abc import Callable, Iterator

from runner.contract import CloseCode
from runner.gates.refusal import Refusal

CHUNK = 2**20
FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def check_kind(dirfd: int, name: str) -> None:
    """Refuse everything but regular files, without opening anything."""
    try:
        mode = os.stat(name, dir_fd=dirfd, follow_symlinks=False).st_mode
    except OSError as bad:
        raise _unreadable(bad) from bad
    if not stat.S_ISREG(mode):
        raise Refusal(f"It is {_file_kind(mode)}; only regular files are accepted.")


def read(dirfd: int, name: str, cap: int) -> bytes:
    """Return the content of a regular file with one name and at most `cap` bytes. Raises Refusal."""
    check_kind(dirfd, name)
    try:
        file = os.open(name, FLAGS, dir_fd=dirfd)
    except OSError as bad:
        raise _unreadable(bad) from bad
    try:
        _check_status(os.fstat(file), cap)
        return b"".join(_chunks(file, cap))
    except OSError as bad:
        raise _unreadable(bad) from bad
    finally:
        os.close(file)


def _chunks(file: int, cap: int) -> Iterator[bytes]:
    size = 0
    while part := os.read(file, CHUNK):
        size += len(part)
        if size > cap:
            raise Refusal("It grew while it was being read.", CloseCode.OUTPUT_TOO_BIG)
        yield part


def _check_status(status: os.stat_result, cap: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Refusal("It was replaced while it was being read.")
    if status.st_nlink != 1:
        raise Refusal("It has a second name (a hard link).")
    if status.st_size > cap:
        raise Refusal(f"It has {status.st_size:,} bytes; the limit is {cap:,}.", CloseCode.OUTPUT_TOO_BIG)


def _unreadable(error: OSError) -> Refusal:
    return Refusal(f"It cannot be read ({errno.errorcode.get(error.errno or 0, 'error')}).")


def _file_kind(mode: int) -> str:
    kinds: tuple[tuple[Callable[[int], bool], str], ...] = (
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
    )
    return next((name for test, name in kinds if test(mode)), "a device")
