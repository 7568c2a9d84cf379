"""What a released model predicts, by plain NumPy: the reference that other evaluators must agree with.

A model with layers reads the places of z in order, feature by feature and value by value with a missing value last
(`plan.fits`), without the constant: 1 at the place of the value, for a slope (value - middle) / half. Numbers beyond
the declared bounds count as the bounds, labels that are not declared as missing.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from privacy.engine.measure.evaluate import Floats

STEEP = 30.0


def predict(model: Mapping[str, Any], columns: Mapping[str, npt.ArrayLike]) -> Floats:
    """Return what a model (`ModelFigures.model`) predicts for rows.

    `columns`: for each feature its numbers, NaN for a missing one, or its labels, anything else for a missing one;
    each of shape (rows,). Returns probabilities of yes (logistic), amounts within their bounds (linear) or rates
    (poisson) of shape (rows,); for a choice the probability of each class, (rows, classes). Raises KeyError if a
    feature is not among the columns.
    """
    if "layers" in model:
        last = _through_layers(model, columns)
    else:
        last = np.atleast_2d(np.asarray(model["intercept"], dtype=np.float64))
        for feature in model["features"]:
            last = last + _effect(feature, columns[feature["name"]])
    return _linked(model, last)


def _linked(model: Mapping[str, Any], last: Floats) -> Floats:
    """Return the means for the numbers of the last layer. `last`: (rows, outputs)."""
    scale = model["scale"]
    match model["family"]:
        case "multinomial":
            raised = np.exp(np.maximum(last - last.max(axis=1, keepdims=True), -2 * STEEP))
            shares: Floats = raised / raised.sum(axis=1, keepdims=True)
            return shares
        case "logistic":
            chance: Floats = 1 / (1 + np.exp(-np.clip(last[:, 0], -STEEP, STEEP)))
            return chance
        case "poisson":
            rate: Floats = np.minimum(np.exp(np.minimum(last[:, 0], 700.0)), scale["most"])
            return rate
        case _:
            low, high = scale["middle"] - scale["half"], scale["middle"] + scale["half"]
            amount: Floats = np.clip(last[:, 0], low, high)
            return amount


def places_of(feature: Mapping[str, Any], column: npt.ArrayLike) -> tuple[npt.NDArray[Any], Floats]:
    """Return the place of each row's value among the feature's places, and what stands there. Shapes (rows,)."""
    if feature["kind"] == "category":
        known = {label: place for place, label in enumerate(feature["labels"])}
        found = np.array(
            [known.get(label, len(known)) for label in np.asarray(column).tolist()], dtype=np.int64
        )
        return found, np.ones(len(found))
    numbers = np.asarray(column, dtype=np.float64)
    missing = np.isnan(numbers)
    if feature["kind"] == "slope":
        x = np.clip((numbers - feature["middle"]) / feature["half"], -1.0, 1.0)
        return missing.astype(np.int64), np.where(missing, 1.0, x)
    edges = feature["edges"]
    parts = np.searchsorted(edges[1:-1], numbers, side="right")
    return np.where(missing, len(edges) - 1, parts), np.ones(len(numbers))


def _effect(feature: Mapping[str, Any], column: npt.ArrayLike) -> Floats:
    """Return what a feature adds. Shape (rows, outputs)."""
    place, x = places_of(feature, column)
    if feature["kind"] == "slope":
        each = np.atleast_1d(np.asarray(feature["effect"], dtype=np.float64)) * feature["half"]
        effects = each[None]
    else:
        effects = np.array(feature["effects"], dtype=np.float64)
        effects = effects.reshape(len(effects), -1)
    missing = np.zeros_like(effects[:1])  # of a feature that cannot be missing
    if feature["missing"] is not None:
        missing[0] = feature["missing"]
    effects = np.concatenate([effects, missing])
    added: Floats = effects[place] * x[:, None]
    return added


def _through_layers(model: Mapping[str, Any], columns: Mapping[str, npt.ArrayLike]) -> Floats:
    *hidden, last = model["layers"]
    first = np.array(model["layers"][0]["weights"], dtype=np.float64)
    values: Floats = np.atleast_2d(np.array(model["layers"][0]["bias"], dtype=np.float64))
    begin = 0
    for feature in model["features"]:
        place, x = places_of(feature, columns[feature["name"]])
        values = values + first[:, begin + place].T * x[:, None]
        begin += _many(feature)
    for layer in (*hidden[1:], last):
        values = np.tanh(values) @ np.array(layer["weights"]).T + np.array(layer["bias"])
    return values


def _many(feature: Mapping[str, Any]) -> int:
    """Return the number of a feature's places, with that for a missing value."""
    match feature["kind"]:
        case "category":
            return len(feature["labels"]) + 1
        case "parts":
            return len(feature["edges"])
        case _:
            return 2
