"""Models: how good they are beside the same training without noise, and their processor time beside scikit-learn.

Public data: the CPS sample of `causaldata` (15,992 people), and a made-up table of the shape of census data (48,842
people, 5 numbers and 7 categories). One row a person, a fifth of the people held out, by the exact figures on all of
these. scikit-learn fits the same sparse matrix without privacy, in the environment of the peer diffprivlib
(`benchmarks/run peers --install`); if it is not there, its lines are left out.
"""

import math
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from causaldata import cps_mixtape
from scipy.special import expit
from scipy.stats import rankdata

from benchmarks import installing
from benchmarks.measuring import Goal, Measure, Of, median, took, versus
from privacy.engine import fit_rows, training
from privacy.engine.accounting import noise_mu
from privacy.engine.language.expressions import Clip, Column, Compare, Constant, Expression
from privacy.engine.language.learning import (
    Amount,
    CategoryFeature,
    Choice,
    Events,
    Feature,
    Fit,
    NumberFeature,
    Outcome,
    YesNo,
)
from privacy.engine.language.query import Query
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.engine.measure.contributions import ONE
from privacy.engine.measure.evaluate import EVERYWHERE, Rows, Values
from privacy.engine.plan.fits import FitPlan, plan_fit
from privacy.engine.plan.learning import explicit

Floats = npt.NDArray[np.float64]
DELTA = 1e-6
SECONDS = 900
AS_GOOD = Goal(limit=0.99, at_least=True)
AS_FAST = Goal(limit=1.0, of=Of.RATIO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """A public table with one row per person."""

    rows: Rows
    digests: npt.NDArray[np.uint8]

    @property
    def people(self) -> int:
        return self.rows.length


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A model to fit. `bins`: parts of each number, 0 for slopes."""

    title: str
    data: str
    outcome: Outcome
    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    bins: int
    hidden: tuple[int, ...] = ()
    goal: Goal | None = None

    @property
    def features(self) -> tuple[Feature, ...]:
        return (
            *(NumberFeature(name, Column(name), self.bins) for name in self.numbers),
            *(CategoryFeature(name) for name in self.categories),
        )


EARNS = YesNo(Compare(">", Column("re78"), Constant(16_422.0)))
CPS_NUMBERS, CPS_CATEGORIES = ("age", "educ", "re74", "re75"), ("marr", "black", "hisp", "nodegree")
CENSUS_NUMBERS = ("n0", "n1", "n2", "n3", "n4")
CENSUS_CATEGORIES = tuple(f"c{k}" for k in range(7))
CENSUS_SIZES = (9, 7, 15, 6, 5, 2, 42)


def cps(
    title: str, outcome: Outcome, bins: int, hidden: tuple[int, ...] = (), goal: Goal | None = None
) -> Task:
    return Task(
        title=title,
        data="cps",
        outcome=outcome,
        numbers=CPS_NUMBERS if not isinstance(outcome, Choice | Events) else ("age", "re74", "re75"),
        categories=CPS_CATEGORIES if not isinstance(outcome, Choice | Events) else CPS_CATEGORIES[:3],
        bins=bins,
        hidden=hidden,
        goal=goal,
    )


def census(title: str, bins: int, goal: Goal | None = None) -> Task:
    outcome = YesNo(Compare("=", Column("rich"), Constant(1.0)))
    return Task(
        title=title,
        data="census",
        outcome=outcome,
        numbers=CENSUS_NUMBERS,
        categories=CENSUS_CATEGORIES,
        bins=bins,
        goal=goal,
    )


SHORT: Expression = Clip(Column("short"), 0.0, 12.0)
TASKS = (
    census("census, logistic, slopes", 0, AS_GOOD),
    census("census, logistic, 16 parts", 16, AS_GOOD),
    cps("cps, logistic, slopes", EARNS, 0, goal=AS_GOOD),
    cps("cps, logistic, 16 parts", EARNS, 16),
    cps("cps, logistic, slopes, 8 hidden units", EARNS, 0, hidden=(8,)),
    cps("cps, linear, slopes", Amount(Column("re78")), 0, goal=AS_GOOD),
    cps("cps, linear, 16 parts", Amount(Column("re78")), 16),
    cps("cps, poisson, slopes", Events(SHORT), 0),
    cps("cps, poisson, 16 parts", Events(SHORT), 16),
    cps("cps, multinomial, 16 parts", Choice("school"), 16),
)


def measures(chosen: Namespace) -> Iterator[Measure]:
    draws, rounds = (1, 1) if chosen.quick else (5, 3)
    for task in TASKS:
        yield from one(task, draws, rounds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A task as it is trained at a promise. `tests`: who is held out. Shape (people,)."""

    plan: FitPlan
    sigma: int
    data: Data
    found: fit_rows.Outcomes
    tests: npt.NDArray[np.bool_]

    def choose(self, who: npt.NDArray[np.bool_]) -> fit_rows.Chosen:
        offsets = np.arange(self.data.people + 1)
        return fit_rows.choose(self.plan, self.data.rows, offsets, self.found, who)

    def trained(self) -> training.Trained:
        return training.train(self.plan, self.choose(~self.tests), self.sigma)


def ready(task: Task, epsilon: float) -> Ready:
    data, mu = DATA[task.data](), noise_mu(epsilon, DELTA)
    fit = Fit(task.outcome, task.features, task.hidden)
    asked = explicit(
        Query(table=task.data, measure=fit), data.rows.table, public_size=data.people, mu=mu
    ).measure
    plan = plan_fit(asked, data.rows.table)  # type: ignore[arg-type]  # `explicit` keeps the kind of measure
    return Ready(
        plan=plan,
        sigma=math.ceil(ONE * math.sqrt(plan.releases) / mu),
        data=data,
        found=fit_rows.outcomes(task.outcome, plan, data.rows, np.arange(data.people + 1), EVERYWHERE),
        tests=fit_rows.testers(data.digests, fit.test_share),
    )


def one(task: Task, draws: int, rounds: int) -> Iterator[Measure]:
    here = ready(task, 1.0)
    plan, sigma, tests = here.plan, here.sigma, here.tests
    train, test = here.choose(~tests), here.choose(tests)
    with noise_off():
        whole = score(plan, training.train(plan, train, sigma).predict(test), test.y)
    noisy = [score(plan, training.train(plan, train, sigma).predict(test), test.y) for _ in range(draws)]
    theirs = sklearn(task, plan, here.choose(here.found.people), ~tests, rounds)
    name = SCORES[plan.family]
    beside = f"; scikit-learn {score(plan, theirs[1], test.y):.4f}" if theirs else ""
    yield Measure(
        name=f"fit, {task.title}: {name} at ε 1 over no noise",
        ours=float(np.mean(noisy)) / whole,
        unit="x",
        goal=task.goal,
        note=f"{np.mean(noisy):.4f} of {whole:.4f}, {plan.weights} weights, {plan.steps} steps{beside}",
    )
    taken = median([took(lambda: training.train(plan, train, sigma)) for _ in range(rounds)])
    if theirs:
        yield Measure(
            name=f"fit, {task.title}: processor time over scikit-learn's",
            ours=taken.cpu,
            floor=theirs[0],
            goal=AS_FAST if task.data == "census" else None,
        )
    else:
        yield versus(f"fit, {task.title}", taken)


@contextmanager
def noise_off() -> Iterator[None]:
    """Train as without privacy. The table is public."""
    kept = training.add_noise
    training.add_noise = lambda total, _: total  # type: ignore[attr-defined]
    try:
        yield
    finally:
        training.add_noise = kept  # type: ignore[attr-defined]


def sklearn(
    task: Task, plan: FitPlan, everybody: fit_rows.Chosen, train: npt.NDArray[np.bool_], rounds: int
) -> tuple[float, Floats] | None:
    """Return the processor time of scikit-learn in ms and what it predicts for those who test; None without it."""
    if not installing.is_installed("diffprivlib"):
        return None
    codes, slopes, xs = written_out(everybody.places)
    with tempfile.TemporaryDirectory() as room:
        data, predicted = Path(room) / "data.npz", Path(room) / "predicted.npy"
        np.savez(data, codes=codes, slopes=slopes, xs=xs, y=everybody.y, train=train)
        family = "hidden" if task.hidden else plan.family
        job = {
            "data": str(data),
            "found": str(predicted),
            "family": family,
            "width": plan.width,
            "rounds": rounds,
        }
        told = installing.asked("diffprivlib", "fit_sklearn", job, SECONDS)
        if isinstance(told, str):
            raise RuntimeError(f"scikit-learn: {told}")
        found: Floats = np.load(predicted)
    return told[0]["ms"], found[:, [1]] if plan.family == "logistic" else found


def written_out(placed: fit_rows.Placed) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], Floats]:
    """Return (codes, slopes, xs), each (rows, features): the places that hold 1, and those that hold `xs`."""
    cells, xs, begins, decode, slopes = placed
    codes = np.concatenate([decode[begins[k] + numbers] for k, numbers in enumerate(cells)], axis=1)
    codes = codes[:, (codes >= 0).any(axis=0)]  # a group may have fewer features than another
    return codes, np.tile(slopes, (cells.shape[1], 1)), xs.T.astype(np.float64)


# Scores

SCORES = {"logistic": "AUC", "linear": "R²", "poisson": "explained deviance", "multinomial": "accuracy"}


def score(plan: FitPlan, found: Floats, y: Floats) -> float:
    match plan.family:
        case "logistic":
            ranks, many = rankdata(found[:, 0]), int(y.sum())
            return float((ranks[y > 0].sum() - many * (many + 1) / 2) / (many * (len(y) - many)))
        case "multinomial":
            return float((found.argmax(axis=1) == y).mean())
        case "poisson":
            # Ours is relative to the mean, theirs is not. Either way the deviance is that of rates with the same scale.
            rate = np.maximum(found[:, 0], 1e-9)
            y = y / y.mean()
            rate = rate * (1.0 if rate.mean() > 0.5 else y.mean() / rate.mean())
            return 1 - deviance(y, rate) / deviance(y, np.ones_like(y))
        case _:
            return float(1 - ((y - found[:, 0]) ** 2).sum() / ((y - y.mean()) ** 2).sum())


def deviance(y: Floats, rate: Floats) -> float:
    logs = np.where(y > 0, y * np.log(np.maximum(y, 1e-12) / rate), 0.0)
    return float(2 * (logs - (y - rate)).sum())


# Data


@cache
def cps_people() -> Data:
    found = cps_mixtape.load_pandas().data
    n = len(found)
    numbers = {
        "age": (16.0, 55.0),
        "educ": (0.0, 18.0),
        "re74": (0.0, 26_000.0),
        "re75": (0.0, 26_000.0),
        "re78": (0.0, 26_000.0),
        "short": (0.0, 12.0),
    }
    values = {name: found[name].to_numpy(np.float64) for name in numbers if name != "short"}
    values["short"] = np.maximum(12.0 - values["educ"], 0.0)
    codes = {name: (found[name].to_numpy(np.int8), ("0", "1")) for name in CPS_CATEGORIES}
    codes["school"] = (np.digitize(values["educ"], [9, 12, 13]).astype(np.int8), ("0-8", "9-11", "12", "13+"))
    return table("cps", n, numbers, values, codes)


@cache
def census_people() -> Data:
    rng = np.random.default_rng(17)
    n = 48_842
    numbers = dict.fromkeys(CENSUS_NUMBERS, (0.0, 1.0))
    values = {name: rng.beta(2, 3, n) for name in numbers}
    codes, odds = {}, -4.2 + 0 * values["n0"]
    for k, name in enumerate(CENSUS_NUMBERS):
        odds = odds + (4 * values[name] if k % 2 else 6 * np.sin(3 * values[name])) / (k + 1)
    for k, size in enumerate(CENSUS_SIZES):
        shares = rng.dirichlet(np.full(size, 0.8))
        code = rng.choice(size, n, p=shares)
        odds = odds + rng.normal(0, 0.9, size)[code]
        codes[f"c{k}"] = (code.astype(np.int8), tuple(map(str, range(size))))
    values["rich"] = (rng.random(n) < expit(odds)).astype(np.float64)
    return table("census", n, {**numbers, "rich": (0.0, 1.0)}, values, codes)


def table(
    name: str,
    n: int,
    numbers: dict[str, tuple[float, float]],
    values: dict[str, Floats],
    codes: dict[str, tuple[npt.NDArray[np.int8], tuple[str, ...]]],
) -> Data:
    there = np.ones(n, dtype=np.bool_)
    specs = {
        each: ColumnSpec(name=each, kind=Kind.NUMBER, lower=low, upper=high, nullable=False)
        for each, (low, high) in numbers.items()
    }
    specs |= {
        each: ColumnSpec(name=each, kind=Kind.CATEGORY, labels=labels, nullable=False)
        for each, (_, labels) in codes.items()
    }
    spec = TableSpec(name=name, subject="person", max_rows=1, columns=specs)
    columns = {each: Values(values[each], there) for each in numbers}
    columns |= {each: Values(code, there) for each, (code, _) in codes.items()}
    digests = np.random.default_rng(3).integers(0, 256, (n, 16)).astype(np.uint8)
    return Data(rows=Rows(spec, columns, n), digests=digests)


DATA = {"cps": cps_people, "census": census_people}
