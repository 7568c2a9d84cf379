"""Quantiles of prices and of dates, as pages, files and programs show them."""

import csv
import datetime as dt
import io
import json

import pyarrow as pa
import pytest
from django.urls import reverse

from datasets.declarations.schema import parse_bound
from privacy import services
from privacy.engine.language.expressions import Column
from privacy.engine.language.query import Quantiles, Query
from privacy.engine.language.wire import encode
from privacy.ledgers.verification import faults
from privacy.models import Answer
from tests import make
from tests.makers.datasets import PEOPLE, wage_rows

pytestmark = pytest.mark.django_db


def url(answer, name="answer", *more):
    return reverse(f"privacy:{name}", args=[answer.pk, *more])


@pytest.fixture
def budget_on():
    """A budget on wages with one more column, declared like this."""

    def made(name, values, **declared):
        rows = wage_rows().append_column(name, values)
        data, scientist = make.dataset(rows=rows, declared={name: declared}), make.scientist()
        make.grant(data, scientist)
        promise = services.protect(
            data, by=data.owner, epsilon=50, public_size=PEOPLE, constants=[], scientists=1
        )
        return services.give_budget(promise, scientist, by=data.owner, epsilon=40)

    return made


def price_of(row):
    """From 9.00 on in steps of three cents; added up from two halves, with the errors of floats."""
    cents = 900 + 3 * row
    return cents // 2 / 100 + (cents - cents // 2) / 100


@pytest.fixture
def prices(budget_on):
    values = pa.array([price_of(row) for row in range(wage_rows().num_rows)])
    return budget_on("price", values, lower=0, upper=20, decimals=2)


PARTS = ("value", "low", "high")


def test_a_median_of_prices_is_told_to_the_cent(as_, prices, ask, compute):
    """With both decimals, also where they are noughts."""
    answer, client = (
        compute(ask(prices, "SELECT MEDIAN(price) FROM wages", epsilon=39)),
        as_(prices.scientist),
    )
    (figure,) = answer.result["lines"][0]["figures"]
    assert figure["low"] <= figure["value"] <= figure["high"]
    assert abs(figure["value"] - (900 + 3 * 59) / 100) <= 1, "the interval itself holds in 95 of 100"
    cents = [f"{figure[part]:.2f}" for part in PARTS]
    assert [float(each) for each in cents] == [figure[part] for part in PARTS]
    page = client.get(url(answer))
    (shown,) = page.context["rows"][0]["figures"]
    assert [shown[part] for part in PARTS] == cents
    assert "Every value that the column can have is distinguished" in page.content.decode()
    rows = list(csv.reader(io.StringIO(client.get(url(answer, "download", "csv")).content.decode())))
    assert [float(each) for each in rows[1][1:4]] == [figure[part] for part in PARTS]


@pytest.mark.parametrize("decimals", [2, 6])
def test_decimals_that_the_search_does_not_tell_apart_are_not_shown(as_, budget_on, ask, compute, decimals):
    values = pa.array([float(row) for row in range(wage_rows().num_rows)])
    budget = budget_on("price", values, lower=0, upper=10**8, decimals=decimals)
    answer, client = (
        compute(ask(budget, "SELECT MEDIAN(price) FROM wages", epsilon=39)),
        as_(budget.scientist),
    )
    page = client.get(url(answer))
    (shown,) = page.context["rows"][0]["figures"]
    assert "Values are exact to ± 14,000 at best" in page.content.decode()
    assert [part for part in PARTS if "." in shown[part] and len(shown[part].split(".")[1]) > 2] == []
    assert "." not in shown["value"]


def test_decimals_are_told_where_questions_are_written(as_, prices):
    client = as_(prices.scientist)
    found = client.get(reverse("api:budget", args=[prices.pk])).json()["tables"][0]["columns"]
    decimals = {each["name"]: each["decimals"] for each in found}
    assert (decimals["price"], decimals["wage"], decimals["year"]) == (2, None, None)
    assert (
        "0 to 20, at most 2 decimals" in client.get(reverse("privacy:ask", args=[prices.pk])).content.decode()
    )
    body = {"sql": "SELECT MEDIAN(price) FROM wages", "epsilon": 1.0}
    call = client.post(reverse("api:budget_price", args=[prices.pk]), body, content_type="application/json")
    assert call.json()["finest_half_width"] == 0


@pytest.fixture
def stays(budget_on):
    """Admitted on consecutive days; every seventh date is missing."""
    first = dt.date(2019, 1, 1)
    rows = range(wage_rows().num_rows)
    values = pa.array([None if row % 7 == 6 else first + dt.timedelta(days=row) for row in rows], pa.date32())
    bounds = {"lower": parse_bound("date", "2018-01-01"), "upper": parse_bound("date", "2024-12-31")}
    return budget_on("admitted", values, unit="d", **bounds)


MEDIAN = "SELECT MEDIAN(admitted) FROM wages"


def test_a_median_of_dates_is_a_date_everywhere(as_, stays, ask, compute):
    answer, client = compute(ask(stays, MEDIAN, epsilon=39)), as_(stays.scientist)
    (figure,) = answer.result["lines"][0]["figures"]
    ends = [figure[part] for part in PARTS]
    assert all(dt.date.fromisoformat(each).isoformat() == each for each in ends)
    low, high = figure["low"], figure["high"]
    assert "2018-01-01" < low <= "2019-03-01" <= high < "2024-12-31"
    assert low <= figure["value"] <= high
    page = client.get(url(answer))
    text, (shown,) = page.content.decode(), page.context["rows"][0]["figures"]
    assert ([shown[part] for part in PARTS], page.context["unit"], page.context["charts"]) == (ends, "", None)
    assert f"{low} to {high}" in text
    assert "Every value that the column can have is distinguished" in text
    rows = list(csv.reader(io.StringIO(client.get(url(answer, "download", "csv")).content.decode())))
    assert rows[0][:4] == ["share", "quantile", "quantile_low_95", "quantile_high_95"]
    assert rows[1][:4] == ["0.5", *ends]
    assert json.loads(client.get(url(answer, "download", "json")).content)["result"] == answer.result
    assert client.get(reverse("api:answer", args=[answer.pk])).json()["result"]["lines"][0]["figures"] == [
        figure
    ]
    assert faults(stays.promise) == []


def test_several_quantiles_of_dates_are_a_table_without_a_chart(as_, stays, compute):
    query = Query(table="wages", measure=Quantiles(Column("admitted"), (0.1, 0.5, 0.9)))
    client = as_(stays.scientist)
    body = {"query": encode(query), "epsilon": 39}
    called = client.post(
        reverse("api:budget_answers", args=[stays.pk]), body, content_type="application/json"
    )
    answer = compute(Answer.objects.get(pk=called.json()["id"]))
    figures = [line["figures"][0] for line in answer.result["lines"]]
    told = [figure["value"] for figure in figures]
    assert [line["key"] for line in answer.result["lines"]] == [["0.1"], ["0.5"], ["0.9"]]
    assert all(figure["low"] <= figure["value"] <= figure["high"] for figure in figures), "noise may swap two"
    page = client.get(url(answer))
    assert page.context["charts"] is None
    assert [row["figures"][0]["value"] for row in page.context["rows"]] == told


def test_dates_that_noise_drowns_are_lost_in_noise(as_, stays, ask, compute):
    answer = compute(ask(stays, MEDIAN, epsilon=0.01))
    figure = {"name": "quantile", "value": None, "half_width": None, "low": None, "high": None}
    assert answer.result["lines"][0]["figures"] == [figure]
    page = as_(stays.scientist).get(url(answer))
    (shown,) = page.context["rows"][0]["figures"]
    assert [shown[part] for part in PARTS] == ["lost in noise", "", ""]


def test_the_form_asks_for_quantiles_of_dates_and_for_nothing_else(as_, stays):
    client, place = as_(stays.scientist), reverse("privacy:ask", args=[stays.pk])
    text = client.get(place).content.decode()
    assert '<option value="admitted">admitted (dates: quantiles only)</option>' in text
    assert "dates from 2018-01-01 to 2024-12-31: median and other quantiles only" in text
    assert (
        text.count('value="admitted"') == 3
    )  # for quantiles and synthetic tables; in no condition, group, feature
    typed = {"source": "form", "table": "wages", "column": "admitted", "goal": "epsilon", "epsilon": "1"}
    page = client.post(
        reverse("privacy:price", args=[stays.pk]), {**typed, "measure": "quantiles", "shares": "0.5, 0.9"}
    )
    assert (page.context["refusal"], page.context["priced"]["what"]) == (
        "",
        "Quantiles of admitted at 0.5, 0.9",
    )
    page = client.post(reverse("privacy:price", args=[stays.pk]), {**typed, "measure": "mean"})
    assert page.context["refusal"].startswith("“admitted” holds dates. Ask only for quantiles of the column")


def test_programs_read_bounds_of_dates_as_dates(as_, stays):
    client = as_(stays.scientist)
    found = client.get(reverse("api:budget", args=[stays.pk])).json()["tables"][0]["columns"]
    (column,) = [each for each in found if each["name"] == "admitted"]
    assert (column["kind"], column["bounds"], column["decimals"]) == (
        "date",
        ["2018-01-01", "2024-12-31"],
        None,
    )
    for text in (
        "SELECT AVG(admitted) FROM wages",
        "SELECT COUNT(*) FROM wages WHERE admitted > '2020-01-01'",
    ):
        call = client.post(
            reverse("api:budget_price", args=[stays.pk]),
            {"sql": text, "epsilon": 1},
            content_type="application/json",
        )
        assert call.status_code == 400
        assert "Ask only for quantiles of the column" in call.json()["detail"]


def test_wide_bounds_of_dates_say_how_many_days_are_not_told_apart(as_, budget_on, ask, compute):
    values = pa.array([dt.date(1950 + row % 60, 5, 1) for row in range(wage_rows().num_rows)], pa.date32())
    bounds = {"lower": parse_bound("date", "1900-01-01"), "upper": parse_bound("date", "2024-12-31")}
    budget = budget_on("born", values, **bounds)
    answer, client = compute(ask(budget, "SELECT MEDIAN(born) FROM wages", epsilon=39)), as_(budget.scientist)
    assert "Values are exact to ± 6 days at best" in client.get(url(answer)).content.decode()
    body = {"sql": "SELECT MEDIAN(born) FROM wages", "epsilon": 1}
    call = client.post(reverse("api:budget_price", args=[budget.pk]), body, content_type="application/json")
    assert call.json()["finest_half_width"] == 6.0
