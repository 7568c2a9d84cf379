"""What the Python client does without a portal: questions on mock rows, and receipts that are verified."""

import hashlib
import json
import math
import statistics
from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.measuring import Goal, Measure, Took, compared, versus
from crypto import tree
from tests.crypto import making
from weir import demo, notes, pins
from weir.bounds import bounds
from weir.logtree import verify_inclusion
from weir.questions import Question
from weir.receipts import Receipt
from weir.tables import Table

EXPRESSIONS = 1000
QUESTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "mean, filtered": (
        lambda t: t.wage[t.year > 1984].clip(0, 40).mean(), lambda f: f.wage[f.year > 1984].clip(0, 40).mean(),
    ),
    "sum of a logarithm": (lambda t: np.log1p(t.wage * 2).sum(), lambda f: np.log1p(f.wage * 2).sum()),
    "variance": (lambda t: t.wage.var(), lambda f: f.wage.var(ddof=0)),
    "count of people": (lambda t: t.count_people(), lambda f: f.person.nunique()),
    "group means": (lambda t: t.groupby("region")["wage"].mean(), lambda f: f.groupby("region").wage.mean()),
    "correlation": (
        lambda t: np.corrcoef(t.wage, t.experience), lambda f: f.wage.corr(f.experience),
    ),
    "median": (lambda t: t.wage.median(), lambda f: f.wage.median()),
    "histogram": (
        lambda t: np.histogram(t.wage, 20)[0], lambda f: np.histogram(f.wage.dropna(), 20, range=(0, 60))[0],
    ),
}  # fmt: skip
"""Questions in the client's words and in pandas'."""


def measures(chosen: Namespace) -> Iterator[Measure]:
    yield writing(3 if chosen.quick else 15)
    for rows in [400] if chosen.quick else [400, 100_000]:
        yield from on_mock(rows, 5 if chosen.quick else 25)
    yield from receipts(10**4 if chosen.quick else 10**6, 5 if chosen.quick else 25)


def writing(rounds: int) -> Measure:
    """Write expressions, find their bounds and encode them; the floor encodes what was written before."""
    table = demo.table()

    def written() -> list[Any]:
        return [json.dumps(_bounded(table, number).to_wire()) for number in range(EXPRESSIONS)]

    ready = [json.loads(text) for text in written()]
    ours, floor = compared(written, lambda: [json.dumps(each) for each in ready], rounds)
    name = f"writing {EXPRESSIONS:,} expressions, with bounds and JSON"
    return versus(
        name, each_of(ours), each_of(floor), Goal(limit=0.1), "each; floor: JSON of what is written"
    )


def each_of(whole: Took) -> Took:
    return Took(whole.wall / EXPRESSIONS, whole.cpu / EXPRESSIONS)


def _bounded(table: Table, number: int) -> Question:
    """Write one of several expressions, and find its bounds again from the declarations."""
    wage, year, part = table["wage"], table["year"], 1 + number % 50
    match number % 4:
        case 0:
            of = wage[year > 1980 + number % 7].clip(0, part)
        case 1:
            of = np.log1p(wage * 2 + part)
        case 2:
            of = np.where((wage > part) & (table["region"] == "north"), wage, 0)
        case _:
            of = (np.sqrt(wage) - part) ** 2 / (1 + table["experience"])
    bounds(of.as_term().node, table.spec)
    return of.mean()


def on_mock(rows: int, rounds: int) -> Iterator[Measure]:
    """Compute questions on mock rows; the floor is pandas on the same rows."""
    arrays = mock_arrays(rows)
    table, frame = Table.offline(demo.DECLARATIONS, arrays), pd.DataFrame(arrays)
    ratios = []
    for name, (ask, plain) in QUESTIONS.items():
        ours, floor = compared(partial(_mocked, ask, table), partial(plain, frame), rounds)
        ratios.append(ours.wall / floor.wall)
        yield versus(f"{name} of {rows:,} mock rows", ours, floor)
    mean = math.exp(statistics.fmean(map(math.log, ratios)))
    yield Measure(name="  geometric mean over pandas", ours=mean, unit="x", goal=Goal(limit=3))


def receipts(leaves: int, rounds: int) -> Iterator[Measure]:
    """Verify receipts, and make and verify proofs in a large log; the floor is what cannot be left out."""
    receipt, trusted = making.receipt("answer"), pins.of(making.pins())
    log = making.Log([hashlib.sha256(b"%d" % number).digest() for number in range(leaves)])
    root, size = log.root(), log.size

    def verified() -> list[Any]:
        return [Receipt(receipt).verify(trusted) for _ in range(EXPRESSIONS)]

    def signatures() -> list[Any]:
        return [notes.signed_by(receipt["checkpoint"], [trusted.log]) for _ in range(EXPRESSIONS)]

    ours, floor = compared(verified, signatures, rounds)
    yield versus("verifying a receipt", each_of(ours), each_of(floor), note="floor: its signature alone")
    places = [number * 7919 % leaves for number in range(EXPRESSIONS)]
    proofs = [(log.read(0, at // 256)[at % 256 * 32 :][:32], at, log.inclusion(at)) for at in places]
    hashed = b"\x01" + bytes(64)

    def included() -> bool:
        return all(verify_inclusion(leaf, at, size, proof, root) for leaf, at, proof in proofs)

    def hashes() -> list[Any]:
        return [hashlib.sha256(hashed).digest() for _, _, proof in proofs for _ in proof]

    ours, floor = compared(included, hashes, rounds)
    yield versus(
        f"verifying a proof in {leaves:,} leaves", each_of(ours), each_of(floor), note="floor: its hashes"
    )
    ours, floor = compared(lambda: [tree.inclusion(log.read, at, size) for at in places], hashes, rounds)
    yield versus(
        f"making a proof in {leaves:,} leaves", each_of(ours), each_of(floor), note="floor: its hashes"
    )


def _mocked(ask: Callable[[Table], Any], table: Table) -> None:
    ask(table).mock()


def mock_arrays(rows: int) -> dict[str, Any]:
    """Return rows of the demo's table, eight years of each person."""
    draw = np.random.default_rng(1)
    person = np.arange(rows) // 8
    wages = draw.gamma(4.0, 6.0, rows).round(2)
    return {
        "person": person,
        "wage": np.where(draw.random(rows) < 0.05, np.nan, wages),
        "education": 8 + person % 11,
        "experience": draw.integers(0, 40, rows),
        "year": 1980 + np.arange(rows) % 8,
        "union": draw.random(rows) < 0.3,
        "region": np.array(["north", "south", "east", "west"])[person % 4],
        "born": np.datetime64("1940-01-01") + (person % 10_000).astype("timedelta64[D]"),
        "employer": np.array(["mill", "mine", "shop"])[person % 3],
    }
