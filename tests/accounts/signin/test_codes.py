"""A code of the authenticator app, or a recovery code, works once, whatever it was used for."""

from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from tests import make
from tests.accounts.signin.test_signing_in import age_the_sign_in

pytestmark = pytest.mark.django_db
ACTIVATE, STEP, AGAIN = (
    "/account/mfa/totp/activate/",
    "/account/mfa/authenticate/",
    "/account/mfa/reauthenticate/",
)
NOW = 1_900_000_000


@pytest.fixture(autouse=True)
def _the_clock_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within one code's thirty seconds, however slow the machine is."""
    cache.clear()
    monkeypatch.setattr(auth, "yield_hotp_counters_from_time", lambda: iter([NOW // 30]))


def code_of(secret: str) -> str:
    return auth.format_hotp_value(auth.hotp_value(secret, NOW // 30))


@pytest.fixture
def person() -> User:
    return make.user(password=make.PASSWORD)


def enter(person: User) -> Client:
    client = Client()
    client.post("/account/login/", {"login": person.email, "password": make.PASSWORD})
    return client


def is_in(client: Client) -> bool:
    return client.get("/people/me/").status_code == 200


def switch_on(client: Client) -> str:
    """The code that switched the app on."""
    client.get(ACTIVATE)
    code = code_of(client.session[auth.SECRET_SESSION_KEY])
    assert client.post(ACTIVATE, {"code": code}).status_code == 302
    return code


@pytest.mark.parametrize("spelt", ["{}", " {} ", "{0:.3}-{0}"])
def test_the_code_that_switched_it_on_signs_nobody_in(person: User, spelt: str) -> None:
    code = switch_on(enter(person))
    client = enter(person)
    spelling = f"{code[:3]}-{code[3:]}" if "-" in spelt else spelt.format(code)
    client.post(STEP, {"code": spelling})
    assert not is_in(client)


def test_the_code_that_switched_it_on_confirms_nothing(person: User) -> None:
    client = enter(person)
    code = switch_on(client)
    age_the_sign_in(client, 15 * 60 + 1)
    assert client.post(AGAIN, {"code": code}).status_code == 200


def test_a_code_switches_on_once(person: User) -> None:
    """Switched off and on again by whoever has seen it."""
    client = enter(person)
    client.get(ACTIVATE)
    secret = client.session[auth.SECRET_SESSION_KEY]
    client.post(ACTIVATE, {"code": code_of(secret)})
    Authenticator.objects.all().delete()
    session = client.session
    session[auth.SECRET_SESSION_KEY] = secret
    session.save()
    assert client.post(ACTIVATE, {"code": code_of(secret)}).status_code == 200
    assert not Authenticator.objects.exists()


def test_a_wrong_code_does_not_use_up_the_right_one(person: User) -> None:
    client = enter(person)
    client.get(ACTIVATE)
    secret = client.session[auth.SECRET_SESSION_KEY]
    assert client.post(ACTIVATE, {"code": "000000"}).status_code == 200
    assert client.post(ACTIVATE, {"code": code_of(secret)}).status_code == 302


Code = Callable[[User], str]


def of_the_app(person: User) -> str:
    secret = generate_totp_secret()
    TOTP.activate(person, secret)
    return code_of(secret)


def of_recovery(person: User) -> str:
    TOTP.activate(person, generate_totp_secret())
    codes: list[str] = RecoveryCodes.activate(person).get_unused_codes()
    return codes[0]


@pytest.mark.parametrize("make_code", [of_the_app, of_recovery])
def test_a_code_that_signed_in_confirms_nothing_and_signs_in_no_more(person: User, make_code: Code) -> None:
    code = make_code(person)
    client = enter(person)
    client.post(STEP, {"code": code})
    assert is_in(client)
    age_the_sign_in(client, 15 * 60 + 1)
    assert client.get("/account/mfa/totp/deactivate/").status_code == 302
    assert client.post(AGAIN, {"code": code}).status_code == 200, "not accepted"
    assert client.post("/account/mfa/totp/deactivate/").status_code == 302
    assert Authenticator.objects.filter(user=person, type="totp").exists()
    other = enter(person)
    other.post(STEP, {"code": code})
    assert not is_in(other)


@pytest.mark.parametrize("make_code", [of_the_app, of_recovery])
def test_a_code_confirms_once(person: User, make_code: Code) -> None:
    client: Any = enter(person)
    code = make_code(person)
    age_the_sign_in(client, 15 * 60 + 1)
    assert client.post(AGAIN, {"code": code}).status_code == 302
    age_the_sign_in(client, 15 * 60 + 1)
    assert client.post(AGAIN, {"code": code}).status_code == 200
