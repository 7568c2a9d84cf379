"""Models beside those of other private libraries: same people, same split, same promise, one row a person.

`benchmarks/run fit_peers --install` installs each in an environment of its own; one that is not there is skipped with a
line. Scores are exact ones on all people who test, which no library is charged for.
"""

import tempfile
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import installing
from benchmarks.measuring import Measure, Took, median, took
from benchmarks.parts.fit import DELTA, SCORES, TASKS, Floats, Ready, Task, ready, score
from privacy.engine.language.schema import TableSpec

SECONDS = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A library. `distribution`: what its version is told by."""

    name: str
    package: str
    distribution: str
    families: tuple[str, ...] = ("logistic", "linear")
    hides: bool = False
    """Whether it also fits hidden layers."""
    is_slow: bool = False
    """Whether it fits a single model each time."""

    def can(self, task: Task, family: str) -> bool:
        return family in self.families and (self.hides or not task.hidden)


PEERS = (
    Peer(name="Opacus", package="opacus", distribution="opacus", hides=True, is_slow=True),
    Peer(name="diffprivlib", package="diffprivlib", distribution="diffprivlib"),
    Peer(name="DP-EBM", package="interpret", distribution="interpret-core"),
)


def measures(chosen: Namespace) -> Iterator[Measure]:
    there: set[str] = set()
    yield from installing.installed([peer.package for peer in PEERS], install=chosen.install, found=there)
    peers = [peer for peer in PEERS if peer.package in there]
    epsilons, rounds = ((1.0,), 1) if chosen.quick else ((1.0, 0.3), 3)
    for epsilon in epsilons:
        beside: set[tuple[str, str, tuple[int, ...]]] = set()
        for task in TASKS:
            here = ready(task, epsilon)
            family = here.plan.family
            if family not in {"logistic", "linear"}:
                continue
            yield from ours(task, here, epsilon, rounds)
            if (task.data, family, task.hidden) not in beside:  # peers choose their own parts of numbers
                beside.add((task.data, family, task.hidden))
                for peer in peers:
                    if peer.can(task, family):
                        yield theirs(peer, task, here, epsilon, 1 if peer.is_slow else rounds)


def ours(task: Task, here: Ready, epsilon: float, rounds: int) -> Iterator[Measure]:
    test = here.choose(here.tests)
    here.trained()  # compiled before it is timed
    models = [here.trained().predict(test) for _ in range(rounds)]
    taken = median([took(here.trained) for _ in range(rounds)])
    yield line(f"{task.title}, ε {epsilon:g}: Weir", here, models, taken)


def theirs(peer: Peer, task: Task, here: Ready, epsilon: float, rounds: int) -> Measure:
    name = f"{task.title.removesuffix(', slopes')}, ε {epsilon:g}: {peer.name}"
    with tempfile.TemporaryDirectory() as room:
        data, found = Path(room) / "data.npz", Path(room) / "found.npy"
        sizes = stored(task, here, data)
        job = {
            "data": str(data),
            "found": str(found),
            "sizes": sizes,
            "family": here.plan.family,
            "hidden": list(task.hidden),
            "epsilon": epsilon,
            "delta": DELTA,
            "rounds": rounds,
        }
        lines = installing.asked(peer.package, f"fit_{peer.package}", job, SECONDS)
        if isinstance(lines, str):
            return Measure(name=name, ours=0, unit="", note=f"nothing: {lines}")
        models = [model[:, None] for model in np.load(found)]
    version = installing.version_of(peer.package, peer.distribution)
    return line(name, here, models, median([Took(*each) for each in lines[0]["taken"]]), version)


def stored(task: Task, here: Ready, path: Path) -> list[int]:
    """Store people for a peer: numbers on [-1, 1] by their bounds, and codes. Returns how many values each code has."""
    rows = here.data.rows
    numbers = [scaled(rows.column(name).numbers, rows.table, name) for name in task.numbers]
    codes = [np.asarray(rows.column(name).numbers, dtype=np.int64) for name in task.categories]
    np.savez(
        path,
        numbers=np.column_stack(numbers),
        codes=np.column_stack(codes),
        y=here.found.y,
        train=~here.tests,
    )
    return [len(rows.table.columns[name].labels) for name in task.categories]


def scaled(values: Floats, table: TableSpec, name: str) -> Floats:
    low, high = table.columns[name].lower, table.columns[name].upper
    return np.clip(2 * (values - low) / (high - low) - 1, -1.0, 1.0)


def line(name: str, here: Ready, models: list[Floats], taken: Took, version: str = "") -> Measure:
    test = here.choose(here.tests)
    scores = [score(here.plan, model, test.y) for model in models]
    spread = f", {min(scores):.4f} to {max(scores):.4f}" if len(scores) > 1 else ""
    note = f"{SCORES[here.plan.family]}{spread}; wall {taken.wall:,.0f} ms, processor {taken.cpu:,.0f} ms"
    return Measure(
        name=name,
        ours=float(np.mean(scores)),
        unit="",
        cpu=taken.cpu,
        note=f"{note}; version {version}" if version else note,
    )
