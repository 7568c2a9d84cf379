"""A hostile block, or a fork server that dies: the answers of all other blocks stay the same, bit for bit."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from runner.contract import OWN_SHARE, Answers, Block, Limits, Report, SandboxUnavailable, working_s
from runner.executors.blocks import run_blocks
from runner.host import fork_server
from runner.host.core import steady_core
from runner.host.meter import children, descendants
from tests.runner.executors.block_makers import column, numbers, samples
from tests.runner.executors.hostile_blocks import HOSTILE, PREPARATION
from tests.runner.executors.odd_blocks import ODD

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

LIMITS = Limits(wall_s=0.4, cpu_s=0.3, memory_mb=128)
BODIES = [*HOSTILE.values(), *(text for text, _ in ODD.values())]
HONEST = """
def honest(t):
    x = t[['a', 'b', 'c']].to_numpy()
    return [x.mean(), np.random.normal(), random.random(), float(np.linalg.svd(x)[1][0])]

def main(t):
    which = t.which.iloc[0]
    return honest(t) if which < 0 else globals()['bad_%d' % which](t, t.a)
"""
EVERY = 3
"""Each such block is an honest one."""


def code() -> str:
    functions = (f"def bad_{number}(t, x):\n    {body.strip()}\n" for number, body in enumerate(BODIES))
    return PREPARATION + "".join(functions) + HONEST


def blocks(*, hostile: bool) -> list[Block]:
    """One block for each body, with honest ones between them."""
    whiches = []
    for number in range(len(BODIES)):
        whiches += [*([-1] if number % EVERY == 0 else []), number if hostile else -1]
    each = samples(len(whiches), 10)
    return [
        block | {"which": column([which] * 10, "whole")} for block, which in zip(each, whiches, strict=True)
    ]


@cache
def run(*, hostile: bool) -> tuple[Answers, Report]:
    return run_blocks(code(), blocks(hostile=hostile), 4, LIMITS)


def place(number: int) -> int:
    """Where the block with this body is."""
    return number + number // EVERY + 1


def test_other_blocks_answer_the_same_bit_for_bit_beside_hostile_ones() -> None:
    (disturbed, report), (undisturbed, quiet) = run(hostile=True), run(hostile=False)
    bad = [place(number) for number in range(len(BODIES))]
    assert len(HOSTILE) >= 200
    assert quiet.failed == 0
    assert np.delete(disturbed, bad, axis=0).tobytes() == np.delete(undisturbed, bad, axis=0).tobytes()
    assert {end for number, end in enumerate(report.ends) if number not in bad} == {"ok"}
    assert report.servers == quiet.servers == 1


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_block_has_failed(name: str) -> None:
    answers, report = run(hostile=True)
    number = place([*HOSTILE].index(name))
    assert report.ends[number] in ("failed", "time")
    assert np.isnan(answers[number]).all()


@pytest.mark.parametrize("name", ODD)
def test_numbers_of_any_kind_are_answers(name: str) -> None:
    answers, report = run(hostile=True)
    number = place(len(HOSTILE) + [*ODD].index(name))
    assert report.ends[number] == "ok"
    assert answers[number].tolist() == ODD[name][1]


# Limits are the block's own


def test_processor_time_is_held_to_less_than_a_second() -> None:
    """A block that used too much has failed even if it answers before its use is checked."""
    spin = "import time\ndef main(t):\n    while time.process_time() < t.x[0]: pass\n    return t.x[0]\n"
    wanted = [{"x": column([used])} for used in (0.1, 0.36, 0.1, 0.6)]
    answers, report = run_blocks(spin, wanted, 1, Limits(wall_s=20, cpu_s=0.35, memory_mb=128))
    assert report.ends == ("ok", "time", "ok", "time")
    assert answers[:, 0].tolist()[::2] == [0.1, 0.1]


def test_memory_that_is_not_called_data_is_limited() -> None:
    greedy = """
import ctypes, time
def main(t):
    LIBC = ctypes.CDLL(None)
    LIBC.mmap.restype = ctypes.c_void_p
    for _ in range(4):
        at = LIBC.mmap(None, ctypes.c_size_t(2**26), 3, 0x22, -1, ctypes.c_long(0))
        ctypes.memset(ctypes.c_void_p(at), 1, 2**26)
        LIBC.mprotect(ctypes.c_void_p(at), ctypes.c_size_t(2**26), 1)
    time.sleep(2)
    return 1.0
"""
    _, report = run_blocks(greedy, numbers(1), 1, Limits(wall_s=20, cpu_s=10, memory_mb=64))
    assert report.ends == ("failed",)


# Slots

SLOT_S = 0.5
OWN_S = OWN_SHARE * working_s(SLOT_S)


@pytest.fixture
def in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks start in the order in which they are given."""
    monkeypatch.setattr("runner.executors.blocks.in_random_order", lambda numbers: None)


BEHAVIOURS = {
    "returns at once": "pass",
    "sleeps": "time.sleep(1000)",
    "spins": "while True: pass",
    "spins in eight threads": """
        for _ in range(7):
            threading.Thread(target=hashlib.pbkdf2_hmac, args=('sha256', b'', b'', 10**9)).start()
        hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)""",
    "starts threads without end": """
        while True:
            try:
                threading.Thread(target=abs, args=(1,)).start()
            except RuntimeError:
                pass""",
    "dies": "os._exit(1)",
}


def starts(behaviour: str) -> tuple[list[float], Report]:
    """Return when each block started, in seconds since the first, beside a block that behaves in some way."""
    code = f"""
import hashlib, os, threading, time
NOW = time.time()
def main(t):
    if t.x[0] in (1, 2):
        {behaviour}
    return NOW
"""
    answers, report = run_blocks(code, numbers(6), 1, Limits(wall_s=5, cpu_s=5, memory_mb=128), slot_s=SLOT_S)
    return (answers[:, 0] - answers[0, 0]).tolist(), report


@pytest.mark.usefixtures("in_order")
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_what_a_block_does_changes_no_other_blocks_start(behaviour: str) -> None:
    found, report = starts(BEHAVIOURS[behaviour])
    for number in (0, 3, 4, 5):
        assert found[number] == pytest.approx(number * SLOT_S, abs=0.06)
    assert report.wall_s == pytest.approx(6 * SLOT_S, abs=0.06)
    assert report.layers[-1] == "constant-load"
    late = behaviour not in ("returns at once", "dies")
    killed = [end in ("time", "waited") for end in report.ends]
    assert killed == [late and number in (1, 2) for number in range(6)]
    assert max(report.seconds) < OWN_S + 0.06


LEAVES = {
    "memory": "held = bytearray(b'x') * (100 * 2**20)",
    "many small mappings": """
        LIBC.mmap.restype = ctypes.c_void_p
        while True:
            for access in (0, 1):
                LIBC.mmap(None, 4096, access, 0x22, -1, 0)""",
    "files": """
        for number in range(10**9):
            with open(f'/tmp/{number}', 'wb') as file:
                file.write(bytes(2**13))""",
}


@pytest.mark.parametrize("what", LEAVES)
def test_a_short_slot_has_time_to_remove_what_its_block_made(what: str) -> None:
    """If it had not, the next block would start a whole slot later."""
    code = f"""
import ctypes, time
LIBC = ctypes.CDLL(None)
def main(t):
    if t.x[0] % 2:
        {LEAVES[what]}
        time.sleep(1000)
    return t.x[0]
"""
    limits = Limits(wall_s=5, cpu_s=5, memory_mb=256)
    _, report = run_blocks(code, numbers(10), 1, limits, slot_s=0.25)
    assert "ok" not in report.ends[1::2]
    assert report.wall_s == pytest.approx(2.5, abs=0.06)


@contextmanager
def spinning_beside(core: int) -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            os.sched_setaffinity(other.pid, {core})
            yield
        finally:
            other.kill()


@pytest.mark.usefixtures("in_order")
def test_a_block_that_has_to_wait_delays_nobody() -> None:
    """Its own time is within its share of the slot; but as it has to wait for twice as long, its slot is over."""
    code = """
import time
NOW = time.time()
def main(t):
    while time.process_time() < 0.18 * (t.x[0] == 1): pass
    return NOW
"""
    limits = Limits(wall_s=5, cpu_s=5, memory_mb=128)
    with contextlib.ExitStack() as beside:
        for core in [*os.sched_getaffinity(0)] * 2:  # whichever is leased
            beside.enter_context(spinning_beside(core))
        _, report = run_blocks(code, numbers(4), 1, limits, slot_s=SLOT_S)
    assert report.ends[1] in ("waited", "time")
    assert report.wall_s == pytest.approx(4 * SLOT_S, abs=0.1)


def test_blocks_start_in_an_order_that_nobody_knows() -> None:
    code = "import time\nNOW = time.time()\ndef main(t):\n    return NOW\n"
    answers, _ = run_blocks(code, numbers(12), 1, LIMITS, slot_s=0.7)
    assert sorted(answers[:, 0]) != answers[:, 0].tolist()
    assert np.diff(np.sort(answers[:, 0])) == pytest.approx([0.7] * 11, abs=0.06)


def test_a_core_is_busy_for_the_whole_call_and_free_afterwards() -> None:
    before, begun = core_times(), time.monotonic()
    _, report = run_blocks("def main(t):\n    return 1.0\n", numbers(6), 1, LIMITS, slot_s=SLOT_S)
    busy = core_times() - before
    assert busy > 0.9 * (report.start_s + report.wall_s) - 0.2
    assert time.monotonic() - begun >= report.wall_s
    assert not [
        pid for pid in children(os.getpid()) if b"getppid" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def core_times() -> float:
    """The seconds that the last core has been busy."""
    name = f"cpu{max(os.sched_getaffinity(0))} "
    fields = next(row for row in Path("/proc/stat").read_text().splitlines() if row.startswith(name)).split()
    return sum(int(fields[place]) for place in (1, 2, 3)) / os.sysconf("SC_CLK_TCK")


def test_blocks_run_where_no_core_can_be_kept_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, cores: set[int]) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    answers, report = run_blocks("def main(t):\n    return 1.0\n", numbers(2), 1, LIMITS, slot_s=SLOT_S)
    assert answers.tolist() == [[1.0], [1.0]]
    assert report.layers[-1] == "no-constant-load (Operation not permitted)"


def test_each_call_has_a_core_of_its_own() -> None:
    with contextlib.ExitStack() as held:
        cores = [held.enter_context(steady_core()) for _ in os.sched_getaffinity(0)]
        assert {core.number for core in cores} == os.sched_getaffinity(0)
        assert held.enter_context(steady_core()).layer == "no-constant-load (all cores are taken)"
        cores[0].check(os.getpid())
        assert cores[0].layer == "no-constant-load (the blocks could not be bound to a core)"


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


SLOW = "import time\ndef main(t):\n    time.sleep(0.3)\n    return t.x[0]\n"
FEW = numbers(6)
SLOWLY = Limits(wall_s=1.5, cpu_s=1, memory_mb=128)


def right(answers: Answers, *bad: int) -> bool:
    wanted = [[np.nan if number in bad else number] for number in range(len(answers))]
    return np.array_equal(answers, wanted, equal_nan=True)


@pytest.mark.parametrize("slot_s", [0.0, 0.9])
def test_a_killed_server_is_replaced(slot_s: float) -> None:
    def kill(pid: int) -> bool:
        if not children(pid):
            return False
        os.kill(pid, signal.SIGKILL)
        return True

    with meddling(kill):
        answers, report = run_blocks(SLOW, FEW, 1, SLOWLY, slot_s=slot_s)
    assert report.ends == ("ok",) * 6
    assert report.servers >= 2
    assert right(answers)


def test_a_server_that_stands_still_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fork_server, "HANG_S", 0.0)

    def stop(pid: int) -> bool:
        if not children(pid):
            return False
        os.kill(pid, signal.SIGSTOP)
        return True

    with meddling(stop):
        answers, report = run_blocks(SLOW, FEW, 1, SLOWLY)
    assert report.ends == ("ok",) * 6
    assert report.servers >= 2
    assert right(answers)


def test_a_block_that_takes_the_server_with_it_falls_alone() -> None:
    """Every server with a certain block in hand dies: that block fails, after one more try by itself."""

    def avenge(pid: int) -> bool:
        for child in children(pid):
            spun = float(Path(f"/proc/{child}/schedstat").read_text().split()[0])
            if spun > 0.3e9:
                os.kill(pid, signal.SIGKILL)
        return False

    with meddling(avenge):
        spinning = "def main(t):\n    while t.x[0] == 3: pass\n    return t.x[0]\n"
        answers, report = run_blocks(spinning, FEW, 1, Limits(wall_s=9, cpu_s=8, memory_mb=128))
    assert report.ends == tuple("failed" if number == 3 else "ok" for number in range(6))
    assert 2 <= report.servers <= 3
    assert right(answers, 3)


def test_servers_that_never_live_are_given_up() -> None:
    def kill(pid: int) -> bool:
        os.kill(pid, signal.SIGKILL)
        return False

    with meddling(kill), pytest.raises(SandboxUnavailable, match="did not start"):
        run_blocks(SLOW, FEW, 1, LIMITS)
