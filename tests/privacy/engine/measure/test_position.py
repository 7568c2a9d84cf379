"""A row's value does not depend on where the row stands: which rows lie around it must not change a bit of it.

NumPy computes several rows at once where it can, and the rows left over at an end one by one. If these two ways gave
different bits, a person's value would depend on how many rows others have.
"""

from dataclasses import replace

import numpy as np
import pytest

from privacy.engine.language.expressions import Binary, Clip, Column, Compare, Constant, Power, Unary
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.engine.measure.evaluate import Rows, Values, evaluate, holds

ROWS = 2_000
X, Y = Column("x"), Column("y")
SPEC = TableSpec(
    name="t",
    subject="person",
    max_rows=4096,
    columns={name: ColumnSpec(name=name, kind=Kind.NUMBER, lower=0.001, upper=30.0) for name in ("x", "y")},
)
EXPRESSIONS = {
    **{name: Unary(name, X) for name in ("-", "abs", "exp", "log", "sqrt")},
    **{op: Binary(op, X, Y) for op in "+-*/"},
    **{f"**{exponent}": Power(X, exponent) for exponent in range(2, 9)},
    "clip": Clip(Unary("exp", X), 1.5, 1e9),
    "long": Binary("/", Unary("log", Binary("+", Power(X, 3), Y)), Unary("sqrt", Unary("exp", Y))),
}


def table(x, y):
    everywhere = np.ones(len(x), dtype=bool)
    return Rows(SPEC, {"x": Values(x, everywhere), "y": Values(y, everywhere)}, len(x))


@pytest.fixture(scope="module")
def numbers():
    rng = np.random.default_rng(17)
    return rng.uniform(0.001, 30.0, ROWS), rng.uniform(0.001, 30.0, ROWS)


def bits(values):
    return np.ascontiguousarray(values.numbers).view(np.uint64)


def apart(array):
    """The same numbers, each some way from the next in memory."""
    spread = np.zeros((len(array), 3))
    spread[:, 1] = array
    return spread[:, 1]


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_a_value_is_the_same_wherever_its_row_stands(name, numbers):
    node, (x, y) = EXPRESSIONS[name], numbers
    alone = np.concatenate([bits(evaluate(node, table(x[k : k + 1], y[k : k + 1]))) for k in range(ROWS)])
    assert len(np.unique(alone)) > ROWS // 2
    whole = table(x, y)
    for begin in (0, 1, 2, 3, 5, 7, 8, 13):
        for length in (1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 1000):
            part = bits(evaluate(node, whole.part(begin, begin + length)))
            assert np.array_equal(part, alone[begin : begin + length])


@pytest.mark.parametrize("name", EXPRESSIONS)
@pytest.mark.parametrize("way", ["reversed", "apart", "unaligned"])
def test_nor_does_it_depend_on_how_the_column_lies_in_memory(name, way, numbers):
    node, (x, y) = EXPRESSIONS[name], numbers
    plain = bits(evaluate(node, table(x, y)))
    if way == "reversed":
        found = bits(evaluate(node, table(x[::-1].copy()[::-1], y[::-1].copy()[::-1])))
    elif way == "apart":
        found = bits(evaluate(node, table(apart(x), apart(y))))
    else:
        shifted = [np.frombuffer(b"1" + each.tobytes(), dtype=np.float64, offset=1) for each in (x, y)]
        found = bits(evaluate(node, table(*shifted)))
    assert np.array_equal(found, plain)


def test_a_filter_on_a_tie_keeps_the_same_rows(numbers):
    x, y = numbers
    for k in range(0, ROWS, 97):
        value = float(evaluate(Unary("exp", X), table(x[k : k + 1], y[k : k + 1])).numbers[0])
        tie = Compare(">=", Unary("exp", X), Constant(value))
        assert holds(tie, table(x, y))[k]
        assert holds(replace(tie, op="<="), table(x[::-1], y[::-1]))[ROWS - 1 - k]
