"""Calls of the REST API that another portal passes on: what a guest reaches, and nothing else."""

import base64
import json
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.services import guests as accounts
from audit.models import Entry
from common.rest import rates
from network import guest_documents, incoming
from network.models import Peer
from network.services import forwarding, guests
from privacy.execution import lifecycle
from privacy.models import Answer
from tests import make
from tests.guards.pages import every_endpoint
from tests.makers import privacy as shares
from tests.network.portals import Portal

pytestmark = pytest.mark.django_db
MEI = "mei-00000000000000001"


@pytest.fixture
def peer(other: Portal) -> Peer:
    return other.peer()


@pytest.fixture
def guest(peer: Peer) -> User:
    return make.guest(peer.pk, remote_id=MEI)


class Caller:
    """Calls of the API through another portal, in the name of one of its people."""

    def __init__(self, other: Portal, client: Client) -> None:
        self.other, self.client = other, client

    def raw(self, path: str, method: str = "GET", **parts: Any) -> Any:
        body = parts.pop("body", None)
        content = None if body is None else base64.b64encode(json.dumps(body).encode()).decode()
        document = {
            "person": MEI,
            "scopes": ["read", "ask", "work"],
            "method": method,
            "path": path,
            "query": "",
            "headers": {},
            "body": content,
            **parts,
        }
        return self.other.calls(self.client, "POST", "/net/1/api", document)

    def __call__(self, path: str, method: str = "GET", **parts: Any) -> tuple[int, Any]:
        """The status and the JSON of what the API answered."""
        said = self.raw(path, method, **parts)
        assert said.status == 200, said.document
        content = base64.b64decode(said.document["content"])
        return said.document["status"], json.loads(content) if content else None


@pytest.fixture
def api(other: Portal, client: Client, guest: User) -> Caller:
    rates.counts.clear()
    return Caller(other, client)


# What a guest does


def test_a_guest_asks_a_priced_question(api: Caller, guest: User):
    budget = shares.budget(shares.promise(), guest)
    make.grant(budget.promise.dataset, guest)
    status, found = api("/api/v1/budgets/")
    assert (status, [each["id"] for each in found["items"]]) == (200, [str(budget.pk)])
    question = {"sql": shares.PEOPLE_COUNTED, "epsilon": 0.5}
    status, price = api(f"/api/v1/budgets/{budget.pk}/price/", "POST", body=question)
    assert (status, 0 < price["share"] < 1) == (200, True)
    key = {"Idempotency-Key": str(uuid4())}
    status, answer = api(f"/api/v1/budgets/{budget.pk}/answers/", "POST", body=question, headers=key)
    assert status in {201, 202}
    again = api(f"/api/v1/budgets/{budget.pk}/answers/", "POST", body=question, headers=key)
    assert again[1]["id"] == answer["id"]
    assert Answer.objects.count() == 1
    lifecycle.compute(answer["id"])
    Answer.objects.update(visible_at=Answer.objects.get().created_at)
    status, released = api(f"/api/v1/answers/{answer['id']}/")
    assert (status, released["state"]) == (200, "released")
    assert released["result"]
    entry = Entry.objects.filter(action="budget.reserved").latest("at")
    assert entry.actor == guest.email


def test_a_guest_writes_code_for_review(api: Caller, guest: User):
    dataset = make.dataset()
    make.grant(dataset, guest)
    body = {"dataset": str(dataset.pk), "title": "Means"}
    status, item = api("/api/v1/requests/", "POST", body=body)
    assert (status, item["author"]["name"]) == (201, str(guest))
    said = api.raw(f"/api/v1/requests/{item['id']}/")
    etag = said.document["headers"]["ETag"]
    changed = api(
        f"/api/v1/requests/{item['id']}/", "PATCH", body={"title": "Other means"}, headers={"If-Match": etag}
    )
    assert (changed[0], changed[1]["title"]) == (200, "Other means")
    stale = api(f"/api/v1/requests/{item['id']}/", "PATCH", body={"title": "x"}, headers={"If-Match": etag})
    assert (stale[0], stale[1]["code"]) == (412, "stale")


def test_a_released_file_comes_as_bytes(api: Caller, guest: User):
    item = make.code_request(author=guest, at="released")
    output = item.runs.get(kind="private").outputs.filter(verdict="release").first()
    said = api.raw(f"/api/v1/outputs/{output.pk}/file/")
    assert said.document["status"] == 200
    assert len(base64.b64decode(said.document["content"])) == output.bytes
    assert "Content-Disposition" in said.document["headers"]
    assert Entry.objects.filter(action="output.download", actor_id=str(guest.pk)).count() == 1


def test_what_is_too_large_is_not_passed_on(api: Caller, guest: User, monkeypatch: pytest.MonkeyPatch):
    item = make.code_request(author=guest, at="released")
    output = item.runs.get(kind="private").outputs.filter(verdict="release").first()
    monkeypatch.setattr(forwarding, "MOST_BYTES", 3)
    said = api.raw(f"/api/v1/outputs/{output.pk}/file/")
    assert (said.status, said.document["code"]) == (413, "too_large")
    assert api.raw("/api/v1/datasets/").status == 413


def test_a_guest_sees_only_datasets_that_they_asked_for(api: Caller, guest: User):
    own, open_to_all = make.dataset(), make.dataset()
    make.grant(own, guest)
    assert [each["id"] for each in api("/api/v1/datasets/")[1]["items"]] == [str(own.pk)]
    assert api(f"/api/v1/datasets/{open_to_all.pk}/")[0] == 404
    asked = {"purpose": "x", "outputs": "y"}
    assert api(f"/api/v1/datasets/{open_to_all.pk}/access/", "POST", body=asked)[0] == 404
    assert api("/api/v1/datasets/", query=urlencode({"text": own.title}))[0] == 200
    assert api("/api/v1/datasets/", query="limit=1&nonsense=1")[0] == 400


def test_nothing_is_visible_that_the_person_would_not_see(api: Caller, guest: User):
    """Of what others have on the very dataset that the guest uses."""
    budget = shares.budget(shares.promise())
    dataset = budget.promise.dataset
    make.grant(dataset, guest)
    make.grant(dataset, budget.scientist)
    theirs = make.code_request(dataset=dataset, at="released")
    answer = shares.answer(budget, epsilon=0.5)
    assert api("/api/v1/budgets/")[1]["items"] == []
    assert api("/api/v1/answers/")[1]["items"] == []
    for path in (
        f"budgets/{budget.pk}/", f"answers/{answer.pk}/", f"requests/{theirs.pk}/snapshot/",
        f"outputs/{theirs.runs.filter(kind='private').first().outputs.first().pk}/file/",
    ):  # fmt: skip
        assert api(f"/api/v1/{path}")[0] in {403, 404}
    grants = api(f"/api/v1/datasets/{dataset.pk}/grants/")[1]["items"]
    assert [each["person"]["id"] for each in grants] == [str(guest.pk)]


def test_scopes_of_the_token_at_home_hold(api: Caller, guest: User):
    budget = shares.budget(shares.promise(), guest)
    make.grant(budget.promise.dataset, guest)
    question = {"sql": shares.PEOPLE_COUNTED, "epsilon": 0.5}
    path = f"/api/v1/budgets/{budget.pk}/answers/"
    status, found = api(path, "POST", body=question, scopes=["read"])
    assert (status, found["code"]) == (403, "token_scope")
    assert api("/api/v1/datasets/", scopes=[])[0] == 403
    assert api.raw("/api/v1/datasets/", scopes=["review"]).status == 400


def test_calls_are_limited_for_each_guest(api: Caller, guest: User, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(rates.RATES, "reads", 2)
    assert [api("/api/v1/me/")[0] for _ in range(3)] == [200, 200, 429]


# What nobody reaches


def test_the_list_names_operations_that_exist():
    names = {page.name.removeprefix("api:") for page in every_endpoint()}
    assert set(guest_documents.REACHABLE) <= names
    forbidden = {
        "tokens", "token", "notifications", "device", "device_token", "register", "people", "person", "invitations",
        "inbox", "events", "audit", "audit_entry", "audit_export", "workers", "version_review", "output_verdict",
        "release_decide", "access_request_decide", "top_up_decide", "dataset_ledger", "answer_rows", "reviewers",
        "network_portals", "network_portal_api", "network_askings",
    }  # fmt: skip
    assert not set(guest_documents.REACHABLE) & forbidden


def test_no_other_address_of_the_api_exists(api: Caller, monkeypatch: pytest.MonkeyPatch):
    """Every endpoint that is not listed, with every method."""
    monkeypatch.setattr(incoming, "OF_ONE_PEER", 10_000)
    monkeypatch.setattr(incoming, "FROM_ONE_NETWORK", 10_000)
    for page in every_endpoint():
        name = page.name.removeprefix("api:")
        for method in guest_documents.METHODS:
            if method not in guest_documents.REACHABLE.get(name, ()):
                assert api.raw(page.path(uuid=uuid4()), method).status == 404, (method, page.route)
        rates.counts.clear()


@pytest.mark.parametrize(
    "path",
    [
        "/inbox/",
        "/",
        "",
        "me/",
        "/api/v1",
        "/api/v1/me",
        "/api/v1//me/",
        "//api/v1/me/",
        "/api/v1/../v1/me/",
        "/api/v1/datasets/../people/",
        "/api/v1/./me/",
        "/api/v1/%6de/",
        "/api/v1/datasets%2F",
        "/api/v1/me/?x=1",
        "/api/v1/me/#x",
        "/api/v1/me/\n",
        "/api/v1/me/ ",
        "/api/v1/me\\",
        "/API/v1/me/",
        "/api/v1/Me/",
        "/api/v1/datasets/0A1B2C3D-0000-4000-8000-000000000000/",
        "http://127.0.0.1/api/v1/me/",
        "/net/1/api",
        "/api/v1/m\u0435/",
        "/api/v1/" + "x" * 400,
    ],
)
def test_a_path_counts_only_as_the_portal_writes_it(api: Caller, path: str):
    assert api("/api/v1/me/")[0] == 200
    assert api.raw(path).status in {400, 404}


@pytest.mark.parametrize(
    "parts",
    [
        {"method": "PUT"},
        {"method": "HEAD"},
        {"method": "get"},
        {"method": "GET /x HTTP/1.1"},
        {"query": "a=b c"},
        {"query": "limit=1\r\nX: y"},
        {"query": "limit=1#x"},
        {"query": "x" * 5000},
        {"headers": {"Cookie": "sessionid=x"}},
        {"headers": {"Authorization": "Bearer weir_x"}},
        {"headers": {"X-Forwarded-For": "127.0.0.1"}},
        {"headers": {"Idempotency-Key": "a\r\nb"}},
        {"headers": {"idempotency-key": str(uuid4())}},
        {"body": 1, "method": "GET", "person": "x"},
        {"person": None},
        {"home": "somewhere"},
    ],
)
def test_calls_that_are_not_passed_on(api: Caller, parts: dict[str, Any]):
    assert api.raw("/api/v1/datasets/", **{"method": "GET", **parts}).status in {400, 404}


def test_a_body_has_a_limit_and_is_base64(api: Caller, other: Portal, client: Client):
    document = {
        "person": MEI, "scopes": ["work"], "method": "POST", "path": "/api/v1/requests/", "query": "", "headers": {},
    }  # fmt: skip
    for body in ("not base64!", "eA", "A" * (guest_documents.LONGEST_BODY * 4 // 3 + 100)):
        assert other.calls(client, "POST", "/net/1/api", {**document, "body": body}).status in {400, 413}
    broken = {**document, "body": base64.b64encode(b"{").decode()}
    assert other.calls(client, "POST", "/net/1/api", broken).document["status"] == 400


# Whose calls are not answered


def test_unknown_people_and_those_of_other_portals(api: Caller, portals: Any, client: Client):
    assert api.raw("/api/v1/me/", person="nobody-0000000000000").status == 404
    third = portals("Hospital C")
    third.peer()
    assert Caller(third, client).raw("/api/v1/me/").status == 404
    assert api("/api/v1/me/")[0] == 200


def test_a_guest_who_was_shut_out(api: Caller, peer: Peer, guest: User):
    accounts.end(guest, by=make.admin(), reason="They left.")
    assert api.raw("/api/v1/me/").status == 404


def test_a_guest_whose_portal_was_removed(api: Caller, other: Portal, peer: Peer, client: Client):
    guests.shut_out(peer, by=make.admin(), reason="Removed.")
    assert api.raw("/api/v1/me/").status == 404
    Peer.objects.update(state=Peer.State.REMOVED)
    again = other.peer()
    assert again.pk != peer.pk
    assert api.raw("/api/v1/me/").status == 404


def test_a_guest_whose_access_was_revoked_sees_what_they_had_and_asks_no_more(api: Caller, guest: User):
    from datasets import services  # noqa: PLC0415

    budget = shares.budget(shares.promise(), guest)
    grant = make.grant(budget.promise.dataset, guest)
    services.revoke_access(grant, by=budget.promise.dataset.owner, reason="Over.")
    question = {"sql": shares.PEOPLE_COUNTED, "epsilon": 0.5}
    assert api("/api/v1/budgets/")[1]["items"][0]["id"] == str(budget.pk)
    status, why = api(f"/api/v1/budgets/{budget.pk}/answers/", "POST", body=question)
    assert (status, why["code"]) == (403, "denied")


def test_the_guests_authentication_is_reached_by_no_request(client: Client, guest: User):
    """Nothing that a request can carry makes it the guest's."""
    for headers in (
        {"Authorization": f"Bearer {guest.pk}"},
        {"Weir-Guest": str(guest.pk)},
        {"X-Remote-User": guest.email},
        {"Remote-User": guest.email},
    ):
        assert client.get(reverse("api:me"), headers=headers).status_code == 401
