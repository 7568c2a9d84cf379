"""Predictions of a released model, from its JSON alone. The portal computes the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from weir import labels, operands
from weir.declarations import listed, nearest
from weir.errors import NotOffered

Floats = npt.NDArray[np.float64]
Json = Mapping[str, Any]
STEEP = 30.0
"""Arguments of exp are limited to this: beyond, a probability is 0 or 1 to twelve digits."""
LARGEST_EXPONENT = 700.0


def predict(model: Json, frame: Any) -> Floats:
    """Return the prediction for each row of a frame. Shape (rows,), or (rows, classes).

    `frame`: a DataFrame, an Arrow table, or a mapping of arrays of equal length. Raises NotOffered for a column that is
    missing or has no numbers, and for columns of different lengths.
    """
    columns = [_column(frame, feature) for feature in model["features"]]
    if len({len(column) for column in columns}) > 1:
        raise NotOffered("The columns have different numbers of rows.")
    return _linked(model, _layered(model, columns) if "layers" in model else _additive(model, columns))


def _additive(model: Json, columns: Sequence[Any]) -> Floats:
    """Return the intercept and what each feature adds to it. Shape (rows, outputs)."""
    found: Floats = np.zeros((len(columns[0]), 1)) + np.atleast_1d(
        np.array(model["intercept"], dtype=np.float64)
    )
    for feature, column in zip(model["features"], columns, strict=True):
        place, x = _placed(feature, column)
        effects = _effects(feature)
        found += effects.reshape(len(effects), -1)[place] * x[:, None]
    return found


def _effects(feature: Json) -> Floats:
    """Return the effect at each place of a feature: a slope's for half of its range, that of a missing value last."""
    if feature["kind"] == "slope":
        values = np.array([feature["effect"]], dtype=np.float64) * feature["half"]
    else:
        values = np.array(feature["effects"], dtype=np.float64)
    missing = np.zeros_like(values[:1])  # of a feature that cannot be missing
    if feature["missing"] is not None:
        missing[0] = feature["missing"]
    return np.concatenate([values, missing])


def _layered(model: Json, columns: Sequence[Any]) -> Floats:
    """Return what the layers make of the rows. Shape (rows, outputs).

    The first reads the places of all features in order. A feature has a place for each of its values (a slope one) and
    one for a missing value, and all but one of them are 0.
    """
    first, *others = model["layers"]
    weights = np.array(first["weights"], dtype=np.float64).T
    found: Floats = np.zeros((len(columns[0]), 1)) + np.array(first["bias"], dtype=np.float64)
    begin = 0
    for feature, column in zip(model["features"], columns, strict=True):
        place, x = _placed(feature, column)
        found += weights[begin + place] * x[:, None]
        begin += _values(feature) + 1
    for layer in others:
        found = np.tanh(found) @ np.array(layer["weights"]).T + np.array(layer["bias"])
    return found


def _placed(feature: Json, column: Any) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return the place of each row's value among those of a feature, and what stands there. Shapes (rows,).

    `column`: numbers with NaN, or the places of labels, that after the last for a missing one.
    """
    ones = np.ones(len(column))
    if feature["kind"] == "category":
        return np.asarray(column, dtype=np.int64), ones
    missing = np.isnan(column)
    if feature["kind"] == "slope":
        scaled = np.clip((column - feature["middle"]) / feature["half"], -1.0, 1.0)
        return missing.astype(np.int64), np.where(missing, 1.0, scaled)
    parts = np.searchsorted(np.asarray(feature["edges"][1:-1], dtype=np.float64), column, side="right")
    return np.where(missing, _values(feature), parts), ones


def _values(feature: Json) -> int:
    """Return the number of places of a feature without that for a missing value."""
    if feature["kind"] == "category":
        return len(feature["labels"])
    return len(feature["edges"]) - 1 if feature["kind"] == "parts" else 1


def _linked(model: Json, last: Floats) -> Floats:
    """Return probabilities, amounts within their bounds, or numbers of events. `last`: shape (rows, outputs)."""
    family, scale = model["family"], model["scale"]
    if family == "multinomial":
        raised = np.exp(np.maximum(last - last.max(axis=1, keepdims=True), -2 * STEEP))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float64)
    one = last[:, 0]
    if family == "logistic":
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(one, -STEEP, STEEP))), dtype=np.float64)
    if family == "poisson":
        return np.asarray(
            np.minimum(np.exp(np.minimum(one, LARGEST_EXPONENT)), scale["most"]), dtype=np.float64
        )
    return np.clip(one, scale["middle"] - scale["half"], scale["middle"] + scale["half"])


# Columns of other libraries


def _column(frame: Any, feature: Json) -> Any:
    """Return a feature's numbers with NaN where one is missing, or the places of its labels."""
    name = feature["name"]
    names = [str(each) for each in _names(frame)]
    if name not in names:
        raise NotOffered(
            f"The rows have no column “{name}”.{nearest(name, names)} They have {listed(names)}."
        )
    values = frame[name]
    if feature["kind"] == "category":
        return _codes(values, feature["labels"])
    return _numbers(values, name)


def _names(frame: Any) -> Any:
    """Return the names of a frame's columns: of Arrow, a mapping, or pandas and others."""
    if hasattr(frame, "column_names"):
        return frame.column_names
    return frame if isinstance(frame, Mapping) else getattr(frame, "columns", ())


def _numbers(values: Any, name: str) -> Floats:
    """Return numbers as floats, with NaN for what is missing or not finite."""
    array = _flat(values)
    try:
        if array.dtype == object:
            array = np.array(
                [np.nan if _is_missing(each) else each for each in array.tolist()], dtype=np.float64
            )
        found = array.astype(np.float64)
    except (TypeError, ValueError) as wrong:
        raise NotOffered(f"“{name}” must hold numbers: {wrong}.") from wrong
    return np.where(np.isfinite(found), found, np.nan)


def _codes(values: Any, known: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the place of each label; that after the last for what is missing or not declared."""
    place = {label: k for k, label in enumerate(known)}
    told: dict[Any, int] = {}
    found = np.empty(len(values), dtype=np.int64)
    for row, value in enumerate(_flat(values).tolist()):
        if value not in told:
            told[value] = len(known) if _is_missing(value) else place.get(_label(value), len(known))
        found[row] = told[value]
    return found


def _label(value: Any) -> str:
    """Return a value as declared values are written."""
    return value if isinstance(value, str) else labels.written(value)


def _is_missing(value: Any) -> bool:
    return operands.is_missing(value)


def _flat(values: Any) -> npt.NDArray[Any]:
    """Return a column of pandas, Arrow or NumPy as an array of one dimension."""
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    array = np.asarray(values)
    if array.ndim != 1:
        raise NotOffered(f"A column has one dimension, not {array.ndim}.")
    return array
