"""Automatic answers: accounting, the engine against plain DuckDB, the per-person ledger, an answer over HTTP."""

import importlib.util
import math
import os
import statistics
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from uuid import uuid4

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from django.urls import reverse

from benchmarks.browser import Visitor
from benchmarks.measuring import (
    Goal,
    Measure,
    Took,
    compared,
    peak_memory_mb,
    percentile,
    took,
    versus,
)
from benchmarks.parts import accuracy
from benchmarks.surroundings import web_server, worker
from datasets import columns
from datasets.reading import subject_order
from privacy.engine import accounting
from privacy.engine.language.expressions import Column, Compare, Constant
from privacy.engine.language.query import Count, Mean, Quantiles, Query, Sum
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.engine.measure.contributions import CAP, ONE, worst_case_units
from privacy.engine.measure.evaluate import Rows, Values
from privacy.engine.release import SortedTable, measure, table_from_columns
from privacy.ledgers.person_ledger import SubjectLedger
from privacy.models import Answer, Budget
from tests.makers import datasets as made_datasets
from tests.makers import privacy as made

LABELS = tuple(f"g{number:02d}" for number in range(100))
V, LOW_YEAR = Column("v"), Compare("<", Column("y"), Constant(30))
QUERIES = {
    "count": (Query(table="t", measure=Count()), "SELECT count(v) FROM t"),
    "sum": (Query(table="t", measure=Sum(V)), "SELECT sum(v) FROM t"),
    "mean": (Query(table="t", measure=Mean(V)), "SELECT avg(v) FROM t"),
    "histogram of 100 groups": (
        Query(table="t", measure=Count(), by=("g",)),
        "SELECT g, count(*) FROM t GROUP BY g",
    ),
    "filtered histogram": (
        Query(table="t", measure=Count(), by=("g",), where=LOW_YEAR),
        "SELECT g, count(*) FROM t WHERE y < 30 GROUP BY g",
    ),
    "group means": (Query(table="t", measure=Mean(V), by=("g",)), "SELECT g, avg(v) FROM t GROUP BY g"),
    "median": (Query(table="t", measure=Quantiles(V, (0.5,))), "SELECT median(v) FROM t"),
}
SPEC = TableSpec(
    name="t",
    subject="person",
    max_rows=50,
    columns={
        "v": ColumnSpec(name="v", kind=Kind.NUMBER, lower=0, upper=1000),
        "g": ColumnSpec(name="g", kind=Kind.CATEGORY, labels=LABELS),
        "y": ColumnSpec(name="y", kind=Kind.INTEGER, lower=0, upper=99),
    },
)
PLANS = (
    columns.ColumnPlan(name="v"),
    columns.ColumnPlan(name="g", labels=LABELS),
    columns.ColumnPlan(name="y", decimals=0, lower=0, upper=99),
)
SIGMA = 100 * ONE
WORST = 10**6
PROMISE = (1.0, 1e-6)
QUESTION = "SELECT COUNT(*) FROM wages WHERE wage < ?"


def measures(chosen: Namespace) -> Iterator[Measure]:
    yield from fitting()
    yield from accuracy.measures(chosen)
    sizes = [20_000] if chosen.quick else [10**6, *([10**7] if chosen.full else [])]
    for rows in sizes:
        yield from engine(rows, 3 if chosen.quick else 9)
    for subjects in [10_000] if chosen.quick else [10**6, 10**7]:
        yield ledger(subjects, 3 if chosen.quick else 9)
    # A person may ask 60 questions a minute.
    yield from over_http(5_000 if chosen.quick else 10**6, 5 if chosen.quick else 50)


# How many answers a promise buys


def fitting() -> Iterator[Measure]:
    """Answers with Gaussian noise of sigma times the sensitivity that fit (1, 10^-6)."""
    mu_squared = Fraction(accounting.gdp_mu(*PROMISE)) ** 2
    rho = accounting.zcdp_rho(*PROMISE)
    for sigma in (10, 20, 50, 100, 200):
        ours = CAP // worst_case_units(sigma * ONE, mu_squared)
        others = f"zCDP {math.floor(2 * rho * sigma**2)}, basic composition {basic(sigma)}"
        yield Measure(name=f"answers that fit, sigma {sigma}", ours=ours, unit="", note=f"{others}")


def basic(sigma: float) -> int:
    """The most answers by basic composition, each exactly calibrated at an equal share of epsilon and delta."""
    epsilon, delta = PROMISE
    count = 0
    while 1 / accounting.gdp_mu(epsilon / (count + 1), delta / (count + 1)) <= sigma:
        count += 1
    return count


# The engine


def engine(rows: int, rounds: int) -> Iterator[Measure]:
    with tempfile.TemporaryDirectory() as room:
        folder = Path(room)
        pq.write_table(synthetic(rows), folder / "t.parquet")
        (folder / "c").mkdir()
        ingest = took(
            partial(subject_order.write, folder / "t.parquet", "person", PLANS, b"k" * 32, folder / "c")
        )
        yield versus(f"sorting at ingest, {rows:,} rows", ingest, note="once for each revision")
        base = duckdb.connect()
        base.read_parquet(str(folder / "t.parquet")).create_view("t")
        yield from queries(rows, folder / "c", base, rounds)
        if importlib.util.find_spec("polars") is None:
            yield Measure(
                name="OpenDP's Polars context", ours=0, unit="", note="skipped: polars is not installed"
            )


def synthetic(rows: int) -> pa.Table:
    """Five rows a person on average, with a tail of people who have many."""
    draw = np.random.default_rng(0)
    people = rows // 5
    person = np.minimum(draw.integers(0, people, rows), draw.integers(0, people, rows) * 4)
    groups = pa.DictionaryArray.from_arrays(draw.integers(0, 100, rows).astype(np.int32), list(LABELS))
    return pa.table(
        {
            "person": person,
            "v": np.round(draw.random(rows) * 1000, 2),
            "g": groups.cast(pa.string()),
            "y": draw.integers(0, 100, rows),
        }
    )


def queries(rows: int, folder: Path, base: duckdb.DuckDBPyConnection, rounds: int) -> Iterator[Measure]:
    """Measure each query with its charges and noise, then with the per-person ledger on disk as well."""
    alone: list[tuple[Took, Took]] = []
    whole: list[tuple[Took, Took]] = []
    book = SubjectLedger(folder.parent / "ledger")
    answer = Answering(folder, book)
    for name, (query, text) in QUERIES.items():
        plain = partial(fetch, base, text)
        ours, floor = compared(partial(answer.computed, query), plain, rounds)
        alone.append((ours, floor))
        yield versus(f"{name}, {rows:,} rows", ours, floor)
    for name, (query, text) in QUERIES.items():
        ours, floor = compared(partial(answer.charged, query), partial(fetch, base, text), rounds)
        whole.append((ours, floor))
        yield versus(f"{name}, {rows:,} rows, with the ledger", ours, floor)
    book.close()
    large = rows >= 10**7
    yield geometric(
        f"engine at {rows:,} rows: cpu", [(a.cpu, b.cpu) for a, b in alone], 0.6 if large else None
    )
    yield geometric(f"engine at {rows:,} rows: wall", [(a.wall, b.wall) for a, b in alone], None)
    yield geometric("  with the ledger: cpu", [(a.cpu, b.cpu) for a, b in whole], 0.9 if large else None)
    yield geometric("  with the ledger: wall", [(a.wall, b.wall) for a, b in whole], 0.9 if large else None)
    yield Measure(name="  peak memory of it all, DuckDB included", ours=peak_memory_mb(), unit="MB")


class Answering:
    """One table, opened as the worker opens it for each answer."""

    def __init__(self, folder: Path, book: SubjectLedger) -> None:
        self.folder, self.book, self.line, self.budget = folder, book, 0, uuid4()

    def table(self) -> tuple[SortedTable, columns.ColumnStore]:
        store = columns.read(self.folder, PLANS)
        values = {name: Values(found.numbers, found.valid) for name, found in store.columns.items()}
        return table_from_columns(Rows(SPEC, values, store.rows), np.asarray(store.offsets)), store

    def computed(self, query: Query) -> None:
        table, _ = self.table()
        measure(query, table, worst_case=WORST).release(SIGMA, None)

    def charged(self, query: Query) -> None:
        table, store = self.table()
        measured = measure(query, table, worst_case=WORST)
        self.line += 1
        places = self.book.places(store.digests, name=store.listing)
        active = self.book.charge(self.budget, places, measured.charges, line=self.line)
        measured.release(SIGMA, None if active.all() else active)


def fetch(base: duckdb.DuckDBPyConnection, text: str) -> None:
    base.execute(text).fetchall()


def geometric(name: str, pairs: Sequence[tuple[float, float]], limit: float | None) -> Measure:
    ratio = math.exp(statistics.fmean(math.log(max(ours, 0.01) / max(floor, 0.01)) for ours, floor in pairs))
    goal = None if limit is None else Goal(limit=limit)
    return Measure(name=name, ours=ratio, unit="x", goal=goal, note="geometric mean over DuckDB's")


# The per-person ledger


def ledger(subjects: int, rounds: int) -> Measure:
    """Charge everybody durably; the floor writes and syncs as many bytes to a plain file."""
    with tempfile.TemporaryDirectory() as room:
        book, budget, line = SubjectLedger(Path(room) / "ledger"), uuid4(), iter(range(1, 10**6))
        places, charged = np.arange(subjects, dtype=np.uint32), np.full(subjects, 1000, dtype=np.int64)
        content = bytes(4 * subjects)
        ours, floor = compared(
            lambda: book.charge(budget, places, charged, line=next(line)),
            partial(synced, Path(room) / "plain", content),
            rounds,
        )
        book.close()
    goal = Goal(limit=60) if subjects == 10**7 else None
    return versus(f"charge {subjects:,} people and commit", ours, floor, goal, "floor: write and fsync")


def synced(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# A whole answer


def budget_over(rows: int) -> Budget:
    """Make a budget for a table of wages with this number of rows, five years a person, that is not sorted yet."""
    people, years = rows // 5, 5
    given = np.arange(rows) // years
    table = pa.table(
        {
            "person": given,
            "year": 1990 + np.arange(rows) % years,
            "region": pa.array(np.array(["east", "north", "west"])[given % 3]),
            "wage": np.round(np.random.default_rng(1).random(rows) * 50_000, 2),
        }
    )
    dataset = made_datasets.dataset(rows=table)
    budget = made.budget(made.promise(dataset), epsilon=2.0)
    made_datasets.grant(dataset, budget.scientist)
    type(budget.promise).objects.filter(pk=budget.promise_id).update(public_size=people)
    return budget


def over_http(rows: int, rounds: int) -> Iterator[Measure]:
    """POST a question, then ask until its answer is there."""
    budget = budget_over(rows)
    with web_server() as (port, _), worker("default", hands=1):
        visitor = Visitor(port, budget.scientist)
        first = took(partial(asked, visitor, budget, 0))
        yield versus(f"first answer of a revision, {rows:,} rows", first, note="sorts the table by person")
        taken = [took(partial(asked, visitor, budget, number)).wall for number in range(1, rounds + 1)]
    (due,) = {
        (visible - begun).total_seconds() * 1e3
        for begun, visible in Answer.objects.values_list("begun_at", "visible_at")[:rounds]
    }
    note = f"floor: {due:.0f} ms after its turn an answer is released"
    p50, p99 = statistics.median(taken), percentile(taken, 0.99)
    yield Measure(name="answer over HTTP, p50", ours=p50, floor=due, goal=Goal(limit=300), note=note)
    yield Measure(name="answer over HTTP, p99", ours=p99, floor=due, goal=Goal(limit=500), note=note)


WAIT = "wait=20"


def asked(visitor: Visitor, budget: Budget, number: int) -> None:
    url = reverse("api:budget_answers", args=[budget.pk])
    answer = visitor.ask_json(
        "POST", url, {"sql": QUESTION.replace("?", str(1000 + number)), "epsilon": 0.01}, Prefer=WAIT
    )
    end = time.monotonic() + 120
    while answer["state"] != "released":
        if time.monotonic() > end or answer["state"] not in {"pending", "released"}:
            raise RuntimeError(f"The answer is {answer['state']}.")
        time.sleep(0.02)
        answer = visitor.ask_json("GET", reverse("api:answer", args=[answer["id"]]), Prefer=WAIT)
