"""Assemble seccomp filters as classic BPF: a search tree over system call numbers with an action at each leaf."""

import errno
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from runner.host.syscalls import ALLOWED, BY_ARGUMENT, DENIED, MACHINES, START_ONLY

# <linux/seccomp.h>
KILL = 0x80000000
ERRNO = 0x00050000
ALLOW = 0x7FFF0000

# <linux/bpf_common.h>
LOAD, JUMP, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCH = 0, 4  # offsets in struct seccomp_data
X32 = 0x40000000

NEW_NAMESPACES = (
    0x7E020000  # every CLONE_NEW* but CLONE_NEWTIME, whose bit clone() reads as part of the exit signal
)
TERMINAL_QUESTIONS = (
    0x5401,
    0x5413,
    0x541B,
    0x5421,
    0x5450,
    0x5451,
)  # TCGETS TIOCGWINSZ FIONREAD FIONBIO FIO(N)CLEX
PROCESS_NAMES = (1, 3, 15, 16, 0x53564D41)  # PR_SET_PDEATHSIG GET_DUMPABLE SET_NAME GET_NAME SET_VMA
CONFINING = (22, 38)  # PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS
UNDUMPABLE = 4  # PR_SET_DUMPABLE
LOCKS = (5, 6, 7, 36, 37, 38)  # F_GETLK F_SETLK F_SETLKW and the same on open file descriptions
DESCRIPTORS = (0, 1, 2, 3, 4, 1030, 1032, 1033, 1034)  # F_DUPFD(_CLOEXEC) F_*FD F_*FL F_GETPIPE_SZ F_*_SEALS
WAITS, WAKES = (0, 256, 9, 265), (1, 10)  # FUTEX_WAIT(_BITSET), by either clock; FUTEX_WAKE(_BITSET)
PRIVATE = 128  # FUTEX_PRIVATE_FLAG
ON_SHARED_PAGES = (12, 20, 21, 100, 101)  # MADV_MERGEABLE COLD PAGEOUT HWPOISON SOFT_OFFLINE
UNIX, INTERNET = 1, 2
DROP_BOUNDING = 24  # PR_CAPBSET_DROP
CALLS = ("socket", "connect", "accept", "accept4", "bind", "listen")
SIBLINGS_SHARE = ("fork", "vfork", "pipe", "pipe2", "socketpair", "timer_create")
"""Calls that siblings could signal through: processes, pending signals and pages of pipes are limited per user, and
pipes and sockets are numbered."""
THREAD = 0x003D0F00
"""The flags with which pthread_create calls clone(). CLONE_THREAD and CLONE_VM are among them; no namespace is."""
SHARED_MAPPING, NO_FILE = 0x01, 0x20  # MAP_SHARED, MAP_ANONYMOUS
PARTING = ("unshare", "setns", "mount", "pidfd_open", "capset", "sched_setaffinity")


@dataclass(frozen=True, slots=True)
class Instruction:
    code: int
    yes: int
    no: int
    value: int


Instructions = tuple[Instruction, ...]


def stop(action: int) -> Instructions:
    return (Instruction(RETURN, 0, 0, action),)


def refuse(number: int) -> Instructions:
    return stop(ERRNO | number)


def _load(offset: int) -> Instructions:
    return (Instruction(LOAD, 0, 0, offset),)


def _argument(index: int) -> Instructions:
    """Load the lower half of an argument: every argument tested here is an int or has its meaning in those bits."""
    return _load(16 + 8 * index)


def _each(index: int, values: Iterable[int], then: Instructions) -> Instructions:
    """Do `then`, which is one instruction, if the argument is one of the values; otherwise go on."""
    return _argument(index) + tuple(
        each for value in values for each in (Instruction(EQUAL, 0, 1, value), *then)
    )


def among(index: int, values: Iterable[int], then: Instructions, otherwise: Instructions) -> Instructions:
    """Do `then`, which is one instruction, if the argument is one of the values, and `otherwise` if not."""
    return _each(index, values, then) + otherwise


class Profile(StrEnum):
    """What runs under a filter. If a process loads a second filter, both apply."""

    START = "start"
    """Our own start-up, before submitted code: may execute programs and confine itself."""
    CODE = "code"
    """Submitted code: may start processes and threads."""
    BLOCK_SERVER = "block-server"
    """The fork server, which never runs submitted code: START, calls that create namespaces, and choosing a core."""
    BLOCK = "block"
    """Submitted code on one block: may start threads, but nothing that outlives it or is counted with its siblings'."""
    FETCH = "fetch"
    """pip, which downloads packages without running them: START and sockets, in its own network."""

    @property
    def is_ours(self) -> bool:
        return self in (Profile.START, Profile.BLOCK_SERVER, Profile.FETCH)


def _by_argument(profile: Profile) -> dict[str, Instructions]:
    """Return the actions of calls that depend on their arguments."""
    allow, eperm = stop(ALLOW), refuse(errno.EPERM)
    options = (*PROCESS_NAMES, *CONFINING, UNDUMPABLE) if profile.is_ours else PROCESS_NAMES
    options = (*options, DROP_BOUNDING) if profile is Profile.BLOCK_SERVER else options
    return {
        "clone": (*_argument(0), Instruction(ANY_BIT, 0, 1, NEW_NAMESPACES), *eperm, *allow),
        "ioctl": among(1, TERMINAL_QUESTIONS, allow, refuse(errno.ENOTTY)),
        "prctl": among(0, options, allow, eperm),
        "socketpair": among(0, (UNIX,), allow, refuse(errno.EACCES)),
        "prlimit64": among(0, (0,), allow, eperm),
        "setrlimit": allow,
        "personality": among(0, (0xFFFFFFFF,), allow, eperm),
        # Descriptors in flight in a socket are counted per user.
        "sendmsg": allow if profile.is_ours else refuse(errno.EACCES),
        # The free space of the disk with the libraries reveals activity on the host.
        **dict.fromkeys(("statfs", "fstatfs"), refuse(errno.ENOSYS)),
        **_on_shared_files(),
    }


def _calls() -> dict[str, Instructions]:
    """Return the actions of TCP calls, which cannot leave the sandbox's own network."""
    family = among(0, (INTERNET,), stop(ALLOW), refuse(errno.EAFNOSUPPORT))
    return dict.fromkeys(CALLS, stop(ALLOW)) | {"socket": family}


def _on_shared_files() -> dict[str, Instructions]:
    """Return the actions of calls that act on files: library files are shared, so these would be a channel."""
    allow, eperm = stop(ALLOW), refuse(errno.EPERM)
    return {
        # Locks and hints appear to work.
        "flock": refuse(0),
        "fadvise64": refuse(0),
        "madvise": among(2, ON_SHARED_PAGES, refuse(errno.EINVAL), allow),
        "fcntl": (*_each(1, LOCKS, refuse(0)), *among(1, DESCRIPTORS, allow, eperm)),
        "futex": _futex(),
    }


def _futex() -> Instructions:
    """Allow private futexes; neutralise shared ones, which may lie in a file that other runs map, too.

    There, a wait ends at once (the C library repeats it) and a wake-up wakes nobody. Joining a thread and semaphores
    between processes still work, at the cost of CPU time.
    """
    private = (*_argument(1), Instruction(ANY_BIT, 0, 1, PRIVATE), *stop(ALLOW))
    waits = _each(1, WAITS, refuse(errno.EAGAIN))
    return (*private, *waits, *among(1, WAKES, refuse(0), refuse(errno.ENOSYS)))


def _mapping() -> Instructions:
    """Refuse shared memory without a file: a process could keep it after the kernel stops counting it."""
    shared = (*_argument(3), Instruction(ANY_BIT, 0, 2, NO_FILE), Instruction(ANY_BIT, 0, 1, SHARED_MAPPING))
    return (*shared, *refuse(errno.EPERM), *stop(ALLOW))


def _actions(numbers: dict[str, int], profile: Profile) -> dict[int, Instructions]:
    by_argument = _by_argument(profile)
    named: dict[str, Instructions] = dict.fromkeys(ALLOWED, stop(ALLOW))
    named |= {name: by_argument[name] for name in BY_ARGUMENT}
    named |= dict.fromkeys(START_ONLY, stop(ALLOW) if profile.is_ours else refuse(errno.EPERM))
    named |= dict.fromkeys(DENIED, refuse(errno.EPERM))
    named |= dict.fromkeys(CALLS, refuse(errno.EACCES))
    named |= _calls() if profile is Profile.FETCH else {}
    named |= dict.fromkeys(PARTING, stop(ALLOW)) if profile is Profile.BLOCK_SERVER else {}
    if profile is Profile.BLOCK:
        named |= dict.fromkeys(SIBLINGS_SHARE, refuse(errno.EPERM))
        named |= {"mmap": _mapping(), "clone": among(0, (THREAD,), stop(ALLOW), refuse(errno.EPERM))}
    return {numbers[name]: action for name, action in named.items() if name in numbers}


def _tree(runs: Sequence[tuple[int, Instructions]]) -> Instructions:
    """Return a binary search over (first number, action) intervals, in ascending order."""
    if len(runs) == 1:
        return runs[0][1]
    middle = len(runs) // 2
    left, right = _tree(runs[:middle]), _tree(runs[middle:])
    return (Instruction(AT_LEAST, 0, 1, runs[middle][0]), Instruction(JUMP, 0, 0, len(left)), *left, *right)


def _intervals(actions: dict[int, Instructions]) -> list[tuple[int, Instructions]]:
    unknown = refuse(errno.ENOSYS)
    runs: list[tuple[int, Instructions]] = [(0, unknown)]
    for number in sorted(actions | {number + 1: unknown for number in actions if number + 1 not in actions}):
        action = actions.get(number, unknown)
        if runs[-1][1] != action:
            runs.append((number, action))
    return runs if runs[0] != runs[1] else runs[1:]


@cache
def build(machine: str, profile: Profile) -> bytes:
    """Return the filter program for a machine and a profile, as seccomp(2) takes it."""
    arch, numbers = MACHINES[machine]
    program = [*_load(ARCH), Instruction(EQUAL, 1, 0, arch), *stop(KILL), *_load(NUMBER)]
    if machine == "x86_64":
        program += [Instruction(AT_LEAST, 0, 1, X32), *stop(KILL)]
    program += _tree(_intervals(_actions(numbers, profile)))
    return b"".join(struct.pack("=HBBI", each.code, each.yes, each.no, each.value) for each in program)
