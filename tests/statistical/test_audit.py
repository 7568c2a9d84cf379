"""A membership audit: how well the best attacker tells who is in the data, against what is claimed.

The attacker chooses whom to ask about, and how noisily, by earlier answers, and weighs all of them by the exact
likelihood ratio. A threshold is found in one half of the games; Clopper-Pearson bounds of both error rates in the
other half bound mu from below, which the claim must not be under. Engines that are broken on purpose must be.
"""

import math
from fractions import Fraction
from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import beta

from privacy.engine.measure.contributions import ONE, worst_case_units
from tests.statistical.engines import BROKEN, CANARIES, CLAIM, Engine

pytestmark = pytest.mark.statistical

CONFIDENCE = 0.999
PRECISE, COARSE, REST, WHOLE = 1.83, 2.5, 5.0, 1.0
SCHEDULE = [PRECISE, COARSE] * 2 + [WHOLE] + [PRECISE, COARSE] * 3 + [COARSE] * 3 + [REST] * 4
"""The noise of each answer, in clips. One costs the whole budget, and whoever has spent anything must not pay it."""
UNDECIDED = 0.7


def play(engine, rng):
    """All games of one table: the evidence for each canary's being there."""
    score, spent = np.zeros(CANARIES), np.zeros(CANARIES, dtype=np.int64)
    waiting = []
    for z in SCHEDULE:
        sigma = round(z * ONE)
        asked = _whom(z, score, rng)
        charge = asked * np.int64(worst_case_units(sigma, Fraction(CLAIM) ** 2))
        part = engine.decide(spent, charge) & asked
        score += engine.evidence(engine.ask(asked, sigma), sigma, part)
        waiting.append(engine.account(charge * part))
        if len(waiting) == engine.batch:
            spent, waiting = spent + np.sum(waiting, axis=0), []
    return score


def _whom(z, score, rng):
    """Precise answers about those of whom little is known; about everybody otherwise."""
    if z != PRECISE:
        return np.ones(CANARIES, dtype=bool)
    open_cases = np.abs(score) < UNDECIDED
    return open_cases if open_cases.any() else rng.random(CANARIES) < 0.5


def at_least(hits, tries):
    """Clopper-Pearson: the rate is no smaller, at half of the doubt that is left."""
    return 0.0 if hits == 0 else float(beta.ppf((1 - CONFIDENCE) / 2, hits, tries - hits + 1))


def mu_at_least(absent, present):
    """A lower bound of mu by a threshold on the evidence: Phi^-1(found) - Phi^-1(false alarms)."""

    def bound(threshold, outside, inside):
        found = at_least(int((inside > threshold).sum()), len(inside))
        quiet = at_least(int((outside <= threshold).sum()), len(outside))
        normal = NormalDist()
        return normal.inv_cdf(found) + normal.inv_cdf(quiet) if found and quiet else -math.inf

    learn, check = (absent[::2], present[::2]), (absent[1::2], present[1::2])
    candidates = np.quantile(np.concatenate(learn), np.linspace(0.01, 0.99, 99))
    best = max(candidates, key=lambda threshold: bound(threshold, *learn))
    return bound(best, *check)


def audit(kind, folder, tables):
    absent, present = [], []
    for seed in range(tables):
        rng = np.random.default_rng(seed)
        there = rng.random(CANARIES) < 0.5
        engine = kind(folder / str(seed), there)
        score = play(engine, rng)
        engine.close()
        absent.append(score[~there])
        present.append(score[there])
    return mu_at_least(np.concatenate(absent), np.concatenate(present))


def test_the_engine_gives_away_what_it_claims_and_no_more(tmp_path):
    found = audit(Engine, tmp_path, tables=6)
    assert 0.8 * CLAIM <= found <= CLAIM


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_a_broken_engine_is_caught(kind, tmp_path):
    assert audit(kind, tmp_path, tables=2) > CLAIM
