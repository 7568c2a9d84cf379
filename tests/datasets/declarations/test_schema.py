"""Declarations as plain data: what is missing, how bounds are written, what is proposed."""

from dataclasses import replace

import pytest

from datasets.declarations.schema import (
    ColumnSchema,
    TableSchema,
    bound_text,
    constants_of,
    from_json,
    gaps,
    parse_bound,
    to_json,
)
from datasets.ingest import guesses
from datasets.reading.outcome import ColumnRead

PERSON = ColumnSchema(name="person", type="integer", stored="int64", is_subject=True)


def table(*columns: ColumnSchema, **fields: object) -> TableSchema:
    return TableSchema(name="t", columns=columns, **fields)  # type: ignore[arg-type]


def test_a_schema_survives_being_kept():
    column = ColumnSchema(
        name="c", type="category", stored="int64", categories=(1, 2), unit="kg", nullable=False, constant=True
    )
    whole = (table(PERSON, column, description="Rows.", mock_rows=10, about_people=False),)
    assert from_json(to_json(whole)) == whole


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "12", 12.0),
        ("integer", "-3", -3.0),
        ("number", "0.25", 0.25),
        ("date", "1970-01-11", 10.0),
        ("date", "1969-12-31", -1.0),
        ("datetime", "1970-01-02 00:00", 86_400.0),
    ],
)
def test_bounds_are_read_as_they_are_written(kind, text, value):
    assert parse_bound(kind, f" {text} ") == value
    assert bound_text(kind, value) == text


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("integer", "1.5"),
        ("integer", ""),
        ("number", "nan"),
        ("number", "inf"),
        ("number", "x"),
        ("date", "31.1.2000"),
    ],
)
def test_what_is_no_bound_is_refused(kind, text):
    with pytest.raises(ValueError, match=r".*"):
        parse_bound(kind, text)


def test_gaps_are_told_in_words():
    wage = ColumnSchema(name="wage", type="number", stored="double")
    region = ColumnSchema(name="region", type="category", stored="string", categories=("a",))
    assert gaps(table(wage, region), []) == [
        "t: choose the column that identifies the person a row is about.",
        "t.wage: give a lower and an upper bound.",
        "t.region: confirm that its bounds or categories may be public.",
    ]
    assert gaps(table(PERSON, region), ["person", "region"]) == []


def test_a_type_fits_how_a_column_is_kept():
    wrong = ColumnSchema(name="wage", type="category", stored="double", categories=("1",))
    subject = ColumnSchema(name="day", type="date", stored="date32", is_subject=True)
    assert gaps(table(PERSON, wrong), ["person", "wage"]) == [
        "t.wage: choose a type that fits the stored values."
    ]
    assert gaps(table(subject), []) == [
        "t.day: only whole numbers or text can identify a person. Choose another column."
    ]


@pytest.mark.parametrize(
    ("stored", "values", "kind"),
    [
        ("string", ("a", "b"), "category"),
        ("string", (), "text"),
        ("string", tuple(map(str, range(40))), "text"),
        ("int64", (1, 2), "integer"),
        ("double", (), "number"),
        ("bool", (), "boolean"),
        ("date32", (), "date"),
        ("timestamp", (), "datetime"),
    ],
)
def test_a_type_is_proposed_and_nothing_read_off_the_data_is(stored, values, kind):
    read = ColumnRead(name="x", stored=stored, lowest=1.0, highest=2.0, values=values, distinct=len(values))
    proposed = guesses.propose(read, None)
    assert (proposed.type, proposed.lower, proposed.upper, proposed.categories) == (kind, None, None, ())


def test_declarations_are_carried_over_by_name():
    old = table(
        ColumnSchema(
            name="wage", type="number", stored="double", lower=0, upper=9, unit="EUR", nullable=False
        )
    )
    same = guesses.propose(ColumnRead(name="wage", stored="double", empty=3), old)
    assert (same.lower, same.upper, same.unit, same.nullable) == (0, 9, "EUR", True)
    other = guesses.propose(ColumnRead(name="wage", stored="string"), old)
    assert (other.type, other.lower) == ("text", None)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Wage Panel (2).csv", "wage_panel_2"),
        ("2020.csv", "t_2020"),
        ("données.parquet", "donn_es"),
        (".csv", "csv"),
        ("___.csv", "t"),
        ("x" * 200 + ".csv", "x" * 50),
    ],
)
def test_a_table_is_named_after_its_file(file, name):
    assert guesses.table_name(file, set()) == name
    assert guesses.table_name(file, {name}) == f"{name}_2"


@pytest.mark.parametrize(
    ("name", "sounds"),
    [
        ("person", True),
        ("patient_id", True),
        ("nr", True),
        ("ID", True),
        ("wage", False),
        ("idea", False),
        ("width", False),
    ],
)
def test_names_that_sound_like_a_person(name, sounds):
    assert guesses.may_be_subject(name) is sounds


@pytest.mark.parametrize(
    ("kind", "lower", "upper", "shown"),
    [
        ("number", 0.0, 50_000.0, "0 to 50,000"),
        ("integer", 1980.0, 1987.0, "1980 to 1987"),
        ("number", -0.5, 12_345.5, "-0.5 to 12,345.5"),
        ("date", 0.0, 20_000.0, "1970-01-01 to 2024-10-04"),
    ],
)
def test_bounds_are_shown_as_people_read_them(kind, lower, upper, shown):
    assert ColumnSchema(name="c", type=kind, stored="double", lower=lower, upper=upper).range_text == shown


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        ("integer", "9007199254740993", 9007199254740992.0),
        ("integer", "-1000000000000000", -1e15),
        ("number", "1e+300", 1e300),
        ("datetime", "2020-01-31 23:59:59", 1580515199.0),
        ("datetime", "2020-01-31 23:59:59.500000", 1580515199.5),
        ("datetime", "2020-01-31 23:59", 1580515140.0),
    ],
)
def test_bounds_can_be_saved_twice(type_, text, value):
    assert parse_bound(type_, text) == value
    assert parse_bound(type_, bound_text(type_, value)) == value
    assert bound_text(type_, value) == (text if type_ != "integer" else str(int(value)))


def test_a_column_is_constant_if_it_is_declared_so_wherever_people_have_several_rows():
    sex, born, varying = (
        ColumnSchema(name=name, type="boolean", stored="bool", constant=name != "ill")
        for name in ("sex", "born", "ill")
    )
    once = table(PERSON, replace(sex, constant=False), rows_per_subject=1)
    nobody = table(sex, varying, about_people=False)
    assert constants_of([table(PERSON, sex, born, varying), once, nobody]) == {"sex", "born"}
    assert constants_of([table(PERSON, sex, born), table(PERSON, replace(born, constant=False))]) == {"sex"}
    assert constants_of([once, nobody]) == frozenset()
