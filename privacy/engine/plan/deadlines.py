"""How long an answer may take before anybody sees it: a function of what is public, so that its time tells nothing.

An answer appears this long after its turn has come, however early it was ready. The time is generous for the rows that
the owner has announced; what was too short is doubled by the caller.
"""

import math

from privacy.engine.language.expressions import Node, children
from privacy.engine.language.query import Distribution, PersonQuantiles, Query
from privacy.engine.plan.designs import Design
from privacy.engine.plan.searches import MOST_STEPS

STEP = 0.025
"""Seconds: the time for rows is a multiple of it."""
ROW, PART, SEARCH = 4e-8, 6e-9, 4e-9
"""Seconds a row, a row and part of an expression, a row and step of a search: about twice what a busy core takes."""
BIN = 6e-10
"""Seconds a row and bin of a distribution, for people who have a row in each."""
CUT_ROW, CUT = 2e-7, 5
"""Of people with more rows than count, each row takes so many seconds more, and each step or bin so many times as
long: they are looked at one by one. Whether there may be many of them the question tells, and not the rows."""
SUMS = 8
"""Adding up the rows of each person takes as long as so many parts of an expression."""
SORT = 1e-5
"""Seconds a row that putting rows in order may take."""
PLACE = 5e-6
"""Seconds a person, to look up everybody's place in the ledger of people."""
ROWS_EACH = 4
"""So many rows a person are expected, or as many as count if that is fewer."""


def seconds(
    query: Query, plan: Design, *, people: int, rows_per_person: int, base: float, cut: bool = False
) -> float:
    """From the start of an answer's turn to its release. `people`: how many the owner announces. `base`: what an answer
    over no rows may take, in seconds. `cut`: whether fewer rows of a person count than are declared."""
    rows = _rows(people, rows_per_person)
    parts = sum(map(_parts, plan.coordinates)) + sum(_parts(scale.of) for scale in plan.scales)
    if isinstance(query.measure, PersonQuantiles):
        parts += SUMS + (_parts(query.measure.of) if query.measure.of else 0)
    if query.where is not None:
        parts += _parts(query.where)
    # Rows are counted between all stops of a search once, which takes as long for a search of few steps.
    steps = max(plan.releases, MOST_STEPS) if plan.grid else 1
    times = CUT if cut else 1
    each = ROW + PART * parts + SEARCH * times * (steps - 1) + (CUT_ROW if cut else 0)
    if isinstance(query.measure, Distribution):
        each += BIN * times * query.measure.bins
    return base + math.ceil(rows * each / STEP) * STEP


def places(people: int) -> float:
    """What the first answer over a table of a revision may take besides, in seconds: later ones know the places."""
    return math.ceil(people * PLACE / STEP) * STEP


def _rows(people: int, rows_per_person: int) -> int:
    return people * min(rows_per_person, ROWS_EACH)


def _parts(node: Node) -> int:
    return 1 + sum(map(_parts, children(node)))


def preparation(*, people: int, rows_per_person: int, base: float) -> float:
    """How long putting the rows of a table in order may take. `base`: for a table without rows, in seconds."""
    return base + _rows(people, rows_per_person) * SORT
