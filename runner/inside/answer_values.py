"""Tell apart what `main` may return, and turn values into JSON's types."""

import dataclasses
import enum
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

tables: Any = __import__("answer_tables")

MOST_DIGITS = 40
"""Digits of a whole number that the gate allows in JSON."""
LONGEST_KEY = 1_000
LISTS = ("dict_keys", "dict_values", "range", "deque")
FRAMES = ("DataFrame", "Series", "Index", "Styler")
POLARS = ("DataFrame", "LazyFrame", "Series")
ARROW = ("Table", "RecordBatch", "Array", "ChunkedArray")


def is_from(value: Any, *libraries: str) -> bool:
    """Whether the value is of a class of one of these libraries, or of a class derived from one."""
    return any(base.__module__.partition(".")[0] in libraries for base in type(value).__mro__)


def _is_a(value: Any, library: str, names: Collection[str]) -> bool:
    return any(
        base.__name__ in names and base.__module__.partition(".")[0] == library
        for base in type(value).__mro__
    )


def is_table(value: Any) -> bool:
    """Whether this becomes a table: up to two dimensions, with or without names."""
    if _is_a(value, "pandas", (*FRAMES, "ExtensionArray")) or _is_a(value, "polars", POLARS):
        return True
    if _is_a(value, "pyarrow", ARROW):
        return True
    if is_from(value, "scipy") and hasattr(value, "toarray"):
        return True
    return is_from(value, "numpy") and 1 <= getattr(value, "ndim", 0) <= 2


def unstyled(value: Any) -> Any:
    """Return the table behind a styled table, a sparse matrix or an array of pandas."""
    if _is_a(value, "pandas", ("Styler",)):
        return value.data
    if _is_a(value, "pandas", ("ExtensionArray",)):
        import pandas  # noqa: ICN001, PLC0415

        return pandas.Series(value)
    return value.toarray() if is_from(value, "scipy") else value


def document(value: Any) -> str | None:
    """Return the text of a summary, as statsmodels makes them; None for anything else."""
    if not is_from(value, "statsmodels"):
        return None
    if not hasattr(value, "as_text") and callable(getattr(value, "summary", None)):
        value = value.summary()
    if hasattr(value, "as_text"):
        return str(value.as_text())
    return None


def as_mapping(value: Any) -> Any:
    """Return a value that names its parts (a named tuple, a dataclass) as a dict; any other as it is."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: getattr(value, name) for name in value._fields}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return list(value) if isinstance(value, Iterator) else value


def plain(value: Any) -> Any:
    """Return the value in JSON's types; missing values and infinities become null. Raises TypeError."""
    value = as_mapping(value)
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if value is None or isinstance(value, (str, bool, int, float)):
        return _simple(value)
    if isinstance(value, Mapping):
        return _object(value, value.values())
    if isinstance(value, (set, frozenset)):
        return sorted(map(plain, value), key=_order)
    if isinstance(value, (list, tuple)) or type(value).__name__ in LISTS:
        return [plain(item) for item in value]
    return _of_library(value)


def _simple(value: Any) -> Any:
    """Return one of JSON's own types, as one that JSON can hold."""
    if isinstance(value, str):
        return tables.readable(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value) if abs(value) < 10**MOST_DIGITS else str(value)
    return value


def _order(item: Any) -> tuple[bool, Any]:
    """Sort key for a set: the same in each run, whatever types it mixes."""
    number = isinstance(item, (int, float))
    return not number, item if number else str(item)


def _object(names: Iterable[Any], items: Iterable[Any]) -> dict[str, Any]:
    keys = tables.distinct(map(tables.label, names), LONGEST_KEY)
    return dict(zip(keys, map(plain, items), strict=True))


def _of_library(value: Any) -> Any:
    if tables.is_missing(value) and not hasattr(value, "__len__"):
        return None
    if is_table(value):
        return _of_table(unstyled(value))
    if (text := document(value)) is not None:
        return text
    if is_from(value, "numpy"):
        return _of_numpy(value)
    if hasattr(value, "as_py"):
        return plain(value.as_py())
    return _scalar(value)


def _of_table(value: Any) -> Any:
    """Return a column as a list, or by its labels if it has any; a table as a list of rows."""
    if is_from(value, "numpy"):
        return _of_numpy(value)
    columns = tables.columns_of(value)
    if _is_a(value, "pandas", ("Series",)):
        if tables.is_numbered(value.index):
            return [plain(item) for item in value]
        if value.index.is_unique:
            return _object(value.index, value)
    elif len(columns) == 1 and not hasattr(value, "columns"):
        return [next(iter(row.values())) for row in tables.records(columns, plain)]
    return tables.records(columns, plain)


def _of_numpy(value: Any) -> Any:
    """Return an array as lists and a scalar as one value. Dates are text, because NumPy makes numbers of some."""
    if value.dtype.kind in "mM":
        value = value.astype(str)
        return (
            plain([None if text == "NaT" else text for text in value])
            if value.ndim == 1
            else plain(value.tolist())
        )
    return plain(value.tolist() if value.dtype.kind != "V" or value.ndim else value.item())


def _scalar(value: Any) -> Any:
    """Return a value of the standard library or of pandas: a number if it is one, or else its text."""
    kind = type(value).__name__
    if kind in ("Decimal", "Fraction"):
        return plain(float(value))
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "backslashreplace")
    if hasattr(value, "isoformat") and not hasattr(value, "components"):
        return value.isoformat()
    if kind in ("complex", "timedelta", "Timedelta", "Period", "Interval", "UUID", "PosixPath"):
        return str(value)
    raise TypeError(
        f"main() returned a {kind}, which cannot be written. Return tables, numbers, text or pictures."
    )
