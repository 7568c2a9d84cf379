"""One exact form of an address: no other spelling signs in, counts apart or makes a second account."""

import importlib
from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.core.cache import cache
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.test import Client

from accounts import addresses, services
from accounts.forms import InviteForm, RegisterForm
from accounts.models import Invitation, User
from accounts.topics import Topic
from audit.models import Entry
from common.errors import Refused
from datasets.forms import ReviewerForm
from tests import make

ADDRESS = "tomas.kirsch+x@desk.weir.example"
SAME = [
    ADDRESS,
    ADDRESS.upper(),
    "Tomas.Kirsch+X@Desk.WEIR.example",
    f"  {ADDRESS}\t",
    f"\n{ADDRESS} ",
    f"\u00a0{ADDRESS}\u2003",
]
"""Spellings of the one address."""
OTHER = [
    "toma\u017f.kirsch+x@desk.weir.example",
    "tomas.kir\u017fch+x@desk.weir.example",
    "tomas.k\u0131rsch+x@desk.weir.example",
    "tomas.kirsch+x@desk.we\u0131r.example",
    "tomas.\u212airsch+x@desk.weir.example",
    "\uff54omas.kirsch+x@desk.weir.example",
    "tomas.kirsch+x@desk\uff0eweir.example",
    "tomas.kirsch+x\uff20desk.weir.example",
    "tomas.kirsch+x@\u24d3esk.weir.example",
    "tom\u00e1s.kirsch+x@desk.weir.example",
    "toma\u0301s.kirsch+x@desk.weir.example",
    "tomas\u200b.kirsch+x@desk.weir.example",
    "\ufefftomas.kirsch+x@desk.weir.example",
    "tomas.kirsch+x@desk.weir\u00ad.example",
    "t\u043emas.kirsch+x@desk.weir.example",
    "tomas.kirsch+x@desk.weir.example.",
    "tomas.kirsch+x@desk.weir.example\u3002",
    "tomas.kirsch+x@@desk.weir.example",
    "tomas. kirsch+x@desk.weir.example",
    '"tomas.kirsch+x"@desk.weir.example',
    "tomas.kirsch+x@desk.weir.example\x00",
    "tomas.kirsch+x@[127.0.0.1]",
    "tomas.kirsch(x)+x@desk.weir.example",
]
"""What a database, a mail server or an eye may take for it: no address here."""
WRONG = "not the password at all"


@pytest.mark.parametrize("typed", SAME)
def test_case_and_blanks_around_are_no_difference(typed: str) -> None:
    assert addresses.exact(typed) == ADDRESS


@pytest.mark.parametrize("typed", OTHER)
def test_everything_else_is_refused_with_words(typed: str) -> None:
    with pytest.raises(Refused, match="address"):
        addresses.exact(typed)


def test_what_stands_behind_the_plus_is_part_of_an_address() -> None:
    assert addresses.exact("tomas+1@weir.example") != addresses.exact("tomas+2@weir.example")


def test_an_international_domain_is_typed_in_its_xn_form() -> None:
    with pytest.raises(Refused, match="xn-- form"):
        addresses.exact("tomas@bücher.example")
    assert addresses.exact("tomas@XN--bcher-kva.example") == "tomas@xn--bcher-kva.example"


@pytest.mark.parametrize("form", [InviteForm, RegisterForm, ReviewerForm])
@pytest.mark.parametrize("typed", OTHER)
def test_forms_refuse_them_at_the_field(form: Any, typed: str) -> None:
    assert form({"email": typed}).errors.get("email")


@pytest.fixture
def person(db: None) -> User:
    cache.clear()
    return make.scientist(email=ADDRESS, password=make.PASSWORD)


def attempt(client: Client, email: str, password: str) -> tuple[int, bool]:
    answer = client.post("/account/login/", {"login": email, "password": password})
    return answer.status_code, "_auth_user_id" in client.session


@pytest.mark.parametrize("typed", SAME)
def test_every_spelling_signs_in(person: User, typed: str) -> None:
    assert attempt(Client(), typed, make.PASSWORD) == (302, True)


def test_every_spelling_counts_and_stays_locked(person: User) -> None:
    """Five wrong passwords in five spellings lock; then no spelling, old or new, gets in with the right one."""
    client = Client()
    tried = [attempt(client, typed, WRONG)[0] for typed in SAME[:5]]
    assert tried == [200, 200, 200, 200, 429]
    for number, typed in enumerate([*SAME, *OTHER]):
        stranger = Client(REMOTE_ADDR=f"192.0.2.{number}")
        assert attempt(stranger, typed, make.PASSWORD)[1] is False, repr(typed)


def test_what_is_no_address_is_answered_without_a_try(person: User) -> None:
    answer = Client().post("/account/login/", {"login": OTHER[0], "password": make.PASSWORD})
    assert "the letters a to z" in answer.content.decode()
    assert not Entry.objects.exists()


def test_the_history_of_a_person_shows_every_try_on_their_account(person: User) -> None:
    for typed in SAME:
        attempt(Client(), typed, WRONG)
    theirs = Entry.objects.filter(person_id=str(person.pk)).order_by("id")
    failed = [entry for entry in theirs if entry.action == "session.sign_in_failed"]
    assert (len(failed), {entry.detail["known"] for entry in failed}) == (len(SAME), {True})
    assert [entry.action for entry in theirs if entry not in failed] == ["session.lock_out"] * 2
    assert not Entry.objects.filter(detail__known=False).exists()


@pytest.mark.parametrize("typed", OTHER)
def test_they_find_nobody_and_make_nobody(person: User, typed: str) -> None:
    assert not User.objects.with_address(typed).exists()
    with pytest.raises(User.DoesNotExist):
        User.objects.get_by_natural_key(typed)
    with pytest.raises(Refused):
        services.invite(typed, by=make.admin(), roles=["scientist"])
    with pytest.raises(Refused):
        User.objects.create_user(typed, make.PASSWORD)


def test_who_has_an_account_is_not_invited_in_any_spelling(person: User) -> None:
    for typed in SAME:
        with pytest.raises(Refused, match="already has an account"):
            services.invite(typed, by=make.admin(), roles=["scientist"])


@pytest.mark.parametrize("kept", [ADDRESS.upper(), f" {ADDRESS}", OTHER[0], "tomas", "", "a@b", "a@b.c\n"])
def test_the_database_keeps_no_other_form(person: User, kept: str) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=person.pk).update(email=kept)
    item, _ = services.invite("noor@weir.example", by=make.admin(), roles=["scientist"])
    if kept:
        with pytest.raises(IntegrityError), transaction.atomic():
            Invitation.objects.filter(pk=item.pk).update(email=kept)


def test_what_sql_takes_for_the_same_is_not(person: User) -> None:
    """The reason for all this: by Postgres' UPPER() these are one address."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT UPPER(%s) = UPPER(%s)", [ADDRESS, OTHER[0]])
        assert cursor.fetchone() == (True,)


# Rows of before


def normalise(*kept: str) -> list[str]:
    """What the migration makes of accounts with these addresses."""
    migration = importlib.import_module("accounts.migrations.0004_exact_addresses")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_user DROP CONSTRAINT addresses_are_exact")
        cursor.execute("ALTER TABLE accounts_invitation DROP CONSTRAINT invited_addresses_are_exact")
    people = [make.user() for _ in kept]
    for person, address in zip(people, kept, strict=True):
        User.objects.filter(pk=person.pk).update(email=address)
    migration.normalise(apps, None)
    return [User.objects.get(pk=person.pk).email for person in people]


@pytest.mark.django_db
def test_the_migration_brings_what_is_kept_into_the_form() -> None:
    made = normalise(" Anna@Weir.Example", "ben@bücher.example", "cleo@weir.example")
    assert made == ["anna@weir.example", "ben@xn--bcher-kva.example", "cleo@weir.example"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (["Anna@weir.example", "anna@weir.example"], "have the same address"),
        (["ann\u0131@weir.example"], "cannot be kept any more"),
        (['"a b"@weir.example'], "cannot be kept any more"),
    ],
)
def test_the_migration_guesses_nothing(kept: list[str], words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        normalise(*kept)


@pytest.mark.django_db
def test_two_registrations_in_two_spellings_make_one_account(settings: Any) -> None:
    settings.REGISTRATION = True
    given = {"name": "Rita", "password": make.PASSWORD, "affiliation": "U", "note": "n", "time_zone": "UTC"}
    asked: Callable[[str], None] = lambda typed: services.register(typed, **given)  # noqa: E731
    asked("Rita@Weir.example")
    asked("rita@weir.EXAMPLE ")
    assert User.objects.filter(email="rita@weir.example").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_database_of_before_is_migrated_with_its_rows() -> None:
    """All in one transaction: rows are changed and constraints made on the same tables."""
    MigrationExecutor(connection).migrate([("accounts", "0003_mail")])
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO accounts_user (id, created_at, password, email, name, affiliation, state, state_reason,"
                " is_active, time_zone, registration_note, mail_wanted) VALUES (gen_random_uuid(), now(), '',"
                " 'Old@Weir.example', 'Old', '', 'active', '', true, 'UTC', '', true), (gen_random_uuid(), now(), '',"
                " 'quiet@weir.example', 'Quiet', '', 'active', '', true, 'UTC', '', false) RETURNING id"
            )
            pk = cursor.fetchone()[0]
            cursor.execute(
                'INSERT INTO account_emailaddress (email, verified, "primary", user_id)'
                " VALUES ('old@weir.example', false, true, %s)",
                [pk],
            )
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())
    assert User.objects.get(pk=pk).email == "old@weir.example"
    assert User.objects.get(pk=pk).mail_topics == Topic.values
    assert User.objects.get(email="quiet@weir.example").mail_topics == []
    assert not EmailAddress.objects.exists()
