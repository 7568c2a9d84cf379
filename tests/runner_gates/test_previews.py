"""What a person sees of a held file, and the facts for its checks."""

import base64
import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest

from runner import png, previews
from tests.runner_gates import files

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
            {"name": "whole", "type": "integer"},
            {"name": "number", "type": "number"},
            {"name": "text", "type": "text"},
            {"name": "moment", "type": "datetime"},
            {"name": "long", "type": "duration"},
            {"name": "category", "type": "text"},
            {"name": "yes", "type": "boolean"},
        ],
        "rows": [
            [1, 1.5, "<b>x</b>", "2026-01-01 00:00:00.000Z", 5, "x", True],
            [str(2**60), "inf", "y" * 299 + "…", None, None, None, None],
        ],
        "total_rows": 2,
        "total_columns": 7,
    }


def test_a_large_table_is_shown_in_part(tmp_path, environment):
    table = pa.table({f"c{n}": list(range(600)) for n in range(120)})
    shown = previews.preview(kept(tmp_path, "t.parquet", files.parquet(table)), "parquet", environment)
    assert (shown["total_rows"], shown["total_columns"]) == (600, 120)
    assert (len(shown["rows"]), len(shown["rows"][0]), len(shown["columns"])) == (500, 100, 100)


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_every_row_of_a_large_table_can_be_looked_at(tmp_path, environment, kind):
    numbers = list(range(700))
    content = (
        files.parquet(pa.table({"n": numbers})) if kind == "parquet" else "n\n" + "\n".join(map(str, numbers))
    )
    path = kept(tmp_path, f"t.{kind}", content)
    shown = previews.preview(path, kind, environment, start=650)
    assert [int(row[0]) for row in shown["rows"]] == list(range(650, 700))
    assert shown["total_rows"] == 700
    assert previews.preview(path, kind, environment, start=2**40)["rows"] == []


def test_csv_is_shown_as_it_is_written(tmp_path, environment):
    shown = previews.preview(kept(tmp_path, "t.csv", "id,n\n007,3\n008,'=4\n"), "csv", environment)
    assert shown["columns"] == [{"name": "id", "type": "integer"}, {"name": "n", "type": "text"}]
    assert shown["rows"] == [["007", "3"], ["008", "'=4"]]


def test_json_and_text_are_shown_as_text(tmp_path):
    assert previews.preview(kept(tmp_path, "a.json", '{"a":[1]}'), "json") == {
        "kind": "json",
        "text": '{\n  "a": [\n    1\n  ]\n}',
        "cut": False,
    }
    assert previews.preview(kept(tmp_path, "a.txt", "x\x1b[1m\u202ey"), "txt") == {
        "kind": "text",
        "text": "x\ufffdy",
        "cut": False,
    }
    long = previews.preview(kept(tmp_path, "b.txt", "x" * 200_001), "txt")
    assert (len(long["text"]), long["cut"]) == (200_000, True)


def test_a_small_picture_is_shown_as_it_is_and_a_large_one_smaller(tmp_path, environment):
    small = files.png()
    shown = previews.preview(kept(tmp_path, "p.png", small), "png", environment)
    assert shown == {"kind": "image", "png_base64": base64.b64encode(small).decode(), "width": 3, "height": 2}
    noisy = files.png(4_000, 1_000, more=files.chunk(b"tEXt", b"a\0b"))
    shown = previews.preview(kept(tmp_path, "l.png", noisy), "png", environment)
    assert (shown["width"], shown["height"]) == (4_000, 1_000)
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
    }


def test_the_facts_of_csv_count_formulas_and_shares(tmp_path, environment):
    found = previews.facts(kept(tmp_path, "t.csv", "g,pay\n'=x,90\nb,5\nc,5\n"), "csv", environment)
    assert found["formula_cells"] == 1
    assert found["columns"][1]["top_two_share"] == pytest.approx(0.95)


def test_the_facts_of_json_text_and_pictures(tmp_path):
    text = '{"n": 5, "by": {"a": [1, 2.5]}, "flag": true}'
    assert previews.facts(kept(tmp_path, "a.json", text), "json") == {
        "kind": "json",
        "longest": 3,
        "numbers": [["n", 5], ["by.a[0]", 1], ["by.a[1]", 2.5]],
    }
    assert previews.facts(kept(tmp_path, "a.txt", "a\nb"), "txt") == {
        "kind": "text",
        "lines": 2,
        "characters": 3,
    }
    assert previews.facts(kept(tmp_path, "p.png", files.png()), "png") == {
        "kind": "image",
        "width": 3,
        "height": 2,
    }
