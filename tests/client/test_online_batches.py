"""Several questions in one call, against a server that answers as the API does."""

import pytest

import weir
from tests.client.portal_double import problem
from tests.client.site import PRICE, answer, figures, paths, portal, server, site

__all__ = ["portal", "server", "site"]


def batch(*answers):
    return {"id": "c1", "budget": {"id": "b1"}, "created_at": "2026", "answers": list(answers)}


def together(*prices, share=0.06, left=0.9, unaffordable=""):
    return {"questions": list(prices), "share": share, "share_left": left, "unaffordable": unaffordable}


def test_several_questions_are_priced_and_asked_in_one_call(server, site, portal):
    t = portal.datasets["wages"].tables["wages"]
    both = weir.Questions({"north": t[t.region == "north"].count(), "mean": t.wage.mean()})
    site.batch_price = together(PRICE, {**PRICE, "is_charged": False})
    prices = both.price(error={"north": 10, "mean": 0.5})
    assert [each["error"] for each in server.asked[-1].body["questions"]] == [10.0, 0.5]
    assert (prices.share, prices.share_left, prices["mean"].is_free) == (0.06, 0.9, True)
    assert repr(prices).splitlines() == [
        "Shares of the budget", "  north: 4.0 %", "  mean: nothing", "  together: 6.0 %", "  share left: 90 %",
    ]  # fmt: skip
    site.batch_made = (202, batch(answer("pending", id="a1"), answer(id="a2", result=figures(7.0))))
    site.batch_later = batch(answer(id="a1"), answer(id="a2", result=figures(7.0)))
    server.asked.clear()
    found = both.release(epsilon=0.1)
    assert {name: float(each) for name, each in found.items()} == {"north": 24.0, "mean": 7.0}
    assert paths(server) == ["POST budgets/b1/batches/", "GET batches/c1/"]
    assert server.asked[0].headers["prefer"] == "wait=20"
    assert server.asked[0].headers["idempotency-key"]


def test_several_questions_that_cannot_be_paid_are_refused_by_the_portal(server, site, portal):
    t = portal.datasets["wages"].tables["wages"]
    both = t.agg(n=t.count(), mean=t.wage.mean())
    site.batch_price = together(PRICE, PRICE, share=0.08, unaffordable="These 2 answers are too much.")
    assert "These 2 answers are too much." in repr(both.price(epsilon=0.1))
    site.batch_made = (402, problem(402, "budget_exceeded", "Too much.", costs=0.08, left=0.07).body)
    with pytest.raises(weir.BudgetExceeded, match="Too much") as refused:
        both.release(epsilon=0.1)
    assert (refused.value.costs, refused.value.left) == (0.08, 0.07)


def test_each_question_has_one_term(portal):
    t = portal.datasets["wages"].tables["wages"]
    both = t.agg(n=t.count(), mean=t.wage.mean())
    for terms in (
        {},
        {"error": {"n": 10}},
        {"error": {"n": 10}, "share": 0.1},
        {"error": {"n": 10, "mean": 0}},
    ):
        with pytest.raises(weir.NotOffered, match=r"in one way|must be a positive number"):
            both.price(**terms)
    with pytest.raises(weir.NotOffered, match="no question “m” among n, mean"):
        both.release(error={"n": 10, "m": 0.5})


def test_a_limit_counts_what_several_questions_cost_together(server, site, portal):
    t = portal.datasets["wages"].tables["wages"]
    both = t.agg(n=t.count(), mean=t.wage.mean())
    site.batch_price, site.batch_made = together(PRICE, PRICE), (200, batch(answer(), answer(id="a2")))
    with portal.spending(at_most=0.1) as limit:
        both.release(epsilon=0.1)
        assert limit.spent == 0.06
        server.asked.clear()
        site.batch_made = (202, {**batch(answer("pending")), "id": "another"})
        site.batch_price = together(PRICE, PRICE, share=0.01)
        with pytest.raises(weir.NotFound):
            both.release(epsilon=0.1)
        assert limit.spent == pytest.approx(0.07)
        site.batch_price = together(PRICE, PRICE)
        server.asked.clear()
        with pytest.raises(weir.BudgetExceeded, match=r"may spend only 3\.0 % more\. Nothing was asked"):
            both.release(epsilon=0.1)
        assert paths(server) == ["POST budgets/b1/batches/price/"]
