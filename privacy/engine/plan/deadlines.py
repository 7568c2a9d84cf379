"""Release times: how long after the start of its turn an answer is released, from public facts alone.

An answer is held back until that time even if it is ready earlier, so its time reveals nothing about the rows. The
time is generous for the number of people that the owner has announced. If it is too short, the caller doubles it.
"""

import math

from privacy.engine.language.expressions import Node, children
from privacy.engine.language.learning import Fit
from privacy.engine.language.query import Distribution, PersonQuantiles, Query
from privacy.engine.language.schema import MAX_ROWS_PER_SUBJECT
from privacy.engine.plan.designs import Design
from privacy.engine.plan.fits import FitPlan, read_by
from privacy.engine.plan.searches import MOST_STEPS

STEP = 0.025
"""Seconds: the time for rows is rounded up to a multiple of this."""
ROW, PART, SEARCH = 4e-8, 6e-9, 4e-9
"""Seconds per row; per row and part of an expression; per row and search step: about twice the time on a busy core."""
BIN = 6e-10
"""Seconds per row and bin of a distribution, for people with a row in each bin."""
EDGE = 2e-8
"""Seconds per row and halving of the edges of a histogram."""
CUT_ROW, CUT = 2e-7, 5
"""For people with more rows than count: extra seconds per row, and the factor for each step or bin, because they are
processed one by one. Whether there may be many of them follows from the question, not from the rows."""
SUMS = 8
"""Adding up the rows of each person takes as long as this many parts of an expression."""
MAPPED = 3
"""Converting a column of one portal to that of a study takes as long as this many parts of an expression."""
SORT = 1e-5
"""Seconds per row allowed for sorting."""
PLACE = 5e-6
"""Seconds per person, to look up their place in the per-person ledger."""
AFTER = 5.0
"""Seconds: the time after a charge is rounded up to a multiple of this."""
TREE, CELL, TALLY, ROW_OF = 2.0, 4e-5, 4e-9, 1e-7
"""For synthetic tables: seconds for the model; per cell, for its noise; per person and pair; per person and column."""
TRAIN, TRAIN_WORK = 8e-8, 1.5e-8
"""Seconds of a step of training per row, and per row and weight that a row takes part in, for people of one row each
and a model without hidden layers: almost twice the time on a busy core if everybody is clipped."""
TRAIN_SLOW, TRAIN_SLOW_WORK = 3e-7, 3e-8
"""The same for people with several rows, whose clipping takes longest, and for models with hidden layers."""
TRAIN_START, STEP_WEIGHT = 1e-7, 3e-5
"""Seconds per row and feature to place it, and per step and weight for noise: twice the time on a busy core."""
ROWS_EACH = 4
"""Rows expected per person, or as many as count if that is fewer."""


def seconds(  # noqa: PLR0913 -- each is named at the call
    query: Query,
    plan: Design,
    *,
    people: int,
    rows_per_person: int,
    base: float,
    cut: bool = False,
    mapped: int = 0,
) -> float:
    """Return the seconds from the start of an answer's turn to its release.

    `people`: the number that the owner announces. `base`: seconds allowed for an answer over no rows. `cut`: whether
    fewer rows of a person count than are declared. `mapped`: columns that are converted row by row before.
    """
    rows = _rows(people, rows_per_person)
    parts = sum(map(_parts, plan.coordinates)) + sum(_parts(scale.of) for scale in plan.scales)
    parts += MAPPED * mapped
    if isinstance(query.measure, PersonQuantiles):
        parts += SUMS + (_parts(query.measure.of) if query.measure.of else 0)
    if isinstance(query.measure, Fit):
        parts += SUMS + _parts(read_by(query.measure.outcome))
    if query.where is not None:
        parts += _parts(query.where)
    # Rows are counted between all stops of a search once, which takes just as long for a search of few steps.
    steps = max(plan.releases, MOST_STEPS) if plan.grid else 1
    times = CUT if cut else 1
    each = ROW + PART * parts + SEARCH * times * (steps - 1) + (CUT_ROW if cut else 0)
    if isinstance(query.measure, Distribution):
        each += BIN * times * query.measure.bins
    if plan.bins:
        each += PART * _parts(plan.bins.of) + EDGE * math.ceil(math.log2(len(plan.bins.edges)))
    return base + math.ceil(rows * each / STEP) * STEP


def places(people: int) -> float:
    """Return the extra seconds for the first answer over a table of a revision: later ones know everybody's place."""
    return math.ceil(people * PLACE / STEP) * STEP


def after_charge(plan: Design, *, people: int, rows_per_person: int, rows: int = 0) -> float:
    """Return the seconds from the charge of an answer to its release, beyond those in `seconds`; 0 for most queries.

    Arguments as in `seconds`. `rows`: how many the owner announces, if more. Nobody else waits in this time.
    """
    if plan.model is not None:
        rows = max(_rows(people, rows_per_person), rows)
        busy = _training(plan.model, rows, several=rows_per_person > 1)
    elif plan.tables is not None:
        each = TALLY * (len(plan.tables.pairs) + len(plan.tables.columns)) + ROW_OF * len(plan.tables.columns)
        busy = TREE + CELL * plan.tables.cells + people * each
    else:
        return 0.0
    return math.ceil(busy / AFTER) * AFTER


def _training(model: FitPlan, rows: int, *, several: bool) -> float:
    """Return the seconds for so many rows, and for one person more who has as many rows as can count."""
    fast = not several and not model.layers
    each = TRAIN + TRAIN_WORK * model.work
    slow = TRAIN_SLOW + TRAIN_SLOW_WORK * model.work
    parts = sum(_parts(feature.of) for feature in model.features)
    begin = (rows + MAX_ROWS_PER_SUBJECT) * (TRAIN_START * len(model.features) + PART * parts)
    step = rows * (each if fast else slow) + MAX_ROWS_PER_SUBJECT * slow
    return begin + model.steps * (step + STEP_WEIGHT * model.weights)


def _rows(people: int, rows_per_person: int) -> int:
    return people * min(rows_per_person, ROWS_EACH)


def _parts(node: Node) -> int:
    return 1 + sum(map(_parts, children(node)))


def preparation(*, people: int, rows_per_person: int, base: float) -> float:
    """Return the seconds allowed for sorting the rows of a table. `base`: seconds for a table without rows."""
    return base + _rows(people, rows_per_person) * SORT
