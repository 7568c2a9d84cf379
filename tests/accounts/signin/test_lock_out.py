"""Guessing is bounded per account; what strangers do shuts out strangers, not the person at their own desk."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.core import mail, signing
from django.core.cache import cache
from django.http import HttpRequest
from django.test import Client

from accounts.models import User
from accounts.signin import devices
from tests import make

pytestmark = pytest.mark.django_db
WRONG = "not the password at all"
NEW = "another horse battery staple"


@pytest.fixture(autouse=True)
def _no_earlier_limits() -> None:
    cache.clear()


@pytest.fixture
def person() -> User:
    return make.scientist(email="ingrid@weir.example", password=make.PASSWORD)


def attempt(client: Client, email: str, password: str) -> tuple[int, bool]:
    answer = client.post("/account/login/", {"login": email, "password": password})
    return answer.status_code, "_auth_user_id" in client.session


def known_device(person: User) -> Client:
    """A browser in which the person has signed in once, and out again."""
    client = Client()
    assert attempt(client, person.email, make.PASSWORD) == (302, True)
    client.post("/account/logout/")
    return client


def lock(person: User, client: Client | None = None) -> None:
    client = client or Client(REMOTE_ADDR="198.51.100.9")
    assert [attempt(client, person.email, WRONG)[0] for _ in range(5)] == [200, 200, 200, 200, 429]


# Many at one address


def test_bogus_sign_ins_shut_out_nobody_behind_the_same_address(person: User) -> None:
    """Sixty tries at made-up names, from the address everybody has behind a proxy or at an institute."""
    stranger = Client()
    for number in range(60):
        assert attempt(stranger, f"nobody{number}@weir.example", WRONG)[0] == 200
    assert attempt(Client(), person.email, make.PASSWORD) == (302, True)


def test_bogus_requests_for_a_new_password_shut_out_nobody(
    person: User, tasks_run_at_once: None, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    for number in range(60):
        Client().post("/account/password/reset/", {"email": f"nobody{number}@weir.example"})
    with django_capture_on_commit_callbacks(execute=True):
        answer = Client().post("/account/password/reset/", {"email": person.email})
    assert (answer.status_code, [message.to for message in mail.outbox]) == (302, [[person.email]])


def test_bogus_codes_and_keys_shut_out_nobody(person: User) -> None:
    stranger = Client()
    for _ in range(40):
        assert stranger.post("/account/password/reset/key/1-set-password/").status_code == 200
        assert stranger.post("/account/mfa/webauthn/login/", {"credential": "{}"}).status_code == 302
    assert attempt(stranger, person.email, make.PASSWORD) == (302, True)


# Known devices


def test_strangers_do_not_lock_out_a_known_device(person: User) -> None:
    theirs = known_device(person)
    lock(person)
    assert attempt(Client(), person.email, make.PASSWORD) == (429, False)
    assert attempt(theirs, person.email, make.PASSWORD) == (302, True)
    assert attempt(Client(), person.email, make.PASSWORD) == (429, False), "the strangers' count goes on"


def test_strangers_do_not_keep_somebody_from_confirming_that_it_is_they(person: User) -> None:
    theirs = Client()
    attempt(theirs, person.email, make.PASSWORD)
    lock(person)
    answer = theirs.post("/account/reauthenticate/", {"password": make.PASSWORD})
    assert answer.status_code == 302


def test_a_known_device_guesses_no_more_than_a_stranger(person: User) -> None:
    theirs = known_device(person)
    lock(person, theirs)
    assert attempt(theirs, person.email, make.PASSWORD) == (429, False)
    assert attempt(Client(), person.email, make.PASSWORD) == (302, True), "its own count is its own"


def test_a_device_is_known_for_its_person_alone(person: User) -> None:
    """Whoever has an account of their own gets no more guesses at others."""
    other = make.scientist(email="mallory@weir.example", password=make.PASSWORD)
    theirs = known_device(other)
    lock(person, theirs)
    assert attempt(theirs, person.email, make.PASSWORD) == (429, False)
    assert attempt(theirs, other.email, make.PASSWORD) == (302, True)


def test_several_people_are_known_in_one_browser(person: User) -> None:
    browser, others = Client(), [make.scientist(password=make.PASSWORD) for _ in range(devices.PEOPLE)]
    for each in [person, *others]:
        attempt(browser, each.email, make.PASSWORD)
        browser.post("/account/logout/")
    request = HttpRequest()
    request.COOKIES = {devices.COOKIE: browser.cookies[devices.COOKIE].value}
    assert [devices.known(request, each.email) is not None for each in others] == [True] * devices.PEOPLE
    assert devices.known(request, person.email) is None, "the oldest is forgotten"


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "x" * 5000,
        '[["ingrid@weir.example","x"]]',
        signing.dumps([["ingrid@weir.example", "x"]], salt="another"),
        signing.dumps([["ingrid@weir.example", "x"]], salt=devices.SALT, key="x" * 50),
        signing.dumps([["mallory@weir.example", "x"]], salt=devices.SALT),
    ],
    ids=["empty", "long", "unsigned", "for another purpose", "by another key", "for somebody else"],
)
def test_a_forged_cookie_is_no_device(person: User, forged: str) -> None:
    lock(person)
    stranger = Client()
    stranger.cookies[devices.COOKIE] = forged
    assert attempt(stranger, person.email, make.PASSWORD) == (429, False)


def test_a_cookie_runs_out(person: User, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = known_device(person)
    monkeypatch.setattr(devices, "DAYS", -1)
    lock(person)
    assert attempt(theirs, person.email, make.PASSWORD) == (429, False)


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(person: User) -> None:
    cookie = known_device(person).cookies[devices.COOKIE]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


def test_a_failed_sign_in_makes_no_device_known(person: User) -> None:
    client = Client()
    attempt(client, person.email, WRONG)
    assert devices.COOKIE not in client.cookies


def test_who_reads_the_mail_gets_in_while_strangers_guess(
    person: User, tasks_run_at_once: None, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    lock(person)
    client = Client()
    with django_capture_on_commit_callbacks(execute=True):
        client.post("/account/password/reset/", {"email": person.email})
    link = re.search(r"/account/password/reset/key/\S+", str(mail.outbox[0].body))
    assert link is not None
    page = client.get(link[0], follow=True)
    form = page.redirect_chain[-1][0]
    assert client.post(form, {"password1": NEW, "password2": NEW}).status_code == 302
    assert attempt(client, person.email, NEW) == (302, True)
    assert attempt(Client(), person.email, NEW) == (429, False)


def test_no_one_name_counts_for_two(person: User) -> None:
    """A device's name is none that anybody can type."""
    lock(person, known_device(person))
    device = AccessAttempt.objects.get().username
    assert device is not None
    assert device.startswith("device ")
    assert attempt(Client(), device, WRONG)[0] == 200
    assert AccessAttempt.objects.get().username == device
