"""No value computed in a row lies outside the bounds of its expression, and bounds do not pass a 0 for nothing."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.engine.language.bounds import Interval, bounds
from privacy.engine.language.expressions import Binary, Column, Constant, Power, Unary
from privacy.engine.language.schema import ColumnSpec, Kind, QueryRefused, TableSpec
from privacy.engine.language.sql import parse
from privacy.engine.measure.evaluate import EVERYWHERE, Rows, Values, evaluate
from privacy.engine.plan.designs import design
from tests.privacy.make_query import conditions, expressions
from tests.privacy.make_table import SPEC

ENDS = {
    "wage": (0.0, 60.0),
    "hours": (-10.0, 60.0),
    "debt": (-30.0, 0.0),
    "year": (1980.0, 2020.0),
    "share": (0.0, 1.0),
    "rate": (0.1, 0.3),
    "tiny": (1e-200, 1e-160),
    "subnormal": (-1e-310, 1e-310),
    "far": (-1e150, 1e150),
}
TABLE = TableSpec(
    name="t",
    subject="person",
    max_rows=1,
    columns={
        name: ColumnSpec(name=name, kind=Kind.NUMBER, lower=low, upper=high)
        for name, (low, high) in ENDS.items()
    },
)
ROWS = 200


def rows(seed):
    """Rows whose values are often an end of their bounds, one step from it, 0, or the middle."""
    rng, columns = np.random.default_rng(seed), {}
    for name, (low, high) in ENDS.items():
        special = [low, high, np.nextafter(low, high), np.nextafter(high, low), low / 2 + high / 2, 0.0]
        found = np.where(
            rng.random(ROWS) < 0.6, rng.choice(special, ROWS), low + (high - low) * rng.random(ROWS)
        )
        columns[name] = Values(found.clip(low, high), EVERYWHERE)
    return Rows(TABLE, columns, ROWS)


@settings(max_examples=600)
@given(expressions(tuple(ENDS), conditions(tuple(ENDS))), st.integers(0, 2**32 - 1))
def test_every_value_of_an_allowed_expression_is_a_number_within_its_bounds(node, seed):
    try:
        found = bounds(node, TABLE)
    except QueryRefused:
        return
    values = evaluate(node, rows(seed))
    assert values.valid.all()
    assert (values.numbers >= found.lower).all()
    assert (values.numbers <= found.upper).all()


@pytest.mark.parametrize("exponent", range(2, 9))
def test_powers_lie_within_bounds_that_one_step_outward_gives(exponent):
    """NumPy and the C library may round a power to different neighbours."""
    rng = np.random.default_rng(exponent)
    for low in np.exp(rng.uniform(-700 / exponent, 680 / exponent, 300)):
        spec = ColumnSpec(name="x", kind=Kind.NUMBER, lower=low, upper=low * (1 + 1e-15))
        table = TableSpec(name="t", subject="person", max_rows=1, columns={"x": spec})
        x = np.array([spec.lower, np.nextafter(spec.lower, math.inf), spec.upper]).clip(
            spec.lower, spec.upper
        )
        found = bounds(Power(Column("x"), exponent), table)
        values = evaluate(Power(Column("x"), exponent), Rows(table, {"x": Values(x, EVERYWHERE)}, 3)).numbers
        assert (found.lower <= values).all()
        assert (values <= found.upper).all()


@pytest.mark.parametrize("name", ["exp", "log"])
def test_functions_lie_within_bounds_that_one_step_outward_gives(name):
    rng = np.random.default_rng(3)
    ends = rng.uniform(-746, 700, 3000) if name == "exp" else np.exp(rng.uniform(-700, 700, 3000))
    for low in ends:
        spec = ColumnSpec(name="x", kind=Kind.NUMBER, lower=low, upper=low)
        table = TableSpec(name="t", subject="person", max_rows=1, columns={"x": spec})
        found = bounds(Unary(name, Column("x")), table)
        value = evaluate(
            Unary(name, Column("x")), Rows(table, {"x": Values(np.array([low]), EVERYWHERE)}, 1)
        ).numbers[0]
        assert found.lower <= value <= found.upper


KEPT_AT_ZERO = {
    "wage * 2": (0.0, 120.0),
    "wage + share": (0.0, 61.0),
    "wage / 2": (0.0, 30.0),
    "wage * share / year": (0.0, 60 / 1980),
    "year - 1980": (0.0, 40.0),
    "debt * debt": (0.0, 900.0),
    "debt * wage": (-1800.0, 0.0),
    "debt + debt": (-60.0, 0.0),
    "debt / year": (-30 / 1980, 0.0),
    "debt * tiny": (-30 * 1e-160, 0.0),
    "SQRT(wage)": (0.0, math.sqrt(60)),
}


@pytest.mark.parametrize("text", KEPT_AT_ZERO)
def test_an_end_that_is_exactly_0_stays_0(text):
    of = parse(f"SELECT SUM({text}) FROM t", TABLE).measure.of  # noqa: S608 -- parsed, never executed
    assert bounds(of, TABLE) == Interval(*KEPT_AT_ZERO[text])


@pytest.mark.parametrize(
    ("node", "lower", "upper"),
    [
        (Power(Column("wage"), 3), 0.0, math.nextafter(60.0**3, math.inf)),
        (Power(Column("hours"), 2), 0.0, math.nextafter(3600.0, math.inf)),
        (Power(Column("debt"), 3), math.nextafter(-27000.0, -math.inf), 0.0),
        (Power(Column("debt"), 2), 0.0, math.nextafter(900.0, math.inf)),
        (Unary("exp", Binary("*", Column("debt"), Constant(100.0))), 0.0, math.nextafter(1.0, 2.0)),
        (Unary("log", Binary("+", Column("share"), Constant(1.0))), 0.0, math.nextafter(math.log(2), 1.0)),
        (Unary("log", Column("tiny")), math.nextafter(math.log(1e-200), -math.inf), None),
    ],
    ids=["cube", "square", "cube below 0", "square below 0", "exp", "log above 1", "log below 1"],
)
def test_a_step_outward_does_not_pass_a_0_that_the_function_does_not_pass(node, lower, upper):
    found = bounds(node, TABLE)
    assert found.lower == lower
    assert found.upper == (math.nextafter(math.log(1e-160), math.inf) if upper is None else upper)


@pytest.mark.parametrize(
    "text",
    ["wage * 2", "wage + wage", "wage / 2", "POWER(wage, 2)", "SQRT(wage)", "hours + 10", "EXP(-wage * 9)"],
)
def test_a_square_root_of_what_is_never_negative_can_be_asked(text):
    query = parse(f"SELECT SUM(SQRT({text})) FROM wages", SPEC)  # noqa: S608 -- parsed, never executed
    assert design(query, SPEC).clip > 0


@pytest.mark.parametrize("text", ["hours + 9", "wage - 0.000001", "hours * wage", "POWER(hours, 3)"])
def test_a_square_root_of_what_may_be_negative_is_refused(text):
    with pytest.raises(QueryRefused, match="must not be negative but can be -"):
        parse(f"SELECT SUM(SQRT({text})) FROM wages", SPEC)  # noqa: S608 -- parsed, never executed
