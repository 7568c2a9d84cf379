"""Kernel facilities that Python's standard library lacks."""

import ctypes
import fcntl
import os
import struct
from collections.abc import Mapping
from functools import cache
from pathlib import Path

SET_CHILD_SUBREAPER = 36
SIZE_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """Adopt orphaned descendants, so that we can wait for their end."""
    if _libc().prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")


def memory_file(name: str, content: bytes, *, writable: bool = False) -> int:
    """Return a descriptor of an anonymous file in memory, positioned at its start. Its size is sealed, and its content
    as well unless it is `writable`."""
    file = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with os.fdopen(file, "wb", closefd=False) as stream:
        stream.write(content)
    os.lseek(file, 0, os.SEEK_SET)
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, SIZE_SEALS | (0 if writable else fcntl.F_SEAL_WRITE))
    return file


def memory_files(contents: Mapping[str, bytes], opened: list[int]) -> list[tuple[int, str]]:
    """Put each content into a file in memory. Appends the descriptors to `opened` and returns them with their names."""
    found = []
    for name, content in contents.items():
        opened.append(memory_file("file", content))
        found.append((opened[-1], name))
    return found


def pid_of(handle: int) -> int:
    """Return the pid, in our namespace, of the process behind a pidfd; -1 once it has been waited for."""
    lines = kernel_file(f"/proc/self/fdinfo/{handle}").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(b"Pid:"))


def kernel_file(path: str) -> bytes:
    """Return the content of a short file in /proc. Faster than Path: some are read thousands of times."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, PAGE)
    finally:
        os.close(file)


def process_start(pid: int) -> str | None:
    """Return when a process started, in kernel ticks, or None if it has ended. With the pid it identifies a process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]  # a zombie has ended, even if not reaped yet


def kernel() -> str:
    """Return the boot id of this kernel, the same in all containers on it. Empty if it cannot be read."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:64]
    except (OSError, UnicodeDecodeError):
        return ""


def unpack_fds(data: bytes) -> list[int]:
    return [number for (number,) in struct.iter_unpack("=i", data)]
