"""HAVING, ORDER BY and LIMIT for programs: `rows` holds what is shown, `result` all that was released."""

import json
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from privacy.models import LedgerLine
from tests.rest import problem

pytestmark = pytest.mark.django_db

COUNTED = "SELECT region, COUNT(DISTINCT person) AS people FROM wages GROUP BY region"
LARGEST = {"sql": f"{COUNTED} ORDER BY people DESC LIMIT 2", "epsilon": 20}
DISPLAY = {
    "having": None,
    "order": [{"by": "count", "is_key": False, "descending": True, "missing_first": False}],
    "limit": 2,
    "offset": 0,
}
ASKING, PRICE, ANSWER, BATCHES = "api:budget_answers", "api:budget_price", "api:answer", "api:budget_batches"


def keys_of(answer, part="rows"):
    lines = answer["rows"] if part == "rows" else answer["result"]["lines"]
    return [line["key"][0] for line in lines]


def test_rows_are_the_lines_that_were_asked_for(scientist, budget, compute):
    price = scientist.post(PRICE, budget.pk, body=LARGEST).json()
    assert price["shown"] == "Groups, largest count first, first 2."
    key = uuid4()
    asked = scientist.post(ASKING, budget.pk, body=LARGEST, key=key).json()
    assert (asked["rows"], asked["display"], asked["shown"]) == (None, DISPLAY, price["shown"])
    compute(budget.answers.get())
    found = scientist.get(ANSWER, asked["id"]).json()
    values = {line["key"][0]: line["figures"][0]["value"] for line in found["result"]["lines"]}
    assert keys_of(found, "result") == ["east", "north", "west"]
    assert keys_of(found) == sorted(values, key=values.get, reverse=True)[:2]
    assert scientist.post(ASKING, budget.pk, body=LARGEST, key=key).json()["rows"] == found["rows"]

    other = scientist.post(
        ASKING, budget.pk, body={**LARGEST, "sql": f"{COUNTED} ORDER BY region DESC"}
    ).json()
    assert (other["stored"], other["id"], keys_of(other)) == (True, found["id"], ["west", "north", "east"])
    plain = {"query": found["query"], "epsilon": 20}
    everything = scientist.post(ASKING, budget.pk, body=plain).json()
    assert (keys_of(everything), everything["display"], everything["shown"]) == (
        ["east", "north", "west"],
        None,
        "",
    )
    assert LedgerLine.objects.filter(kind=LedgerLine.Kind.RESERVE).count() == 1

    shown = "?" + urlencode({"display": json.dumps(other["display"])})
    assert scientist.get(ANSWER, found["id"], query=shown).json()["rows"] == other["rows"]
    table = scientist.get("api:answer_file", found["id"], "csv", query=shown).content.decode()
    assert [line.partition(",")[0] for line in table.split()] == ["region", "west", "north", "east"]
    for wrong in ({"limit": 0}, {"order": [{"by": "sum"}]}, {"having": {"kind": "is_null", "column": "n"}}):
        query = "?" + urlencode({"display": json.dumps(wrong)})
        assert problem(scientist.get(ANSWER, found["id"], query=query), 400, "invalid")["place"] == "display"


def test_each_question_of_a_batch_shows_what_it_asks_for(scientist, budget, compute):
    body = {"questions": [LARGEST, {**LARGEST, "sql": f"{COUNTED} HAVING people < -1000"}]}
    made = scientist.post(BATCHES, budget.pk, body=body, key=uuid4()).json()
    assert len({answer["id"] for answer in made["answers"]}) == 1
    compute(budget.answers.get())
    first, second = scientist.get("api:batch", made["id"]).json()["answers"]
    assert (len(keys_of(first)), keys_of(second)) == (2, [])
    assert first["display"] == DISPLAY
