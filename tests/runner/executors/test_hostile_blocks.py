"""A hostile block, or a fork server that dies: the answers of all other blocks stay the same, bit for bit."""

import contextlib
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from runner.contract import Limits, SandboxUnavailable
from runner.executors.blocks import run_blocks
from runner.host import fork_server
from runner.host.meter import children, descendants

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

LIMITS = Limits(wall_s=3, cpu_s=1, memory_mb=128)
BLOCKS = [np.random.default_rng(number).normal(size=(50, 3)) for number in range(12)]
for number, block in enumerate(BLOCKS):
    block[0, 0] = number
BAD = 3

CODE = """
import ctypes, itertools, math, mmap, os, random, resource, signal, sys, threading, time
import numpy as np

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]

def place():
    '''Where the answer goes: the harness keeps it in a frame above this one.'''
    frame = sys._getframe()
    while 'place' not in frame.f_locals or frame.f_code.co_name != '_be_a_block':
        frame = frame.f_back
    return frame.f_locals['place']

def put(*values):
    ctypes.memmove(place(), np.array(values).tobytes(), 8 * len(values))

def forever():
    while True:
        time.sleep(1000)

def bad(x):
    {}

def block(x):
    if x[0, 0] == 3:
        return bad(x)
    return [x.mean(), np.random.normal(), random.random(), float(np.linalg.svd(x)[1][0])]
"""

HOSTILE = {
    "half an answer, then sleep": "put(1.0, 2.0); forever()",
    "the whole answer, then sleep": "put(1.0, 2.0, 3.0, 4.0); forever()",
    "half an answer, then a clean end": "put(1.0, 2.0); os._exit(0)",
    "the whole answer, then a crash": "put(1.0, 2.0, 3.0, 4.0); ctypes.string_at(0)",
    "more than the answer": "ctypes.memmove(place(), bytes(2**20), 2**20); forever()",
    "an answer byte by byte": """
    for byte in range(10**6):
        ctypes.memset(place() + byte % 8, 65, 1)
        time.sleep(0.2)""",
    "no memory for the answer": "LIBC.munmap(ctypes.c_void_p(place()), 4096); return [1.0] * 4",
    "write to every descriptor": """
    for number in range(64):
        try:
            os.write(number, bytes(8))
        except OSError:
            pass
    forever()""",
    "close every descriptor": "os.closerange(0, 64); forever()",
    "write where a pipe was": "os.write(4, b'x'); forever()",
    "an answer where a pipe was": "os.write(4, bytes(32)); os.close(4); forever()",
    "an answer byte by byte where a pipe was": """
    for _ in range(32):
        os.write(4, b'x')
        time.sleep(0.5)""",
    "stop": "os.kill(0, signal.SIGSTOP); os.kill(os.getpid(), signal.SIGSTOP); forever()",
    "kill everybody": "[os.kill(pid, 9) for pid in (1, 0, -1)]",
    "kill neighbours": """
    for pid in range(2, 5000):
        try:
            os.kill(pid, 9)
        except OSError:
            pass
    forever()""",
    "leave early": "os._exit(0)",
    "leave by an exception": "raise SystemExit(0)",
    "abort": "os.abort()",
    "fork": "os.fork(); forever()",
    "threads": "threading.Thread(target=forever).start()",
    "try to fork for ever": """
    while True:
        try:
            os.fork()
        except OSError:
            pass""",
    "spin": "while True: pass",
    "spin deaf": """
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True: pass""",
    "sleep": "forever()",
    "take memory and keep it": """
    held = []
    try:
        while True:
            held.append(bytearray(b'x') * 2**24)
    except MemoryError:
        forever()""",
    "take memory that is not called data": """
    held = []
    for _ in range(40):
        size = 100 * 2**20
        at = LIBC.mmap(None, size, 3, 0x22, -1, 0)
        if at is None or at == 2**64 - 1:
            break
        ctypes.memset(at, 1, size)
        LIBC.mprotect(ctypes.c_void_p(at), size, 1)
    forever()""",
    "take memory that nobody holds": """
    size = 2**30
    at = LIBC.mmap(None, size, 3, 0x21, -1, 0)
    assert at != 2**64 - 1
    for start in range(at, at + size, 2**24):
        ctypes.memset(start, 1, 2**24)
        LIBC.madvise(ctypes.c_void_p(start), 2**24, 4)
    forever()""",
    "fill the folders": """
    for folder in ('/out', '/tmp', '/dev/shm'):
        try:
            with open(folder + '/full', 'wb') as file:
                while True:
                    file.write(bytes(2**20))
        except OSError:
            pass
    forever()""",
    "make many files": """
    try:
        for number in itertools.count():
            open(f'/tmp/{number}', 'w').close()
    except OSError:
        forever()""",
    "recursion": "sys.setrecursionlimit(10**9); bad(x)",
    "too many numbers": "return [1.0] * 10**6",
    "an endless answer": "return type('A', (), {'tolist': lambda self: list(itertools.count())})()",
    "a number that sleeps": "return [type('N', (), {'__float__': lambda self: forever()})()] * 4",
    "not a number": "return [1.0, 2.0, 3.0, math.nan]",
    "an infinite number": "return [1.0, 2.0, 3.0, -math.inf]",
    "break the harness": """
    import struct
    os._exit = struct.pack = lambda *a: forever()
    return [1.0] * 4""",
    "never exit": "os._exit = lambda code: None; return [1.0] * 4",
    "sleep in a destructor": "global kept; kept = type('D', (), {'__del__': lambda self: forever()})(); del kept",
    "lower the limits": "resource.setrlimit(resource.RLIMIT_CPU, (0, 0)); forever()",
}


def code(bad: str) -> str:
    return CODE.replace("{}", bad.strip())


@cache
def undisturbed() -> bytes:
    """The other blocks' answers next to a harmless block."""
    answers, report = run_blocks(code("return [0.0] * 4"), BLOCKS, 4, LIMITS)
    assert report.ends == ("ok",) * 12
    return others(answers)


def others(answers: np.ndarray) -> bytes:
    return np.delete(answers, BAD, axis=0).tobytes()


@pytest.mark.parametrize("at_once", [1, 2])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_block_falls_alone(name: str, at_once: int) -> None:
    answers, report = run_blocks(code(HOSTILE[name]), BLOCKS, 4, LIMITS, at_once=at_once)
    assert others(answers) == undisturbed()
    assert np.isnan(answers[BAD]).all()
    assert [number for number, end in enumerate(report.ends) if end != "ok"] in ([BAD], [])
    assert report.servers == 1


# Limits are the block's own


def test_processor_time_is_held_to_less_than_a_second() -> None:
    """A block that used too much has failed even if it answers before its use is checked."""
    spin = "def block(x):\n    import time\n    while time.process_time() < x[0]: pass\n    return x[0]\n"
    wanted = [np.array([used]) for used in (0.1, 0.36, 0.1, 0.6)]
    answers, report = run_blocks(spin, wanted, 1, Limits(wall_s=20, cpu_s=0.35, memory_mb=128), at_once=1)
    assert report.ends == ("ok", "time", "ok", "time")
    assert answers[:, 0].tolist()[::2] == [0.1, 0.1]


def test_waiting_for_a_processor_is_nobodys_fault() -> None:
    """More blocks than CPUs: each takes longer than its limit by the clock and still gets its time."""
    spin = "def block(x):\n    import time\n    while time.process_time() < 0.6: pass\n    return x[0]\n"
    count = 4 * len(os.sched_getaffinity(0))
    limits = Limits(wall_s=1.5, cpu_s=1.2, memory_mb=64)
    _, report = run_blocks(spin, [np.array([1.0])] * count, 1, limits, at_once=count)
    assert report.ends == ("ok",) * count
    assert report.wall_s > limits.wall_s


def test_memory_is_limited_while_neighbours_come_and_go() -> None:
    """A greedy block is checked even while messages keep arriving."""
    greedy = """
import ctypes, time
def block(x):
    if x[0]:
        return 0.0
    LIBC = ctypes.CDLL(None)
    LIBC.mmap.restype = ctypes.c_void_p
    for _ in range(4):
        at = LIBC.mmap(None, ctypes.c_size_t(2**26), 3, 0x22, -1, ctypes.c_long(0))
        ctypes.memset(ctypes.c_void_p(at), 1, 2**26)
        LIBC.mprotect(ctypes.c_void_p(at), ctypes.c_size_t(2**26), 1)
    time.sleep(2)
    return 1.0
"""
    blocks = [np.array([float(number)]) for number in range(200)]
    _, report = run_blocks(greedy, blocks, 1, Limits(wall_s=20, cpu_s=10, memory_mb=64))
    assert report.ends == ("failed", *["ok"] * 199)


def test_the_clock_can_be_kept_from_telling_of_others() -> None:
    """Blocks start at times that are known in advance, whatever earlier blocks do."""
    tell = "import time\ndef block(x):\n    time.sleep(1000 * (x[0] in (1, 2)))\n    return time.time()\n"
    blocks = [np.array([float(number)]) for number in range(5)]
    answers, _ = run_blocks(tell, blocks, 1, Limits(wall_s=1, cpu_s=1), at_once=1, every_s=2)
    assert np.round((answers[:, 0] - answers[0, 0]) / 2)[[0, 3, 4]].tolist() == [0, 3, 4]
    with pytest.raises(ValueError, match="longer"):
        run_blocks(tell, blocks, 1, Limits(wall_s=1), every_s=1)


# The server dies


@contextmanager
def meddling(act: Callable[[int], bool]) -> Iterator[None]:
    """Call `act` with the pid of each fork server again and again, until it returns True."""
    over = threading.Event()

    def loop() -> None:
        while not over.is_set():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if any(act(pid) for pid in servers()):
                    return
            time.sleep(0.02)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def servers() -> list[int]:
    """Fork servers below this process: their children are inits of their own."""
    found = []
    for pid in descendants(os.getpid()):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            namespaces = Path(f"/proc/{pid}/status").read_text().split("NSpid:")[1].split("\n")[0].split()
            if words[0].startswith(b"/python/") and any(b"block_server" in word for word in words):
                found += [pid] if len(namespaces) == 2 else []
    return found


SLOW = code("return [0.0] * 4").replace("def block(x):\n", "def block(x):\n    time.sleep(0.3)\n")


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_killed_server_is_replaced(at_once: int) -> None:
    def kill(pid: int) -> bool:
        if not children(pid):
            return False
        os.kill(pid, signal.SIGKILL)
        return True

    with meddling(kill):
        answers, report = run_blocks(SLOW, BLOCKS, 4, LIMITS, at_once=at_once)
    assert report.ends == ("ok",) * 12
    assert report.servers >= 2
    assert others(answers) == undisturbed()


def test_a_server_that_stands_still_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fork_server, "HANG_S", 0.0)

    def stop(pid: int) -> bool:
        if not children(pid):
            return False
        os.kill(pid, signal.SIGSTOP)
        return True

    limits = Limits(wall_s=1.5, cpu_s=1, memory_mb=128)
    with meddling(stop):
        answers, report = run_blocks(SLOW, BLOCKS, 4, limits)
    assert report.ends == ("ok",) * 12
    assert report.servers >= 2
    assert others(answers) == undisturbed()


def test_a_block_that_takes_the_server_with_it_falls_alone() -> None:
    """Every server with a certain block in hand dies: that block fails, after one more try by itself."""

    def avenge(pid: int) -> bool:
        for child in children(pid):
            spun = float(Path(f"/proc/{child}/schedstat").read_text().split()[0])
            if spun > 0.3e9:
                os.kill(pid, signal.SIGKILL)
        return False

    with meddling(avenge):
        spinning = code("while True: pass")
        answers, report = run_blocks(spinning, BLOCKS, 4, Limits(wall_s=9, cpu_s=8, memory_mb=128))
    assert report.ends == tuple("failed" if number == BAD else "ok" for number in range(12))
    assert 2 <= report.servers <= 3
    assert others(answers) == undisturbed()


def test_servers_that_never_live_are_given_up() -> None:
    def kill(pid: int) -> bool:
        os.kill(pid, signal.SIGKILL)
        return False

    with meddling(kill), pytest.raises(SandboxUnavailable, match="did not start"):
        run_blocks(SLOW, BLOCKS[:1], 4, LIMITS)


def test_a_block_is_seeded_the_same_in_every_server() -> None:
    order = "def block(x):\n    return [hash('a') % 2**31, float(''.join({'1', '2', '3', '4'}))]\n"
    once, _ = run_blocks(order, BLOCKS[:2], 2)
    again, _ = run_blocks(order, BLOCKS[:2], 2)
    assert np.array_equal(once, again)
    assert math.isfinite(once.sum())
