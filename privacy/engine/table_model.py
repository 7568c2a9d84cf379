"""From noisy tables to a model of a whole table. All of this is post-processing: no row can be reached from here.

The model is a tree of columns: each column follows its parent, and given its parent it is independent of everything
above. Of all trees the one with the largest gain is taken, as in AIM (McKenna, Mullins, Sheldon and Miklau, AIM: an
adaptive and iterative mechanism for differentially private synthetic data, VLDB 2022): how far a noisy pair is from
independent columns in L1, minus what noise alone would add in both passes, sqrt(2/pi) sigma a cell.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from privacy.engine.measure.evaluate import Floats
from privacy.engine.measure.tables import Pair
from privacy.engine.plan.pricing import Z95
from privacy.engine.plan.tables import FOCUS, TablePlan

ROUNDS = 60
"""Rounds of proportional fitting of a pair to the shares of its columns."""
Shares = tuple[Floats, Floats]
"""Shares of the parts of a column, and the standard deviation of each. Both of shape (parts,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyTable:
    """People in each cell, with noise of standard deviation `sd`. `people`: shape (parts,) or (parts, parts)."""

    columns: Pair
    people: Floats
    sd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """What the child has, given the part of its parent: `shares` (parent's parts, child's parts), rows add up to 1.

    `counted`: whether the pair was worth its noise. Otherwise the child is independent, and all rows are the same.
    """

    parent: int
    child: int
    shares: Floats
    counted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A tree in drawing order. `shares`: of each column's parts."""

    root: int
    edges: tuple[Edge, ...]
    shares: tuple[Floats, ...]

    def pairs(self) -> dict[Pair, Floats]:
        """Return the shares of the cells of each pair of columns, the first column by rows."""
        known = [self.root]
        found: dict[Pair, Floats] = {}
        for edge in self.edges:
            for column in known:
                if column == edge.parent:
                    joint = self.shares[column][:, None] * edge.shares
                else:
                    between = found[min(column, edge.parent), max(column, edge.parent)]
                    joint = (between if column < edge.parent else between.T) @ edge.shares
                pair = (min(column, edge.child), max(column, edge.child))
                found[pair] = joint if column < edge.child else joint.T
            known.append(edge.child)
        return found


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
    plan: TablePlan, tables: Sequence[NoisyTable], shares: Sequence[Shares], people: float, sd_again: float
) -> list[tuple[int, int, float]]:
    """Return the (parent, child, gain) of the spanning tree with the largest gain, in drawing order.

    `sd_again`: the noise in each cell of a pair if a whole tree is counted in the second pass. Pairs with the focus
    count FOCUS times. A gain of 0 or less: the pair is not worth its noise.
    """
    gains = np.full((len(plan.columns),) * 2, -math.inf)
    for table in tables:
        one, other = table.columns
        if other is None:
            continue
        alone = people * np.outer(shares[one][0], shares[other][0])
        noise = math.sqrt(2 / math.pi) * table.people.size * (table.sd + sd_again)
        gain = float(np.abs(table.people - alone).sum()) - noise
        if plan.focus in table.columns and gain > 0:
            gain *= FOCUS
        gains[one, other] = gains[other, one] = gain
    known, edges = [plan.focus or 0], []
    while len(known) < len(plan.columns):
        rest = [column for column in range(len(plan.columns)) if column not in known]
        among = gains[np.ix_(known, rest)]
        parent, child = np.unravel_index(int(among.argmax()), among.shape)
        edges.append((known[parent], rest[child], float(among[parent, child])))
        known.append(rest[child])
    return edges


def combined(columns: Pair, tables: Sequence[NoisyTable]) -> NoisyTable:
    """Return the mean of all tables of these columns, by precision."""
    mine = [table for table in tables if table.columns == columns]
    precision = sum(1 / table.sd**2 for table in mine)
    people = np.sum([table.people / table.sd**2 for table in mine], axis=0) / precision
    return NoisyTable(columns=columns, people=people, sd=1 / math.sqrt(precision))


def follow(table: Floats, above: Floats, below: Floats) -> Floats:
    """Return the shares of the child's parts given each part of its parent, from noisy shares of their pair.

    `table`, and what is returned: shape (parent's parts, child's parts). The pair is fitted to the shares of both
    columns by proportions (Deming and Stephan 1940), so that all pairs of a column agree on it.
    """
    fitted = on_simplex(table)
    fitted += np.outer(above, below) * 1e-6  # so that no part that somebody has is out of reach
    for _ in range(ROUNDS):
        fitted *= _ratio(below, fitted.sum(axis=0))
        fitted *= _ratio(above, fitted.sum(axis=1))[:, None]
    rows = fitted.sum(axis=1, keepdims=True)
    return np.where(rows > 0, fitted / np.where(rows > 0, rows, 1.0), below)


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
