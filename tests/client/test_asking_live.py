"""Budgets, prices and answers with the client, on the running portal."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import weir
from tests import make
from tests.client.live import AUTHOR, OWNER, signed_in, token
from weir.command.shell import main

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
GIVER = (*OWNER, "budgets")


@pytest.fixture
def cast():
    owner, scientist = make.owner(), make.scientist()
    constants = {"region": {"nullable": False}}
    data = make.dataset(owner=owner, name="wages", declared=constants)
    make.grant(data, scientist)
    return SimpleNamespace(owner=owner, scientist=scientist)


def test_from_a_promise_to_an_answer(live: SimpleNamespace, cast, tmp_path, capsys, monkeypatch):
    with signed_in(live, (cast.owner, GIVER), (cast.scientist, AUTHOR)) as (owner, scientist):
        assert scientist.datasets["wages"].budget is None
        wages = promised(owner, cast)
        data = scientist.datasets["wages"].refresh()
        assert (data.budget.epsilon, data.budget.share_used) == (pytest.approx(6.0), 0.0)
        wage = data["wage"]
        question = np.mean(wage[data["year"] >= 1991].clip(0, 2000))
        assert 0 < float(question.mock()) < 2000
        price = question.price(share=0.2)
        assert price.share == pytest.approx(0.2, rel=0.05)
        answer = question.release(share=0.2)
        assert answer.value is None or 0 <= answer.value <= 2000  # noise may drown it
        assert answer.record
        assert data.budget.share_used == pytest.approx(price.share)
        assert question.price(share=0.2).is_free
        assert question.release(share=0.2).value == answer.value
        counted = data.tables["wages"].groupby("region").count_people().release(share=0.1)
        assert counted.to_arrow().column("region").to_pylist() == ["east", "north", "west"]
        asked_in_a_batch(data)
        with pytest.raises(weir.BudgetExceeded):
            question.release(epsilon=19.0)
        (mine,) = scientist.datasets["wages"].budgets
        mine.ask_for_more(8.0, "For a second report.")
        owner.inbox.of("top_up")[0].top_up.grant("Fine.")
        assert mine.refresh().epsilon == pytest.approx(8.0)
        asked_by_command(live, cast, tmp_path, capsys, monkeypatch)
        assert len(wages.ledger) == 5
        assert wages.budgets[0].close("The project has ended.").details["closed_at"]
        with pytest.raises(weir.WeirError):
            question.release(share=0.2)


def promised(owner, cast):
    """The owner's dataset with a promise, of which the scientist has a budget."""
    wages = owner.datasets["wages"]
    assert wages.promise is None
    made = wages.protect(epsilon=20.0, people=30, scientists=2, constants=["region"])
    assert wages.promise == made
    assert made["epsilon"] == 20.0
    with pytest.raises(weir.NotFound, match="not an id"):
        wages.give_budget(cast.scientist.email)
    budget = wages.give_budget(wages.grants[0], 5.0)
    assert budget.change(6.0).epsilon == pytest.approx(6.0)
    return wages


def asked_in_a_batch(data):
    """Two conditions with a price each, and a question that was answered before; or none of them."""
    t = data.tables["wages"]
    people = {name: t[t.region == name].count_people() for name in ("north", "east")}
    asked = weir.Questions({**people, "all": t.groupby("region").count_people()})
    terms = {"error": {"north": 5.0, "east": 6.0}, "share": {"all": 0.1}}
    prices = asked.price(**terms)
    assert [prices[name].error for name in people] == pytest.approx([5.0, 6.0])
    assert prices["all"].is_free
    assert prices.share == pytest.approx(max(prices[name].share for name in people))
    found = asked.release(**terms)
    assert list(found) == ["north", "east", "all"]
    assert [found[name].error for name in people] == pytest.approx([5.0, 6.0])
    assert asked.price(**terms).share == 0.0
    with pytest.raises(weir.BudgetExceeded):
        weir.Questions({"rows": t.count(), "mean": t.wage.mean()}).release(share=0.9)


def asked_by_command(live, cast, folder, capsys, monkeypatch):
    """The command asks with the same budget, and says when it is used up."""
    monkeypatch.setenv("WEIR_PORTAL", live.url)
    monkeypatch.setenv("WEIR_TOKEN", token(cast.scientist, *AUTHOR))
    query = ["query", "wages", "SELECT COUNT(DISTINCT person) FROM wages", "--json"]
    capsys.readouterr()
    assert main([*query, "--share", "0.1", "--yes"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["state"] == "released"
    assert main(["result", answer["id"], "-o", str(folder), "--json"]) == 0
    table, whole = map(Path, json.loads(capsys.readouterr().out))
    assert table.read_text().splitlines()[0].startswith("count,")
    assert json.loads(whole.read_text())["result"] == answer["result"]
    assert main([*query, "--epsilon", "19", "--yes"]) == 5
