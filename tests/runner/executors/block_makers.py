"""Blocks of people for tests."""

from typing import Any

import numpy as np

from runner.contract import BlockColumn, ColumnKind


def column(values: Any, kind: ColumnKind = "number", **more: Any) -> BlockColumn:
    kinds = {"number": float, "date": None, "boolean": bool}
    return BlockColumn(values=np.array(values, kinds.get(kind, np.int64)), kind=kind, **more)


def numbers(count: int) -> list[dict[str, BlockColumn]]:
    """One person in each block, whose `x` is the block's number."""
    return [{"x": column([float(number)])} for number in range(count)]


def samples(count: int, rows: int = 50) -> list[dict[str, BlockColumn]]:
    """Random columns a, b and c and the people, of whom each has two rows."""
    found: list[dict[str, BlockColumn]] = []
    for number in range(count):
        drawn = np.random.default_rng(number).normal(size=(3, rows))
        block: dict[str, BlockColumn] = {
            name: column(values) for name, values in zip("abc", drawn, strict=True)
        }
        found.append(block | {"who": column(np.arange(rows) // 2, "person")})
    return found
