"""Confine this process irrevocably: resource limits, Landlock, seccomp."""

import ctypes
import os
import resource
import struct
import sys

LIBC = ctypes.CDLL(None, use_errno=True)

# System call numbers are the same on every machine that has Landlock.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
SET_NO_NEW_PRIVS, SET_SECCOMP, FILTER, SET_DUMPABLE = 38, 22, 2, 4

# <linux/landlock.h>
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
MAKE_CHAR, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK = 1 << 6, 1 << 9, 1 << 10, 1 << 11
FIRST_FILE_RIGHTS, REFER, TRUNCATE, IOCTL_DEV = (1 << 13) - 1, 1 << 13, 1 << 14, 1 << 15
BIND_TCP, CONNECT_TCP = 1 << 0, 1 << 1
SCOPE_ABSTRACT_SOCKETS, SCOPE_SIGNALS = 1 << 0, 1 << 1
NETWORK_SINCE, SCOPES_SINCE = 4, 6
NOT_THERE = (38, 95)  # ENOSYS, EOPNOTSUPP: the kernel has no Landlock, or it is switched off


def checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def landlock_version() -> int:
    """Return the kernel's Landlock ABI version, 0 for none."""
    version: int = LIBC.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 0 and ctypes.get_errno() not in NOT_THERE:
        checked(version, "landlock")
    return max(version, 0)


def _file_rights(version: int) -> int:
    extra = (REFER, version >= 2), (TRUNCATE, version >= 3), (IOCTL_DEV, version >= 5)
    return FIRST_FILE_RIGHTS | sum(right for right, known in extra if known)


def _ruleset(version: int) -> int:
    network = BIND_TCP | CONNECT_TCP if version >= NETWORK_SINCE else 0
    scopes = SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS if version >= SCOPES_SINCE else 0
    size = 24 if version >= SCOPES_SINCE else 16 if version >= NETWORK_SINCE else 8
    attributes = struct.pack("=QQQ", _file_rights(version), network, scopes)[:size]
    return checked(LIBC.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(size), 0), "landlock ruleset")


def _permit(ruleset: int, path: str, rights: int) -> None:
    parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rule = struct.pack("=Qi", rights, parent)
    checked(LIBC.syscall(ADD_RULE, ruleset, 1, rule, 0), f"landlock rule for {path}")
    os.close(parent)


def landlock(writable: list[str]) -> int:
    """Allow only reading, and writing of regular files and folders under `writable`. Returns the ABI version used."""
    version = landlock_version()
    if not version:
        return 0
    ruleset = _ruleset(version)
    special = EXECUTE | MAKE_CHAR | MAKE_SOCK | MAKE_FIFO | MAKE_BLOCK | IOCTL_DEV
    _permit(ruleset, "/", READ_FILE | READ_DIR)
    _permit(ruleset, "/dev/null", READ_FILE | WRITE_FILE)
    for path in writable:
        _permit(ruleset, path, _file_rights(version) & ~special)
    no_new_privileges()
    checked(LIBC.syscall(RESTRICT_SELF, ruleset, 0), "landlock")
    os.close(ruleset)
    return version


def no_new_privileges() -> None:
    checked(LIBC.prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")


def seal() -> None:
    """Forbid core dumps, wherever the host sends them, and inspection of this process by others."""
    checked(LIBC.prctl(SET_DUMPABLE, 0, 0, 0, 0), "no core dumps")


def seccomp(program: bytes) -> None:
    """Load a filter that runner.host.seccomp has built."""
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    checked(LIBC.prctl(SET_SECCOMP, FILTER, header, 0, 0), "seccomp")


def limits(wanted: dict[str, int], grace: int = 1) -> None:
    """Set each named limit, soft and hard. CPU time warns at the soft limit and kills `grace` seconds later."""
    for name, value in wanted.items():
        number = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(number)[1]
        top = value + grace if name == "CPU" else value
        top = top if hard == resource.RLIM_INFINITY else min(top, hard)
        resource.setrlimit(number, (min(value, top), top))


def close_others(*kept: int) -> None:
    """Close every inherited descriptor except the three standard streams and those named."""
    last = 2
    for number in sorted(kept):
        os.closerange(last + 1, number)
        last = number
    os.closerange(last + 1, min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 65536))


if sys.byteorder != "little":
    raise SystemExit("Only little-endian machines are supported.")
