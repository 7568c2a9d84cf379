"""A membership audit of joint questions: what cheats learn about the people of a portal, against what it charged.

Three portals answer. The first one counts on two, itself and the second (h = 2). The scientist and the third portal
cheat together: they see every vector and know the third one's keys. Vectors are made by the real engine, ledger and
masks. The cheats strip the masks that they can compute, try each vector and each sum of two, and weigh by the exact
likelihood ratio whatever no mask is left on. Variants that are broken on purpose give away more than was charged.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from crypto import masks
from privacy.engine.joint_release import MIN_SHARE, Vector, noisy_vector, units_of
from privacy.engine.measure.contributions import ONE
from privacy.engine.release import measure
from tests.statistical.engines import CANARIES, CLAIM, Engine, _query, _table
from tests.statistical.test_audit import mu_at_least

pytestmark = pytest.mark.statistical

K, H = 3, 2
FIRST, SECOND, CHEAT = range(K)
ROUND = 0
PLAN, OTHER_PLAN = "0" * 64, "1" * 64
INPUT = bytes(32)
CLEAN = 2**61
"""Sums with noise stay below it. One number of four does under a mask, so 6,000 numbers never do."""


@dataclass(frozen=True)
class Seen:
    """A vector that the cheats received. `share`: its noise."""

    place: int
    vector: Vector
    share: int


class Joint(Engine):
    """The first two of three portals, as they are built. The canaries are in the first one."""

    counted = H
    """By how many portals' noise people are charged."""
    tables = 4
    """How many tables of canaries it takes to catch a variant: more if it gives away little, such as a claim x 1.22."""

    def __init__(self, folder, present):
        super().__init__(folder, present)
        self.private = [masks.new_key() for _ in range(K)]
        self.publics = [masks.public_of(each) for each in self.private]

    @property
    def share(self):
        """The noise of each portal at which people can just pay for the question."""
        return math.isqrt(int(ONE**2 / (self.counted * CLAIM**2))) + 1

    @property
    def drawn(self):
        """The noise that each portal really adds."""
        return self.share

    def answered(self):
        """What the cheats receive, also of another plan, with little noise, that the second one answers."""
        price = units_of(self.share, self.counted, Fraction(CLAIM) ** 2)
        places = np.flatnonzero(self.present)
        first = measure(_query(np.ones(CANARIES, dtype=bool)), _table(places), worst_case=price)
        active = self.charge(places, first.charges.astype(np.int64))
        assert active.all()
        nobody = measure(_query(np.ones(CANARIES, dtype=bool)), _table(places[:0]))
        yield from self.sent(first, FIRST, self.drawn)
        yield from self.sent(nobody, SECOND, self.drawn)
        yield from self.sent(nobody, SECOND, MIN_SHARE, plan=OTHER_PLAN)

    def sent(self, measured, place, share, plan=PLAN):
        """A vector, once; asked again, a portal sends what it has stored."""
        yield Seen(place, self.masked(noisy_vector(measured, share, None), place, plan), share)

    def masked(self, vector, place, plan):
        return masks.masked(
            vector,
            private=self.private[place],
            place=place,
            publics=self.publics_at(place),
            transcript=self.transcript(plan),
            round_=ROUND,
            input_sha256=INPUT,
        )

    def publics_at(self, place):
        """The keys that a portal was shown, of which it checked that they are those of the roster."""
        return self.publics

    def transcript(self, plan):
        """Cards name the plan, which names the roster."""
        return masks.transcript([self.card(place, plan) for place in range(K)])

    def card(self, place, plan):
        return masks.card_text(plan_sha256=plan, place=place, portals=K, public=self.publics[place])

    # The cheats

    def learned(self):
        """The evidence for each canary's being there."""
        seen = [self.stripped(each) for each in self.answered()]
        candidates = [*combinations(seen, 1), *combinations(seen, 2)]
        score, used = np.zeros(CANARIES), set()
        for parts in sorted(candidates, key=lambda parts: sum(each.share**2 for each in parts)):
            total = masks.total([each.vector for each in parts])
            about = [each.place for each in parts].count(FIRST) == 1
            if about and np.abs(total).max() < CLEAN and used.isdisjoint(map(id, parts)):
                used |= set(map(id, parts))
                variance = sum(each.share**2 for each in parts) / ONE**2
                score += (total / ONE - 0.5) / variance
        return score

    def stripped(self, seen):
        """A vector without the masks that the cheats can compute, of the plan that was asked."""
        vector = seen.vector
        for private, place in self.known(seen.place):
            secret = X25519PrivateKey.from_private_bytes(private).exchange(
                X25519PublicKey.from_public_bytes(self.publics[seen.place])
            )
            low, high = sorted((seen.place, place))
            info = f"weir/mask/1|{ROUND}|{INPUT.hex()}|{low}|{high}".encode()
            stream = masks._stream(secret, self.transcript(PLAN), info, CANARIES)
            vector = vector - stream if seen.place == low else vector + stream
        return Seen(seen.place, vector, seen.share)

    def known(self, place):
        """The private keys of the cheats with which this portal shares a mask, and at which places it believes them."""
        return [(self.private[CHEAT], CHEAT)]


class SharesOfTheWhole(Joint):
    """Each portal adds a third of the variance that people are charged by."""

    tables = 6

    @property
    def drawn(self):
        return math.isqrt(self.share**2 * H // K)


class FreshNoise(Joint):
    """Draws noise again when it is asked again."""

    def sent(self, measured, place, share, plan=PLAN):
        for _ in range(2):
            yield from super().sent(measured, place, share, plan)


class ChargesByAll(Joint):
    """Counts on the noise of all three portals, the cheats' as well."""

    counted, tables = K, 6


class Unmasked(Joint):
    """Masks its vector for the other portals' eyes, but hands it out as it was before, too."""

    def sent(self, measured, place, share, plan=PLAN):
        yield Seen(place, noisy_vector(measured, share, None), share)

    def stripped(self, seen):
        return seen


class UncheckedCards(Joint):
    """Believes the keys that it is sent, which are the cheats' own."""

    def __init__(self, folder, present):
        super().__init__(folder, present)
        self.false = masks.new_key()

    def publics_at(self, place):
        false = masks.public_of(self.false)
        return [key if k in {place, CHEAT} else false for k, key in enumerate(self.publics)]

    def known(self, place):
        return [*super().known(place), (self.false, SECOND if place == FIRST else FIRST)]


class WithoutRoster(Joint):
    """Binds masks to the keys alone, not to the plan: the second portal's vector of another plan takes them off."""

    def transcript(self, plan):
        return masks.transcript(self.publics)


BROKEN = (SharesOfTheWhole, FreshNoise, ChargesByAll, Unmasked, UncheckedCards, WithoutRoster)


def audit(kind, folder, tables):
    absent, present = [], []
    for seed in range(tables):
        there = np.random.default_rng(seed).random(CANARIES) < 0.5
        portals = kind(folder / str(seed), there)
        score = portals.learned()
        portals.close()
        absent.append(score[~there])
        present.append(score[there])
    return mu_at_least(np.concatenate(absent), np.concatenate(present))


def test_a_joint_question_gives_away_what_it_charges_and_no_more(tmp_path):
    assert 0.8 * CLAIM <= audit(Joint, tmp_path, tables=4) <= CLAIM


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_a_broken_variant_is_caught(kind, tmp_path):
    assert audit(kind, tmp_path, tables=kind.tables) > CLAIM
