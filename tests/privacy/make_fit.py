"""Questions for models over the table of `make_table`, and noise that can be turned off."""

from typing import Any

import pytest

from privacy.engine import fit_rows, held_out, training
from privacy.engine.figures import ModelFigures
from privacy.engine.fit_rows import Chosen
from privacy.engine.language.expressions import Column, Compare, Constant, Not
from privacy.engine.language.learning import (
    Amount,
    CategoryFeature,
    Choice,
    Events,
    Fit,
    NumberFeature,
    YesNo,
)
from privacy.engine.language.query import Query
from privacy.engine.measure.contributions import Integers
from privacy.engine.measure.evaluate import EVERYWHERE, Bools
from privacy.engine.plan.fits import FitPlan, plan_fit
from privacy.engine.release import Measured, SortedTable
from tests.privacy.make_table import SPEC

HOURS, UNION, REGION = (
    NumberFeature("hours", Column("hours"), bins=0),
    CategoryFeature("union"),
    CategoryFeature("region"),
)
WAGE = NumberFeature("wage", Column("wage"), bins=5)
FITS = {
    "logistic": Fit(YesNo(Compare(">", Column("wage"), Constant(25.0))), (HOURS, UNION, REGION), steps=20),
    "linear": Fit(Amount(Column("wage")), (HOURS, REGION), steps=20),
    "poisson": Fit(Events(Column("wage")), (UNION, HOURS), steps=20),
    "multinomial": Fit(Choice("region"), (WAGE, HOURS), steps=20),
    "deep": Fit(Amount(Column("wage")), (REGION, HOURS), hidden=(3,), steps=20),
    "deep events": Fit(Events(Column("wage")), (UNION, HOURS), hidden=(2,), steps=20),
    "deeper": Fit(Choice("region"), (WAGE, HOURS), hidden=(4, 3), steps=20),
}
NEVER = Not(Compare(">=", Column("hours"), Constant(-10.0)))


def asked(measure: Fit, **more: Any) -> Query:
    return Query(table="wages", measure=measure, **more)


def model_of(measured: Measured, sigma: int, active: Bools | None = None) -> ModelFigures:
    """The released model."""
    released = measured.release(sigma, active)
    assert isinstance(released, ModelFigures)
    return released


def chosen_of(measure_: Fit, data: SortedTable) -> tuple[FitPlan, Chosen]:
    """A plan, and the rows of everybody, trained or tested."""
    plan = plan_fit(measure_, SPEC)
    found = fit_rows.outcomes(measure_.outcome, plan, data.rows, data.offsets, EVERYWHERE)
    return plan, fit_rows.choose(plan, data.rows, data.offsets, found, found.people)


def without_noise(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Turn off all noise of models. Returns a list that fills with (numbers, sigma) of each release."""
    releases = []

    def told(total: Integers, sigma: int) -> Integers:
        releases.append((total.size, sigma))
        return total

    monkeypatch.setattr(training, "add_noise", told)
    monkeypatch.setattr(held_out, "add_noise", told)
    return releases
