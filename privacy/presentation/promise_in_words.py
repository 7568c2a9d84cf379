"""What a promise means, in words that need no mathematics.

An attacker who knows everything that was released and guesses whether a given person is in the data faces a test
between N(0, 1) and N(mu, 1) (Dong, Roth and Su, Gaussian differential privacy, JRSS B 84, 2022). With even odds they
are right with probability Phi(mu / 2); at a false alarm rate a they find Phi(Phi^-1(a) + mu) of those who are in it.
For a person who is in the data, the attacker's odds rise by the factor exp(L) with L distributed as N(mu^2 / 2, mu^2):
by more than exp(epsilon) with probability Phi(mu / 2 - epsilon / mu). That is more than the delta of (epsilon, delta),
which weighs each excess by its size (Balle and Wang, ICML 2018, theorem 5).
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

from privacy.engine.accounting import SLACK, noise_epsilon
from privacy.presentation.words import rounded_up

INVERSE = NormalDist().inv_cdf
FALSE_ALARMS = 0.01
LEVELS = {0.5: "Very strong", 1.0: "Strong", 3.0: "Standard", 8.0: "Weak"}
PURCHASES = (10, 50, 200)


def phi(x: float) -> float:
    """Return the normal distribution function, also far below 0, where 1 + erf would cancel."""
    return math.erfc(-x / math.sqrt(2)) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseInWords:
    """The promise of one dataset: for everybody together, and for each of its `scientists` with equal budgets.

    `threshold_delta` is the part of delta that is kept for undeclared values. It adds up: whatever an attacker could
    do with probability p without such answers, they can do with them with at most p + threshold_delta. All figures
    are rounded up, and allow for the noise being discrete (accounting.SLACK).
    """

    epsilon: float
    delta: float
    mu: float
    scientists: int
    threshold_delta: float = 0.0
    largest_mu: float = 0.0
    """The largest budget that a scientist has: top-ups can make it larger than an equal share."""
    mock_mu: float = 0.0
    """What sampled mocks cost, which everybody sees: it adds to what each scientist learns."""

    @property
    def level(self) -> str:
        """The name of the strongest level that the promise reaches."""
        return next((name for limit, name in LEVELS.items() if self.epsilon <= limit), "Very weak")

    @property
    def tone(self) -> str:
        return "amber" if "weak" in self.level.lower() else "blue"

    @property
    def share_mu(self) -> float:
        return math.sqrt(max(0.0, self.mu**2 - self.mock_mu**2) / self.scientists)

    @property
    def share_epsilon(self) -> float:
        return noise_epsilon(self.share_mu, self.delta - self.threshold_delta)

    @property
    def guesses(self) -> str:
        return per_hundred(self._at_most(phi(self.mu / 2)))

    @property
    def guesses_alone(self) -> str:
        alone = math.hypot(max(self.share_mu, self.largest_mu), self.mock_mu)
        return per_hundred(self._at_most(phi(min(alone, self.mu) / 2)))

    def _at_most(self, chance: float) -> float:
        """Return the upper bound of a chance under exact Gaussian DP, with everything else that is released."""
        return chance * math.exp(SLACK) + self.threshold_delta

    @property
    def guess(self) -> str:
        return (
            "Someone who sees everything ever released and must guess whether a given person is in your data is "
            f"right in at most {self.guesses} of 100 cases (50 = coin toss)."
        )

    @property
    def odds(self) -> str:
        beyond = self._at_most(phi(self.mu / 2 - (self.epsilon - SLACK) / self.mu))
        return (
            "Whatever somebody believed before, the answers can raise the odds that a given person is in your data at "
            f"most {factor(self.epsilon)}-fold. The chance of an exception is at most 1 in "
            f"{grouped(math.floor(1 / beyond))}."
        )

    @property
    def alarms(self) -> str:
        found = self._at_most(phi(INVERSE(FALSE_ALARMS) + self.mu))
        return (
            "Somebody careful enough to be wrong about only 1 in 100 people who are not in your data recognises at "
            f"most {per_hundred(found, digits=2)} in 100 of those who are."
        )

    @property
    def coalition(self) -> str:
        if self.scientists == 1:
            return f"One scientist alone is right in at most {self.guesses} of 100 cases."
        return (
            f"Even if all {self.scientists} scientists pool everything they got, the guess is right in at most "
            f"{self.guesses} of 100 cases; for one scientist alone, in at most {self.guesses_alone}."
        )

    @property
    def purchases(self) -> list[tuple[int, int]]:
        """(a 95 % error of a count of people, how many such counts one budget buys)."""
        return [(sd * 2, math.floor((self.share_mu * sd * 2 / 1.96) ** 2)) for sd in PURCHASES]


def per_hundred(share: float, digits: int = 1) -> str:
    """Return a probability as the number of cases in 100, rounded up."""
    return f"{rounded_up(min(share, 1) * 100, digits):.{digits}f}"


def factor(epsilon: float) -> str:
    """Return e^epsilon rounded up, to two decimals while it is small."""
    value = math.exp(epsilon)
    places = 2 if value < 100 else 0
    return grouped(rounded_up(value, places), places)


def grouped(number: float, places: int = 0) -> str:
    return f"{number:,.{places}f}"
