"""From noisy tables to a model of a whole table. All of this is post-processing: no row can be reached from here.

Columns are drawn one after the other. Each follows a parent and, where that is worth its noise, a second column beside
it that already hangs together with the parent. So the model is a tree of columns, or of groups of three.

A pair is chosen by its gain, as in AIM (McKenna, Mullins, Sheldon and Miklau, AIM: an adaptive and iterative mechanism
for differentially private synthetic data, VLDB 2022): how far its noisy table is from the present model in L1, minus
what noise alone would add in both passes, sqrt(2/pi) sigma a cell. First the spanning tree with the largest gain over
independent columns, then for each column the second one with the largest gain over that tree.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from privacy.engine.measure.evaluate import Floats
from privacy.engine.measure.tables import Pair
from privacy.engine.plan.pricing import Z95
from privacy.engine.plan.tables import FOCUS, TablePlan

ROUNDS = 60
"""Rounds of proportional fitting."""
MAX_MODEL_CELLS = 60_000
"""Cells of all groups of three columns together, so that an answer stays below a megabyte."""
Shares = tuple[Floats, Floats]
"""Shares of the parts of a column, and the standard deviation of each. Both of shape (parts,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyTable:
    """People in each cell, with noise of standard deviation `sd`. `people`: shape (parts,) or (parts, parts)."""

    columns: Pair
    people: Floats
    sd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A column and what it follows. `counted`: whether its pairs are worth their noise; otherwise it is independent."""

    parent: int
    child: int
    counted: bool
    beside: int | None = None

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs that are counted again for it."""
        above = (
            [] if not self.counted else [self.parent] if self.beside is None else [self.parent, self.beside]
        )
        return tuple((min(self.child, each), max(self.child, each)) for each in above)


def people_in(tables: Sequence[NoisyTable]) -> tuple[float, float]:
    """Return the number of people, at least 1, and its standard deviation: the mean of all sums by precision."""
    precisions = [1 / (table.people.size * table.sd**2) for table in tables]
    sums = [float(table.people.sum()) for table in tables]
    total = sum(precisions)
    found = sum(precision * each for precision, each in zip(precisions, sums, strict=True)) / total
    return max(1.0, found), 1 / math.sqrt(total)


def shares_of(plan: TablePlan, tables: Sequence[NoisyTable], people: float) -> list[Shares]:
    """Return the shares of each column's parts, from every table that the column is in, by precision."""
    found = []
    for column, parts in enumerate(plan.sizes):
        total, precision = np.zeros(parts), 0.0
        for margin, variance in _margins(column, tables):
            total += margin / variance
            precision += 1 / variance
        found.append(
            (on_simplex(total / precision / people), np.full(parts, 1 / math.sqrt(precision) / people))
        )
    return found


def _margins(column: int, tables: Sequence[NoisyTable]) -> Iterator[tuple[Floats, float]]:
    """Yield what each table says about a column: people in each part, and the variance of each."""
    for table in tables:
        match table.columns:
            case (one, None) if one == column:
                yield table.people, table.sd**2
            case (one, _) if one == column:
                yield table.people.sum(axis=1), table.people.shape[1] * table.sd**2
            case (_, other) if other == column:
                yield table.people.sum(axis=0), table.people.shape[0] * table.sd**2
            case _:
                pass


def on_simplex(shares: Floats) -> Floats:
    """Return the nearest shares that are not negative and add up to 1. Same shape.

    The same number is taken off all that stay above 0: rare cells keep no bias, which cutting at 0 would give them
    (Duchi et al., Efficient projections onto the l1-ball, ICML 2008, figure 1).
    """
    falling = np.sort(shares, axis=None)[::-1]
    over = (np.cumsum(falling) - 1) / np.arange(1, falling.size + 1)
    kept = np.maximum(shares - over[np.flatnonzero(falling > over)[-1]], 0.0)
    found: Floats = kept / kept.sum()
    return found


def tree_of(
    plan: TablePlan, tables: Sequence[NoisyTable], shares: Sequence[Floats], people: float, sd_again: float
) -> list[Step]:
    """Return the spanning tree with the largest gain, in drawing order from the focus (or the first column).

    `sd_again`: the noise in each cell of a pair in the second pass. Pairs with the focus count FOCUS times.
    """
    gains = np.full((len(plan.columns),) * 2, -math.inf)
    for pair, table in _pairs(tables).items():
        one, other = pair
        gain = _gain(table, people * np.outer(shares[one], shares[other]), sd_again)
        if plan.focus in pair and gain > 0:
            gain *= FOCUS
        gains[one, other] = gains[other, one] = gain
    known, steps = [plan.focus or 0], []
    while len(known) < len(plan.columns):
        rest = [column for column in range(len(plan.columns)) if column not in known]
        among = gains[np.ix_(known, rest)]
        parent, child = np.unravel_index(int(among.argmax()), among.shape)
        steps.append(Step(parent=known[parent], child=rest[child], counted=bool(among[parent, child] > 0)))
        known.append(rest[child])
    return steps


def with_second_columns(
    plan: TablePlan,
    tables: Sequence[NoisyTable],
    shares: Sequence[Floats],
    people: float,
    sd_again: float,
    tree: Sequence[Step],
) -> list[Step]:
    """Return the tree with a second column beside the parent of each column where that has a gain over the tree."""
    pairs = _pairs(tables)
    noisy = {pair: each.people / people for pair, each in pairs.items()}
    expected = pairs_of_tree(tree, fit(tree, noisy, shares), shares)
    joined: set[frozenset[int | None]] = set()
    steps, room = [], MAX_MODEL_CELLS
    for step in tree:
        best, cells = step, 0
        largest = 0.0
        for beside in range(len(plan.columns)) if step.counted else ():
            many = plan.sizes[step.parent] * plan.sizes[step.child] * plan.sizes[beside]
            if frozenset((step.parent, beside)) in joined and many <= room:
                pair = (min(step.child, beside), max(step.child, beside))
                gain = _gain(pairs[pair], people * expected[pair], sd_again)
                if gain > largest:
                    largest, best, cells = gain, replace(step, beside=beside), many
        room -= cells
        joined |= {frozenset(pair) for pair in best.pairs}
        steps.append(best)
    return steps


def _pairs(tables: Sequence[NoisyTable]) -> dict[tuple[int, int], NoisyTable]:
    return {(table.columns[0], table.columns[1]): table for table in tables if table.columns[1] is not None}


def _gain(table: NoisyTable, expected: Floats, sd_again: float) -> float:
    noise = math.sqrt(2 / math.pi) * expected.size * (table.sd + sd_again)
    return float(np.abs(table.people - expected).sum()) - noise


def pairs_of_tree(
    tree: Sequence[Step], given: Sequence[Floats], shares: Sequence[Floats]
) -> dict[tuple[int, int], Floats]:
    """Return the shares of the cells of each pair of columns in a tree without second columns."""
    known = [tree[0].parent] if tree else []
    found: dict[tuple[int, int], Floats] = {}
    for step, below in zip(tree, given, strict=True):
        for column in known:
            if column == step.parent:
                joint = shares[column][:, None] * below
            else:
                between = found[min(column, step.parent), max(column, step.parent)]
                joint = (between if column < step.parent else between.T) @ below
            pair = (min(column, step.child), max(column, step.child))
            found[pair] = joint if column < step.child else joint.T
        known.append(step.child)
    return found


def combined(columns: Pair, tables: Sequence[NoisyTable]) -> NoisyTable:
    """Return the mean of all tables of these columns, by precision."""
    mine = [table for table in tables if table.columns == columns]
    precision = sum(1 / table.sd**2 for table in mine)
    people = np.sum([table.people / table.sd**2 for table in mine], axis=0) / precision
    return NoisyTable(columns=columns, people=people, sd=1 / math.sqrt(precision))


def fit(
    steps: Sequence[Step], pairs: Mapping[tuple[int, int], Floats], shares: Sequence[Floats]
) -> list[Floats]:
    """Return, for each step, the shares of the child's parts given those above.

    `pairs`: noisy shares of the cells of each pair. Shapes (parent's parts, child's), or (parent's, beside, child's).
    """
    joint: dict[tuple[int, int], Floats] = {}
    given = []
    for step in steps:
        parent, child, beside = step.parent, step.child, step.beside
        if not step.counted:
            given.append(np.tile(shares[child], (len(shares[parent]), 1)))
            continue
        cells = pair_of(_turned(pairs, parent, child), shares[parent], shares[child])
        joint[parent, child] = cells
        if beside is not None:
            other = pair_of(_turned(pairs, beside, child), shares[beside], shares[child])
            cells = triple_of(_turned(joint, parent, beside), cells, other)
            joint[parent, child], joint[beside, child] = cells.sum(axis=1), cells.sum(axis=0)
        above = cells.sum(axis=-1, keepdims=True)
        given.append(np.where(above > 0, cells / np.where(above > 0, above, 1.0), shares[child]))
    return given


def _turned(pairs: Mapping[tuple[int, int], Floats], rows: int, columns: int) -> Floats:
    """Return the table of a pair with the first of the two by rows."""
    return pairs[rows, columns] if (rows, columns) in pairs else pairs[columns, rows].T


def pair_of(table: Floats, above: Floats, below: Floats) -> Floats:
    """Return a pair that is near to a noisy one and has the shares of both columns, so that all pairs agree on them.

    By proportional fitting (Deming and Stephan, On a least squares adjustment, 1940). Shape as `table`.
    """
    fitted: Floats = (
        on_simplex(table) + np.outer(above, below) * 1e-6
    )  # so that no part that somebody has is out of reach
    for _ in range(ROUNDS):
        fitted *= _ratio(below, fitted.sum(axis=0))
        fitted *= _ratio(above, fitted.sum(axis=1))[:, None]
    return fitted


def triple_of(above: Floats, near: Floats, beside: Floats) -> Floats:
    """Return the most even shares of three columns that have these three pairs, nearly.

    `above` (parent, beside), exactly; `near` (parent, child); `beside` (beside, child). By proportional fitting, which
    ends at the largest entropy (Csiszár, I-divergence geometry, 1975). Shape (parent, beside, child).
    """
    cells: Floats = above[:, :, None] * near.sum(axis=0)
    for _ in range(ROUNDS):
        cells *= _ratio(near, cells.sum(axis=1))[:, None, :]
        cells *= _ratio(beside, cells.sum(axis=0))[None, :, :]
        cells *= _ratio(above, cells.sum(axis=2))[:, :, None]
    return cells


def _ratio(wanted: Floats, found: Floats) -> Floats:
    return np.divide(wanted, found, out=np.zeros_like(wanted), where=found > 0)


def spread(shares: Floats) -> float:
    """Return how far a column is from having one value: sum over a, b of (p_a [a = b] - p_a p_b)^2."""
    return float(((np.diag(shares) - np.outer(shares, shares)) ** 2).sum())


def association(pair: Floats, above: Floats, below: Floats, sd: float = 0.0) -> tuple[float, float]:
    """Return how strongly two columns hang together, from 0 to 1, and half the width of its 95 % interval.

    The distance correlation with a distance of 1 between different values (Székely, Rizzo and Bakirov 2007; Lyons
    2013): sqrt(sum (p_ab - p_a p_b)^2 / sqrt(spread spread)). 0 for independent columns, 1 if each value of one has its
    own value of the other, |phi| for two yes/no columns. Noise of standard deviation sd adds sd^2 a cell to the sum,
    which is taken off; that the shares of single columns are noisy too is neglected, as they are far more exact.
    """
    scale = math.sqrt(spread(above) * spread(below))
    if scale <= 0:
        return 0.0, 0.0
    raw = float(((pair - np.outer(above, below)) ** 2).sum())
    square = raw - pair.size * sd**2
    error = Z95 * math.sqrt(2 * pair.size * sd**4 + 4 * sd**2 * max(square, 0.0))
    low, middle, high = (
        math.sqrt(min(1.0, max(0.0, each) / scale)) for each in (square - error, square, square + error)
    )
    return middle, max(high - middle, middle - low)
