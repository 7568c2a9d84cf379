"""Seccomp filters as classic BPF, assembled here: a search tree over call numbers with a verdict at each leaf."""

import errno
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from runner.syscalls import ALLOWED, BY_ARGUMENT, DENIED, MACHINES, START_ONLY

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
LOCKS = (5, 6, 7, 36, 37, 38)  # F_GETLK F_SETLK F_SETLKW and the same on open file descriptions
LEASES = (1024, 1025, 1026)  # F_SETLEASE F_GETLEASE F_NOTIFY
UNIX = 1
THREAD = 0x00010000  # CLONE_THREAD
DROP_BOUNDING = 24  # PR_CAPBSET_DROP
PARTING = ("unshare", "setns", "mount", "pidfd_open", "capset")


@dataclass(frozen=True, slots=True)
class Step:
    code: int
    yes: int
    no: int
    value: int


Block = tuple[Step, ...]


def stop(verdict: int) -> Block:
    return (Step(RETURN, 0, 0, verdict),)


def refuse(number: int) -> Block:
    return stop(ERRNO | number)


def _load(offset: int) -> Block:
    return (Step(LOAD, 0, 0, offset),)


def _argument(index: int) -> Block:
    """The lower half of an argument: every argument judged here is an int, or has its meaning in those bits."""
    return _load(16 + 8 * index)


def among(index: int, values: Iterable[int], then: Block, otherwise: Block) -> Block:
    """`then` when the argument is one of the values. `then` is one step."""
    tests = tuple(step for value in values for step in (Step(EQUAL, 0, 1, value), *then))
    return _argument(index) + tests + otherwise


class Stage(StrEnum):
    """Who runs under a filter. A later one is laid over an earlier one, and both hold."""

    START = "start"
    """Our own start, before submitted code: may execute and confine itself."""
    CODE = "code"
    """Submitted code: may fork and thread."""
    ZYGOTE = "zygote"
    """The fork server, which never runs submitted code: START and the calls that part namespaces."""
    BLOCK = "block"
    """Submitted code on one block: may thread, nothing more."""

    @property
    def is_ours(self) -> bool:
        return self in (Stage.START, Stage.ZYGOTE)


def _judged(stage: Stage) -> dict[str, Block]:
    """The calls that depend on their arguments."""
    allow, eperm = stop(ALLOW), refuse(errno.EPERM)
    options = PROCESS_NAMES + CONFINING if stage.is_ours else PROCESS_NAMES
    options = (*options, DROP_BOUNDING) if stage is Stage.ZYGOTE else options
    clone = (*_argument(0), Step(ANY_BIT, 0, 1, NEW_NAMESPACES), *eperm)
    clone += (Step(ANY_BIT, 1, 0, THREAD), *eperm, *allow) if stage is Stage.BLOCK else allow
    return {
        "clone": clone,
        "ioctl": among(1, TERMINAL_QUESTIONS, allow, refuse(errno.ENOTTY)),
        "prctl": among(0, options, allow, eperm),
        "socketpair": among(0, (UNIX,), allow, refuse(errno.EACCES)),
        "prlimit64": among(0, (0,), allow, eperm),
        "setrlimit": allow,
        "personality": among(0, (0xFFFFFFFF,), allow, eperm),
        # Locks on files that two runs share (libraries) would be a channel between them: they seem to work.
        "flock": refuse(0),
        "fcntl": _argument(1)
        + tuple(step for value in LOCKS for step in (Step(EQUAL, 0, 1, value), *refuse(0)))
        + tuple(step for value in LEASES for step in (Step(EQUAL, 0, 1, value), *eperm))
        + allow,
    }


def _verdicts(numbers: dict[str, int], stage: Stage) -> dict[int, Block]:
    judged = _judged(stage)
    named: dict[str, Block] = dict.fromkeys(ALLOWED, stop(ALLOW))
    named |= {name: judged[name] for name in BY_ARGUMENT}
    named |= dict.fromkeys(START_ONLY, stop(ALLOW) if stage.is_ours else refuse(errno.EPERM))
    named |= dict.fromkeys(DENIED, refuse(errno.EPERM))
    named |= dict.fromkeys(("socket", "connect", "accept", "accept4", "bind", "listen"), refuse(errno.EACCES))
    named |= dict.fromkeys(PARTING, stop(ALLOW)) if stage is Stage.ZYGOTE else {}
    named |= dict.fromkeys(("fork", "vfork"), refuse(errno.EPERM)) if stage is Stage.BLOCK else {}
    return {numbers[name]: block for name, block in named.items() if name in numbers}


def _tree(runs: Sequence[tuple[int, Block]]) -> Block:
    """A binary search over (first number, verdict) intervals, in ascending order."""
    if len(runs) == 1:
        return runs[0][1]
    middle = len(runs) // 2
    left, right = _tree(runs[:middle]), _tree(runs[middle:])
    return (Step(AT_LEAST, 0, 1, runs[middle][0]), Step(JUMP, 0, 0, len(left)), *left, *right)


def _intervals(verdicts: dict[int, Block]) -> list[tuple[int, Block]]:
    unknown = refuse(errno.ENOSYS)
    runs: list[tuple[int, Block]] = [(0, unknown)]
    for number in sorted(
        verdicts | {number + 1: unknown for number in verdicts if number + 1 not in verdicts}
    ):
        block = verdicts.get(number, unknown)
        if runs[-1][1] != block:
            runs.append((number, block))
    return runs if runs[0] != runs[1] else runs[1:]


@cache
def build(machine: str, stage: Stage) -> bytes:
    """The filter program for a machine and a stage as seccomp(2) takes it."""
    arch, numbers = MACHINES[machine]
    program = [*_load(ARCH), Step(EQUAL, 1, 0, arch), *stop(KILL), *_load(NUMBER)]
    if machine == "x86_64":
        program += [Step(AT_LEAST, 0, 1, X32), *stop(KILL)]
    program += _tree(_intervals(_verdicts(numbers, stage)))
    return b"".join(struct.pack("=HBBI", step.code, step.yes, step.no, step.value) for step in program)
