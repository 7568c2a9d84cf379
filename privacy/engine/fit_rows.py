"""Rows for a fitted model: the outcome of each row, its places in z, and who trains or tests.

Everything of a row follows from that row alone, and whether a person tests from their own keyed digest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from privacy.engine.language.expressions import Not
from privacy.engine.language.learning import Amount, Choice, Events, Outcome, YesNo
from privacy.engine.language.schema import MAX_ROWS_PER_SUBJECT
from privacy.engine.measure.contributions import Integers
from privacy.engine.measure.evaluate import PART, Bools, Floats, Rows, evaluate, holds
from privacy.engine.plan.fit_cells import cells_of
from privacy.engine.plan.fits import SLOPE, FitPlan, Places

Placed: TypeAlias = tuple[
    npt.NDArray[np.uint16], npt.NDArray[np.float32], Integers, npt.NDArray[np.int32], npt.NDArray[np.int32]
]
"""(cells, xs, begins, decode, slopes), as the compiled passes read them (`measure.fits`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """`y` (rows,): the scaled outcome, `used` (rows,): whether a row has one and counts, `people` (subjects,): who has
    such a row."""

    y: Floats
    used: Bools
    people: Bools


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The rows of chosen people. `offsets` (people + 1,): rows of person i are offsets[i]:offsets[i+1], one or more."""

    offsets: Integers
    places: Placed
    y: Floats

    @property
    def people(self) -> int:
        return len(self.offsets) - 1

    @property
    def rows_each(self) -> Integers:
        """For each row, how many rows its person has. Shape (rows,)."""
        sizes = np.diff(self.offsets)
        return np.repeat(sizes, sizes)


def outcomes(outcome: Outcome, plan: FitPlan, rows: Rows, offsets: Integers, kept: Bools) -> Outcomes:
    """Return each row's outcome and whether it counts. `kept`: rows that the filter keeps, or EVERYWHERE.

    No more than a person's first MAX_ROWS_PER_SUBJECT rows count.
    """
    y, used = np.zeros(rows.length), np.zeros(rows.length, dtype=np.bool_)
    for begin, end in _parts(offsets):
        y[begin:end], used[begin:end] = _outcome(outcome, plan, rows.part(begin, end))
    if len(kept):
        used &= kept
    return Outcomes(y=y, used=used, people=_per_person(used, offsets) > 0)


def _parts(offsets: Integers) -> Iterator[tuple[int, int]]:
    """Yield ranges of at most PART rows that hold each person's first MAX_ROWS_PER_SUBJECT.

    Nothing is computed for any others: somebody with a million rows takes no longer than with so many.
    """
    many = np.flatnonzero(np.diff(offsets) > MAX_ROWS_PER_SUBJECT)
    begins = [0, *offsets[many + 1].tolist()]
    ends = [*(offsets[many] + MAX_ROWS_PER_SUBJECT).tolist(), int(offsets[-1])]
    for first, last in zip(begins, ends, strict=True):
        for begin in range(first, last, PART):
            yield begin, min(begin + PART, last)


def _per_person(used: Bools, offsets: Integers) -> Integers:
    """Return how many used rows each person has. Shape (subjects,)."""
    many = len(offsets) - 1
    subjects = np.repeat(np.arange(many), np.diff(offsets))
    return np.bincount(subjects[used], minlength=many).astype(np.int64)


def _outcome(outcome: Outcome, plan: FitPlan, rows: Rows) -> tuple[Floats, Bools]:
    match outcome:
        case YesNo(condition):
            yes = holds(condition, rows)
            return yes.astype(np.float64), yes | holds(Not(condition), rows)
        case Amount(of) | Events(of):
            found = evaluate(of, rows)
            low = 0.0 if isinstance(outcome, Events) else -1.0
            return np.clip((found.numbers - plan.middle) / plan.half, low, 1.0), found.valid
        case Choice(column):
            stored = rows.column(column)
            codes = np.clip(stored.numbers.astype(np.float64), 0, plan.outputs - 1)
            return codes, np.asarray(stored.valid)


def testers(digests: npt.NDArray[np.uint8], share: float) -> Bools:
    """Return who tests: whose digest[8:16], as a big-endian number, is below share 2**64. Shape (subjects,)."""
    second = np.ascontiguousarray(digests[:, 8:16]).view(">u8")[:, 0].astype(np.uint64)
    below: Bools = second < np.uint64(int(share * 2**64))
    return below


def choose(plan: FitPlan, rows: Rows, offsets: Integers, found: Outcomes, people: Bools) -> Chosen:
    """Return the used rows of these people, placed. `people`: shape (subjects,)."""
    wanted = found.used & np.repeat(people, np.diff(offsets))
    each = _per_person(wanted, offsets)
    new = np.concatenate([[0], np.cumsum(each[each > 0])]).astype(np.int64)
    return Chosen(offsets=new, places=_placed(plan, rows, offsets, wanted), y=found.y[wanted])


def _placed(plan: FitPlan, rows: Rows, offsets: Integers, wanted: Bools) -> Placed:
    found = cells_of(plan)
    many = int(np.count_nonzero(wanted))
    cells = np.zeros((len(found.groups), many), dtype=np.uint16)
    xs = np.zeros((len(found.slopes), many), dtype=np.float32)
    at = 0
    for begin, end in _parts(offsets):
        part, chosen = rows.part(begin, end), wanted[begin:end]
        to = slice(at, at + int(np.count_nonzero(chosen)))
        for k, group in enumerate(found.groups):
            for member in group:
                cells[k, to] += (_value(member.feature, part)[chosen] * member.stride).astype(np.uint16)
        for k, feature in enumerate(found.slopes):
            xs[k, to] = _slope(feature, part)[chosen]
        at = to.stop
    return cells, xs, found.begins, found.decode, found.slope_places


def _value(feature: Places, rows: Rows) -> Integers:
    """Return the number of each row's value among the feature's places; of a slope, whether it is missing."""
    if feature.labels:
        stored = rows.column(feature.name)
        values = np.clip(stored.numbers.astype(np.int64), 0, feature.values - 1)
        return np.where(stored.valid, values, feature.values)
    found = evaluate(feature.of, rows)
    if feature.kind == SLOPE:
        return (~found.valid).astype(np.int64)
    values = np.searchsorted(feature.edges[1:-1], found.numbers, side="right")
    return np.where(found.valid, values, feature.values)


def _slope(feature: Places, rows: Rows) -> Floats:
    """Return what stands at the place of each row's slope: 0 if the value is missing."""
    found = evaluate(feature.of, rows)
    return np.where(found.valid, np.clip((found.numbers - feature.middle) / feature.half, -1.0, 1.0), 0.0)
