"""From rows to a released model: who counts, what they are charged, training, and one release on who tests.

Everybody with a row that counts pays the same, the worst case of all releases, before the first of them. Who trains
takes part in `plan.releases` releases at `sigma`; who tests in one release alone, whose noise is as much smaller.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from privacy.engine.figures import ModelFigures
from privacy.engine.fit_rows import Chosen, Outcomes, choose, outcomes, testers
from privacy.engine.held_out import held_out, held_out_sigma
from privacy.engine.language.learning import Fit
from privacy.engine.measure.contributions import FREE, ONE, Integers, priced
from privacy.engine.measure.evaluate import Bools, Rows
from privacy.engine.model_figures import figures_of
from privacy.engine.plan.fits import FitPlan
from privacy.engine.training import train


def on_rows(
    measure: Fit,
    plan: FitPlan,
    rows: Rows,
    offsets: Integers,
    kept: Bools,
    digests: npt.NDArray[np.uint8],
) -> "FitOnRows":
    """Find out which rows count for a planned model. `kept`: rows that the filter keeps, or EVERYWHERE.

    `digests` (subjects, 16): keyed digests of the people, whose last half decides who tests.
    """
    found = outcomes(measure.outcome, plan, rows, offsets, kept)
    return FitOnRows(measure, plan, rows, offsets, found, digests)


@dataclass(frozen=True, slots=True)
class FitOnRows:
    """A planned model on sorted rows, of which `found` says what counts."""

    measure: Fit
    plan: FitPlan
    rows: Rows
    offsets: Integers
    found: Outcomes
    digests: npt.NDArray[np.uint8]

    def charges(self, price: tuple[int, int]) -> npt.NDArray[Any]:
        """Return the charge of each person at a price: flat for whoever has a row that counts. Shape (subjects,)."""
        kind = np.int64 if price == FREE else np.uint32
        return np.where(self.found.people, priced(ONE * ONE, price), 0).astype(kind)

    def release(self, sigma: int, active: Bools | None) -> ModelFigures:
        """Train with noise of `sigma` units a release and test. `active`: who takes part, None for all."""
        people = self.found.people if active is None else self.found.people & active
        tests = testers(self.digests, self.measure.test_share)
        model = train(self.plan, self._chosen(people & ~tests), sigma)
        tested = None
        if self.measure.test_share > 0:
            noise = held_out_sigma(sigma, self.plan.releases)
            tested = held_out(self.plan, model, self._chosen(people & tests), noise)
        return figures_of(self.measure, self.rows.table, self.plan, model, sigma=sigma, held_out=tested)

    def _chosen(self, people: Bools) -> Chosen:
        return choose(self.plan, self.rows, self.offsets, self.found, people)
