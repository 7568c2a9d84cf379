"""Calls of another portal's REST API that this portal passes on for its people."""

import base64
import json
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from accounts.models import User
from accounts.services import suspend
from network.models import AskedElsewhere, Peer
from tests import make
from tests.network.askings import asked, mei, peer, sent
from tests.network.portals import Portal
from tests.rest import bearer, problem

__all__ = ["asked", "mei", "peer"]
pytestmark = pytest.mark.django_db


def answers(other: Portal, content: Any, status: int = 200, **headers: str) -> None:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    other.answers["POST", "/net/1/api"] = lambda _: {
        "status": status,
        "headers": {"Content-Type": "application/json", **headers},
        "content": base64.b64encode(text).decode(),
    }


def url(peer: Peer, rest: str) -> str:
    return f"/api/v1/network/portals/{peer.pk}/api/{rest}"


def test_a_call_is_passed_on_in_the_persons_name(
    other: Portal, peer: Peer, mei: User, asked: AskedElsewhere, client: Client
):
    answers(other, {"items": [], "next": None}, ETag='"x"')
    headers = {**bearer(mei), "Cookie": "secret=1", "If-None-Match": '"y"', "X-Other": "z"}
    answer = client.get(url(peer, "datasets/?limit=1"), headers=headers)
    assert (answer.status_code, answer.json(), answer["ETag"]) == (200, {"items": [], "next": None}, '"x"')
    (document,) = sent(other, "/net/1/api")
    assert document == {
        "person": asked.remote_id,
        "scopes": ["read"],
        "method": "GET",
        "path": "/api/v1/datasets/",
        "query": "limit=1",
        "headers": {"If-None-Match": '"y"'},
        "body": None,
    }


def test_bodies_keys_and_refusals_pass(
    other: Portal, peer: Peer, mei: User, asked: AskedElsewhere, client: Client
):
    answers(other, {"code": "budget_exceeded", "detail": "Too much."}, 402)
    key = str(uuid4())
    path = url(peer, f"budgets/{uuid4()}/answers/")
    headers = {**bearer(mei, "read", "ask"), "Idempotency-Key": key}
    answer = client.post(path, '{"epsilon": 0.5}', content_type="application/json", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (402, "budget_exceeded")
    (document,) = sent(other, "/net/1/api")
    assert base64.b64decode(document["body"]) == b'{"epsilon": 0.5}'
    assert (document["headers"], document["scopes"]) == ({"Idempotency-Key": key}, ["read", "ask"])


def test_files_pass_as_bytes_and_open_nothing_here(
    other: Portal, peer: Peer, mei: User, asked: AskedElsewhere, client: Client
):
    answers(other, b"\x00\xff<script>", **{"Content-Type": "text/html", "Set-Cookie": "sessionid=x"})
    answer = client.get(url(peer, f"outputs/{uuid4()}/file/"), headers=bearer(mei, "work"))
    assert (answer.content, "Set-Cookie" in answer) == (b"\x00\xff<script>", False)
    assert answer["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_a_token_needs_the_scope_that_it_would_need_here(
    other: Portal, peer: Peer, mei: User, asked: AskedElsewhere, client: Client
):
    answers(other, {})
    body = {"content_type": "application/json", "data": "{}"}
    price = url(peer, f"budgets/{uuid4()}/price/")
    problem(client.post(price, headers=bearer(mei, "read", "work"), **body), 403, "token_scope")
    problem(
        client.post(url(peer, "requests/"), headers=bearer(mei, "read", "ask"), **body), 403, "token_scope"
    )
    problem(client.get(url(peer, "datasets/"), headers=bearer(mei, "publish")), 403, "token_scope")
    some = bearer(mei, "read", dataset_ids=[make.dataset().pk])
    problem(client.get(url(peer, "datasets/"), headers=some), 403, "token_scope")
    assert sent(other, "/net/1/api") == []


@pytest.mark.parametrize(
    "rest",
    [
        "people/", "me/tokens/", "audit/", "inbox/", "network/portals/", "nothing/", "", "datasets", "../v1/me/",
        "datasets/../people/", "/me/", "datasets//", "%2e%2e/me/", "me/%2F", "..%2fme/", "events/", "me/./",
    ],
)  # fmt: skip
def test_other_addresses_are_not_passed_on(
    other: Portal, peer: Peer, mei: User, asked: AskedElsewhere, client: Client, rest: str
):
    answers(other, {})
    assert client.get(url(peer, rest), headers=bearer(mei)).status_code == 404
    assert sent(other, "/net/1/api") == []


def test_methods_that_are_not_passed_on(peer: Peer, mei: User, asked: AskedElsewhere, client: Client):
    headers = bearer(mei, "read", "work")
    for method in ("PUT", "OPTIONS", "TRACE"):
        assert client.generic(method, url(peer, "datasets/"), headers=headers).status_code == 405
    assert client.delete(url(peer, "datasets/"), headers=headers).status_code == 404


def test_whose_calls_are_not_passed_on(
    other: Portal, peer: Peer, mei: User, asked: AskedElsewhere, client: Client
):
    answers(other, {})
    assert client.get(url(peer, "datasets/")).status_code == 401
    problem(client.get(url(peer, "datasets/"), headers=bearer(make.scientist())), 404, "not_found")
    problem(client.get(url(peer, "datasets/"), headers=bearer(make.owner())), 403, "denied")
    assert client.get(url(Peer(pk=uuid4()), "datasets/"), headers=bearer(mei)).status_code == 404
    token = bearer(mei)
    Peer.objects.filter(pk=peer.pk).update(state=Peer.State.SUSPENDED)
    assert client.get(url(peer, "datasets/"), headers=token).status_code == 404
    Peer.objects.filter(pk=peer.pk).update(state=Peer.State.ACTIVE)
    suspend(mei, by=make.admin(), reason="They left.")
    assert client.get(url(peer, "datasets/"), headers=token).status_code == 401
    assert sent(other, "/net/1/api") == []


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 200, "headers": {}, "content": "no base64!"},
        {"status": 999, "headers": {}, "content": ""},
        {"status": 302, "headers": {"Location": "https://c.example/"}, "content": ""},
        {"status": 200, "headers": {"ETag": 1}, "content": None},
        {"status": 200, "content": ""},
        {},
    ],
)
def test_an_answer_of_the_api_that_makes_no_sense(
    other: Portal, peer: Peer, mei: User, asked: AskedElsewhere, client: Client, answer: dict[str, Any]
):
    other.answers["POST", "/net/1/api"] = lambda _: answer
    problem(client.get(url(peer, "datasets/"), headers=bearer(mei)), 502, "unreachable")


def test_a_portal_that_does_not_answer(
    other: Portal, peer: Peer, mei: User, asked: AskedElsewhere, client: Client
):
    other.answers["POST", "/net/1/api"] = lambda _: (500, {})
    problem(client.get(url(peer, "datasets/"), headers=bearer(mei)), 502, "unreachable")
