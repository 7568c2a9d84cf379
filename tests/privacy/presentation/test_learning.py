"""Models and synthetic tables in the form's fields and back, and in words."""

from dataclasses import replace

import pytest

from privacy.engine.language.expressions import Column, Compare, Constant, In
from privacy.engine.language.learning import (
    Amount,
    CategoryFeature,
    Choice,
    Events,
    Fit,
    NumberFeature,
    SyntheticTable,
    YesNo,
)
from privacy.engine.language.query import Query
from privacy.engine.language.schema import ColumnSpec, Kind
from privacy.presentation import learning_in_words, table_shown, words
from privacy.presentation.learning_form import outcomes
from privacy.presentation.query_form import Line, fields_of, query_of
from tests.privacy.make_table import SPEC

SLOPE = NumberFeature("hours", Column("hours"), 0)
OPEN = NumberFeature("hours", Column("hours"))
ASKED = {
    "whether a yes/no column is yes": Fit(YesNo(In("union", ("1",))), (SLOPE,)),
    "whether a column has a value": Fit(YesNo(In("region", ("east",))), (OPEN,), (16, 8), 0.0, 60, 500),
    "which value": Fit(
        Choice("region"), (NumberFeature("hours", Column("hours"), 8), CategoryFeature("union"))
    ),
    "how much": Fit(Amount(Column("wage")), (CategoryFeature("region"),), (), 0.25),
    "how many": Fit(Events(Column("wage")), (OPEN, CategoryFeature("union"))),
    "a table": SyntheticTable(("wage", "region"), 8, "region"),
    "a table without focus": SyntheticTable(("wage",)),
}


@pytest.mark.parametrize("what", ASKED)
def test_what_the_form_asks_for_comes_back_as_its_fields(what):
    query = Query(table="wages", measure=ASKED[what], where=In("region", ("north",)))
    found = fields_of(query, SPEC)
    assert found is not None
    fields, lines = found
    assert query_of({**fields, "by": ["region"], "rows": 1}, lines, SPEC) == query
    assert lines == [Line("region", "is", "north")]


@pytest.mark.parametrize(
    "measure",
    [
        Fit(YesNo(Compare(">", Column("wage"), Constant(20.0))), (SLOPE,)),
        Fit(Amount(Column("wage")), (NumberFeature("hours", Column("hours"), None, (0.0, 1.0, 2.0)),)),
        Fit(Amount(Column("wage")), (NumberFeature("h", Column("hours"), 0),)),
        Fit(Amount(Column("wage")), (SLOPE, NumberFeature("union", Column("union"), 2))),
        Fit(Amount(Column("wage")), (SLOPE,), (), 0.123),
    ],
)
def test_the_form_has_no_fields_for_other_models(measure):
    assert fields_of(Query(table="wages", measure=measure), SPEC) is None


def test_what_can_be_predicted_follows_from_the_declarations():
    assert outcomes(SPEC) == [
        ("", "Choose…"),
        ("Yes or no", [("whether:union", "union"), ("is:region", "region is …")]),
        ("Which value", [("which:region", "region")]),
        ("How much", [("amount:wage", "wage"), ("amount:hours", "hours")]),
    ]
    visits = ColumnSpec(name="visits", kind=Kind.INTEGER, lower=0.0, upper=30.0)
    assert ("How many events", [("events:visits", "visits, from 0 up")]) in outcomes(
        replace(SPEC, columns={"visits": visits})
    )


@pytest.mark.parametrize(
    ("what", "title"),
    [
        ("whether a yes/no column is yes", "Model of whether union is yes, from hours"),
        (
            "whether a column has a value",
            "Model of whether region is east, from hours, with 16 and 8 hidden units in 2 layers",
        ),
        ("how many", "Model of the number of events (wage), from hours and union"),
        ("a table", "Synthetic table of wage and region, with a focus on region"),
    ],
)
def test_titles(what, title):
    assert words.say(Query(table="wages", measure=ASKED[what]), SPEC) == title


def test_a_long_title_names_some_columns():
    columns = tuple(f"c{k}" for k in range(12))
    assert learning_in_words.title(SyntheticTable(columns)).endswith("c5, c6 and 5 other columns")


def test_a_table_without_pairs_claims_none():
    alone = {"columns": [{"name": "wage"}], "pairs": []}
    assert table_shown.keeps(alone) == [
        "The share of each value of each column, up to the noise shown with it."
    ]
    assert "Pairs" not in " ".join(table_shown.loses(alone))


def test_noise_and_people_say_what_a_training_is_worth():
    told = [learning_in_words.noise(ratio) for ratio in (0.001, 0.005, 0.05, 0.5)]
    assert told == [
        "0.1 % of the signal: nearly as good as without noise",
        "0.5 % of the signal: somewhat worse than without noise",
        "5 % of the signal: much worse than without noise",
        "50 % of the signal: it learns hardly anything",
    ]
    fit = Fit(YesNo(In("union", ("1",))), (SLOPE,), steps=60)
    training = learning_in_words.training(fit, SPEC, 10_000, 0.2)
    assert (training.steps, training.weights, training.people) == (60, 3, 8000)
    assert 6_000 < (training.as_exact_as or 0) < 8_000
    assert learning_in_words.training(Fit(Choice("region"), (SLOPE,)), SPEC, 10_000, 0.2).as_exact_as is None
