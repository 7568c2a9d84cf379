"""HAVING, ORDER BY and LIMIT on pages and in files: they choose among noisy groups, and cost nothing."""

import csv
import io
import json
from urllib.parse import urlencode

import pytest
from django.urls import reverse

from privacy.models import Answer, LedgerLine
from tests.privacy.pages.test_questions import agreed, typed

pytestmark = pytest.mark.django_db

COUNTED = "SELECT region, COUNT(DISTINCT person) AS people FROM wages GROUP BY region"
LARGEST = f"{COUNTED} ORDER BY people DESC LIMIT 2"
NONE = f"{COUNTED} HAVING people > 1000000"


@pytest.fixture
def answered(scientist, page, compute):
    """Answered in SQL that shows the largest two groups."""
    asked = scientist.post(page, agreed(scientist, page, source="sql", sql=LARGEST, epsilon="20"))
    answer = compute(Answer.objects.get())
    assert asked.url == url(answer)
    return answer


def url(answer, **display):
    found = reverse("privacy:answer", args=[answer.pk])
    return f"{found}?{urlencode({'display': json.dumps(display)})}" if display else found


def largest(answer):
    lines = sorted(answer.result["lines"], key=lambda line: -line["figures"][0]["value"])
    return [line["key"][0] for line in lines]


def shown(client, address):
    return [row["key"][0] for row in client.get(address).context["rows"]]


def rows_of(response):
    return [line[0] for line in csv.reader(io.StringIO(response.content.decode()))][1:]


def test_the_price_says_what_is_shown(scientist, page):
    priced = scientist.post(page, {**typed(source="sql", sql=LARGEST), "then": "price"})
    assert "Shown: Groups, largest count first, first 2." in priced.content.decode()
    assert priced.context["priced"]["groups"] == 3
    plain = scientist.post(page, {**typed(source="sql", sql=COUNTED), "then": "price"})
    assert plain.context["shown"] == ""
    assert plain.context["priced"]["agreed"] == priced.context["priced"]["agreed"]
    alone = "SELECT COUNT(DISTINCT person) FROM wages LIMIT 10"
    assert scientist.post(page, {**typed(source="sql", sql=alone), "then": "price"}).context["shown"] == ""


def test_the_page_and_the_table_hold_the_groups_that_were_asked_for(scientist, answered):
    text = scientist.get(url(answered)).content.decode()
    assert "Groups, largest count first, first 2." in text
    assert "Show the one group left out" in text
    assert shown(scientist, url(answered)) == largest(answered)[:2]
    everything = scientist.get(f"{url(answered)}?display=%7B%7D")
    assert len(everything.context["rows"]) == 3
    assert "Show them as they were first asked for" in everything.content.decode()
    assert len(shown(scientist, url(answered, limit=9))) == 3
    table = scientist.get(reverse("privacy:download", args=[answered.pk, "csv"]))
    assert rows_of(table) == largest(answered)[:2]
    everything = scientist.get(reverse("privacy:download", args=[answered.pk, "json"]))
    assert len(json.loads(everything.content)["result"]["lines"]) == 3
    wrong = url(answered, order=[{"by": "nothing"}])
    assert shown(scientist, wrong) == largest(answered)[:2]
    joint = scientist.get(url(answered)).context["together"]
    assert joint.several == 3  # those left out were looked at too


@pytest.mark.parametrize(
    ("text", "expected"), [(COUNTED, 3), (f"{COUNTED} ORDER BY region DESC", 3), (NONE, 0)], ids=range(3)
)
def test_the_same_question_shown_otherwise_is_the_stored_answer(scientist, page, answered, text, expected):
    asked = scientist.post(page, agreed(scientist, page, source="sql", sql=text, epsilon="20"))
    assert asked.url.startswith(f"{url(answered)}?display=")
    assert LedgerLine.objects.filter(kind=LedgerLine.Kind.RESERVE).count() == 1
    assert len(shown(scientist, asked.url)) == expected
    text = scientist.get(asked.url).content.decode()
    assert ("No group is shown" in text) == (expected == 0)
    csv_at = reverse("privacy:download", args=[answered.pk, "csv"]) + "?" + asked.url.partition("?")[2]
    assert rows_of(scientist.get(csv_at)) == shown(scientist, asked.url)
    assert csv_at in text.replace("&amp;", "&")


def test_asking_again_and_proposals_keep_what_is_shown(scientist, page, answered):
    again = scientist.get(page, {"again": str(answered.pk)})
    assert again.context["form"]["sql"].value() == LARGEST
    assert again.context["form"]["by"].value() == ["region"]
    sums = "SELECT year, SUM(wage) FROM wages GROUP BY year ORDER BY SUM(wage) DESC"
    changed = scientist.post(page, {**typed(source="sql", sql=sums), "then": "price", "apply": "rows"})
    text = changed.context["form"]["sql"].value()
    assert text.endswith("ORDER BY SUM(wage) DESC\nLIMIT 1 BY person"), text
