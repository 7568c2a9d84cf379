"""The device flow, as a program sees it."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import DeviceSignIn
from accounts.services import programs
from common.rest import rates
from tests import make
from tests.rest import problem

pytestmark = pytest.mark.django_db
START, POLL = "/api/v1/device/", "/api/v1/device/token/"
WANTED = {"client": "weir 0.1.0 on nebula", "scopes": ["read", "ask"]}


def post(client: Client, path: str, body: Any, **headers: str) -> Any:
    return client.post(path, body, content_type="application/json", headers=headers)


def test_the_whole_flow(client: Client):
    person = make.scientist()
    begun = post(client, START, WANTED).json()
    assert begun.keys() == {"device_code", "user_code", "verification_uri", "expires_in", "interval"}
    assert (begun["expires_in"], begun["interval"]) == (600, 5)
    assert begun["verification_uri"].endswith("/people/device/")
    assert begun["user_code"] not in begun["verification_uri"]
    poll = {"device_code": begun["device_code"]}
    problem(post(client, POLL, poll), 400, "authorization_pending")
    problem(post(client, POLL, poll), 400, "slow_down")
    browser = Client()
    browser.force_login(person)
    browser.post("/people/device/", {"code": begun["user_code"]})
    browser.post("/people/device/allow/", {"code": begun["user_code"]})
    given = post(client, POLL, poll)
    assert (given.status_code, given["Cache-Control"]) == (200, "no-store, private")
    answer = given.json()
    assert (answer["token_type"], answer["token"]["origin"]) == ("Bearer", "device")
    me = client.get("/api/v1/me/", headers={"Authorization": f"Bearer {answer['access_token']}"}).json()
    assert (me["id"], me["scopes"]) == (str(person.pk), ["ask", "read"])
    problem(post(client, POLL, poll), 400, "expired_token")


def test_a_refusal(client: Client):
    begun = post(client, START, WANTED).json()
    programs.refuse(DeviceSignIn.objects.get(), by=make.scientist())
    problem(post(client, POLL, {"device_code": begun["device_code"]}), 400, "access_denied")


def test_an_unknown_code(client: Client):
    problem(post(client, POLL, {"device_code": "x" * 43}), 400, "expired_token")


@pytest.mark.parametrize(
    "changed",
    [
        {"client": ""},
        {"client": "x" * 101},
        {"client": 7.5, "extra": 1},
        {"scopes": []},
        {"scopes": "read"},
        {"scopes": ["publish"]},
        {"scopes": ["read"] * 4},
        {"scopes": [["read"]]},
    ],
    ids=str,
)
def test_what_is_not_begun(client: Client, changed: dict[str, Any]):
    problem(post(client, START, {**WANTED, **changed}), 400, "invalid")
    assert not DeviceSignIn.objects.exists()


def test_a_deceptive_name_is_refused(client: Client):
    problem(post(client, START, {**WANTED, "client": "weir\u202ekcah"}), 400, "refused")


@pytest.mark.parametrize(
    "body", [{}, {"device_code": ""}, {"device_code": "x" * 101}, {"device_code": None}], ids=str
)
def test_a_poll_without_a_code(client: Client, body: Any):
    problem(post(client, POLL, body), 400, "invalid")


def test_whoever_is_signed_in_does_not_matter(client: Client):
    """Neither an old token nor a session: a program has nothing yet, and nothing of it is used."""
    client.force_login(make.admin())
    answer = post(client, START, WANTED, Authorization="Bearer weir_old")
    assert answer.status_code == 200
    assert DeviceSignIn.objects.get().person is None


def test_the_asking_address_is_kept(client: Client, settings: Any):
    client.post(START, WANTED, content_type="application/json", REMOTE_ADDR="203.0.113.9")
    assert DeviceSignIn.objects.get().address == "203.0.113.9"


def test_too_many_that_wait(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(programs, "OPEN_PER_NETWORK", 1)
    post(client, START, WANTED)
    answer = post(client, START, WANTED)
    problem(answer, 429, "too_many")
    assert answer["Retry-After"] == "60"


def test_beginnings_and_polls_are_counted_apart(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("common.rest.rates.time.time", lambda: 1_000_000.0)
    monkeypatch.setitem(rates.RATES, "sign_in", 1)
    begun = post(client, START, WANTED).json()
    problem(post(client, START, WANTED), 429, "too_many")
    problem(post(client, POLL, {"device_code": begun["device_code"]}), 400, "authorization_pending")
    monkeypatch.setitem(rates.RATES, "polls", 1)
    problem(post(client, POLL, {"device_code": begun["device_code"]}), 429, "too_many")
