"""Nothing that a scientist sees before an answer depends on rows: two datasets that differ in a person say the same."""

import re
from contextlib import closing

import pytest
from django.urls import reverse

from datasets import storage
from privacy import services
from privacy.engine.measure.contributions import CAP
from privacy.ledgers.person_ledger import SubjectLedger
from privacy.models import Answer
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
    """What a scientist sees before anything is spent, without what names the dataset."""
    data = make.dataset(rows=wage_rows(people=people, secret=secret))
    scientist = make.scientist()
    make.grant(data, scientist)
    made = services.protect(
        data, by=data.owner, epsilon=50, public_size=30, constants=["region"], scientists=1
    )
    share = services.give_budget(made, scientist, by=data.owner, epsilon=40)
    client = as_(scientist)
    path = reverse("api:budget_price", args=[share.pk])
    calls = [client.post(path, each, content_type="application/json") for each in QUESTIONS]
    schema = client.get(reverse("api:budget", args=[share.pk])).json()["tables"]
    typed = {"source": "sql", "goal": "epsilon", "epsilon": "3"}
    pages = [
        client.post(reverse("privacy:price", args=[share.pk]), {**typed, "sql": each["sql"]}).content.decode()
        for each in QUESTIONS
    ]
    pages = [page.replace(str(share.pk), "") for page in pages]
    return [(call.status_code, without_id(call.content)) for call in calls], schema, pages


def without_id(content):
    """The body of a call without the id under which the log has it."""
    return re.sub(rb'"request_id":"[^"]*"', b"", content)


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
        reverse("api:budget", args=[budget.pk]),
    ]
    for page in pages:
        text = client.get(page).content.decode()
        assert str(SECRET_WAGE) not in text
        assert f"{SECRET_WAGE:,}" not in text


OWN = {"id", "budget", "dataset", "scientist", "created_at", "request_id"}
"""Fields of a call's answer that name the dataset, the person or the time."""
AFTERWARDS = [
    {"sql": "SELECT COUNT(DISTINCT person) FROM wages", "epsilon": 30},
    {"sql": "SELECT SUM(wage) FROM wages", "epsilon": 30},
    {"sql": "SELECT AVG(wage) FROM wages WHERE region = 'east'", "epsilon": 30},
]


def played(as_, compute, people, secret):
    """All that a scientist sees of a budget that continues until people reach their limit, except the noise itself."""
    data = make.dataset(rows=wage_rows(people=people, secret=secret))
    scientist = make.scientist()
    make.grant(data, scientist)
    made = services.protect(
        data,
        by=data.owner,
        epsilon=50,
        public_size=30,
        constants=["region"],
        scientists=1,
        extended_allowed=True,
    )
    share = services.give_budget(made, scientist, by=data.owner, epsilon=40, extended=True)
    client, heard = as_(scientist), []
    for question in [*AFTERWARDS, AFTERWARDS[0] | {"epsilon": 35}, AFTERWARDS[1] | {"epsilon": 39}]:
        asked = client.post(
            reverse("api:budget_answers", args=[share.pk]), question, content_type="application/json"
        )
        price = {key: value for key, value in asked.json().items() if key not in OWN}
        heard.append((asked.status_code, price))
        if asked.status_code != 202:
            continue
        compute(Answer.objects.get(pk=asked.json()["id"]))
        told = client.get(asked["Location"]).json()
        heard.append((told["state"], told["record"]["mode"], told["record"]["sigma_in_clips"]))
        figures = [line["figures"] for line in told["result"]["lines"]]
        heard.append([[(f["name"], f["half_width"]) for f in line] for line in figures if len(line) == 1])
    share.refresh_from_db()
    return heard, share.units_used, people_who_take_part(share)


def people_who_take_part(share):
    with closing(SubjectLedger(storage.ledger_folder(share.promise.dataset_id))) as book:
        return int((book.spent(share.pk) > 0).sum())


def test_a_budget_that_goes_on_tells_the_same_whoever_is_used_up(as_, compute):
    """Prices, refusals, states, records and balances; none shows whom the per-person ledger leaves out."""
    heard, used, people = played(as_, compute, 30, SECRET_WAGE)
    assert (people, used > CAP) == (30, True)
    for other in ((29, SECRET_WAGE), (30, 1_000)):
        again, used_again, people_again = played(as_, compute, *other)
        assert (again, used_again) == (heard, used)
        assert people_again == other[0]
