"""A promise in words is true: "at most" is rounded up, and a part of delta is never spent twice."""

import math
import re
from dataclasses import replace
from fractions import Fraction
from statistics import NormalDist

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Refused
from privacy import queries, services
from privacy.engine.accounting import gdp_delta, gdp_mu, noise_epsilon, noise_mu
from privacy.execution import lifecycle
from privacy.models import Answer
from privacy.presentation import words
from privacy.presentation.promise_in_words import PromiseInWords, factor, per_hundred
from privacy.services import questions
from tests import make
from tests.makers import privacy as shares
from tests.makers.datasets import PEOPLE

POSITIVE = st.floats(1e-9, 1e9)
ONE = PromiseInWords(epsilon=1.0, delta=1e-6, mu=gdp_mu(1.0, 1e-6), scientists=3)


def number(text):
    return Fraction(text.replace(",", ""))


@given(POSITIVE, st.integers(1, 6))
def test_what_is_rounded_up_is_never_less_and_at_most_a_digit_more(value, digits):
    said = number(words.sized(value, digits, up=True))
    assert said >= Fraction(repr(value))
    assert said <= Fraction(repr(value)) * (1 + Fraction(1, 10 ** (digits - 1)))


def test_what_was_typed_is_said_as_it_was_typed():
    typed = (0.1, 0.3, 1.0, 2.5, 0.001, 1e-7, 12_300.0)
    assert [words.sized(value, up=True) for value in typed] == [words.sized(value) for value in typed]


@given(st.floats(0, 1), st.integers(0, 2))
def test_of_a_hundred_cases_none_is_left_out(share, digits):
    assert 100 >= number(per_hundred(share, digits)) >= Fraction(repr(share * 100))


@given(st.floats(0.001, 20))
def test_odds_change_by_no_more_than_is_said(epsilon):
    assert number(factor(epsilon)) >= Fraction(repr(math.exp(epsilon)))


@given(st.floats(1e-12, 0.5))
def test_a_delta_is_never_said_to_be_less_than_it_is(delta):
    assert Fraction(words.tiny(delta)) >= Fraction(repr(delta))


def test_the_words_of_epsilon_one():
    assert NormalDist().cdf(ONE.mu / 2) == pytest.approx(0.547106, abs=1e-6)
    assert (ONE.guesses, factor(1.0), words.tiny(1 / 30_000_000)) == ("54.8", "2.72", "3.33334e-8")


# Every sentence of the promise page, from the mathematics: what is said is at least the truth, and hardly more.


@pytest.fixture(params=[0.5, 1.0, 3.0, 8.0])
def said(request):
    epsilon, delta, kept = request.param, 1e-6, 2.5e-7
    promise = PromiseInWords(
        epsilon=epsilon, delta=delta, mu=noise_mu(epsilon, delta - kept), scientists=3, threshold_delta=kept
    )
    with mpmath.workdps(50):
        yield promise, mpmath.mpf(promise.mu), mpmath.mpf(kept), mpmath.mpf(1e-9)


def numbers(sentence):
    return [number(found) for found in re.findall(r"\d[\d\u00a0,]*(?:\.\d+)?", sentence)]


def is_just_above(shown, truth, places):
    assert truth <= mpmath.mpf(shown.numerator) / shown.denominator <= truth + mpmath.mpf(10) ** -places


def test_the_sentence_on_guesses(said):
    promise, mu, kept, slack = said
    together = mpmath.ncdf(mu / 2) * mpmath.exp(slack) + kept
    alone = mpmath.ncdf(mu / mpmath.sqrt(3) / 2) * mpmath.exp(slack) + kept
    at_most, cases, coin = numbers(promise.guess)
    assert (cases, coin) == (100, 50)
    is_just_above(at_most, 100 * together, 1)
    scientists, first, cases, second = numbers(promise.coalition)
    assert (scientists, cases) == (3, 100)
    is_just_above(first, 100 * together, 1)
    is_just_above(second, 100 * alone, 1)


def test_the_sentence_on_odds(said):
    """exp(epsilon) is passed with Phi(mu/2 - epsilon/mu): by the distribution of the loss, N(mu^2/2, mu^2)."""
    promise, mu, kept, slack = said
    times, one, cases = numbers(promise.odds)
    assert one == 1
    is_just_above(times, mpmath.exp(promise.epsilon), 2 if times < 100 else 0)
    exact = mpmath.ncdf(mu / 2 - promise.epsilon / mu)
    beyond = 1 - mpmath.ncdf(mpmath.mpf(promise.epsilon), mu**2 / 2, mu)
    assert abs(exact - beyond) < mpmath.mpf(10) ** -40
    assert 1 / (exact + kept) * (1 - 1e-6) - 1 <= cases <= 1 / (exact * mpmath.exp(slack) + kept)


def test_the_odds_of_four_promises():
    """Far more often than delta, which is 1 in 1 000 000 in all four."""
    cases = [
        numbers(PromiseInWords(epsilon=epsilon, delta=1e-6, mu=gdp_mu(epsilon, 1e-6), scientists=1).odds)[-1]
        for epsilon in (0.5, 1.0, 3.0, 8.0)
    ]
    assert cases == [27_450, 49_751, 121_252, 241_430]


def test_the_sentence_on_alarms(said):
    promise, mu, kept, slack = said
    found = mpmath.ncdf(mpmath.sqrt(2) * mpmath.erfinv(2 * mpmath.mpf("0.01") - 1) + mu)
    one, cases, at_most, hundred = numbers(promise.alarms)
    assert (one, cases, hundred) == (1, 100, 100)
    is_just_above(at_most, 100 * (found * mpmath.exp(slack) + kept), 2)


def test_what_one_budget_buys(said):
    """k counts with a 95 % error e have noise of e / 1.96 each: together sqrt(k) 1.96 / e, at most the budget."""
    promise, mu, _, _ = said
    quantile = mpmath.sqrt(2) * mpmath.erfinv(mpmath.mpf("0.95"))
    for error, counts in promise.purchases:
        for more, fits in ((0, True), (1 + counts // 1000, False)):
            used = mpmath.sqrt(counts + more) * quantile / error
            assert (used <= mu / mpmath.sqrt(3)) is fits


def test_an_epsilon_holds_for_discrete_noise_too(said):
    promise, mu, kept, slack = said
    epsilon = noise_epsilon(promise.mu, 1e-6 - 2.5e-7)
    gaussian = epsilon - slack
    delta = mpmath.ncdf(mu / 2 - gaussian / mu) - mpmath.exp(gaussian) * mpmath.ncdf(-mu / 2 - gaussian / mu)
    assert delta <= 1e-6 - kept
    assert 0.999999 * promise.epsilon <= epsilon <= promise.epsilon * (1 + 1e-12)


def test_delta_kept_for_undeclared_values_is_in_every_word():
    kept = replace(ONE, threshold_delta=0.01)
    assert (kept.guesses, "2.84 in 100" in kept.alarms, "1.84 in 100" in ONE.alarms) == ("55.8", True, True)


# The two halves of delta


@pytest.fixture
def promise():
    data = make.dataset()
    return services.protect(
        data,
        by=data.owner,
        epsilon=1,
        public_size=PEOPLE,
        constants=["region"],
        scientists=1,
        undeclared_values=True,
    )


def give(promise, **share):
    scientist = make.scientist()
    make.grant(promise.dataset, scientist)
    return services.give_budget(promise, scientist, by=promise.dataset.owner, **share)


@pytest.mark.django_db
def test_the_whole_promise_can_be_given_by_its_epsilon_and_not_more(promise):
    assert promise.noise_delta == promise.delta / 2
    with pytest.raises(Refused, match="would exceed the promise"):
        give(promise, epsilon=1.0001)
    assert give(promise, epsilon=1).mu == promise.mu


@pytest.mark.django_db
def test_epsilon_and_delta_that_are_told_hold_together_with_the_thresholds(promise):
    in_words = queries.promise_in_words_of(promise)
    assert gdp_delta(in_words.share_epsilon, in_words.share_mu) <= promise.noise_delta * (1 + 1e-9)
    budget = give(promise)
    quoted = questions.quote(
        budget, questions.read_sql(budget, shares.PEOPLE_COUNTED).query, by=budget.scientist, epsilon=0.5
    )
    assert gdp_delta(quoted.epsilon, quoted.offer.mu) <= promise.noise_delta * (1 + 1e-9)
    assert quoted.epsilon == pytest.approx(0.5, rel=1e-3)
    lifecycle.compute(str(shares.answer(budget, epsilon=0.5).pk))
    record = Answer.objects.get().record
    assert record["epsilon_alone"] == quoted.epsilon
    assert (record["delta"], record["threshold_delta_used"]) == (promise.delta, 0.0)
