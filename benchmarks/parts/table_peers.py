"""Synthetic tables beside those of other private libraries: same people, same parts of numbers, same promise.

Every library draws as many rows as there are people, as codes of parts; a value within a part is drawn as ours is.
`benchmarks/run table_peers --install` installs each in an environment of its own; one that is not there is skipped.
"""

import tempfile
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks import installing
from benchmarks.measuring import Measure, Took, median, took
from benchmarks.parts.tables import (
    DELTA,
    Case,
    Columns,
    auc_of,
    census,
    coded,
    cps,
    parts_of,
    plan_of,
    variation,
)
from privacy.engine.accounting import noise_mu, zcdp_rho
from privacy.engine.language.learning import SyntheticTable
from privacy.engine.language.query import Query
from privacy.engine.plan.designs import design
from privacy.engine.plan.pricing import offer_for_mu
from privacy.engine.release import measure
from privacy.engine.synthetic_rows import draw, values_in
from privacy.engine.table_release import described

SECONDS = 1200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A mechanism of a library. `distribution`: what its version is told by."""

    name: str
    package: str
    distribution: str
    mechanism: str
    rounds: int = 1
    is_quick: bool = False
    """Whether `--quick` asks it too."""


PEERS = (
    Peer(name="mbi, MST", package="mbi", distribution="mbi", mechanism="MST", rounds=3, is_quick=True),
    Peer(name="dpmm MST", package="dpmm", distribution="dpmm", mechanism="MST"),
    Peer(name="dpmm PrivBayes", package="dpmm", distribution="dpmm", mechanism="PrivBayes"),
    Peer(name="dpmm AIM", package="dpmm", distribution="dpmm", mechanism="AIM"),
)


def measures(chosen: Namespace) -> Iterator[Measure]:
    there: set[str] = set()
    yield from installing.installed([peer.package for peer in PEERS], install=chosen.install, found=there)
    peers = [peer for peer in PEERS if peer.package in there and (peer.is_quick or not chosen.quick)]
    epsilons, rounds = ((1.0, 0.3) if chosen.full else (1.0,)), 1 if chosen.quick else 3
    for case in (cps(), census(np.random.default_rng(7))):
        test = np.arange(len(case.columns[case.target])) % 5 == 0
        real, held_out = case.rows(~test), case.rows(test)
        for epsilon in epsilons:
            for focus in (case.target, None):
                yield ours(case, real, held_out, epsilon, focus, rounds)
            for peer in peers:
                yield theirs(peer, case, real, held_out, epsilon, min(peer.rounds, rounds))


def ours(case: Case, real: Columns, test: Columns, epsilon: float, focus: str | None, rounds: int) -> Measure:
    asked = SyntheticTable(columns=tuple(real), bins=case.bins, focus=focus)
    query = Query(table=case.spec.name, measure=asked)
    mu = noise_mu(epsilon, DELTA)
    sigma = offer_for_mu(design(query, case.spec), mu, mu).sigma
    table, seeds = case.stored(real), iter(range(rounds + 1))
    found: list[Columns] = []

    def once() -> None:
        answer = measure(query, table).release(sigma, None)
        drawn = draw(answer.table, table.subjects, next(seeds))  # type: ignore[attr-defined]
        found.append({name: coded(case.spec.columns[name], values) for name, values in drawn.items()})

    once()  # compiled before it is timed
    taken = median([took(once) for _ in range(rounds)])
    name = f"{case.name}, ε {epsilon:g}: Weir{', focus' if focus else ''}"
    return line(name, case, real, found[1:], test, taken)


def theirs(peer: Peer, case: Case, real: Columns, test: Columns, epsilon: float, rounds: int) -> Measure:
    name, plan = f"{case.name}, ε {epsilon:g}: {peer.name}", plan_of(case)
    with tempfile.TemporaryDirectory() as room:
        data, found = Path(room) / "data.npy", Path(room) / "found.npy"
        np.save(data, parts_of(case, plan, real).T)
        job = {
            "data": str(data),
            "found": str(found),
            "sizes": list(plan.sizes),
            "mechanism": peer.mechanism,
            "epsilon": epsilon,
            "delta": DELTA,
            "rho": zcdp_rho(epsilon, DELTA),
            "rounds": rounds,
        }
        lines = installing.asked(peer.package, f"draw_{peer.package}", job, SECONDS)
        if isinstance(lines, str):
            return Measure(name=name, ours=0, unit="", note=f"nothing: {lines}")
        tables = [values(case, codes.T) for codes in np.load(found)]
    version = installing.version_of(peer.package, peer.distribution)
    taken = median([Took(*each) for each in lines[0]["taken"]])
    return line(name, case, real, tables, test, taken, f"; version {version}")


def values(case: Case, codes: npt.NDArray[np.int64]) -> Columns:
    """Return a value in each drawn part, as ours are drawn. `codes`: shape (columns, people)."""
    rng = np.random.default_rng(0)
    drawn = {
        column.name: values_in(described(column), code.astype(np.int64), rng.random(len(code)))
        for column, code in zip(plan_of(case).columns, codes, strict=True)
    }
    return {name: coded(case.spec.columns[name], each) for name, each in drawn.items()}


def line(  # noqa: PLR0913, PLR0917 -- tables, what they are held against, and what they took
    name: str, case: Case, real: Columns, tables: list[Columns], test: Columns, taken: Took, more: str = ""
) -> Measure:
    plan = plan_of(case)
    truth, found = parts_of(case, plan, real), [parts_of(case, plan, table) for table in tables]
    errors = [float(np.mean([2 * variation(truth, each, plan, ways) for each in found])) for ways in (1, 2)]
    areas, whole = float(np.mean([auc_of(case, table, test) for table in tables])), auc_of(case, real, test)
    return Measure(
        name=f"{name}: AUC over real",
        ours=areas / whole,
        unit="x",
        cpu=taken.cpu,
        note=f"{areas:.3f} of {whole:.3f}, L1 of columns {errors[0]:.4f}, of pairs {errors[1]:.4f}, "
        f"{len(tables)} drawn; wall {taken.wall:,.0f} ms, processor {taken.cpu:,.0f} ms{more}",
    )
