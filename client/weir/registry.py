"""Which of NumPy's functions work on remote columns. `weir.numpy_names` fills in the tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from weir.errors import NotOffered, NotPrivate

UFUNCS: dict[Any, Callable[..., Any]] = {}
FUNCTIONS: dict[Any, Callable[..., Any]] = {}
REFUSED: dict[str, str] = {}
"""Functions that can never be private, by name, and what there is instead."""
INSTEAD: dict[str, str] = {}
"""Functions that are not offered, by name, and what there is instead."""
F = TypeVar("F", bound=Callable[..., Any])
NOT_GIVEN = getattr(np, "_NoValue", None)
MOCK = "Try it on the mock rows, np.asarray(table.mock_rows()[…]), or submit code for review."


def as_ufunc(*functions: Any) -> Callable[[F], F]:
    """Register what these universal functions do with columns."""

    def register(made: F) -> F:
        UFUNCS.update(dict.fromkeys(functions, made))
        return made

    return register


def as_function(*functions: Any) -> Callable[[F], F]:
    """Register what these functions do with columns."""

    def register(made: F) -> F:
        FUNCTIONS.update(dict.fromkeys(functions, made))
        return made

    return register


def ufunc(function: Any, method: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Apply a universal function. Raises NotOffered for one that is not in the table."""
    name = function.__name__
    if method != "__call__":
        whole = {"add": "np.sum", "logical_or": "condition.sum()", "logical_and": "condition.mean()"}
        _refuse(f"{name}.{method}", whole.get(name, ""))
    if "out" in options:
        raise NotOffered(
            "out= and += into a local array are not offered: private rows cannot be written anywhere. "
            "Give the result a name: b = a + 1."
        )
    check(name, options)
    if function not in UFUNCS:
        _refuse(name)
    return UFUNCS[function](*inputs)


def function(function: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Apply one of NumPy's functions. Raises NotOffered or NotPrivate for one that is not in the table."""
    if function not in FUNCTIONS:
        _refuse(function.__name__)
    return FUNCTIONS[function](*args, **options)


def _refuse(name: str, instead: str = "") -> None:
    if name in REFUSED:
        raise NotPrivate(f"np.{name} can never be private. {REFUSED[name]}")
    if instead or name in INSTEAD:
        raise NotOffered(f"np.{name} is not offered. {INSTEAD.get(name) or f'Use {instead}.'}")
    raise NotOffered(f"np.{name} does not work on private columns. {MOCK}")


_REASONS = {
    "weights": "Weigh with two questions: np.dot(column, weight) and np.sum(weight).",
    "where": "Filter first: column[condition].",
    "out": "Give the result a name instead.",
    "initial": "Add it to the answer.",
    "keepdims": "Columns have one dimension.",
    "density": "Divide the counts by np.sum of the answer.",
    "fweights": "Weigh with np.dot.",
    "aweights": "Weigh with np.dot.",
    "casting": "Leave it out.",
    "subok": "Leave it out.",
    "order": "Leave it out.",
    "method": "Quantiles are found by a noisy search, without interpolation. Leave it out.",
    "interpolation": "Quantiles are found by a noisy search, without interpolation. Leave it out.",
}
_USUAL = {
    "axis": (None, 0, -1, (0,)),
    "ddof": (0,),
    "bias": (True,),
    "correction": (0,),
    "keepdims": (False, None),
    "overwrite_input": (False, None),
    "numeric_only": (False, True),
    "skipna": (True,),
    "rowvar": (True, None),
}


def check(name: str, options: dict[str, Any]) -> None:
    """Raise NotOffered for an option that changes what is asked; those that change nothing here pass."""
    for option, value in options.items():
        if value is NOT_GIVEN or value is None or option == "dtype":
            continue
        if option in _USUAL and any(value is each or value == each for each in _USUAL[option]):
            continue
        if option in {"ddof", "correction"}:
            raise NotOffered(
                f"{name}: {option}={value!r} is not offered: variances are of the population. Leave it out, and "
                "multiply the answer by n / (n - 1)."
            )
        if option == "axis":
            raise NotOffered(
                f"{name}: axis={value!r} is not offered, because a column has one dimension. Leave it out."
            )
        raise NotOffered(f"{name}: {option}= is not offered. {_REASONS.get(option, 'Leave it out.')}")
