"""Synthetic tables: two passes over people with noise, and the model that follows from them.

`of_people` reads rows, `_noisy` draws noise on what it counted, and everything after that works on noisy tables
(`table_model`): which pairs are counted again follows from the noisy tables of the first pass alone.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from privacy.engine.figures import Figure, FigureLine, TableFigures
from privacy.engine.measure.contributions import FREE, ONE, Integers
from privacy.engine.measure.evaluate import Bools, Rows
from privacy.engine.measure.mechanisms import add_noise
from privacy.engine.measure.tables import Column, Pair, count, first_rows
from privacy.engine.plan.pricing import Z95, joined_sigma
from privacy.engine.plan.tables import FIRST, SECOND, ColumnParts, TablePlan
from privacy.engine.synthetic_rows import draw_parts
from privacy.engine.table_model import (
    NoisyTable,
    Step,
    association,
    combined,
    fit,
    people_in,
    shares_of,
    tree_of,
    with_second_columns,
)

DIGITS = 6
"""Decimals of the shares that are released: far finer than any noise."""
DRAWN = 50_000
"""Rows that are drawn to tell how strongly pairs of columns hang together in the synthetic table."""
Count = Callable[[Sequence[Pair]], list[Integers]]
"""(which tables) -> the exact number of people in each cell of each."""


def of_people(
    plan: TablePlan, rows: Rows, offsets: Integers, kept: Bools, price: tuple[int, int]
) -> tuple[npt.NDArray[Any], Callable[[int, Bools | None], TableFigures]]:
    """Measure a synthetic table: (everybody's charge for all releases, the release).

    Everybody with a kept row pays for a vector as long as the clip, whatever the row holds. At the price FREE, charges
    are squared norms of that length.
    """
    first = first_rows(offsets, kept)
    worst_case, releases = price
    full = ONE * ONE if price == FREE else worst_case * releases
    charged = np.where(first >= 0, full, 0).astype(np.int64 if price == FREE else np.uint32)

    def release(sigma: int, active: Bools | None) -> TableFigures:
        flags = first >= 0 if active is None else (first >= 0) & active
        return _released(plan, counter(plan, rows, first[flags]), sigma)

    return charged, release


def counter(plan: TablePlan, rows: Rows, people: Integers) -> Count:
    """Return a function that counts people. `people`: the row with which each of them counts."""
    columns = [column_of(column) for column in plan.columns]
    return lambda tables: count(rows, people, columns, tables)


def column_of(column: ColumnParts) -> Column:
    """Return how rows are sorted into the parts of a column."""
    inner = None if column.labels else np.array(column.edges[1:-1], dtype=np.float64)
    return Column(name=column.name, values=column.values, inner=inner, missing=column.missing)


def first_pass(plan: TablePlan) -> tuple[list[Pair], list[int]]:
    """Return the tables of the first pass and what a person adds to each, in units."""
    single, pair = plan.weights
    return [*plan.singles, *plan.pairs], [single] * len(plan.singles) + [pair] * len(plan.pairs)


def second_pass(plan: TablePlan, chosen: Sequence[Pair]) -> tuple[list[Pair], list[int]]:
    """Return the same of the second pass: the chosen pairs or, if none is worth its noise, all columns."""
    tables = list(chosen or plan.singles)
    return tables, [plan.again(len(tables))] * len(tables)


def _released(plan: TablePlan, counted: Count, sigma: int) -> TableFigures:
    tables, weights = first_pass(plan)
    first = _noisy(tables, weights, counted(tables), joined_sigma(sigma, FIRST))
    sigma_again = joined_sigma(sigma, SECOND)
    steps = _steps(plan, first, sigma_again / plan.again(max(1, 2 * len(plan.columns) - 3)))
    tables, weights = second_pass(plan, [pair for step in steps for pair in step.pairs])
    return _figures(plan, [*first, *_noisy(tables, weights, counted(tables), sigma_again)], steps)


def _steps(plan: TablePlan, first: Sequence[NoisyTable], sd_again: float) -> list[Step]:
    """Choose what each column follows, from the noisy tables of the first pass."""
    people, _ = people_in(first)
    shares = [each for each, _ in shares_of(plan, first, people)]
    tree = tree_of(plan, first, shares, people, sd_again)
    return with_second_columns(plan, first, shares, people, sd_again, tree)


def _noisy(
    tables: Sequence[Pair], weights: Sequence[int], counts: Sequence[Integers], sigma: int
) -> list[NoisyTable]:
    """Draw noise on one vector: people in each cell of each table, times the table's weight in units."""
    units = [each * weight for each, weight in zip(counts, weights, strict=True)]
    noisy = add_noise(np.concatenate([each.ravel() for each in units]), sigma)
    parts = np.split(noisy, np.cumsum([each.size for each in units])[:-1])
    return [
        NoisyTable(columns=columns, people=part.reshape(each.shape) / weight, sd=sigma / weight)
        for columns, part, each, weight in zip(tables, parts, units, weights, strict=True)
    ]


def _figures(plan: TablePlan, tables: Sequence[NoisyTable], steps: Sequence[Step]) -> TableFigures:
    people, people_sd = people_in(tables)
    found = shares_of(plan, tables, people)
    shares = [each for each, _ in found]
    pairs = {pair: combined(pair, tables) for pair in combinations(range(len(plan.columns)), 2)}
    given = fit(steps, {pair: noisy.people / people for pair, noisy in pairs.items()}, shares)
    lines = [
        FigureLine(key=(column.name, words), figures=(_share(share, sd, people_sd / people),))
        for column, (each, sds) in zip(plan.columns, found, strict=True)
        for words, share, sd in zip(column.words, each, sds, strict=True)
    ]
    root = plan.focus or 0
    table = {
        "people": people,
        "people_error": Z95 * people_sd,
        "focus": None if plan.focus is None else plan.columns[plan.focus].name,
        "columns": [described(column) for column in plan.columns],
        "root": root,
        "shares": _rounded(shares[root]),
        "tree": [
            {"parent": step.parent, "beside": step.beside, "child": step.child, "shares": _rounded(below)}
            for step, below in zip(steps, given, strict=True)
        ],
    }
    chosen = {pair for step in steps for pair in step.pairs}
    table["pairs"] = [
        _told(pair, noisy, shares, people, kept) | {"in_tree": pair in chosen}
        for (pair, noisy), kept in zip(pairs.items(), _drawn_pairs(plan, table, pairs), strict=True)
    ]
    return TableFigures(by=("column", "value"), lines=tuple(lines), table=table)


def _share(share: float, sd: float, people_error: float) -> Figure:
    """The number of people is noisy too: it moves a share by its own part."""
    error = Z95 * math.hypot(sd, share * people_error)
    return Figure(name="share", value=round(float(share), DIGITS), half_width=error)


def described(column: ColumnParts) -> dict[str, Any]:
    """Return a column as an answer tells it, which `synthetic_rows` draws from."""
    return {
        "name": column.name,
        "kind": str(column.kind),
        "edges": list(column.edges),
        "labels": list(column.labels),
        "decimals": column.decimals,
        "missing": column.missing,
        "unit": column.unit,
    }


def _rounded(shares: npt.NDArray[np.float64]) -> list[Any]:
    rounded: list[Any] = np.round(shares, DIGITS).tolist()
    return rounded


def _drawn_pairs(
    plan: TablePlan, table: dict[str, Any], pairs: Iterable[tuple[int, int]]
) -> Iterator[npt.NDArray[np.float64]]:
    """Yield the shares of the cells of each pair in DRAWN rows of the synthetic table."""
    parts = draw_parts(table, DRAWN, np.random.default_rng(0))
    for one, other in pairs:
        shape = plan.sizes[one], plan.sizes[other]
        counts = np.bincount(parts[one] * shape[1] + parts[other], minlength=shape[0] * shape[1])
        yield counts.reshape(shape) / DRAWN


def _told(
    pair: tuple[int, int],
    noisy: NoisyTable,
    shares: Sequence[npt.NDArray[np.float64]],
    people: float,
    kept: npt.NDArray[np.float64],
) -> dict[str, Any]:
    """Return how strongly a pair of columns hangs together in the noisy tables and in the synthetic one."""
    one, other = (shares[column] for column in pair)
    measured, error = association(noisy.people / people, one, other, noisy.sd / people)
    by_drawing = 1 / math.sqrt(DRAWN * kept.size)
    return {
        "columns": list(pair),
        "measured": round(measured, DIGITS),
        "kept": round(association(kept, one, other, by_drawing)[0], DIGITS),
        "error": round(error, DIGITS),
    }
