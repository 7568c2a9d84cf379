"""Other libraries on the same data, for the same promise to people: processor time, and errors of their answers.

Each is installed in an environment of its own (`benchmarks/run peers --install`) and asked by
`benchmarks/peers/ask_*.py`. One that is not installed is skipped with a line.
"""

import math
import statistics
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from benchmarks import installing
from benchmarks.measuring import Goal, Measure, Of, Took, median, repeated, versus
from benchmarks.parts.privacy import LABELS, PLANS, PROMISE, QUERIES, SPEC, Answering, synthetic
from datasets.reading import subject_order
from privacy.engine import accounting
from privacy.engine.plan.designs import design
from privacy.engine.plan.pricing import offer_for_mu
from privacy.engine.release import measure
from privacy.ledgers.person_ledger import SubjectLedger

NAMES = {
    "count": "count",
    "sum": "sum",
    "mean": "mean",
    "histogram": "histogram of 100 groups",
    "group means": "group means",
}
SIMPLE = ("count", "sum", "mean", "histogram")
SHARED_BY = 20
TIME_LIMIT = 3600
LOWER, UPPER = 0.0, 1000.0
MIDDLE = (LOWER + UPPER) / 2
"""Stands for an answer that says that noise drowns it. Here the truth is near it, so lines tell how many there are."""

Answers = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A library in one of its ways of adding noise. `times_less`: the goal for its processor time over ours."""

    name: str
    package: str
    mechanism: str = ""
    is_timed: bool = True
    times_less: float | None = None


PEERS = (
    Peer(name="OpenDP, Gaussian", package="opendp", mechanism="gaussian", times_less=25),
    Peer(name="OpenDP, Laplace", package="opendp", mechanism="laplace", is_timed=False),
    Peer(name="SmartNoise SQL", package="smartnoise", times_less=100),
    Peer(name="diffprivlib", package="diffprivlib"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """One table, as Parquet and as columns."""

    folder: Path
    rows: int

    @property
    def parquet(self) -> Path:
        return self.folder / "t.parquet"


def measures(chosen: Namespace) -> Iterator[Measure]:
    there: set[str] = set()
    yield from installing.installed([peer.package for peer in PEERS], install=chosen.install, found=there)
    peers = [peer for peer in PEERS if peer.package in there]
    if not peers:
        return
    rows, rounds, draws = (20_000, 1, 3) if chosen.quick else (10**6, 3, 25)
    with tempfile.TemporaryDirectory() as room:
        large, small = made(Path(room) / "large", rows), made(Path(room) / "small", max(20_000, rows // 10))
        yield from times(large, peers, rounds)
        for parts in (1, SHARED_BY):
            yield from errors(small, SIMPLE, peers, parts, draws)
            yield from errors(large, ("group means",), peers, parts, max(3, draws // 5))


def made(folder: Path, rows: int) -> Data:
    (folder / "c").mkdir(parents=True)
    found = Data(folder=folder, rows=rows)
    pq.write_table(synthetic(rows), found.parquet)
    subject_order.write(found.parquet, "person", PLANS, b"k" * 32, folder / "c")
    return found


def asked(peer: Peer, data: Data, queries: Sequence[str], parts: int, draws: int) -> list[dict[str, Any]]:
    """What a peer answers when each answer has one of `parts` equal shares of the promise."""
    epsilon, delta = PROMISE
    job = {
        "data": str(data.parquet),
        "rows": data.rows,
        "groups": list(LABELS),
        "queries": list(queries),
        "draws": draws,
        "rows_each": SPEC.max_rows,
        "mechanism": peer.mechanism,
        "epsilon": epsilon / parts,
        "delta": delta / parts,
        "rho": accounting.zcdp_rho(epsilon, delta) / parts,
    }
    found = installing.asked(peer.package, f"ask_{peer.package}", job, TIME_LIMIT)
    if isinstance(found, str):
        raise RuntimeError(f"{peer.name}: {found}")
    return found


# Time


def times(data: Data, peers: Sequence[Peer], rounds: int) -> Iterator[Measure]:
    """Ours with charges, the per-person ledger on disk, and noise. Theirs once planned: a plan could be kept."""
    book = SubjectLedger(data.folder / "ledger")
    answer = Answering(data.folder / "c", book)
    ours = {name: repeated(partial(answer.charged, QUERIES[long][0]), 5) for name, long in NAMES.items()}
    book.close()
    for peer in peers:
        if not peer.is_timed:
            continue
        ratios = []
        for found in asked(peer, data, list(NAMES), 1, rounds):
            name, theirs = found["query"], median([Took(*taken) for taken in found["taken"]])
            ratios.append(theirs.cpu / ours[name].cpu)
            note = (
                f"and to plan it {found['planning']:,.0f} ms" if found["planning"] > theirs.cpu / 10 else ""
            )
            yield versus(f"{name}, {data.rows:,} rows; floor: {peer.name}", ours[name], theirs, note=note)
        yield Measure(
            name=f"processor time of {peer.name} over ours",
            ours=math.exp(statistics.fmean(map(math.log, ratios))),
            unit="x",
            goal=Goal(limit=peer.times_less, at_least=True) if peer.times_less else None,
            note="geometric mean",
        )


# Errors


def errors(
    data: Data, queries: Sequence[str], peers: Sequence[Peer], parts: int, draws: int
) -> Iterator[Measure]:
    """Root mean square errors; the floor is that of the best peer."""
    truth = {name: true_answers(data, name) for name in queries}
    theirs: dict[str, dict[str, float]] = {name: {} for name in queries}
    for peer in peers:
        for found in asked(peer, data, queries, parts, draws):
            theirs[found["query"]][peer.name] = error(found["query"], truth[found["query"]], found["answers"])
    for name in queries:
        best = min(theirs[name].values())
        ours = our_answers(data, name, parts, draws)
        drowned = sum(value is None for answer in ours for value in answer.values())
        shares = "alone" if parts == 1 else f"one of {parts}"
        yield Measure(
            name=f"error of {name}, {shares}",
            ours=error(name, truth[name], ours),
            unit="",
            floor=best,
            goal=Goal(limit=1.1, of=Of.RATIO),
            note="; ".join(f"{peer} {value:,.4g}" for peer, value in theirs[name].items())
            + (f"; ours says nothing {drowned} times" if drowned else ""),
        )


def our_answers(data: Data, name: str, parts: int, draws: int) -> list[Mapping[str, float | None]]:
    query, _ = QUERIES[NAMES[name]]
    mu = accounting.gdp_mu(*PROMISE) / math.sqrt(parts)
    sigma = offer_for_mu(design(query, SPEC), mu, mu).sigma
    book = SubjectLedger(data.folder / "ledger")
    table, _ = Answering(data.folder / "c", book).table()
    book.close()
    measured = measure(query, table)
    found = [measured.release(sigma, None) for _ in range(draws)]
    return [{"".join(line.key): line.figures[0].value for line in one.lines} for one in found]


def true_answers(data: Data, name: str) -> Answers:
    base = duckdb.connect()
    base.read_parquet(str(data.parquet)).create_view("t")
    rows = base.execute(QUERIES[NAMES[name]][1]).fetchall()
    return {str(row[0]) if len(row) > 1 else "": float(row[-1]) for row in rows}


def error(name: str, truth: Answers, answers: Sequence[Mapping[str, float | None]]) -> float:
    """Means are put within the public bounds first, counts and sums above 0, for everybody: that costs nothing."""
    upper = UPPER if name in {"mean", "group means"} else math.inf
    squares = []
    for answer in answers:
        for key, true in truth.items():
            value = answer.get(key)
            told = MIDDLE if value is None or math.isnan(value) else value
            squares.append((min(max(told, LOWER), upper) - true) ** 2)
    return math.sqrt(statistics.fmean(squares))
