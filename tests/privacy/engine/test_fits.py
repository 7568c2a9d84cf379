"""Models: training is plain gradient descent, and one person moves a step by no more than ONE, and nobody else."""

import math
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numba as nb
import numpy as np
import pytest

from privacy.engine import fit_rows, training
from privacy.engine.fit_rows import Chosen
from privacy.engine.held_out import held_out_sigma
from privacy.engine.language.expressions import In
from privacy.engine.measure import deep_fits, fits
from privacy.engine.measure.contributions import ONE, worst_case_units
from privacy.engine.measure.evaluate import EVERYWHERE, Rows
from privacy.engine.measure.mechanisms import MIN_SIGMA
from privacy.engine.plan.fits import plan_fit
from privacy.engine.release import measure, table_from_columns
from tests.privacy.make_fit import FITS, NEVER, asked, chosen_of, model_of, without_noise
from tests.privacy.make_table import SPEC, table, without

FAMILIES = pytest.mark.parametrize("family", FITS)


# Training


def dense(plan, chosen):
    """Each row's z, written out. Shape (rows, width)."""
    cells, xs, begins, decode, slopes = chosen.places
    z = np.zeros((len(chosen.y), plan.width))
    z[:, 0] = 1
    for numbers, begin in zip(cells, begins, strict=False):
        for places in decode[begin + numbers].T:
            z[places >= 0, places[places >= 0]] = 1
    z[:, slopes] = xs.T
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
    found: list[np.ndarray] = []
    at = len(weights)
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
    last = (rule.link, most, shape.root, ONE / rule.clip, total)
    if not plan.layers:
        fits.add_gradients(chosen.offsets, chosen.places, chosen.y, first, *last)
    else:
        deep_fits.add_deep_gradients(chosen.offsets, chosen.places, chosen.y, first, rest, shape.sizes, *last)
    return total


def only(chosen, person):
    """The rows of one person alone."""
    low, high = chosen.offsets[person], chosen.offsets[person + 1]
    cells, xs, *rest = chosen.places
    places = (cells[:, low:high].copy(), xs[:, low:high].copy(), *rest)
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
    chosen.places[1][:, ::3] = np.sign(chosen.places[1][:, ::3])
    if plan.family == "poisson":
        chosen.y[::2] = 30.0
    singles = replace(chosen, offsets=np.arange(len(chosen.y) + 1))
    check_one_person(plan, singles, weights)
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
    for family in ("logistic", "linear", "multinomial"):
        plan, chosen = chosen_of(FITS[family], table(subjects=80))
        singles = replace(chosen, offsets=np.arange(len(chosen.y) + 1))
        for each in (chosen, singles):
            weights = np.random.default_rng(2).normal(size=plan.weights) * 5
            shape, rule = training._Shape(plan, 0.0), training.RULES[plan.family]
            first, rest = shape.split(weights)
            total = np.zeros(plan.weights, dtype=np.int64)
            last = (rule.link, 1.0, shape.root, ONE / rule.clip, total)
            deep_fits.add_deep_gradients(each.offsets, each.places, each.y, first, rest, shape.sizes, *last)
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
            model_of(measure(asked(FITS[family], where=where), data), 50 * ONE, active)
    plan = plan_fit(FITS[family], SPEC)
    one = releases[:22]
    assert one[:21] == [(3, 50 * ONE)] + [(plan.weights, 50 * ONE)] * 20
    last = one[21][1]
    assert (
        last**2 * 21 >= (50 * ONE) ** 2 > (last - 1) ** 2 * 21
    )  # as dear as the 21 others together, and no dearer
    assert releases == one * 6
    assert held_out_sigma(MIN_SIGMA, 21) == MIN_SIGMA


def test_nothing_is_released_for_what_cannot_be_missing(monkeypatch):
    releases, data = without_noise(monkeypatch), table(subjects=30)
    spec = replace(SPEC, columns={name: replace(each, nullable=False) for name, each in SPEC.columns.items()})
    complete = table_from_columns(Rows(spec, data.rows.columns, data.rows.length), data.offsets, data.digests)
    plan = plan_fit(FITS["logistic"], spec)
    model_of(measure(asked(FITS["logistic"]), complete), 50 * ONE)
    assert {size for size, _ in releases[1:21]} == {plan.weights - len(plan.features)}


def test_who_tests_adds_nothing_to_training_and_who_trains_nothing_to_the_test(monkeypatch):
    without_noise(monkeypatch)
    data, query = table(subjects=200), asked(FITS["logistic"])
    tests = fit_rows.testers(data.digests, 0.2)
    assert 20 < tests.sum() < 60
    whole = model_of(measure(query, data), ONE, None)
    for alone in (tests, ~tests):
        part = model_of(measure(query, data), ONE, ~alone)
        assert (part.lines == whole.lines) == (alone is tests)
        tested = 0 if alone is tests else int(tests.sum())
        assert part.model["held_out"]["people"]["value"] == pytest.approx(tested, rel=1e-6)
    everybody = model_of(measure(asked(replace(FITS["logistic"], test_share=0.0)), data), ONE, None)
    assert everybody.model["held_out"] is None
    assert everybody.model["training"]["people"] == pytest.approx(199, rel=1e-6)


def test_without_digests_nobody_can_be_chosen_to_test():
    with pytest.raises(ValueError, match="digests"):
        measure(asked(FITS["linear"]), replace(table(subjects=3), digests=None))


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


def test_powers_of_e_are_exact_to_fifteen_digits_and_the_same_alone_or_in_a_block():
    x = np.linspace(-60, 60, 4099)
    together = every_power(x)
    assert np.abs(together / np.exp(x) - 1).max() < 1e-15
    assert np.array_equal(together, [fits.exp_of(each) for each in x])


@nb.njit
def every_power(x):
    found = np.empty_like(x)
    for k in range(len(x)):
        found[k] = fits.exp_of(x[k])
    return found
