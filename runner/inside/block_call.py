"""Call submitted code on one block: a table with the declared types, and numbers or a label as its answer.

Runs in a block's child, in one process with the submitted code: whatever it returns is only a claim.
"""

import linecache
import marshal
import struct
import sys
import traceback
from collections.abc import Callable
from typing import Any

CODE = "/code.py"


def answer(job: dict[str, Any], area: Any) -> list[float]:
    """Return the block's numbers. Raises whatever the code raises, TypeError and ValueError."""
    main = _main(job["code"])
    state = () if job["state"] is None else (sys.modules["numpy"].frombuffer(job["state"]),)
    columns = _described(area)

    def call(half: int | None = None) -> list[float]:
        given = table(columns, area, half)
        returned = main(given, *state)
        return _vote(returned, job["labels"]) if job["labels"] else _numbers(returned, job["output_size"])

    if not job["halves"]:
        return call()
    return [2 * whole - (even + odd) / 2 for whole, even, odd in zip(call(), call(0), call(1), strict=True)]


def _main(source: str) -> Callable[..., object]:
    linecache.cache[CODE] = (len(source), None, source.splitlines(keepends=True), CODE)
    space: dict[str, Any] = {"__name__": "request", "__builtins__": __builtins__}
    exec(compile(source, CODE, "exec", dont_inherit=True), space)  # noqa: S102
    main: Callable[..., object] | None = space.get("main")
    if main is None:
        raise TypeError("The code defines no function main.")
    return main


def _numbers(returned: Any, size: int) -> list[float]:
    plain = returned.tolist() if hasattr(returned, "tolist") else returned
    found = [*plain] if isinstance(plain, (list, tuple)) else [plain]
    if len(found) != size:
        raise ValueError(f"main() returned {len(found):,} values; declared are {size:,}.")
    return [_number(value) for value in found]


def _number(value: Any) -> float:
    if isinstance(value, (str, bytes, bytearray)) or not hasattr(value, "__float__"):
        raise TypeError(f"main() returned a value of type {type(value).__name__} instead of a number.")
    number = float(value)
    if number - number != 0:
        raise ValueError(f"main() returned {number}, which is not a finite number.")
    return number


def _vote(returned: Any, labels: tuple[str, ...]) -> list[float]:
    if not isinstance(returned, str):
        raise TypeError(f"main() returned a value of type {type(returned).__name__} instead of a label.")
    if returned not in labels:
        raise ValueError(f"main() returned {returned[:100]!r}, which is not among the labels.")
    return [float(labels.index(returned))]


def _described(area: Any) -> list[tuple[Any, ...]]:
    (length,) = struct.unpack("=q", area[:8])
    described: list[tuple[Any, ...]] = marshal.loads(area[8 : 8 + length])  # by our own host
    return described


def table(columns: list[tuple[Any, ...]], area: Any, half: int | None = None) -> Any:
    """Return a block, or its people with even (0) or odd (1) numbers, as a DataFrame of its own.

    Each column: (name, kind, dtype, rows, offset of the values, of the flags of empty cells or -1, labels).
    """
    pandas: Any = sys.modules["pandas"]
    rows = None if half is None else _rows(columns, area, half)
    made = {}
    for name, kind, dtype, count, at, gaps_at, labels in columns:
        values = _cells(area, dtype, count, at, rows)
        gaps = None if gaps_at < 0 else _cells(area, "|b1", count, gaps_at, rows)
        if kind == "person" and half is not None:
            values //= 2
        made[name] = _column(kind, values, gaps, labels)
    count = len(next(iter(made.values()))) if made else 0
    return pandas.DataFrame(made, index=pandas.RangeIndex(count), copy=False)


def _rows(columns: list[tuple[Any, ...]], area: Any, half: int) -> Any:
    (people,) = (_cells(area, each[2], each[3], each[4], None) for each in columns if each[1] == "person")
    return people % 2 == half


def _cells(area: Any, dtype: str, count: int, at: int, rows: Any) -> Any:
    """Return a copy, as the code may write to it."""
    cells = sys.modules["numpy"].ndarray((count,), dtype, buffer=area, offset=at)
    return cells.copy() if rows is None else cells[rows]


def _column(kind: str, values: Any, gaps: Any, labels: tuple[str, ...]) -> Any:
    """Return a column with the type that the same column has in `main` of a run (arguments.py)."""
    pandas: Any = sys.modules["pandas"]
    if kind == "category":
        return pandas.Series(pandas.Categorical.from_codes(values, list(labels)))
    if kind == "whole" and gaps is not None:
        return pandas.Series(pandas.arrays.IntegerArray(values, gaps))
    if kind == "boolean" and gaps is not None:
        return pandas.Series(pandas.arrays.BooleanArray(values, gaps))
    if kind == "date":
        values = values.astype("<M8[ms]") if values.dtype == "<M8[D]" else values
    if kind in ("number", "date") and gaps is not None:
        values[gaps] = float("nan") if kind == "number" else "NaT"
    return pandas.Series(values)


def story(size: int) -> bytes:
    """Return the traceback of the exception being handled, from the author's own frames on, in at most `size` bytes."""
    kind, value, trace = sys.exc_info()
    while trace is not None and trace.tb_frame.f_code.co_filename != CODE:
        trace = trace.tb_next
    text = "".join(traceback.format_exception(kind, value, trace)).encode("utf-8", "backslashreplace")
    if len(text) <= size:
        return text
    part = (size - 5) // 2
    return text[:part] + b"\n...\n" + text[-part:]
