"""Blocks with threads: libraries that need them, and what threads must not change."""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from runner.contract import Block, Limits
from runner.executors.blocks import run_blocks
from runner.host.fork_server import THREADS
from runner.host.meter import cpu_s, descendants, waited_s
from runner.host.selftest import default_environment
from tests.makers import environment_folders
from tests.runner.executors.block_makers import column, numbers, samples

pytestmark = pytest.mark.sandbox

QUICK = Limits(wall_s=6, cpu_s=3, memory_mb=128)
POLARS = """
import polars as pl

def main(t):
    f = pl.from_pandas(t)
    positive = f.filter(pl.col("a") > 0)
    sums = f.group_by("kind").agg(pl.col("b").sum()).sort("kind")
    lazy = f.lazy().filter(pl.col("c") > 0).group_by("kind").agg(pl.col("a").max()).sort("kind").collect()
    streamed = f.lazy().select(pl.col("b").median()).collect(engine="streaming")
    return [positive["a"].mean(), *sums["b"], *lazy["a"], streamed.item(), f.join(f.head(2), on="kind").height]
"""


def with_kinds(count: int) -> list[Block]:
    kinds = column([0, 1] * 50, "whole")
    return [block | {"kind": kinds} for block in samples(count, 100)]


def expected(block: Block) -> list[float]:
    a, b, c, kind = (block[name].values for name in ("a", "b", "c", "kind"))
    return [
        a[a > 0].mean(),
        *(b[kind == each].sum() for each in (0, 1)),
        *(a[(kind == each) & (c > 0)].max() for each in (0, 1)),
        np.median(b),
        100,
    ]


def test_polars_answers_what_numpy_answers_and_the_same_beside_any_blocks() -> None:
    blocks = with_kinds(4)
    answers, report = run_blocks(POLARS, blocks, 7, QUICK, explain=True)
    assert report.ends == ("ok",) * 4, report.tracebacks
    assert answers == pytest.approx(np.array([expected(block) for block in blocks]))
    again, _ = run_blocks(POLARS, [*with_kinds(2)[1:], blocks[0], blocks[3]], 7, QUICK)
    assert again[1:].tobytes() == answers[[0, 3]].tobytes()


def test_polars_is_imported_once_and_draws_the_same_in_all_blocks() -> None:
    code = """
import sys
THERE = 'polars' in sys.modules
import polars as pl
def main(t):
    return THERE, pl.Series(range(1000)).shuffle()[0]
"""
    answers, _ = run_blocks(code, numbers(3), 2, QUICK)
    assert answers[:, 0].tolist() == [1.0] * 3
    assert len(set(answers[:, 1])) == 1


def test_a_block_can_import_polars_itself() -> None:
    code = "def main(t):\n    return __import__('pol' + 'ars').Series([1, 2]).sum()\n"
    answers, _ = run_blocks(code, numbers(2), 1, QUICK)
    assert answers[:, 0].tolist() == [3.0, 3.0]


def test_duckdb_works_where_it_is_installed(tmp_path: Path) -> None:
    """It takes as many threads as it has cores: one."""
    place = environment_folders.beside(default_environment(), tmp_path)
    packages = place / environment_folders.PACKAGES
    for part in Path(str(importlib.util.find_spec("duckdb").origin)).parents[1].glob("*duckdb*"):
        (shutil.copytree if part.is_dir() else shutil.copy)(part, packages / part.name)
    code = "import duckdb\ndef main(t):\n    return duckdb.sql('select sum(x) from t').fetchall()[0][0]\n"
    answers, report = run_blocks(code, numbers(3), 1, QUICK, explain=True, environment=place)
    assert answers[:, 0].tolist() == [0.0, 1.0, 2.0], report.tracebacks


def test_threads_of_the_code_work_and_are_counted_for_each_block() -> None:
    """A block that ends with threads leaves none to the next one."""
    code = """
import threading, time
from concurrent.futures import ThreadPoolExecutor
def main(t):
    with ThreadPoolExecutor(3) as pool:
        total = sum(pool.map(lambda x: x * 2, range(10)))
    while threading.active_count() > 1:
        time.sleep(0.01)
    started = 1
    try:
        while True:
            threading.Thread(target=time.sleep, args=(1000,)).start()
            started += 1
    except RuntimeError:
        return total, started
"""
    answers, report = run_blocks(code, numbers(4), 2, QUICK, explain=True)
    assert report.ends == ("ok",) * 4, report.tracebacks
    assert answers.tolist() == [[90.0, THREADS]] * 4
    assert not [pid for pid in descendants(os.getpid()) if b"block_server" in command(pid)]


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


@pytest.mark.parametrize("slot_s", [0.0, 0.6])
def test_a_block_has_one_core_and_cannot_choose(slot_s: float) -> None:
    code = """
import ctypes, os, threading
def look(found):
    try:
        os.sched_setaffinity(0, range(os.cpu_count()))
        found.append(100)
    except PermissionError:
        found.append(len(os.sched_getaffinity(0)))
def main(t):
    found = []
    look(found)
    thread = threading.Thread(target=look, args=(found,))
    thread.start()
    thread.join()
    return found
"""
    answers, _ = run_blocks(code, numbers(2), 2, QUICK, slot_s=slot_s)
    assert answers.tolist() == [[1.0, 1.0]] * 2


def test_a_block_starts_threads_and_nothing_else() -> None:
    code = """
import ctypes, errno, os, threading
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE, EXECVE = (56, 59) if os.uname().machine == 'x86_64' else (220, 221)

def refused(number, *given):
    return LIBC.syscall(number, *given, None, None, None) == -1 and ctypes.get_errno()

def main(t):
    try:
        os.fork()
    except PermissionError:
        flags = 17, 0x4111, 0x3D0F00 | 0x10000000, 0x3D0F00 & ~0x10000, 0x3D1F00
        return [
            all(refused(CLONE, each, None) == errno.EPERM for each in flags),
            refused(435, ctypes.create_string_buffer(88), 88) == errno.ENOSYS,
            refused(EXECVE, b'/python/bin/python3') == errno.EPERM,
        ]
"""
    answers, report = run_blocks(code, numbers(1), 3, QUICK, explain=True)
    assert answers.tolist() == [[1.0] * 3], report.tracebacks


def test_processor_time_is_that_of_all_threads() -> None:
    code = f"""
import hashlib, threading, time
def main(t):
    for _ in range({THREADS - 1}):
        threading.Thread(target=hashlib.pbkdf2_hmac, args=('sha256', b'', b'', 10**9)).start()
    time.sleep(1000)
"""
    begun = time.monotonic()
    _, report = run_blocks(code, numbers(2), 1, Limits(wall_s=20, cpu_s=0.3, memory_mb=128))
    assert report.ends == ("time",) * 2
    assert all(0.3 < used < 0.6 for used in report.seconds)
    assert time.monotonic() - begun < 15


def test_threads_that_wait_for_each_other_do_not_wait_for_a_processor() -> None:
    """What a process has waited is at most what neither it nor a sleep has used of the time on the clock."""
    spin = """
import hashlib, threading
for _ in range(4):
    threading.Thread(target=hashlib.pbkdf2_hmac, args=('sha256', b'', b'', 10**9)).start()
"""
    with subprocess.Popen([sys.executable, "-c", spin]) as child:
        try:
            os.sched_setaffinity(child.pid, {max(os.sched_getaffinity(0))})
            tasks = Path(f"/proc/{child.pid}/task")
            while len([*tasks.iterdir()]) < 5:
                time.sleep(0.01)
            begun, used, waited = time.monotonic(), cpu_s(child.pid), waited_s(child.pid)
            time.sleep(1.0)
            most = max(int((task / "schedstat").read_text().split()[1]) / 1e9 for task in tasks.iterdir())
            used, waited = cpu_s(child.pid) - used, waited_s(child.pid) - waited
            others = time.monotonic() - begun - used
        finally:
            child.kill()
    assert most > 0.5
    assert -0.05 < waited < others + 0.05
