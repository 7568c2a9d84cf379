"""Synthetic tables: how near they are to the real rows, and what a model is worth that was trained on one.

Two tables: the CPS sample of `causaldata` (15,992 people) and a generated one with the columns of the census table
Adult (48,842 people). Four fifths of the people are drawn from, the rest test the models. Beside the synthetic table:
real people drawn again, columns drawn independently with the true shares, and the flat mock data that declarations
alone allow. Errors are total variation: half the sum of differences of shares, over all pairs and some triples.
"""

import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from causaldata import cps_mixtape
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

from benchmarks.measuring import Goal, Measure
from privacy.engine.accounting import noise_mu
from privacy.engine.language.learning import SyntheticTable
from privacy.engine.language.query import Query
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.engine.measure.evaluate import Rows, Values
from privacy.engine.measure.tables import part_of
from privacy.engine.plan.designs import design
from privacy.engine.plan.pricing import offer_for_mu
from privacy.engine.plan.tables import TablePlan
from privacy.engine.release import SortedTable, measure, table_from_columns
from privacy.engine.synthetic_rows import draw
from privacy.engine.table_release import column_of

Floats = npt.NDArray[np.float64]
Columns = dict[str, Floats]
"""Numbers, or codes into the declared values. Shape (people,) each."""
DELTA = 1e-6
TRIPLES = 80
NEAR = Goal(limit=0.985, at_least=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A table, the yes/no column that models predict, and the number of parts that its numbers are cut into."""

    name: str
    spec: TableSpec
    columns: Columns
    target: str
    bins: int

    def rows(self, which: npt.NDArray[np.bool_]) -> Columns:
        return {name: values[which] for name, values in self.columns.items()}

    def stored(self, columns: Columns) -> SortedTable:
        """The table as the engine reads it, with one row a person."""
        many = len(columns[self.target])
        there = np.ones(many, dtype=np.bool_)
        kept = {name: Values(values, there) for name, values in columns.items()}
        return table_from_columns(Rows(self.spec, kept, many), np.arange(many + 1, dtype=np.int64))


def measures(chosen: Namespace) -> Iterator[Measure]:
    rng = np.random.default_rng(7)
    seeds, epsilons = (1, (1.0,)) if chosen.quick else (3, (0.3, 1.0, 4.0))
    for case in (cps(), census(rng)):
        test = np.arange(len(case.columns[case.target])) % 5 == 0
        yield from beside(case, case.rows(~test), case.rows(test), rng)
        for focus in (case.target, None):
            for epsilon in epsilons:
                yield from synthetic(case, case.rows(~test), case.rows(test), epsilon, focus, seeds)


def beside(case: Case, real: Columns, test: Columns, rng: np.random.Generator) -> Iterator[Measure]:
    """What needs no privacy: real people drawn again, and columns drawn one by one."""
    many = len(real[case.target])
    again = rng.integers(0, many, many)
    tables = {
        "real people drawn again": {name: values[again] for name, values in real.items()},
        "independent columns": {name: rng.permutation(values) for name, values in real.items()},
        "flat mock data": {name: flat(case.spec.columns[name], many, rng) for name in real},
    }
    whole = auc_of(case, real, test)
    for name, table in tables.items():
        yield from compared(case, name, real, [table], whole, test, None)


def flat(spec: ColumnSpec, many: int, rng: np.random.Generator) -> Floats:
    """Values that the declarations alone allow, all equally frequent."""
    if spec.is_key:
        return rng.integers(0, len(spec.labels), many).astype(np.float64)
    return rng.integers(int(spec.lower), int(spec.upper) + 1, many).astype(np.float64)


def synthetic(
    case: Case, real: Columns, test: Columns, epsilon: float, focus: str | None, seeds: int
) -> Iterator[Measure]:
    query = Query(
        table=case.spec.name, measure=SyntheticTable(columns=tuple(real), bins=case.bins, focus=focus)
    )
    mu = noise_mu(epsilon, DELTA)
    sigma = offer_for_mu(design(query, case.spec), mu, mu).sigma
    table = case.stored(real)
    measure(query, table).release(sigma, None)  # compiled before it is timed
    found, cpu = [], []
    for seed in range(seeds):
        begun = time.process_time()
        answer = measure(query, table).release(sigma, None)
        drawn = draw(answer.table, table.subjects, seed)  # type: ignore[attr-defined]
        cpu.append(1000 * (time.process_time() - begun))
        found.append({name: coded(case.spec.columns[name], values) for name, values in drawn.items()})
    name = f"synthetic, ε {epsilon:g}{', focus' if focus else ''}"
    yield from compared(case, name, real, found, auc_of(case, real, test), test, float(np.mean(cpu)))


def coded(spec: ColumnSpec, values: npt.NDArray[np.object_]) -> Floats:
    """Drawn values as the table holds them: codes of declared values, and numbers."""
    if spec.kind == Kind.BOOLEAN:
        return values.astype(np.float64)
    if spec.is_key:
        places = {label: float(place) for place, label in enumerate(spec.labels)}
        return np.array([places[value] for value in values])
    return np.asarray(values, dtype=np.float64)


def compared(  # noqa: PLR0913, PLR0917 -- tables, what they are held against, and what they took
    case: Case,
    name: str,
    real: Columns,
    tables: list[Columns],
    whole: float,
    test: Columns,
    cpu: float | None,
) -> Iterator[Measure]:
    plan = plan_of(case)
    truth = parts_of(case, plan, real)
    found = [parts_of(case, plan, table) for table in tables]
    for ways in (1, 2, 3):
        error = float(np.mean([variation(truth, each, plan, ways) for each in found]))
        yield Measure(name=f"{case.name}, {name}: {ways}-way", ours=error, unit="", cpu=cpu)
    answers = answers_of(case, real)
    off = float(np.mean([np.abs(answers_of(case, table) - answers).mean() for table in tables]))
    yield Measure(name=f"{case.name}, {name}: code is off by", ours=100 * off, unit="%")
    areas = float(np.mean([auc_of(case, table, test) for table in tables]))
    goal = NEAR if name == "synthetic, ε 1, focus" else None
    yield Measure(
        name=f"{case.name}, {name}: AUC over real",
        ours=areas / whole,
        unit="x",
        goal=goal,
        note=f"{areas:.3f} of {whole:.3f}",
    )


def plan_of(case: Case) -> TablePlan:
    query = Query(table=case.spec.name, measure=SyntheticTable(columns=tuple(case.columns), bins=case.bins))
    plan = design(query, case.spec).tables
    if plan is None:
        raise ValueError("A synthetic table has a plan.")
    return plan


def parts_of(case: Case, plan: TablePlan, columns: Columns) -> npt.NDArray[np.int64]:
    """The part of each value. Shape (columns, people)."""
    rows = case.stored(columns).rows
    every = np.arange(rows.length)
    return np.array([part_of(rows, every, column_of(column)) for column in plan.columns], dtype=np.int64)


def variation(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64], plan: TablePlan, ways: int) -> float:
    """The mean total variation between two tables over sets of so many columns: all, or TRIPLES of three."""
    sets = list(combinations(range(len(plan.columns)), ways))
    if len(sets) > TRIPLES and ways > 2:
        picked = np.random.default_rng(1).choice(len(sets), TRIPLES, replace=False)
        sets = [sets[each] for each in picked]
    return float(np.mean([_apart(one, other, plan, columns) for columns in sets]))


def _apart(
    one: npt.NDArray[np.int64], other: npt.NDArray[np.int64], plan: TablePlan, columns: tuple[int, ...]
) -> float:
    shape = [plan.sizes[column] for column in columns]
    shares = [
        np.bincount(
            np.ravel_multi_index([table[column] for column in columns], shape), minlength=int(np.prod(shape))
        )
        / table.shape[1]
        for table in (one, other)
    ]
    return float(np.abs(shares[0] - shares[1]).sum()) / 2


def auc_of(case: Case, train: Columns, test: Columns) -> float:
    """The AUC on test people of a logistic regression trained on a table; 0.5 if the table has one outcome only."""
    y = train[case.target]
    if y.min() == y.max():
        return 0.5
    x = features(case, train)

    def loss(w: Floats) -> tuple[float, Floats]:
        z = x @ w
        value = float(np.mean(np.logaddexp(0, z) - y * z) + 5e-5 * w @ w)
        return value, x.T @ (expit(z) - y) / len(y) + 1e-4 * w

    found = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    ranks, positive = rankdata(features(case, test) @ found), test[case.target] > 0.5
    many = int(positive.sum())
    return float((ranks[positive].sum() - many * (many + 1) / 2) / (many * (len(ranks) - many)))


def answers_of(case: Case, columns: Columns) -> Floats:
    """What an analyst's code may answer, in parts of the bounds: for each column its mean, its quartiles, and its means
    with the outcome and without it; for each two numbers their correlation."""
    outcome = columns[case.target] > 0.5
    found, numbers = [], []
    for name, values in columns.items():
        spec = case.spec.columns[name]
        low, high = (0, len(spec.labels) - 1) if spec.is_key else (spec.lower, spec.upper)
        scaled = (values - low) / (high - low)
        groups = [scaled[outcome].mean() if outcome.any() else 0.5, scaled[~outcome].mean()]
        found += [scaled.mean(), *np.quantile(scaled, (0.25, 0.5, 0.75)), *groups]
        if not spec.is_key:
            numbers.append(scaled)
    together = np.atleast_2d(np.corrcoef(numbers))
    return np.array([*found, *together[np.triu_indices(len(numbers), 1)]])


def features(case: Case, columns: Mapping[str, Floats]) -> Floats:
    """An intercept, numbers and their squares on [-1, 1], and an indicator of each declared value but the first."""
    parts = [np.ones(len(columns[case.target]))]
    for name, values in columns.items():
        spec = case.spec.columns[name]
        if name == case.target:
            continue
        if spec.is_key:
            parts += [(values == code).astype(np.float64) for code in range(1, len(spec.labels))]
        else:
            scaled = 2 * (values - spec.lower) / (spec.upper - spec.lower) - 1
            parts += [scaled, scaled**2]
    return np.column_stack(parts)


def number(name: str, lower: float, upper: float) -> ColumnSpec:
    return ColumnSpec(name=name, kind=Kind.INTEGER, lower=lower, upper=upper, nullable=False)


def category(name: str, many: int) -> ColumnSpec:
    labels = tuple(f"{name} {code}" for code in range(many))
    return ColumnSpec(name=name, kind=Kind.CATEGORY, labels=labels, nullable=False)


def yes_no(name: str) -> ColumnSpec:
    return ColumnSpec(name=name, kind=Kind.BOOLEAN, lower=0, upper=1, labels=("0", "1"), nullable=False)


def declared(name: str, *columns: ColumnSpec) -> TableSpec:
    return TableSpec(name=name, subject="person", columns={each.name: each for each in columns}, max_rows=1)


def cps() -> Case:
    data = cps_mixtape.load_pandas().data
    columns = {name: data[name].to_numpy(np.float64) for name in ("age", "educ", "black", "hisp", "marr")}
    columns |= {name: np.rint(data[name].to_numpy(np.float64)) for name in ("re74", "re75")}
    columns["earns"] = (data.re78 > data.re78.median()).to_numpy(np.float64)
    spec = declared(
        "cps",
        number("age", 16, 55),
        number("educ", 0, 18),
        *map(yes_no, ("black", "hisp", "marr")),
        number("re74", 0, 26_000),
        number("re75", 0, 26_000),
        yes_no("earns"),
    )
    return Case(name="CPS", spec=spec, columns=columns, target="earns", bins=16)


def census(rng: np.random.Generator, people: int = 48_842) -> Case:
    """A generated table with the columns of Adult and about its associations: hidden traits shape all columns."""
    class_, family, town = rng.standard_normal((3, people))
    age = np.clip(np.rint(17 + 60 * rng.beta(1.6, 2.8, people)), 17, 90)
    grown = np.minimum((age - 17) / 12, 1.0)
    female = rng.random(people) < 0.33

    def ordered(score: Floats, shares: list[float]) -> Floats:
        """Cut a score at the quantiles of these shares."""
        ends = np.quantile(score, np.cumsum(shares)[:-1] / sum(shares))
        return np.searchsorted(ends, score).astype(np.float64)

    def noise() -> Floats:
        return rng.standard_normal(people)

    education = ordered(
        class_ + 0.4 * grown + 0.6 * noise(), [1, 2, 3, 3, 4, 5, 32, 22, 4, 3, 16, 5, 2, 1, 1, 1]
    )
    married = (family + 1.4 * grown - 0.7 * female + 0.8 * noise() > 1.0).astype(np.float64)
    marital = np.where(married > 0, 0.0, 1 + ordered(2 * grown + 0.6 * noise(), [33, 3, 4, 14, 3, 1]))
    relation = np.where(
        married > 0, np.where(female, 1.0, 0.0), 2 + ordered(grown + 0.5 * noise(), [15, 3, 25, 11])
    )
    occupation = ordered(
        0.8 * education / 4 + 0.9 * female + 0.8 * noise(), [3, 5, 7, 10, 12, 13, 4, 11, 11, 13, 3, 2, 4, 1]
    )
    work = ordered(0.4 * class_ + 0.3 * town + noise(), [70, 8, 6, 4, 4, 3, 1])
    race = ordered(0.3 * class_ + 0.5 * town + noise(), [1, 9, 3, 1, 86])
    country = ordered(0.6 * town + noise() + 0.5 * (race == 1), [90, 2, 1, 1, 1, 1, 1, 1, 1, 1])
    hours = np.clip(
        np.rint(
            40 + 5 * (rng.random(people) < 0.4) * noise() * 2 - 5 * female + 4 * married - 12 * (1 - grown)
        ),
        1,
        99,
    )
    score = (
        0.28 * education
        + 1.9 * married
        + 0.05 * (hours - 40)
        + 1.4 * grown
        + 0.12 * occupation
        - 0.3 * female
    )
    score += 0.02 * np.minimum(age - 17, 35) + rng.logistic(size=people)
    income = (score > np.quantile(score, 0.76)).astype(np.float64)
    lucky = rng.random(people) < np.where(income > 0, 0.21, 0.04)
    gain = np.where(lucky, np.minimum(np.rint(rng.lognormal(8.6, 0.8, people)), 99_999), 0.0)
    loss = np.where(
        ~lucky & (rng.random(people) < 0.05), np.clip(np.rint(1900 + 300 * noise()), 0, 4400), 0.0
    )
    spec = declared(
        "census",
        number("age", 17, 90),
        category("education", 16),
        category("marital", 7),
        category("relation", 6),
        category("occupation", 14),
        category("work", 7),
        category("race", 5),
        category("country", 10),
        yes_no("female"),
        number("hours", 1, 99),
        number("gain", 0, 99_999),
        number("loss", 0, 4400),
        yes_no("income"),
    )
    values = (
        age,
        education,
        marital,
        relation,
        occupation,
        work,
        race,
        country,
        female.astype(np.float64),
        hours,
        gain,
        loss,
        income,
    )
    return Case(
        name="census",
        spec=spec,
        columns=dict(zip(spec.columns, values, strict=True)),
        target="income",
        bins=16,
    )
