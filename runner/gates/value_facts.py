"""Facts about JSON and texts for the output checks, in the shape of those about tables, so that the same rules apply.

A list is a column, and so is a value under a key of its own. A text's aligned lines are a table.
"""

import math
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from runner import mentions

SMALL = 1_000
"""Counts up to this are listed individually: no dataset's threshold is higher."""
MAX_NUMBERS = 5_000
MAX_COLUMNS = 5_000
MOST_LINES = 20_000
MANY_KEYS = 50
MOST_CELLS = 200
"""Cells of one line of a text that are looked at."""
KEYS = ".[keys]"
"""Ends the name of a column of keys."""
GAP = re.compile(r"\s{2,}|\t|\s*\|\s*")
WHOLE = re.compile(r"-?\d{1,15}")
DECIMAL = re.compile(r"-?\d*\.\d*(?:[eE][+-]?\d+)?|-?\d+[eE][+-]?\d+")
RULER = re.compile(r"[\s|:=+-]*")

Column = dict[str, object]
Leaf = tuple[str, str, object]
"""A value with its own path, and the path of its column, in which positions in lists are left out."""


def of_json(value: object) -> dict[str, Any]:
    """Return the facts about a JSON value."""
    columns: dict[str, list[object]] = {}
    places: dict[str, int] = {}
    numbers: list[list[object]] = []
    texts: list[str] = []
    for path, name, item in _leaves(value):
        if name in columns or len(columns) < MAX_COLUMNS:
            columns.setdefault(name, []).append(item)
            place = places.setdefault(name, len(places))
            if _is_number(item) and not name.endswith(KEYS) and len(numbers) < MAX_NUMBERS:
                numbers.append([path, item, place])
        if isinstance(item, str):
            texts.append(item)
    return {
        "kind": "json",
        "rows": _longest(value),
        "columns": [_column(name, items, _group(name)) for name, items in columns.items()],
        "numbers": numbers,
        **said(texts),
    }


def of_text(text: str) -> dict[str, Any]:
    """Return the facts about a text file."""
    columns: list[Column] = []
    cells: list[list[str]] = []
    for number, (names, block) in enumerate(_tables(text)):
        columns += _columns_of(names, block, f"text {number}")
        cells += block
    return {
        "kind": "text",
        "rows": len(text.splitlines()),
        "characters": len(text),
        "columns": columns[:MAX_COLUMNS],
        "cells": cells,
        **said([text]),
    }


def said(texts: Sequence[str]) -> dict[str, Any]:
    """Return what texts say of numbers and people, and how many of them a person has to read."""
    return {"said": mentions.found(texts), "prose": sum(map(mentions.is_prose, texts))}


# JSON


def _leaves(value: object) -> Iterator[Leaf]:
    """Yield the values at the ends, in order. Keys that are many numbers are a column, too: they may name people."""
    stack: list[tuple[str, str, object]] = [("", "", value)]
    while stack:
        path, name, item = stack.pop()
        if isinstance(item, dict):
            if len(item) >= MANY_KEYS and all(map(WHOLE.fullmatch, item)):
                yield from ((path, f"{name}{KEYS}", int(key)) for key in item)
            children = [(_joined(path, key), _joined(name, key), child) for key, child in item.items()]
            stack.extend(reversed(children))
        elif isinstance(item, list):
            inner = name.endswith("[]")  # a row as a list: its positions are columns
            children = [
                (f"{path}[{at}]", f"{name}.{at}" if inner else f"{name}[]", child)
                for at, child in enumerate(item)
            ]
            stack.extend(reversed(children))
        else:
            yield path, name, item


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _group(name: str) -> str:
    """Return what the columns of one table have in common. A column that is no list is a table of its own."""
    return name.rpartition("[]")[0] if "[]" in name else name


def _longest(value: object) -> int:
    stack, longest = [value], 0
    while stack:
        item = stack.pop()
        if isinstance(item, (dict, list)):
            longest = max(longest, len(item))
            stack.extend(item.values() if isinstance(item, dict) else item)
    return longest


def _is_number(item: object) -> bool:
    return isinstance(item, int | float) and not isinstance(item, bool)


def _column(name: str, items: Sequence[object], table: str) -> Column:
    """Return the facts about one column, as `table_facts` gathers them from a file."""
    present = [item for item in items if item is not None]
    numbers = [
        float(item) for item in present if isinstance(item, int | float) and not isinstance(item, bool)
    ]
    alone = bool(numbers) and len(numbers) == len(present)
    exact = all(isinstance(item, int) for item in present)
    kind = ("integer" if exact else "number") if alone else "text"
    found: Column = {
        "name": name,
        "type": kind,
        "nulls": len(items) - len(present),
        "distinct": len(set(map(str, present))),
        "rows": len(items),
        "table": table,
    }
    return found | (_extremes([number for number in numbers if math.isfinite(number)]) if alone else {})


def _extremes(numbers: Sequence[float]) -> Column:
    if not numbers:
        return {}
    low, high = min(numbers), max(numbers)
    whole = all(map(float.is_integer, numbers))
    found: Column = {"min": low, "max": high, "whole": whole}
    if whole and low >= 0:
        small = sorted(int(number) for number in numbers if 0 < number <= SMALL)
        found["small"] = [[value, len(list(times))] for value, times in groupby(small)]
    if low >= 0 and len(numbers) >= 3 and sum(numbers) > 0:
        found["top_two_share"] = sum(sorted(numbers)[-2:]) / sum(numbers)
    return found


# Text


def _tables(text: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Yield the tables that are drawn in a text, as names of columns and rows: lines in a row with as many cells, under
    a line of names if there is one."""
    lines = [line for line in text.splitlines()[:MOST_LINES] if RULER.fullmatch(line) is None]
    before: list[str] = []
    for (_, width), group in groupby(map(_cells, lines), key=lambda line: (line[0], len(line[1]))):
        block = [cells for _, cells in group]
        before, last = block[-1], before
        if width < 2:
            continue
        if not any(isinstance(_read(cell), int | float) for cell in block[0]):
            yield block[0], block[1:]
        else:
            yield ["", *last] if len(last) == width - 1 else [""] * width, block


def _cells(line: str) -> tuple[bool, list[str]]:
    """Return whether commas separate the cells of this line, and its cells."""
    stripped = line.strip().strip("|").strip()
    cells = GAP.split(stripped, MOST_CELLS)[:MOST_CELLS]
    if len(cells) > 1 or "," not in stripped:
        return False, cells
    return True, [cell.strip() for cell in stripped.split(",", MOST_CELLS)[:MOST_CELLS]]


def _columns_of(names: list[str], block: list[list[str]], table: str) -> Iterator[Column]:
    """Yield the facts about a drawn table's columns. After cells that end with a colon, each value is on its own."""
    for at, name in enumerate(names):
        values = [row[at] for row in block]
        labels = [row[at - 1] for row in block] if at else []
        if labels and all(label.endswith(":") for label in labels):
            yield from (
                _column(label, [_read(value)], f"{table} {label}")
                for label, value in zip(labels, values, strict=True)
            )
        elif values:
            yield _column(name, list(map(_read, values)), table)


def _read(cell: str) -> object:
    """Return a cell as a number if it is one. A number with a decimal point is not a whole one, whatever it is."""
    if WHOLE.fullmatch(cell):
        return int(cell)
    if DECIMAL.fullmatch(cell) and any(map(str.isdigit, cell)):
        return float(cell)
    return cell or None
