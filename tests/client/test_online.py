"""Signed in to a portal: datasets, prices, answers and limits, against a server that answers as the API does."""

import io
import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import weir
from tests.client.portal_double import Told, double, problem
from weir import demo, signin
from weir.tokens import Store
from weir.version import VERSION

TOKEN = "weir_" + "a" * 49
DATASET = {
    "id": "d1",
    "name": "wages",
    "title": "Wages",
    "summary": "Made up",
    "state": "published",
    "owner": "Olga",
}
BUDGET = {"id": "b1", "dataset_id": "d1", "share_used": 0.1, "closed_at": None}
TABLE = {**demo.DECLARATIONS, "rows": None}
PRICE = {
    "half_width_95": 0.5,
    "epsilon": 0.2,
    "delta": 1e-6,
    "mode": "complete",
    "share": 0.04,
    "share_left": 0.9,
    "more_like_this": 22,
    "unaffordable": "",
    "counting": "At most 8 rows of a person count.",
    "beyond": "",
    "stored_answer_id": None,
}


def figures(value, name="mean", half=0.5):
    return {"by": [], "lines": [{"key": [], "figures": [{"name": name, "value": value, "half_width": half}]}]}


def answer(state="released", **more):
    released = state == "released"
    return {
        "id": "a1",
        "state": state,
        "question": "mean of wage",
        "epsilon": 0.2,
        "share": 0.04,
        "mode": "complete",
        "counting": "At most 8 rows of a person count.",
        "beyond": "",
        "reason": "",
        "result": figures(24.0) if released else None,
        "record": {"at": "2026"} if released else None,
        "stored": False,
        **more,
    }


class Site:
    """A portal with one dataset, whose answers can be changed."""

    def __init__(self):
        self.price, self.made, self.later = dict(PRICE), (201, answer()), answer()
        self.batch_price, self.batch_made, self.batch_later = {}, (404, {}), {}
        self.budgets = [BUDGET]

    def __call__(self, asked):
        path = asked.path.removeprefix("/api/v1/").split("?")[0]
        told = {
            "GET ": (200, {"name": "Weir", "api": "v1", "client": {"minimum": "0.1.0", "latest": "9.0"}}),
            "GET me/": (200, {"id": "p1", "name": "Ada"}),
            "GET datasets/": (200, {"items": [DATASET], "next": None}),
            "GET datasets/d1/": (200, {**DATASET, "revision": 3}),
            "GET datasets/d1/schema/": (200, {"tables": [TABLE]}),
            "GET datasets/d1/mock/wages.parquet": (200, mock_file()),
            "GET budgets/": (200, {"items": self.budgets, "next": None}),
            "GET budgets/b1/": (200, {**BUDGET, "people": 200, "tables": [TABLE]}),
            "POST budgets/b1/price/": (200, self.price),
            "POST budgets/b1/answers/": self.made,
            "GET answers/a1/": (200, self.later),
            "POST budgets/b1/batches/price/": (200, self.batch_price),
            "POST budgets/b1/batches/": self.batch_made,
            "GET batches/c1/": (200, self.batch_later),
        }
        found = told.get(f"{asked.method} {path}")
        return Told(*found) if found else problem(404, "not_found")


def mock_file():
    stream = io.BytesIO()
    pq.write_table(
        pa.table({name: pa.array(each, from_pandas=True) for name, each in demo.mock().items()}), stream
    )
    return stream.getvalue()


@pytest.fixture(scope="module")
def server():
    with double() as found:
        yield found


@pytest.fixture
def site(server):
    server.routed = Site()
    server.asked.clear()
    return server.routed


@pytest.fixture
def portal(server, site):
    with weir.login(server.address, TOKEN, quiet=True) as found:
        server.asked.clear()
        yield found


@pytest.fixture
def wage(portal):
    return portal.datasets["wages"]["wage"]


def paths(server):
    return [f"{each.method} {each.path.removeprefix('/api/v1/')}" for each in server.asked]


def test_signing_in_asks_who_one_is_and_whether_the_client_is_too_old(server, site):
    with weir.login(server.address, TOKEN) as portal:
        assert repr(portal) == f"Portal: {server.address}, as Ada"
    assert paths(server) == ["GET ", "GET me/"]
    with pytest.raises(weir.ClientTooOld, match="needs version 99"):
        signin.check_version({"client": {"minimum": "99.0"}})
    signin.check_version({"client": {"minimum": VERSION}})
    signin.check_version({})


def test_a_dataset_has_all_its_details_also_after_a_list_of_all(portal):
    assert [each.details.get("revision") for each in portal.datasets] == [None]
    data = portal.datasets["wages"]
    assert data.details["revision"] == 3
    assert list(portal.datasets) == portal.datasets.search("wages") == [data]


def test_a_dataset_by_its_name_with_its_tables_and_columns(server, portal):
    data = portal.datasets["wages"]
    assert (data.name, data.title, data.id) == ("wages", "Wages", "d1")
    assert portal.datasets["wages"] is data
    assert list(data.tables) == ["wages"]
    assert data["wages"].columns == list(demo.table().columns)
    assert data["wage"].bounds == (0, 60)
    assert data.tables["wages"].region.labels == ("north", "south", "east", "west")
    with pytest.raises(weir.NotFound, match="You see no dataset “other”"):
        portal.datasets["other"]
    with pytest.raises(weir.NotOffered, match="Did you mean “wages”"):
        data.tables["wage"]
    assert [each.name for each in portal.datasets] == ["wages"]
    assert portal.datasets._ipython_key_completions_() == ["wages"]
    assert "Made up" in data._repr_html_()
    with pytest.raises(AttributeError, match=r"Take a table first"):
        data.wage()


def test_without_a_budget_the_public_schema_is_enough_for_mock_answers(server, site, portal):
    site.budgets = []
    wage = portal.datasets["wages"]["wage"]
    assert float(wage.mean().mock()) == float(demo.table().wage.mean().mock())
    with pytest.raises(weir.NotOffered, match="You have no budget for wages"):
        wage.mean().price(error=1)
    with pytest.raises(weir.NotOffered, match="You have no budget for wages"):
        wage.mean().release(error=1)


def test_the_mock_is_downloaded_once(server, wage):
    server.asked.clear()
    assert float(wage.mean().mock()) == float(wage.mean().mock())
    wage.median().mock()
    assert paths(server) == ["GET datasets/d1/mock/wages.parquet"]


def test_the_mock_can_be_kept(portal, tmp_path):
    data = portal.datasets["wages"]
    assert data.mock("wages").num_rows == len(demo.mock()["wage"])
    assert pq.read_table(data.mock("wages", tmp_path / "wages.parquet")).num_rows == len(demo.mock()["wage"])


def test_a_price_is_in_numbers_words_and_html(server, wage):
    price = wage.mean().price(error=0.5)
    assert (price.error, price.epsilon, price.share, price.share_left, price.more_like_this) == (
        0.5,
        0.2,
        0.04,
        0.9,
        22,
    )
    assert not price.is_free
    assert "share of the budget: 4.00%" in repr(price)
    assert "At most 8 rows of a person count." in price._repr_html_()
    assert server.asked[-1].body == {"query": wage.mean().to_wire(), "error": 0.5}


def test_an_answer_that_is_there_at_once(server, site, wage):
    server.asked.clear()
    found = wage.mean().release(share=0.04)
    assert (float(found), found.interval, found.epsilon, found.record) == (
        24.0,
        (23.5, 24.5),
        0.2,
        {"at": "2026"},
    )
    assert found.notes == ["At most 8 rows of a person count."]
    assert paths(server) == ["POST budgets/b1/answers/"]
    (asked,) = server.asked
    assert asked.body == {"query": wage.mean().to_wire(), "share": 0.04}
    assert asked.headers["prefer"] == "wait=20"
    assert re.fullmatch(r"[0-9a-f-]{36}", asked.headers["idempotency-key"])


def test_an_answer_that_has_to_be_waited_for(server, site, wage):
    site.made = (202, answer("pending"))
    assert float(wage.mean().release(error=0.5)) == 24
    assert paths(server)[-1] == "GET answers/a1/"
    assert server.asked[-1].headers["prefer"] == "wait=20"


@pytest.mark.parametrize(
    ("later", "error", "words"),
    [
        (
            answer("voided", reason="Nobody is left."),
            weir.Refused,
            "Nobody is left. The question was given back",
        ),
        (answer("lost"), weir.PortalFailed, "stays charged"),
    ],
)
def test_an_answer_that_never_comes(site, wage, later, error, words):
    site.made, site.later = (202, answer("pending")), later
    with pytest.raises(error, match=words):
        wage.mean().release(error=0.5)


def test_an_answer_that_may_leave_people_out_says_so(site, wage):
    site.made = (200, answer(mode="extended"))
    assert wage.mean().release(error=0.5).notes[-1].startswith("Some people may have been left out")


def test_a_standard_deviation_is_asked_as_a_variance(server, site, wage):
    site.made = (200, answer(result=figures(9.0, "variance", 5.0)))
    found = np.std(wage).release(epsilon=0.1)
    assert (found.value, found.interval[0]) == (3.0, 2.0)


def test_refusals_of_the_portal_arrive(server, site, wage):
    site.made = (402, problem(402, "budget_exceeded", "Only 1 % is left.", costs=0.04, left=0.01).body)
    with pytest.raises(weir.BudgetExceeded, match="Only 1 % is left") as refused:
        wage.mean().release(error=0.5)
    assert refused.value.left == 0.01


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
        "Shares of the budget", "  north: 4.00%", "  mean: nothing", "  together: 6.00%", "  share left: 90.00%",
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
        with pytest.raises(weir.BudgetExceeded, match=r"may spend only 4\.00% more\. Nothing was asked"):
            both.release(epsilon=0.1)
        assert paths(server) == ["POST budgets/b1/batches/price/"]


def test_a_limit_stops_a_loop(server, site, portal, wage):
    with portal.spending(at_most=0.1) as limit:
        wage.mean().release(error=0.5)
        wage.median().release(error=0.5)
        assert limit.spent == 0.08
        server.asked.clear()
        with pytest.raises(weir.BudgetExceeded, match=r"may spend only 2\.00% more\. Nothing was asked"):
            wage.sum().release(error=0.5)
        assert paths(server) == ["POST budgets/b1/price/"]
        site.price["stored_answer_id"], site.made = "a0", (200, answer(stored=True))
        assert float(wage.sum().release(error=0.5)) == 24
        assert limit.spent == 0.08
    with portal.spending(at_most=0.5), weir.spending(at_most=0.01):
        site.price["stored_answer_id"] = None
        with pytest.raises(weir.BudgetExceeded):
            wage.sum().release(error=0.5)
    server.asked.clear()
    wage.sum().release(error=0.5)
    assert paths(server) == ["POST budgets/b1/answers/"]
    for share in (0, 1.5):
        with pytest.raises(weir.NotOffered, match="at most 1"), portal.spending(at_most=share):
            pass


def test_sql_and_kept_json(server, portal):
    data = portal.datasets["wages"]
    text = "SELECT AVG(wage) FROM wages"
    assert data.sql(text).price(error=0.5).share == 0.04
    assert float(data.sql(text).release(error=0.5)) == 24
    assert server.asked[-1].body == {"sql": text, "error": 0.5}
    kept = json.loads(json.dumps(data["wage"].mean().to_wire()))
    data.question(kept).release(epsilon=0.1)
    assert server.asked[-1].body == {"query": kept, "epsilon": 0.1}
    with pytest.raises(weir.NotOffered, match="Write it with columns"):
        data.sql(text).mock()
    with pytest.raises(weir.NotOffered, match="in one way"):
        data.sql(text).price()


def test_an_answer_by_its_id(portal):
    assert float(portal.answers["a1"]) == 24


def test_completion_and_cards_make_no_call(server, portal):
    data = portal.datasets["wages"]
    server.asked.clear()
    for each in (portal, portal.datasets, data, portal.answers):
        assert dir(each)
        assert repr(each)
    assert data._repr_html_()
    assert data._ipython_key_completions_() == []
    assert server.asked == []


# Signing in without a token


class Device(Site):
    """A portal in which the person takes three polls to type the code."""

    def __init__(self, *polls):
        super().__init__()
        self.polls = list(polls)

    def __call__(self, asked):
        match asked.path.removeprefix("/api/v1/"):
            case "device/":
                return Told(200, {
                    "device_code": "secret", "user_code": "ABCD-EFGH", "verification_uri": "https://portal.example/device/",
                    "expires_in": 600, "interval": 5,
                })  # fmt: skip
            case "device/token/":
                return self.polls.pop(0)
            case _:
                return super().__call__(asked)


GIVEN = Told(200, {"access_token": TOKEN, "token_type": "Bearer", "token": {}})


def test_signing_in_by_a_code(server, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("WEIR_TOKEN", "WEIR_PORTAL"):
        monkeypatch.delenv(name, raising=False)
    slept: list[float] = []
    said: list[str] = []
    monkeypatch.setattr("weir.signin.time.sleep", slept.append)
    server.routed = Device(problem(400, "authorization_pending"), problem(400, "slow_down"), GIVEN)
    server.asked.clear()
    portal = weir.login(server.address, say=said.append)
    portal.close()
    assert slept == [5, 5, 10]
    assert said[0].startswith("Open https://portal.example/device/ and type the code ABCD-EFGH.")
    assert "only you can read" in said[1]
    assert Store().read(server.address) == TOKEN
    assert "authorization" not in server.asked[0].headers
    assert server.asked[-1].headers["authorization"] == f"Bearer {TOKEN}"
    server.asked.clear()
    weir.login(server.address).close()
    assert paths(server) == ["GET ", "GET me/"]
    assert weir.logout(server.address)
    assert not weir.logout(server.address)


@pytest.mark.parametrize(
    ("polls", "error"),
    [
        ([problem(400, "access_denied", "They refused.")], weir.Denied),
        ([problem(400, "expired_token", "Too late.")], weir.NotSignedIn),
        ([problem(400, "authorization_pending")] * 130, weir.NotSignedIn),
    ],
)
def test_a_code_that_is_refused_or_expires(server, polls, error):
    server.routed = Device(*polls)
    with pytest.raises(error):
        signin.signed_in(server.address, ("read",), lambda _: None, sleep=lambda _: None)
