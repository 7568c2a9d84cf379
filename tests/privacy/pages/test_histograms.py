"""Pages and files of histograms and covariances: from the form to the chart and the CSV."""

import csv
import io
import re
from uuid import uuid4

import numpy as np
import pytest
from django.urls import reverse

from privacy.engine.language.expressions import Binary, Column, Constant
from privacy.engine.language.query import Covariance, Histogram, Query
from privacy.presentation import svg_charts, words
from privacy.services import questions

pytestmark = pytest.mark.django_db

WIDE = 760
EDGES = (0.0, 1000.0, 20_000.0, 50_000.0)


@pytest.fixture
def answered(budget, compute):
    def made(measure, **parts):
        query, by = Query(table="wages", measure=measure, **parts), budget.scientist
        quoted = questions.quote(budget, query, by=by, epsilon=20)
        return compute(questions.ask(budget, quoted, key=uuid4(), by=by))

    return made


def page_of(client, answer, name="answer", *args):
    return client.get(reverse(f"privacy:{name}", args=[answer.pk, *args])).content.decode()


def test_a_histogram_is_asked_in_the_form_and_answered_with_a_chart(as_, budget, compute):
    client = as_(budget.scientist)
    page = reverse("privacy:ask", args=[budget.pk])
    form = {
        "source": "form", "measure": "histogram", "column": "wage", "edges": "0 to 50,000 by 12500",
        "goal": "epsilon", "epsilon": "20", "key": str(uuid4()),
    }  # fmt: skip
    shown = client.post(page, {**form, "then": "price"})
    text = shown.content.decode()
    assert shown.context["priced"]["what"] == "Histogram of wage in 4 bins from 0 to 50,000"
    assert "in each of 4 bins; in all of them together" in text
    assert "HISTOGRAM(wage, 0, 12500, 25000, 37500, 50000)" in text
    asked = client.post(page, {**form, "agreed": shown.context["priced"]["agreed"], "then": "ask"})
    (answer,) = budget.answers.all()
    assert asked.url == reverse("privacy:answer", args=[answer.pk])
    assert 'class="chart-bar"' in page_of(client, compute(answer))


def test_the_answer_has_the_ends_of_its_bins_with_their_unit(as_, budget, answered):
    answer, client = answered(Histogram(Column("wage"), EDGES)), as_(budget.scientist)
    text = page_of(client, answer)
    assert answer.result["by"] == ["at least", "below"]
    assert [line["key"] for line in answer.result["lines"]] == [
        ["0", "1000"],
        ["1000", "20000"],
        ["20000", "50000"],
    ]
    assert '<th scope="col">from (EUR)</th>' in text
    assert '<th scope="col">to (EUR)</th>' in text
    assert "20,000" in text
    assert text.count('<rect class="chart-bar"') == 2 * 3  # a wide and a narrow chart
    assert "lines span 95 % intervals" in text
    assert "All 3 hold together with 95 % confidence" in text
    rows = list(csv.reader(io.StringIO(page_of(client, answer, "download", "csv"))))
    assert rows[0][:3] == ["wage_at_least", "wage_below", "count"]
    assert [row[:2] for row in rows[1:]] == [["0", "1000"], ["1000", "20000"], ["20000", "50000"]]


def test_a_histogram_by_group_names_group_and_bin(as_, budget, answered):
    answer, client = answered(Histogram(Column("wage"), EDGES), by=("region",)), as_(budget.scientist)
    text = page_of(client, answer)
    assert len(answer.result["lines"]) == 9
    assert "north · 1,000 to 20,000" in text
    assert next(csv.reader(io.StringIO(page_of(client, answer, "download", "csv"))))[:4] == [
        *("region", "wage_at_least", "wage_below", "count"),
    ]


def test_a_histogram_of_an_expression_names_its_columns_without_it(as_, budget, answered):
    answer = answered(Histogram(Binary("*", Column("wage"), Constant(2.0)), (0.0, 9.0)))
    client = as_(budget.scientist)
    head = next(csv.reader(io.StringIO(page_of(client, answer, "download", "csv"))))
    assert head[:3] == ["at_least", "below", "count"]
    assert '<th scope="col">from</th>' in page_of(client, answer)


def test_a_covariance_is_tried_on_the_mock_data_and_answered_in_the_product_of_units(as_, budget, answered):
    client = as_(budget.scientist)
    form = {"source": "sql", "sql": "SELECT COVAR_POP(wage, year) FROM wages", "goal": "epsilon"}
    shown = client.post(
        reverse("privacy:price", args=[budget.pk]), {**form, "epsilon": "20", "key": str(uuid4())}
    )
    assert shown.context["priced"]["what"] == "Covariance of wage and year"
    assert "On the mock data this comes out" in shown.content.decode()
    answer = answered(Covariance(Column("wage"), Column("year")))
    assert [figure["name"] for figure in answer.result["lines"][0]["figures"]] == ["covariance", "n"]
    assert "Covariance" in page_of(client, answer)


def test_a_column_may_be_called_like_an_end_of_a_bin():
    table = type("Table", (), {"columns": {"below": type("Spec", (), {"kind": "category"})()}})()
    assert words.label("below", "north", table) == "north"
    assert words.label("below", "1000", None) == "1,000"


def bars(svg):
    found = re.findall(
        r'<rect class="chart-bar" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', svg
    )
    return [tuple(map(float, each)) for each in found]


def test_bars_are_as_wide_as_their_bins_and_as_high_as_their_counts():
    items = [
        svg_charts.Column(0, 10, 100, 90, 110),
        svg_charts.Column(10, 40, 50, 40, 60),
        svg_charts.Column(40, 50, -25, -35, -15),
    ]
    drawn = svg_charts.histogram(items, WIDE, "Wages")
    (x1, y1, wide1, high1), (x2, _, wide2, high2), (_, y3, _, high3) = bars(drawn)
    assert (wide2 + 1) == pytest.approx(3 * (wide1 + 1), abs=0.2)
    assert x2 - x1 == pytest.approx(wide1 + 1, abs=0.2)
    assert high1 == pytest.approx(2 * high2, abs=0.2) == pytest.approx(4 * high3, abs=0.3)
    assert y3 == pytest.approx(y1 + high1, abs=0.2)  # below zero, where the others stand
    assert drawn.count('class="chart-error"') == 3


@pytest.mark.parametrize(
    ("begin", "end", "value"),
    [(0, 1, 0), (-1e30, 1e30, 1e9), (0, 1e-30, -0.5), (float(np.nextafter(1e30, 0)), 1e30, 7.0)],
)
def test_the_widest_and_the_narrowest_bins_are_drawn(begin, end, value):
    drawn = svg_charts.histogram([svg_charts.Column(begin, end, value, value - 1, value + 1)], WIDE, "Bin")
    ((x, _, wide, high),) = bars(drawn)
    assert 0 < x < x + wide < WIDE
    assert 1 <= high < 240
