"""The fork server: answers, failures that affect no other block, options, and libraries."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from runner.contract import Limits, Report, SandboxUnavailable, slot_of, working_s
from runner.executors.blocks import run_blocks
from runner.host.selftest import default_environment
from tests.makers import environment_folders
from tests.runner.executors.block_makers import column, numbers, samples

pytestmark = pytest.mark.sandbox

QUICK = Limits(wall_s=6, cpu_s=1, memory_mb=128, pids=8)


def test_one_row_for_each_block() -> None:
    blocks = samples(6)
    code = "def main(t):\n    return t[['a', 'b', 'c']].mean()\n"
    answers, report = run_blocks(code, blocks, 3, QUICK)
    wanted = [[block[name].values.mean() for name in "abc"] for block in blocks]
    assert answers == pytest.approx(np.array(wanted))
    assert report.ends == ("ok",) * 6
    assert report.servers == 1
    assert 0 < max(report.seconds) < report.wall_s
    assert report.start_s > 0


@pytest.mark.parametrize("slot_s", [0.0, 0.6])
def test_failure_of_one_is_its_own(slot_s: float) -> None:
    bad = {
        1: ("raise ValueError", "failed"),
        3: ("return [1.0, 2.0]", "failed"),
        5: ("return '1.0'", "failed"),
        7: ("return float('nan')", "failed"),
        9: ("import os; os._exit(0)", "failed"),
        11: ("while True: pass", "time"),
        13: ("import time; time.sleep(60)", "time"),
        15: ("return len(bytearray(b'x') * (2 << 30))", "failed"),
    }
    cases = "".join(f"    if t.x[0] == {number}:\n        {wrong}\n" for number, (wrong, _) in bad.items())
    limits = Limits(wall_s=0.5, cpu_s=0.3, memory_mb=128)
    code = f"def main(t):\n{cases}    return t.x[0]\n"
    answers, report = run_blocks(code, numbers(17), 1, limits, slot_s=slot_s)
    wanted = [np.nan if number in bad else number for number in range(17)]
    assert np.array_equal(answers[:, 0], wanted, equal_nan=True)
    ends = tuple(end.replace("waited", "time") for end in report.ends)  # on a busy machine
    assert ends == tuple(bad[number][1] if number in bad else "ok" for number in range(17))
    assert report.failed == len(bad)
    assert report.tracebacks == ()


# Halves, states, labels


def test_halves_correct_what_depends_on_the_size_of_a_block() -> None:
    """Of a block with people 0, 0, 1, 2: the halves are 0, 0, 2 and 1, and each numbers its people from 0."""
    block = {"x": column([1.0, 2.0, 4.0, 8.0]), "who": column([0, 0, 1, 2], "person")}
    code = "def main(t):\n    return t.x.sum() ** 2, len(t) ** 2, t.who.max(), (t.index == range(len(t))).all()\n"
    answers, _ = run_blocks(code, [block], 4, QUICK, halves=True)
    assert answers[0].tolist() == [
        2 * 15**2 - (11**2 + 4**2) / 2,
        2 * 16 - (9 + 1) / 2,
        2 * 2 - (1 + 0) / 2,
        1,
    ]


def test_a_half_that_fails_is_a_block_that_fails() -> None:
    """A half may have nobody in it. What the code does to its table does not change the halves."""
    one = {"x": column([1.0]), "who": column([0], "person")}
    two = {"x": column([1.0, 3.0]), "who": column([0, 1], "person")}
    code = "def main(t):\n    first = t.x.iloc[0]\n    t.loc[:, 'x'] = 1000.0\n    return first\n"
    answers, report = run_blocks(code, [one, two], 1, QUICK, halves=True, explain=True)
    assert report.ends == ("failed", "ok")
    assert np.array_equal(answers, [[np.nan], [2 * 1.0 - (1.0 + 3.0) / 2]], equal_nan=True)
    assert "IndexError" in report.tracebacks[0]


def test_limits_cover_the_three_calls_together() -> None:
    code = "import time\ndef main(t):\n    time.sleep(0.25)\n    return 1.0\n"
    limits = Limits(wall_s=0.6, cpu_s=0.5, memory_mb=128)
    assert run_blocks(code, samples(1), 1, limits, halves=True)[1].ends == ("time",)
    assert run_blocks(code, samples(1), 1, limits)[1].ends == ("ok",)


def test_a_state_is_given_to_every_call_and_cannot_be_changed() -> None:
    code = """
def main(t, state):
    try:
        state[0] = 1000.0
    except ValueError:
        return state + t.x[0]
"""
    state = np.linspace(0, 1, 500)
    answers, _ = run_blocks(code, numbers(3), 500, QUICK, state=state)
    assert np.array_equal(answers, [state, state + 1, state + 2])


def test_labels_are_answered_by_their_number() -> None:
    labels = ("no", "yes", "ä" * 50)
    code = f"def main(t):\n    return ['no', 'yes', {labels[2]!r}, 'Yes', 1, None, ['yes']][int(t.x[0])]\n"
    answers, report = run_blocks(code, numbers(7), 1, QUICK, labels=labels, explain=True)
    assert np.array_equal(answers[:, 0], [0, 1, 2, *[np.nan] * 4], equal_nan=True)
    assert report.ends == ("ok",) * 3 + ("failed",) * 4
    assert "'Yes', which is not among the labels" in report.tracebacks[0]


def test_a_forged_number_is_no_label() -> None:
    code = """
import ctypes, os, struct, sys
def main(t):
    frame = sys._getframe()
    while frame.f_code.co_name != '_be_a_block':
        frame = frame.f_back
    ctypes.memmove(frame.f_locals['place'], struct.pack('d', [0.5, 2.0, -1.0, 1.0][int(t.x[0])]), 8)
    os._exit(0)
"""
    answers, report = run_blocks(code, numbers(4), 1, QUICK, labels=("no", "yes"))
    assert report.ends == ("failed",) * 3 + ("ok",)
    assert answers[3, 0] == 1.0


# Tracebacks of mock data

BROKEN = """
def helper(value):
    return 1 / float(value)

def main(t):
    if t.x[0] == 2:
        raise RuntimeError("a" * 10**6)
    if t.x[0] == 3:
        import duckling
    return helper(t.x[0])
"""


def test_tracebacks_name_the_authors_lines() -> None:
    _, report = run_blocks(BROKEN, [*numbers(4), *numbers(4)], 1, QUICK, explain=True)
    zero, long, absent = report.tracebacks
    assert zero.splitlines()[1:] == [
        '  File "/code.py", line 10, in main',
        "    return helper(t.x[0])",
        "           ^^^^^^^^^^^^^^",
        '  File "/code.py", line 3, in helper',
        "    return 1 / float(value)",
        "           ~~^~~~~~~~~~~~~~",
        "ZeroDivisionError: float division by zero",
    ]
    assert 4000 < len(long) <= 4096
    assert "RuntimeError: aaa" in long
    assert "No module named 'duckling'" in absent


def test_there_are_no_tracebacks_without_being_asked() -> None:
    _, report = run_blocks(BROKEN, numbers(4), 1, QUICK)
    assert report.tracebacks == ()
    assert report.ends == ("failed", "ok", "failed", "failed")


def test_code_without_main_fails_every_block_and_says_so() -> None:
    _, report = run_blocks("def block(t):\n    return 1.0\n", numbers(2), 1, QUICK, explain=True)
    assert report.ends == ("failed",) * 2
    assert "The code defines no function main." in report.tracebacks[0]


def test_code_that_cannot_be_read_fails_every_block_and_says_where() -> None:
    _, report = run_blocks("x = 1\ndef main(t) return\n", numbers(2), 1, QUICK, explain=True)
    assert report.ends == ("failed",) * 2
    assert 'File "/code.py", line 2' in report.tracebacks[0]


def test_randomness_is_the_same_in_all_blocks() -> None:
    """It would tell a block how many others have started before it."""
    code = """
import numpy, random
def main(t):
    order = float(''.join({'1', '2', '3', '4'}))
    return [numpy.random.normal(), random.random(), hash('a') % 2**31, order]
"""
    once, _ = run_blocks(code, numbers(3), 4, QUICK)
    again, _ = run_blocks(code, numbers(3), 4, QUICK)
    assert np.array_equal(once, again)
    assert len(set(once[:, 0])) == 1


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"output_size": 0}, "numbers, not 0"),
        ({"output_size": 16_385}, "numbers, not 16,385"),
        ({"code": "#" * 2**21}, "The code has more"),
        ({"state": np.zeros(10**6)}, "at most 16,384 numbers"),
        ({"labels": ("a", "b"), "output_size": 2}, "A label is one answer"),
        ({"labels": ("a", "b"), "halves": True, "blocks": samples(1)}, "A label is one answer"),
        ({"slot_s": -1.0}, "must take more than 0.1 seconds, not -1.0"),
        ({"halves": True}, "exactly one column"),
        ({"blocks": [{}]}, "A block needs columns"),
        ({"blocks": [{"x": column([1.0]), "y": column([1.0, 2.0])}]}, "the same number of cells"),
        ({"blocks": [{"x": column([[1.0]])}]}, "2 dimensions"),
        ({"blocks": [{"x": column(["a"], "date")}]}, "cannot consist of 1 dimensions of <U1"),
        ({"blocks": [{"x": column(np.zeros(1, "M8[Y]"), "date")}]}, "a unit that a table cannot have"),
        ({"blocks": [{"x": column([0], "person", missing=np.array([True]))}]}, "cannot have empty cells"),
        ({"state": np.zeros((2, 2))}, "A state is a vector"),
        ({"blocks": [{"x": column([1.0], missing=np.array([0]))}]}, "one flag for each cell"),
        ({"blocks": [{"x": column([2], "category", labels=("a", "b"))}]}, "a code without a label"),
    ],
)
def test_wrong_arguments(given: dict[str, object], reason: str) -> None:
    usual: dict[str, object] = {"code": "", "blocks": numbers(1), "output_size": 1, "limits": QUICK}
    with pytest.raises(ValueError, match=reason):
        run_blocks(**usual | given)


@pytest.mark.parametrize("slot_s", [0.0, 0.35])
def test_no_blocks(slot_s: float) -> None:
    answers, report = run_blocks("pass", [], 2, QUICK, slot_s=slot_s)
    assert answers.shape == (0, 2)
    assert (report.ends, report.seconds, report.wall_s, report.servers) == ((), (), 0.0, 0)


@pytest.mark.parametrize(("work", "slot"), [(0.0, 0.1), (0.05, 0.2), (0.15, 0.4), (0.2, 0.45), (1.0, 1.25)])
def test_the_reserve_of_a_slot_is_as_long_as_its_work_but_bounded(work: float, slot: float) -> None:
    assert slot_of(work) == pytest.approx(slot)
    assert working_s(slot) == pytest.approx(work)


# Libraries

FITS = {
    "numpy": "import numpy\n    return (numpy.ones((300, 300)) @ numpy.ones((300, 300)))[0, 0]",
    "scipy.linalg": "import scipy.linalg, numpy\n    return scipy.linalg.svd(numpy.eye(300) * 300)[1][0]",
    "scipy.stats": "from scipy import stats\n    return stats.ttest_1samp(t.a, 0).pvalue",
    "scipy.optimize": "from scipy import optimize\n    return optimize.minimize(lambda p: (p[0] - 300)**2, [0]).x[0]",
    "pyarrow": "import pyarrow, pyarrow.compute\n    return pyarrow.compute.sum(pyarrow.array([100, 200])).as_py()",
    "ols": "import statsmodels.api as sm\n    return sm.OLS(t.a, sm.add_constant(t[['b', 'c']])).fit().params['b']",
    "formula": "import statsmodels.formula.api as f\n    return f.ols('a ~ b + C(kind)', t).fit().params['b']",
    "logit": "import statsmodels.api as sm\n    return sm.Logit(t.a > 0, t[['b', 'c']]).fit(disp=0).params['b']",
    "linear": "from sklearn.linear_model import LinearRegression as M\n"
    "    return M(n_jobs=2).fit(t[['b']], t.a).coef_[0]",
    "logistic": "from sklearn.linear_model import LogisticRegression as M\n"
    "    return M().fit(t[['b']], t.a > 0).coef_[0, 0]",
    "tree": "from sklearn.tree import DecisionTreeRegressor as M\n"
    "    return M().fit(t[['b']], t.a).predict(t[['b']])[0]",
    "forest": "from sklearn.ensemble import RandomForestRegressor as M\n"
    "    return M(5, n_jobs=2).fit(t[['b']], t.a).score(t[['b']], t.a)",
    "boosting": "from sklearn.ensemble import HistGradientBoostingRegressor as M\n"
    "    return M(max_iter=9).fit(t[['b']], t.a).n_iter_",
    "pipeline": "from sklearn.pipeline import make_pipeline\n    from sklearn.preprocessing import StandardScaler\n"
    "    from sklearn.linear_model import Ridge\n"
    "    return make_pipeline(StandardScaler(), Ridge()).fit(t[['b', 'c']], t.a).score(t[['b', 'c']], t.a)",
    "clusters": "from sklearn.cluster import KMeans as M\n    return M(2, n_init=2).fit(t[['a', 'b']]).inertia_",
}


@cache
def fitted() -> Report:
    """All of them in one server, with less memory than the least that a request can have."""
    fits = "".join(f"def fit_{number}(t):\n    {text}\n" for number, text in enumerate(FITS.values()))
    code = f"{fits}\ndef main(t):\n    return globals()['fit_%d' % t.which[0]](t)\n"
    blocks = [
        block
        | {
            "which": column([number] * 100, "whole"),
            "kind": column([0, 1] * 50, "category", labels=("x", "y")),
        }
        for number, block in enumerate(samples(len(FITS), 100))
    ]
    return run_blocks(code, blocks, 1, Limits(wall_s=20, cpu_s=10, memory_mb=192), explain=True)[1]


@pytest.mark.parametrize("name", FITS)
def test_models_fit_in_a_block(name: str) -> None:
    assert fitted().ends[[*FITS].index(name)] == "ok", fitted().tracebacks


def test_libraries_that_the_code_names_are_imported_once() -> None:
    """A block finds them there, and so needs neither the time nor the memory to import them."""
    code = """
import sys
THERE = set(sys.modules)
from sklearn.linear_model import LogisticRegression
from sklearn.ensemble import RandomForestClassifier
import statsmodels.api as sm
from scipy import stats
def main(t):
    return THERE >= {'sklearn.linear_model', 'sklearn.ensemble', 'statsmodels.api', 'scipy.stats', 'pandas'}
"""
    answers, _ = run_blocks(code, numbers(2), 1, Limits(wall_s=20, cpu_s=10, memory_mb=64))
    assert answers[:, 0].tolist() == [1.0, 1.0]


def test_no_thread_runs_when_the_server_forks(tmp_path: Path) -> None:
    """Its children would miss it, with whatever it holds."""
    starts_one = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    place = environment_folders.beside(
        default_environment(), tmp_path, package="statsmodels", text=starts_one
    )
    code = "def main(t):\n    import statsmodels\n    return 1.0\n"
    with pytest.raises(SandboxUnavailable, match="has started a thread"):
        run_blocks(code, numbers(1), 1, QUICK, environment=place)
