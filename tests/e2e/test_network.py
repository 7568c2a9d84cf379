"""Introducing another portal in a browser: set-up, the comparison, and the portal that answers."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from network.models import Identity, Peer
from tests import make
from tests.e2e.acting import beside, no_barriers
from tests.network.portals import Portal

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def other() -> Iterator[Portal]:
    portal = Portal("Hospital B")
    yield portal
    portal.close()


def test_an_admin_introduces_a_portal(open_as: Callable[..., Any], other: Portal) -> None:
    """From the empty page to an active portal: the worker makes the calls, and the page refreshes by itself."""
    page = open_as(beside(make.admin), "/network/")
    no_barriers(page, "the empty network")
    page.get_by_role("link", name="Set up this portal").click()
    page.get_by_role("textbox", name="Name").fill("Hospital A")
    page.get_by_role("button", name="Make the keys").click()
    expect(page.locator("#recovery-key")).to_have_text(re.compile(r"^([A-Z2-7]{4} ?){13}$"))
    no_barriers(page, "the recovery key")
    page.get_by_role("button", name="Finish set-up").click()
    assert beside(lambda: Identity.objects.get().kept_at) is None  # the browser wants the tick
    page.get_by_label("The recovery key is printed").check()
    page.get_by_role("button", name="Finish set-up").click()
    page.get_by_role("link", name="Introduce a portal").first.click()
    page.get_by_label("Address of the other portal").fill(other.url)
    page.get_by_role("button", name="Look it up").click()
    expect(page.get_by_role("heading", name="Hospital B", level=1)).to_be_visible()
    no_barriers(page, "the comparison")
    page.get_by_label("Compared with").fill("Bo Boss")
    page.get_by_label("We read the fingerprint").check()
    page.get_by_role("button", name="Confirm this portal").click()
    expect(page.get_by_text("Hospital B confirmed.")).to_be_visible()
    page.goto("/network/")
    expect(page.locator("#network-live").get_by_text("Active", exact=True)).to_be_visible(timeout=20_000)
    page.get_by_role("link", name="Hospital B").click()
    no_barriers(page, "the page of a portal")
    page.locator("#id_suspend_reason").fill("Their admin is away.")
    page.get_by_role("button", name="Suspend").click()
    page.locator("#confirm [data-yes]").click()
    expect(page.get_by_text("Suspended, by Ada Admin")).to_be_visible()
    assert beside(lambda: Peer.objects.get().state) == "suspended"
