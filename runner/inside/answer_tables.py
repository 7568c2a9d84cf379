"""Turn what pandas, polars, NumPy and pyarrow call tables into columns that a Parquet file and the gate can hold.

Values that have no type there, such as intervals or a mixture of numbers and words, are written as text.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

Columns = list[tuple[object, Any]]
"""The names of columns with their values: pandas Series, or arrays of pyarrow."""
LONGEST_NAME = 200
ZONE = re.compile(r"[A-Za-z]+(?:[/_+-][A-Za-z0-9]+)*|[+-]\d\d:\d\d")


def write(columns: Columns, path: str, plain: Callable[[Any], Any]) -> None:
    """Write columns as Parquet. `plain` turns values that contain others into JSON's types."""
    import pyarrow  # noqa: ICN001, PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    names = distinct(label(name) for name, _ in columns)
    arrays = [_array(values, plain) for _, values in columns]
    parquet.write_table(pyarrow.table(arrays, names=names), path)


def columns_of(value: Any) -> Columns:
    """Return the columns of a table, a series, an index or an array, with row labels as columns before the others."""
    library = type(value).__module__.partition(".")[0]
    if library == "polars":
        return _of_polars(value)
    if library == "pyarrow":
        return _of_arrow(value)
    if hasattr(value, "columns"):
        return [*_labels(value.index, always=not len(value.columns)), *_cells(value)]
    if hasattr(value, "get_level_values"):
        return _labels(value, always=True)
    if hasattr(value, "index") and hasattr(value, "iloc"):
        return [*_labels(value.index), ("value" if value.name is None else value.name, value)]
    return _of_array(value)


def is_numbered(index: Any) -> bool:
    """Whether the labels of rows say nothing: 0, 1, 2 and so on, without a name."""
    plain = type(index).__name__ == "RangeIndex" and index.name is None
    return bool(plain and index.start == 0 and index.step == 1)


def _labels(index: Any, *, always: bool = False) -> Columns:
    if is_numbered(index) and not always:
        return []
    many = index.nlevels > 1
    names = [
        name if name is not None else f"level_{at}" if many else "index"
        for at, name in enumerate(index.names)
    ]
    return [(name, _series(index.get_level_values(at))) for at, name in enumerate(names)]


def _series(values: Any) -> Any:
    """Return values as a series of their own type, without a guess at what objects could be."""
    import pandas  # noqa: ICN001, PLC0415

    return pandas.Series(values, dtype=object if values.dtype == object else None)


def _cells(frame: Any) -> Columns:
    return [(name, frame.iloc[:, at]) for at, name in enumerate(frame.columns)]


def _of_array(value: Any) -> Columns:
    """Return the columns of an array with one or two dimensions, or of one with named fields."""
    if hasattr(value, "mask") and hasattr(value, "filled"):
        value = value.astype(object).filled(None)
    if getattr(value.dtype, "names", None):
        return [(name, _series(value[name].ravel())) for name in value.dtype.names]
    if value.ndim == 1:
        return [("value", _series(value))]
    return [(f"c{number}", _series(value[:, number])) for number in range(value.shape[1])]


def _of_polars(value: Any) -> Columns:
    if hasattr(value, "collect"):
        value = value.collect()
    if not hasattr(value, "get_columns"):
        value = value.to_frame()
    return [
        (series.name, series if str(series.dtype) == "Object" else series.to_arrow())
        for series in value.get_columns()
    ]


def _of_arrow(value: Any) -> Columns:
    if hasattr(value, "column_names"):
        return list(zip(value.column_names, value.columns, strict=True))
    if hasattr(value, "schema"):
        return list(zip(value.schema.names, value.columns, strict=True))
    return [("value", value)]


# Values


def _array(values: Any, plain: Callable[[Any], Any]) -> Any:
    """Return values as an array of a plain type; as text if they have none."""
    import pyarrow  # noqa: ICN001, PLC0415

    if not hasattr(values, "to_pylist"):
        try:
            values = _as_arrow(values)
        except (pyarrow.ArrowException, TypeError, ValueError, OverflowError, NotImplementedError):
            return pyarrow.array([text_of(item, plain) for item in values], pyarrow.string())
    if not _is_plain(values.type):
        return pyarrow.array([text_of(item, plain) for item in values.to_pylist()], pyarrow.string())
    if pyarrow.types.is_timestamp(values.type) and values.type.tz and not ZONE.fullmatch(values.type.tz):
        return values.cast(pyarrow.timestamp(values.type.unit, "UTC"))
    return values


def _as_arrow(values: Any) -> Any:
    """Return a series as an array. Raises one of several exceptions if its values have no type in common."""
    import pyarrow  # noqa: ICN001, PLC0415

    kind = str(values.dtype)
    if kind.startswith(("period", "interval")):
        raise TypeError(kind)
    if kind == "category":
        categories = _as_arrow(values.cat.categories.to_series())
        if not _is_plain(categories.type):
            raise TypeError(kind)
        codes = values.cat.codes
        indices = pyarrow.array(codes.to_numpy(), mask=(codes < 0).to_numpy())
        return pyarrow.DictionaryArray.from_arrays(indices, categories).dictionary_decode()
    if kind.startswith("Sparse"):
        values = values.sparse.to_dense()
    return pyarrow.array(values, from_pandas=True)


def _is_plain(kind: Any) -> bool:
    """Whether the gate takes cells of this type. It has the same list, which decides."""
    import pyarrow  # noqa: ICN001, PLC0415

    types = pyarrow.types
    if types.is_dictionary(kind):
        return _is_plain(kind.value_type)
    tests = (
        types.is_boolean, types.is_integer, types.is_floating, types.is_decimal, types.is_string, types.is_large_string,
        types.is_string_view, types.is_date, types.is_timestamp, types.is_time, types.is_duration, types.is_null,
    )  # fmt: skip
    return any(test(kind) for test in tests)


def text_of(value: Any, plain: Callable[[Any], Any]) -> str | None:
    """Return a cell as text, None for a missing one."""
    if is_missing(value):
        return None
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, (dict, list, tuple, set, frozenset)) or hasattr(value, "tolist"):
        value = plain(value)
        value = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return readable(str(value))


def is_missing(value: Any) -> bool:
    """Whether this is a missing value of Python, NumPy or pandas."""
    if value is None or type(value).__name__ in ("NAType", "NaTType", "MaskedConstant"):
        return True
    try:
        return bool(value != value)  # noqa: PLR0124 NaN
    except (TypeError, ValueError):
        return False


# Names


def label(name: Any) -> str:
    """Return the name of a column, a row or an entry as one text."""
    if isinstance(name, tuple):
        return " ".join(filter(None, map(label, name)))
    if is_missing(name):
        return "missing"
    text = name.isoformat() if hasattr(name, "isoformat") and not hasattr(name, "components") else str(name)
    return readable(text)


def readable(text: str) -> str:
    """Return the text without halves of surrogate pairs, which no file can hold."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def distinct(names: Iterable[str], longest: int = LONGEST_NAME) -> list[str]:
    """Return names of which none is empty, too long, or the same as another one to a reader."""
    found: list[str] = []
    taken: set[str] = set()
    for number, name in enumerate(names, start=1):
        short = unicodedata.normalize("NFC", " ".join(name.split()))[: longest - 10] or f"column {number}"
        found.append(next(each for each in _numbered(short) if each not in taken))
        taken.add(found[-1])
    return found


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 1
    while True:
        number += 1
        yield f"{name} ({number})"


def records(columns: Columns, plain: Callable[[Any], Any]) -> list[dict[str, Any]]:
    """Return the rows of a table as JSON objects."""
    names = distinct(label(name) for name, _ in columns)
    cells: Sequence[list[Any]] = [
        [plain(item) for item in (values.to_pylist() if hasattr(values, "to_pylist") else values)]
        for _, values in columns
    ]
    return [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]
