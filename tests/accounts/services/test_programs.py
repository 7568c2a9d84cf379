"""Signing in a program by its code: who may decide, what it gets, and that it gets it once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts import secrets, services
from accounts.models import AccessToken, DeviceSignIn, User
from accounts.services import programs, tokens
from accounts.tasks import forget_expired_sign_ins
from audit.models import Entry
from common.errors import Conflict, Denied, Refused
from tests import make
from tests.guards.test_reauthentication import age
from tests.racing import at_once

pytestmark = pytest.mark.django_db
As = Callable[[User], Client]
DEVICE = "/people/device/"


@pytest.fixture(autouse=True)
def _no_tries_yet() -> None:
    cache.clear()


@pytest.fixture
def person() -> User:
    return make.scientist()


def begin(**fields: Any) -> tuple[DeviceSignIn, str]:
    return programs.begin(**{"name": "weir on nebula", "scopes": ["read"], "address": "192.0.2.7", **fields})


def later(item: DeviceSignIn, **fields: timedelta) -> None:
    """Let the row be as it will be after so much time."""
    item.refresh_from_db()
    for name, span in fields.items():
        setattr(item, name, getattr(item, name) - span)
    item.save()


def refused(code: str) -> str:
    with pytest.raises(Refused) as caught:
        programs.poll(code)
    return caught.value.code


# What a program gets


def test_a_program_gets_its_token_once_its_person_allows_it(person: User):
    item, code = begin(scopes=["work", "read"])
    assert refused(code) == "authorization_pending"
    programs.allow(item, by=person)
    token, secret = programs.poll(code)
    assert (token.owner, token.name, token.scopes) == (person, "weir on nebula", ["read", "work"])
    assert (token.origin, token.secret_hash, token.dataset_ids) == ("device", secrets.digest(secret), None)
    assert token.expires_at - timezone.now() == pytest.approx(timedelta(days=30), abs=timedelta(minutes=1))


def test_who_decided_on_what_is_recorded(person: User):
    item, code = begin()
    programs.allow(item, by=person)
    programs.poll(code)
    other, _ = begin()
    programs.refuse(other, by=person)
    entries = list(Entry.objects.order_by("id"))
    assert [entry.action for entry in entries] == ["device.allow", "token.make", "device.refuse"]
    assert {entry.actor_id for entry in entries} == {str(person.pk)}
    assert entries[0].detail == {"scopes": ["read"], "client": "192.0.2.7"}
    assert entries[1].detail["origin"] == "device"
    hidden = [code, item.user_code, other.user_code]
    assert [text for text in hidden for entry in entries if text in entry.payload] == []


def test_only_hashes_of_secrets_are_kept():
    item, code = begin()
    assert code not in str(DeviceSignIn.objects.values().get())
    assert item.device_hash == secrets.digest(code)


def test_a_refused_program_gets_nothing(person: User):
    item, code = begin()
    programs.refuse(item, by=person)
    assert refused(code) == refused(code) == "access_denied"
    assert not AccessToken.objects.exists()


@pytest.mark.parametrize("code", ["", "x", "\x00", "a" * 100])
def test_an_unknown_code_is_answered_like_one_that_has_expired(person: User, code: str):
    item, known = begin()
    later(item, expires_at=timedelta(seconds=programs.SECONDS))
    with pytest.raises(programs.ExpiredToken) as expired:
        programs.poll(known)
    with pytest.raises(programs.ExpiredToken) as unknown:
        programs.poll(code)
    assert str(unknown.value) == str(expired.value)


def test_what_has_expired_can_be_neither_allowed_nor_used(person: User):
    item, code = begin()
    allowed, other = begin()
    programs.allow(allowed, by=person)
    for each in (item, allowed):
        later(each, expires_at=timedelta(seconds=programs.SECONDS))
    assert programs.find(item.user_code) is None
    with pytest.raises(Conflict):
        programs.allow(item, by=person)
    assert refused(code) == refused(other) == "expired_token"


def test_who_polls_too_often_is_slowed_down(person: User):
    item, code = begin()
    assert [refused(code) for _ in range(3)] == ["authorization_pending", "slow_down", "slow_down"]
    item.refresh_from_db()
    assert item.interval == 15
    later(item, polled_at=timedelta(seconds=16))
    assert refused(code) == "authorization_pending"
    for _ in range(20):
        refused(code)
    item.refresh_from_db()
    assert item.interval == programs.LONGEST_INTERVAL
    programs.allow(item, by=person)
    assert programs.poll(code)[0].state == "live", "the answer itself does not wait"


def test_a_token_that_got_lost_is_replaced(person: User):
    item, code = begin()
    programs.allow(item, by=person)
    first, _ = programs.poll(code)
    later(item, polled_at=timedelta(seconds=5))
    second, _ = programs.poll(code)
    first.refresh_from_db()
    assert (first.state, second.state) == ("revoked", "live")


def test_who_asks_for_another_token_too_soon_is_slowed_down(person: User):
    item, code = begin()
    programs.allow(item, by=person)
    token, _ = programs.poll(code)
    assert [refused(code), refused(code)] == ["slow_down", "slow_down"]
    item.refresh_from_db()
    assert (item.interval, AccessToken.objects.get()) == (15, token)
    later(item, polled_at=timedelta(seconds=15))
    assert programs.poll(code)[0] != token


def test_a_token_is_replaced_a_few_times_and_no_more(person: User):
    item, code = begin()
    programs.allow(item, by=person)
    programs.poll(code)
    for _ in range(programs.REPLACEMENTS):
        later(item, polled_at=timedelta(seconds=5))
        programs.poll(code)
    later(item, polled_at=timedelta(seconds=5))
    assert refused(code) == "expired_token"
    assert AccessToken.objects.count() == 1 + programs.REPLACEMENTS
    assert AccessToken.objects.live().count() == 1


def test_the_minute_counts_from_the_first_token(person: User):
    item, code = begin()
    programs.allow(item, by=person)
    programs.poll(code)
    later(item, polled_at=timedelta(seconds=30), given_at=timedelta(seconds=30))
    programs.poll(code)
    later(item, polled_at=timedelta(seconds=30), given_at=timedelta(seconds=30))
    assert refused(code) == "expired_token"


def test_a_token_is_not_replaced_once_it_was_used(person: User):
    item, code = begin()
    programs.allow(item, by=person)
    token, _ = programs.poll(code)
    tokens.used(token)
    assert refused(code) == "expired_token"
    token.refresh_from_db()
    assert token.state == "live"


def test_a_token_is_not_replaced_after_a_minute_or_once_it_was_revoked(person: User):
    item, code = begin()
    programs.allow(item, by=person)
    token, _ = programs.poll(code)
    span = timedelta(seconds=programs.REPLACED_SECONDS)
    later(item, given_at=span)
    assert refused(code) == "expired_token"
    later(item, given_at=-span)
    assert refused(code) == "slow_down", "it could be replaced again"
    tokens.revoke(token, by=person)
    assert refused(code) == "expired_token"


def test_what_ends_all_tokens_ends_the_consent_to_one_too(person: User):
    item, code = begin()
    programs.allow(item, by=person)
    services.end_sessions(person, by=person)
    assert refused(code) == "access_denied"
    assert not AccessToken.objects.exists()


def test_the_limit_on_tokens_holds(person: User, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tokens, "MOST", 1)
    kept, _ = tokens.make(by=person, name="old", scopes=["read"])
    item, code = begin()
    programs.allow(item, by=person)
    assert refused(code) == "conflict"
    tokens.revoke(kept, by=person)
    assert programs.poll(code)[0].state == "live"


@pytest.mark.django_db(transaction=True)
def test_two_polls_at_once_leave_one_token_that_works():
    item, code = begin()
    programs.allow(item, by=make.scientist())
    results = at_once(lambda: programs.poll(code), lambda: programs.poll(code))
    assert sorted(type(result).__name__ for result in results) == ["SlowDown", "tuple"]
    assert AccessToken.objects.get().state == "live"


@pytest.mark.django_db(transaction=True)
def test_a_poll_and_a_sign_out_at_once_leave_no_token():
    person = make.scientist()
    for _ in range(5):
        item, code = begin()
        programs.allow(item, by=person)
        at_once(lambda code=code: programs.poll(code), lambda: services.end_sessions(person, by=person))
        assert not AccessToken.objects.live().exists()


@pytest.mark.django_db(transaction=True)
def test_two_people_at_once_do_not_both_decide():
    one, two = make.scientist(), make.scientist()
    item, _ = begin()
    results = at_once(lambda: programs.allow(item, by=one), lambda: programs.refuse(item, by=two))
    assert sum(isinstance(result, Conflict) for result in results) == 1


# What may be asked for


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "x" * 101},
        {"name": "a\u202eb"},
        {"scopes": []},
        {"scopes": ["publish"]},
        {"scopes": ["read", "budgets"]},
        {"scopes": ["review"]},
        {"scopes": ["audit"]},
        {"scopes": ["nothing"]},
    ],
    ids=str,
)
def test_what_no_program_gets_in_this_way(fields: dict[str, Any]):
    with pytest.raises(Refused):
        begin(**fields)


@pytest.mark.parametrize(
    "addresses", [["192.0.2.7"] * 3, ["2001:db8::1", "2001:db8::2", "2001:db8::3:0:0:4"]]
)
def test_few_wait_in_one_network(monkeypatch: pytest.MonkeyPatch, person: User, addresses: list[str]):
    monkeypatch.setattr(programs, "OPEN_PER_NETWORK", 2)
    first, _ = begin(address=addresses[0])
    begin(address=addresses[1])
    with pytest.raises(programs.TooManyOpen):
        begin(address=addresses[2])
    begin(address="2001:db8:0:1::1")
    programs.refuse(first, by=person)
    begin(address=addresses[2])


def test_when_too_many_wait_the_oldest_of_the_fullest_network_makes_room(
    monkeypatch: pytest.MonkeyPatch, person: User
):
    monkeypatch.setattr(programs, "OPEN", 4)
    alone, own = begin(address="192.0.2.8")
    programs.refuse(begin(address="2001:db8::9")[0], by=person)
    _, dropped = begin(address="2001:db8::1")
    _, kept = begin(address="2001:db8::2")
    for address in ("192.0.2.9", "192.0.2.10"):
        begin(address=address)
    assert refused(dropped) == "expired_token"
    assert refused(own) == refused(kept) == "authorization_pending"
    assert set(DeviceSignIn.objects.values_list("address", flat=True)) == {
        "192.0.2.8", "192.0.2.9", "192.0.2.10", "2001:db8::2", "2001:db8::9",
    }  # fmt: skip
    assert programs.allow(alone, by=person).state == "allowed"


def test_nobody_decides_twice_or_while_suspended(person: User):
    item, _ = begin()
    services.suspend(person, by=make.admin(), reason="Gone.")
    with pytest.raises(Denied):
        programs.allow(item, by=User.objects.get(pk=person.pk))
    other = make.scientist()
    programs.refuse(item, by=other)
    with pytest.raises(Conflict):
        programs.allow(item, by=other)


def test_the_database_wants_a_person_for_every_decision():
    begin()
    with pytest.raises(IntegrityError), transaction.atomic():
        DeviceSignIn.objects.update(state="allowed")
    with pytest.raises(IntegrityError), transaction.atomic():
        DeviceSignIn.objects.update(person=make.user())


def test_what_expired_a_day_ago_is_forgotten(person: User):
    old, code = begin()
    programs.allow(old, by=person)
    programs.poll(code)
    begin()
    assert programs.forget_expired() == 0
    later(old, expires_at=timedelta(days=1, seconds=programs.SECONDS))
    forget_expired_sign_ins()
    assert DeviceSignIn.objects.count() == 1
    assert AccessToken.objects.get().state == "live"


# The page


def test_a_person_sees_what_they_sign_in(as_: As, person: User):
    item, code = begin(name="weir <b>on</b> nebula", scopes=["read", "ask"])
    client = as_(person)
    assert item.user_code not in client.get(DEVICE).content.decode()
    shown = secrets.shown(item.user_code)
    page = client.post(DEVICE, {"code": shown.lower()}).content.decode()
    for text in (shown, "weir &lt;b&gt;on&lt;/b&gt; nebula", "192.0.2.7", "127.0.0.1", "Another address"):
        assert text in page
    for text in ("Only if you started this yourself", "<strong>ask</strong>", "30 days"):
        assert text in page
    assert "<strong>work</strong>" not in page
    assert DeviceSignIn.objects.get().state == "waiting", "to look decides nothing"
    assert client.post(f"{DEVICE}allow/", {"code": shown})["Location"] == "/people/tokens/"
    assert programs.poll(code)[0].owner == person


def test_a_person_refuses(as_: As, person: User):
    item, code = begin()
    as_(person).post(f"{DEVICE}refuse/", {"code": item.user_code})
    assert refused(code) == "access_denied"


@pytest.mark.parametrize("code", ["", "BCDF-GHJ", "BCDF-GHJA", "x" * 50])
def test_what_is_no_code_costs_no_try(as_: As, person: User, code: str):
    item, _ = begin()
    client = as_(person)
    for _ in range(7):
        assert client.post(DEVICE, {"code": code}).status_code == 422
    assert client.post(DEVICE, {"code": item.user_code}).status_code == 200


def test_after_five_wrong_codes_a_person_waits_and_others_do_not(as_: As, person: User):
    item, _ = begin()
    client = as_(person)
    wrong = "BCDF-GHJK" if item.user_code != "BCDFGHJK" else "BCDF-GHJL"
    for _ in range(4):
        assert "No program waits with this code" in client.post(DEVICE, {"code": wrong}).content.decode()
    assert client.post(f"{DEVICE}allow/", {"code": wrong}).status_code == 400
    for path in (DEVICE, f"{DEVICE}allow/", f"{DEVICE}refuse/"):
        answer = client.post(path, {"code": item.user_code})
        assert (answer.status_code, "Wait ten minutes" in answer.content.decode()) == (429, True)
    assert DeviceSignIn.objects.get().state == "waiting"
    assert as_(make.scientist()).post(DEVICE, {"code": item.user_code}).status_code == 200


def test_expired_and_decided_codes_are_answered_like_unknown_ones(as_: As, person: User):
    expired, _ = begin()
    later(expired, expires_at=timedelta(seconds=programs.SECONDS))
    decided, _ = begin()
    programs.refuse(decided, by=person)
    client = as_(make.scientist())
    answers = {
        client.post(DEVICE, {"code": code}).status_code for code in (expired.user_code, decided.user_code)
    }
    assert answers == {400}


def test_an_old_sign_in_is_confirmed_before_a_program_gets_one(sign_in: Callable[..., Client]):
    client = sign_in(make.scientist(password=make.PASSWORD))
    item, code = begin()
    age(client, 15 * 60 + 1)
    asked = client.post(f"{DEVICE}allow/", {"code": item.user_code})
    assert (asked.status_code, refused(code)) == (302, "authorization_pending")
    client.post(asked["Location"], {"password": make.PASSWORD})
    assert programs.poll(code)[0].state == "live"
