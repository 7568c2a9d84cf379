"""Models trained on mock rows: the gradient descent of the portal, in plain NumPy and without noise.

A row's vector is z = (1, feature by feature) / sqrt(features + 1): a feature has a place for each of its values and
one for a missing value, and a row has a 1 in one of them, or for a slope the number scaled to [-1, 1]. A person
counts once, with the mean of their rows' gradients; a row's gradient is cut to the family's clip.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from weir import learning as le
from weir.bounds import bounds
from weir.declarations import TableSpec
from weir.evaluation import Rows, evaluate
from weir.mock.figures import number
from weir.mock.rows import Integers

Floats = npt.NDArray[np.float64]
STEPS, BINS = 60, 16
"""What is taken for what the question leaves open, which the portal chooses by the number of people."""
MOMENTUM, LONGEST, STEEP, LEAST_MEAN, SPREADS = 0.9, 50.0, 30.0, 1e-3, 2.0
RULES = {
    "logistic": (1.0, 12.0, 6.0),
    "linear": (1.0, 3.0, 6.0),
    "poisson": (4.0, 1.5, 1.5),
    "multinomial": (1.0, 6.0, 6.0),
}
"""The clip of each family, and its step size without and with hidden layers."""


@dataclass(frozen=True)
class Places:
    """The places of a feature in z, from `first` on. The last one stands for a missing value."""

    name: str
    first: int
    edges: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    middle: float = 0.0
    half: float = 1.0
    can_be_missing: bool = True

    @property
    def values(self) -> int:
        return len(self.labels) or max(1, len(self.edges) - 1)

    @property
    def missing(self) -> int:
        return self.first + self.values

    @property
    def words(self) -> list[str]:
        """What each place stands for."""
        ends = [f"{edge:.6g}" for edge in self.edges]
        if len(set(ends)) < len(ends):
            ends = [number(edge) for edge in self.edges]
        parts = [f"{low} to {high}" for low, high in pairwise(ends)]
        return [*(self.labels or parts or ("slope",)), *(["missing"] if self.can_be_missing else [])]


@dataclass(frozen=True)
class Sparse:
    """Rows of z: what is not 0, and where. Shapes (rows, features + 1)."""

    places: Integers
    values: Floats
    width: int

    def times(self, weights: Floats) -> Floats:
        """Return z @ weights. Shape (rows, outputs)."""
        found: Floats = np.zeros((len(self.places), weights.shape[1]))
        for place, value in zip(self.places.T, self.values.T, strict=True):
            found += value[:, None] * weights[place]
        return found

    def turned_times(self, pulls: Floats) -> Floats:
        """Return z.T @ pulls. Shape (width, outputs)."""
        flat = self.places.ravel()
        return np.column_stack(
            [
                np.bincount(flat, weights=(self.values * pull[:, None]).ravel(), minlength=self.width)
                for pull in pulls.T
            ]
        )

    def of(self, rows: Integers) -> Sparse:
        return Sparse(self.places[rows], self.values[rows], self.width)

    @property
    def squares(self) -> Floats:
        """The squared length of each row."""
        return np.asarray((self.values**2).sum(axis=1), dtype=np.float64)


def places_of(measure: le.Fit, table: TableSpec) -> tuple[Places, ...]:
    """Return the places of each feature."""
    found: list[Places] = []
    for feature in measure.features:
        found.append(_places(feature, table, found[-1].missing + 1 if found else 1))
    return tuple(found)


def _places(feature: le.Feature, table: TableSpec, first: int) -> Places:
    name = feature.column if isinstance(feature, le.CategoryFeature) else getattr(feature.of, "name", "")
    nullable = name not in table.columns or table.columns[name].nullable
    return replace(_places_of(feature, table, first), can_be_missing=nullable)


def _places_of(feature: le.Feature, table: TableSpec, first: int) -> Places:
    if isinstance(feature, le.CategoryFeature):
        return Places(feature.column, first, labels=table.columns[feature.column].labels)
    interval = bounds(feature.of, table)
    if feature.edges:
        return Places(feature.name, first, edges=feature.edges)
    bins = _default_bins(feature, table) if feature.bins is None else feature.bins
    if bins:
        return Places(
            feature.name, first, edges=tuple(np.linspace(interval.lower, interval.upper, bins + 1).tolist())
        )
    middle = interval.lower / 2 + interval.upper / 2
    return Places(feature.name, first, middle=middle, half=(interval.upper / 2 - interval.lower / 2) or 1.0)


def _default_bins(feature: le.NumberFeature, table: TableSpec) -> int:
    """Return the number of parts of a number: no more than it has whole values."""
    spec = table.columns.get(getattr(feature.of, "name", ""))
    if spec is None or spec.lattice != 0:
        return BINS
    return min(BINS, max(2, int(spec.upper - spec.lower) + 1))


def placed(measure: le.Fit, features: Sequence[Places], rows: Rows) -> Sparse:
    """Return z of each row."""
    root = 1 / math.sqrt(len(features) + 1)
    places = np.zeros((rows.length, len(features) + 1), dtype=np.int64)
    values = np.full((rows.length, len(features) + 1), root)
    for k, (feature, at) in enumerate(zip(measure.features, features, strict=True), start=1):
        if isinstance(feature, le.CategoryFeature):
            found = rows.columns[feature.column]
            part = np.asarray(found.numbers, dtype=np.int64)
        else:
            found = evaluate(feature.of, rows)
            part = (
                np.searchsorted(np.asarray(at.edges[1:-1]), found.numbers, side="right")
                if at.edges
                else 0 * found.valid
            )
            if not at.edges:
                scaled = np.clip((found.numbers - at.middle) / at.half, -1.0, 1.0)
                values[:, k] = root * np.where(found.valid, scaled, 1.0)
        places[:, k] = np.where(found.valid, at.first + part, at.missing)
    return Sparse(places, values, features[-1].missing + 1)


@dataclass(frozen=True)
class Net:
    """A model while it is trained. `sizes`: units of the hidden layers, and the outputs. `start`: added to the output.

    `most`: of the number of events, in units of their mean. `spread`: the standard deviation of a scaled amount.
    """

    family: str
    width: int
    sizes: tuple[int, ...]
    start: float = 0.0
    most: float = 1.0
    spread: float = 1.0

    @property
    def is_deep(self) -> bool:
        return len(self.sizes) > 1

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """The first layer is (width, units), each other one (to, from + 1) with the bias last."""
        return [
            (self.width, self.sizes[0]),
            *((to, of + 1) for of, to in zip(self.sizes[:-1], self.sizes[1:], strict=True)),
        ]

    @property
    def many(self) -> int:
        """The number of weights."""
        return sum(a * b for a, b in self.shapes)

    def layers(self, weights: Floats) -> list[Floats]:
        cuts = np.cumsum([a * b for a, b in self.shapes])[:-1]
        return [part.reshape(shape) for part, shape in zip(np.split(weights, cuts), self.shapes, strict=True)]

    def initial(self) -> Floats:
        """Return 0, but for hidden layers fixed numbers from -1 to 1, so that their units differ."""
        weights = np.zeros(self.many)
        inner = len(weights) - math.prod(self.shapes[-1]) if self.is_deep else 0
        weights[:inner] = 2 * np.modf(np.arange(1, inner + 1) * ((math.sqrt(5) - 1) / 2))[0] - 1
        return weights

    def forward(self, weights: Floats, z: Sparse) -> list[Floats]:
        """Return the values of each layer: tanh of hidden ones, the last one before its link."""
        first, *rest = self.layers(weights)
        values = [z.times(first)]
        for layer in rest:
            values[-1] = np.tanh(values[-1])
            root = 1 / math.sqrt(layer.shape[1])
            values.append((values[-1] @ layer[:, :-1].T + layer[:, -1]) * root)
        values[-1] = values[-1] + self.start
        return values

    def means(self, weights: Floats, z: Sparse) -> Floats:
        """Return what is predicted, in scaled units. Shape (rows, outputs)."""
        return self.linked(self.forward(weights, z)[-1])

    def linked(self, x: Floats) -> Floats:
        if self.family == "multinomial":
            raised = np.exp(x - x.max(axis=1, keepdims=True))
            return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float64)
        if self.family == "logistic":
            return np.asarray(1 / (1 + np.exp(-np.clip(x, -STEEP, STEEP))), dtype=np.float64)
        return np.minimum(np.exp(np.clip(x, -STEEP, STEEP)), self.most) if self.family == "poisson" else x

    def gradient(self, weights: Floats, z: Sparse, y: Floats, shares: Floats) -> Floats:
        """Return the sum of the rows' gradients, each cut to the clip and times its share. Shape (weights,)."""
        values = self.forward(weights, z)
        pulls = [self.linked(values[-1]) - y]
        layers = self.layers(weights)[1:]
        for layer, below in zip(reversed(layers), reversed(values[:-1]), strict=True):
            root = 1 / math.sqrt(layer.shape[1])
            pulls.insert(0, pulls[0] @ layer[:, :-1] * root * (1 - below**2))
        squares = z.squares * (pulls[0] ** 2).sum(axis=1)
        for pull, below in zip(pulls[1:], values[:-1], strict=True):
            squares += (pull**2).sum(axis=1) * ((below**2).sum(axis=1) + 1) / (below.shape[1] + 1)
        factors = shares * np.minimum(1.0, self.clip / np.sqrt(np.maximum(squares, 1e-300)))
        found = [z.turned_times(pulls[0] * factors[:, None]).ravel()]
        for pull, below in zip(pulls[1:], values[:-1], strict=True):
            beside = np.column_stack([below, np.ones(len(below))]) / math.sqrt(below.shape[1] + 1)
            found.append(((pull * factors[:, None]).T @ beside).ravel())
        return np.concatenate(found)

    @property
    def clip(self) -> float:
        """The most norm of a gradient: no more than the most of events, or SPREADS standard deviations of an amount."""
        limits = {"poisson": self.most, "linear": SPREADS * self.spread}
        return min(RULES[self.family][0], limits.get(self.family, math.inf))

    @property
    def rate(self) -> float:
        """The step size."""
        return RULES[self.family][2 if self.is_deep else 1]


def trained(net: Net, z: Sparse, y: Floats, shares: Floats, steps: int) -> Floats:
    """Return the mean of the last half of the weights of gradient descent. `shares`: of the rows, together 1."""
    return descend(lambda weights: net.gradient(weights, z, y, shares), net.initial(), steps, net.rate)


def descend(gradient: Callable[[Floats], Floats], start: Floats, steps: int, rate: float) -> Floats:
    weights, speed, kept = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for step in range(steps):
        speed = MOMENTUM * speed + gradient(weights)
        weights = weights - rate * speed
        length = float(np.linalg.norm(weights))
        if length > LONGEST:
            weights = weights * (LONGEST / length)
        if step >= steps // 2:
            kept = kept + weights
    return kept / (steps - steps // 2)
