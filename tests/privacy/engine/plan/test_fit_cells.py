"""Cells: each combination of values stands for the places of exactly these values."""

from dataclasses import replace

import numpy as np

from privacy.engine.language.expressions import Column
from privacy.engine.language.learning import Amount, CategoryFeature, Fit, NumberFeature
from privacy.engine.plan.fit_cells import MAX_CELLS, cells_of
from privacy.engine.plan.fits import plan_fit
from tests.privacy.make_table import SPEC


def planned(spec=SPEC, bins=40):
    hours = (NumberFeature(f"hours {k}", Column("hours"), bins=bins) for k in range(3))
    features = (*hours, NumberFeature("slope", Column("hours"), bins=0), CategoryFeature("region"))
    return plan_fit(Fit(Amount(Column("wage")), features), spec)


def test_each_cell_stands_for_one_value_of_each_of_its_features():
    plan = planned()
    found = cells_of(plan)
    sizes = np.diff(found.begins)
    assert sizes.sum() == len(found.decode)
    # Two features of 41 values do not fit one group, but the slope and the region beside one do.
    assert len(sizes) == 3
    assert sizes.max() <= MAX_CELLS
    slope = plan.features[3]
    assert found.slope_places.tolist() == [slope.first]
    for begin, group in zip(found.begins, found.groups, strict=False):
        values = {0: 0}
        for member in group:
            values = {
                cell + value * member.stride: total + place
                for cell, total in values.items()
                for value, place in enumerate(
                    [0, slope.missing]
                    if member.feature is slope
                    else range(member.feature.first, member.feature.missing + 1)
                )
            }
        told = found.decode[begin : begin + len(values)]
        assert {cell: int(places[places >= 0].sum()) for cell, places in enumerate(told)} == values
    assert {member.feature.name for group in found.groups for member in group} == {
        feature.name for feature in plan.features
    }


def test_a_slope_that_cannot_be_missing_needs_no_cell():
    spec = replace(SPEC, columns={name: replace(each, nullable=False) for name, each in SPEC.columns.items()})
    names = {member.feature.name for group in cells_of(planned(spec)).groups for member in group}
    assert names == {"hours 0", "hours 1", "hours 2", "region"}
