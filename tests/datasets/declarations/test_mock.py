"""The mock is a function of the declarations alone, and it keeps to them."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import storage
from datasets.declarations import mock
from datasets.declarations.schema import ColumnSchema, TableSchema, from_json, to_json
from tests import make
from tests.makers.datasets import wage_rows

SUBJECT = ColumnSchema(name="person", type="integer", stored="int64", is_subject=True, nullable=False)
EVERY = TableSchema(
    name="t",
    columns=(
        SUBJECT,
        ColumnSchema(name="n", type="integer", stored="int64", lower=-3, upper=9),
        ColumnSchema(name="x", type="number", stored="double", lower=0.5, upper=0.75),
        ColumnSchema(name="m", type="number", stored="int64", lower=1, upper=2, nullable=False),
        ColumnSchema(name="c", type="category", stored="string", categories=("a", "b")),
        ColumnSchema(name="k", type="category", stored="int64", categories=(1, 7)),
        ColumnSchema(name="b", type="boolean", stored="bool"),
        ColumnSchema(name="d", type="date", stored="date32", lower=-10, upper=10),
        ColumnSchema(name="s", type="datetime", stored="timestamp", lower=0, upper=86_400),
        ColumnSchema(name="t", type="text", stored="string"),
    ),
)


def write(table: TableSchema, path) -> bytes:
    mock.write(table, path)
    return path.read_bytes()


def test_the_same_declarations_give_the_same_bytes(tmp_path):
    assert write(EVERY, tmp_path / "a") == write(from_json(to_json([EVERY]))[0], tmp_path / "b")


@pytest.mark.django_db
def test_private_data_have_no_part_in_it():
    """Two datasets of the same declarations over quite different rows have byte for byte the same mock."""
    rows = wage_rows(people=70, years=3, secret=999)
    one, other = (make.current(make.dataset(rows=each)) for each in (None, rows))
    assert one.tables.get().stored_sha256 != other.tables.get().stored_sha256
    first, second = ((storage.mock_folder(each) / "wages.parquet").read_bytes() for each in (one, other))
    assert first == second


def test_other_declarations_give_other_rows():
    wider = replace(EVERY, columns=(SUBJECT, replace(EVERY.columns[1], upper=10)))
    narrow = replace(EVERY, columns=EVERY.columns[:2])
    assert mock.make(wider) != mock.make(narrow)


def test_every_declaration_is_kept():
    table = mock.make(EVERY)
    assert table.num_rows == EVERY.mock_rows
    assert table.schema == mock.schema_of(EVERY)
    columns = {name: table[name].drop_null().to_pylist() for name in table.column_names}
    assert set(columns["n"]) == set(range(-3, 10))
    assert all(0.5 <= value <= 0.75 for value in columns["x"])
    assert set(columns["m"]) == {1, 2}
    assert (set(columns["c"]), set(columns["k"]), set(columns["b"])) == ({"a", "b"}, {1, 7}, {True, False})
    days = table["d"].drop_null().cast(pa.int32()).to_pylist()
    assert (min(days), max(days)) == (-10, 10)
    seconds = table["s"].drop_null().cast(pa.int64()).to_numpy() // 1_000_000
    assert 0 <= seconds.min() <= seconds.max() <= 86_400


def test_cells_are_empty_only_where_they_may_be():
    table = mock.make(EVERY)
    assert table["person"].null_count == table["m"].null_count == 0
    assert all(table[name].null_count for name in ("n", "x", "c", "k", "b", "d", "s", "t"))


@pytest.mark.parametrize(
    ("rows", "most"), [(400, 4), (400, 6), (1, 4), (37, 1), (7, 3), (50, 4096), (5000, 100)]
)
def test_a_data_subject_has_from_one_to_the_declared_rows_side_by_side(rows, most):
    people = mock.make(replace(EVERY, mock_rows=rows, rows_per_subject=most))["person"].to_numpy()
    counts = np.unique(people, return_counts=True)[1]
    assert (counts.sum(), list(people)) == (rows, sorted(people))
    assert 1 <= counts.min() <= counts.max() <= most
    assert rows < 100 or counts.max() == most
    assert rows < 100 or counts.mean() == pytest.approx((most + 1) / 2, rel=0.1)


def values_of_people(table: TableSchema) -> dict[str, list[set[object]]]:
    """The values that each person has in each column."""
    people = mock.make(table).to_pandas(types_mapper=pd.ArrowDtype).groupby("person")
    return {
        name: [set(map(str, rows)) for _, rows in people[name]]
        for name in (column.name for column in table.columns)
    }


def test_a_constant_column_has_one_value_or_none_in_all_rows_of_a_person():
    constant = replace(
        EVERY, columns=(SUBJECT, *(replace(each, constant=True) for each in EVERY.columns[1:]))
    )
    assert all(len(values) == 1 for each in values_of_people(constant).values() for values in each)
    table = mock.make(constant)
    for column in constant.columns[1:]:
        several = len(table[column.name].unique())
        assert several > 1
        assert bool(table[column.name].null_count) is column.nullable
    varying = values_of_people(EVERY)
    assert all(any(len(values) > 1 for values in varying[column.name]) for column in EVERY.columns[1:])


def test_without_people_a_constant_column_has_a_value_for_each_row():
    column = ColumnSchema(
        name="n", type="integer", stored="int64", lower=1, upper=9, nullable=False, constant=True
    )
    values = mock.make(TableSchema(name="t", columns=(column,), about_people=False))["n"].to_pylist()
    assert np.mean([one == other for one, other in itertools.pairwise(values)]) < 0.2


def test_a_subject_in_words_is_a_made_up_one():
    table = TableSchema(name="t", columns=(replace(SUBJECT, stored="string", type="text"),))
    assert mock.make(table)["person"].to_pylist()[0].startswith("S0")


def test_undeclared_columns_still_have_a_mock():
    """A draft is previewed before everything is declared."""
    bare = tuple(replace(column, lower=None, upper=None, categories=()) for column in EVERY.columns)
    assert mock.make(replace(EVERY, columns=bare)).num_rows == EVERY.mock_rows


numbers = st.floats(-1e12, 1e12, allow_nan=False)


@settings(max_examples=60, deadline=None)
@given(st.tuples(numbers, numbers).map(sorted), st.sampled_from(["int64", "double"]), st.integers(1, 50))
def test_no_number_leaves_its_bounds(bounds, stored, rows):
    lower, upper = bounds
    kind = "integer" if stored == "int64" else "number"
    column = ColumnSchema(name="x", type=kind, stored=stored, lower=lower, upper=upper)
    values = mock.make(TableSchema(name="t", columns=(column,), mock_rows=rows))["x"].drop_null().to_pylist()
    slack = 1 if stored == "int64" else 0
    assert all(lower - slack <= value <= upper + slack for value in values)


def test_the_written_file_says_nothing_of_where_it_was_made(tmp_path):
    write(EVERY, tmp_path / "a")
    assert pq.read_schema(tmp_path / "a").metadata is None
