"""Signed in to a portal: datasets, prices, answers and limits, against a server that answers as the API does."""

import json
import re
from urllib.parse import parse_qs

import numpy as np
import pyarrow.parquet as pq
import pytest

import weir
from tests.client.portal_double import Reply, problem
from tests.client.site import TOKEN, Site, answer, figures, paths, portal, server, site, wage
from weir import demo, signin
from weir.tokens import Store
from weir.version import VERSION

__all__ = ["portal", "server", "site", "wage"]


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


def test_models_and_synthetic_tables_are_answers_of_their_own(server, site, portal):
    t = portal.datasets["wages"].tables["wages"]
    model = t.fit.additive("wage", on=["education"], bins=4)
    site.made = (201, answer("pending"))
    site.later = answer(kind="fit", result=model.mock().result)
    fitted = model.release(share=0.04)
    assert isinstance(fitted, weir.ModelAnswer)
    assert server.asked[-2].body == {"query": model.to_wire(), "share": 0.04}
    assert fitted.predict({"education": [12]}).tolist() == model.mock().predict({"education": [12]}).tolist()
    assert (fitted.epsilon, fitted.notes) == (0.2, ["At most 8 rows of a person count."])
    made = t.synthesize(["wage", "region"])
    site.later = answer(kind="table", result=made.mock().result)
    table = made.release(epsilon=0.2)
    assert isinstance(table, weir.TableAnswer)
    assert table.table(rows=9).equals(made.mock().table(rows=9))
    assert isinstance(portal.answers["a1"], weir.TableAnswer)
    with pytest.raises(weir.NotOffered, match="no single error"):
        model.price(error=0.5)


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
    assert "share of the budget: 4.0 %" in repr(price)
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


def test_a_standard_deviation_is_asked(server, site, wage):
    site.made = (200, answer(result=figures(3.0, "standard_deviation", 0.5)))
    found = np.std(wage).release(epsilon=0.1)
    assert (found.value, found.interval) == (3.0, (2.5, 3.5))
    asked = server.asked[-1].body
    assert asked["query"]["measure"] == {
        "kind": "standard_deviation",
        "of": {"kind": "column", "name": "wage"},
    }


def test_refusals_of_the_portal_arrive(server, site, wage):
    site.made = (402, problem(402, "budget_exceeded", "Only 1 % is left.", costs=0.04, left=0.01).body)
    with pytest.raises(weir.BudgetExceeded, match="Only 1 % is left") as refused:
        wage.mean().release(error=0.5)
    assert refused.value.left == 0.01


def test_a_limit_counts_what_was_charged_though_nobody_waits_for_it(server, site, portal, wage):
    site.made = (202, answer("pending", id="another"))
    with portal.spending(at_most=0.1) as limit:
        with pytest.raises(weir.NotFound):
            wage.mean().release(error=0.5)
        assert limit.spent == 0.04
        site.made, site.later = (202, answer("pending")), answer("voided", share=0.0)
        with pytest.raises(weir.Refused, match="given back"):
            wage.mean().release(error=0.5)
        assert limit.spent == pytest.approx(0.04)


def test_a_limit_stops_a_loop(server, site, portal, wage):
    with portal.spending(at_most=0.1) as limit:
        wage.mean().release(error=0.5)
        wage.median().release(error=0.5)
        assert limit.spent == 0.08
        server.asked.clear()
        with pytest.raises(weir.BudgetExceeded, match=r"may spend only 2\.0 % more\. Nothing was asked"):
            wage.sum().release(error=0.5)
        assert paths(server) == ["POST budgets/b1/price/"]
        site.price["stored_answer"], site.made = {"id": "a0"}, (200, answer(stored=True))
        assert float(wage.sum().release(error=0.5)) == 24
        assert limit.spent == 0.08
    with portal.spending(at_most=0.5), weir.spending(at_most=0.01):
        site.price["stored_answer"] = None
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


def test_an_answer_holds_the_groups_that_sql_shows(server, portal, site):
    def line(key, count):
        return {"key": [key], "figures": [{"name": "count", "value": count, "half_width": 2.0}]}

    display = {"having": None, "order": [{"by": "count", "descending": True}], "limit": 1, "offset": 0}
    lines = [line("east", 3.0), line("west", 8.0)]
    shown = {"display": display, "shown": "Groups, largest count first, first 1."}
    released = answer(**shown, rows=lines[1:], result={"by": ["region"], "lines": lines})
    site.made, site.later = (202, answer("pending", **shown, rows=None)), released
    text = "SELECT region, COUNT(*) FROM wages GROUP BY region ORDER BY 2 DESC LIMIT 1"
    found = portal.datasets["wages"].sql(text).release(error=2)
    assert (found.keys, found.value.tolist(), found.notes) == (
        [("west",)],
        [8.0],
        [shown["shown"], "At most 8 rows of a person count."],
    )
    assert len(found.details["result"]["lines"]) == 2
    assert json.loads(parse_qs(server.asked[-1].path.partition("?")[2])["display"][0]) == display


def test_an_answer_by_its_id(portal, site, tmp_path):
    assert float(portal.answers["a1"]) == 24
    saved = portal.answers.save("a1", tmp_path / "answers")
    assert {path.name: path.read_bytes() for path in saved} == {
        "answer-a1.csv": b"mean", "answer-a1.json": b"{}",
    }  # fmt: skip
    site.later = answer(id="../a1")
    with pytest.raises(weir.WeirError, match="not a plain name"):
        portal.answers.save("a1", tmp_path)
    site.later = answer("pending")
    with pytest.raises(weir.NotOffered, match="not there yet"):
        portal.answers.save("a1", tmp_path)


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
                return Reply(200, {
                    "device_code": "secret", "user_code": "ABCD-EFGH", "verification_uri": "https://portal.example/device/",
                    "expires_in": 600, "interval": 5,
                })  # fmt: skip
            case "device/token/":
                return self.polls.pop(0)
            case _:
                return super().__call__(asked)


GIVEN = Reply(200, {"access_token": TOKEN, "token_type": "Bearer", "token": {}})


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
