"""Synthetic tables of mock rows: the same tree of columns as the portal makes, from exact counts.

On the portal a column can also follow a second one beside its parent. Here it follows its parent alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from weir import grammar as g
from weir import learning as le
from weir.declarations import ColumnSpec, Kind, day_text
from weir.errors import NotOffered
from weir.evaluation import holds
from weir.mock import figures
from weir.mock.rows import Integers, MockRows
from weir.mock.sums import counted_rows, people_of

Floats = npt.NDArray[np.float64]
FOCUS = 3
"""How many times a pair with the focus counts when the pairs are chosen."""


@dataclass(frozen=True)
class Parts:
    """A column in parts: declared values, or parts of a number from edge to edge, and one for missing values."""

    spec: ColumnSpec
    edges: tuple[float, ...] = ()
    decimals: int | None = None

    @property
    def values(self) -> int:
        return len(self.spec.labels) or len(self.edges) - 1

    @property
    def words(self) -> list[str]:
        """Each part in words."""
        found = list(self.spec.labels) or [self._between(part) for part in range(self.values)]
        return [*found, "missing"] if self.spec.nullable else found

    def _between(self, part: int) -> str:
        low, high = self.edges[part], self.edges[part + 1]
        if self.decimals is not None and part < self.values - 1:
            high = (round(high * 10.0**self.decimals) - 1) / 10.0**self.decimals
        first, last = (
            day_text(end) if self.spec.kind == Kind.DATE else figures.number(end) for end in (low, high)
        )
        return first if first == last else f"{first} to {last}"

    def of(self, numbers: npt.NDArray[Any], valid: npt.NDArray[np.bool_]) -> Integers:
        """Return the part of each value."""
        inner = np.asarray(self.edges[1:-1])
        places = numbers if self.spec.labels else np.searchsorted(inner, numbers, side="right")
        return np.where(valid, places, self.values).astype(np.int64)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.spec.name,
            "kind": self.spec.kind.value,
            "edges": list(self.edges),
            "labels": list(self.spec.labels),
            "decimals": self.decimals,
            "missing": self.spec.nullable,
            "unit": self.spec.unit,
        }


def synthetic(query: g.Query, data: MockRows) -> tuple[dict[str, Any], list[str]]:
    """Return the synthetic table of mock rows as JSON. Raises NotOffered where no mock row is kept."""
    measure = query.measure
    if not isinstance(measure, le.SyntheticTable):
        raise TypeError(type(measure).__name__)
    columns = [_parts(data.rows.table.columns[name], measure.bins) for name in measure.columns]
    cells = sum(len(one.words) * len(other.words) for one, other in combinations(columns, 2))
    if cells > le.MAX_TABLE_CELLS:
        raise NotOffered(
            f"The pairs of these columns have {cells:,} cells, and at most {le.MAX_TABLE_CELLS:,} can be counted. Use "
            "fewer columns, columns with fewer values, or fewer parts."
        )
    rows = _first_rows(query, data)
    if not len(rows):
        raise NotOffered("No mock row passes the condition, so there is nothing to make a table of.")
    placed = [_placed(column, data, rows) for column in columns]
    sizes = [len(column.words) for column in columns]
    shares = [np.bincount(each, minlength=size) / len(rows) for each, size in zip(placed, sizes, strict=True)]
    pairs = {
        (one, other): np.bincount(
            placed[one] * sizes[other] + placed[other], minlength=sizes[one] * sizes[other]
        ).reshape(sizes[one], sizes[other])
        / len(rows)
        for one, other in combinations(range(len(columns)), 2)
    }
    root = 0 if measure.focus is None else measure.columns.index(measure.focus)
    tree = _tree(pairs, shares, root, None if measure.focus is None else root)
    edges = [(parent, child, _given(pairs, parent, child, shares)) for parent, child in tree]
    keys, lines = _lines(columns, shares)
    return {
        **figures.result(["column", "value"], keys, lines),
        "table": {
            "people": float(len(rows)),
            "focus": measure.focus,
            "columns": [column.as_json() for column in columns],
            "root": root,
            "shares": shares[root].tolist(),
            "tree": [
                {"parent": parent, "beside": None, "child": child, "shares": given.tolist()}
                for parent, child, given in edges
            ],
            "pairs": _associations(pairs, shares, root, edges),
        },
    }, []


def _parts(spec: ColumnSpec, bins: int) -> Parts:
    """Cut a column into parts: values by themselves if there are at most `bins`, otherwise equal parts."""
    if spec.labels:
        return Parts(spec)
    if spec.lattice is None and spec.kind == Kind.NUMBER:
        width = spec.upper - spec.lower
        inner = [min(spec.lower + width * (part / bins), spec.upper) for part in range(bins)]
        return Parts(spec, (*inner, spec.upper) if width > 0 else (spec.lower, spec.upper))
    decimals = spec.lattice or 0
    first, last = (
        (math.ceil(spec.lower), math.floor(spec.upper))
        if decimals == 0
        else (round(end * 10.0**decimals) for end in (spec.lower, spec.upper))
    )
    many = last - first + 1
    parts = min(many, bins)
    starts = [first + -(-part * many // parts) for part in range(parts)]
    return Parts(spec, tuple(start / 10.0**decimals for start in (*starts, last)), decimals)


def _first_rows(query: g.Query, data: MockRows) -> Integers:
    """Return each person's first row that the condition keeps."""
    kept = np.flatnonzero(counted_rows(data, holds(query.where, data.rows)))
    return kept[np.unique(people_of(data)[kept], return_index=True)[1]].astype(np.int64)


def _placed(column: Parts, data: MockRows, rows: Integers) -> Integers:
    found = data.rows.columns[column.spec.name]
    return column.of(np.asarray(found.numbers)[rows], np.asarray(found.valid)[rows])


def _tree(
    pairs: dict[tuple[int, int], Floats], shares: Sequence[Floats], root: int, focus: int | None
) -> list[tuple[int, int]]:
    """Return (parent, child) of the spanning tree whose pairs are furthest from independent, in drawing order."""
    gains = {}
    for pair, joint in pairs.items():
        gain = float(np.abs(joint - np.outer(shares[pair[0]], shares[pair[1]])).sum())
        gains[pair] = gain * FOCUS if focus in pair else gain
    known, edges = [root], []
    while len(known) < len(shares):
        rest = [column for column in range(len(shares)) if column not in known]
        edge = max(
            ((parent, child) for parent in known for child in rest),
            key=lambda edge: gains[min(edge), max(edge)],
        )
        edges.append(edge)
        known.append(edge[1])
    return edges


def _given(pairs: dict[tuple[int, int], Floats], parent: int, child: int, shares: Sequence[Floats]) -> Floats:
    """Return the shares of the child's parts given each part of its parent; those of the column where nobody has it."""
    joint = pairs[parent, child] if parent < child else pairs[child, parent].T
    rows = joint.sum(axis=1, keepdims=True)
    return np.where(rows > 0, joint / np.where(rows > 0, rows, 1.0), shares[child])


def _lines(
    columns: Sequence[Parts], shares: Sequence[Floats]
) -> tuple[list[tuple[str, str]], list[figures.Pairs]]:
    keys, lines = [], []
    for column, each in zip(columns, shares, strict=True):
        for words, share in zip(column.words, each.tolist(), strict=True):
            keys.append((column.spec.name, words))
            lines.append([("share", share)])
    return keys, lines


def _associations(
    pairs: dict[tuple[int, int], Floats],
    shares: Sequence[Floats],
    root: int,
    edges: Sequence[tuple[int, int, Floats]],
) -> list[dict[str, Any]]:
    """Return how strongly each pair is associated, in the mock rows and in the model."""
    kept: dict[tuple[int, int], Floats] = {}
    known = [root]
    for parent, child, given in edges:
        for column in known:
            above = np.diag(shares[column]) if column == parent else kept[column, parent]
            kept[column, child] = above @ given
            kept[child, column] = kept[column, child].T
        known.append(child)
    tree = {frozenset(edge[:2]) for edge in edges}
    return [
        {
            "columns": list(pair),
            "measured": _association(joint, *(shares[column] for column in pair)),
            "kept": _association(kept[pair], *(shares[column] for column in pair)),
            "error": 0.0,
            "in_tree": frozenset(pair) in tree,
        }
        for pair, joint in pairs.items()
    ]


def _association(joint: Floats, one: Floats, other: Floats) -> float:
    """Return the distance correlation with a distance of 1 between different values, from 0 to 1."""
    spread = math.prod(float(((np.diag(each) - np.outer(each, each)) ** 2).sum()) for each in (one, other))
    square = float(((joint - np.outer(one, other)) ** 2).sum())
    return min(1.0, math.sqrt(square / math.sqrt(spread))) if spread > 0 else 0.0
