"""Models from declarations alone: what is refused, where things stand in z, and what is chosen from public numbers."""

from dataclasses import replace

import pytest

from privacy.engine.language.expressions import Binary, Column, Compare, Constant, In
from privacy.engine.language.learning import (
    Amount,
    CategoryFeature,
    Choice,
    Events,
    Fit,
    NumberFeature,
    YesNo,
)
from privacy.engine.language.query import Count, Query
from privacy.engine.language.schema import MAX_ROWS_PER_SUBJECT, ColumnSpec, Kind, QueryRefused, TableSpec
from privacy.engine.plan import deadlines
from privacy.engine.plan.caps import is_capped
from privacy.engine.plan.designs import design
from privacy.engine.plan.fits import noise_to_signal, plan_fit
from privacy.engine.plan.learning import explicit
from privacy.engine.plan.mechanisms import mechanism_of, most_releases
from privacy.engine.plan.pricing import error_per_sigma
from privacy.execution.questions import wanted_by


def spec(**columns):
    every = {
        "wage": ColumnSpec(name="wage", kind=Kind.NUMBER, lower=0.0, upper=100.0),
        "years": ColumnSpec(name="years", kind=Kind.INTEGER, lower=0.0, upper=4.0),
        "flat": ColumnSpec(name="flat", kind=Kind.NUMBER, lower=3.0, upper=3.0),
        "tight": ColumnSpec(name="tight", kind=Kind.NUMBER, lower=1.0, upper=1.0 + 2**-51),
        "vast": ColumnSpec(name="vast", kind=Kind.NUMBER, lower=-1e40, upper=1e40),
        "loss": ColumnSpec(name="loss", kind=Kind.NUMBER, lower=-5.0, upper=5.0),
        "union": ColumnSpec(name="union", kind=Kind.BOOLEAN, lower=0.0, upper=1.0, labels=("0", "1")),
        "region": ColumnSpec(name="region", kind=Kind.CATEGORY, labels=("north", "south", "east")),
        "single": ColumnSpec(name="single", kind=Kind.CATEGORY, labels=("only",)),
        "many": ColumnSpec(name="many", kind=Kind.CATEGORY, labels=tuple(map(str, range(10_000)))),
        "note": ColumnSpec(name="note", kind=Kind.TEXT),
        "born": ColumnSpec(name="born", kind=Kind.DATE, lower=0.0, upper=900.0),
        **columns,
    }
    return TableSpec(name="wages", subject="person", columns=every, max_rows=4)


WAGE, YEARS, REGION = (
    NumberFeature("wage", Column("wage")),
    NumberFeature("years", Column("years")),
    CategoryFeature("region"),
)
UNION = YesNo(In("union", ("1",)))
PLAIN = Fit(UNION, (WAGE, YEARS, REGION))


def ask(measure, **more):
    return Query(table="wages", measure=measure, **more)


def test_places_follow_the_order_of_the_question():
    fit = replace(PLAIN, features=(replace(WAGE, bins=4), replace(YEARS, bins=0), REGION))
    plan = plan_fit(fit, spec())
    assert [(f.name, f.kind, f.first, f.missing) for f in plan.features] == [
        ("wage", "parts", 1, 5),
        ("years", "slope", 6, 7),
        ("region", "category", 8, 11),
    ]
    assert plan.features[0].words == ("0 to 25", "25 to 50", "50 to 75", "75 to 100", "missing")
    assert (plan.width, plan.weights, plan.work) == (12, 12, 4)
    deep = plan_fit(replace(fit, outcome=Choice("union"), hidden=(3, 2)), spec())
    assert (deep.weights, deep.work) == (12 * 3 + 4 * 2 + 3 * 2, 4 * 3 + 4 * 2 + 3 * 2)


def test_parts_by_edges_are_named_apart_however_close_they_are():
    close = NumberFeature("wage", Column("wage"), edges=(1.0, 1.0000001, 1.0000002))
    (found,) = plan_fit(Fit(UNION, (close,)), spec()).features
    assert found.words == ("1 to 1.0000001", "1.0000001 to 1.0000002", "missing")


REFUSED = [
    (replace(PLAIN, features=()), "1 to 64 features", "features"),
    (
        replace(PLAIN, features=tuple(NumberFeature(str(k), Column("wage")) for k in range(65))),
        "1 to 64",
        "features",
    ),
    (replace(PLAIN, features=(CategoryFeature("many"),)), "10,002 weights", "features"),
    (replace(PLAIN, features=(REGION, CategoryFeature("note"))), "no declared values", "features[1]"),
    (replace(PLAIN, features=(CategoryFeature("wage"),)), "use it as a number", "features[0]"),
    (replace(PLAIN, features=(CategoryFeature("born"),)), "holds dates", "features[0]"),
    (replace(PLAIN, features=(CategoryFeature("person"),)), "identifies the person", "features[0]"),
    (replace(PLAIN, features=(NumberFeature("x", Column("flat")),)), "always 3", "features[0]"),
    (replace(PLAIN, features=(NumberFeature("x", Column("vast")),)), "too large", "features[0]"),
    (
        replace(PLAIN, features=(NumberFeature("x", Column("tight"), bins=9),)),
        "too close together",
        "features[0]",
    ),
    (replace(PLAIN, features=(replace(WAGE, bins=1),)), "2 to 64 parts", "features[0]"),
    (replace(PLAIN, features=(replace(WAGE, edges=(1.0, 2.0)),)), "3 to 65 edges", "features[0]"),
    (replace(PLAIN, features=(replace(WAGE, edges=(1.0, 3.0, 2.0)),)), "must rise", "features[0]"),
    (replace(PLAIN, features=(replace(WAGE, bins=3, edges=(1.0, 2.0, 3.0)),)), "not both", "features[0]"),
    (replace(PLAIN, features=(WAGE, replace(YEARS, name="wage"))), "different name", "features"),
    (replace(PLAIN, features=(REGION, CategoryFeature("union"))), "“union” is in the outcome", "features[1]"),
    (replace(PLAIN, outcome=Amount(Column("flat"))), "always 3", "outcome"),
    (
        replace(PLAIN, outcome=Amount(Binary("/", Constant(1.0), Column("wage")))),
        "divisor can be 0",
        "outcome",
    ),
    (replace(PLAIN, outcome=Events(Column("loss"))), "at least 0", "outcome"),
    (replace(PLAIN, outcome=Choice("single")), "between 2 and 50", "outcome"),
    (replace(PLAIN, outcome=Choice("note")), "no declared values", "outcome"),
    (replace(PLAIN, outcome=YesNo(In("region", ("mars",)))), "not a declared value", "outcome"),
    (replace(PLAIN, hidden=(8, 8, 8)), "up to 2 hidden layers", "hidden"),
    (replace(PLAIN, hidden=(65,)), "1 to 64 units", "hidden"),
    (replace(PLAIN, test_share=0.6), "from 0 to 0.5", "test_share"),
    (replace(PLAIN, steps=19), "20 to 200 steps", "steps"),
    (replace(PLAIN, people=0), "at least 1", "people"),
]


@pytest.mark.parametrize(("fit", "why", "place"), REFUSED)
def test_what_the_declarations_do_not_allow_is_refused_with_its_place(fit, why, place):
    for refuse in (
        lambda: design(ask(fit), spec()),
        lambda: explicit(ask(fit), spec(), public_size=10**6, mu=0.2),
    ):
        with pytest.raises(QueryRefused, match=why) as refused:
            refuse()
        assert refused.value.place == f"query.measure.{place}"


@pytest.mark.parametrize(("more", "place"), [({"by": ("region",)}, "by"), ({"rows": 2}, "rows")])
def test_each_person_counts_once_and_there_are_no_groups(more, place):
    with pytest.raises(QueryRefused, match="counts once") as refused:
        design(ask(PLAIN, **more), spec())
    assert refused.value.place == f"query.{place}"


def test_open_parts_and_steps_follow_from_public_numbers():
    large = explicit(ask(PLAIN), spec(), public_size=40_000, mu=0.24).measure
    assert [f.bins for f in large.features[:2]] == [16, 5]  # five whole numbers have a part each
    assert (large.steps, large.people) == (152, 40_000)
    small = explicit(ask(PLAIN), spec(), public_size=4_000, mu=0.24).measure
    assert [f.bins for f in small.features[:2]] == [0, 0]
    tiny = explicit(ask(PLAIN), spec(), public_size=10, mu=0.24).measure
    assert (tiny.steps, tiny.people) == (20, 10)
    huge = explicit(ask(replace(PLAIN, people=10**8)), spec(), public_size=10, mu=0.24).measure
    assert (huge.steps, huge.people) == (200, 10**8)


def test_what_is_said_is_kept():
    edged = replace(WAGE, edges=(0.0, 10.0, 100.0))
    said = replace(PLAIN, features=(edged, replace(YEARS, bins=3), REGION), steps=33, people=70)
    found = explicit(ask(said), spec(), public_size=10, mu=0.01).measure
    assert found == replace(said, features=(replace(edged, bins=2), *said.features[1:]))
    assert explicit(ask(Count()), spec(), public_size=10, mu=0.01) == ask(Count())


def test_a_model_is_a_release_for_each_step_and_one_for_the_people():
    query = ask(replace(PLAIN, steps=40))
    assert (design(query, spec()).releases, most_releases(query), most_releases(ask(PLAIN))) == (41, 41, 61)
    assert "gradient descent" in mechanism_of(query)
    assert error_per_sigma(query, design(query, spec()), 1000) is None
    assert not is_capped(query, spec())
    assert noise_to_signal(100, 10_000, 0.25) == pytest.approx(0.004)
    assert design(query, spec()).joined == 41  # people who test the model pay for one release of so many


def test_all_columns_of_outcome_features_and_filter_are_opened():
    features = (NumberFeature("x", Binary("+", Column("wage"), Column("loss"))), REGION)
    query = ask(Fit(Choice("single"), features), where=Compare(">", Column("years"), Constant(1)))
    assert wanted_by(query, spec()) == {"wage", "loss", "region", "single", "years"}
    assert wanted_by(ask(Fit(UNION, (YEARS,))), spec()) == {"union", "years"}


def test_one_person_with_all_the_rows_that_count_makes_no_model_late():
    fit = replace(PLAIN, steps=200, hidden=(64, 16))
    plan = design(ask(fit), spec())
    one = 200 * MAX_ROWS_PER_SUBJECT * deadlines.TRAIN_SLOW_WORK * plan_fit(fit, spec()).work
    assert one > 2 * deadlines.AFTER
    for rows in (1, MAX_ROWS_PER_SUBJECT):  # as declared, which the rows need not keep to
        assert deadlines.after_charge(plan, people=1, rows_per_person=rows) >= one


def test_the_time_for_training_grows_with_what_is_public():
    def seconds(fit, people=10**6, rows=1, announced=0):
        plan = design(ask(fit), spec())
        return deadlines.after_charge(plan, people=people, rows_per_person=rows, rows=announced)

    fit = replace(PLAIN, steps=50)
    assert seconds(fit, people=1) == 5
    assert seconds(fit) % 5 == 0
    assert seconds(fit) < seconds(replace(fit, steps=150)) < seconds(replace(fit, steps=150, hidden=(8,)))
    assert seconds(fit) < seconds(fit, rows=4) == seconds(fit, rows=400)
    assert seconds(fit) < seconds(fit, announced=10**7)
    count = ask(Count())
    assert deadlines.after_charge(design(count, spec()), people=10**6, rows_per_person=4) == 0
    times = [
        deadlines.seconds(
            ask(replace(fit, outcome=outcome)),
            design(ask(fit), spec()),
            people=10**7,
            rows_per_person=1,
            base=0.1,
        )
        for outcome in (Choice("union"), Amount(Binary("+", Column("loss"), Column("loss"))))
    ]
    assert times[0] < times[1]
