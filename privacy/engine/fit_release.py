"""From rows to a released model: who counts, what they are charged, training, and one release on who tests.

Everybody with a row that counts pays the same, the worst case of all releases, before the first of them. Who trains
takes part in `plan.releases` releases at `sigma`; who tests in one release alone, whose noise is as much smaller.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from privacy.engine.figures import ModelFigures
from privacy.engine.fit_rows import choose, outcomes, testers
from privacy.engine.held_out import held_out, held_out_sigma
from privacy.engine.language.learning import Fit
from privacy.engine.measure.contributions import FREE, ONE, Integers, priced
from privacy.engine.measure.evaluate import Bools, Rows
from privacy.engine.model_figures import figures_of
from privacy.engine.plan.fits import FitPlan, plan_fit
from privacy.engine.training import train


@dataclass(frozen=True, slots=True)
class FitOnRows:
    """A question for a model on sorted rows. `kept`: rows that the filter keeps, or EVERYWHERE.

    `digests` (subjects, 16): keyed digests of the people, whose last half decides who tests.
    """

    measure: Fit
    rows: Rows
    offsets: Integers
    kept: Bools
    digests: npt.NDArray[np.uint8]

    @property
    def plan(self) -> FitPlan:
        return plan_fit(self.measure, self.rows.table)

    def charges(self, price: tuple[int, int]) -> npt.NDArray[Any]:
        """Return the charge of each person at a price: flat for whoever has a row that counts. Shape (subjects,)."""
        found = outcomes(self.measure.outcome, self.plan, self.rows, self.offsets, self.kept)
        kind = np.int64 if price == FREE else np.uint32
        return np.where(found.people, priced(ONE * ONE, price), 0).astype(kind)

    def release(self, sigma: int, active: Bools | None) -> ModelFigures:
        """Train with noise of `sigma` units a release and test. `active`: who takes part, None for all."""
        plan, offsets = self.plan, self.offsets
        found = outcomes(self.measure.outcome, plan, self.rows, offsets, self.kept)
        people = found.people if active is None else found.people & active
        tests = testers(self.digests, self.measure.test_share)
        model = train(plan, choose(plan, self.rows, offsets, found, people & ~tests), sigma)
        told = None
        if self.measure.test_share > 0:
            chosen = choose(plan, self.rows, offsets, found, people & tests)
            told = held_out(plan, model, chosen, held_out_sigma(sigma, plan.releases))
        return figures_of(self.measure, self.rows.table, plan, model, sigma=sigma, held_out=told)
