"""What a question for a model leaves open, chosen from public numbers when it is priced."""

import math
from dataclasses import replace

from privacy.engine.language.learning import MAX_STEPS, MIN_STEPS, Feature, Fit, NumberFeature
from privacy.engine.language.query import Query
from privacy.engine.language.schema import TableSpec
from privacy.engine.plan.fits import BINS, noise_to_signal, plan_fit, whole_values

NOISE_OF_PARTS = 1 / 400
"""Numbers are cut into parts if the noise is at most this part of the signal. With fewer people parts cost more than
they give: measured on the CPS sample and on census data (docs/benchmarks.md)."""
STEPS_AT_1 = 4
"""Steps where noise is as large as the signal. They grow with the square root of signal over noise."""


def explicit(query: Query, table: TableSpec, *, public_size: int, mu: float) -> Query:
    """Write out what a question for a model leaves open: people, parts and steps. Any other query stays as it is.

    `public_size`: the announced number of people, `mu`: of the whole answer. Nobody's privacy depends on either: a
    wrong number costs accuracy. Raises QueryRefused.
    """
    if not isinstance(query.measure, Fit):
        return query
    measure = query.measure
    people = measure.people or public_size
    training = people * (1 - measure.test_share)
    plan_fit(measure, table)
    parts = tuple(_cut(feature, table) for feature in measure.features)
    cut = replace(measure, features=parts)
    if noise_to_signal(plan_fit(cut, table).weights, training, mu) > NOISE_OF_PARTS:
        cut = replace(measure, features=tuple(map(_straight, measure.features, parts)))
    noise = noise_to_signal(plan_fit(cut, table).weights, training, mu)
    steps = round(STEPS_AT_1 / math.sqrt(noise))
    steps = measure.steps or min(max(steps, MIN_STEPS), MAX_STEPS)
    return replace(query, measure=replace(cut, steps=steps, people=people))


def _cut(feature: Feature, table: TableSpec) -> Feature:
    if not isinstance(feature, NumberFeature) or feature.bins is not None:
        return feature
    if feature.edges:
        return replace(feature, bins=len(feature.edges) - 1)
    values = whole_values(feature.of, table)
    return replace(feature, bins=BINS if values is None else min(BINS, max(values, 2)))


def _straight(feature: Feature, cut: Feature) -> Feature:
    """Return a number that was left open as a slope; other features as they were cut."""
    if isinstance(feature, NumberFeature) and feature.bins is None and not feature.edges:
        return replace(feature, bins=0)
    return cut
