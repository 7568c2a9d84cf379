"""Models and synthetic tables over the API: priced, asked, read, and rows drawn."""

import csv
import io
from uuid import uuid4

import pytest

from privacy.engine.language import wire
from tests.makers import learned
from tests.rest import problem

pytestmark = pytest.mark.django_db

MODEL = {"table": "wages", "measure": wire.encode(learned.fit())}
TABLE = {"table": "wages", "measure": {"kind": "synthetic_table", "columns": ["year", "region"], "bins": 4}}


@pytest.mark.parametrize("query", [MODEL, TABLE], ids=["model", "table"])
def test_the_price_says_when_it_is_answered_and_what_was_chosen(scientist, budget, query):
    price = scientist.post("api:budget_price", budget.pk, body={"query": query, "share": 0.2}).json()
    assert price["seconds"] >= 5
    assert price["half_width_95"] is None
    assert price["on_mock"] is None
    assert 0 < price["share"] <= 0.2
    assert price["query"]["measure"]["kind"] == query["measure"]["kind"]
    refused = scientist.post("api:budget_price", budget.pk, body={"query": query, "error": 0.1})
    assert "not known in advance" in problem(refused, 400, "refused")["detail"]


def test_asking_makes_an_answer_of_its_kind(scientist, budget):
    asked = scientist.post("api:budget_answers", budget.pk, body={"query": MODEL, "share": 0.2}, key=uuid4())
    assert (asked.status_code, asked.json()["kind"]) == (202, "fit")
    asked = scientist.post("api:budget_answers", budget.pk, body={"query": TABLE, "share": 0.2}, key=uuid4())
    assert (asked.status_code, asked.json()["kind"]) == (202, "table")


def test_rows_of_a_synthetic_table_are_the_same_each_time(scientist, budget):
    answer = learned.table(budget)
    found = scientist.get("api:answer_rows", answer.pk, query="?rows=7")
    text = b"".join(found.streaming_content).decode()
    assert found["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert len(rows) == 7
    assert set(rows[0]) == {"year", "region", "wage"}
    again = b"".join(scientist.get("api:answer_rows", answer.pk, query="?rows=7").streaming_content).decode()
    assert again == text
    problem(scientist.get("api:answer_rows", answer.pk, query="?rows=1000001"), 400, "invalid")
    problem(scientist.get("api:answer_rows", learned.model(budget).pk), 400, "refused")
