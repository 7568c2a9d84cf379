"""No response, and no difference in the work behind it, reveals whether an address has an account."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from celery.signals import before_task_publish
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Notification, User
from audit.models import Entry
from tests import make

pytestmark = pytest.mark.django_db
WRONG = "not the password at all"
NOBODY = "nobody@weir.example"
Seen = tuple[Any, ...]
Caught = Callable[..., Any]


class CountingHasher(MD5PasswordHasher):
    """Stands for the slow one: what counts is how often it is asked."""

    made = 0

    def encode(self, password: str, salt: str) -> str:
        CountingHasher.made += 1
        encoded: str = super().encode(password, salt)
        return encoded


@pytest.fixture(autouse=True)
def _counting(settings: Any) -> None:
    cache.clear()
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    settings.REGISTRATION = True


@pytest.fixture
def published() -> Iterator[list[str]]:
    """Names of the tasks that were sent to the broker."""
    names: list[str] = []

    def note(sender: str, **kwargs: Any) -> None:
        names.append(sender)

    before_task_publish.connect(note)
    yield names
    before_task_publish.disconnect(note)


@pytest.fixture
def work(published: list[str], django_capture_on_commit_callbacks: Caught) -> Callable[..., Seen]:
    """What one request to a page says and costs: status, place, text, kinds of queries, tasks, hashes, mails."""

    def of(path: str, address: str, **fields: str) -> Seen:
        client = Client()
        del published[:]
        CountingHasher.made, before = 0, len(mail.outbox)
        with CaptureQueriesContext(connection) as queries, django_capture_on_commit_callbacks(execute=True):
            answer = client.post(path, {key: value.format(address) for key, value in fields.items()})
        text = re.sub(r"\b\w{64}\b", "", answer.content.decode().replace(address, ""))
        kinds = [re.sub(r"'[^']*'|\d+|\s+", " ", query["sql"])[:40] for query in queries]
        place = answer.headers.get("Location")
        return (
            answer.status_code,
            place,
            text,
            kinds,
            list(published),
            CountingHasher.made,
            len(mail.outbox) - before,
        )

    return of


def people() -> dict[str, str]:
    """Addresses with an account in each state, and one without."""
    people = [state for state in User.State if state != User.State.REMOTE]  # guests have no password
    states = {state.value: make.user(state=state, password=make.PASSWORD).email for state in people}
    return {**states, "nobody": NOBODY}


def test_asking_for_a_new_password_is_the_same_work_for_all(work: Callable[..., Seen]) -> None:
    seen = {name: work("/account/password/reset/", address, email="{}") for name, address in people().items()}
    assert [name for name, what in seen.items() if what != seen["nobody"]] == []
    status, place, _, _, tasks, hashes, mails = seen["nobody"]
    assert (status, place) == (302, "/account/password/reset/done/")
    assert (tasks, hashes, mails) == (["accounts.tasks.send_mail"], 0, 0), "no mail within the request"


def test_the_mail_goes_to_active_accounts_alone(
    tasks_run_at_once: None, django_capture_on_commit_callbacks: Caught
) -> None:
    known = people()
    for address in known.values():
        with django_capture_on_commit_callbacks(execute=True):
            Client().post("/account/password/reset/", {"email": address})
    assert [message.to for message in mail.outbox] == [[known["active"]]]


def test_a_wrong_password_is_the_same_work_for_all(work: Callable[..., Seen]) -> None:
    fields = {"login": "{}", "password": WRONG}
    seen = {name: work("/account/login/", address, **fields) for name, address in people().items()}
    assert [name for name, what in seen.items() if what != seen["nobody"]] == []
    assert (seen["nobody"][0], seen["nobody"][5]) == (200, 2)


def test_a_second_step_is_not_told_by_a_wrong_password(work: Callable[..., Seen]) -> None:
    person = make.user(password=make.PASSWORD)
    Authenticator.objects.create(user=person, type="totp", data={"secret": "x"})
    fields = {"login": "{}", "password": WRONG}
    assert work("/account/login/", person.email, **fields) == work("/account/login/", NOBODY, **fields)


def test_registering_is_the_same_work_for_all(work: Callable[..., Seen]) -> None:
    make.admin()
    secret = "quite another password 9"
    given = {"name": "Rita", "affiliation": "U", "note": "n", "time_zone": "UTC"}
    fields = {"email": "{}", "password": secret, "repeated": secret, **given}
    seen = {name: work("/people/register/", address, **fields) for name, address in people().items()}
    told = {name: (what[:3], what[4:]) for name, what in seen.items()}
    assert [name for name, what in told.items() if what != told["nobody"]] == []
    rows = {name: [kind for kind in what[3] if "SAVEPOINT" not in kind] for name, what in seen.items()}
    assert [name for name, kinds in rows.items() if kinds != rows["nobody"]] == []
    assert seen["nobody"][4:] == (["accounts.tasks.send_mail"], 1, 0)


def test_a_registration_for_an_address_that_has_an_account_is_in_its_history() -> None:
    person = make.user(password=make.PASSWORD)
    fields = {"email": person.email, "name": "X", "affiliation": "U", "note": "n", "time_zone": "UTC"}
    Client().post("/people/register/", {**fields, "password": make.PASSWORD, "repeated": make.PASSWORD})
    assert Entry.objects.get(person_id=str(person.pk)).action == "user.register_again"


# What a request for a new password leaves behind


def test_a_stranger_cannot_keep_anybody_from_a_second_step(
    sign_in: Callable[..., Client], tasks_run_at_once: None, django_capture_on_commit_callbacks: Caught
) -> None:
    """Neither by asking for their new password, nor does one's own honest request."""
    person = make.user(password=make.PASSWORD)
    client = sign_in(person)
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            Client().post("/account/password/reset/", {"email": person.email})
    pages = ["/account/mfa/totp/activate/", "/account/mfa/webauthn/add/"]
    assert [client.get(path).status_code for path in pages] == [200, 200]
    assert not EmailAddress.objects.exists()


def test_rows_of_before_keep_nobody_from_a_second_step(sign_in: Callable[..., Client]) -> None:
    person = make.user(password=make.PASSWORD)
    EmailAddress.objects.create(user=person, email=person.email, verified=False)
    client = sign_in(person)
    pages = ["/account/mfa/totp/activate/", "/account/mfa/webauthn/add/"]
    assert [client.get(path).status_code for path in pages] == [200, 200]


def test_beyond_a_few_mails_an_hour_none_are_sent_and_the_first_still_work(
    tasks_run_at_once: None, django_capture_on_commit_callbacks: Caught
) -> None:
    person = make.user(password=make.PASSWORD)
    for _ in range(12):
        with django_capture_on_commit_callbacks(execute=True):
            answer = Client().post("/account/password/reset/", {"email": person.email.upper()})
        assert answer.status_code == 302
    assert len(mail.outbox) == 5
    link = re.search(r"/account/password/reset/key/\S+", str(mail.outbox[0].body))
    assert link is not None
    assert "Choose a new password" in Client().get(link[0], follow=True).content.decode()


def test_a_link_is_spent_with_the_new_password_and_with_a_sign_in(
    tasks_run_at_once: None, django_capture_on_commit_callbacks: Caught
) -> None:
    person = make.user(password=make.PASSWORD)
    with django_capture_on_commit_callbacks(execute=True):
        Client().post("/account/password/reset/", {"email": person.email})
    link = re.search(r"/account/password/reset/key/\S+", str(mail.outbox[0].body))
    assert link is not None
    Client().post("/account/login/", {"login": person.email, "password": make.PASSWORD})
    assert "no longer works" in Client().get(link[0], follow=True).content.decode()


# What admins are told of strangers


def test_admins_are_told_that_somebody_asks_and_no_word_of_theirs(
    tasks_run_at_once: None, django_capture_on_commit_callbacks: Caught
) -> None:
    admin = make.admin()
    for number in range(3):
        fields = {"email": f"r{number}@weir.example", "name": "Visit Evil", "affiliation": "evil.example"}
        fields |= {"note": "https://evil.example", "time_zone": "UTC"}
        with django_capture_on_commit_callbacks(execute=True):
            Client().post(
                "/people/register/", {**fields, "password": make.PASSWORD, "repeated": make.PASSWORD}
            )
    told = [message for message in mail.outbox if message.to == [admin.email]]
    assert [message.subject for message in told] == ["[Weir] Somebody has asked for an account."], (
        "once until it is read"
    )
    assert [message for message in mail.outbox if "vil" in message.subject + str(message.body)] == []
    assert Notification.objects.get(user=admin).text == "Somebody has asked for an account."
