"""Code on a portal: trials, prices, answers and limits, against a double of it."""

import numpy as np
import pytest

import weir
from tests.client.portal_double import Reply
from tests.client.site import answer, figures, paths, portal, server, site, wage
from weir import codetrials, demo
from weir import grammar as g

__all__ = ["portal", "server", "site", "wage"]

ID = "11111111-1111-1111-1111-111111111111"
REPORT = {
    "whole": [26.9, 0.3],
    "run": 200,
    "failed": 3,
    "late": 1,
    "clamped": 0.004,
    "slowest": 0.0123,
    "slot": 0.35,
    "halves": True,
    "people_each": 34.4,
    "quartiles": [[25.0, 26.5, 28.0], [0.25, 0.3, 0.35]],
    "bias": [-0.4, 0.01],
    "error": [2.5, 0.04],
    "curve": [{"blocks": 113, "bias": [0.1, 0.0], "error": [4.5, 0.09]}],
    "tracebacks": ["Traceback\n  line 2\nKeyError: 'pay'\n"],
    "why": "",
}
PRICE = {
    "blocks": 454,
    "method": "winsorised",
    "how": "the mean of the blocks’ answers, with outliers pulled in",
    "noise_half_width_95": [2.1, 0.035],
    "seconds": 47.0,
    "epsilon": 1.0,
    "delta": 1e-6,
    "share": 0.2,
    "share_left": 0.9,
    "mode": "extended",
    "refusal": "",
    "stored_answer": None,
}


def box():
    @weir.code(answers={"mean": (0, 60), "gini": (0, 1)})
    def main(t):
        return [np.mean(t.wage), 0.5]

    return main


def trial(state="done", report=REPORT, price=PRICE, shape=None):
    return {
        "id": ID,
        "budget": {"id": "b1"},
        "dataset": {"id": "d1", "name": "wages", "title": "Wages"},
        "state": state,
        "question": {"shape": g.to_wire(shape or box().shape)},
        "in_words": "Code on wages: mean and gini",
        "asked": {"epsilon": 1.0},
        "blocks": 454,
        "progress": 0.5 if state in {"waiting", "running"} else 1.0,
        "created_at": "2026-01-01T00:00:00Z",
        "ended_at": None,
        "report": None if state in {"waiting", "running"} else report,
        "price": price if state == "done" else None,
    }


@pytest.fixture
def tried(server, site):
    """What the portal answers about code: change its replies."""
    replies = {
        "POST budgets/b1/code-trials/": Reply(202, trial("waiting")),
        f"GET code-trials/{ID}/": Reply(200, trial()),
        "GET events/": Reply(200, b": still here\n\n", {"Content-Type": "text/event-stream"}),
        "GET budgets/b1/code-trials/": Reply(200, {"items": [trial("waiting")], "next": None}),
        f"POST code-trials/{ID}/answers/": Reply(202, {**answer("pending"), "kind": "code", "share": 0.2}),
        f"POST code-trials/{ID}/stop/": Reply(200, trial("failed")),
        "POST answers/a1/withdraw/": Reply(200, answer("voided")),
    }
    server.routed = lambda asked: (
        replies.get(f"{asked.method} {asked.path.removeprefix('/api/v1/').split('?')[0]}") or site(asked)
    )
    return replies


def test_code_is_tried_on_rows_that_a_condition_keeps(server, tried, portal):
    t = portal.datasets["wages"].tables["wages"]
    found = t[t.year > 1984].try_code(box(), epsilon=1, people=150)
    (posted,) = (each for each in server.asked if each.method == "POST")
    assert posted.body["epsilon"] == 1
    assert posted.body["question"]["where"] == g.to_wire(t[t.year > 1984].scope.condition)
    assert posted.body["question"]["people"] == 150
    assert len(posted.headers["idempotency-key"]) == 36
    assert (found.state, found.report.failed, found.report.slowest) == ("done", 0.02, 0.0123)
    assert found.report.whole == {"mean": 26.9, "gini": 0.3}
    assert (found.report.bias["mean"], found.report.error["gini"]) == (-0.4, 0.04)
    assert found.report.curve[0]["blocks"] == 113
    shown = repr(found)
    for text in (
        "200 with about 34 people each", "3 failed, 1 took too long", "0.0123 s; a private block gets 0.35 s",
        "answers out of bounds: 0.4 %", "25 to 28", "KeyError: 'pay'", "± 2.1 at most", "pulled in (454 blocks)",
        "47 s from when its turn comes", "share of the budget: 20 %", "Some people may be left out",
    ):  # fmt: skip
        assert text in shown
    assert "<td" in found._repr_html_()
    assert "KeyError: &#x27;pay&#x27;" in found.report._repr_html_()
    price = found.price
    assert (price.seconds, price.blocks, price.method, price.refusal) == (47.0, 454, "winsorised", "")
    assert (price.noise, price.error, price.more_like_this) == ({"mean": 2.1, "gini": 0.035}, 2.1, 4)


@pytest.mark.parametrize(
    ("ask", "instead"),
    [
        (lambda t: t.try_code(lambda t: 1, epsilon=1), "weir.code"),
        (lambda t: t.try_code(box()), "in one way"),
        (lambda t: t.try_code(box(), epsilon=1, share=0.1), "in one way"),
        (lambda t: t.try_code(box(), share=-1), "in one way"),
        (lambda t: t.rows_of_a_person(1).try_code(box(), epsilon=1), "without rows_of_a_person"),
        (lambda t: demo.table().try_code(box(), epsilon=1), "run_locally"),
    ],
)
def test_what_cannot_be_tried_says_what_to_write(portal, ask, instead):
    with pytest.raises(weir.NotOffered, match=instead):
        ask(portal.datasets["wages"].tables["wages"])


def test_reports_and_prices_of_votes_and_vectors(tried, portal):
    told = {**REPORT, "quartiles": [], "curve": [], "whole": [1.0], "bias": [0.8], "error": [0.95]}
    vote, size = g.Votes(("no", "yes", "maybe")), 5000
    noise = {"noise_half_width_95": [0.2] * 3}
    tried[f"GET code-trials/{ID}/"] = Reply(200, trial(report=told, price={**PRICE, **noise}, shape=vote))
    found = portal.datasets["wages"].trials[ID]
    assert found.price.noise == {"no": 0.2, "yes": 0.2, "maybe": 0.2}
    assert (found.report.bias, found.report.whole) == ({}, {})
    for text in ("all rows vote for: yes", "vote so: 80 %", "noise of each number (95 %): ± 0.2 at most"):
        assert text in repr(found)
    noise = {"noise_half_width_95": [0.1] * size}
    reply = trial(report=told, price={**PRICE, **noise}, shape=g.Ball(size, 4.0, 6))
    tried[f"GET code-trials/{ID}/"] = Reply(200, reply)
    found.refresh()
    assert (found.price.noise, found.price.error) == ({"each number": 0.1}, 0.1)
    assert "distance of a noisy answer: 0.95" in repr(found.report)
    assert "noise of each number in one round (95 %): ± 0.1 at most" in repr(found.price)
    assert found.report.tables == []
    untold = {**PRICE, "noise_half_width_95": [None, None]}
    tried[f"GET code-trials/{ID}/"] = Reply(200, trial(price=untold))
    assert found.refresh().price.error is None
    assert "depends on the data" in repr(found.price)
    refused = {**PRICE, "refusal": "It would cost too much."}
    assert codetrials.CodePrice("", refused, g.to_wire(box().shape)).notes[0] == "It would cost too much."
    free = {**refused, "stored_answer": "a1", "mode": "complete"}
    assert codetrials.CodePrice("", free, g.to_wire(box().shape)).notes == []


def test_code_that_fails_raises_with_its_traceback(tried, portal):
    tried[f"GET code-trials/{ID}/"] = Reply(
        200, trial("failed", {**REPORT, "quartiles": [], "why": "It fails on the whole table."})
    )
    with pytest.raises(weir.RunFailed, match=r"(?s)fails on the whole table.*KeyError: 'pay'"):
        portal.datasets["wages"].tables["wages"].try_code(box(), epsilon=1)
    found = portal.datasets["wages"].trials[ID]
    assert "It fails on the whole table." in repr(found.report)
    assert found.report.tables == []
    with pytest.raises(weir.NotOffered, match="It fails on the whole table"):
        _ = found.price
    with pytest.raises(weir.NotOffered, match="No answer was asked for"):
        found.withdraw()


def test_a_trial_is_come_back_to(tried, portal):
    (waiting,) = portal.datasets["wages"].trials
    for part in ("report", "price"):
        with pytest.raises(weir.NotOffered, match=r"trial\.wait\(\)"):
            getattr(waiting, part)
    assert waiting.again == f"portal.datasets['wages'].trials['{ID}']"
    assert (waiting.stop().state, waiting.refresh().state) == ("failed", "done")
    tried[f"GET code-trials/{ID}/"] = Reply(200, trial(price=None))
    with pytest.raises(weir.NotOffered, match="would take too long"):
        _ = waiting.refresh().price
    assert repr(portal.datasets["wages"].trials).startswith("CodeTrials: ")


def code_answer(by, lines):
    told = [{"key": [key], "figures": [{"name": "value", **figure}]} for key, figure in lines.items()]
    return answer(kind="code", result={"by": [by], "lines": told})


def test_an_answer_has_its_numbers_by_name(server, tried, site, portal):
    lines = {
        "mean": {"value": 24.0, "half_width": 2.0},
        "gini": {"value": 0.3, "half_width": None, "low": 0.2, "high": 0.5},
    }
    site.later = code_answer("output", lines)
    found = portal.datasets["wages"].trials[ID].release()
    assert (found["mean"], found.figures) == (24.0, {"mean": 24.0, "gini": 0.3})
    assert found.interval.tolist() == [[22.0, 26.0], [0.2, 0.5]]
    assert found.to_pandas().loc["gini", "value_low"] == 0.2
    assert found.record
    posted = next(each for each in server.asked if each.method == "POST")
    assert posted.path.endswith(f"code-trials/{ID}/answers/")
    assert len(posted.headers["idempotency-key"]) == 36
    assert isinstance(portal.answers["a1"], weir.CodeAnswer)
    with pytest.raises(weir.NotOffered, match=r"It has \.figures"):
        _ = found.vector
    site.later = code_answer("output", {"mean": lines["mean"]})
    single = portal.answers["a1"]
    assert (float(single), single.interval) == (24.0, (22.0, 26.0))


def test_votes_have_a_winner_and_vectors_are_arrays(tried, site, portal):
    site.later = code_answer(
        "label", {"no": {"value": 0.2, "half_width": 0.1}, "yes": {"value": 0.7, "half_width": 0.1}}
    )
    vote = portal.answers["a1"]
    assert (vote.winner, vote.shares) == ("yes", {"no": 0.2, "yes": 0.7})
    assert "yes has the largest share." in vote._repr_html_()
    site.later = code_answer("weight", {str(k): {"value": k / 2, "half_width": None} for k in range(9)})
    vector = portal.answers["a1"]
    assert vector.vector.tolist() == [k / 2 for k in range(9)]
    assert "9 numbers, [0, 0.5, 1, 1.5, 2, …]" in repr(vector)
    assert float(np.asarray(vector) @ np.ones(9)) == 18.0


def test_a_limit_stops_code_and_an_answer_is_withdrawn(server, tried, site, portal):
    found = portal.datasets["wages"].trials[ID]
    with weir.spending(at_most=0.1), pytest.raises(weir.BudgetExceeded):
        found.release()
    assert all("answers" not in path for path in paths(server))
    site.later = answer("voided", reason="It was withdrawn.")
    with weir.spending(at_most=0.5) as limit, pytest.raises(weir.Refused, match="costs nothing"):
        found.release()
    assert limit.spent == 0.0
    found.refresh().withdraw()
    assert paths(server)[-1] == "POST answers/a1/withdraw/"
    with pytest.raises(weir.NotFound):
        portal.answers.withdraw(ID)
    assert paths(server)[-1] == f"POST answers/{ID}/withdraw/"


def test_the_wait_says_how_much_is_tried_and_when_the_answer_is_there(tried, portal, capsys):
    codetrials.CodeTrial(portal.transport, trial("running")).wait()
    assert "mock blocks: running ██████████░░░░░░░░░░ 50%" in capsys.readouterr().err
    assert codetrials._when({"deadline": None}) == "waits for its turn"
    assert "there at " in codetrials._when({"deadline": "2026-01-01T10:00:00Z"})


def test_figures_of_questions_stay_answers(site, portal):
    site.later = answer(kind="query", result=figures(24.0))
    assert type(portal.answers["a1"]) is weir.Answer
