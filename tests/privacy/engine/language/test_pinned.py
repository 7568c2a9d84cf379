"""Rows declared for each value of a column: which filters they bound, and what follows for the clip."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import services as datasets
from datasets.services import inspection
from privacy import services
from privacy.engine.language.expressions import And, Binary, Column, Compare, Constant, In, IsNull, Not, Or
from privacy.engine.language.pinned import values_left
from privacy.engine.language.query import Count, CountSubjects, Mean, Query
from privacy.engine.language.schema import ColumnSpec, Kind, QueryRefused, TableSpec
from privacy.engine.language.sql import parse
from privacy.engine.measure import contributions as co
from privacy.engine.measure.evaluate import Rows, Values, holds
from privacy.engine.plan.caps import rows_that_count
from privacy.engine.plan.designs import design
from privacy.engine.release import measure, table_from_columns
from privacy.execution import lifecycle
from privacy.presentation import caps_in_words, suggestions
from privacy.services import guides, questions
from tests import make
from tests.makers import privacy as shares
from tests.makers.datasets import PEOPLE, WAGE_COLUMNS

YEARS = range(1990, 1994)
YEAR = ColumnSpec(name="year", kind=Kind.INTEGER, lower=1990, upper=1993, rows_per_value=1)
REGION = ColumnSpec(name="region", kind=Kind.CATEGORY, labels=("north", "south", "east"))
UNION = ColumnSpec(name="union", kind=Kind.BOOLEAN, upper=1.0, labels=("0", "1"))
SPEC = TableSpec(
    name="wages", subject="person", max_rows=8, columns={c.name: c for c in (YEAR, REGION, UNION)}
)
COUNT = Query(table="wages", measure=Count())


def every_row():
    """A row for each combination of values, the missing one included."""
    grid = list(itertools.product([*YEARS, None], [0, 1, 2, None], [0, 1, None]))
    columns = {
        name: Values(
            np.array([float(row[k] or 0) for row in grid]), np.array([row[k] is not None for row in grid])
        )
        for k, name in enumerate(("year", "region", "union"))
    }
    return grid, Rows(SPEC, columns, len(grid))


def compared(name, values):
    ops, numbers = st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), st.sampled_from(values).map(Constant)
    column = st.just(Column(name))
    return st.builds(Compare, ops, column, numbers) | st.builds(Compare, ops, numbers, column)


LEAVES = st.one_of(
    compared("year", [1989, 1990.5, *map(float, YEARS), 2000.0]),
    compared("union", [0.0, 1.0]),
    st.sampled_from(["year", "region", "union"]).map(IsNull),
    st.builds(In, st.just("region"), st.lists(st.sampled_from(REGION.labels), min_size=1).map(tuple)),
    st.builds(In, st.just("union"), st.lists(st.sampled_from(UNION.labels), min_size=1).map(tuple)),
    st.just(Compare("=", Binary("+", Column("year"), Constant(1.0)), Constant(1991.0))),
)
FILTERS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(tuple).map(And),
        st.lists(inner, min_size=1, max_size=3).map(tuple).map(Or),
        inner.map(Not),
    ),
    max_leaves=8,
)


@given(FILTERS)
@settings(max_examples=300, deadline=None)
def test_no_filter_lets_more_values_pass_than_are_counted(where):
    """Beside every row that there can be."""
    grid, rows = every_row()
    passing = [row for row, kept in zip(grid, holds(where, rows), strict=True) if kept]
    for k, spec in enumerate((YEAR, REGION, UNION)):
        seen = {row[k] for row in passing}
        if (found := values_left(where, spec)) is not None:
            assert None not in seen
            assert len(seen) <= found <= len(spec.labels or YEARS)


LEFT = {
    "year = 1991": 1,
    "1991 = year": 1,
    "year = 2050": 0,
    "year in (1990, 1992, 1990)": 2,
    "year between 1991 and 1992": 2,
    "year > 1990 and year <> 1992": 2,
    "year = 1990 or year = 1993": 2,
    "not (year < 1993)": 1,
    "not year is null": 4,
    "year = 1991 and region = 'north'": 1,
    "(year = 1991 and region = 'north') or year = 1992": 2,
    "year = 1991 or region = 'north'": None,
    "region = 'north'": None,
    "year is null": None,
    "year + 1 = 1992": None,
}


@pytest.mark.parametrize("text", LEFT)
def test_which_filters_pin_a_column(text):
    query = parse(f"SELECT COUNT(*) FROM wages WHERE {text}", SPEC)  # noqa: S608
    assert values_left(query.where, YEAR) == LEFT[text]
    values = LEFT[text]
    assert rows_that_count(query, SPEC) == (8 if values is None else max(1, values))
    assert design(query, SPEC).clip == rows_that_count(query, SPEC)


def test_a_column_of_very_many_or_broken_numbers_pins_nothing():
    one = Compare("=", Column("year"), Constant(1.0))
    assert values_left(one, replace(YEAR, lower=0, upper=999)) == 1
    for spec in (
        replace(YEAR, lower=0, upper=1000),
        replace(YEAR, lower=0.5),
        replace(YEAR, kind=Kind.NUMBER),
    ):
        assert values_left(one, spec) is None
    assert values_left(None, YEAR) is None


def test_a_lower_bound_never_raises_the_cap_and_the_question_decides():
    two = replace(COUNT, where=Or((Compare("=", Column("year"), Constant(1990.0)),) * 2))
    many = replace(SPEC, columns={**SPEC.columns, "year": replace(YEAR, rows_per_value=50)})
    assert rows_that_count(two, many) == 8
    assert rows_that_count(replace(two, rows=5), SPEC) == 5
    assert caps_in_words.counting(two, SPEC) == "counting at most 1 per person"
    with pytest.raises(QueryRefused):
        design(replace(COUNT, where=Compare("=", Column("region"), Constant(1.0))), SPEC)


def test_whoever_has_more_rows_than_declared_is_scaled_down():
    """The declaration is trusted for exactness alone."""
    offsets = np.array([0, 1, 4], dtype=np.int64)
    columns = {name: Values(np.zeros(4), np.ones(4, dtype=bool)) for name in ("region", "union")}
    years = Values(np.array([1991.0, 1991, 1991, 1991]), np.ones(4, dtype=bool))
    data = table_from_columns(Rows(SPEC, {"year": years, **columns}, 4), offsets)
    found = measure(replace(COUNT, where=Compare("=", Column("year"), Constant(1991.0))), data)
    assert np.sqrt(found.squares.astype(float)) / co.ONE == pytest.approx([1, 1], rel=1e-6)
    assert found.squares.max() <= co.ONE**2


def test_a_condition_is_proposed_that_would_lower_the_cap():
    ((spec, saves),) = suggestions.pinning(COUNT, SPEC)
    assert (spec.name, round(saves)) == ("year", 64)
    pinned = replace(COUNT, where=Compare("=", Column("year"), Constant(1991.0)))
    assert list(suggestions.pinning(pinned, SPEC)) == []
    assert list(suggestions.pinning(Query(table="wages", measure=CountSubjects()), SPEC)) == []
    assert list(suggestions.pinning(Query(table="wages", measure=Mean(Column("year"))), SPEC)) == []


@pytest.mark.django_db
def test_no_guide_is_offered_where_one_row_of_a_person_counts_already(budget):
    data = budget.promise.dataset
    type(budget.promise).objects.filter(dataset=data).update(public_size=10**6)
    budget.promise.refresh_from_db()
    quote = questions.quote(budget, COUNT, by=budget.scientist, epsilon=1)
    pinned = replace(COUNT, where=Compare("=", Column("year"), Constant(1991.0)))
    assert guides.guide(budget, quote) is not None
    assert rows_that_count(pinned, quote.spec) == 1
    assert guides.guide(budget, questions.quote(budget, pinned, by=budget.scientist, epsilon=1)) is None


@pytest.fixture
def budget():
    """On rows of which a person has one a year, as is declared; the owner was told that it is so."""
    data, scientist = make.dataset(published=False), make.scientist()
    table = make.draft(data).tables.get()
    columns = {"year": {**WAGE_COLUMNS["year"], "rows_per_value": 1}}
    datasets.declare(table, by=data.owner, columns=columns)
    table.refresh_from_db()
    inspection.check_fit(table, by=data.owner)
    assert table.misfits["per_value"] == [
        {"column": "year", "all": PEOPLE, "over": 0, "most": 1, "nobody": 0, "declared": 1}
    ]
    datasets.publish(data, by=data.owner)
    data.refresh_from_db()
    make.grant(data, scientist)
    made = services.protect(data, by=data.owner, epsilon=50, public_size=PEOPLE, constants=[], scientists=1)
    return services.give_budget(made, scientist, by=data.owner, epsilon=40)


@pytest.mark.django_db
def test_it_makes_an_answer_about_one_year_more_exact(budget):
    def priced(text):
        return questions.quote(
            budget, questions.read_sql(budget, text).query, by=budget.scientist, epsilon=10
        )

    one = priced("SELECT COUNT(*) FROM wages WHERE year = 1991")
    assert one.half_width == pytest.approx(priced("SELECT COUNT(*) FROM wages").half_width / 4)
    answer = shares.answer(budget, "SELECT COUNT(*) FROM wages WHERE year = 1991", epsilon=30)
    lifecycle.compute(str(answer.pk))
    answer.refresh_from_db()
    assert answer.result is not None
    (figure,) = answer.result["lines"][0]["figures"]
    assert abs(figure["value"] - PEOPLE) < 3 * figure["half_width"]
    assert answer.record["rows_per_person"] == 1


@pytest.mark.django_db
def test_it_is_public(budget, client):
    client.force_login(budget.scientist)
    asking_page = client.get(reverse("privacy:ask", args=[budget.pk])).content.decode()
    assert "at most 1 row per person and value" in asking_page
    detail = client.get(reverse("datasets:detail", args=[budget.promise.dataset_id])).content.decode()
    assert "at most 1 row per person and value" in detail
    told = client.get(reverse("api:budget", args=[budget.pk])).json()["tables"][0]["columns"]
    assert [each["rows_per_value"] for each in told if each["name"] == "year"] == [1]
    price = reverse("privacy:price", args=[budget.pk])
    page = client.post(price, {"source": "form", "measure": "count", "goal": "epsilon", "epsilon": "1"})
    assert [(each["name"], each["price"]) for each in page.context["pins"]] == [
        ("year", "1/16 of the price for the same error.")
    ]
