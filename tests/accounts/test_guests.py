"""Guests of other portals act as data scientists, and no door of this portal opens for them."""

from contextlib import suppress
from importlib import import_module
from typing import Any
from uuid import uuid4

import pytest
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.backends import ModelBackend
from django.db import IntegrityError, InternalError, transaction
from django.test import Client
from django.urls import reverse

from accounts import addresses, rules, secrets, services
from accounts.mail import delivery
from accounts.models import AccessToken, DeviceSignIn, Mail, Notification, Role, RoleGrant, Session, User
from accounts.notifications import notify
from accounts.services import guests, programs, tokens
from accounts.topics import Topic
from audit.models import Entry
from common.errors import Denied, Refused
from datasets import services as datasets
from datasets.models import Dataset, DatasetReviewer
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def guest() -> User:
    return make.guest()


def refused_by_the_database(act: Any) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        act()


# Who they are


def test_a_guest_is_a_scientist_who_is_not_active(guest: User):
    assert (guest.state, guest.is_active, guest.takes_part, guest.is_guest) == ("remote", False, True, True)
    assert guest.roles == {Role.SCIENTIST}
    assert not guest.has_usable_password()
    assert rules.is_active(guest) is None
    assert rules.may_sign_in(guest) == rules.INACTIVE


def test_names_and_addresses_say_where_a_guest_comes_from(guest: User):
    assert str(guest) == "Gala Guest (b.example)"
    who, _, domain = guest.email.partition("@")
    assert (who[:11], len(who), domain) == ("gala-guest-", 19, "b.example.guests.invalid")
    again = make.guest(home=guest.home)
    assert str(again) == "Gala Guest 2 (b.example)"
    assert again.email != guest.email


@pytest.mark.parametrize(
    ("name", "host", "address"),
    [
        ("Zoë Ångström", "b.example", "zoe-angstrom-1@b.example.guests.invalid"),
        ("李明", "127.0.0.1", "guest-1@127.0.0.1.guests.invalid"),
        ("A B", "::1", "a-b-1@1.guests.invalid"),
    ],
)
def test_addresses_of_guests_are_exact(name: str, host: str, address: str):
    assert addresses.of_guest(name, host, ending="1") == address
    made = User(
        email=address, name=name, state="remote", is_active=False, home=uuid4(), remote_id="x", home_name=host
    )
    made.set_unusable_password()
    made.save()


def test_nobody_can_type_the_address_of_a_guest(guest: User):
    with pytest.raises(Refused, match="guest of another portal"):
        addresses.exact(guest.email)
    assert not User.objects.with_address(guest.email).exists()
    with pytest.raises(Refused):
        services.invite(guest.email, by=make.admin(), roles=["scientist"])
    with pytest.raises(Refused, match="active account"):
        datasets.person_with("gala@b.example")


def test_the_log_names_the_guest_and_not_the_portal_itself(guest: User):
    item = make.access_request(make.dataset(), guest)
    entry = Entry.objects.get(action="access.ask", object_id=str(item.pk))
    assert entry.who == guest.email
    admitted = Entry.objects.get(action="network.guest.admit")
    assert (admitted.detail["home"], admitted.detail["told_email"]) == ("b.example", "gala@b.example")


def test_only_an_admin_admits_and_the_name_must_be_one():
    for person in (make.owner(), make.scientist(), make.auditor(), make.guest()):
        with pytest.raises(Denied):
            guests.admit(
                by=person,
                home=uuid4(),
                home_name="b",
                remote_id="x",
                name="A B",
                told_email="",
                affiliation="",
            )
    with pytest.raises(Refused):
        make.guest(name="b.example")


# The doors


def test_the_password_form_does_not_open(client: Client, guest: User):
    for login in (guest.email, "gala@b.example"):
        client.post(reverse("account_login"), {"login": login, "password": make.PASSWORD})
        assert ModelBackend().authenticate(None, username=login, password=make.PASSWORD) is None
    assert SESSION_KEY not in client.session


def test_a_password_cannot_be_stored(guest: User):
    guest.set_password(make.PASSWORD)
    refused_by_the_database(guest.save)


def test_no_mail_resets_a_password(client: Client, guest: User, mailoutbox: list[Any]):
    for address in (guest.email, "gala@b.example"):
        client.post(reverse("account_reset_password"), {"email": address})
    Mail.objects.create(address=guest.email, kind=Mail.Kind.RESET)
    delivery.send_due()
    assert mailoutbox == []


def test_a_link_that_resets_a_password_does_not_work(client: Client, guest: User):
    key = f"{user_pk_to_url_str(guest)}-{default_token_generator.make_token(guest)}"
    path = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
    page = client.get(path.replace("UID-KEY", key), follow=True)
    new = {"password1": make.PASSWORD, "password2": make.PASSWORD}
    with suppress(IntegrityError), transaction.atomic():
        client.post(page.request["PATH_INFO"], new)
    guest.refresh_from_db()
    assert not guest.has_usable_password()


def test_no_session_is_stored_and_a_forged_one_opens_nothing(client: Client, guest: User):
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(guest.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[1]
    store[HASH_SESSION_KEY] = guest.get_session_auth_hash()
    with pytest.raises(InternalError, match="guest of another portal"), transaction.atomic():
        store.save()
    row = Session.objects.create(
        session_key="k" * 32, session_data=store.encode(dict(store)), expire_date="2100-01-01T00:00Z"
    )
    client.cookies[settings.SESSION_COOKIE_NAME] = row.session_key
    assert client.get(reverse("inbox")).status_code == 302
    assert client.get("/api/v1/me/").status_code == 401


def test_no_token_is_made_and_a_forged_one_opens_nothing(client: Client, guest: User):
    with pytest.raises(Denied):
        tokens.make(by=guest, name="x", scopes=["read"])
    fields = {
        "name": "x",
        "secret_hash": "h" * 64,
        "ending": "xxxx",
        "scopes": ["read"],
        "expires_at": "2100-01-01T00:00Z",
    }
    refused_by_the_database(lambda: AccessToken.objects.create(owner=guest, **fields))
    token, secret = tokens.make(by=make.scientist(), name="x", scopes=["read"])
    refused_by_the_database(lambda: AccessToken.objects.filter(pk=token.pk).update(owner=guest))
    assert secrets.is_well_formed(secret)


def test_no_program_is_signed_in(guest: User):
    item, _ = programs.begin(name="x", scopes=["read"], address="192.0.2.1")
    with pytest.raises(Denied):
        programs.allow(item, by=guest)
    refused_by_the_database(
        lambda: DeviceSignIn.objects.filter(pk=item.pk).update(person=guest, state="allowed")
    )


def test_a_passkey_that_is_there_opens_nothing(client: Client, guest: User):
    """Nobody can add one without a session. One that is there all the same does not make its person active."""
    Authenticator.objects.create(user=guest, type=Authenticator.Type.WEBAUTHN, data={})
    from django.contrib.auth import get_user  # noqa: PLC0415 -- what reads every session

    client.get(reverse("account_login"))
    session = client.session
    session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(guest.pk), settings.AUTHENTICATION_BACKENDS[1]
    session[HASH_SESSION_KEY] = guest.get_session_auth_hash()

    class Request:
        pass

    request: Any = Request()
    request.session = session
    assert get_user(request).is_anonymous


def test_a_guest_changes_no_profile(guest: User):
    with pytest.raises(Denied):
        services.update_profile(guest, by=guest, name="Somebody Else")


# What they may be


@pytest.mark.parametrize("role", [Role.ADMIN, Role.OWNER, Role.AUDITOR])
def test_a_guest_has_no_other_role(guest: User, role: Role):
    admin = make.admin()
    with pytest.raises(Denied, match="data scientists only"):
        services.grant_role(guest, by=admin, role=role, reason="x")
    refused_by_the_database(lambda: RoleGrant.objects.create(user=guest, role=role, granted_by=admin))
    refused_by_the_database(lambda: RoleGrant.objects.filter(user=guest).update(role=role))


def test_the_role_can_be_taken_and_given_again(guest: User):
    admin = make.admin()
    services.take_role(guest, by=admin, role=Role.SCIENTIST, reason="x")
    services.grant_role(User.objects.get(pk=guest.pk), by=admin, role=Role.SCIENTIST, reason="x")
    assert User.objects.get(pk=guest.pk).roles == {Role.SCIENTIST}


def test_a_guest_owns_and_reviews_nothing(guest: User):
    dataset = make.dataset()
    with pytest.raises(Refused, match="cannot review"):
        datasets.add_reviewer(dataset, by=dataset.owner, user=guest)
    with pytest.raises(Refused, match="data owner"):
        datasets.transfer(dataset, by=dataset.owner, to=guest, reason="x")
    with pytest.raises(Denied):
        datasets.create(by=guest, name="mine", title="Mine")
    refused_by_the_database(lambda: Dataset.objects.filter(pk=dataset.pk).update(owner=guest))
    refused_by_the_database(
        lambda: DatasetReviewer.objects.create(dataset=dataset, user=guest, granted_by=dataset.owner)
    )


def test_nobody_becomes_a_guest_or_stops_being_one(guest: User):
    other = make.scientist()
    for person, fields in (
        (
            guest,
            {
                "home": None,
                "remote_id": "",
                "home_name": "",
                "told_email": "",
                "state": "active",
                "is_active": True,
            },
        ),
        (guest, {"remote_id": "another"}),
        (guest, {"home": uuid4()}),
        (guest, {"state": "active", "is_active": True}),
        (guest, {"state": "pending"}),
        (guest, {"email": "gala@b.example"}),
        (other, {"state": "remote", "is_active": False}),
        (other, {"home": uuid4(), "remote_id": "x", "home_name": "b"}),
        (other, {"email": "other@b.example.guests.invalid"}),
        (other, {"told_email": "x@y.example"}),
    ):
        refused_by_the_database(lambda: User.objects.filter(pk=person.pk).update(**fields))  # noqa: B023


def test_one_account_for_each_guest(guest: User):
    refused_by_the_database(lambda: make.guest(home=guest.home, remote_id=guest.remote_id))
    assert make.guest(remote_id=guest.remote_id).pk != guest.pk


# What happens to them


def test_a_guest_uses_a_dataset_as_anybody(guest: User):
    dataset = make.dataset()
    grant = make.grant(dataset, guest)
    assert grant.user == guest
    item = make.code_request(dataset=dataset, author=guest, at="in_review")
    assert item.author == guest


def test_guests_are_notified_of_nothing(guest: User, mailoutbox: list[Any]):
    notify([guest], "Something happened.", about=Topic.WORK, url="/")
    make.grant(make.dataset(), guest)
    delivery.send_due()
    assert not Notification.objects.filter(user=guest).exists()
    assert [each.to for each in mailoutbox if guest.email in each.to or "gala@b.example" in each.to] == []


def test_an_admin_suspends_and_reinstates_a_guest(guest: User, mailoutbox: list[Any]):
    admin = make.admin()
    ended = guests.end(guest, by=admin, reason="They left.")
    assert (ended.state, ended.takes_part, rules.is_active(ended)) == ("suspended", False, rules.INACTIVE)
    back = services.reinstate(ended, by=admin, reason="They are back.")
    assert (back.state, back.is_active, back.takes_part) == ("remote", False, True)
    delivery.send_due()
    assert mailoutbox == []
    assert Entry.objects.filter(action="network.guest.end", person_id=str(guest.pk)).count() == 1
