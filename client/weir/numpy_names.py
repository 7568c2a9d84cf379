"""What NumPy's functions do with remote columns: each makes an expression, a condition or a question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from weir import grammar as g
from weir import operands, terms
from weir.columns import Column, Condition
from weir.errors import NotOffered
from weir.questions import Question, Questions
from weir.registry import INSTEAD, REFUSED, as_function, as_ufunc, check
from weir.terms import Term

# Expressions


def _column(value: Any, name: str) -> Column:
    if isinstance(value, Column):
        return value
    if isinstance(value, (Question, Questions)):
        bool(value)  # refuses, and says why
    raise NotOffered(f"np.{name} needs a column of the table here. {operands.LOCAL}")


def _arithmetic(op: str, turned: str) -> Any:
    def apply(a: Any, b: Any) -> Any:
        return getattr(a, op)(b) if isinstance(a, Column) else getattr(_column(b, op.strip("_")), turned)(a)

    return apply


for _name, _op, _turned in [
    ("add", "__add__", "__radd__"), ("subtract", "__sub__", "__rsub__"), ("multiply", "__mul__", "__rmul__"),
    ("true_divide", "__truediv__", "__rtruediv__"), ("power", "__pow__", "__rpow__"),
    ("float_power", "__pow__", "__rpow__"), ("floor_divide", "__floordiv__", "__rfloordiv__"),
    ("remainder", "__mod__", "__rmod__"), ("fmod", "__mod__", "__rmod__"),
    ("equal", "__eq__", "__eq__"), ("not_equal", "__ne__", "__ne__"),
    ("less", "__lt__", "__gt__"), ("less_equal", "__le__", "__ge__"),
    ("greater", "__gt__", "__lt__"), ("greater_equal", "__ge__", "__le__"),
    ("logical_and", "__and__", "__and__"), ("logical_or", "__or__", "__or__"), ("logical_xor", "__xor__", "__xor__"),
    ("bitwise_and", "__and__", "__and__"), ("bitwise_or", "__or__", "__or__"), ("bitwise_xor", "__xor__", "__xor__"),
]:  # fmt: skip
    as_ufunc(getattr(np, _name))(_arithmetic(_op, _turned))


@as_ufunc(np.negative)
def _negative(x: Column) -> Column:
    return -x


@as_ufunc(np.positive)
def _positive(x: Column) -> Column:
    return +x


@as_ufunc(np.absolute, np.fabs)
def _absolute(x: Column) -> Column:
    return abs(x)


@as_ufunc(np.exp)
def _exp(x: Column) -> Column:
    return x.function("exp")


@as_ufunc(np.log)
def _log(x: Column) -> Column:
    return x.function("log")


@as_ufunc(np.sqrt)
def _sqrt(x: Column) -> Column:
    return x.function("sqrt")


@as_ufunc(np.log2)
def _log2(x: Column) -> Column:
    return x.function("log") / math.log(2)


@as_ufunc(np.log10)
def _log10(x: Column) -> Column:
    return x.function("log") / math.log(10)


@as_ufunc(np.log1p)
def _log1p(x: Column) -> Column:
    return (x + 1).function("log")


@as_ufunc(np.exp2)
def _exp2(x: Column) -> Column:
    return (x * math.log(2)).function("exp")


@as_ufunc(np.expm1)
def _expm1(x: Column) -> Column:
    return x.function("exp") - 1


@as_ufunc(np.square)
def _square(x: Column) -> Column:
    return x**2


@as_ufunc(np.reciprocal)
def _reciprocal(x: Column) -> Column:
    return 1 / x


@as_ufunc(np.sign)
def _sign(x: Column) -> Column:
    """1, 0 or -1; missing where x is, because the innermost value is x itself, moved to 0."""
    zero = terms.clip(x.as_term(), 0.0, 0.0)
    below = x.replaced(x < 0, terms.constant(-1.0), zero)
    return x.replaced(x > 0, terms.constant(1.0), below.as_term())


@as_ufunc(np.maximum, np.fmax)
def _maximum(a: Any, b: Any) -> Column:
    return _limited(a, b, "maximum").clip(lower=_other(a, b))


@as_ufunc(np.minimum, np.fmin)
def _minimum(a: Any, b: Any) -> Column:
    return _limited(a, b, "minimum").clip(upper=_other(a, b))


def _limited(a: Any, b: Any, name: str) -> Column:
    if isinstance(a, Column) and isinstance(b, Column):
        sign = "<" if name == "minimum" else ">"
        raise NotOffered(f"np.{name} of two columns is not offered. Write np.where(a {sign} b, a, b).")
    return a if isinstance(a, Column) else _column(b, name)


def _other(a: Any, b: Any) -> Any:
    return b if isinstance(a, Column) else a


@as_ufunc(np.logical_not, np.invert)
def _not(x: Column) -> Condition:
    return ~x


@as_ufunc(np.isnan)
def _isnan(x: Column) -> Condition:
    return x.isna()


@as_ufunc(np.isfinite)
def _isfinite(x: Column) -> Condition:
    return ~x.isna()


@as_ufunc(np.matmul)
def _matmul(a: Any, b: Any) -> Question:
    return _dot(a, b)


@as_function(np.clip)
def _clip(a: Column, a_min: Any = None, a_max: Any = None, **options: Any) -> Column:
    ends = {name: options.pop(name) for name in ("min", "max") if name in options}
    check("clip", options)
    return _column(a, "clip").clip(ends.get("min", a_min), ends.get("max", a_max))


@as_function(np.where)
def _where(condition: Any, *choices: Any) -> Column:
    if len(choices) != 2:
        raise NotOffered(
            "np.where needs three values: np.where(condition, value, otherwise). Positions of rows are private."
        )
    return _chosen(_column(condition, "where"), *choices)


def _chosen(condition: Column, then: Any, otherwise: Any) -> Column:
    scope = condition.scope
    for each in (then, otherwise):
        scope = scope.joined(each.scope) if isinstance(each, Column) else scope
    return Column(scope, terms.where(condition.as_test(), _term(then), _term(otherwise)))


def _term(value: Any) -> Term:
    return value.as_term() if isinstance(value, Column) else operands.term(value)


@as_function(np.select)
def _select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Column:
    if len(condlist) != len(choicelist) or not condlist:
        raise NotOffered("np.select needs as many choices as conditions, at least one.")
    found = default
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        found = _chosen(_column(condition, "select"), choice, found)
    return _column(found, "select")


@as_function(np.isin)
def _isin(
    element: Column, test_elements: Any, assume_unique: bool = False, invert: bool = False, **_: Any
) -> Condition:
    found = _column(element, "isin").isin(np.atleast_1d(test_elements).tolist())
    return ~found if invert else found


@as_function(np.nan_to_num)
def _nan_to_num(x: Column, copy: bool = True, nan: float = 0.0, **_: Any) -> Column:
    return _column(x, "nan_to_num").fillna(nan)


@as_function(np.copy)
def _copy(a: Column, **_: Any) -> Column:
    return a


# Aggregates

for _name in ("sum", "mean", "var", "std", "median"):

    def _plain(a: Any, axis: Any = None, *rest: Any, _name: str = _name, **options: Any) -> Question:
        if rest and (len(rest) > 1 or _name == "median"):
            check(_name, {"out": rest[-1]})
        made: Question = getattr(_column(a, _name), _name)(axis=axis, **options)
        return made

    as_function(getattr(np, _name), getattr(np, f"nan{_name}"))(_plain)


@as_function(np.average)
def _average(a: Column, axis: Any = None, weights: Any = None, **options: Any) -> Question:
    check(
        "average", {"weights": weights, **{name: each for name, each in options.items() if each is not False}}
    )
    return _column(a, "average").mean(axis=axis)


@as_function(np.quantile, np.nanquantile)
def _quantile(a: Column, q: Any, axis: Any = None, out: Any = None, *_: Any, **options: Any) -> Question:
    return _column(a, "quantile").quantile(q, axis=axis, out=out, **options)


@as_function(np.percentile, np.nanpercentile)
def _percentile(a: Column, q: Any, axis: Any = None, out: Any = None, *_: Any, **options: Any) -> Question:
    return _column(a, "percentile").percentile(q, axis=axis, out=out, **options)


@as_function(np.count_nonzero)
def _count_nonzero(a: Column, axis: Any = None, **options: Any) -> Question:
    check("count_nonzero", {"axis": axis, **options})
    column = _column(a, "count_nonzero")
    test = column.as_test() if isinstance(column, Condition) else (column != 0).as_test()
    return Question(column.scope.filtered(test), g.Count())


@as_function(np.dot, np.vdot, np.inner)
def _dot(a: Any, b: Any, out: Any = None) -> Question:
    check("dot", {"out": out})
    return _column(a, "dot").dot(_column(b, "dot"))


@as_function(np.corrcoef)
def _corrcoef(x: Column, y: Any = None, *_: Any, **options: Any) -> Question:
    check("corrcoef", {name: each for name, each in options.items() if name not in {"ddof", "bias"}})
    return _column(x, "corrcoef").corr(_column(y, "corrcoef"))


@as_function(np.cov)
def _cov(
    m: Column, y: Any = None, rowvar: Any = True, bias: Any = False, ddof: Any = None, **options: Any
) -> Question:
    check("cov", {"rowvar": rowvar, **options})
    return _column(m, "cov").cov(_column(y, "cov"), ddof=0 if bias and ddof is None else ddof)


@as_function(np.histogram)
def _histogram(a: Column, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    return _column(a, "histogram").histogram(bins, range, density=density or None, weights=weights)


@as_function(np.bincount)
def _bincount(x: Column, weights: Any = None, minlength: int = 0, **_: Any) -> Question:
    check("bincount", {"weights": weights})
    interval = _column(x, "bincount").as_term().interval
    if interval.lower < 0:
        raise NotOffered("np.bincount needs numbers that are not negative. Use np.histogram with edges.")
    edges = np.arange(max(int(interval.upper) + 1, minlength) + 1) - 0.5
    return x.histogram(edges)[0]


# What there is instead

_EXTREME = "One person alone can decide it. Ask for np.quantile(column, 0.99) or np.quantile(column, 0.01)."
_ORDER = "It depends on the order of rows, and they have none. Filter them, or ask for quantiles."
_VALUES = "It would show which values occur. Ask for np.histogram, or column.value_counts()."
REFUSED.update(
    dict.fromkeys(
        ["max", "min", "amax", "amin", "ptp", "nanmax", "nanmin", "argmax", "argmin", "nanargmax", "nanargmin"],
        _EXTREME,
    ),
    **dict.fromkeys(
        ["sort", "argsort", "partition", "argpartition", "lexsort", "cumsum", "cumprod", "diff", "ediff1d", "gradient",
         "searchsorted", "roll", "flip", "take", "delete", "insert", "append", "nancumsum", "trapezoid", "interp"],
        _ORDER,
    ),
    **dict.fromkeys(["unique", "unique_values", "union1d", "intersect1d", "setdiff1d"], _VALUES),
    nonzero="Positions of rows are private. Count them: np.count_nonzero(condition).",
    flatnonzero="Positions of rows are private. Count them: np.count_nonzero(condition).",
    argwhere="Positions of rows are private. Count them: np.count_nonzero(condition).",
    any="One person alone can decide it. Ask for np.count_nonzero(condition).",
    all="One person alone can decide it. Ask for np.mean(condition).",
    array_equal="One person alone can decide it. Ask for np.mean(a == b).",
    allclose="One person alone can decide it. Ask for np.mean(abs(a - b).clip(0, 1)).",
    prod="One person can change it without limit. Ask for np.sum(np.log(column.clip(1, 100))).",
    nanprod="One person can change it without limit. Ask for np.sum(np.log(column.clip(1, 100))).",
)  # fmt: skip
_ROUND = "Release the answer and round that, or sort values into bins with np.histogram."
INSTEAD.update(
    dict.fromkeys(["round", "around", "rint", "floor", "ceil", "trunc", "fix", "digitize"], _ROUND),
    **dict.fromkeys(
        ["sin", "cos", "tan", "tanh", "arctan", "sinh", "cosh"],
        "It is not among the functions with bounds here: +, -, *, /, **, abs, exp, log and sqrt are. "
        "Use a polynomial, or submit code for review.",
    ),
    **dict.fromkeys(
        ["concatenate", "stack", "vstack", "hstack", "column_stack", "append"],
        "Columns cannot be put together into arrays. A regression takes several: table.fit.linear(y, a, b).",
    ),
    polyfit="Use a regression: table.fit.linear(y, x, x**2).",
    histogram2d="Group by one column, and ask for a histogram of the other in each group.",
    isclose="Write abs(a - b) < 0.001.",
)
