"""Declared decimals: on the page, in the service, and carried over with the other declarations."""

from datetime import date

import pyarrow as pa
import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from common.decimal_grid import holds
from common.errors import Refused
from datasets import services
from datasets.declarations import mock
from datasets.declarations.schema import ColumnSchema, TableSchema, from_json, gaps, misplaced, to_json
from datasets.forms import ColumnForm
from datasets.ingest.guesses import propose
from datasets.models import Column
from datasets.reading.outcome import ColumnRead
from tests import make
from tests.makers.datasets import wage_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def table():
    return make.draft(make.dataset(published=False)).tables.get()


def column(table, name="wage"):
    return table.columns.get(name=name)


def declared(table, **fields):
    services.declare(table, by=table.revision.dataset.owner, columns={"wage": fields})
    return column(table)


def typed(table, name="wage", **fields):
    found = column(table, name)
    data = {"type": found.type, "lower": "0", "upper": "40", **fields}
    return ColumnForm({f"c{found.position}-{field}": value for field, value in data.items()}, column=found)


@pytest.mark.parametrize(
    ("decimals", "lower", "upper", "wrong"),
    [
        ("2", "0.3", "19.99", {}),
        ("0", "-5", "1e6", {}),
        ("6", "0", "0.000001", {}),
        ("", "0", "0.123456789", {}),
        ("2", "0.005", "19.999", {"lower", "upper"}),
        ("0", "0.5", "19", {"lower"}),
        ("6", "0", "1e10", {"upper"}),
        ("7", "0", "1", {"decimals"}),
        ("-1", "0", "1", {"decimals"}),
        ("1.5", "0", "1", {"decimals"}),
    ],
)
def test_the_form_wants_few_decimals_and_bounds_that_have_no_more(table, decimals, lower, upper, wrong):
    form = typed(table, decimals=decimals, lower=lower, upper=upper)
    assert set(form.errors) == set(wrong)
    if not wrong:
        assert form.cleaned_data["decimals"] == (int(decimals) if decimals else None)


def test_the_form_says_what_is_wrong_with_a_bound(table):
    form = typed(table, decimals="2", lower="0.005", upper="1e14")
    assert form.errors["lower"] == ["It has more than the 2 decimals that you declare for this column."]
    assert form.errors["upper"] == [
        "With 2 decimals, it has to be between -11,258,999,068,426 and 11,258,999,068,426."
    ]


def test_only_numbers_have_the_field(table):
    assert typed(table, decimals="2").has_decimals
    year = typed(table, "year", decimals="2", lower="1990", upper="1999")
    assert year.has_decimals  # whole numbers may be declared as numbers
    assert year.is_valid()
    assert year.cleaned_data["decimals"] is None
    assert not typed(table, "region", type="category").has_decimals


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"decimals": 2, "upper": 9.999}, "wage, upper bound: it has more than the 2 decimals"),
        (
            {"decimals": 6, "lower": -1e12},
            "wage, lower bound: with 6 decimals, it has to be between -1,125,899,906 and 1,125,899,906",
        ),
        ({"decimals": 7}, "decimals"),
        ({"decimals": -1}, "decimals"),
        ({"decimals": "two"}, "decimals"),
    ],
)
def test_the_service_refuses_the_same(table, fields, why):
    with pytest.raises(Refused, match=why):
        declared(table, **fields)
    assert column(table).decimals is None


def test_bounds_keep_to_decimals_that_were_declared_before_and_only_numbers_have_any(table):
    assert declared(table, decimals=2, lower=0.0, upper=9.99).decimals == 2
    with pytest.raises(Refused, match="more than the 2 decimals"):
        declared(table, upper=9.999)
    by = table.revision.dataset.owner
    with pytest.raises(Refused, match="year: only a column of numbers"):
        services.declare(table, by=by, columns={"year": {"decimals": 0}})
    with pytest.raises(IntegrityError), transaction.atomic():
        Column.objects.filter(table=table, name="year").update(decimals=0)


@pytest.mark.parametrize(
    ("bound", "fits"),
    [(0.0, True), (-719_162.0, True), (2_932_896.0, True), (0.5, False), (2_932_897.0, False), (-1e9, False)],
)
def test_bounds_of_dates_are_days_of_a_calendar(bound, fits):
    assert (misplaced("date", None, bound) == "") == fits


def test_a_date_without_a_day_is_refused_by_the_service():
    rows = pa.table({"person": [1], "born": pa.array([date(1990, 1, 1)], pa.date32())})
    data = make.dataset(published=False)
    table = make.table(make.draft(data), name="people", rows=rows)
    with pytest.raises(Refused, match="born, upper bound: it is not a date from 0001-01-01"):
        services.declare(table, by=data.owner, columns={"born": {"lower": 0, "upper": 10.5}})


def filled(client, table, name, lowest, highest, **typed):
    """The column after the owner has filled it in from the data, and the text of the page after that."""
    profile = {name: {"lowest": lowest, "highest": highest, "distinct": 9, "values": []}}
    type(table).objects.filter(pk=table.pk).update(profile=profile)
    columns = {each.name: each for each in table.columns.all()}
    data = {
        "name": "wages",
        "subject": str(columns["person"].pk),
        "mock_rows": "400",
        "rows_per_subject": "4",
    }
    data |= {f"c{each.position}-type": each.type for each in columns.values()}
    data |= {f"c{columns[name].position}-{field}": value for field, value in typed.items()}
    client.force_login(table.revision.dataset.owner)
    address = reverse("datasets:declare", args=[table.pk])
    answer = client.post(address, {**data, "fill": columns[name].pk.hex}, follow=True)
    assert answer.redirect_chain
    return column(table, name), " ".join(map(str, answer.context["messages"]))


def test_filled_in_from_the_data_they_are_rounded_as_values_are(client, table):
    wage, _ = filled(client, table, "wage", 0.1 + 0.2, 99.999, decimals="2")
    assert (wage.decimals, wage.lower, wage.upper, wage.confirmed) == (2, 0.3, 100.0, False)


@pytest.mark.parametrize("highest", [8.99e307, 1e305, 1.8e18])
def test_a_number_too_large_for_decimals_is_not_filled_in_and_nothing_else_is_lost(client, table, highest):
    wage, words = filled(client, table, "wage", 1.0, highest, decimals="2", description="By the hour.")
    assert (wage.description, wage.decimals, wage.lower, wage.upper) == ("By the hour.", 2, 1.0, None)
    assert (
        "cannot be the upper bound: with 2 decimals, it has to be between -11,258,999,068,426 and 11,258,999,068,426"
        in words
    )


@pytest.mark.parametrize("highest", [2932897, 2**31 - 1])
def test_a_date_that_no_calendar_holds_is_not_filled_in(client, highest):
    rows = wage_rows()
    born = pa.array([date(1990, 1, 1)] * rows.num_rows)
    data = make.dataset(published=False, rows=rows.append_column("born", born), declared={"born": {}})
    table = make.draft(data).tables.get()
    found, words = filled(client, table, "born", 7000, highest)
    assert (found.lower, found.upper) == (7000, None)
    assert (
        "cannot be the upper bound: it is not a date from 0001-01-01 to 9999-12-31. Enter a bound." in words
    )


def test_bounds_that_no_value_can_have_are_named_before_publishing():
    """However they were saved."""
    born = ColumnSchema(name="born", type="date", stored="date32", lower=0.0, upper=3789391.0)
    table = TableSchema(name="t", columns=(born,), about_people=False)
    assert gaps(table, ["born"]) == ["t.born: upper bound: it is not a date from 0001-01-01 to 9999-12-31."]


def test_they_go_with_the_schema_and_into_the_next_revision(table):
    wage = declared(table, decimals=2, confirmed=True)
    data = table.revision.dataset
    services.publish(data, by=data.owner)
    (published,) = make.current(data).tables_declared
    assert published == from_json(to_json([published]))[0]
    assert next(each for each in published.columns if each.name == "wage") == wage.declared
    read = ColumnRead(name="wage", stored="double", empty=1, values=())
    assert propose(read, published) == wage.declared


def test_schemas_from_before_declare_none():
    kept = to_json([TableSchema(name="t", columns=(ColumnSchema(name="x", type="number", stored="double"),))])
    del kept["tables"][0]["columns"][0]["decimals"]
    assert from_json(kept)[0].columns[0].decimals is None


@pytest.mark.parametrize("decimals", [0, 1, 2, 6])
def test_the_mock_has_no_more_decimals(decimals):
    wage = ColumnSchema(name="x", type="number", stored="double", lower=-1.0, upper=3.0, decimals=decimals)
    values = mock.make(TableSchema(name="t", columns=(wage,))).column("x").drop_null().to_pylist()
    assert all(holds(value, decimals) for value in values)
    assert decimals == 0 or not all(holds(value, decimals - 1) for value in values)
