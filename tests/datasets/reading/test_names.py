"""Whatever the name of a column, its file is read, and the owner learns which columns had to be renamed."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasets.columns import ColumnPlan, names_of, plan_as_json, plan_from, read
from datasets.declarations.schema import ColumnSchema
from datasets.ingest import reader, sandboxed
from datasets.reading import names, subject_order
from datasets.reading.outcome import Unreadable
from datasets.services.inspection import outside
from tests.datasets import files

OUR_OWN = [
    "place",
    "cell",
    "id",
    "row",
    "hash",
    "high",
    "low",
    "code",
    "first",
    "sample",
    "texts",
    "subjects",
    "keyed",
]
VIRTUAL = [
    "file_row_number",
    "filename",
    "file_index",
    "file_size",
    "rowid",
    "row_id",
    "hive",
    "year=1990",
    "schema",
]
RESERVED = [
    "select",
    "from",
    "order",
    "null",
    "true",
    "table",
    "end",
    "group",
    "*",
    "count(*)",
    "1",
    "%s",
    "$1",
    "?",
]
OTHERS = [
    "__index_level_0__",
    "a.b",
    "a b",
    "a,b",
    "a/b",
    "ä",
    "日本",
    "a" * 128,
    "a#b",
    "[x]",
    "(x)",
    "constructor",
]


ALL = [*OUR_OWN, *VIRTUAL, *RESERVED, *OTHERS]
"""All in one file, so that one sandbox reads them; a cell with a formula makes the reader search for its row."""


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_names_that_mean_something_elsewhere_are_read(tmp_path, kind):
    table = pa.table({"person": [1, 2, 2], **{name: ["b", "=1", "b"] for name in ALL}})
    source = files.parquet(tmp_path, table) if kind == "parquet" else files.write(tmp_path, as_csv(table))
    target = tmp_path / "target.table"
    reading = reader.read(source, target, options={})
    found = {(column.stored, column.formulas, column.first_formula) for column in reading.columns[1:]}
    assert ([column.name for column in reading.columns[1:]], found) == (ALL, {("string", 1, 2)})
    assert pq.read_table(target, partitioning=None).to_pylist() == table.to_pylist()
    rows = sandboxed.run("rows", target, parameters={"first": 0, "most": 5})["rows"]
    assert rows[1] == ["2", *["=1"] * len(ALL)]
    assert counted(target) == [2] * len(ALL)
    assert in_order(tmp_path, target) == {name: ["=1", "b", "b"] for name in ALL}


def as_csv(table):
    lines = [table.column_names, *(row.values() for row in table.to_pylist())]
    return "".join(",".join(f'"{cell}"' for cell in line) + "\n" for line in lines).encode()


def counted(target):
    tests = [
        outside(ColumnSchema(name=name, type="category", stored="string", categories=("=1",))) for name in ALL
    ]
    parameters = {
        "tests": [test for test, _ in tests],
        "values": [value for _, given in tests for value in given],
    }
    return sandboxed.run("fit", target, parameters=parameters)["counts"]


def in_order(folder, target):
    room = folder / "room"
    room.mkdir()
    plans = [ColumnPlan(name=name, text=True) for name in ALL]
    subject_order.write(target, "person", plans, b"k" * 32, room)
    assert sorted(path.name for path in room.iterdir()) == sorted(names_of(plans))
    store = read(room, plans)
    return {name: sorted(store.texts[name][code] for code in store.columns[name].numbers) for name in ALL}


@pytest.mark.parametrize(
    ("name", "usable"),
    [
        ("", "column_2"),
        ("   ", "column_2"),
        ("a" * 129, "a" * 128),
        (" a", "a"),
        ("a\nb", "a b"),
        ("a\0b", "a b"),
        ("a\u202eb", "a b"),
        ("a\u200bb", "a b"),
        ('a"b', "ab"),
        ("a'b", "ab"),
        ("=a", "a"),
        ("<>", "column_2"),
    ],
)
def test_names_that_nobody_can_bear_are_changed_and_that_is_told(name, usable):
    assert names.sources(["person", name]) == ["person", usable]
    told = names.notes([(1, "person", "person"), (2, name, usable)])
    assert bool(told) == (name.strip() != usable)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Age", "age"), ("é", "e\u0301"), ("ﬁ", "fi"), ("straße", "STRASSE"), ("x²", "x2"), ("İ", "i̇")],
)
def test_names_that_differ_too_little_are_told_apart(one, other):
    assert names.sources([one, other]) == [one, f"{other}_2"]
    with pytest.raises(Unreadable, match=r"^Columns 1 and 2 (are both named|look alike)"):
        names.check([one, other])


def test_every_column_of_the_same_name_gets_another_one():
    found = names.sources(["a" * 128, "a" * 128, *["x"] * 998])
    assert len({name.casefold() for name in found}) == 1000
    names.check(found)


def test_a_parquet_file_is_read_under_usable_names(tmp_path):
    source = files.parquet(tmp_path, pa.table([[1], [2], [3]], names=["a", "A", ""]))
    reading = reader.read(source, tmp_path / "target.table", options={})
    assert [column.name for column in reading.columns] == ["a", "A_2", "column_3"]
    assert reading.notes[0].endswith("column 2 is “A_2”, column 3 is “column_3”.")


def test_look_alikes_of_other_alphabets_are_names_of_their_own(tmp_path):
    source = files.parquet(tmp_path, pa.table({"a": [1], "\u0430": [2]}))
    reading = reader.read(source, tmp_path / "target.table", options={})
    assert [column.name for column in reading.columns] == ["a", "\u0430"]


def test_plans_reach_the_sandbox_as_they_are():
    plan = ColumnPlan(name="x", labels=("a", "b"), lower=0.1, upper=float("inf"), decimals=0, constant=True)
    assert plan_from(plan_as_json(plan)) == plan
