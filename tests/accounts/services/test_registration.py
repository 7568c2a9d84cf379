"""How accounts begin."""

import re
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts import queries, services
from accounts.models import Invitation, Notification, User
from accounts.services import registration
from audit.models import Entry
from common.errors import Conflict, Denied, Refused
from portal.inbox import inbox
from tests import make

pytestmark = pytest.mark.django_db
NEW = {"name": "Noor New", "password": make.PASSWORD, "time_zone": "Europe/Vienna"}


def secret_of(link: str) -> str:
    return link.rstrip("/").rsplit("/", 1)[-1]


def accept(link: str, email: str = "", **fields: Any) -> User:
    return services.accept(secret_of(link), email=email, **{**NEW, **fields})


def register(email: str = "rita@weir.example", **fields: Any) -> User | None:
    given = {**NEW, "affiliation": "The university", "note": "To study wages.", **fields}
    services.register(email, **given)
    return User.objects.filter(email=email, state=User.State.PENDING).first()


# The first admin


def test_the_first_admin_comes_from_a_link_on_the_console() -> None:
    out = StringIO()
    call_command("first_admin_link", stdout=out)
    user = accept(out.getvalue().strip(), email="First@Weir.Example")
    assert (user.email, user.is_admin, user.check_password(make.PASSWORD)) == (
        "first@weir.example",
        True,
        True,
    )
    with pytest.raises(CommandError, match="already is an admin"):
        call_command("first_admin_link")


def test_a_newer_console_link_replaces_the_older() -> None:
    older, newer = services.first_admin_link(), services.first_admin_link()
    with pytest.raises(Conflict):
        accept(older, email="a@weir.example")
    assert accept(newer, email="b@weir.example").is_admin


def test_the_console_link_makes_no_second_admin() -> None:
    link = services.first_admin_link()
    make.admin()
    with pytest.raises(Conflict, match="already is an admin"):
        accept(link, email="late@weir.example")
    assert not User.objects.filter(email="late@weir.example").exists()


def test_only_the_hash_of_a_secret_is_kept() -> None:
    link = services.first_admin_link()
    rows = [str(row) for row in [*Invitation.objects.values(), *Entry.objects.values()]]
    assert [row for row in rows if secret_of(link) in row] == []


# Invitations


@pytest.mark.usefixtures("tasks_run_at_once")
def test_an_invitation_makes_an_account_with_its_roles(
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    admin = make.admin()
    with django_capture_on_commit_callbacks(execute=True):
        item, link = services.invite("Noor@Weir.Example", by=admin, roles=["scientist", "owner"])
    assert [(m.to, link in m.body) for m in mail.outbox] == [(["noor@weir.example"], True)]
    user = accept(link, email="somebody.else@weir.example")
    assert (user.email, user.roles, user.time_zone) == (
        "noor@weir.example",
        frozenset({"scientist", "owner"}),
        "Europe/Vienna",
    )
    assert user.email_confirmed_at is not None
    assert {grant.granted_by for grant in user.role_grants.all()} == {admin}
    item.refresh_from_db()
    assert (item.state, item.accepted_by) == ("accepted", user)
    assert [entry.action for entry in Entry.objects.order_by("id")] == [
        "invitation.create",
        "invitation.accept",
        "user.grant_role",
        "user.grant_role",
    ]


def test_an_invitation_works_once() -> None:
    _, link = services.invite("noor@weir.example", by=make.admin(), roles=["scientist"])
    accept(link)
    with pytest.raises(Conflict, match="is no longer valid"):
        accept(link)


def test_an_invitation_runs_out() -> None:
    item, link = services.invite("noor@weir.example", by=make.admin(), roles=["scientist"])
    Invitation.objects.filter(pk=item.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(Conflict, match="is no longer valid"):
        accept(link)


def test_a_withdrawn_invitation_makes_nothing() -> None:
    admin = make.admin()
    item, link = services.invite("noor@weir.example", by=admin, roles=["scientist"])
    services.revoke_invitation(item, by=admin)
    with pytest.raises(Conflict):
        accept(link)
    with pytest.raises(Denied, match="already withdrawn"):
        services.revoke_invitation(item, by=admin)


def test_a_second_invitation_takes_the_place_of_the_first() -> None:
    admin = make.admin()
    first, old_link = services.invite("noor@weir.example", by=admin, roles=["owner"])
    other, _ = services.invite("zoe@weir.example", by=admin, roles=["owner"])
    second, _ = services.invite("Noor@weir.example", by=admin, roles=["scientist"])
    assert set(Invitation.objects.open()) == {other, second}
    first.refresh_from_db()
    assert first.state == "withdrawn"
    with pytest.raises(Conflict, match="no longer valid"):
        accept(old_link)


def test_an_invitation_dies_with_the_admin_who_sent_it() -> None:
    admin, other = make.admin(), make.admin()
    _, link = services.invite("noor@weir.example", by=admin, roles=["scientist"])
    services.suspend(admin, by=other, reason="Left.")
    with pytest.raises(Conflict):
        accept(link)


def test_a_made_up_secret_makes_nothing() -> None:
    with pytest.raises(Refused, match="does not exist"):
        accept("https://weir.example/people/welcome/abc/")


@pytest.mark.parametrize(
    ("roles", "words"),
    [(["admin", "owner"], "excludes all other roles"), (["root"], "This role does not exist")],
)
def test_an_invitation_names_roles_that_go_together(roles: list[str], words: str) -> None:
    with pytest.raises(Refused, match=words):
        services.invite("noor@weir.example", by=make.admin(), roles=roles)
    assert not Invitation.objects.exists()


def test_who_only_reviews_is_invited_without_a_role() -> None:
    _, link = services.invite("noor@weir.example", by=make.admin(), roles=[])
    assert accept(link).roles == frozenset()


def test_who_has_an_account_is_not_invited() -> None:
    person = make.user()
    with pytest.raises(Refused, match="already has an account"):
        services.invite(person.email.upper(), by=make.admin(), roles=["owner"])


@pytest.mark.parametrize("role", ["owner", "scientist", "auditor"])
def test_only_admins_invite(role: str) -> None:
    with pytest.raises(Denied):
        services.invite("noor@weir.example", by=make.user(role), roles=["scientist"])


# Registration


@pytest.fixture
def _open(settings: Any) -> None:
    settings.REGISTRATION = True


def test_registration_can_be_closed(client: Client, settings: Any) -> None:
    settings.REGISTRATION = False
    with pytest.raises(Denied, match="closed"):
        register()
    assert client.get("/people/register/").status_code == 403


@pytest.mark.usefixtures("_open", "tasks_run_at_once")
def test_a_registered_person_waits_for_an_admin(
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    admin = make.admin()
    with django_capture_on_commit_callbacks(execute=True):
        person = register()
    assert person is not None
    assert (person.is_active, person.roles, list(queries.pending(admin))) == (False, frozenset(), [person])
    assert [item.title for item in inbox(admin).items] == ["Noor New asks for an account"]
    assert (inbox(make.auditor()).items, inbox(make.owner()).items) == ([], [])
    assert Notification.objects.get(user=admin).text == "Somebody has asked for an account."
    services.approve_registration(person, by=admin, roles=["scientist"])
    person = User.objects.get(pk=person.pk)
    assert (person.is_active, person.roles, inbox(admin).items) == (
        True,
        frozenset({"scientist"}),
        [],
    )


@pytest.mark.usefixtures("_open")
def test_a_refused_registration_says_why_and_is_decided_once() -> None:
    admin, person = make.admin(), register()
    assert person is not None
    refused = services.refuse_registration(person, by=admin, reason="Nobody knows you.")
    assert (refused.state, refused.state_reason) == ("refused", "Nobody knows you.")
    with pytest.raises(Denied, match="already been decided"):
        services.approve_registration(person, by=admin, roles=["scientist"])


@pytest.mark.usefixtures("_open", "tasks_run_at_once")
def test_registering_a_known_address_changes_nothing_and_answers_the_same(
    client: Client, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    known = make.user(password=make.PASSWORD)
    fields = {
        "name": "N",
        "affiliation": "A",
        "note": "n",
        "time_zone": "UTC",
        "password": "quite another password 9",
        "repeated": "quite another password 9",
    }
    answers = []
    for address in (known.email, "unknown@weir.example"):
        with django_capture_on_commit_callbacks(execute=True):
            answer = client.post("/people/register/", {**fields, "email": address})
        answers.append((answer.status_code, answer.headers["Location"]))
    assert answers[0] == answers[1]
    known.refresh_from_db()
    assert (known.check_password(make.PASSWORD), known.state) == (True, "active")
    assert [m.to for m in mail.outbox] == [[known.email], ["unknown@weir.example"]]


@pytest.mark.usefixtures("_open", "tasks_run_at_once")
def test_the_address_is_confirmed_by_a_button_behind_the_mailed_link(
    client: Client, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        person = register()
    assert person is not None
    found = re.search(r"http\S+(/people/register/confirm/\S+)", str(mail.outbox[0].body))
    assert found is not None
    assert client.get(found[1]).status_code == 200
    person.refresh_from_db()
    assert person.email_confirmed_at is None
    client.post(found[1])
    person.refresh_from_db()
    assert person.email_confirmed_at is not None
    assert client.post("/people/register/confirm/made:up:token/").status_code == 400


@pytest.mark.usefixtures("_open")
def test_nobody_is_flooded_with_mail_or_with_registrations(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"name": "N", "affiliation": "A", "note": "n", "time_zone": "UTC", "email": "flood@weir.example"}
    fields |= {"password": "quite another password 9", "repeated": "quite another password 9"}
    answers = [client.post("/people/register/", fields) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [302] * 5 + [429]
    assert "tried too often" in answers[-1].content.decode()
    monkeypatch.setattr(registration, "WAITING", 1)
    for address in ("late@weir.example", "flood@weir.example"):
        with pytest.raises(Refused, match="Too many people are waiting"):
            register(address)
