"""Signing in: lock-out, second steps, what is told to whom, what is recorded."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from allauth.account.internal.flows.reauthentication import STATE_SESSION_KEY
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from asgiref.sync import async_to_sync
from axes.models import AccessAttempt
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from accounts import services
from accounts.models import Invitation, Session, User
from accounts.signin import events
from accounts.signin.sessions import SessionStore
from audit.models import Entry
from tests import make

pytestmark = pytest.mark.django_db
WRONG = "not the password at all"
SignIn = Callable[..., Client]


@pytest.fixture(autouse=True)
def _no_earlier_limits() -> None:
    cache.clear()


def attempt(client: Client, email: str, password: str) -> tuple[int, bool]:
    answer = client.post("/account/login/", {"login": email, "password": password})
    return answer.status_code, "_auth_user_id" in client.session


def actions() -> list[str]:
    return list(Entry.objects.order_by("id").values_list("action", flat=True))


def test_signing_in_and_out_is_recorded(sign_in: SignIn) -> None:
    person = make.scientist(password=make.PASSWORD)
    client = sign_in(person)
    assert client.get("/people/me/").status_code == 200
    client.post("/account/logout/")
    assert client.get("/people/me/").status_code == 302
    assert actions() == ["session.sign_in", "session.sign_out"]


def test_an_address_signs_in_whatever_its_case(client: Client) -> None:
    make.scientist(email="case@weir.example", password=make.PASSWORD)
    assert attempt(client, "Case@Weir.EXAMPLE", make.PASSWORD) == (302, True)


def test_five_wrong_passwords_lock_out_the_right_one_until_the_cool_off(client: Client) -> None:
    person = make.scientist(password=make.PASSWORD)
    assert [attempt(client, person.email, WRONG)[0] for _ in range(5)] == [200, 200, 200, 200, 429]
    assert attempt(client, person.email.upper(), make.PASSWORD) == (429, False)
    assert attempt(Client(REMOTE_ADDR="192.0.2.7"), person.email, make.PASSWORD) == (429, False)
    other = make.scientist(password=make.PASSWORD)
    assert attempt(Client(), other.email, make.PASSWORD) == (302, True)
    assert actions()[:6] == [*["session.sign_in_failed"] * 4, "session.lock_out", "session.sign_in_failed"]
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert attempt(client, person.email, make.PASSWORD) == (302, True)


def test_wrong_passwords_answer_alike_for_known_and_unknown_addresses(client: Client) -> None:
    known = make.scientist(password=make.PASSWORD).email
    answers = {}
    for address in (known, "nobody@weir.example"):
        pages = [client.post("/account/login/", {"login": address, "password": WRONG}) for _ in range(6)]
        answers[address] = [
            (page.status_code, page.content.decode().replace(address, "").count("\n"), _errors(page.content))
            for page in pages
        ]
    assert answers[known] == answers["nobody@weir.example"]


def _errors(page: bytes) -> list[str]:
    return [line.strip() for line in page.decode().splitlines() if "alert" in line or "<li>" in line]


def test_a_failed_sign_in_keeps_no_text_that_is_no_address_of_ours(client: Client) -> None:
    attempt(client, "my-password-in-the-wrong-field@x.example", WRONG)
    entry = Entry.objects.get()
    assert (entry.action, entry.person_id) == ("session.sign_in_failed", "")
    assert entry.detail == {"known": False, "client": "127.0.0.1"}
    assert "wrong-field" not in entry.payload


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (User.State.SUSPENDED, "Your account is suspended."),
        (User.State.PENDING, "Your registration is waiting for an admin."),
        (User.State.REFUSED, "Your registration was refused."),
    ],
)
def test_who_is_not_active_learns_why_with_the_right_password_only(
    client: Client, state: User.State, words: str
) -> None:
    person = make.user(state=state, state_reason="Told by mail, too.", password=make.PASSWORD)
    wrong = client.post("/account/login/", {"login": person.email, "password": WRONG}, follow=True)
    assert words not in wrong.content.decode()
    right = client.post("/account/login/", {"login": person.email, "password": make.PASSWORD}, follow=True)
    assert words in right.content.decode()
    assert "The reason given: Told by mail, too." in right.content.decode()
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("demo", [True, False])
def test_the_demos_public_passwords_open_nothing_outside_the_demo(
    client: Client, settings: Any, *, demo: bool
) -> None:
    settings.DEMO = demo
    person = make.scientist(email=f"somebody@{settings.DEMO_DOMAIN}", password=make.PASSWORD)
    assert attempt(client, person.email, make.PASSWORD) == (302, demo)


def test_password_reset_answers_alike_for_known_and_unknown_addresses(client: Client) -> None:
    answers = [
        (answer.status_code, answer.headers["Location"])
        for address in (make.user(password=make.PASSWORD).email, "nobody@weir.example")
        for answer in [client.post("/account/password/reset/", {"email": address})]
    ]
    assert answers[0] == answers[1]


CLOSED = ["email/", "password/set/", "confirm-email/", "confirm-email/MQ:abc/", "login/code/confirm/"]


@pytest.mark.parametrize("path", [*CLOSED, "phone/verify/", "signup/passkey/", "login/code/"])
def test_pages_that_would_go_past_the_audit_log_are_closed(client: Client, path: str) -> None:
    assert client.get(f"/account/{path}").status_code in {302, 404}
    client.force_login(make.user())
    answers = [client.get(f"/account/{path}").status_code, client.post(f"/account/{path}").status_code]
    assert answers == [404, 404]


def test_there_is_no_sign_up_but_ours(client: Client) -> None:
    assert client.get("/account/signup/").headers["Location"] == "/people/register/"
    fields = {"email": "x@weir.example", "password1": make.PASSWORD, "password2": make.PASSWORD}
    assert client.post("/account/signup/", fields).status_code == 405
    assert not User.objects.filter(email="x@weir.example").exists()


def test_sessions_know_their_person_and_device(client: Client) -> None:
    person = make.user(password=make.PASSWORD)
    fields = {"login": person.email, "password": make.PASSWORD}
    client.post("/account/login/", fields, headers={"user-agent": "A browser"})
    session = Session.objects.get(user=person)
    assert (session.device, session.signed_in_at is not None) == ("A browser", True)
    hours = (session.expire_date - timezone.now()).total_seconds() / 3600
    assert 7.9 < hours <= 8


def test_a_session_that_is_saved_on_an_event_loop_knows_its_person_too() -> None:
    person = make.user()
    store = SessionStore()
    store.update({"_auth_user_id": str(person.pk), "device": "A socket"})
    async_to_sync(store.asave)()
    session = Session.objects.get(user=person)
    assert (session.device, session.get_decoded()["_auth_user_id"]) == ("A socket", str(person.pk))


def test_after_signing_in_nobody_is_sent_to_another_site(client: Client) -> None:
    person = make.user(password=make.PASSWORD)
    fields = {"login": person.email, "password": make.PASSWORD}
    for target in ("https://evil.example/", "//evil.example/", "http://[", "/people/me/"):
        answer = client.post("/account/login/", {**fields, "next": target})
        assert answer.headers["Location"] == (target if target == "/people/me/" else "/")
        client.post("/account/logout/")


def test_who_is_signed_in_nowhere_signs_out_without_an_entry(client: Client) -> None:
    assert client.post("/account/logout/").status_code == 302
    assert actions() == []


@pytest.mark.parametrize("typed", ["", "no address", "two@at@weir.example", "x" * 400])
def test_what_is_no_address_is_counted_under_no_name(typed: str) -> None:
    assert events.typed_address(None, {"email": typed}) == ""


def test_sign_out_everywhere_ends_every_session(sign_in: SignIn) -> None:
    person = make.user(password=make.PASSWORD)
    elsewhere = Client()
    elsewhere.force_login(person)
    client = sign_in(person)
    client.post("/people/me/sign-out-everywhere/")
    assert [c.get("/people/me/").status_code for c in (client, elsewhere)] == [302, 302]
    assert Entry.objects.filter(action="session.end_all").get().detail == {"sessions": 2}


def test_a_new_password_ends_the_other_sessions_and_is_recorded(sign_in: SignIn) -> None:
    person = make.user(password=make.PASSWORD)
    elsewhere = Client()
    elsewhere.force_login(person)
    client = sign_in(person)
    new = "another horse battery staple"
    fields = {"oldpassword": make.PASSWORD, "password1": new, "password2": new}
    assert client.post("/account/password/change/", fields).status_code == 302
    assert [c.get("/people/me/").status_code for c in (client, elsewhere)] == [200, 302]
    assert Session.objects.filter(user=person).count() == 1
    assert actions()[-1] == "user.change_password"


# Second steps


def code_of(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))


def test_with_a_second_factor_the_password_alone_is_not_enough(client: Client) -> None:
    person = make.user(password=make.PASSWORD)
    secret = generate_totp_secret()
    TOTP.activate(person, secret)
    answer = client.post("/account/login/", {"login": person.email, "password": make.PASSWORD})
    assert (answer.headers["Location"], client.get("/people/me/").status_code) == (
        "/account/2fa/authenticate/".replace("/2fa/", "/mfa/"),
        302,
    )
    client.post("/account/mfa/authenticate/", {"code": "000000"})
    assert client.get("/people/me/").status_code == 302
    client.post("/account/mfa/authenticate/", {"code": code_of(secret)})
    assert client.get("/people/me/").status_code == 200


def test_a_recovery_code_works_once(client: Client) -> None:
    person = make.user(password=make.PASSWORD)
    TOTP.activate(person, generate_totp_secret())
    code = RecoveryCodes.activate(person).get_unused_codes()[0]
    for expected in (200, 302):
        client.post("/account/login/", {"login": person.email, "password": make.PASSWORD})
        client.post("/account/mfa/authenticate/", {"code": code})
        assert client.get("/people/me/").status_code == expected
        client.post("/account/logout/")


def test_codes_are_not_guessed_without_end(client: Client) -> None:
    person = make.user(password=make.PASSWORD)
    secret = generate_totp_secret()
    TOTP.activate(person, secret)
    client.post("/account/login/", {"login": person.email, "password": make.PASSWORD})
    for _ in range(10):
        client.post("/account/mfa/authenticate/", {"code": "000000"})
    client.post("/account/mfa/authenticate/", {"code": code_of(secret)})
    assert client.get("/people/me/").status_code == 302


def test_turning_a_factor_on_and_off_is_recorded(
    sign_in: SignIn, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    client = sign_in(make.user(password=make.PASSWORD))
    client.get("/account/mfa/totp/activate/")
    secret = client.session["mfa.totp.secret"]
    with django_capture_on_commit_callbacks(execute=True):
        client.post("/account/mfa/totp/activate/", {"code": code_of(secret)})
    with django_capture_on_commit_callbacks(execute=True):
        client.post("/account/mfa/totp/deactivate/")
    assert [name for name in actions() if "factor" in name] == [
        *["user.add_factor"] * 2,
        *["user.remove_factor"] * 2,
    ]


# Asked again before something dangerous


def age_the_sign_in(client: Client, seconds: int) -> None:
    session = client.session
    for record in session["account_authentication_methods"]:
        record["at"] = time.time() - seconds
    session.save()


def test_who_chose_a_password_this_moment_is_not_asked_for_it(client: Client) -> None:
    path = urlsplit(services.first_admin_link()).path
    words = {"password": make.PASSWORD, "repeated": make.PASSWORD, "time_zone": "UTC"}
    assert client.post(path, {"email": "first@weir.example", "name": "First", **words}).status_code == 302
    answer = client.post("/people/invitations/new/", {"email": "next@weir.example", "roles": ["owner"]})
    assert (answer.status_code, Invitation.objects.filter(email="next@weir.example").count()) == (200, 1)


@pytest.mark.parametrize(("is_open", "times"), [(True, 1), (False, 0)])
def test_registration_is_offered_only_where_it_is_open(
    client: Client, settings: Any, *, is_open: bool, times: int
) -> None:
    settings.REGISTRATION = is_open
    assert client.get("/account/login/").content.decode().count('href="/people/register/"') == times
    assert client.get("/people/register/").status_code == (200 if is_open else 403)


def test_a_dangerous_action_asks_for_the_password_again_and_then_does_it(sign_in: SignIn) -> None:
    admin, person = make.admin(password=make.PASSWORD), make.user()
    client = sign_in(admin)
    age_the_sign_in(client, 15 * 60 + 1)
    answer = client.post(f"/people/{person.pk}/grant/", {"role": "owner", "reason": "Needs it."})
    assert answer.headers["Location"].startswith("/account/reauthenticate/")
    assert person.role_grants.count() == 0
    client.post(answer.headers["Location"], {"password": WRONG})
    assert person.role_grants.count() == 0
    client.post(answer.headers["Location"], {"password": make.PASSWORD})
    assert [grant.role for grant in person.role_grants.all()] == ["owner"]


def test_a_program_is_refused_and_files_are_not_stored_while_somebody_signs_in_again(sign_in: SignIn) -> None:
    client, person = sign_in(make.admin(password=make.PASSWORD)), make.user()
    age_the_sign_in(client, 15 * 60 + 1)
    path, words = f"/people/{person.pk}/grant/", {"role": "owner", "reason": "Needs it."}
    answer = client.post(path, words, content_type="application/json")
    assert (answer.status_code, "Confirm your identity first" in answer.content.decode()) == (403, True)
    answer = client.post(path, {**words, "file": SimpleUploadedFile("rows.csv", b"a,b")})
    assert (answer.status_code, "choose the file again" in answer.content.decode()) == (400, True)
    assert person.role_grants.count() == 0
    assert STATE_SESSION_KEY not in client.session


def test_soon_after_signing_in_nobody_is_asked_again(sign_in: SignIn) -> None:
    admin, person = make.admin(password=make.PASSWORD), make.user()
    client = sign_in(admin)
    age_the_sign_in(client, 14 * 60)
    answer = client.post(f"/people/{person.pk}/suspend/", {"reason": "A lost laptop."})
    assert answer.headers["Location"] == f"/people/{person.pk}/"
    person.refresh_from_db()
    assert person.state == "suspended"


def test_suspension_reaches_the_sockets(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    person, admin = make.user(), make.admin()
    sent: list[tuple[str, str]] = []
    monkeypatch.setattr("common.live._send", lambda keys, kind: sent.extend((key, kind) for key in keys))
    with django_capture_on_commit_callbacks(execute=True):
        services.suspend(person, by=admin, reason="A lost laptop.")
    assert (f"user:{person.pk}", "session.ended") in sent
