"""Random expressions, conditions and questions for the engine's tests."""

from collections.abc import Sequence
from functools import reduce

from hypothesis import strategies as st

from privacy.engine.language.expressions import (
    And,
    Binary,
    Clip,
    Column,
    Compare,
    Constant,
    Expression,
    In,
    IsNull,
    Not,
    Or,
    Power,
    Predicate,
    Unary,
    Where,
)

NUMBERS = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -3.0, 60.0, 1e-300, 1e300, 5e-324]) | st.floats(
    min_value=-1e300, max_value=1e300
)
ARITHMETIC, FUNCTIONS = ["+", "-", "*", "/"], ["-", "abs", "exp", "log", "sqrt"]
COMPARISONS = ["=", "!=", "<", "<=", ">", ">="]


def expressions(
    columns: Sequence[str], where: st.SearchStrategy[Predicate], leaves: int = 8
) -> st.SearchStrategy[Expression]:
    """Expressions over these columns. `where`: the conditions in them."""

    def grown(part: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
        return st.one_of(
            st.builds(Binary, st.sampled_from(ARITHMETIC), part, part),
            st.builds(Unary, st.sampled_from(FUNCTIONS), part),
            st.builds(Power, part, st.integers(2, 8)),
            st.builds(_clip, part, NUMBERS, NUMBERS),
            st.builds(Where, where, part, part),
        )

    return st.recursive(
        st.builds(Column, st.sampled_from(columns)) | st.builds(Constant, NUMBERS), grown, max_leaves=leaves
    )


def _clip(of: Expression, one: float, other: float) -> Expression:
    return Clip(of, min(one, other), max(one, other))


def conditions(
    columns: Sequence[str], labels: Sequence[tuple[str, Sequence[str]]] = (), leaves: int = 4
) -> st.SearchStrategy[Predicate]:
    """Conditions on these columns. `labels`: columns with their declared values."""
    value = st.builds(Column, st.sampled_from(columns)) | st.builds(Constant, NUMBERS)
    chosen = [
        st.builds(In, st.just(name), st.lists(st.sampled_from(values), min_size=1, max_size=3).map(tuple))
        for name, values in labels
    ]
    simple = [st.builds(Compare, st.sampled_from(COMPARISONS), value, value), *chosen]
    leaf = reduce(st.SearchStrategy.__or__, simple, st.builds(IsNull, st.sampled_from(columns)))

    def grown(part: st.SearchStrategy[Predicate]) -> st.SearchStrategy[Predicate]:
        parts = st.lists(part, min_size=1, max_size=3).map(tuple)
        return st.builds(And, parts) | st.builds(Or, parts) | st.builds(Not, part)

    return st.recursive(leaf, grown, max_leaves=leaves)
