"""A reviewer sees the whole file: a message in any hiding place is removed, refused, or visible in the preview."""

import csv
import io
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runner.gates import previews, strict_json
from runner.gates.previews import Place
from runner.plain_text import cell as as_seen
from runner.plain_text import hidden
from tests.runner.gates import files
from tests.runner.gates.hiding_places import PLACES

pytestmark = pytest.mark.sandbox


@pytest.mark.parametrize(
    ("kind", "fate", "make"),
    [place[1:] for place in PLACES],
    ids=[f"{place[1]}: {place[0]}" for place in PLACES],
)
def test_a_message_is_gone_or_shown(out, environment, kind, fate, make):
    one, other = map(make, (True, False))
    assert one != other, "There is no message."
    out.write(f"one.{kind}", one)
    out.write(f"other.{kind}", other)
    out.collect()
    paths = [out.dest / f"one.{kind}", out.dest / f"other.{kind}"]
    if fate == "refused":
        assert {f"one.{kind}", f"other.{kind}"} <= set(out.refused)
        return
    assert out.refused == {}
    if fate == "gone":
        assert paths[0].read_bytes() == paths[1].read_bytes()
        return
    shown = [everything_shown(path, kind, environment) for path in paths]
    assert shown[0] != shown[1]
    for path, pages in zip(paths, shown, strict=True):
        assert is_all(path, kind, pages)


def under_nulls(payload: int) -> list[pa.Array]:
    """Numbers and text with a message in cells that are marked as null."""
    one = pa.py_buffer(b"\x01")
    numbers = pa.Array.from_buffers(
        pa.int64(), 2, [one, pa.py_buffer(np.array([7, payload], "int64").tobytes())]
    )
    ends = pa.py_buffer(np.array([0, 1, 3], "int32").tobytes())
    text = pa.Array.from_buffers(pa.string(), 2, [one, ends, pa.py_buffer(b"x%d" % payload)])
    return [numbers, text]


def test_parquet_itself_writes_no_values_under_nulls_and_no_unused_numbers():
    """Places in Arrow's memory that are not written to the file, neither by the author nor by us."""
    made = [files.parquet(pa.table(under_nulls(payload), names=["a", "b"])) for payload in (77, 42)]
    assert made[0] == made[1]
    unused = [
        pa.DictionaryArray.from_arrays(pa.array([0, 0]), pa.array([5, payload])) for payload in (77, 42)
    ]
    made = [files.parquet(pa.table({"a": column})) for column in unused]
    assert made[0] == made[1]
    days = [pa.array([payload, 0]).cast(pa.date64(), safe=False) for payload in (77, 42)]
    made = [files.parquet(pa.table({"a": column})) for column in days]
    assert made[0] == made[1]


def everything_shown(path: Path, kind: str, environment: Path) -> Any:
    """Everything that a reader sees who turns every page and opens every long cell."""

    def look(**place: Any) -> dict[str, Any]:
        model = previews.preview(path, kind, environment, Place(**place))
        assert model["kind"] != "none", model
        return model

    match kind:
        case "csv" if path.stat().st_size < TINY:
            return small_csv_shown(path)
        case "csv" | "parquet":
            return table_shown(look)
        case "png":
            parts = range(look()["parts"] + 1)
            return [look(part=part, contrast=contrast) for part in parts for contrast in (False, True)]
        case _:
            parts = range(1, look()["parts"] + 1)
            return "".join(look(part=part)["text"] for part in parts)


TINY = 200
"""A CSV that is shown whole on its first page, cell for cell: what the preview makes of its text is known."""


def small_csv_shown(path: Path) -> tuple[list[str], list[str], list[list[Any]]]:
    text = path.read_text(encoding="utf-8")
    assert not hidden(text)
    names, *rows = csv.reader(io.StringIO(text, newline=""))
    assert all(cell in (as_seen(cell), "'" + as_seen(cell[1:])) for row in (names, *rows) for cell in row)
    return names, [], [[repr(cell) for cell in row] for row in rows]


def table_shown(look: Any) -> tuple[list[str], list[str], list[list[Any]]]:
    """The names, types and cells of a table, put together from its pages."""
    first = look()
    rows = max(1, -(-first["total_rows"] // first["page_rows"]))
    columns = -(-first["total_columns"] // first["page_columns"])
    names: list[str] = []
    types: list[str] = []
    cells: list[list[Any]] = [[] for _ in range(first["total_rows"])]
    for right, down in itertools.product(range(columns), range(rows)):
        page = look(rows=down + 1, columns=right + 1)
        left, top = right * page["page_columns"], down * page["page_rows"]
        if down == 0:
            named = enumerate(page["columns"], start=left + 1)
            names += [whole(look, column["name"], 0, at) for at, column in named]
            types += [f"{column['type']} {column['exact']}" for column in page["columns"]]
        for number, row in enumerate(page["rows"], start=top):
            cells[number] += [
                whole(look, cell, number + 1, at) for at, cell in enumerate(row, start=left + 1)
            ]
    return names, types, [[repr(cell) for cell in row] for row in cells]


def whole(look: Any, cell: Any, row: int, column: int) -> Any:
    if not isinstance(cell, dict):
        return cell
    parts = look(cell=(row, column))["parts"]
    text = "".join(look(cell=(row, column), part=part)["text"] for part in range(1, parts + 1))
    assert len(text) == cell["characters"]
    return text


def is_all(path: Path, kind: str, shown: Any) -> bool:
    """Whether nothing of the file was left out on the pages."""
    match kind:
        case "csv":
            names, *rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
            return (names, [[repr(cell) for cell in row] for row in rows]) == (shown[0], shown[2])
        case "parquet":
            table = pq.ParquetFile(pa.BufferReader(path.read_bytes())).read()
            types = [typed.rpartition(" ")[2] if "[" not in typed else typed for typed in shown[1]]
            assert len(types) == table.num_columns
            return (shown[0], len(shown[2])) == (table.column_names, table.num_rows) and all(
                str(field.type) in typed for field, typed in zip(table.schema, shown[1], strict=True)
            )
        case "json":
            value = strict_json.parse(shown.encode())
            return strict_json.canonical(shown.encode()) == path.read_bytes() and json.dumps(value) != ""
        case "png":
            return len(shown) >= 2
        case _:
            return shown == path.read_text(encoding="utf-8")


def test_there_are_enough_hiding_places_of_each_kind():
    counts = {
        kind: sum(place[1] == kind for place in PLACES)
        for kind in ("csv", "json", "txt", "md", "png", "parquet")
    }
    assert min(counts.values()) >= 30, counts
