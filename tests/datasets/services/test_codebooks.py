"""Columns declared by a codebook: what changes, what is said of the rest, and that looking changes nothing."""

from datetime import date

import pyarrow as pa
import pytest

from common.errors import Conflict, Denied
from datasets import services
from datasets.codebooks import writer
from datasets.models import Table
from datasets.services import codebooks
from tests import make
from tests.datasets.logged import actions
from tests.makers.datasets import wage_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def table() -> Table:
    return make.draft(make.dataset(published=False)).tables.get()


def look(table: Table, text: str) -> codebooks.Draft:
    return codebooks.look(table, text, by=table.revision.dataset.owner)


def only(table: Table, text: str) -> codebooks.ColumnDraft:
    [column] = look(table, text).columns
    return column


def test_what_a_codebook_changes_is_shown_first_and_then_declared(table: Table):
    text = "name,label,type,unit,max,may be empty\nWAGE,Wage per month,numeric,$,60000,no\nyaer,Year,,,,\n"
    draft = look(table, text)
    [wage] = draft.columns
    assert [(each.what, each.before, each.after) for each in wage.changes] == [
        ("unit", "EUR", "$"),
        ("may be empty", "yes", "no"),
        ("highest value", "50000", "60000"),
        ("description", "", "Wage per month"),
    ]
    assert draft.unknown == ["Line 3: the table has no column “yaer”. Did you mean “year”?"]
    assert draft.absent == ["person", "year", "region"]
    assert table.columns.get(name="wage").upper == 50_000
    codebooks.take(table, text, by=table.revision.dataset.owner)
    after = table.columns.get(name="wage")
    assert (after.upper, after.lower, after.unit, after.nullable, after.confirmed) == (
        60_000,
        0,
        "$",
        False,
        False,
    )
    assert actions()[-1] == "table.declare"


def test_a_codebook_that_is_called_public_confirms_what_it_states_whole(table: Table):
    owner = table.revision.dataset.owner
    services.declare(
        table, by=owner, columns={name: {"confirmed": False} for name in ("wage", "year", "region")}
    )
    text = (
        "name,type,min,max,categories,may be empty\nwage,number,0,60000,,no\nyear,,1980,2020,,\n"
        "region,,,,east|north|west,yes\nperson,,low,,,no\n"
    )
    assert look(table, text).confirmable == ["wage", "region"]
    codebooks.take(table, text, by=owner)
    assert not table.columns.filter(name__in=["wage", "year", "region"], confirmed=True)
    codebooks.take(table, text, by=owner, public=True)
    assert set(table.columns.filter(confirmed=True).values_list("name", flat=True)) >= {"wage", "region"}
    assert not table.columns.get(name="year").confirmed


@pytest.mark.parametrize(
    ("text", "confirms"),
    [
        ("name,may be empty\nregion,no\n", False),
        ("name,type,may be empty\nregion,text,no\n", True),
        ("name,type,may be empty\nregion,number,no\n", False),
        ("name,type,min,max,may be empty\nwage,numeric,0,9,no\n", True),
        ("name,type,min,max,may be empty\nwage,,0,9,no\n", True),
        ("name,type,min,max,may be empty\nwage,integer,0,9,no\n", False),
        ("name,type,min,may be empty\nwage,number,0,no\n", False),
    ],
    ids=range(7),
)
def test_a_guessed_type_is_not_confirmed(table: Table, text: str, confirms: bool):
    """Whether a column of texts is text or a category was proposed after counting its different values."""
    services.declare(
        table, by=table.revision.dataset.owner, columns={"region": {"type": "text", "categories": []}}
    )
    assert bool(look(table, text).confirmable) is confirms


def test_a_description_alone_leaves_the_confirmation(table: Table):
    codebooks.take(table, "name,label\nwage,Wage\n", by=table.revision.dataset.owner)
    assert table.columns.get(name="wage").confirmed


@pytest.mark.parametrize(
    ("row", "changed", "remark"),
    [
        ("wage,,date,,,", {}, "The type “date” was not taken: the column is stored as numbers."),
        ("wage,,number,9,1,", {}, "The highest value “1” was not taken. The highest value is below the lowest."),
        ("wage,,number,low,,", {}, "The lowest value “low” was not taken. Enter a number."),
        ("wage,,oddly,,,", {}, "The type “oddly” is not known."),
        ("wage,,,,,a|b", {}, "The categories (a, b) were not taken: a column of the type “number” has none."),
        ("region,,,1,2,", {}, "The lowest value “1” was not taken: a column of the type “category” has none."),
        ("region,,number,,,", {}, "The type “number” was not taken: the column is stored as text. Choose under"),
        ("year,,,,,1990=first|soon", {}, "The categories (1990 = first, soon) were not taken: a column of the"),
        ("year,,,1980,2020,0=never", {"lower": 1980, "upper": 2020}, "The categories (0 = never) were not taken"),
        ("year,,text,1980.00,,", {"lower": 1980}, "The type “text” was not taken: the column is stored as"),
        ("year,,integer,,,1990|1991", {"type": "category", "categories": [1990, 1991], "lower": None, "upper": None},
         "It was taken as a category, because the codebook lists categories."),
        ("region,,,,,1=east|2=west", {"categories": ["east", "west"]}, "The labels of the categories were taken, not"),
        ("region,%s,,,," % ("x" * 600), {"description": "x" * 499 + "…"}, "the first 500 of 600 characters"),
    ],
    ids=range(13),
)  # fmt: skip
def test_what_does_not_fit_is_said_and_the_rest_is_taken(
    table: Table, row: str, changed: dict[str, object], remark: str
):
    draft = only(table, f"name,label,type,min,max,categories\n{row}\n")
    assert draft.fields == changed
    assert remark in " ".join(draft.remarks)


def test_labels_of_codes_are_described_once_and_codes_that_mean_missing_are_no_categories(table: Table):
    text = "name,label,values,missing\nyear,Wave,1990=first|1991=second|-9=refused,-9\n"
    draft = look(table, text)
    assert draft.columns[0].fields["categories"] == [1990, 1991]
    assert draft.columns[0].fields["description"] == "Wave (1990 = first, 1991 = second)"
    assert draft.notes[0].startswith("The codebook says that “-9” means missing in “year”.")
    codebooks.take(table, text, by=table.revision.dataset.owner)
    assert look(table, text).declared == {}
    assert look(table, "name,values\nyear,1990=first|1991=second\n").declared == {}


def test_a_downloaded_codebook_changes_nothing(table: Table):
    rows = (
        wage_rows()
        .append_column("day", pa.array([date(2020, 1, 1)] * 120))
        .append_column("sick", pa.array([True] * 120))
    )
    rows = rows.append_column("at", pa.array([0] * 120, pa.timestamp("us")))
    declared = {
        "wage": {"decimals": 2, "lower": -0.25, "description": "=1+1, “or”\nmore", "unit": "=kg"},
        "region": {
            "categories": ["a|b", "1: x", "-", "c=d\\", "east, or west", "{a,b}", "f\u2028g", "z..."],
            "rows_per_value": 3,
        },
        "day": {"lower": -3, "upper": 20_000},
        "at": {"lower": 0.5, "upper": 86_400},
        "sick": {"nullable": False},
    }
    whole = make.draft(make.dataset(published=False, rows=rows, declared=declared)).tables.get()
    text = writer.as_csv(whole.declared)
    draft = look(whole, text)
    assert (draft.declared, draft.unknown, draft.absent, draft.notes) == ({}, [], [], [])
    assert [each.remarks for each in draft.columns] == [[]] * 7
    assert "31337" not in text


def test_only_the_owner_declares_and_only_a_draft(table: Table):
    with pytest.raises(Denied):
        codebooks.look(table, "name,label\nwage,Wage\n", by=make.owner())
    dataset = make.dataset()
    with pytest.raises(Conflict):
        codebooks.take(make.current(dataset).tables.get(), "name,label\nwage,Wage\n", by=dataset.owner)
    with pytest.raises(Conflict, match="Only a draft"):
        codebooks.look(make.current(dataset).tables.get(), "name,label\nwage,Wage\n", by=dataset.owner)


def test_labels_that_do_not_fit_beside_the_description_are_not_taken(table: Table):
    text = f"name,label,values\nyear,{'x' * 495},1990=first|1991=second\n"
    draft = only(table, text)
    assert draft.fields["description"] == "x" * 495
    assert "The labels of the categories were not taken" in " ".join(draft.remarks)


def test_bounds_say_that_a_column_of_numbers_is_one(table: Table):
    services.declare(table, by=table.revision.dataset.owner, columns={"year": {"type": "category"}})
    fields = only(table, "name,min,max\nyear,1980,2020\n").fields
    assert (fields["type"], fields["lower"], fields["upper"]) == ("integer", 1980, 2020)


def test_codebooks_of_other_formats_reach_the_same_columns(table: Table):
    schema = '{"fields": [{"name": "wage", "type": "number", "constraints": {"maximum": 60000}}]}'
    ddi = '<codeBook><dataDscr><var name="WAGE"><valrng><range max="60000"/></valrng></var></dataDscr></codeBook>'
    assert only(table, schema).fields == only(table, ddi).fields == {"upper": 60_000}
    services.declare(table, by=table.revision.dataset.owner, columns={"wage": {"upper": 60_000}})
    assert only(table, schema).fields == {}
