"""Signing in by hand: the second step from set-up to use, and what somebody sees who is locked out."""

from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time

from tests import make
from tests.e2e.acting import at_the_inbox
from tests.e2e.test_base_pages import serious

pytestmark = pytest.mark.e2e


def sign_in(page: Any, email: str, password: str) -> None:
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    with page.expect_navigation():
        page.get_by_role("button", name="Sign in").click()


def code_of(secret: str) -> str:
    """What an authenticator app would show now."""
    return format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))


def test_the_second_step_from_setting_up_to_signing_in(open_as: Callable[..., Any]) -> None:
    person = make.scientist(password=make.PASSWORD)
    page = open_as(None, "/account/login/?next=/account/mfa/totp/activate/")
    sign_in(page, person.email, make.PASSWORD)
    assert serious(page) == []
    page.get_by_label("Authenticator code").fill(code_of(page.locator("#secret").input_value()))
    page.get_by_role("button", name="Switch on").click()
    page.get_by_role("heading", name="Recovery codes").wait_for()
    recovery_code = page.locator("#codes").inner_text().split()[0]
    assert serious(page) == []
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    sign_in(page, person.email, make.PASSWORD)
    assert serious(page) == []
    page.get_by_label("Code").fill(recovery_code)
    page.get_by_role("button", name="Sign in").click()
    at_the_inbox(page)


def test_who_is_locked_out_learns_for_how_long_and_what_to_do(open_as: Callable[..., Any]) -> None:
    person = make.scientist(password=make.PASSWORD)
    page = open_as(None, "/account/login/")
    for _ in range(5):
        sign_in(page, person.email, "not this one")
    assert page.get_by_role("heading", name="Sign-in is locked for now").is_visible()
    assert page.get_by_text("Wait 15 min, then sign in again.").is_visible()
    assert page.get_by_role("link", name="Set a new password").is_visible()
    assert serious(page) == []
