"""A step with an old sign-in, in a browser with and without scripts: asked for the password, and nothing is lost."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.backends.base import SessionBase
from django.utils.module_loading import import_string
from playwright.sync_api import Page, expect

from requests_app.models import CodeRequest, Review
from tests import make
from tests.e2e.acting import beside, no_barriers
from tests.makers import requests as lane

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
COMMENT = "The mean is over everybody.\nNo group is small: line 2 & 3 say so.\n" * 40


@pytest.fixture
def item() -> CodeRequest:
    owner = make.owner(password=make.PASSWORD, name="Olu Owner")
    return make.code_request(at="submitted", dataset=make.dataset(owner=owner))


def grow_old(page: Page) -> None:
    """Let the sign-in of this browser be sixteen minutes old."""
    key = next(cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "sessionid")

    def set_back() -> None:
        session: SessionBase = import_string("accounts.signin.sessions.SessionStore")(key)
        records = session["account_authentication_methods"]
        session["account_authentication_methods"] = [{**each, "at": time.time() - 960} for each in records]
        session.save()

    beside(set_back)


def approves(page: Page, item: CodeRequest) -> None:
    version = lane.version(item)
    page.goto(f"/requests/versions/{version.pk}/")
    grow_old(page)
    page.locator("#verdict [name=verdict][value=approve]").check()
    page.locator("#verdict textarea[name=comment]").fill(COMMENT)
    page.get_by_role("button", name="Send the verdict").click()
    if page.locator("#confirm[open] [data-yes]").count():
        page.locator("#confirm [data-yes]").click()
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    expect(page.get_by_text("Give your verdict on code")).to_be_visible()
    assert beside(Review.objects.count) == 0


def confirms(page: Page, item: CodeRequest) -> None:
    page.get_by_label("Password").fill(make.PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("Verdict sent: approve.")).to_be_visible()
    given = beside(Review.objects.get)
    assert (given.verdict, given.comment.replace("\r\n", "\n")) == ("approve", COMMENT.strip())


def test_an_approval_asks_for_the_password_and_keeps_its_comment(
    open_as: Callable[..., Any], item: CodeRequest, screenshot: Callable[..., Any]
) -> None:
    page = open_as(item.dataset.owner, "/")
    approves(page, item)
    no_barriers(page, "the page that asks again")
    screenshot(page, "confirm-again")
    page.get_by_label("Password").fill("not this one")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("Give your verdict on code")).to_be_visible()
    confirms(page, item)


def test_without_scripts_too(
    new_context: Callable[..., Any],
    live: Any,
    sign_in: Callable[[Any, Any], None],
    item: CodeRequest,
) -> None:
    context = new_context(base_url=live.url, java_script_enabled=False)
    sign_in(context, item.dataset.owner)
    page = context.new_page()
    approves(page, item)
    confirms(page, item)
