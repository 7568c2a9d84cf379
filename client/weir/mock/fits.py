"""From models trained on mock rows to the portal's JSON: weights in natural units, and how well they predict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from weir import grammar as g
from weir import learning as le
from weir import words
from weir.bounds import bounds
from weir.errors import NotOffered
from weir.evaluation import evaluate, holds
from weir.mock import figures
from weir.mock.models import (
    LEAST_MEAN,
    STEPS,
    Floats,
    Net,
    Places,
    placed,
    places_of,
    trained,
)
from weir.mock.rows import Integers, MockRows
from weir.mock.sums import counted_rows, people_of

Json = dict[str, Any]
MOST_ROWS = 50_000
"""The most mock rows that a model is trained on here."""
LEVELS = 10
"""Parts of the predictions of a number; of a probability, twice as many."""


@dataclass(frozen=True)
class Outcome:
    """The scaled outcome of each row, and whether it has one. (y - middle) / half is from -1 or 0 to 1."""

    family: str
    y: Floats
    valid: npt.NDArray[np.bool_]
    middle: float = 0.0
    half: float = 1.0
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class People:
    """Rows of people: `rows` are their places, `shares` (rows,) make each person count once and add up to 1."""

    rows: Integers
    shares: Floats
    many: int


def fitted(query: g.Query, data: MockRows) -> tuple[Json, list[str]]:
    """Return the model that mock rows make, as JSON. Raises NotOffered if hardly any person is left."""
    measure = query.measure
    if not isinstance(measure, le.Fit):
        raise TypeError(type(measure).__name__)
    outcome = _outcome(measure.outcome, data)
    kept = np.flatnonzero(counted_rows(data, holds(query.where, data.rows) & outcome.valid))
    training, testing = _split(people_of(data)[kept[:MOST_ROWS]], kept[:MOST_ROWS], measure.test_share)
    if not training.many:
        raise NotOffered(
            "Hardly any mock row has the outcome and passes the condition: there is nothing to learn from."
        )
    features = places_of(measure, data.rows.table)
    z = placed(measure, features, data.rows)
    y = outcome.y if outcome.y.ndim == 2 else outcome.y[:, None]
    net = _net(measure, outcome, features, training)
    if net.many > le.MAX_MODEL_WEIGHTS:
        raise NotOffered(
            f"This model has {net.many:,} weights, but at most {le.MAX_MODEL_WEIGHTS:,} are possible. Use fewer "
            "columns, parts or units, or columns with fewer declared values."
        )
    unit = 1.0
    if outcome.family == "poisson":  # relative to the mean, as the portal trains
        unit = 1 / net.most
    weights = trained(
        net, z.of(training.rows), y[training.rows] / unit, training.shares, measure.steps or STEPS
    )
    held_out = None
    if testing.many:
        means = net.means(weights, z.of(testing.rows)) * unit
        held_out = _held_out(outcome, means, y[testing.rows], testing)
    model, keys, lines = _described(measure, outcome, features, net, weights)
    model["training"] = {
        "people": float(training.many),
        "steps": measure.steps or STEPS,
        "noise_to_signal": 0.0,
    }
    model["held_out"] = held_out
    by = ["outcome", "feature", "value"] if outcome.classes else ["feature", "value"]
    notes = (
        [f"Trained on the first {MOST_ROWS:,} of {len(kept):,} mock rows."] if len(kept) > MOST_ROWS else []
    )
    return {**figures.result(by, keys, lines), "model": model}, notes


def _outcome(outcome: le.Outcome, data: MockRows) -> Outcome:
    family, rows = words.FAMILIES[type(outcome)].lower(), data.rows
    if isinstance(outcome, le.YesNo):
        yes = holds(outcome.condition, rows)
        return Outcome(family, yes.astype(np.float64), yes | holds(g.Not(outcome.condition), rows))
    if isinstance(outcome, le.Choice):
        classes, found = rows.table.columns[outcome.column].labels, rows.columns[outcome.column]
        codes = np.asarray(found.numbers, dtype=np.int64)
        return Outcome(family, np.eye(len(classes))[codes], found.valid, classes=classes)
    interval, values = bounds(outcome.of, rows.table), evaluate(outcome.of, rows)
    if isinstance(outcome, le.Events):
        half = interval.upper or 1.0
        return Outcome(family, np.clip(values.numbers / half, 0.0, 1.0), values.valid, half=half)
    middle, half = interval.lower / 2 + interval.upper / 2, (interval.upper / 2 - interval.lower / 2) or 1.0
    return Outcome(family, np.clip((values.numbers - middle) / half, -1.0, 1.0), values.valid, middle, half)


def _split(people: Integers, rows: Integers, share: float) -> tuple[People, People]:
    """Return who trains and who tests: of every ten people in their order, so many."""
    _, first, place = np.unique(people, return_index=True, return_inverse=True)
    number = np.argsort(np.argsort(first))[place.reshape(-1)]
    tests = np.floor((number + 1) * share) > np.floor(number * share)
    return _people(number[~tests], rows[~tests]), _people(number[tests], rows[tests])


def _people(people: Integers, rows: Integers) -> People:
    many = len(np.unique(people))
    each = np.bincount(people)[people] if len(people) else np.ones(0)
    return People(rows, 1 / (each * max(many, 1)), many)


def _net(measure: le.Fit, outcome: Outcome, features: Sequence[Places], training: People) -> Net:
    """Return the model before its training: it starts with the mean of the outcome for everybody."""
    family, width = outcome.family, features[-1].missing + 1
    sizes = (*measure.hidden, len(outcome.classes) or 1)
    if family == "multinomial":
        return Net(family, width, sizes)
    mean = float(outcome.y[training.rows] @ training.shares)
    if family == "logistic":
        mean = min(max(mean, LEAST_MEAN), 1 - LEAST_MEAN)
        return Net(family, width, sizes, start=math.log(mean / (1 - mean)))
    if family == "poisson":
        return Net(family, width, sizes, most=1 / max(mean, LEAST_MEAN))
    variance = float(outcome.y[training.rows] ** 2 @ training.shares) - mean**2
    return Net(family, width, sizes, start=mean, spread=math.sqrt(max(variance, LEAST_MEAN**2)))


def _described(
    measure: le.Fit, outcome: Outcome, features: Sequence[Places], net: Net, weights: Floats
) -> tuple[Json, list[tuple[str, ...]], list[figures.Pairs]]:
    """Return the model as JSON, and its lines: (model, keys, figures)."""
    root = 1 / math.sqrt(len(features) + 1)
    first, *rest = net.layers(weights)
    events = math.log(outcome.half / net.most) if outcome.family == "poisson" else 0.0
    model: Json = {
        "family": outcome.family,
        "outcome": words.outcome(measure.outcome),
        "classes": list(outcome.classes),
        "features": [_feature(feature) for feature in features],
        "scale": _scale(outcome),
    }
    unit, middle = (outcome.half, outcome.middle) if outcome.family == "linear" else (1.0, events)
    if net.is_deep:
        layers = _layers(first * root, rest)
        last = layers[-1]
        last["weights"] = [[unit * each for each in line] for line in last["weights"]]
        last["bias"] = [unit * (each + net.start) + middle for each in last["bias"]]
        return {**model, "layers": layers}, [], []
    effects = first * (root * unit)
    effects[0] += unit * net.start + middle
    model["intercept"] = _plain(effects[0], outcome)
    for told, feature in zip(model["features"], features, strict=True):
        here = effects[feature.first : feature.missing]
        if told["kind"] == "slope":
            told["effect"] = _plain(here[0] / feature.half, outcome)
        else:
            told["effects"] = [_plain(each, outcome) for each in here]
        told["missing"] = _plain(effects[feature.missing], outcome) if feature.can_be_missing else None
    keys, lines = [], []
    for place, name in enumerate(outcome.classes or ("",)):
        for key, value in _lines(features, effects[:, place]):
            keys.append((name, *key) if outcome.classes else key)
            lines.append([("weight", float(value))])
    return model, keys, lines


def _plain(effect: Floats, outcome: Outcome) -> Any:
    """Return a number, or a list with one for each class."""
    return effect.tolist() if outcome.classes else float(effect[0])


def _feature(feature: Places) -> Json:
    if feature.labels:
        return {"name": feature.name, "kind": "category", "labels": list(feature.labels)}
    if feature.edges:
        return {"name": feature.name, "kind": "parts", "edges": list(feature.edges)}
    return {"name": feature.name, "kind": "slope", "middle": feature.middle, "half": feature.half}


def _scale(outcome: Outcome) -> Json | None:
    if outcome.family == "linear":
        return {"middle": outcome.middle, "half": outcome.half}
    return {"most": outcome.half} if outcome.family == "poisson" else None


def _layers(first: Floats, rest: Sequence[Floats]) -> list[Json]:
    found = [{"weights": first[1:].T.tolist(), "bias": first[0].tolist()}]
    for layer in rest:
        scaled = layer / math.sqrt(layer.shape[1])
        found.append({"weights": scaled[:, :-1].tolist(), "bias": scaled[:, -1].tolist()})
    return found


def _lines(features: Sequence[Places], effects: Floats) -> Iterator[tuple[tuple[str, ...], float]]:
    yield ("intercept", ""), float(effects[0])
    for feature in features:
        for place, name in enumerate(feature.words):
            yield (
                (feature.name, name),
                float(effects[feature.first + place] / (feature.half if name == "slope" else 1)),
            )


def _held_out(outcome: Outcome, means: Floats, y: Floats, testing: People) -> Json:
    """Return how well the people kept for the test are predicted, without intervals."""
    weights, more = testing.shares, {}
    if outcome.classes:
        table = y.T @ (weights[:, None] * np.eye(len(outcome.classes))[means.argmax(axis=1)])
        found = [("accuracy", float(np.trace(table))), ("base_rate", float(table.sum(axis=1).max()))]
        more = {"confusion": (table * testing.many).tolist()}
    elif outcome.family == "logistic":
        p, yes = means[:, 0], y[:, 0] > 0.5
        found = [
            ("accuracy", float(weights @ ((p >= 0.5) == yes))),
            ("auc", _auc(p, yes, weights)),
            ("base_rate", float(weights @ yes)),
        ]
    else:
        errors = float(weights @ (means[:, 0] - y[:, 0]) ** 2)
        spread = float(weights @ (y[:, 0] - weights @ y[:, 0]) ** 2)
        found = [
            ("r_squared", 1 - errors / spread if spread > 0 else math.nan),
            ("rmse", math.sqrt(errors) * outcome.half),
        ]
    return {
        "people": _figure("people", float(testing.many)),
        "measures": [_figure(name, value) for name, value in found],
        "calibration": [] if outcome.classes else _calibration(outcome, means[:, 0], y[:, 0], testing),
        **more,
    }


def _figure(name: str, value: float) -> Json:
    return {
        "name": name,
        "value": value if math.isfinite(value) else None,
        "half_width": None,
        "low": None,
        "high": None,
    }


def _auc(p: Floats, yes: npt.NDArray[np.bool_], weights: Floats) -> float:
    """Return the probability that somebody with the outcome has a higher prediction than somebody without."""
    values, place = np.unique(p, return_inverse=True)
    with_it = np.bincount(place, weights=weights * yes, minlength=len(values))
    without = np.bincount(place, weights=weights * ~yes, minlength=len(values))
    total = float(with_it.sum() * without.sum())
    below = np.cumsum(without) - without
    return float(with_it @ (below + without / 2)) / total if total > 0 else math.nan


def _calibration(outcome: Outcome, predicted: Floats, y: Floats, testing: People) -> list[Json]:
    """Return what happened to those whose prediction lies in each of some equal parts."""
    parts = 2 * LEVELS if outcome.family == "logistic" else LEVELS
    ends = np.linspace(-1.0 if outcome.family == "linear" else 0.0, 1.0, parts + 1)
    place = np.searchsorted(ends[1:-1], predicted, side="right")
    people = np.bincount(place, weights=testing.shares, minlength=parts)
    totals = np.bincount(place, weights=testing.shares * y, minlength=parts)
    units = outcome.middle + outcome.half * ends
    return [
        {
            "from": float(units[k]),
            "to": float(units[k + 1]),
            "people": float(people[k] * testing.many),
            "predicted": float(units[k] + units[k + 1]) / 2,
            "observed": outcome.middle + outcome.half * float(totals[k] / people[k])
            if people[k] > 0
            else None,
            "half_width": None,
        }
        for k in range(parts)
    ]
