"""The cell accountant: the worst-case charge of a query, kept apart by public facts about the subjects.

Columns that are declared constant within a subject divide the subjects into public cells. A query whose filter can only
hold in some cells charges those cells alone (parallel composition, made adaptive; McSherry, PINQ, SIGMOD 2009,
theorem 4). Worst-case units depend only on the query and on declarations, so they may be shown, and a refusal based on
them reveals nothing about rows. While no cell's worst case exceeds the cap, no subject's own limit can have been
reached: a subject is charged at most the worst case of its cell, rounded the same way.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from privacy.engine.language.expressions import And, In, Not, Or, Predicate
from privacy.engine.language.schema import TableSpec
from privacy.engine.measure.contributions import CAP, Integers
from privacy.engine.measure.evaluate import Bools

MAX_DOMAIN = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """The public cells: the product of the values of `columns`, each with one more value, the last, for all others.

    A domain is fixed when the promise is made. Later revisions do not change it, whatever they declare.
    """

    columns: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(labels) + 1 for labels in self.labels)

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def domain_of(tables: Iterable[TableSpec]) -> Domain:
    """Build the domain of a dataset: its constant keys, by name, as many as fit into MAX_DOMAIN cells."""
    keys = {
        name: spec
        for table in tables
        for name, spec in table.columns.items()
        if spec.constant and spec.is_key
    }
    columns: list[str] = []
    size = 1
    for name in sorted(keys):
        if size * (len(keys[name].labels) + 1) <= MAX_DOMAIN:
            columns.append(name)
            size *= len(keys[name].labels) + 1
    return Domain(columns=tuple(columns), labels=tuple(keys[name].labels for name in columns))


def touched(where: Predicate | None, domain: Domain, table: TableSpec) -> Bools:
    """Return the cells in which some row of the table could pass the filter. Shape (domain.size,)."""
    if where is None:
        return np.ones(domain.size, dtype=np.bool_)
    constant = {name for name, spec in table.columns.items() if spec.constant}
    known = tuple(name if name in constant else "" for name in domain.columns)
    return np.broadcast_to(_possible(where, domain, known, holds=True), domain.shape).reshape(-1)


def _possible(node: Predicate, domain: Domain, known: tuple[str, ...], *, holds: bool) -> Bools:
    """Return where the predicate could be true (holds) or could be false (not holds); broadcasts to domain.shape."""
    match node:
        case In(column, values) if column in known:
            axis = known.index(column)
            labels = domain.labels[axis]
            elsewhere = not holds or any(value not in labels for value in values)
            row = np.array([*((label in values) == holds for label in labels), elsewhere])
            return row.reshape([-1 if k == axis else 1 for k in range(len(known))])
        case And(parts):
            return _combine([_possible(part, domain, known, holds=holds) for part in parts], every=holds)
        case Or(parts):
            return _combine([_possible(part, domain, known, holds=holds) for part in parts], every=not holds)
        case Not(of):
            return _possible(of, domain, known, holds=not holds)
        case _:
            return np.ones([1] * len(known), dtype=np.bool_)


def _combine(parts: Sequence[Bools], *, every: bool) -> Bools:
    total = parts[0]
    for part in parts[1:]:
        total = total & part if every else total | part
    return total


def fits(spent: Integers, cells: Bools, units: int, cap: int = CAP) -> bool:
    """Return whether `units` more in these cells keep each worst case within the cap. `spent`: shape (domain.size,)."""
    return bool(units <= CAP and (int(spent[cells].max(initial=0)) + units <= cap))
