"""The real engine as an attacker sees it, and engines that are broken on purpose, each in one condition.

A game is one canary in a cell of its own, present by a coin toss. One table holds thousands of them, so one answer is a
move in thousands of games. The parts that a broken engine does not break are the real code: measuring, charging, noise.
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from uuid import uuid4

import numpy as np

from privacy.engine.language.expressions import Column, In, Or
from privacy.engine.language.query import Query, Sum
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.engine.measure.contributions import CAP, ONE, Integers, worst_case_units
from privacy.engine.measure.evaluate import Bools, Floats, Rows, Values
from privacy.engine.measure.mechanisms import add_noise
from privacy.engine.release import SortedTable, measure, table_from_columns
from privacy.ledgers.person_ledger import SubjectLedger

CANARIES = 6000
ROWS = 2
UPPER = 10.0
CLAIM = 1.0
LABELS = tuple(map(str, range(CANARIES)))
SPEC = TableSpec(
    name="canaries",
    subject="person",
    max_rows=ROWS,
    columns={
        "cell": ColumnSpec(name="cell", kind=Kind.CATEGORY, labels=LABELS),
        "weight": ColumnSpec(name="weight", kind=Kind.NUMBER, lower=0.0, upper=UPPER),
    },
)
CERTAIN = 1e9


@dataclass(frozen=True, slots=True)
class Released:
    """What is released: a noisy number per cell, in clips, and what a broken engine gives away as well."""

    values: Floats
    proof: Floats | float = 0.0
    """Evidence beyond doubt: CERTAIN for present, -CERTAIN for absent, 0 for nothing."""


class Engine:
    """The real engine. An attacker who knows it can compute what a canary would be charged if it were present."""

    batch = 1
    """How many answers are decided before any of them is charged."""

    def __init__(self, folder: Path, present: Bools) -> None:
        self.present = present
        self.ledger = SubjectLedger(folder)
        self.budget, self.line = uuid4(), 0

    def ask(self, asked: Bools, sigma: int) -> Released:
        """The sum of weights in each of these cells."""
        places = np.flatnonzero(self.present)
        worst = worst_case_units(sigma, Fraction(CLAIM) ** 2)
        measured = measure(_query(asked), _table(places), worst_case=worst)
        charged = measured.charges.astype(np.int64)
        active = self.charge(places, charged)
        answer = measured.release(sigma, active)
        values = np.array([line.figures[0].value for line in answer.lines], dtype=float) / (UPPER * ROWS)
        return Released(values, self.proof(places, charged, active))

    def charge(self, places: Integers, charged: Integers) -> Bools:
        self.line += 1
        return self.ledger.charge(self.budget, places.astype(np.uint32), charged, line=self.line)

    def proof(self, places: Integers, charged: Integers, active: Bools) -> Floats | float:
        return 0.0

    def decide(self, spent: Integers, charge: Integers) -> Bools:
        """Who takes part: the rule of the ledger, as the attacker foresees it."""
        return spent + charge <= CAP

    def account(self, charge: Integers) -> Integers:
        """What the ledger records of a charge."""
        return charge

    def evidence(self, released: Released, sigma: int, part: Bools) -> Floats:
        """The log-likelihood ratio of "present" against "absent"."""
        return _shifted(released.values, 1.0 * part, sigma / ONE) + released.proof

    def close(self) -> None:
        self.ledger.close()


def _query(asked: Bools) -> Query:
    chosen = [LABELS[k] for k in np.flatnonzero(asked)]
    parts = [In("cell", tuple(chosen[k : k + 1000])) for k in range(0, len(chosen), 1000)]
    where = None if asked.all() else parts[0] if len(parts) == 1 else Or(tuple(parts))
    return Query(table="canaries", measure=Sum(Column("weight")), where=where, by=("cell",))


def _table(places: Integers) -> SortedTable:
    """The canaries that are present, each with as many rows as count, all at the upper bound."""
    cells = np.repeat(places, ROWS)
    everywhere = np.ones(len(cells), dtype=np.bool_)
    columns = {
        "cell": Values(cells.astype(np.int32), everywhere),
        "weight": Values(np.full(len(cells), UPPER), everywhere),
    }
    return table_from_columns(
        Rows(SPEC, columns, len(cells)), np.arange(0, len(cells) + 1, ROWS, dtype=np.int64)
    )


def _shifted(values: Floats, shift: Floats, spread: float) -> Floats:
    return (values * shift - shift**2 / 2) / spread**2


# Broken: the rule by which people are charged


class OwnRule(Engine):
    """Charges by its own rule, in an array of its own."""

    def __init__(self, folder: Path, present: Bools) -> None:
        super().__init__(folder, present)
        self.spent = np.zeros(CANARIES, dtype=np.int64)
        self.waiting: list[Integers] = []

    def charge(self, places: Integers, charged: Integers) -> Bools:
        full = np.zeros(CANARIES, dtype=np.int64)
        full[places] = charged
        part = self.decide(self.spent, full)
        self.waiting.append(self.account(full * part))
        if len(self.waiting) == self.batch:
            self.spent = self.spent + np.sum(self.waiting, axis=0)
            self.waiting = []
        return part[places]


class ChargesAfterRelease(OwnRule):
    """Checks whether anything is left, but not whether this answer still fits."""

    def decide(self, spent: Integers, charge: Integers) -> Bools:
        return spent < CAP


class OnlyThisQuery(OwnRule):
    """Scales to realised sensitivity and compares each answer alone with the budget: no filter adds them up."""

    def account(self, charge: Integers) -> Integers:
        return np.zeros_like(charge)


class RoundsDown(OwnRule):
    """Records charges in quarters of the budget, rounded down."""

    def account(self, charge: Integers) -> Integers:
        return charge // (CAP // 4) * (CAP // 4)


class OneSnapshot(OwnRule):
    """Decides on eight answers at once by the same state of the ledger."""

    batch = 8


# Broken: what is released besides the answer


class RevealsDrop(Engine):
    """Reveals in which cells somebody was left out."""

    def proof(self, places: Integers, charged: Integers, active: Bools) -> Floats | float:
        return _proof(places[~active])


class ExactActiveCount(Engine):
    """Reveals exactly how many people take part, by cell."""

    def proof(self, places: Integers, charged: Integers, active: Bools) -> Floats | float:
        return _proof(places[active & (charged > 0)])


class ShowsRealisedSpend(Engine):
    """Shows what people were really charged, by cell."""

    def proof(self, places: Integers, charged: Integers, active: Bools) -> Floats | float:
        return _proof(places[charged > 0])


class ErrorOnEmptyGroup(Engine):
    """Fails on a group that nobody is in, and says so."""

    def proof(self, places: Integers, charged: Integers, active: Bools) -> Floats | float:
        return np.where(self.present, 0.0, -CERTAIN)


def _proof(places: Integers) -> Floats:
    sure = np.zeros(CANARIES)
    sure[places] = CERTAIN
    return sure


# Broken: what is added, and the noise on it. Everybody knows that each cell has residents of a tenth of the bound


class LocalNoise(OwnRule):
    """Scales noise by the largest contribution in the cell, not by the largest that is possible."""

    def ask(self, asked: Bools, sigma: int) -> Released:
        part = self.charge(np.arange(CANARIES), _charge(self.present & asked, sigma))
        there = self.present & asked & part
        noise = add_noise(np.zeros(CANARIES, dtype=np.int64), sigma)
        return Released((ONE * there + np.where(there, noise, noise // 10)) / ONE)

    def evidence(self, released: Released, sigma: int, part: Bools) -> Floats:
        wide, narrow = sigma / ONE, sigma / ONE / 10
        present = -((released.values - 1) ** 2) / (2 * wide**2) - np.log(wide)
        absent = -(released.values**2) / (2 * narrow**2) - np.log(narrow)
        return np.where(part, present - absent, 0.0)


class OthersData(OwnRule):
    """Scales by the largest value in the data: whoever has it makes the others' contributions smaller."""

    residents = 10

    def ask(self, asked: Bools, sigma: int) -> Released:
        part = self.charge(np.arange(CANARIES), _charge(self.present & asked, sigma))
        there = self.present & asked & part
        total = np.where(there, self.residents // 10 * ONE + ONE, self.residents * ONE)
        return Released(add_noise(total.astype(np.int64), sigma) / ONE - self.residents)

    def evidence(self, released: Released, sigma: int, part: Bools) -> Floats:
        shift = 2.0 - self.residents
        return _shifted(released.values, shift * part, sigma / ONE)


def _charge(there: Bools, sigma: int) -> Integers:
    return there * np.int64(worst_case_units(sigma, Fraction(CLAIM) ** 2))


BROKEN = (
    RevealsDrop,
    ChargesAfterRelease,
    OnlyThisQuery,
    RoundsDown,
    OneSnapshot,
    LocalNoise,
    OthersData,
    ExactActiveCount,
    ErrorOnEmptyGroup,
    ShowsRealisedSpend,
)
