"""Quantiles of prices, as pages, files and programs show them."""

import csv
import io

import pyarrow as pa
import pytest
from django.urls import reverse

from privacy import services
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
        promise = services.protect(data, by=data.owner, epsilon=50, public_size=PEOPLE, constants=[], seats=1)
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
    assert figure["low"] <= (900 + 3 * 59) / 100 <= figure["high"]
    cents = [f"{figure[part]:.2f}" for part in PARTS]
    assert [float(each) for each in cents] == [figure[part] for part in PARTS]
    page = client.get(url(answer))
    (shown,) = page.context["rows"][0]["figures"]
    assert [shown[part] for part in PARTS] == cents
    assert "Every value that the column can have is told apart" in page.content.decode()
    rows = list(csv.reader(io.StringIO(client.get(url(answer, "download", "csv")).content.decode())))
    assert [float(each) for each in rows[1][1:4]] == [figure[part] for part in PARTS]


def test_decimals_are_told_where_questions_are_written(as_, prices):
    client = as_(prices.scientist)
    found = client.get(reverse("privacy:api_budget", args=[prices.pk])).json()["tables"][0]["columns"]
    decimals = {each["name"]: each["decimals"] for each in found}
    assert (decimals["price"], decimals["wage"], decimals["year"]) == (2, None, None)
    assert (
        "0 to 20, at most 2 decimals" in client.get(reverse("privacy:ask", args=[prices.pk])).content.decode()
    )
    body = {"sql": "SELECT MEDIAN(price) FROM wages", "epsilon": 1.0}
    call = client.post(reverse("privacy:api_price", args=[prices.pk]), body, content_type="application/json")
    assert call.json()["read_to"] == 0
