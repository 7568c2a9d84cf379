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
LARGEST_EXPONENT = 700.0


def predict(model: Json, frame: Any) -> Floats:
    """Return the prediction for each row of a frame. Shape (rows,), or (rows, classes).

    `frame`: a DataFrame, an Arrow table, or a mapping of arrays of equal length. Raises NotOffered for a column that is
    missing or has no numbers, and for columns of different lengths.
    """
    columns = [_column(frame, feature) for feature in model["features"]]
    if len({len(column) for column in columns}) > 1:
        raise NotOffered("The columns have different numbers of rows.")
    added = _layered(model, columns) if model.get("layers") else _additive(model, columns)
    return _in_units(model, added)


def _additive(model: Json, columns: Sequence[Any]) -> Floats:
    """Return the intercept and what each feature adds to it. Shape (rows,), or (rows, classes)."""
    total = np.array(model["intercept"], dtype=np.float64)
    found: Floats = np.zeros((len(columns[0]), *total.shape)) + total
    for feature, column in zip(model["features"], columns, strict=True):
        found += _effect(feature, column)
    return found


def _effect(feature: Json, column: Any) -> Floats:
    """Return what a feature adds in each row."""
    missing = feature["missing"]
    if feature["kind"] == "slope":
        slope = np.array(feature["effect"], dtype=np.float64)
        moved = np.clip(column, *_ends(feature)) - feature["middle"]
        there: Floats = np.multiply.outer(np.nan_to_num(moved), slope)
        gone = np.isnan(column)
        there[gone] = np.zeros_like(slope) if missing is None else np.array(missing, dtype=np.float64)
        return there
    effects = np.array(feature["effects"], dtype=np.float64)
    last = np.zeros_like(effects[:1]) if missing is None else np.array([missing], dtype=np.float64)
    every: Floats = np.concatenate([effects, last])
    return every[_places(feature, column)]


def _places(feature: Json, column: Any) -> npt.NDArray[np.int64]:
    """Return the part of each number, or the place of each label. A missing value comes after the last."""
    if feature["kind"] == "category":
        return np.asarray(column, dtype=np.int64)
    inner = np.asarray(feature["edges"][1:-1], dtype=np.float64)
    parts = np.searchsorted(inner, np.nan_to_num(column), side="right")
    return np.where(np.isnan(column), len(inner) + 1, parts).astype(np.int64)


def _ends(feature: Json) -> tuple[float, float]:
    return feature["middle"] - feature["half"], feature["middle"] + feature["half"]


def _layered(model: Json, columns: Sequence[Any]) -> Floats:
    """Return what the layers make of the inputs. Shape (rows,), or (rows, classes)."""
    raise NotOffered("This model has hidden layers.")


def _in_units(model: Json, added: Floats) -> Floats:
    """Return probabilities, numbers in their units, or numbers of events."""
    family = model["family"]
    if family == "logistic":
        return _logistic(added)
    if family == "multinomial":
        raised = np.exp(added - added.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float64)
    if family == "poisson":
        return np.exp(np.clip(added, -LARGEST_EXPONENT, LARGEST_EXPONENT))
    return added


def _logistic(added: Floats) -> Floats:
    bounded = np.clip(added, -LARGEST_EXPONENT, LARGEST_EXPONENT)
    return np.asarray(1.0 / (1.0 + np.exp(-bounded)), dtype=np.float64)


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
    if array.dtype.kind in "UTSb" or array.dtype.name.startswith("String"):
        array = array.astype(object) if array.dtype.kind != "b" else array
    if array.ndim != 1:
        raise NotOffered(f"A column has one dimension, not {array.ndim}.")
    return array
