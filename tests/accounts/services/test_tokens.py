"""Access tokens: what may be made, what ends them, what is recorded."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from accounts import secrets, services
from accounts.models import AccessToken, User
from accounts.services import tokens
from audit.models import Entry
from common.errors import Conflict, Denied, Refused
from tests import make
from tests.racing import at_once
from tests.rest import bearer, problem

ME = "/api/v1/me/"


@pytest.fixture
def person(db: None) -> User:
    return make.scientist()


def made(person: User, **fields: Any) -> tuple[AccessToken, str]:
    return tokens.make(by=person, **{"name": "notebook", "scopes": ["read"], **fields})


def test_a_secret_is_shown_once_and_kept_as_a_hash(person: User):
    token, secret = made(person, scopes=["work", "read"])
    assert secrets.is_well_formed(secret)
    assert (token.secret_hash, token.ending) == (secrets.digest(secret), secret[-4:])
    assert secret not in str(AccessToken.objects.values().get())
    assert token.scopes == ["read", "work"]
    assert token.expires_at - token.created_at == pytest.approx(timedelta(days=30), abs=timedelta(seconds=5))


def test_making_and_revoking_are_recorded(person: User):
    token, secret = made(person)
    tokens.revoke(token, by=person)
    entries = Entry.objects.filter(action__startswith="token.").order_by("id")
    assert [entry.action for entry in entries] == ["token.make", "token.revoke"]
    first = entries[0]
    assert (first.actor_id, first.object_id, first.person_id) == (
        str(person.pk), str(token.pk), str(person.pk),
    )  # fmt: skip
    assert (first.detail["scopes"], first.detail["datasets"], first.detail["origin"]) == (
        ["read"],
        "all",
        "page",
    )
    assert entries[1].changes == {"state": ["live", "revoked"]}
    assert all(secret not in entry.payload for entry in entries)


def test_the_first_use_of_a_day_is_recorded(person: User, client: Client):
    headers = bearer(person)
    for _ in range(3):
        assert client.get(ME, headers=headers).status_code == 200
    assert Entry.objects.filter(action="token.use").count() == 1
    AccessToken.objects.update(last_used_on=date(2026, 1, 1))
    client.get(ME, headers=headers)
    entry = Entry.objects.filter(action="token.use").latest("id")
    assert (entry.actor_id, entry.detail) == (str(person.pk), {"day": timezone.now().date().isoformat()})
    assert Entry.objects.filter(action="token.use").count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_first_uses_at_once_are_recorded_once():
    token, _ = made(make.scientist())
    again = AccessToken.objects.get(pk=token.pk)
    assert at_once(lambda: tokens.used(token), lambda: tokens.used(again)) == [None, None]
    assert Entry.objects.filter(action="token.use").count() == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "  "},
        {"name": "x" * 101},
        {"name": "a\x00b"},
        {"name": "a\nb"},
        {"name": "safe\u202egnp.exe"},
        {"name": "no\u200bthing"},
        {"scopes": []},
        {"scopes": ["everything"]},
        {"scopes": ["read", "everything"]},
        {"days": 0},
        {"days": 366},
        {"days": 31, "scopes": ["publish"]},
        {"days": 31, "scopes": ["read", "budgets"]},
        {"days": 31, "scopes": ["review"]},
        {"dataset_ids": []},
        {"dataset_ids": [UUID(int=number) for number in range(101)]},
    ],
    ids=str,
)
def test_what_is_not_made(person: User, fields: dict[str, Any]):
    with pytest.raises(Refused):
        made(person, **fields)
    assert not AccessToken.objects.exists()


def test_the_longest_that_may_be_made(person: User):
    assert made(person, days=365, name="x" * 100)[0].state == "live"
    assert made(person, days=30, scopes=["publish", "budgets", "review"])[0].state == "live"


def test_fifty_live_tokens_are_enough(person: User, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tokens, "MOST", 2)
    first, _ = made(person)
    made(person)
    with pytest.raises(Conflict, match="You have 2 access tokens already"):
        made(person)
    tokens.revoke(first, by=person)
    made(person)
    made(make.scientist())


def test_who_is_suspended_makes_none(person: User):
    services.suspend(person, by=make.admin(), reason="Gone.")
    with pytest.raises(Denied):
        made(User.objects.get(pk=person.pk))


def test_nobody_revokes_for_others_or_twice(person: User):
    token, _ = made(person)
    with pytest.raises(Conflict, match="belongs to somebody else"):
        tokens.revoke(token, by=make.admin())
    tokens.revoke(token, by=person)
    with pytest.raises(Conflict, match="revoked already"):
        tokens.revoke(token, by=person)


@pytest.mark.parametrize(
    "end", ["suspend", "sign out everywhere", "an admin", "a new password", "second step"]
)
def test_what_ends_every_token_on_the_next_request(person: User, client: Client, end: str):
    headers, other = bearer(person), make.scientist()
    kept = bearer(other)
    assert client.get(ME, headers=headers).status_code == 200
    admin = make.admin()
    match end:
        case "suspend":
            services.suspend(person, by=admin, reason="Gone.")
            services.reinstate(person, by=admin, reason="Back.")
        case "sign out everywhere":
            services.end_sessions(person, by=person)
        case "an admin":
            services.end_sessions(person, by=admin)
        case "a new password":
            services.password_changed(person, by=person, action="user.change_password", keep=None)
        case _:
            services.password_changed(person, by=person, action="user.add_factor", keep=None)
    if end == "second step":
        assert client.get(ME, headers=headers).status_code == 200, "a second step more takes nothing away"
    else:
        problem(client.get(ME, headers=headers), 401, "token_revoked")
    assert client.get(ME, headers=kept).status_code == 200


def test_a_suspended_account_has_no_tokens_that_work(person: User, client: Client):
    """Not even one that the suspension did not reach."""
    headers = bearer(person)
    User.objects.filter(pk=person.pk).update(state="suspended", is_active=False)
    problem(client.get(ME, headers=headers), 401, "unauthenticated")


def test_a_token_expires(person: User, client: Client):
    headers = bearer(person, days=1)
    assert client.get(ME, headers=headers).status_code == 200
    AccessToken.objects.update(expires_at=timezone.now())
    problem(client.get(ME, headers=headers), 401, "token_expired")
    assert AccessToken.objects.get().get_state_display() == "Expired"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda secret: secret[:-1],
        lambda secret: secret + "0",
        lambda secret: secret[:5] + ("A" if secret[5] != "A" else "B") + secret[6:],
        lambda secret: secret.upper(),
        lambda secret: secret.removeprefix("weir_"),
    ],
)
def test_a_mistyped_secret_is_seen_without_a_query(
    person: User, client: Client, spoil: Any, django_assert_num_queries: Any
):
    _, secret = made(person)
    with django_assert_num_queries(0):
        answer = client.get(ME, headers={"Authorization": f"Bearer {spoil(secret)}"})
    problem(answer, 401, "unauthenticated")


def test_a_well_formed_secret_of_nobody(client: Client, db: None):
    problem(client.get(ME, headers={"Authorization": f"Bearer {secrets.new()}"}), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("bcdf-ghjk", "BCDFGHJK"),
        (" BCDF GHJK ", "BCDFGHJK"),
        ("BCDFGHJK", "BCDFGHJK"),
        ("BCDF-GHJ", ""),
        ("BCDF-GHJA", ""),
        ("BCDF-GHJKL", ""),
        ("", ""),
        ("-" * 1000 + "BCDFGHJK", ""),
    ],
)
def test_user_codes_are_read_however_they_are_typed(text: str, code: str):
    assert secrets.typed(text) == code


def test_user_codes_have_no_letters_that_are_confused():
    codes = {secrets.new_user_code() for _ in range(200)}
    assert len(codes) == 200
    assert {letter for code in codes for letter in code} == set("BCDFGHJKLMNPQRSTVWXZ")
    assert secrets.typed(secrets.shown("BCDFGHJK")) == "BCDFGHJK"
