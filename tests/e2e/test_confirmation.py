"""Steps that ask first, with and without scripts; open threads beside the next version; tables that are kept."""

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from common import live
from datasets import services as data
from requests_app import services
from requests_app.models import CodeRequest, Version
from tests import make
from tests.e2e.acting import beside, no_barriers
from tests.makers import requests as lane

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

OLD = "def main(wages):\n    first = 1\n    second = 2\n    return {'n': first + second}\n"
NEW = "# counted\ndef main(wages):\n    first = 1\n    second = 3\n    return {'n': first + second}\n"


def state_of(item: CodeRequest) -> str:
    return str(beside(CodeRequest.objects.values_list("state", flat=True).get, pk=item.pk))


def fits(page: Any) -> None:
    assert (
        page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth") is True
    )


def test_a_dialog_asks_once(open_as: Callable[..., Any]) -> None:
    item = make.code_request(at="submitted")
    page = open_as(item.author, f"/requests/{item.pk}/")
    page.get_by_role("button", name="Withdraw").click()
    expect(page.locator("#confirm")).to_contain_text("Withdraw this request?")
    page.locator("#confirm").get_by_role("button", name="Cancel").click()
    assert state_of(item) == "submitted"
    page.get_by_role("button", name="Withdraw").click()
    page.locator("#confirm [data-yes]").click()
    expect(page.get_by_text("Request withdrawn.")).to_be_visible()
    assert state_of(item) == "withdrawn"


def test_what_changes_meanwhile_waits_for_the_answer(open_as: Callable[..., Any]) -> None:
    """Under a question nothing is replaced: the answer would go to a form that is not on the page any more."""
    item = make.code_request(at="submitted")
    page = open_as(item.author, f"/requests/{item.pk}/")
    expect(page.locator("html")).to_have_attribute("data-socket", "open")
    page.evaluate("document.getElementById('request-live').dataset.old = 'yes'")
    page.get_by_role("button", name="Withdraw").click()
    beside(live.changed, "request", item.pk)
    page.wait_for_timeout(1500)
    expect(page.locator("#request-live")).to_have_attribute("data-old", "yes")
    page.locator("#confirm").get_by_role("button", name="Cancel").click()
    expect(page.locator("#request-live")).not_to_have_attribute("data-old", "yes")


def test_an_answer_that_comes_too_late_is_not_lost_silently(open_as: Callable[..., Any]) -> None:
    item = make.code_request(at="submitted")
    page = open_as(item.author, f"/requests/{item.pk}/")
    page.get_by_role("button", name="Withdraw").click()
    page.evaluate("document.querySelector('form[action$=\"/withdraw/\"]').remove()")
    page.locator("#confirm [data-yes]").click()
    expect(page.get_by_text("The page has changed in the meantime.")).to_be_visible()
    assert state_of(item) == "submitted"


def test_without_scripts_a_page_asks(
    new_context: Callable[..., Any], live: Any, sign_in: Callable[[Any, Any], None]
) -> None:
    item = make.code_request(at="submitted")
    context = new_context(base_url=live.url, java_script_enabled=False)
    sign_in(context, item.author)
    page = context.new_page()
    page.goto(f"/requests/{item.pk}/")
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_role("heading", name="Are you sure?", level=1)).to_be_visible()
    assert state_of(item) == "submitted"
    page.get_by_role("link", name="Cancel").click()
    expect(page).to_have_url(f"{live.url}/requests/{item.pk}/")
    page.get_by_role("button", name="Withdraw").click()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("Request withdrawn.")).to_be_visible()
    assert state_of(item) == "withdrawn"


def resubmitted(item: CodeRequest, code: str) -> Version:
    item = lane.fresh(item)
    words = {"purpose": "Means.", "context": "None.", "outputs": "One number."}
    services.save_draft(item, by=item.author, number=item.draft_number, code=code, **words)
    return lane.submission(lane.fresh(item))


def asked_for_changes() -> Version:
    item = make.code_request(at="draft")
    first, owner = resubmitted(item, OLD), item.dataset.owner
    for text, line in (("Why one?", 2), ("Why two?", 3)):
        services.comment(first, by=owner, text=text, line=line)
    services.review(
        first, by=owner, seen=first.sha256, verdict="request_changes", comment="See the comments."
    )
    return first


def test_open_threads_are_settled_beside_the_next_version(
    open_as: Callable[..., Any], screenshot: Callable[..., Any]
) -> None:
    first = asked_for_changes()
    item = first.request
    edit = open_as(item.author, f"/requests/{item.pk}/edit/")
    expect(edit.locator("#open-threads li")).to_have_count(2)
    no_barriers(edit, "the editor with open comments")
    screenshot(edit, "open-comments")
    second = beside(resubmitted, item, NEW)
    page = open_as(item.dataset.owner, f"/requests/versions/{second.pk}/")
    row = page.locator('.thread-row[data-line="3"]')
    expect(row).to_contain_text("Why one?")
    expect(page.locator("#earlier")).to_contain_text("Why two?")
    no_barriers(page, "the review of a second version")
    screenshot(page, "carried-threads")
    row.get_by_role("button", name="Resolve").click()
    expect(row).to_contain_text("Resolved")
    page.locator("#earlier").get_by_role("button", name="Resolve").click()
    expect(page.locator("#earlier")).to_contain_text("Resolved")
    fits(open_as(item.author, f"/requests/versions/{second.pk}/", width=390, scheme="dark"))


def test_a_table_is_kept(open_as: Callable[..., Any], screenshot: Callable[..., Any]) -> None:
    dataset = make.dataset()
    beside(data.new_revision, dataset, by=dataset.owner, note="More years.")
    path = reverse("datasets:content", args=[dataset.pk])
    fits(open_as(dataset.owner, path, width=390, scheme="dark"))
    page = open_as(dataset.owner, path)
    no_barriers(page, "a draft revision")
    screenshot(page, "keep")
    page.get_by_role("button", name="Keep it").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Table wages kept unchanged.")).to_be_visible()
    expect(page.get_by_text("Everything is declared.")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_an_address_for_forms_says_so(
    open_as: Callable[..., Any], screenshot: Callable[..., Any], width: int, scheme: str
) -> None:
    item = make.code_request(at="submitted")
    page = open_as(item.author, f"/requests/{item.pk}/", width=width, scheme=scheme)
    page.goto(f"/requests/{item.pk}/withdraw/")
    expect(page.get_by_role("heading", name="Nothing to open here")).to_be_visible()
    no_barriers(page, "405")
    fits(page)
    screenshot(page, f"405-{width}")
    page.get_by_role("link", name="Back").click()
    expect(page.get_by_role("heading", name=item.title)).to_be_visible()
