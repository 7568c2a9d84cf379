"""Mapping own rows to a study's table: row by row, within the study's declarations, and refused if it cannot fit."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common import decimal_grid
from datasets.columns import stored
from privacy.declarations import plans_for
from privacy.engine.language.expressions import Column, In
from privacy.engine.language.query import Count, Mean, Query, Sum
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.engine.measure.contributions import ONE
from privacy.engine.measure.evaluate import EVERYWHERE, Rows, Values
from privacy.engine.release import SortedTable, exact_sums, table_from_columns
from studies import mapping

FEW = settings(max_examples=40, deadline=None)
LABELS = ("north", "south", "west")


def spec(*columns: ColumnSpec) -> TableSpec:
    named = {each.name: each for each in columns}
    return TableSpec(name="t", subject="person", columns=named, max_rows=5)


OWN = spec(
    ColumnSpec(name="age", kind=Kind.INTEGER, lower=-3, upper=120),
    ColumnSpec(name="wage", kind=Kind.NUMBER, lower=-100.0, upper=1000.0),
    ColumnSpec(name="cents", kind=Kind.NUMBER, lower=0.0, upper=9.99, decimals=2),
    ColumnSpec(name="region", kind=Kind.CATEGORY, labels=LABELS),
    ColumnSpec(name="works", kind=Kind.BOOLEAN, upper=1.0, labels=("0", "1"), nullable=False),
    ColumnSpec(name="code", kind=Kind.INTEGER, lower=1, upper=3, nullable=False),
    ColumnSpec(name="day", kind=Kind.DATE, lower=0, upper=9),
    ColumnSpec(name="note", kind=Kind.TEXT),
)
STUDY = spec(
    ColumnSpec(name="years", kind=Kind.INTEGER, lower=18, upper=67),
    ColumnSpec(name="pay", kind=Kind.NUMBER, lower=0.0, upper=60.0, decimals=1),
    ColumnSpec(name="exact", kind=Kind.NUMBER, lower=-1.0, upper=1.0),
    ColumnSpec(name="part", kind=Kind.CATEGORY, labels=("s", "n")),
    ColumnSpec(name="job", kind=Kind.BOOLEAN, upper=1.0, labels=("0", "1"), nullable=False),
    ColumnSpec(name="sex", kind=Kind.CATEGORY, labels=("f", "m", "x"), nullable=False),
)
MAPPING: dict[str, dict[str, Any]] = {
    "years": {"column": "age", "scale": "1.0", "offset": "0.0"},
    "pay": {"column": "wage", "scale": "0.012", "offset": "-0.3"},
    "exact": {"column": "cents", "scale": "-0.1", "offset": "0.7"},
    "part": {"column": "region", "labels": {"north": "n", "south": "s"}},
    "job": {"column": "works", "labels": {"0": "1", "1": "0"}},
    "sex": {"column": "code", "labels": {"1": "m", "2": "f", "3": "x"}},
}


@st.composite
def tables(draw: st.DrawFn) -> SortedTable:
    """Rows of up to five people as a stored table has them."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    rows = sum(sizes)
    columns = {}
    for plan in plans_for(OWN):
        if plan.text:
            continue
        upper = len(plan.labels) - 1 if plan.labels else plan.upper
        lower = 0 if plan.labels else plan.lower
        numbers = np.array(draw(st.lists(st.floats(lower, upper), min_size=rows, max_size=rows)))
        placed = decimal_grid.nearest(numbers, 0 if plan.labels else plan.decimals or 0)
        exact = plan.decimals is None and not plan.labels
        valid = draw(st.lists(st.booleans(), min_size=rows, max_size=rows))
        whole = np.ones(rows, dtype=np.bool_) if not OWN.columns[plan.name].nullable else np.array(valid)
        columns[plan.name] = Values((numbers if exact else placed).astype(stored(plan)), whole)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    digests = np.arange(16 * len(sizes), dtype=np.uint8).reshape(-1, 16)
    return table_from_columns(Rows(OWN, columns, rows), offsets, digests)


def without(table: SortedTable, person: int) -> tuple[SortedTable, Any]:
    """The table without a person, and which rows are left."""
    begin, end = table.offsets[person], table.offsets[person + 1]
    kept = np.ones(table.rows.length, dtype=np.bool_)
    kept[begin:end] = False
    columns = {
        name: Values(found.numbers[kept], found.valid[kept]) for name, found in table.rows.columns.items()
    }
    sizes = np.delete(np.diff(table.offsets), person)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    assert table.digests is not None
    digests = np.delete(table.digests, person, axis=0)
    return table_from_columns(Rows(OWN, columns, int(kept.sum())), offsets, digests), kept


TURN = mapping.mapped(MAPPING, OWN, STUDY)


@FEW
@given(tables(), st.data())
def test_without_a_person_the_rows_of_all_others_are_the_same_bits(table: SortedTable, data: st.DataObject):
    person = data.draw(st.integers(0, table.subjects - 1))
    fewer, kept = without(table, person)
    whole, rest = TURN(table), TURN(fewer)
    assert np.array_equal(rest.offsets, fewer.offsets)
    for name in STUDY.columns:
        before, after = whole.rows.columns[name], rest.rows.columns[name]
        assert before.numbers[kept].tobytes() == after.numbers.tobytes()
        assert before.valid[kept].tobytes() == after.valid.tobytes()


@FEW
@given(tables())
def test_mapped_values_are_within_the_studys_declarations(table: SortedTable):
    found = TURN(table)
    assert found.rows.table is STUDY
    assert found.rows.length == table.rows.length
    for plan in plans_for(STUDY):
        column, declared = found.rows.columns[plan.name], STUDY.columns[plan.name]
        upper = len(plan.labels) - 1 if plan.labels else plan.upper
        assert column.numbers.dtype == stored(plan)
        assert np.all((column.numbers >= (0 if plan.labels else plan.lower)) & (column.numbers <= upper))
        assert declared.nullable or column.valid.all()
        assert column.valid.shape == column.numbers.shape
        assert not column.numbers.flags.writeable
        if declared.lattice is not None:
            assert np.array_equal(decimal_grid.nearest(column.numbers, declared.lattice), column.numbers)


@FEW
@given(tables(), st.integers(1, 4))
def test_a_rows_bits_do_not_depend_on_its_place(table: SortedTable, part: int):
    whole = TURN(table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapping, "PART", part)
        in_parts = TURN(table)
    for name in STUDY.columns:
        assert whole.rows.columns[name].numbers.tobytes() == in_parts.rows.columns[name].numbers.tobytes()


QUERY = Query(table="t", measure=Sum(Column("pay")), where=In("job", ("1",)), by=("part",))


@FEW
@given(tables(), st.data())
def test_a_person_moves_the_total_by_no_more_than_the_clip(table: SortedTable, data: st.DataObject):
    fewer, _ = without(table, data.draw(st.integers(0, table.subjects - 1)))
    moved = exact_sums(QUERY, TURN(table)) - exact_sums(QUERY, TURN(fewer))
    assert sum(int(units) ** 2 for units in moved.ravel()) <= ONE**2


def rows(**columns: list[float | None]) -> SortedTable:
    """One row a person, with these values."""
    plans = {plan.name: plan for plan in plans_for(OWN)}
    many = len(next(iter(columns.values())))
    found = {
        name: Values(
            np.array([0 if value is None else value for value in values], stored(plans[name])),
            np.array([value is not None for value in values]),
        )
        for name, values in columns.items()
    }
    return table_from_columns(Rows(OWN, found, many), np.arange(many + 1, dtype=np.int64))


def test_numbers_change_linearly_and_are_clipped_and_rounded():
    pay = TURN(rows(wage=[100.0, 1000.0, -100.0, 112.5, None])).rows.columns["pay"]
    assert pay.numbers.tolist() == [0.9, 11.7, 0.0, 1.0, 0.0]  # 112.5 becomes 1.05, and a float below it
    assert pay.valid.tolist() == [True, True, True, True, False]
    assert TURN(rows(age=[-3, 40, 120, None])).rows.columns["years"].numbers.tolist() == [18, 40, 67, 18]


def test_categories_without_a_counterpart_are_missing():
    part = TURN(rows(region=[0, 1, 2, None])).rows.columns["part"]
    assert part.numbers.tolist() == [1, 0, 0, 0]
    assert part.valid.tolist() == [True, True, False, False]


def test_yes_and_no_can_be_turned_round_and_codes_named():
    found = TURN(rows(works=[0, 1], code=[1, 3])).rows
    assert found.columns["job"].numbers.tolist() == [1, 0]
    assert found.columns["sex"].numbers.tolist() == [1, 2]


def test_columns_that_are_not_opened_are_left_out():
    assert sorted(TURN(rows(age=[40], note=[0])).rows.columns) == ["years"]


def test_a_column_without_missing_values_gets_all_its_marks():
    table = rows(age=[40, 41])
    everywhere = {"age": Values(table.rows.columns["age"].numbers, EVERYWHERE)}
    found = TURN(table_from_columns(Rows(OWN, everywhere, 2), table.offsets))
    assert found.rows.columns["years"].valid.tolist() == [True, True]


def test_a_query_opens_the_columns_that_it_reads():
    query = Query(table="t", measure=Mean(Column("pay")), where=In("part", ("n",)), by=("job",))
    assert mapping.wanted(MAPPING, query, STUDY) == {"wage", "region", "works"}
    assert mapping.wanted(MAPPING, Query(table="t", measure=Count()), STUDY) == set()


def test_the_identity_fits_every_study():
    mapping.check(mapping.identity(STUDY), STUDY, STUDY)


LINEAR = {"column": "age", "scale": "1.0", "offset": "0.0"}


@pytest.mark.parametrize(
    ("column", "given_", "why"),
    [
        ("years", None, "Choose a column for “years”."),
        ("years", {}, "Choose a column for “years”."),
        ("years", {**LINEAR, "column": "x"}, "no column “x”"),
        ("years", {**LINEAR, "column": "person"}, "no column “person”"),
        ("years", {**LINEAR, "column": "day"}, "not both numbers"),
        ("years", {**LINEAR, "column": "region"}, "not both numbers"),
        ("part", LINEAR, "not both numbers"),
        ("years", {"column": "age"}, "a factor and an addend"),
        ("years", {**LINEAR, "scale": 1}, "a factor and an addend"),
        ("years", {**LINEAR, "scale": "1"}, "a factor and an addend"),
        ("years", {**LINEAR, "scale": "nan"}, "a factor and an addend"),
        ("years", {**LINEAR, "scale": "0.0"}, "is 0, or one of its numbers is too large"),
        ("years", {**LINEAR, "scale": "1e+31"}, "too large"),
        ("years", {**LINEAR, "offset": "-1e+31"}, "too large"),
        ("years", {"column": "age", "labels": {}}, "Choose a column of numbers"),
        (
            "sex",
            {"column": "region", "labels": {"north": "f", "south": "m", "west": "x"}},
            "may have missing values",
        ),
        ("part", {"column": "wage", "labels": {}}, "no declared categories"),
        ("part", {"column": "note", "labels": {}}, "no declared categories"),
        ("part", {"column": "region", "labels": []}, "Say which categories"),
        ("part", {"column": "region", "labels": {}, "scale": "1.0"}, "Say which categories"),
        ("part", {"column": "region", "labels": {"east": "n"}}, "“region” has no category “east”"),
        ("part", {"column": "region", "labels": {"north": "x"}}, "“part” has no category “x”"),
        ("part", {"column": "region", "labels": {"north": ["n"]}}, "“part” has no category"),
        ("part", {"column": "region", "labels": {}}, "at least one of"),
        ("sex", {"column": "code", "labels": {"1": "f"}}, "Choose a category of it for each of “code”"),
    ],
)
def test_what_does_not_fit_is_refused_by_column(column: str, given_: Any, why: str):
    wrong = {**MAPPING, column: given_}
    with pytest.raises(mapping.DoesNotFit) as raised:
        mapping.mapped(wrong, OWN, STUDY)
    assert list(raised.value.columns) == [column]
    assert why in raised.value.columns[column]
    assert str(raised.value) == raised.value.columns[column]


def test_all_reasons_are_told_at_once():
    with pytest.raises(mapping.DoesNotFit) as raised:
        mapping.check({"other": LINEAR, "years": LINEAR}, OWN, STUDY)
    assert set(raised.value.columns) == {"other", *STUDY.columns} - {"years"}
    assert raised.value.columns["other"] == "The study has no column “other”."
