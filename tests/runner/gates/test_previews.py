"""Previews of output files, and the facts for their checks."""

import base64
import datetime as dt
import itertools
import json
from pathlib import Path

import pyarrow as pa
import pytest

from runner.gates import png, previews
from runner.gates.decode import Decoded
from tests.runner.gates import files

pytestmark = pytest.mark.sandbox


def kept(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_table_is_shown_as_plain_values(tmp_path, environment):
    table = pa.table(
        {
            "whole": [1, 2**60],
            "number": [1.5, float("inf")],
            "text": ["<b>x</b>", "y" * 400],
            "moment": pa.array(
                [dt.datetime(2026, 1, 1, tzinfo=dt.UTC), None], pa.timestamp("s", "Europe/Berlin")
            ),
            "long": pa.array([dt.timedelta(seconds=5), None], pa.duration("s")),
            "category": pa.array(["x", None]).dictionary_encode(),
            "yes": [True, None],
        }
    )
    shown = previews.preview(kept(tmp_path, "t.parquet", files.parquet(table)), "parquet", environment)
    assert shown == {
        "kind": "table",
        "columns": [
            {"name": "whole", "type": "integer", "exact": "int64"},
            {"name": "number", "type": "number", "exact": "double"},
            {"name": "text", "type": "text", "exact": "string"},
            {"name": "moment", "type": "datetime", "exact": "timestamp[ms, tz=Europe/Berlin]"},
            {"name": "long", "type": "duration", "exact": "duration[s]"},
            {"name": "category", "type": "text", "exact": "string"},
            {"name": "yes", "type": "boolean", "exact": "bool"},
        ],
        "rows": [
            [1, 1.5, "<b>x</b>", "2026-01-01 00:00:00.000Z", 5, "x", True],
            [str(2**60), "inf", {"text": "y" * 300, "characters": 400}, None, None, None, None],
        ],
        "total_rows": 2,
        "total_columns": 7,
        "page_rows": 500,
        "page_columns": 100,
    }


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_every_column_of_a_wide_table_can_be_looked_at(tmp_path, environment, kind):
    table = pa.table({f"c{n}": [1000 * n + row for row in range(250)] for n in range(120)})
    lines = [
        ",".join(map(str, line))
        for line in [table.column_names, *zip(*table.to_pydict().values(), strict=True)]
    ]
    content = files.parquet(table) if kind == "parquet" else "\n".join(lines)
    path = kept(tmp_path, f"t.{kind}", content)
    sizes = {}
    for rows, columns in itertools.product((1, 2, 3), (1, 2)):
        shown = previews.preview(path, kind, environment, previews.Place(rows=rows, columns=columns))
        assert (shown["total_rows"], shown["total_columns"]) == (250, 120)
        assert [column["name"] for column in shown["columns"]] == [
            f"c{n}" for n in range(100 * columns - 100, min(100 * columns, 120))
        ]
        assert int(shown["rows"][0][0]) == 100_000 * (columns - 1) + 100 * (rows - 1)
        sizes[rows, columns] = (len(shown["rows"]), len(shown["rows"][0]))
    assert sizes == {(1, 1): (100, 100), (2, 1): (100, 100), (3, 1): (50, 100)} | {
        (1, 2): (100, 20), (2, 2): (100, 20), (3, 2): (50, 20)
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_long_cell_can_be_read_to_its_end(tmp_path, environment, kind):
    text, name = "ab\u00fc" * 10_000, "n" * 150
    content = (
        files.parquet(pa.table({"a": [1, 2], name: ["", text]}))
        if kind == "parquet"
        else f"a,{name}\n1,\n2,{text}"
    )
    path = kept(tmp_path, f"t.{kind}", content)
    table = previews.preview(path, kind, environment)
    assert table["rows"][1][1] == {"text": text[:300], "characters": 30_000}
    cell = previews.preview(path, kind, environment, previews.Place(cell=(2, 2)))
    assert cell == {
        "kind": "cell", "row": 2, "column": 2, "text": text, "characters": 30_000, "part": 1, "parts": 1
    }  # fmt: skip
    assert previews.preview(path, kind, environment, previews.Place(cell=(0, 2)))["text"] == name
    for nowhere in ((3, 1), (1, 3)):
        answer = previews.preview(path, kind, environment, previews.Place(cell=nowhere))
        assert answer == {"kind": "none", "text": "There is no such cell."}


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_every_row_of_a_large_table_can_be_looked_at(tmp_path, environment, kind):
    numbers = list(range(700))
    content = (
        files.parquet(pa.table({"n": numbers})) if kind == "parquet" else "n\n" + "\n".join(map(str, numbers))
    )
    path = kept(tmp_path, f"t.{kind}", content)
    shown = previews.preview(path, kind, environment, previews.Place(rows=2))
    assert [int(row[0]) for row in shown["rows"]] == list(range(500, 700))
    assert shown["total_rows"] == 700
    assert previews.preview(path, kind, environment, previews.Place(rows=2**31))["rows"] == []


def test_csv_is_shown_as_it_is_written(tmp_path, environment):
    shown = previews.preview(kept(tmp_path, "t.csv", "id,n\n007,3\n008,'=4\n"), "csv", environment)
    assert shown["columns"] == [
        {"name": "id", "type": "integer", "exact": ""},
        {"name": "n", "type": "text", "exact": ""},
    ]
    assert shown["rows"] == [["007", "3"], ["008", "'=4"]]


def test_json_and_text_are_shown_as_text(tmp_path):
    assert previews.preview(kept(tmp_path, "a.json", '{"a":[1]}'), "json") == {
        "kind": "json",
        "text": '{\n  "a": [\n    1\n  ]\n}',
        "characters": 22,
        "part": 1,
        "parts": 1,
    }
    assert previews.preview(kept(tmp_path, "a.txt", "x\x1b[1m\u202ey"), "txt") == {
        "kind": "text",
        "text": "x\ufffdy",
        "characters": 3,
        "part": 1,
        "parts": 1,
    }
    path = kept(tmp_path, "b.txt", "x" * 200_000 + "y")
    assert [previews.preview(path, "txt", place=previews.Place(part=part))["text"] for part in (1, 2, 3)] == [
        "x" * 200_000,
        "y",
        "",
    ]
    assert previews.preview(path, "txt")["parts"] == 2


def test_a_small_picture_is_shown_as_it_is_and_a_large_one_smaller(tmp_path, environment):
    small = files.png()
    whole = {
        "width": 3,
        "height": 2,
        "drawn_width": 3,
        "drawn_height": 2,
        "part": 0,
        "parts": 1,
        "contrast": False,
    }
    shown = previews.preview(kept(tmp_path, "p.png", small), "png", environment)
    assert shown == {"kind": "image", "png_base64": base64.b64encode(small).decode(), **whole}
    noisy = files.png(4_000, 1_000, more=files.chunk(b"tEXt", b"a\0b"))
    shown = previews.preview(kept(tmp_path, "l.png", noisy), "png", environment, previews.Place(part=0))
    assert (shown["width"], shown["height"], shown["parts"]) == (4_000, 1_000, 3)
    assert png.size(base64.b64decode(shown["png_base64"])) == png.Size(1_600, 400)


def test_what_cannot_be_opened_says_so(tmp_path, environment):
    assert previews.preview(kept(tmp_path, "t.parquet", "PAR1 nonsense PAR1"), "parquet", environment) == {
        "kind": "none",
        "text": "The Parquet file is malformed.",
    }
    assert previews.facts(kept(tmp_path, "p.png", "no picture"), "png") == {
        "kind": "none",
        "text": "This is not a PNG picture.",
    }


def test_the_facts_of_a_table(tmp_path, environment):
    table = pa.table({"group": ["a", "b", "c"], "count": [3, 120, None], "mean": [1.5, -2.0, float("nan")]})
    assert previews.facts(kept(tmp_path, "t.parquet", files.parquet(table)), "parquet", environment) == {
        "kind": "table",
        "rows": 3,
        "columns": [
            {"name": "group", "type": "text", "nulls": 0, "distinct": 3},
            {
                "name": "count",
                "type": "integer",
                "nulls": 1,
                "distinct": 2,
                "min": 3.0,
                "max": 120.0,
                "whole": True,
                "small": [[3, 1], [120, 1]],
            },
            {
                "name": "mean",
                "type": "number",
                "nulls": 0,
                "distinct": 3,
                "min": -2.0,
                "max": 1.5,
                "whole": False,
            },
        ],
        "cells": [["a", 3, 1.5], ["b", 120, -2.0], ["c", None, "nan"]],
        "formula_cells": 0,
        "spelled": 0,
        "look_alikes": [],
        "said": {"quantities": [], "pairs": [], "addresses": []},
        "prose": 0,
    }


def test_the_facts_of_csv_count_formulas_and_shares(tmp_path, environment):
    found = previews.facts(kept(tmp_path, "t.csv", "g,pay\n'=x,90\nb,5\nc,5\n"), "csv", environment)
    assert found["formula_cells"] == 1
    assert found["columns"][1]["top_two_share"] == pytest.approx(0.95)


def test_the_facts_of_json_text_and_pictures(tmp_path, environment):
    text = '{"n": 5, "by": {"a": [1, 2.5]}, "flag": true, "note": "3 people"}'
    found = previews.facts(kept(tmp_path, "a.json", text), "json")
    assert (found["kind"], found["rows"], found["prose"]) == ("json", 4, 0)
    assert found["numbers"] == [["n", 5, 0], ["by.a[0]", 1, 1], ["by.a[1]", 2.5, 1]]
    assert [(column["name"], column["type"], column["rows"]) for column in found["columns"]] == [
        ("n", "integer", 1),
        ("by.a[]", "number", 2),
        ("flag", "text", 1),
        ("note", "text", 1),
    ]
    assert found["said"] == {"quantities": [[3, "people", False]], "pairs": [], "addresses": []}
    found = previews.facts(kept(tmp_path, "a.txt", "group  n\nx  3\n"), "txt")
    assert (found["kind"], found["rows"], found["characters"], found["spelled"]) == ("text", 2, 14, 0)
    assert [(column["name"], column["small"]) for column in found["columns"] if "small" in column] == [
        ("n", [[3, 1]])
    ]
    assert previews.facts(kept(tmp_path, "p.png", files.png()), "png", environment) == {
        "kind": "image",
        "width": 3,
        "height": 2,
        "colours": 3,
    }


def answering(monkeypatch, header):
    """As if whoever wrote the file had taken over the decoder."""
    monkeypatch.setattr(previews, "decode", lambda *given, **options: Decoded(header=header, body=b""))


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", '"many"', "{}"])
def test_no_number_of_a_decoder_is_believed_to_be_one(tmp_path, monkeypatch, number):
    counts = dict.fromkeys(("total_rows", "total_columns", "page_rows", "page_columns"), json.loads(number))
    path = kept(tmp_path, "t.csv", "a\n1\n")
    answering(monkeypatch, {"columns": [], "rows": [], **counts})
    assert previews.preview(path, "csv")["kind"] == "none"
    answering(monkeypatch, {"text": "a", "characters": json.loads(number)})
    assert previews.preview(path, "csv", place=previews.Place(cell=(1, 1)))["kind"] == "none"


def test_what_the_outside_of_a_picture_says_is_not_a_decoders_to_say(tmp_path, monkeypatch):
    path = kept(tmp_path, "p.png", files.png(3, 2))
    answering(monkeypatch, {"kind": "text", "width": 1, "height": "<b>"})
    assert previews.facts(path, "png") == {"kind": "image", "width": 3, "height": 2}
