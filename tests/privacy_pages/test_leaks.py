"""Nothing that a scientist sees before an answer depends on rows: two datasets that differ in a person say the same."""

import pytest
from django.urls import reverse

from privacy import services
from tests import make
from tests.makers.datasets import SECRET_WAGE, wage_rows

pytestmark = pytest.mark.django_db

QUESTIONS = [
    {"sql": "SELECT COUNT(DISTINCT person) FROM wages", "error": 5},
    {"sql": "SELECT region, AVG(wage) FROM wages WHERE year > 1991 GROUP BY region", "epsilon": 2},
    {"sql": "SELECT MEDIAN(wage) FROM wages", "error": 0.05},
    {"sql": "SELECT COUNT(*) FROM wages", "epsilon": 49},
    {"sql": f"SELECT COUNT(*) FROM wages WHERE wage = {SECRET_WAGE}", "epsilon": 1},  # noqa: S608
    {"sql": "SELECT COUNT(*) FROM wages WHERE region = 'mars'", "epsilon": 1},
    {"sql": "SELECT SUM(1 / wage) FROM wages", "epsilon": 1},
]


def told(as_, people, secret):
    """What the owner of a budget is told before anything is spent, without what names the dataset."""
    data = make.dataset(rows=wage_rows(people=people, secret=secret))
    scientist = make.scientist()
    make.grant(data, scientist)
    made = services.protect(data, by=data.owner, epsilon=50, public_size=30, constants=["region"], seats=1)
    share = services.give_budget(made, scientist, by=data.owner, epsilon=40)
    client = as_(scientist)
    path = reverse("privacy:api_price", args=[share.pk])
    calls = [client.post(path, each, content_type="application/json") for each in QUESTIONS]
    schema = client.get(reverse("privacy:api_budget", args=[share.pk])).json()["tables"]
    typed = {"source": "sql", "goal": "epsilon", "epsilon": "3"}
    pages = [
        client.post(reverse("privacy:price", args=[share.pk]), {**typed, "sql": each["sql"]}).content.decode()
        for each in QUESTIONS
    ]
    pages = [page.replace(str(share.pk), "") for page in pages]
    return [(call.status_code, call.content) for call in calls], schema, pages


def test_prices_refusals_and_schemas_are_the_same_to_the_byte(as_):
    calls, schema, pages = told(as_, 30, SECRET_WAGE)
    assert [status for status, _ in calls] == [200, 200, 200, 200, 200, 400, 400]
    assert (calls, schema, pages) == told(as_, 29, SECRET_WAGE)
    assert (calls, schema, pages) == told(as_, 30, 1_000)


def test_no_page_of_a_scientist_holds_the_secret_wage(as_, budget, ask, compute):
    compute(ask(budget, "SELECT AVG(wage) FROM wages"))
    client = as_(budget.scientist)
    pages = [
        reverse("privacy:index"),
        reverse("privacy:ask", args=[budget.pk]),
        reverse("privacy:budget", args=[budget.pk]),
        reverse("privacy:answer", args=[budget.answers.get().pk]),
        reverse("privacy:api_budget", args=[budget.pk]),
    ]
    for page in pages:
        text = client.get(page).content.decode()
        assert str(SECRET_WAGE) not in text
        assert f"{SECRET_WAGE:,}" not in text
