"""The editor loses nothing: not to a second tab, not to a session that has ended; and it shows what the code does."""

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from accounts.models import User
from requests_app.models import CodeEnvironment, CodeRequest
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
    """The time of saving is in the zone of one's profile, not in the browser's."""
    beside(lambda: User.objects.filter(pk=draft.author_id).update(time_zone="Pacific/Auckland"))
    one, other = open_as(draft.author, path(draft)), open_as(draft.author, path(draft))
    write_code(one, "def main():\n    return 1\n")
    expect(one.locator("#save-state")).to_have_text(re.compile(r"^Saved at \d\d:\d\d GMT\+1[23]$"))
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
    expect(panel).to_contain_text("on line 3 of the code")
    expect(panel).to_contain_text("so far")
    no_barriers(page, "a failed trial")


def test_the_keyboard_leaves_the_code(open_as: Callable[..., Page], draft: CodeRequest) -> None:
    page = open_as(draft.author, path(draft))
    page.locator(".cm-content").focus()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(page.locator("#run-on-mock")).to_be_focused()


def stored(item: CodeRequest) -> CodeRequest:
    return beside(CodeRequest.objects.get, pk=item.pk)


def test_wrong_parameters_stop_a_submission_and_a_mock_run(
    open_as: Callable[..., Page], draft: CodeRequest
) -> None:
    page = open_as(draft.author, path(draft))
    field = page.get_by_label("Parameters")
    field.fill("{year: 1987}")
    for _ in range(2):  # the second time there is nothing new to save, and still something wrong
        page.get_by_role("button", name="Submit…").click()
        expect(field).to_be_focused()
        expect(page.locator("#id_parameters-live-error")).to_contain_text(
            "line 1, column 2: a name in double quotes is expected here"
        )
        page.locator("#id_purpose").focus()
    expect(field).to_have_attribute("aria-invalid", "true")
    assert page.url.endswith(path(draft))
    page.get_by_role("button", name="Run on mock data").click()
    expect(field).to_be_focused()
    expect(page.locator("#mock-panel")).to_contain_text("Not run yet")
    assert not beside(draft.runs.exists)
    page.reload()
    expect(page.locator("#draft-alert")).to_contain_text("has text that was not saved")
    page.get_by_role("button", name="Restore it").click()
    expect(field).to_have_value("{year: 1987}")
    field.fill('{"year": 1987}')
    expect(page.locator("#save-state")).to_contain_text("Saved at")
    expect(page.locator("#id_parameters-live-error")).to_be_hidden()
    assert stored(draft).parameters == {"year": 1987}
    page.get_by_role("button", name="Submit…").click()
    page.wait_for_url("**/submit/")


def test_a_mock_run_can_be_stopped(open_as: Callable[..., Page], draft: CodeRequest) -> None:
    page = open_as(draft.author, path(draft))
    write_code(page, "import time\n\n\ndef main(wages):\n    time.sleep(600)\n    return 1\n")
    page.get_by_role("button", name="Run on mock data").click()
    panel = page.locator("#mock-panel")
    expect(panel).to_contain_text("Running", timeout=LIVE)
    page.locator("#id_purpose").fill("Typed meanwhile")
    panel.get_by_role("button", name="Stop").click()
    expect(panel).to_contain_text("Cancelled", timeout=LIVE)
    expect(panel.get_by_role("button", name="Stop")).to_have_count(0)
    assert page.input_value("#id_purpose") == "Typed meanwhile"
    assert page.url.split("#")[0].endswith(path(draft))


def test_a_python_file_can_be_opened_and_undone_and_other_files_are_refused(
    open_as: Callable[..., Page], draft: CodeRequest
) -> None:
    page = open_as(draft.author, path(draft))
    before = page.locator("#id_code").input_value()
    code = "import seaborn\r\n\r\ndef main(wages):\r\n    return 'é'\r\n"
    page.set_input_files("#code-file", {"name": "a.py", "mimeType": "text/x-python", "buffer": code.encode()})
    expect(page.locator("#findings")).to_contain_text("has no package seaborn")
    assert saved_code(draft) == code.replace("\r\n", "\n")
    for name, content in {"a.txt": b"x", "b.py": b"\xe9", "c.py": b"#" * 200_001}.items():
        page.set_input_files("#code-file", {"name": name, "mimeType": "text/plain", "buffer": content})
        expect(page.locator("#toasts")).to_contain_text(name)
    assert page.locator("#id_code").input_value() == code.replace("\r\n", "\n")
    page.locator(".cm-content").press("Control+z")
    expect(page.locator("#save-state")).to_contain_text("Saved at")
    assert page.locator("#id_code").input_value() == before


def test_columns_packages_and_tables_are_completed(open_as: Callable[..., Page], draft: CodeRequest) -> None:
    page = open_as(draft.author, path(draft))
    code, offered = page.locator(".cm-content"), page.locator(".cm-tooltip-autocomplete")
    code.press("ControlOrMeta+A")
    code.press("Delete")
    for typed, completed in {
        "import sklea": "sklearn",
        "wages['reg": "region",
        "wages.wag": "wage",
    }.items():
        code.press_sequentially(typed)
        option = offered.get_by_role("option").first
        expect(option).to_contain_text(completed)
        option.click()
        code.press("End")
        code.press("Enter")
    code.press_sequentially("wa")
    expect(offered).to_be_hidden()
    code.press("Control+Space")
    expect(offered.get_by_role("option", name="wages").first).to_be_visible()
    code.press("Escape")
    assert page.locator("#id_code").input_value() == "import sklearn\nwages['region']\nwages.wage\nwa"


def test_the_chosen_environment_is_saved_as_its_author_types(
    open_as: Callable[..., Page], draft: CodeRequest
) -> None:
    beside(_add_environment, draft)
    page = open_as(draft.author, path(draft))
    page.get_by_label("Code environment").select_option("second")
    write_code(page, "def main():\n    return 1\n")
    expect(page.locator("#save-state")).to_contain_text("Saved at")
    assert beside(lambda: CodeRequest.objects.get(pk=draft.pk).environment) == "second"


def _add_environment(item: CodeRequest) -> None:
    CodeEnvironment.objects.create(name="second", state="ready", sha256="a" * 64, by=item.author)
