"""A membership audit of models and synthetic tables: what their noisy sums give away, against what is claimed.

A model or a table is a function of noisy sums, each measured at what the ones before it led to. The attacker knows
everybody else's rows, sees all of these sums, and weighs them by the exact likelihood ratio: the exact sums with and
without the person are found by running the real code again, with the noisy sums in place of new noise. Under Gaussian
noise the evidence is mu^2/2 on average for a person who is there, and -mu^2/2 for one who is not.
"""

import math
from dataclasses import replace

import numpy as np
import pytest

from privacy.engine import table_release, training
from privacy.engine.language.learning import SyntheticTable
from privacy.engine.language.query import Query
from privacy.engine.measure.contributions import ONE
from privacy.engine.measure.evaluate import Rows, Values
from privacy.engine.measure.mechanisms import add_noise
from privacy.engine.plan.designs import design
from privacy.engine.release import measure, table_from_columns
from tests.privacy.make_fit import FITS, asked
from tests.privacy.make_table import SPEC, table, without

pytestmark = pytest.mark.statistical

CLAIM = 1.5
GAMES = 240
"""The estimate of mu is then off by 4 % (one standard deviation); the bounds below are more than five of them away."""
CANARY = 7
MODEL = asked(replace(FITS["linear"], test_share=0.0))
TABLE = Query(table="wages", measure=SyntheticTable(("union", "region"), 4))
BOTH = pytest.mark.parametrize(
    ("query", "module"), [(MODEL, training), (TABLE, table_release)], ids=["model", "table"]
)


def crowd():
    """Everybody has the same wage but the canary, whose gradient is as long as the clip in each step."""
    data = table(subjects=30)
    people = np.repeat(np.arange(30), np.diff(data.offsets))
    wages = np.where(people == CANARY, SPEC.columns["wage"].upper, 10.0)
    columns = {**data.rows.columns, "wage": Values(wages, np.ones(len(wages), dtype=bool))}
    return table_from_columns(Rows(SPEC, columns, data.rows.length), data.offsets, data.digests)


class Sums:
    """The noisy sums of one release, and how they were made. `again`: noisy sums to use in place of noise."""

    def __init__(self, again=None, noise=add_noise):
        self.exact, self.noisy, self.sigmas = [], [], []
        self.again, self.noise = again, noise

    def __call__(self, total, sigma):
        noisy = self.again[len(self.exact)] if self.again else self.noise(total, sigma)
        self.exact.append(np.asarray(total, dtype=np.float64).ravel())
        self.noisy.append(noisy)
        self.sigmas.append(float(sigma))
        return noisy


def sums_of(query, data, sigma, module, monkeypatch, **how):
    made = Sums(**how)
    with monkeypatch.context() as patched:
        patched.setattr(module, "add_noise", made)
        measure(query, data).release(sigma, None)
    return made


def evidence(query, sigma, module, monkeypatch, noise):
    """Return the evidence in games with the canary, and in games without."""
    present = crowd()
    worlds = {True: present, False: without(present, CANARY)}
    found: dict[bool, list[float]] = {True: [], False: []}
    for game in range(GAMES):
        there = bool(game % 2)
        seen = sums_of(query, worlds[there], sigma, module, monkeypatch, noise=noise)
        other = sums_of(query, worlds[not there], sigma, module, monkeypatch, again=seen.noisy)
        assert all(np.isfinite(each).all() for each in other.exact)
        inside, outside = (seen, other) if there else (other, seen)
        found[there].append(
            sum(
                float(np.sum((y - b) ** 2) - np.sum((y - a) ** 2)) / (2 * s * s)
                for y, a, b, s in zip(
                    (np.asarray(each, dtype=np.float64).ravel() for each in seen.noisy),
                    inside.exact,
                    outside.exact,
                    seen.sigmas,
                    strict=True,
                )
            )
        )
    return np.array(found[True]), np.array(found[False])


def mu_of(query, module, monkeypatch, *, sigma=None, noise=add_noise):
    """Return what the sums give away, where the release claims CLAIM at its price."""
    claimed = math.ceil(ONE * math.sqrt(design(query, SPEC).releases) / CLAIM)
    there, absent = evidence(query, sigma or claimed, module, monkeypatch, noise)
    return math.sqrt(max(0.0, float(there.mean() - absent.mean())))


@BOTH
def test_a_release_gives_away_what_it_claims_and_no_more(query, module, monkeypatch):
    assert 0.75 * CLAIM <= mu_of(query, module, monkeypatch) <= 1.2 * CLAIM


@BOTH
def test_noise_for_one_release_alone_is_caught(query, module, monkeypatch):
    """Each sum has the noise that it would have if it were the only one."""
    monkeypatch.setattr("tests.statistical.test_learned_audit.GAMES", 40)
    assert mu_of(query, module, monkeypatch, sigma=math.ceil(ONE / CLAIM)) > 1.2 * CLAIM


def test_each_step_draws_noise_of_its_own(monkeypatch):
    """Noise drawn once for all steps would go away when an attacker subtracts two sums."""
    claimed = math.ceil(ONE * math.sqrt(design(MODEL, SPEC).releases) / CLAIM)
    seen = sums_of(MODEL, crowd(), claimed, training, monkeypatch)
    first, *others = (
        noisy.ravel() - exact for noisy, exact in zip(seen.noisy[1:], seen.exact[1:], strict=True)
    )
    assert not any(np.array_equal(first, each) for each in others)
