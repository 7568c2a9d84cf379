"""Questions for models over the table of `make_table`, and noise that can be turned off."""

from privacy.engine import held_out, training
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


def asked(measure: Fit, **more) -> Query:
    return Query(table="wages", measure=measure, **more)


def without_noise(monkeypatch) -> list[tuple[int, int]]:
    """Turn off all noise of models. Returns a list that fills with (numbers, sigma) of each release."""
    releases = []

    def told(total, sigma):
        releases.append((total.size, sigma))
        return total

    monkeypatch.setattr(training, "add_noise", told)
    monkeypatch.setattr(held_out, "add_noise", told)
    return releases
