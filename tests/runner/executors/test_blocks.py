"""The fork server: answers, failures that affect no other block, and siblings that try to communicate."""

import numpy as np
import pytest

from runner.contract import Limits
from runner.executors.blocks import run_blocks

pytestmark = pytest.mark.sandbox

BLOCKS = [np.arange(12.0).reshape(4, 3) + number for number in range(6)]
QUICK = Limits(wall_s=6, cpu_s=1, memory_mb=128, pids=8)


def numbers(count: int) -> list[np.ndarray]:
    return [np.array([float(number)]) for number in range(count)]


def test_one_row_for_each_block() -> None:
    answers, report = run_blocks("def block(x):\n    return x.mean(axis=0)\n", BLOCKS, 3)
    assert np.array_equal(answers, np.array([block.mean(axis=0) for block in BLOCKS]))
    assert report.ends == ("ok",) * 6


def test_a_block_of_columns_is_a_table() -> None:
    blocks = [
        {"group": np.array(["a", "b", "a"]), "wage": np.array([1.0, 2.0, 3.0]) * k} for k in range(1, 4)
    ]
    code = "def main(table):\n    return table.groupby('group').wage.mean()\n"
    answers, report = run_blocks(code, blocks, 2)
    assert report.failed == 0
    assert np.array_equal(answers, np.array([[2.0, 2.0], [4.0, 4.0], [6.0, 6.0]]))


@pytest.mark.parametrize(
    ("wrong", "end"),
    [
        ("raise ValueError", "failed"),
        ("return [1.0, 2.0]", "failed"),
        ("return 'text'", "failed"),
        ("return float('nan')", "ok"),
        ("import os; os._exit(0)", "failed"),
        ("import os; os.write(4, b'x' * 9); os._exit(0)", "failed"),
        ("import ctypes; ctypes.string_at(0)", "failed"),
        ("while True: pass", "time"),
        ("import time; time.sleep(60)", "time"),
        ("return len(bytearray(b'x') * (2 << 30))", "failed"),
        ("import mmap; a = mmap.mmap(-1, 2 << 30); a[::4096] = bytes(len(a) // 4096)", "failed"),
    ],
)
def test_failure_of_one_is_its_own(wrong: str, end: str) -> None:
    code = f"def block(x):\n    if x[0] == 1:\n        {wrong}\n    return x[0]\n"
    answers, report = run_blocks(code, numbers(4), 1, QUICK)
    assert np.array_equal(answers[:, 0], [0.0, np.nan, 2.0, 3.0], equal_nan=True)
    assert report.ends == ("ok", end, "ok", "ok")


TALKS = {
    "files": """
import os, glob
for d in ('/tmp', '/out', '/dev/shm'):
    found += len(os.listdir(d))
    open(d + '/note', 'w').write('1')
""",
    "globals": """
import builtins, numpy
found += hasattr(builtins, 'note') + hasattr(numpy, 'note')
builtins.note = numpy.note = 1
""",
    "environment": """
import os
found += 'NOTE' in os.environ
os.environ['NOTE'] = '1'
""",
    "processes": """
import os
found += os.getpid() != 1
for pid in range(2, 200):
    try:
        os.kill(pid, 0)
        found += 1
    except OSError:
        pass
""",
    "forks": """
import os
try:
    os.fork()
    found += 1
except OSError:
    pass
""",
    "locks": """
import os, fcntl
f = os.open(os.__file__, os.O_RDONLY)
g = os.open(os.__file__, os.O_RDONLY)
fcntl.flock(f, 6)
try:
    fcntl.flock(g, 6)
except OSError:
    found += 1
""",
    "messages": """
import ctypes
found += ctypes.CDLL(None).msgget(77, 0o1666) >= 0
""",
    "shared memory": """
import ctypes
found += ctypes.CDLL(None).shmget(77, 4096, 0o1666) >= 0
""",
    "sockets": """
import socket
try:
    socket.socket(socket.AF_UNIX)
    found += 1
except OSError:
    pass
""",
    "descriptors": """
import os
for n in range(3, 64):
    try:
        os.fstat(n)
        found += 1
    except OSError:
        pass
""",
    "block": """
import os
try:
    found += os.pwrite(3, b'note', 0)
except OSError:
    pass
""",
    "privileges": """
import ctypes
l = ctypes.CDLL(None)
found += l.unshare(0x20000) == 0
found += l.mount(b'x', b'/tmp', b'tmpfs', 0, None) == 0
found += l.setns(3, 0) == 0
""",
    "waiting on a place in a shared file": """
import ctypes, mmap, os, struct, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
place = ctypes.c_void_p(libc.mmap(None, 4096, 1, 1, os.open(os.__file__, os.O_RDONLY), 0))
value = ctypes.c_uint.from_address(place.value).value
number = 202 if os.uname().machine == 'x86_64' else 98
end = time.monotonic() + 0.5
while time.monotonic() < end:
    found += libc.syscall(number, place, 0, value, struct.pack('qq', 0, 10_000_000), None, 0) == 0
    found += libc.syscall(number, place, 1, 1, None, None, 0) > 0
""",
    "how many threads there may be": """
import threading, time
event = threading.Event()
try:
    while found < 300:
        threading.Thread(target=event.wait, daemon=True).start()
        found += 1
except RuntimeError:
    pass
time.sleep(0.2)
""",
    "how many timers there may be": """
import ctypes, os, time
number = 222 if os.uname().machine == 'x86_64' else 107
while ctypes.CDLL(None).syscall(number, 1, None, ctypes.byref(ctypes.c_int())) == 0:
    found += 1
time.sleep(0.2)
""",
    "how many signals may wait": """
import os, signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
import ctypes
while found < 5000 and ctypes.CDLL(None).sigqueue(os.getpid(), int(signal.SIGRTMIN), None) == 0:
    found += 1
time.sleep(0.2)
""",
    "how much fits into a pipe": """
import os, socket
for make in (os.pipe, socket.socketpair):
    try:
        make()
        found += 1
    except OSError:
        pass
""",
    "numbers of what was made": """
import os
try:
    os.fstat(3)
    found += 1
except OSError:
    pass
""",
    "hints on a shared file": """
import fcntl, os, struct
file = os.open(os.__file__, os.O_RDONLY)
for request in (1036, 1035):
    try:
        found += fcntl.fcntl(file, request, struct.pack('Q', 3)) != bytes(8)
    except OSError:
        pass
""",
    "free space of the disk": """
import os
try:
    found += os.statvfs(os.__file__).f_blocks
except OSError:
    pass
""",
    "libraries": """
import sys, os
for d in sys.path:
    try:
        open(os.path.join(d, 'note'), 'w')
        found += 1
    except OSError:
        pass
""",
}


TALKS["memory that no process holds"] = """
import mmap
for flags in (mmap.MAP_SHARED, mmap.MAP_SHARED | 2):
    try:
        mmap.mmap(-1, 4096, flags=flags | mmap.MAP_ANONYMOUS)
        found += 1
    except PermissionError:
        pass
"""


@pytest.mark.parametrize("way", TALKS)
@pytest.mark.parametrize("at_once", [1, 2])
def test_siblings_cannot_talk(way: str, at_once: int) -> None:
    """Each block leaves a note in some way and counts the notes that it finds, before or after: none."""
    body = "".join(f"    {line}\n" for line in TALKS[way].strip().splitlines())
    code = f"def block(x):\n    found = 0\n{body}    return found\n"
    answers, report = run_blocks(code, numbers(5), 1, QUICK, at_once=at_once)
    assert report.ends == ("ok",) * 5
    assert answers[:, 0].tolist() == [0.0] * 5


def test_randomness_is_that_of_the_block() -> None:
    code = "import numpy, random\ndef block(x):\n    return [numpy.random.normal(), random.random()]\n"
    once, _ = run_blocks(code, numbers(3), 2)
    again, _ = run_blocks(code, numbers(3), 2)
    assert np.array_equal(once, again)
    assert len(set(once[:, 0])) == 3


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="numbers, not 0"):
        run_blocks("pass", BLOCKS, 0)
    with pytest.raises(ValueError, match="contain only numbers"):
        run_blocks("pass", [np.array([object()])], 1)


def test_no_blocks() -> None:
    answers, report = run_blocks("pass", [], 2)
    assert answers.shape == (0, 2)
    assert report.ends == ()


@pytest.mark.parametrize(
    "code",
    [
        "import numpy\n    return (numpy.ones((300, 300)) @ numpy.ones((300, 300)))[0, 0]",
        "import scipy.linalg, numpy\n    return scipy.linalg.svd(numpy.eye(300) * 300)[1][0]",
        "import pandas\n    return pandas.DataFrame({'a': [1, 2] * 50, 'b': [300] * 100}).groupby('a').b.mean()[1]",
        "import pyarrow, pyarrow.compute\n    return pyarrow.compute.sum(pyarrow.array([100, 200])).as_py()",
        "import statsmodels.api as sm, numpy\n    return sm.OLS(numpy.full(9, 300.0), numpy.ones(9)).fit().params[0]",
        "from sklearn.tree import DecisionTreeRegressor as Tree\n    return Tree().fit([[0]], [300]).predict([[0]])[0]",
    ],
)
def test_libraries_work_in_one_thread(code: str) -> None:
    limits = Limits(wall_s=60, cpu_s=30, memory_mb=512)
    answers, _ = run_blocks(f"def block(x):\n    {code}\n", numbers(1), 1, limits)
    assert answers[:, 0] == pytest.approx([300.0])


@pytest.mark.parametrize(
    ("imports", "module"),
    [
        ("from sklearn.linear_model import LogisticRegression", "sklearn.linear_model"),
        ("from sklearn.ensemble import RandomForestClassifier", "sklearn.ensemble"),
        ("import statsmodels.api as sm", "statsmodels.api"),
        ("from scipy import stats", "scipy.stats"),
        ("import pandas as pd", "pandas"),
    ],
)
def test_libraries_that_the_code_names_are_imported_once(imports: str, module: str) -> None:
    """A block finds them there, and so needs neither the time nor the memory to import them."""
    code = f"import sys\nthere = {module!r} in sys.modules\n{imports}\ndef block(x):\n    return there\n"
    answers, _ = run_blocks(code, numbers(2), 1, Limits(wall_s=20, cpu_s=10, memory_mb=64))
    assert answers[:, 0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("imports", "fit"),
    [
        (
            "from sklearn.linear_model import LogisticRegression as M",
            "M().fit(x, x[:, 0] > 0).score(x, x[:, 0] > 0)",
        ),
        (
            "from sklearn.linear_model import LinearRegression as M",
            "M(n_jobs=2).fit(x, x[:, 0]).score(x, x[:, 0])",
        ),
        (
            "from sklearn.ensemble import RandomForestRegressor as M",
            "M(5, n_jobs=2).fit(x, x[:, 0]).score(x, x[:, 0])",
        ),
        (
            "from sklearn.ensemble import HistGradientBoostingRegressor as M",
            "M(max_iter=9).fit(x, x[:, 0]).n_iter_",
        ),
        ("from sklearn.cluster import KMeans as M", "M(2, n_init=2).fit(x).inertia_"),
        ("import statsmodels.api as sm", "sm.OLS(x[:, 0], sm.add_constant(x[:, 1:])).fit().params[0]"),
        ("from scipy import stats", "stats.ttest_1samp(x[:, 0], 0).pvalue"),
    ],
)
def test_models_fit_in_a_block(imports: str, fit: str) -> None:
    code = f"{imports}\ndef block(x):\n    return {fit}\n"
    blocks = [np.random.default_rng(number).normal(size=(100, 3)) for number in range(2)]
    answers, report = run_blocks(code, blocks, 1, Limits(wall_s=20, cpu_s=10, memory_mb=64))
    assert report.ends == ("ok", "ok")
    assert np.isfinite(answers).all()


def test_libraries_that_need_threads_are_not_there() -> None:
    code = """
import sys
def block(x):
    try:
        import polars
    except ImportError:
        return 'polars' in sys.modules
"""
    answers, _ = run_blocks(code, numbers(1), 1, QUICK)
    assert answers[:, 0].tolist() == [0.0]
