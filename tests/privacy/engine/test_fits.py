"""Models: training is plain gradient descent, and one person moves a step by no more than ONE, and nobody else."""

import json
import math
from dataclasses import asdict, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import rankdata

from privacy.engine import fit_rows, training
from privacy.engine.accounting import noise_mu
from privacy.engine.fit_rows import Chosen
from privacy.engine.held_out import held_out_sigma
from privacy.engine.language.expressions import Column, Compare, Constant, In
from privacy.engine.language.learning import Amount, CategoryFeature, Fit, NumberFeature, YesNo
from privacy.engine.language.query import Query
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.engine.measure import fits
from privacy.engine.measure.contributions import ONE, worst_case_units
from privacy.engine.measure.evaluate import EVERYWHERE, Rows, Values
from privacy.engine.measure.mechanisms import MIN_SIGMA
from privacy.engine.plan.fits import plan_fit
from privacy.engine.plan.learning import explicit
from privacy.engine.prediction import predict
from privacy.engine.release import measure, table_from_columns
from tests.privacy.make_fit import FITS, HOURS, NEVER, REGION, asked, without_noise
from tests.privacy.make_table import SPEC, table, without

FAMILIES = pytest.mark.parametrize("family", FITS)


def chosen_of(measure_, data, people=None):
    """(plan, the rows of these people, or of all)."""
    plan = plan_fit(measure_, SPEC)
    found = fit_rows.outcomes(measure_.outcome, plan, data.rows, data.offsets, EVERYWHERE)
    who = found.people if people is None else found.people & people
    return plan, fit_rows.choose(plan, data.rows, data.offsets, found, who)


# Training


def dense(plan, chosen):
    """Each row's z, written out. Shape (rows, width)."""
    codes, slopes, xs = chosen.places
    z = np.zeros((len(chosen.y), plan.width))
    rows = np.arange(len(z))
    z[:, 0] = 1
    for k in range(codes.shape[1]):
        z[rows, codes[:, k]] = 1
    for k in range(slopes.shape[1]):
        z[rows, slopes[:, k]] = xs[:, k]
    return z / math.sqrt(len(plan.features) + 1)


def answers(plan, weights, z, start):
    """(values of each layer, the last one before its link) by plain matrix products."""
    cut = plan.width * plan.first
    values, at = [z @ weights[:cut].reshape(plan.width, plan.first)], cut
    for many, above in pairwise((*plan.layers, plan.outputs)):
        inner = np.column_stack([np.tanh(values[-1]), np.ones(len(z))]) / math.sqrt(many + 1)
        values[-1] = inner
        values.append(inner @ weights[at : at + (many + 1) * above].reshape(above, many + 1).T)
        at += (many + 1) * above
    if plan.outputs == 1:
        values[-1] = values[-1] + start
    return values


def gradients(plan, weights, z, y, most, start):
    """The gradient of each row by all weights, by the chain rule. Shape (rows, weights)."""
    values, last = answers(plan, weights, z, start), plan.outputs
    numbers = values[-1]
    match plan.family:
        case "logistic":
            pulls = 1 / (1 + np.exp(-numbers)) - y[:, None]
        case "linear":
            pulls = numbers - y[:, None]
        case "poisson":
            pulls = np.minimum(np.exp(numbers), most) - y[:, None]
        case _:
            raised = np.exp(numbers - numbers.max(axis=1, keepdims=True))
            pulls = raised / raised.sum(axis=1, keepdims=True) - np.eye(last)[y.astype(int)]
    found, at = [], len(weights)
    for inner in reversed(values[:-1]):
        many, above = inner.shape[1] - 1, pulls.shape[1]
        at -= (many + 1) * above
        found.insert(0, (pulls[:, :, None] * inner[:, None, :]).reshape(len(y), -1))
        back = pulls @ weights[at : at + (many + 1) * above].reshape(above, many + 1)[:, :-1]
        pulls = back / math.sqrt(many + 1) * (1 - (inner[:, :-1] * math.sqrt(many + 1)) ** 2)
    found.insert(0, (z[:, :, None] * pulls[:, None, :]).reshape(len(y), -1))
    return np.concatenate(found, axis=1)


def plain_descent(plan, chosen, begin):
    """Train without noise by dense arrays: mean over rows, clip, mean over people."""
    rule, z, y = training.RULES[plan.family], dense(plan, chosen), chosen.y
    sizes = np.diff(chosen.offsets)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    mean = float((np.bincount(owner, y) / sizes).mean()) if plan.family != "multinomial" else 0.0
    start = {"logistic": np.log(mean / (1 - mean)) if 0 < mean < 1 else 0.0, "linear": mean}.get(
        plan.family, 0.0
    )
    most, clip = 1.0, rule.clip
    if plan.family == "poisson":
        y, most = y / mean, 1 / mean
        clip = min(clip, most)
    if plan.family == "linear":
        square = float((np.bincount(owner, y * y) / sizes).mean())
        clip = min(clip, 2 * math.sqrt(max(square - mean**2, math.sqrt(3) / len(sizes))))
    weights, speed, kept = begin.copy(), np.zeros_like(begin), np.zeros_like(begin)
    for step in range(plan.steps):
        rows = gradients(plan, weights, z, y, most, start)
        people = np.zeros((len(sizes), plan.weights))
        np.add.at(people, owner, rows)
        people /= sizes[:, None]
        lengths = np.linalg.norm(people, axis=1, keepdims=True)
        people *= np.minimum(1, clip / np.maximum(lengths, 1e-300))
        speed = 0.9 * speed + people.mean(axis=0)
        weights = weights - (rule.deep_rate if plan.layers else rule.rate) * speed
        if step >= plan.steps // 2:
            kept += weights
    last = answers(plan, kept / (plan.steps - plan.steps // 2), z, start)[-1]
    match plan.family:
        case "logistic":
            return 1 / (1 + np.exp(-last))
        case "poisson":
            return np.minimum(np.exp(last), most)
        case "multinomial":
            return np.exp(last) / np.exp(last).sum(axis=1, keepdims=True)
        case _:
            return last


@FAMILIES
def test_without_noise_training_is_plain_gradient_descent(family, monkeypatch):
    """Whole numbers of 2**-30 clips, rounded toward zero, are all that differs: 1e-9 a step and coordinate."""
    without_noise(monkeypatch)
    plan, chosen = chosen_of(FITS[family], table(subjects=60))
    begin = training._Shape(plan, 0.0).initial()
    found = training.train(plan, chosen, ONE).predict(chosen)
    assert np.abs(found - plain_descent(plan, chosen, begin)).max() < 2e-7
    assert np.ptp(found, axis=0).min() > 1e-3


# One person


def sums(plan, chosen, weights, most=1.0):
    """The sums of one step, at these weights."""
    rule = training.RULES[plan.family]
    shape = training._Shape(plan, 0.0)
    first, rest = shape.split(weights)
    total = np.zeros(plan.weights, dtype=np.int64)
    if plan.weights == plan.width:
        unit = (rule.link, most, shape.root, ONE / rule.clip)
        fits.add_gradients(chosen.offsets, chosen.places, chosen.y, first[:, 0].copy(), *unit, total)
    else:
        unit = (shape.sizes, rule.link, most, shape.root, ONE / rule.clip)
        fits.add_deep_gradients(chosen.offsets, chosen.places, chosen.y, first, rest, *unit, total)
    return total


def only(chosen, person):
    """The rows of one person alone."""
    low, high = chosen.offsets[person], chosen.offsets[person + 1]
    places = tuple(np.ascontiguousarray(part[low:high]) for part in chosen.places)
    return Chosen(offsets=np.array([0, high - low]), places=places, y=chosen.y[low:high].copy())


def squared(units):
    return sum(int(unit) ** 2 for unit in units)


def check_one_person(plan, chosen, weights, sums=sums):
    """Raise AssertionError unless a sum is that of everybody's own vectors, to the bit, each of at most ONE."""
    most = 30.0 if plan.family == "poisson" else 1.0
    own = [sums(plan, only(chosen, person), weights, most) for person in range(chosen.people)]
    assert np.array_equal(np.sum(own, axis=0), sums(plan, chosen, weights, most))
    assert max(map(squared, own)) <= ONE**2
    return own


@FAMILIES
@pytest.mark.parametrize("size", [0.0, 3.0, 1e3])
def test_a_persons_units_depend_on_nobody_else_and_are_at_most_one_long(family, size):
    """At every place in the table, for weights of any size, with values at all bounds."""
    plan, chosen = chosen_of(FITS[family], table(subjects=50))
    rng = np.random.default_rng(4)
    weights = rng.normal(size=plan.weights)
    weights *= size / np.linalg.norm(weights)
    chosen.places[2][::3] = np.sign(chosen.places[2][::3])
    if plan.family == "poisson":
        chosen.y[::2] = 30.0
    own = check_one_person(plan, chosen, weights)
    if size == 1e3:  # far beyond what the weights may be: gradients are cut, to just below ONE
        assert max(map(squared, own)) > (plan.family == "linear") * 0.999 * ONE**2


def test_engines_that_are_broken_on_purpose_are_caught():
    plan, chosen = chosen_of(FITS["linear"], table(subjects=50))
    weights = np.random.default_rng(4).normal(size=plan.weights) * 20

    def centred(plan, chosen, weights, most):
        """Errors from their mean over everybody."""
        y = chosen.y - chosen.y.mean()
        return sums(plan, replace(chosen, y=y), weights, most)

    def summed(plan, chosen, weights, most):
        """Rows are clipped and then added up."""
        each = replace(chosen, offsets=np.arange(len(chosen.y) + 1))
        return sums(plan, each, weights, most)

    def together(plan, chosen, weights, most):
        """Floats are added up over people and rounded once, as a product of matrices does."""
        z = dense(plan, chosen)
        pulls = np.clip(z @ weights - chosen.y, -1, 1) / np.repeat(
            np.diff(chosen.offsets), np.diff(chosen.offsets)
        )
        return np.trunc(z.T @ pulls * ONE).astype(np.int64)

    check_one_person(plan, chosen, weights)
    for broken in (centred, summed, together):
        with pytest.raises(AssertionError):
            check_one_person(plan, chosen, weights, broken)


def test_the_fast_pass_is_the_general_one_to_the_bit():
    for family in ("logistic", "linear"):
        plan, chosen = chosen_of(FITS[family], table(subjects=80))
        singles = replace(chosen, offsets=np.arange(len(chosen.y) + 1))
        for each in (chosen, singles):
            weights = np.random.default_rng(2).normal(size=plan.weights) * 5
            shape, rule = training._Shape(plan, 0.0), training.RULES[plan.family]
            first, rest = shape.split(weights)
            total = np.zeros(plan.weights, dtype=np.int64)
            last = (rule.link, 1.0, shape.root, ONE / rule.clip, total)
            fits.add_deep_gradients(each.offsets, each.places, each.y, first, rest, shape.sizes, *last)
            assert np.array_equal(total, sums(plan, each, weights))


@FAMILIES
def test_everybody_with_a_row_that_counts_pays_the_same_whoever_else_is_there(family):
    data, query = table(subjects=60), asked(FITS[family], where=In("region", ("north", "south")))
    worst = worst_case_units(30 * ONE, Fraction(1))
    charged = measure(query, data, worst_case=worst).charges
    assert set(charged.tolist()) == {0, worst * 21}
    assert (charged == 0).sum() >= 5  # the people of the east
    assert (measure(query, data).squares == np.where(charged > 0, ONE**2, 0)).all()
    for person in (0, 7, 59):
        rest = measure(query, without(data, person), worst_case=worst).charges
        assert np.array_equal(rest, np.delete(charged, person))


@FAMILIES
def test_what_is_released_is_fixed_by_the_question_and_paid_for(family, monkeypatch):
    """As many vectors as steps and two more, all of the same size and noise, with nobody there as with everybody."""
    releases, data = without_noise(monkeypatch), table(subjects=30)
    for where in (None, NEVER):
        for active in (None, np.arange(30) % 2 == 0, np.zeros(30, dtype=bool)):
            measure(asked(FITS[family], where=where), data).release(50 * ONE, active)
    plan = plan_fit(FITS[family], SPEC)
    one = releases[:22]
    assert one[:21] == [(3, 50 * ONE)] + [(plan.weights, 50 * ONE)] * 20
    last = one[21][1]
    assert (
        last**2 * 21 >= (50 * ONE) ** 2 > (last - 1) ** 2 * 21
    )  # as dear as the 21 others together, and no dearer
    assert releases == one * 6
    assert held_out_sigma(MIN_SIGMA, 21) == MIN_SIGMA


def test_who_tests_adds_nothing_to_training_and_who_trains_nothing_to_the_test(monkeypatch):
    without_noise(monkeypatch)
    data, query = table(subjects=200), asked(FITS["logistic"])
    tests = fit_rows.testers(data.digests, 0.2)
    assert 20 < tests.sum() < 60
    whole = measure(query, data).release(ONE, None)
    for alone in (tests, ~tests):
        part = measure(query, data).release(ONE, ~alone)
        assert (part.lines == whole.lines) == (alone is tests)
        tested = 0 if alone is tests else int(tests.sum())
        assert part.model["held_out"]["people"]["value"] == pytest.approx(tested, rel=1e-6)
    everybody = measure(asked(replace(FITS["logistic"], test_share=0.0)), data).release(ONE, None)
    assert everybody.model["held_out"] is None
    assert everybody.model["training"]["people"] == pytest.approx(199, rel=1e-6)


def test_without_digests_nobody_can_be_chosen_to_test():
    with pytest.raises(ValueError, match="digests"):
        measure(asked(FITS["linear"]), replace(table(subjects=3), digests=None))


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
    found = asdict(measure(asked(FITS[family]), data).release(MIN_SIGMA * 400, None))
    assert json.loads(json.dumps(found, allow_nan=False))["model"]["training"]["people"] >= 1


@FAMILIES
def test_the_reference_of_predictions_agrees_with_the_model_that_was_trained(family, monkeypatch):
    """On the rows of the table, with missing values among the features."""
    without_noise(monkeypatch)
    data = table(subjects=60)
    data.rows.columns["hours"].valid[::7] = False
    query = asked(replace(FITS[family], test_share=0.0))
    told = json.loads(json.dumps(measure(query, data).release(ONE, None).model))
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
    assert np.allclose(predict(told, columns), expected, rtol=1e-9, atol=1e-12)
    effects = {line.key: line.figures[0].value for line in measure(query, data).release(ONE, None).lines}
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
    told = measure(asked(fit), data).release(ONE, None)
    effect = {line.key: line.figures[0].value for line in told.lines}
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
        assert query.measure.people == size
        sigma = math.ceil(ONE * math.sqrt(query.measure.steps + 1) / mu)
        told = measure(query, data).release(sigma, None)
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
        assert measure(query, data).release(ONE, active) == measure(query, without(data, 9)).release(
            ONE, None
        )


def test_a_condition_that_is_unknown_is_neither_yes_nor_no():
    data = table(subjects=80)
    _, chosen = chosen_of(Fit(YesNo(Compare(">", Column("wage"), Constant(20.0))), (REGION,)), data)
    assert len(chosen.y) == int(data.rows.columns["wage"].valid.sum())


@pytest.mark.parametrize("part", [3, 100], ids=["in parts", "at once"])
def test_nothing_is_computed_for_rows_that_do_not_count(part, monkeypatch):
    """Otherwise the time would tell of somebody who has a million of them."""
    monkeypatch.setattr(fit_rows, "MAX_ROWS_PER_SUBJECT", 4)
    monkeypatch.setattr(fit_rows, "PART", part)
    data, fit, seen = table(subjects=30), FITS["linear"], []
    sizes = np.diff(data.offsets)
    rank = np.arange(data.rows.length) - np.repeat(data.offsets[:-1], sizes)
    for name in ("_outcome", "_slope"):
        real = getattr(fit_rows, name)

        def watched(*given, real=real):
            seen.append(given[-1].length)
            return real(*given)

        monkeypatch.setattr(fit_rows, name, watched)
    found = fit_rows.outcomes(fit.outcome, plan_fit(fit, SPEC), data.rows, data.offsets, EVERYWHERE)
    chosen_of(fit, data)
    assert np.array_equal(found.used, (rank < 4) & data.rows.column("wage").valid)
    assert sum(seen) == 3 * np.minimum(sizes, 4).sum()
    assert max(seen) <= part
