"""Cells of a fitted model: which features' places a row reads together, from public declarations alone.

A step of training reads, for each row, a weight for each feature. Features with few values share a group, and a row's
values in all of them make one number, its cell: so a row reads and adds a few cells instead of many places. Groups may
not follow from the rows: one person more could change them, and with them how everybody's numbers are rounded.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from privacy.engine.measure.contributions import Integers
from privacy.engine.plan.fits import SLOPE, FitPlan, Places

MAX_CELLS = 1024
"""Cells of a group of several features: their weights and sums fit a processor's first cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A feature in a group: its value times `stride` is part of the cell. A slope has a value for missing."""

    feature: Places
    stride: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """`groups`: which features share a cell. `begins` (groups + 1,): the first cell of each. `decode` (cells, most):
    the places of z that a cell stands for, -1 for none. `slopes`, `slope_places` (slopes,): features with a slope, and
    its place."""

    groups: tuple[tuple[Member, ...], ...]
    begins: Integers
    decode: npt.NDArray[np.int32]
    slopes: tuple[Places, ...]
    slope_places: npt.NDArray[np.int32]


def cells_of(plan: FitPlan) -> Cells:
    """Group the features of a model: each, from that with the most values, joins the first group with enough room."""
    found: list[tuple[int, list[Member]]] = []
    for feature in sorted(plan.features, key=_values, reverse=True):
        values = _values(feature)
        if values == 1:
            continue
        for place, (size, members) in enumerate(found):
            if size * values <= MAX_CELLS:
                members.append(Member(feature=feature, stride=size))
                found[place] = size * values, members
                break
        else:
            found.append((values, [Member(feature=feature, stride=1)]))
    slopes = tuple(feature for feature in plan.features if feature.kind == SLOPE)
    most = max((len(members) for _, members in found), default=1)
    decode = [_decoded(size, members, most) for size, members in found]
    return Cells(
        groups=tuple(tuple(members) for _, members in found),
        begins=np.cumsum([0, *(size for size, _ in found)]),
        decode=np.concatenate([np.empty((0, most), dtype=np.int32), *decode]),
        slopes=slopes,
        slope_places=np.array([feature.first for feature in slopes], dtype=np.int32),
    )


def _values(feature: Places) -> int:
    """Return how many values of a feature its cell tells apart."""
    if feature.kind == SLOPE:
        return 2 if feature.can_be_missing else 1
    return feature.values + 1


def _decoded(size: int, members: list[Member], most: int) -> npt.NDArray[np.int32]:
    found = np.full((size, most), -1, dtype=np.int32)
    for k, member in enumerate(members):
        values = np.arange(size) // member.stride % _values(member.feature)
        if member.feature.kind == SLOPE:
            found[values == 1, k] = member.feature.missing
        else:
            found[:, k] = member.feature.first + values
    return found
