"""Models over whole tables: odd rows, what is released and predicted, and noise."""

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.stats import rankdata

from privacy.engine import fit_rows, training
from privacy.engine.accounting import noise_mu
from privacy.engine.language.expressions import Column, Compare, Constant, In
from privacy.engine.language.learning import Amount, CategoryFeature, Fit, NumberFeature, YesNo
from privacy.engine.language.query import Query
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.engine.measure.contributions import ONE
from privacy.engine.measure.evaluate import EVERYWHERE, Rows, Values
from privacy.engine.measure.mechanisms import MIN_SIGMA
from privacy.engine.plan.designs import design
from privacy.engine.plan.learning import explicit
from privacy.engine.release import measure, table_from_columns
from tests.privacy.make_fit import FITS, HOURS, REGION, asked, chosen_of, model_of, without_noise
from tests.privacy.make_table import SPEC, table, without
from tests.privacy.prediction import predict

FAMILIES = pytest.mark.parametrize("family", FITS)


# What can be in the rows


def edge_tables():
    few = table(subjects=40)

    def changed(**columns):
        rows = Rows(SPEC, {**few.rows.columns, **columns}, few.rows.length)
        return table_from_columns(rows, few.offsets, few.digests)

    n = few.rows.length
    nothing = np.zeros(n, dtype=bool)
    yield "one row", table(subjects=1)
    yield "all missing", changed(**{name: Values(v.numbers, nothing) for name, v in few.rows.columns.items()})
    yield (
        "features missing",
        changed(hours=Values(np.zeros(n), nothing), union=Values(np.zeros(n, np.int8), nothing)),
    )
    yield "one category", changed(region=Values(np.zeros(n, np.int8), ~nothing))
    yield "one outcome", changed(wage=Values(np.full(n, 100.0), ~nothing))
    yield "no outcome above 0", changed(wage=Values(np.zeros(n), ~nothing))


@FAMILIES
@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in edge_tables()])
def test_whatever_is_in_the_rows_the_answer_is_numbers(family, data):
    found = asdict(model_of(measure(asked(FITS[family]), data), MIN_SIGMA * 400, None))
    assert json.loads(json.dumps(found, allow_nan=False))["model"]["training"]["people"] >= 1


@FAMILIES
def test_the_reference_of_predictions_agrees_with_the_model_that_was_trained(family, monkeypatch):
    """On the rows of the table, with missing values among the features."""
    without_noise(monkeypatch)
    data = table(subjects=60)
    data.rows.columns["hours"].valid[::7] = False
    query = asked(replace(FITS[family], test_share=0.0))
    told = json.loads(json.dumps(model_of(measure(query, data), ONE, None).model))
    plan, chosen = chosen_of(query.measure, data)
    trained = training.train(plan, chosen, ONE)
    found = fit_rows.outcomes(query.measure.outcome, plan, data.rows, data.offsets, EVERYWHERE)
    columns = {}
    for name, spec in SPEC.columns.items():
        values = data.rows.columns[name]
        labels = np.array([*spec.labels, ""], dtype=object)
        columns[name] = (
            labels[np.where(values.valid, values.numbers, -1).astype(int)]
            if spec.labels
            else np.where(values.valid, values.numbers, np.nan)
        )[found.used]
    expected = trained.predict(chosen)
    match plan.family:
        case "linear":
            expected = np.clip(expected[:, 0], -1, 1) * plan.half + plan.middle
        case "poisson":
            expected = expected[:, 0] * trained.mean * plan.half
        case "logistic":
            expected = expected[:, 0]
        case _:
            assert plan.family == "multinomial"
    assert np.allclose(predict(told, columns), expected, rtol=1e-6, atol=1e-12)
    effects = {line.key: line.figures[0].value for line in model_of(measure(query, data), ONE, None).lines}
    assert len(effects) == (0 if plan.layers else plan.weights)


def test_effects_are_in_the_outcomes_own_unit(monkeypatch):
    """Wages of 20 in the north, 30 elsewhere, and one more for each ten hours."""
    without_noise(monkeypatch)
    n, spec = 300, replace(SPEC, max_rows=1)
    rng = np.random.default_rng(3)
    hours, region = rng.integers(-10, 61, n).astype(float), rng.integers(0, 3, n)
    there = np.ones(n, dtype=bool)
    columns = {
        "wage": Values(20.0 + 10 * (region > 0) + hours / 10, there),
        "hours": Values(hours, there),
        "region": Values(region.astype(np.int8), there),
    }
    data = table_from_columns(Rows(spec, columns, n), np.arange(n + 1), np.zeros((n, 16), np.uint8))
    fit = Fit(Amount(Column("wage")), (HOURS, REGION), test_share=0.0, steps=200)
    told = model_of(measure(asked(fit), data), ONE, None)
    effect = {line.key: line.figures[0].value or 0.0 for line in told.lines}
    assert effect["hours", "slope"] == pytest.approx(0.1, abs=2e-3)
    assert effect["region", "south"] - effect["region", "north"] == pytest.approx(10, abs=0.2)
    assert told.model["outcome"] == "wage"
    guess = predict(told.model, {"hours": [0.0, np.nan], "region": ["north", "mars"]})
    assert guess[0] == pytest.approx(20, abs=0.3)
    assert 0 <= guess[1] <= 100


# With noise


def crowd(n=8000, seed=1):
    """A table of people with one row each, and a yes or no that follows from two of three features."""
    rng = np.random.default_rng(seed)
    spec = TableSpec(
        name="crowd",
        subject="person",
        max_rows=1,
        columns={
            "age": ColumnSpec(name="age", kind=Kind.INTEGER, lower=0.0, upper=99.0),
            "dose": ColumnSpec(name="dose", kind=Kind.NUMBER, lower=0.0, upper=1.0),
            "site": ColumnSpec(name="site", kind=Kind.CATEGORY, labels=("a", "b", "c")),
            "well": ColumnSpec(name="well", kind=Kind.BOOLEAN, lower=0.0, upper=1.0, labels=("0", "1")),
        },
    )
    age, dose, site = rng.integers(0, 100, n).astype(float), rng.random(n), rng.integers(0, 3, n)
    odds = 3 * dose - 1.5 + (site == 2) * 1.5 - 1.0
    well = rng.random(n) < 1 / (1 + np.exp(-odds))
    there = np.ones(n, dtype=bool)
    columns = {
        "age": Values(age, there),
        "dose": Values(dose, there),
        "site": Values(site.astype(np.int8), there),
        "well": Values(well.astype(np.int8), there),
    }
    digests = rng.integers(0, 256, (n, 16)).astype(np.uint8)
    return table_from_columns(Rows(spec, columns, n), np.arange(n + 1), digests), well


def area(scores, yes):
    many = int(yes.sum())
    return (rankdata(scores)[yes].sum() - many * (many + 1) / 2) / (many * (len(yes) - many))


def test_a_public_size_that_is_ten_times_wrong_costs_little():
    data, well = crowd()
    spec, mu = data.rows.table, noise_mu(1.0, 1e-6)
    features = (
        NumberFeature("age", Column("age")),
        NumberFeature("dose", Column("dose")),
        CategoryFeature("site"),
    )
    fit = Fit(YesNo(In("well", ("1",))), features)
    values = {name: data.rows.columns[name].numbers for name in ("age", "dose")}
    columns = {**values, "site": np.array(["a", "b", "c"])[data.rows.columns["site"].numbers]}
    areas = {}
    for size in (800, 8000, 80_000):
        query = explicit(Query(table="crowd", measure=fit), spec, public_size=size, mu=mu)
        assert query.measure.people == size  # type: ignore[union-attr]  # `explicit` keeps the kind of measure
        sigma = math.ceil(ONE * math.sqrt(design(query, spec).releases) / mu)
        told = model_of(measure(query, data), sigma, None)
        areas[size] = area(predict(told.model, columns), well)
    assert areas[8000] > 0.70
    assert min(areas.values()) > areas[8000] - 0.012


def test_people_who_are_left_out_change_nothing(monkeypatch):
    """Who takes no part counts as if they were not there, to the bit."""
    without_noise(monkeypatch)
    data = table(subjects=50)
    active = np.ones(50, dtype=bool)
    active[9] = False
    for family in FITS:
        query = asked(FITS[family])
        assert model_of(measure(query, data), ONE, active) == model_of(
            measure(query, without(data, 9)), ONE, None
        )


def test_a_condition_that_is_unknown_is_neither_yes_nor_no():
    data = table(subjects=80)
    _, chosen = chosen_of(Fit(YesNo(Compare(">", Column("wage"), Constant(20.0))), (REGION,)), data)
    assert len(chosen.y) == int(data.rows.columns["wage"].valid.sum())


def test_what_cannot_be_missing_has_no_weight_for_it():
    """Nothing but noise would move it. A missing value that occurs all the same adds nothing."""
    data = table(subjects=60)
    spec = replace(SPEC, columns={name: replace(each, nullable=False) for name, each in SPEC.columns.items()})
    told = table_from_columns(Rows(spec, data.rows.columns, data.rows.length), data.offsets, data.digests)
    for family in ("logistic", "deep"):
        model = model_of(measure(asked(replace(FITS[family], test_share=0.0)), told), 20 * ONE).model
        assert not any(feature.get("missing") for feature in model["features"])
        columns = {"hours": [np.nan, 5.0], "union": ["1", "1"], "region": ["mars", "north"]}
        assert np.isfinite(predict(model, columns)).all()
