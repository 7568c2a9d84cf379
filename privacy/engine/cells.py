"""The cell accountant: what a query may cost a subject at the worst, told apart by public facts about the subject.

Columns declared constant within a subject cut the subjects into public cells. A query whose filter can only hold in
some cells charges those alone (parallel composition made adaptive; McSherry, PINQ, SIGMOD 2009, theorem 4).
Worst-case units depend on the query and on declarations only, so they may be shown, and a refusal that follows from
them tells nothing about rows. While no cell's worst case passes the cap, no subject's own filter can have fired,
because what a subject is charged is at most the worst case of its cell, rounded the same way.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from privacy.engine.contributions import CAP, Integers
from privacy.engine.evaluate import Bools
from privacy.engine.expressions import And, In, Not, Or, Predicate
from privacy.engine.schema import TableSpec

MAX_DOMAIN = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """The public cells: the product of the values of `columns`. Nulls make a value of their own, the last one."""

    columns: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(labels) + 1 for labels in self.labels)

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def domain_of(table: TableSpec) -> Domain:
    """The cells of a table: its constant columns in order of name, as many as stay within MAX_DOMAIN cells."""
    columns: list[str] = []
    size = 1
    for name in sorted(table.columns):
        spec = table.columns[name]
        if spec.constant and spec.is_key and size * (len(spec.labels) + 1) <= MAX_DOMAIN:
            columns.append(name)
            size *= len(spec.labels) + 1
    return Domain(columns=tuple(columns), labels=tuple(table.columns[name].labels for name in columns))


def touched(where: Predicate | None, domain: Domain) -> Bools:
    """The cells in which some row could pass the filter. Shape (domain.size,)."""
    if where is None:
        return np.ones(domain.size, dtype=np.bool_)
    return np.broadcast_to(_possible(where, domain, holds=True), domain.shape).reshape(-1)


def _possible(node: Predicate, domain: Domain, *, holds: bool) -> Bools:
    """Where the predicate could be true (holds) or could be false (not holds); broadcastable to domain.shape."""
    match node:
        case In(column, values) if column in domain.columns:
            axis = domain.columns.index(column)
            row = np.array([(label in values) == holds for label in domain.labels[axis]] + [False])
            return row.reshape([-1 if k == axis else 1 for k in range(len(domain.columns))])
        case And(parts):
            return _combine([_possible(part, domain, holds=holds) for part in parts], every=holds)
        case Or(parts):
            return _combine([_possible(part, domain, holds=holds) for part in parts], every=not holds)
        case Not(of):
            return _possible(of, domain, holds=not holds)
        case _:
            return np.ones([1] * len(domain.columns), dtype=np.bool_)


def _combine(parts: Sequence[Bools], *, every: bool) -> Bools:
    total = parts[0]
    for part in parts[1:]:
        total = total & part if every else total | part
    return total


def fits(spent: Integers, cells: Bools, units: int) -> bool:
    """Whether `units` more in these cells keep each worst case within the cap. `spent`: shape (domain.size,)."""
    return bool(units <= CAP and (int(spent[cells].max(initial=0)) + units <= CAP))
