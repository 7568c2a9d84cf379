"""A distribution is drawn as a curve in the band of its intervals, at the places that its table has."""

import re
from uuid import uuid4

import pytest
from django.urls import reverse

from privacy.engine.language.expressions import Column
from privacy.engine.language.query import Distribution, Query
from privacy.presentation.svg_charts import Share, curve
from privacy.services import questions

WIDE = 760


def paths(svg: str) -> dict[str, list[tuple[float, float]]]:
    found = re.findall(r'<path class="([^"]+)" d="M([^"]+?)Z?"/>', svg)
    return {
        name: [(float(x), float(y)) for x, y in (point.split() for point in path.split("L"))]
        for name, path in found
    }


def test_a_curve_rises_from_the_lower_bound_and_its_band_goes_there_and_back():
    drawn = curve(
        [Share(10, 0.25, 0.2, 0.3), Share(20, 0.5, 0.4, 0.6), Share(30, 1.0, 1.0, 1.0)], 0, WIDE, "Shares"
    )
    line, band = paths(drawn)["chart-line"], paths(drawn)["chart-area"]
    assert [x for x, _ in line] == pytest.approx([44, 278, 512, 746])
    heights = [y for _, y in line]
    assert heights == sorted(heights, reverse=True)
    assert heights[0] - heights[1] == pytest.approx((heights[0] - heights[-1]) / 4, abs=0.1)
    assert [x for x, _ in band] == pytest.approx([44, 278, 512, 746, 746, 512, 278])
    assert [text for text in re.findall(r">([^<]+)</text>", drawn) if "%" not in text] == [
        *("0", "5", "10", "15", "20", "25", "30"),
    ]


def test_noise_beyond_nothing_and_all_stays_in_the_picture():
    drawn = curve([Share(1, -0.2, -0.4, 0.0), Share(2, 1.3, 1.1, 1.5)], 0, WIDE, "Shares")
    assert {y for _, y in paths(drawn)["chart-line"]} == {8.0, 214.0}


@pytest.mark.django_db
@pytest.mark.parametrize("bins", [2, 64])
def test_the_page_of_a_distribution_has_the_curve(as_, budget, compute, bins):
    query, by = Query(table="wages", measure=Distribution(Column("wage"), bins)), budget.scientist
    answer = compute(
        questions.ask(budget, questions.quote(budget, query, by=by, epsilon=10), key=uuid4(), by=by)
    )
    page = as_(budget.scientist).get(reverse("privacy:answer", args=[answer.pk])).content.decode()
    assert len(paths(page)["chart-line"]) == bins + 1
    assert "the band spans 95 % intervals" in page
