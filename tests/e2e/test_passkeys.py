"""Passkeys in a real browser with an authenticator of its own, at an address with a name: from adding to removing."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from playwright.sync_api import Page, expect

from tests import make
from tests.conftest import watch
from tests.e2e.acting import at_the_inbox, no_barriers
from tests.serving import free_port, web_server

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
SECURITY = "/account/mfa/"


@pytest.fixture(scope="module")
def site(django_db_setup: None, state: Path) -> Iterator[str]:
    """The web server under a name: browsers make no passkeys for a number."""
    port = free_port()
    url = f"http://localhost:{port}"
    with web_server(port, state / "named.log", WEIR_BASE_URL=url):
        yield url


@pytest.fixture
def page(new_context: Any, site: str, complaints: list[str]) -> Iterator[Page]:
    opened = new_context(base_url=site).new_page()
    opened.set_default_timeout(15_000)
    watch(opened, complaints)
    yield opened
    assert complaints == []


@pytest.fixture(autouse=True)
def authenticator(page: Page) -> tuple[Any, str]:
    """The browser's own, empty, as a laptop has one; its holder gives their finger at once."""
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    made = devices.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return devices, made["authenticatorId"]


def give_password(page: Page, person: Any) -> None:
    page.goto("/account/login/")
    page.get_by_label("Email").fill(person.email)
    page.get_by_label("Password").fill(make.PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def enter(page: Page, person: Any) -> None:
    give_password(page, person)
    at_the_inbox(page)


def sign_out(page: Page) -> None:
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()


def add(page: Page, name: str) -> None:
    page.goto(SECURITY)
    page.get_by_role("link", name="Add").first.click()
    page.get_by_label("Name").fill(name)
    no_barriers(page, "adding a passkey")
    page.get_by_role("button", name="Create the passkey").click()
    page.get_by_role("heading", name="Recovery codes").wait_for()


def test_a_passkey_from_adding_to_removing(page: Page, screenshot: Callable[..., Any]) -> None:
    person = make.scientist(password=make.PASSWORD)
    enter(page, person)
    add(page, "Office laptop")
    page.goto(SECURITY)
    expect(page.get_by_role("row", name="Office laptop")).to_contain_text("not yet")
    no_barriers(page, "two-step sign-in")
    screenshot(page, "passkeys")
    sign_out(page)

    give_password(page, person)
    page.get_by_role("heading", name="Second step").wait_for()
    no_barriers(page, "second step")
    screenshot(page, "passkeys-second-step")
    page.get_by_role("button", name="Use a passkey").press("Enter")
    at_the_inbox(page)
    sign_out(page)

    screenshot(page, "passkeys-sign-in")
    page.get_by_role("button", name="Sign in with a passkey").press("Enter")
    at_the_inbox(page)

    page.goto(SECURITY)
    expect(page.get_by_role("row", name="Office laptop")).to_contain_text("just now")
    page.get_by_role("link", name="Remove… Office laptop").click()
    no_barriers(page, "removing a passkey")
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_role("row", name="Office laptop")).to_have_count(0)
    sign_out(page)
    enter(page, person)


def test_what_the_browser_refuses_is_said_on_the_page(page: Page, authenticator: tuple[Any, str]) -> None:
    """A finger that does not fit, and a device that holds a passkey already."""
    person = make.scientist(password=make.PASSWORD)
    enter(page, person)
    devices, name = authenticator
    devices.send("WebAuthn.setUserVerified", {"authenticatorId": name, "isUserVerified": False})
    page.goto("/account/mfa/webauthn/add/")
    page.get_by_role("button", name="Create the passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("The passkey was not used")
    devices.send("WebAuthn.setUserVerified", {"authenticatorId": name, "isUserVerified": True})
    page.get_by_role("button", name="Create the passkey").click()
    page.get_by_role("heading", name="Recovery codes").wait_for()
    page.goto("/account/mfa/webauthn/add/")
    page.get_by_role("button", name="Create the passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("already has one of your passkeys")


def test_a_passkey_of_nobody_here_is_refused(page: Page) -> None:
    """Made for an account that does not know it any more."""
    person = make.scientist(password=make.PASSWORD)
    enter(page, person)
    add(page, "Phone")
    sign_out(page)
    Authenticator.objects.filter(user=person).delete()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_text("This passkey was not accepted.")).to_be_visible()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_same_page_at_a_number_offers_none(open_as: Callable[..., Any]) -> None:
    page = open_as(None, "/account/login/")
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_have_count(0)
