"""People and the audit log in a browser: suspension that reaches an open page, and pages that everybody can use."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from accounts import services
from accounts.models import User
from accounts.services import programs
from audit.models import Entry
from tests import make
from tests.e2e.acting import beside

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
SERIOUS = {"serious", "critical"}


def test_a_suspended_person_is_put_out_of_an_open_page(open_as: Callable[..., Any]) -> None:
    admin, person = make.admin(), make.scientist(name="Sam Scientist")
    theirs = open_as(person, "/people/notifications/")
    expect(theirs.get_by_role("heading", name="Notifications")).to_be_visible()
    page = open_as(admin, f"/people/{person.pk}/")
    page.get_by_label("Reason").last.fill("A lost laptop.")
    page.get_by_role("button", name="Suspend").click()
    page.locator("#confirm [data-yes]").click()
    expect(page.get_by_text("Sam Scientist has been suspended")).to_be_visible()
    expect(theirs.get_by_role("heading", name="Sign in")).to_be_visible(timeout=5_000)
    person.refresh_from_db()
    assert (person.state, Entry.objects.get(action="user.suspend").detail) == (
        "suspended",
        {"reason": "A lost laptop."},
    )


def test_an_admin_gives_a_role_by_keyboard(open_as: Callable[..., Any]) -> None:
    page = open_as(make.admin(), f"/people/{make.user().pk}/")
    page.get_by_text("Grant… the role Data owner").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("Runs the wage panel.")
    page.keyboard.press("Enter")
    expect(page.get_by_text("now has the role data owner")).to_be_visible()


def test_a_new_account_begins_in_the_zone_of_the_browser(live: Any, new_context: Callable[..., Any]) -> None:
    """The database's name of the place is chosen, whether or not the browser calls it by an older one."""
    _, link = beside(services.invite, "noor@weir.example", by=beside(make.admin), roles=[])
    page = new_context(base_url=live.url, timezone_id="Asia/Calcutta").new_page()
    page.goto(urlsplit(link).path)
    expect(page.get_by_label("Time zone")).to_have_value("Asia/Kolkata")


@pytest.mark.parametrize(
    ("width", "scheme"), [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]
)
def test_pages_of_people_and_audit_are_accessible(
    open_as: Callable[..., Any], width: int, scheme: str
) -> None:
    admin = make.admin()
    person = make.user("owner")
    make.user(state=User.State.PENDING, registration_note="To study wages.")
    services.invite("noor@weir.example", by=admin, roles=["scientist"])
    services.take_role(person, by=admin, role="owner", reason="Left.")
    entry = Entry.objects.get(action="user.take_role")
    paths = [
        "/people/",
        f"/people/{person.pk}/",
        "/people/registrations/",
        "/people/invitations/",
        "/people/me/",
        "/people/tokens/",
        "/people/device/",
        "/api/v1/docs/errors/",
        "/people/notifications/",
        "/audit/",
        f"/audit/{entry.key}/",
    ]
    page = open_as(admin, paths[0], width=width, scheme=scheme)
    for path in paths:
        page.goto(path)
        accessible(page, width)


@pytest.mark.parametrize(
    ("width", "scheme"), [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]
)
def test_a_token_is_made_by_keyboard_and_shown_to_everybody_who_can_read(
    open_as: Callable[..., Any], width: int, scheme: str
) -> None:
    make.dataset(discoverable=True, title="Wages")
    person = make.scientist()
    page = open_as(person, "/people/tokens/", width=width, scheme=scheme)
    expect(page.get_by_label("Wages")).to_be_hidden()
    page.get_by_label("Name").focus()
    page.keyboard.type("nightly job")
    page.get_by_label("Only some").focus()
    page.keyboard.press("Space")
    page.get_by_label("Wages").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Your new token: nightly job")).to_be_visible()
    assert page.locator("#token-secret").inner_text().startswith("weir_")
    accessible(page, width)


@pytest.mark.parametrize(
    ("width", "scheme"), [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]
)
def test_a_program_is_signed_in_by_its_code(open_as: Callable[..., Any], width: int, scheme: str) -> None:
    item, code = programs.begin(name="weir on nebula", scopes=["read", "ask"], address="192.0.2.7")
    page = open_as(make.scientist(), "/people/device/", width=width, scheme=scheme)
    page.get_by_label("Code").fill("bcdf")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_label("Code").fill(item.user_code.lower())
    page.keyboard.press("Enter")
    expect(page.get_by_text("Only if you started this yourself")).to_be_visible()
    accessible(page, width)
    page.get_by_role("button", name="Sign it in").click()
    expect(page.get_by_text("“weir on nebula” is signed in.")).to_be_visible()
    assert beside(lambda: programs.poll(code))[0].state == "live"


def accessible(page: Any, width: int) -> None:
    found = [item for item in Axe().run(page).response["violations"] if item["impact"] in SERIOUS]
    assert [(item["id"], [node["html"] for node in item["nodes"]]) for item in found] == []
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
