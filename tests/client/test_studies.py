"""Studies: joint questions through the client, against a server that answers as the API does."""

from collections.abc import Iterator

import numpy as np
import pytest

import weir
from tests.client.portal_double import Asked, Double, Reply, double, problem
from tests.client.site import figures
from weir import demo, limits, studies
from weir.errors import NoSuchName
from weir.jointanswers import JointAnswer, turn
from weir.portal import Portal
from weir.receipts import Receipt
from weir.studies import JointPrice, Study
from weir.transport import Transport

ID, ANSWER = "50000000-0000-4000-8000-000000000000", "a0000000-0000-4000-8000-000000000000"
HOME, B, C = "https://home.example", "https://b.example", "https://c.example:8443"
STUDY = {"id": ID, "name": "wages-north", "title": "Wages in the north", "state": "open"}
PORTALS = [
    {"url": HOME, "name": "Home", "share": 0.02, "share_left": 0.8, "trouble": ""},
    {"url": B, "name": "Hospital B", "share": 0.05, "share_left": 0.5, "trouble": ""},
    {
        "url": C,
        "name": "Hospital C",
        "share": None,
        "share_left": None,
        "trouble": "You have no budget there.",
    },
]
PRICE = {"half_width_95": 0.5, "joint_factor": 1.0, "portals": PORTALS, "unaffordable": ""}


def part(name: str, state: str, trouble: str = "") -> dict[str, object]:
    return {"url": f"https://{name.lower()}.example", "name": name, "state": state, "trouble": trouble}


def joint(state: str, **more: object) -> dict[str, object]:
    released = state == "released"
    return {
        "id": ANSWER,
        "state": state,
        "question": "Mean of wage",
        "reason": "",
        "portals": [part("Home", "sent"), part("B", "sent" if released else "computing")],
        "result": figures(24.0) if released else None,
        "record": {"at": "2026"} if released else None,
        **more,
    }


class Site:
    """A portal with one study, whose answers can be changed."""

    def __init__(self) -> None:
        self.price = dict(PRICE)
        self.made, self.later = joint("preparing", stored=False), [joint("collecting"), joint("released")]

    def __call__(self, asked: Asked) -> Reply:
        path = asked.path.removeprefix("/api/v1/").partition("?")[0]
        detail = {**STUDY, "purpose": "To know.", "table": demo.DECLARATIONS, "portals": PORTALS}
        found = {
            "GET studies/": {"items": [STUDY], "next": None},
            f"GET studies/{ID}/": detail,
            f"GET studies/{ID}/standings/": {"portals": PORTALS},
            f"POST studies/{ID}/prices/": self.price,
            f"POST studies/{ID}/answers/": self.made,
            "GET joint-answers/": {"items": [joint("released")], "next": None},
            f"POST joint-answers/{ANSWER}/stop/": joint("stopped"),
            f"GET joint-answers/{ANSWER}/receipt/": {"ready": False, "due": "2026-01-01", "receipt": None},
        }
        if f"{asked.method} {path}" == f"GET joint-answers/{ANSWER}/":
            return Reply(200, self.later.pop(0) if len(self.later) > 1 else self.later[0])
        key = f"{asked.method} {path}"
        return Reply(200, found[key]) if key in found else problem(404, "not_found")


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def server(site: Site) -> Iterator[Double]:
    with double() as running:
        running.routed = site
        yield running


@pytest.fixture
def study(server: Double) -> Iterator[Study]:
    transport = Transport(server.address, "weir_" + "a" * 49, sleep=lambda _: None)
    with Portal(transport, {"id": "p1", "name": "Ada"}, quiet=True) as portal:
        yield portal.studies["wages-north"]


def test_a_study_has_the_expressions_of_a_table(study, server):
    assert (study.name, study.title, study.purpose, study.state) == (
        "wages-north", "Wages in the north", "To know.", "open",
    )  # fmt: skip
    assert study["wage"].clip(0, 40).bounds == (0, 40)
    question = np.mean(study["wage"].clip(0, 40))
    table = demo.table()
    assert question.to_wire() == np.mean(table["wage"].clip(0, 40)).to_wire()
    assert study.table.groupby("region")["wage"].mean().by == ("region",)
    assert [each["trouble"] for each in study.portals] == ["", "", "You have no budget there."]
    assert repr(study) == "Study: wages-north, Wages in the north"
    assert study._ipython_key_completions_() == list(table.columns)


def test_a_price_names_what_each_portal_charges(study, server):
    price = study["wage"].mean().price(error=0.5)
    assert server.asked[-1].body == {"query": study["wage"].mean().to_wire(), "without": [], "error": 0.5}
    assert (price.error, price.share, price.unaffordable) == (0.5, 0.05, "")
    assert repr(price).splitlines()[1:] == [
        "  error (95 % interval): ± 0.5",
        "  Home: 2.0 % of the budget",
        "  Hospital B: 5.0 % of the budget",
        "  Hospital C: You have no budget there.",
    ]
    assert "Hospital B" in price._repr_html_()
    unknown = JointPrice("x", {**PRICE, "half_width_95": None, "unaffordable": "Too dear.", "portals": []})
    assert (unknown.share, unknown.notes) == (0.0, ["Too dear."])
    assert "comes with the answer" in repr(unknown)


def test_portals_can_be_left_out(study, server):
    smaller = study.without("c.example").without(B)
    smaller["wage"].mean().price(share=0.02)
    assert server.asked[-1].body["without"] == [C, B]
    with pytest.raises(weir.NotFound, match=r"no portal “d\.example” in this study"):
        study.without("d.example")


def test_a_release_waits_and_gives_intervals(study, server):
    answer = study["wage"].mean().release(error=0.5)
    assert isinstance(answer, JointAnswer)
    assert (float(answer), answer.interval, answer.record) == (24.0, (23.5, 24.5), {"at": "2026"})
    assert [each["state"] for each in answer.portals] == ["sent", "sent"]
    assert [each.method for each in server.asked[-3:]] == ["POST", "GET", "GET"]
    assert server.asked[-3].headers["idempotency-key"]
    with pytest.raises(weir.NotOffered, match="due at 2026"):
        answer.receipt(wait=0)
    with pytest.raises(weir.NotOffered, match="was copied or stored"):
        JointAnswer("x", figures(1.0)).receipt()


def test_whose_turn_it_is_in_words():
    assert turn({"portals": [part("B", "sent")]}) == "the parts are added up"
    waiting = [part("B", "computing", "It does not answer."), part("C", "asked")]
    assert turn({"portals": waiting}) == "B computes its part (It does not answer.), and 1 more"


@pytest.mark.parametrize(
    ("state", "error", "words"),
    [
        ("stopped", weir.Refused, "Ada stopped it."),
        ("failed", weir.PortalFailed, "B lost its part."),
        ("collecting", weir.NotOffered, "not there yet: B computes its part"),
    ],
)
def test_what_was_not_released_is_an_error(study, site, state, error, words):
    site.later = [joint(state, reason=words)]
    answers = Portal(study._transport, {"id": "p1"}, quiet=True).studies.answers
    with pytest.raises(error, match=words):
        answers[ANSWER]


def test_joint_answers_are_listed_and_stopped(study):
    studies = Portal(study._transport, {"id": "p1"}, quiet=True).studies
    assert [each["id"] for each in studies.answers] == [ANSWER]
    assert studies.answers.stop(ANSWER)["state"] == "stopped"
    assert [each.name for each in studies] == ["wages-north"]
    with pytest.raises(weir.NotFound, match="Did you mean “wages-north”"):
        studies["wages-nort"]
    assert "take one by its name" in repr(studies)
    assert "take one by its id" in repr(studies.answers)


def test_what_cannot_be_asked_jointly_says_so(study):
    wage = study["wage"]
    with pytest.raises(weir.NotOffered, match="no single epsilon"):
        wage.mean().price(epsilon=1)
    with pytest.raises(weir.NotOffered, match=r"Table\.offline"):
        wage.mean().mock()
    with pytest.raises(weir.NotOffered, match="one by one"):
        study.table.agg(a=wage.mean()).price(error=1)
    with pytest.raises(weir.NotOffered, match="Code cannot be asked jointly"):
        wage.scope.source.try_code({}, {})
    with pytest.raises(NoSuchName, match="Take its table"):
        study.wage.mean()


def test_a_block_may_limit_what_is_spent(study, server):
    with weir.spending(at_most=0.04), pytest.raises(weir.BudgetExceeded):
        study["wage"].mean().release(error=0.5)
    assert not any(each.path.endswith("/answers/") for each in server.asked)
    with weir.spending(at_most=0.06) as limit:
        study["wage"].mean().release(error=0.5)
    assert limit.spent == 0.05
    assert not limits.is_limited()


def test_leaving_the_wait_says_how_to_come_back(study, monkeypatch, capsys):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    question = study["wage"].mean()
    monkeypatch.setattr(study._transport, "get", interrupted)
    with pytest.raises(KeyboardInterrupt):
        question.release(error=0.5)
    assert f"portal.studies.answers[{ANSWER!r}]" in capsys.readouterr().err


def test_a_wait_ends_after_days(study, site, monkeypatch):
    monkeypatch.setattr(studies, "MOST_WAITS", 2)
    site.later = [joint("collecting")]
    with pytest.raises(weir.WeirError, match="has not come for days"):
        study["wage"].mean().release(error=0.5)


def test_a_receipt_of_a_joint_answer_is_read(tmp_path):
    with pytest.raises(weir.WeirError, match="is no kind of receipt"):
        Receipt({**_receipt("joint"), "kind": "joint"})
    receipt = Receipt(_receipt("joint_answer"))
    assert Receipt.read(receipt.save(tmp_path / "joint.json")).kind == "joint_answer"


def _receipt(kind: str) -> dict[str, object]:
    entry = {"payload": "{}", "salt": "0" * 64, "index": 0, "proof": []}
    return {
        "format": "weir-receipt/1",
        "kind": kind,
        "entries": [entry],
        "checkpoint": "x",
        "document": "{}",
        "document_salt": "0" * 64,
    }
