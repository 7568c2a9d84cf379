"""Declared values of category and yes/no columns, and what columns that are not numbers offer instead."""

from __future__ import annotations

from typing import Any

from weir import operands
from weir.declarations import ColumnSpec, Kind, listed, nearest
from weir.errors import NotOffered


def label(value: Any, spec: ColumnSpec) -> str:
    """Return the declared value that a constant in code means. Raises NotOffered if there is none."""
    if operands.is_missing(value):
        raise NotOffered(f"“{spec.name}” cannot be compared with a missing value. {operands.MISSING}")
    found = written(value)
    if found not in spec.labels:
        raise NotOffered(
            f"“{found[:100]}” is not a declared value of “{spec.name}”.{nearest(found, spec.labels)} "
            f"Its values are {listed(spec.labels)}."
        )
    return found


def written(value: Any) -> str:
    """Return a literal as declared values are written: True is "1", 3.0 is "3"."""
    if isinstance(value, str):
        return value
    if hasattr(value, "__len__") or hasattr(value, "__iter__"):
        raise NotOffered(operands.LOCAL)
    found = operands.number(value, "The value")
    return str(int(found)) if found.is_integer() else repr(found)


def ordered(op: str, spec: ColumnSpec, value: float) -> list[str]:
    """Return the declared values for which a comparison with a number holds, if all of them are numbers."""
    compare = {"<": float.__lt__, "<=": float.__le__, ">": float.__gt__, ">=": float.__ge__}[op]
    try:
        found = [label for label in spec.labels if compare(float(label), value)]
    except ValueError as text:
        raise NotOffered(
            f"The values of “{spec.name}” have no order. Compare with == or !=, or use .isin([…])."
        ) from text
    if not found:
        raise NotOffered(f"No declared value of “{spec.name}” is {op} {value:g}.")
    return found


def not_a_number(spec: ColumnSpec | None) -> str:
    kind = spec.kind if spec else Kind.OTHER
    if kind == Kind.CATEGORY:
        return (
            "has categories, not numbers. Compare it with a declared value, group by it, or use .isin([…])."
        )
    if kind == Kind.TEXT:
        return "holds text, which conditions and arithmetic cannot use. Ask how many people have each: .value_counts()."
    if kind == Kind.DATE:
        return "holds dates. Only its quantiles can be asked: .median() or .quantile(0.9)."
    return "holds dates with times, which questions do not support yet. Submit code for review."
