"""The editor loses nothing: not to a second tab, not to a session that has ended; and it shows what the code does."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from requests_app.models import CodeRequest
from tests import make
from tests.e2e.acting import beside, no_barriers, write_code

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
LIVE = 30_000


@pytest.fixture
def draft(live: SimpleNamespace, transactional_db: None) -> CodeRequest:
    return beside(make.code_request)


def path(item: CodeRequest) -> str:
    return f"/requests/{item.pk}/edit/"


def saved_code(item: CodeRequest) -> str:
    return beside(lambda: CodeRequest.objects.get(pk=item.pk).code)


def test_a_second_tab_is_told_and_may_write_over(open_as: Callable[..., Page], draft: CodeRequest) -> None:
    one, other = open_as(draft.author, path(draft)), open_as(draft.author, path(draft))
    write_code(one, "def main():\n    return 1\n")
    expect(one.locator("#save-state")).to_contain_text("Saved at")
    write_code(other, "def main():\n    return 2\n")
    expect(other.locator("#draft-alert")).to_contain_text("changed in another tab")
    assert saved_code(draft) == "def main():\n    return 1\n"
    other.get_by_role("button", name="Overwrite it with mine").click()
    expect(other.locator("#save-state")).to_contain_text("Saved at")
    assert saved_code(draft) == "def main():\n    return 2\n"


def test_text_typed_after_the_session_ended_comes_back_after_signing_in(
    open_as: Callable[..., Page], sign_in: Callable[[Any, Any], None], draft: CodeRequest
) -> None:
    page = open_as(draft.author, path(draft))
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
    write_code(page, "def main():\n    return 'kept'\n")
    expect(page.locator("#draft-alert")).to_contain_text("You are signed out")
    sign_in(page.context, draft.author)
    page.goto(path(draft))
    expect(page.locator("#draft-alert")).to_contain_text("has text that was not saved")
    page.get_by_role("button", name="Restore it").click()
    expect(page.locator("#save-state")).to_contain_text("Saved at")
    assert saved_code(draft) == "def main():\n    return 'kept'\n"


def test_findings_lead_to_their_line_and_a_failure_shows_everything(
    open_as: Callable[..., Page], draft: CodeRequest
) -> None:
    page = open_as(draft.author, path(draft))
    write_code(page, "def main(wages):\n    print('so far')\n    return wages['wagge'].mean()\n")
    page.locator("#findings").get_by_role("link", name="Line 3").first.click()
    expect(page.locator(".cm-activeLine")).to_contain_text("wagge")
    expect(page.locator(".cm-lint-marker")).to_be_visible()
    page.keyboard.press("Control+Enter")
    panel = page.locator("#mock-panel")
    expect(panel).to_contain_text("Failed", timeout=LIVE)
    expect(panel).to_contain_text("KeyError")
    expect(panel).to_contain_text("on line 3 of your code")
    expect(panel).to_contain_text("so far")
    no_barriers(page, "a failed trial")


def test_the_keyboard_leaves_the_code(open_as: Callable[..., Page], draft: CodeRequest) -> None:
    page = open_as(draft.author, path(draft))
    page.locator(".cm-content").focus()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(page.locator("#run-on-mock")).to_be_focused()
