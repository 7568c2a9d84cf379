"""Sampled mocks over REST: priced, made, used and taken back by the owner alone."""

from uuid import uuid4

import pytest

from datasets.queries import sampled_mocks
from privacy.execution import learned_answers
from privacy.models import Answer
from tests.privacy.api.calling import Caller

pytestmark = [pytest.mark.django_db(transaction=True)]
WANTED = {"table": "wages", "columns": ["region", "wage"], "bins": 4, "focus": "region", "share": 0.05}


def test_an_owner_prices_makes_and_uses_a_sampled_mock(owner, scientist, budget, monkeypatch):
    monkeypatch.setattr("privacy.execution.questions.deadlines.after_charge", lambda *_, **__: 0.5)
    dataset = budget.promise.dataset
    price = owner.post("api:sampled_mock_price", dataset.pk, body=WANTED).json()
    assert price["share"] == pytest.approx(0.05)
    assert price["epsilon"] > 0
    key = uuid4()
    made = owner.post("api:sampled_mock", dataset.pk, body=WANTED, key=key)
    assert (made.status_code, made.json()["kind"]) == (201, "table")
    assert made.json()["scientist"]["name"] == "Everybody (sampled mock)"
    assert owner.post("api:sampled_mock", dataset.pk, body=WANTED, key=key).json() == made.json()
    pk = made.json()["id"]
    learned_answers.compute(pk)
    state = owner.post("api:sampled_mock_replace", dataset.pk, body={"answer": pk}).json()
    assert [each["answer"]["id"] for each in state["shown"]] == [pk]
    assert [each["state"] for each in state["answers"]] == ["released"]
    assert state["share_left"] == pytest.approx(price["share_left"] - 0.05, rel=1e-4)
    assert owner.get("api:sampled_mock", dataset.pk).json() == state
    assert owner.get("api:dataset_promise", dataset.pk).json()["budgets_given"] == 1
    names = [each["scientist"]["name"] for each in owner.get("api:budgets").json()["items"]]
    assert sorted(names) == sorted(["Everybody (sampled mock)", str(budget.scientist)])
    assert len(scientist.get("api:budgets").json()["items"]) == 1
    undone = owner.post("api:sampled_mock_undo", dataset.pk, body={"table": "wages"}).json()
    assert undone["shown"] == []
    assert sampled_mocks(dataset.current) == {}


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("sampled_mock", WANTED),
        ("sampled_mock_price", WANTED),
        ("sampled_mock_replace", {"answer": str(uuid4())}),
        ("sampled_mock_undo", {"table": "wages"}),
    ],
)
def test_nobody_but_the_owner_gets_there(scientist, owner, budget, name, body):
    dataset = budget.promise.dataset
    reader = Caller(budget.scientist, "budgets")
    assert reader.post(f"api:{name}", dataset.pk, body=body).status_code == 404
    assert scientist.get("api:sampled_mock", dataset.pk).status_code == 404
    bad = {**body, "columns": ["nothing"], "table": "wages"} if "columns" in body else body
    assert owner.post(f"api:{name}", dataset.pk, body=bad).status_code in {400, 404, 409, 422}
    assert not Answer.objects.exists()
