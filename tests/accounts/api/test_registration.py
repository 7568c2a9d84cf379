"""Asking for an account in the API: as on the page, and the same answer whether or not the address has one."""

from typing import Any

import pytest
from django.core import mail
from django.test import Client

from accounts.models import Mail, User
from accounts.services import registration
from tests import make
from tests.rest import problem

pytestmark = pytest.mark.django_db
PATH = "/api/v1/register/"
GIVEN = {
    "email": "noor@weir.example",
    "name": "Noor New",
    "affiliation": "Institute",
    "note": "To study wages.",
    "password": make.PASSWORD,
}


@pytest.fixture(autouse=True)
def _open(settings: Any) -> None:
    settings.REGISTRATION = True


def post(client: Client, body: Any = None, **changed: Any) -> Any:
    return client.post(PATH, {**GIVEN, **changed} if body is None else body, content_type="application/json")


def test_an_account_waits_for_an_admin(client: Client):
    answer = post(client)
    assert (answer.status_code, "e-mail" in answer.json()["detail"]) == (202, True)
    person = User.objects.get(email="noor@weir.example")
    assert (person.state, person.name, person.affiliation, person.time_zone, person.registration_note) == (
        "pending", "Noor New", "Institute", "UTC", "To study wages.",
    )  # fmt: skip
    assert person.check_password(make.PASSWORD)
    assert Mail.objects.get().kind == "registered"


def test_a_known_address_is_answered_the_same(client: Client):
    make.user(email="noor@weir.example", name="Noor Old")
    known, unknown = post(client), post(client, email="other@weir.example")
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    assert User.objects.get(email="noor@weir.example").name == "Noor Old"
    assert len(mail.outbox) == 0, "what differs is in the letters that a worker writes"


def test_a_closed_registration(client: Client, settings: Any):
    settings.REGISTRATION = False
    problem(post(client), 403, "denied")
    assert not User.objects.filter(email="noor@weir.example").exists()


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": ""}, "email"),
        ({"name": "<script>"}, "name"),
        ({"password": "short"}, "password"),
        ({"password": "noor@weir.example"}, "password"),
        ({"time_zone": "Mars/Base"}, "time_zone"),
        ({"affiliation": ""}, "affiliation"),
        ({"note": "x" * 2001}, "note"),
        ({"roles": ["admin"]}, "roles"),
        ({"state": "active"}, "state"),
    ],
    ids=str,
)
def test_what_is_not_right_is_named(client: Client, changed: dict[str, Any], field: str):
    answer = problem(post(client, **changed), 400, "invalid")
    assert list(answer["fields"]) == [field]
    assert not User.objects.filter(state="pending").exists()


def test_spaces_around_a_password_are_a_part_of_it(client: Client):
    post(client, password=f" {make.PASSWORD} ")
    assert User.objects.get(email="noor@weir.example").check_password(f" {make.PASSWORD} ")


def test_one_address_is_asked_for_five_times_an_hour(client: Client):
    answers = [post(client).status_code for _ in range(6)]
    assert answers == [202] * 5 + [429]
    assert "Retry-After" in post(client)


def test_too_many_who_wait(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registration, "WAITING", 0)
    problem(post(client), 400, "refused")
