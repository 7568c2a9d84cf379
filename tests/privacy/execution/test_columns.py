"""Columns in subject order hold what the table holds, for each subject its own rows and nothing by position."""

import datetime as dt
import hashlib
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasets import columns, storage
from datasets.columns import INFINITE_DAYS, MOST_ROWS, ColumnPlan, digest, numbers, read
from datasets.reading import subject_order
from datasets.reading.subject_order import write
from privacy import services
from privacy.execution import preparation
from privacy.tasks import look_after_answers
from tests import make

KEY = b"k" * 32
PLANS = (
    ColumnPlan(name="wage"),
    ColumnPlan(name="region", labels=("north", "south"), constant=True),
    ColumnPlan(name="union", decimals=0, lower=0, upper=1),
)


@pytest.fixture
def store(tmp_path):
    rows = pa.table(
        {
            "person": pa.array(["b", "a", "b", None, "c", "a"]),
            "wage": pa.array([1.5, 2.0, float("nan"), 9.0, None, 3.0]),
            "region": pa.array(["south", "north", "north", "north", "mars", None]),
            "union": pa.array([True, False, None, True, True, False]),
        }
    )
    pq.write_table(rows, tmp_path / "rows.parquet")
    folder = tmp_path / "columns"
    folder.mkdir()
    write(tmp_path / "rows.parquet", "person", PLANS, KEY, folder)
    return read(folder, PLANS)


def rows_of(store, person, column):
    k = [bytes(d) for d in store.digests].index(digest(person, KEY))
    rows = slice(store.offsets[k], store.offsets[k + 1])
    found = store.columns[column]
    valid = found.valid if len(found.valid) else np.ones(store.rows, dtype=bool)
    pairs = zip(found.numbers[rows], valid[rows], strict=True)
    return sorted(float(number) if valid else -1.0 for number, valid in pairs)


def test_each_subject_has_its_own_rows(store):
    assert store.rows == 5
    assert rows_of(store, "a", "wage") == [2.0, 3.0]
    assert rows_of(store, "b", "wage") == [-1.0, 1.5]
    assert rows_of(store, "c", "wage") == [-1.0]
    assert rows_of(store, "b", "union") == [-1.0, 1.0]


def test_a_constant_column_is_one_value_a_subject(store):
    for person in "ab":
        assert len(set(rows_of(store, person, "region"))) == 1


def test_a_value_that_is_not_declared_is_not_there(store):
    assert rows_of(store, "c", "region") == [-1.0]


def test_subjects_stand_in_the_order_of_their_digests(store):
    digests = [bytes(d) for d in store.digests]
    assert digests == sorted(digest(person, KEY) for person in "abc")


def test_another_key_tells_nothing_of_the_first():
    assert digest("a", KEY) != digest("a", b"j" * 32)


def test_whole_numbers_are_kept_exactly(store):
    assert store.columns["union"].numbers.dtype == np.int8
    assert store.columns["wage"].numbers.dtype == np.float64


@pytest.mark.parametrize("content", [[1, 2], [1, 30_000], [None, 90_000], [7, None]])
def test_how_numbers_are_stored_does_not_depend_on_them(content, tmp_path):
    plans = [
        ColumnPlan(name=name, decimals=0, lower=0, upper=upper) for name, upper in (("n", 99), ("m", 99_999))
    ]
    plans += [
        ColumnPlan(name="x", lower=0, upper=99_999),
        ColumnPlan(name="half", decimals=1, lower=0.5, upper=9),
    ]
    table = pa.table({"person": ["a", "b"], **{plan.name: pa.array(content, pa.int64()) for plan in plans}})
    pq.write_table(table, tmp_path / "rows.parquet")
    (tmp_path / "columns").mkdir()
    write(tmp_path / "rows.parquet", "person", plans, KEY, tmp_path / "columns")
    found = read(tmp_path / "columns", plans).columns
    assert [column.numbers.dtype for column in found.values()] == [np.int8, np.int32, np.float64, np.float64]
    assert [len(column.valid) for column in found.values()] == [2, 2, 2, 2]


def test_columns_written_anew_are_read_anew(store, tmp_path):
    """Mappings are kept, but not past their files."""
    assert store.listing == hashlib.sha256(store.digests.tobytes()).digest()
    folder = tmp_path / "columns"
    shutil.rmtree(folder)
    folder.mkdir()
    pq.write_table(
        pa.table({"person": ["z"], "wage": [7.0], "region": ["north"], "union": [True]}), tmp_path / "new"
    )
    write(tmp_path / "new", "person", PLANS, KEY, folder)
    again = read(folder, PLANS)
    assert rows_of(again, "z", "wage") == [7.0]
    assert again.listing == hashlib.sha256(again.digests.tobytes()).digest() != store.listing
    assert rows_of(store, "a", "wage") == [2.0, 3.0]


@pytest.mark.django_db
def test_rows_are_put_in_order_before_anybody_asks():
    """Also those of a later revision: the first question takes as long as any."""
    data = make.dataset()
    made = services.protect(data, by=data.owner, epsilon=1, public_size=30, constants=["region"])
    assert preparation.unprepared() == [str(made.pk)]
    preparation.prepare(str(made.pk))
    assert preparation.unprepared() == []
    make.next_revision(data)
    assert preparation.unprepared() == [str(made.pk)]
    look_after_answers()
    preparation.prepare(str(made.pk))
    preparation.prepare(str(made.pk))
    assert preparation.unprepared() == []


ROWS = [
    {
        "person": f"p{n}",
        "wage": float(n * k % 7) if k else None,
        "region": region,
        "union": k > 1,
        "city": city,
    }
    for n in range(60)
    for k, (region, city) in enumerate(
        [("north", "Bergen"), ("south", f"home of {n}"), (None, "Oslo"), ("north", None)]
    )
]
ALL = (*PLANS, ColumnPlan(name="city", text=True))


def people(rows, folder):
    """Per subject the bytes that are stored of it, texts spelt out."""
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), folder / "rows.parquet")
    (folder / "columns").mkdir()
    write(folder / "rows.parquet", "person", ALL, KEY, folder / "columns")
    store = read(folder / "columns", ALL)
    return {
        bytes(person): [
            tuple(spelt(store, name, row) for name in store.columns)
            for row in range(store.offsets[k], store.offsets[k + 1])
        ]
        for k, person in enumerate(store.digests)
    }


def spelt(store, name, row):
    found = store.columns[name]
    if len(found.valid) and not found.valid[row]:
        return None
    return store.texts[name][found.numbers[row]] if name in store.texts else float(found.numbers[row]).hex()


SCHEMA = pa.schema(
    {
        "person": pa.string(),
        "wage": pa.float64(),
        "region": pa.string(),
        "union": pa.bool_(),
        "city": pa.string(),
    }
)


@pytest.mark.parametrize("place", [0, 17, 59])
def test_the_order_of_ones_rows_does_not_depend_on_others(place, tmp_path):
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    everybody = people(ROWS, tmp_path / "with")
    others = people([row for row in ROWS if row["person"] != f"p{place}"], tmp_path / "without")
    del everybody[digest(f"p{place}", KEY)]
    assert others == everybody


def test_the_order_of_ones_rows_does_not_depend_on_where_they_stand(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    moved = [ROWS[k] for k in np.random.default_rng(2).permutation(len(ROWS))]
    assert people(moved, tmp_path / "two") == people(ROWS, tmp_path / "one")


def test_another_key_orders_the_rows_otherwise(tmp_path, monkeypatch):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first = list(people(ROWS, tmp_path / "one").values())
    monkeypatch.setattr("tests.privacy.execution.test_columns.KEY", b"j" * 32)
    assert sorted(map(str, people(ROWS, tmp_path / "two").values())) != sorted(map(str, first))


def test_rows_beyond_those_that_count_are_not_stored(tmp_path, monkeypatch):
    """Whose they are, and which are left, follows from a person's own rows; nobody else's place moves."""
    monkeypatch.setattr(subject_order, "CHUNK", 1_000)
    people, sizes = ("many", "few", "full", "one"), (10_000, 30, MOST_ROWS, 1)
    ids = np.repeat(people, sizes)
    table = pa.table(
        {
            "person": ids,
            "wage": np.arange(len(ids), dtype=float),
            "note": [f"{who} {k % 5_000}" for k, who in enumerate(ids)],
        }
    )
    shuffled = table.take(pa.array(np.random.default_rng(4).permutation(len(ids))))
    plans = (ColumnPlan(name="wage"), ColumnPlan(name="note", text=True))

    def stored(rows):
        place = tmp_path / str(len(list(tmp_path.iterdir())))
        (place / "columns").mkdir(parents=True)
        pq.write_table(rows, place / "rows.parquet")
        write(place / "rows.parquet", "person", plans, KEY, place / "columns")
        return read(place / "columns", plans)

    store, other = stored(table), stored(shuffled)
    assert sorted(np.diff(store.offsets)) == sorted(min(size, MOST_ROWS) for size in sizes)
    for person, size in zip(people, sizes, strict=True):
        assert rows_of(store, person, "wage") == rows_of(other, person, "wage")
        assert len(set(rows_of(store, person, "wage"))) == min(size, MOST_ROWS)
    assert len(store.texts["note"]) < len(set(table["note"].to_pylist()))
    codes = store.columns["note"]
    assert codes.valid.all()
    assert set(codes.numbers) == set(range(len(store.texts["note"])))


def in_order(rows, plans, folder):
    folder.mkdir()
    pq.write_table(rows, folder / "rows.parquet")
    (folder / "columns").mkdir()
    write(folder / "rows.parquet", "person", plans, KEY, folder / "columns")
    return read(folder / "columns", plans)


def test_dates_that_are_stored_as_well_move_nobody_to_another_first_value(tmp_path):
    """Earlier answers were charged to the first value of a constant column."""
    people, each = 40, 5
    rows = pa.table(
        {
            "person": [f"p{k}" for k in range(people) for _ in range(each)],
            "region": [("north", "south")[(k + n) % 2] for k in range(people) for n in range(each)],
            "wage": [float(7 * k + n) for k in range(people) for n in range(each)],
            "born": pa.array([dt.date(1990, 1, 1 + n) for _ in range(people) for n in range(each)]),
        }
    )
    born = ColumnPlan(name="born", decimals=0, lower=0, upper=20_000)
    without = in_order(rows, PLANS[:2], tmp_path / "without")
    dated = in_order(rows, (born, *PLANS[:2]), tmp_path / "dated")
    assert len(set(without.columns["region"].numbers)) == 2
    assert dated.columns["region"].numbers.tolist() == without.columns["region"].numbers.tolist()
    assert dated.columns["wage"].numbers.tolist() == without.columns["wage"].numbers.tolist()


def test_rows_that_differ_by_their_date_alone_are_in_order_by_it(tmp_path):
    """And not by their position in the file."""
    days = [dt.date(1990, 1, 1 + n) for n in range(20)]
    plan = ColumnPlan(name="born", decimals=0, lower=0, upper=20_000)
    found = [
        in_order(pa.table({"person": ["a"] * 20, "born": pa.array(each)}), [plan], tmp_path / name)
        for name, each in (("there", days), ("back", days[::-1]))
    ]
    assert found[0].columns["born"].numbers.tolist() == found[1].columns["born"].numbers.tolist()


def test_dates_without_end_are_missing():
    """`infinity` in a file of Postgres: as with numbers, it is no value between the bounds."""
    days = pa.array([0, INFINITE_DAYS, -INFINITE_DAYS, -(2**31), None, 10**6], pa.int32()).cast(pa.date32())
    found, there = numbers(days, ColumnPlan(name="born", decimals=0, lower=-10, upper=10))
    assert there.tolist() == [True, False, False, False, False, True]
    assert found[there].tolist() == [0, 10]


@pytest.mark.django_db
def test_the_order_of_before_is_not_kept(monkeypatch):
    data = make.dataset()
    made = services.protect(data, by=data.owner, epsilon=1, public_size=30, constants=["region"])
    (table,) = data.current.tables.all()
    kept = []
    for version in (1, 2):
        monkeypatch.setattr(columns, "FORMAT", version)
        preparation.prepare(str(made.pk))
        kept.append([path.name for path in storage.folder("columns").glob(f"{table.pk}.*")])
    assert [len(names) for names in kept] == [1, 1]
    assert kept[0] != kept[1]
