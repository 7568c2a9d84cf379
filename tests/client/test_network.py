"""Other portals through one's own: they behave as one's own does."""

from collections.abc import Iterator

import pytest

from tests.client.portal_double import Asked, Double, Reply, double, problem
from weir.errors import BudgetExceeded, NotFound, Unreachable
from weir.network import POLLS, OtherPortal
from weir.portal import Portal
from weir.transport import Transport

B = {
    "id": "b0000000-0000-4000-8000-000000000000",
    "name": "Hospital B",
    "url": "https://b.example",
    "state": "active",
}
C = {
    "id": "c0000000-0000-4000-8000-000000000000",
    "name": "Hospital C",
    "url": "https://c.example:8443",
    "state": "active",
}
THERE = f"/api/v1/network/portals/{B['id']}/api/"
DATASET = {
    "id": "d1",
    "name": "wages",
    "title": "Wages of B",
    "state": "published",
    "owner": {"id": "o", "name": "O"},
}


def routed(asked: Asked) -> Reply:
    path = asked.path.partition("?")[0]
    found = {
        "/api/v1/network/portals/": {"items": [B, C], "next": None},
        "/api/v1/network/askings/": {"items": [{"state": "granted"}], "next": None},
        f"{THERE}me/": {"id": "g1", "name": "Mei (a.example)"},
        f"{THERE}datasets/d1/": DATASET,
        f"{THERE}budgets/": {"items": [], "next": None},
    }
    if asked.method == "POST" and path == "/api/v1/network/askings/":
        return Reply(201, {"state": "waiting", "asked": asked.body})
    if path == f"{THERE}datasets/":
        is_second = "cursor=2" in asked.path
        following = None if is_second else "/api/v1/datasets/?cursor=2"
        return Reply(200, {"items": [DATASET] if is_second else [], "next": following})
    if path in found:
        return Reply(200, found[path])
    return problem(404, "not_found")


@pytest.fixture
def server() -> Iterator[Double]:
    with double() as found:
        found.routed = routed
        yield found


@pytest.fixture
def portal(server: Double) -> Iterator[Portal]:
    transport = Transport(server.address, "weir_" + "a" * 49, sleep=lambda _: None)
    with Portal(transport, {"id": "m1", "name": "Mei"}, quiet=True) as found:
        yield found


def test_portals_and_askings_are_listed(portal: Portal):
    assert [each["name"] for each in portal.network.portals] == ["Hospital B", "Hospital C"]
    assert portal.network.askings == [{"state": "granted"}]
    assert portal.network is portal.network
    assert "portals" in repr(portal.network)


@pytest.mark.parametrize(
    "name", ["b.example", "B.Example", "Hospital B", "https://b.example", "https://b.example/", B["id"]]
)
def test_a_portal_is_found_by_its_host_name_or_id(portal: Portal, name: str):
    assert portal.network[name].details == B
    assert portal.network[name] is portal.network["b.example"]


def test_a_portal_that_is_not_known(portal: Portal):
    with pytest.raises(NotFound, match=r"b\.example, c\.example:8443"):
        portal.network["d.example"]


def test_who_is_no_guest_is_told_how_to_become_one(portal: Portal):
    with pytest.raises(NotFound, match="ask_access"):
        portal.network["c.example:8443"]


def test_it_behaves_as_ones_own_portal_and_pages_stay_there(portal: Portal, server: Double):
    there = portal.network["b.example"]
    assert isinstance(there, OtherPortal)
    assert repr(there) == f"Portal: https://b.example, as Mei (a.example), through {server.address}"
    server.asked.clear()
    dataset = there.datasets["wages"]
    assert (dataset.title, dataset.budget) == ("Wages of B", None)
    paths = [each.path for each in server.asked]
    assert all(path.startswith(THERE) for path in paths)
    assert f"{THERE}datasets/?cursor=2" in paths
    assert {each.headers["authorization"] for each in server.asked} == {"Bearer weir_" + "a" * 49}


def test_closing_it_leaves_ones_own_portal_open(portal: Portal):
    with portal.network["b.example"]:
        pass
    assert len(portal.network.portals) == 2


def test_waiting_looks_now_and_then(portal: Portal, server: Double):
    there = portal.network["b.example"]
    server.asked.clear()
    assert list(there.transport.events("answer:1")) == [("", "")] * POLLS
    assert server.asked == []


def test_access_is_asked_for(portal: Portal):
    made = portal.network.ask_access("b.example", "d1", purpose="x", outputs="y", agreed=True, terms=2)
    assert made["asked"] == {
        "portal": B["id"], "dataset": "d1", "purpose": "x", "outputs": "y", "agreed": True, "terms": 2,
    }  # fmt: skip


def test_refusals_of_the_other_portal_are_raised(portal: Portal, server: Double):
    there = portal.network["b.example"]
    server.routed = lambda asked: problem(402, "budget_exceeded", costs=2.0, left=0.1)
    with pytest.raises(BudgetExceeded) as refused:
        there.transport.post("budgets/b1/answers/")
    assert (refused.value.costs, refused.value.left) == (2.0, 0.1)
    server.routed = lambda asked: problem(502, "unreachable", "b.example cannot be reached.")
    with pytest.raises(Unreachable, match=r"b\.example"):
        there.transport.get("me/")
