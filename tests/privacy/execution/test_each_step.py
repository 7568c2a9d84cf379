"""kill -9 of a process that charges people, at every single system call: the state before, or the state after.

LMDB writes its file by system calls alone (its map is read-only), so between two of them nothing on disk changes:
killing at each is killing at any instruction.
"""

import ctypes
import os
import signal
from contextlib import closing
from uuid import UUID

import numpy as np
import pytest

from privacy.ledgers.person_ledger import SubjectLedger

TRACEME, SYSCALL = 0, 24
UNTRACEABLE = 3
"""How a child ends that is refused to be traced."""
BUDGET = UUID(int=1)
PEOPLE = 3000
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long

pytestmark = pytest.mark.slow


def charge(folder, line):
    with closing(SubjectLedger(folder)) as book:
        book.charge(BUDGET, np.arange(PEOPLE, dtype=np.uint32), np.full(PEOPLE, 3), line=line)


def state(folder):
    """(the newest line, what people were charged)."""
    with closing(SubjectLedger(folder)) as book:
        return book.last_line(), set(book.spent(BUDGET).tolist())


def traced(folder, line, stop_after):
    """Charge in a child and kill it at this stop before or after a system call; True when it ended before."""
    child = os.fork()
    if child == 0:
        if libc.ptrace(TRACEME, 0, None, None) != 0:
            os._exit(UNTRACEABLE)
        os.kill(os.getpid(), signal.SIGSTOP)
        charge(folder, line)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == UNTRACEABLE
        pytest.skip("Processes cannot be traced here.")
    for _ in range(stop_after):
        libc.ptrace(SYSCALL, child, None, None)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            return True
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def test_a_kill_at_every_system_call_leaves_the_state_before_or_after(tmp_path):
    folder = tmp_path / "ledger"
    charge(folder, 1)
    line, stops, whole, seen = 1, 0, False, set()
    while not whole:
        stops += 1
        whole = traced(folder, line + 1, stops)
        last, spent = state(folder)
        assert last in {line, line + 1}
        assert spent == {3 * last}
        seen.add(last - line)
        line = last
    assert seen == {0, 1}
    assert stops > 20
