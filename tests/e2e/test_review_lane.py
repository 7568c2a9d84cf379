"""The whole review lane as three people do it, each in a browser of their own, with live pages."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.sync_api import Page, expect

from tests import make
from tests.e2e.acting import beside, no_barriers, write_code
from tests.makers import datasets as data

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "images"
LIVE = 30_000
FIRST = """
def main(wages):
    by_region = wages.groupby("region")
    table = by_region.agg(people=("person", "nunique"), mean_wage=("wage", "mean"))
    print("regions:", len(table))
    return {"wages_by_region": table.reset_index()}
"""
SECOND = """
def main(wages):
    by_region = wages.groupby("region")
    table = by_region.agg(people=("person", "nunique"), mean_wage=("wage", "mean"))
    # Means of few people say something about each of them.
    table = table[table["people"] >= 10].round({"mean_wage": -1})
    print("regions:", len(table))
    return {"wages_by_region": table.reset_index()}
"""


@pytest.fixture
def people(live: SimpleNamespace, transactional_db: None) -> SimpleNamespace:
    owner = beside(make.owner, name="Olga Owner", email="olga@weir.example")
    scientist = beside(make.scientist, name="Sam Scientist", email="sam@weir.example")
    dataset = beside(data.dataset, owner=owner, title="Wages of a region")
    beside(data.grant, dataset, scientist)
    admin = beside(make.admin, name="Ada Admin")
    return SimpleNamespace(owner=owner, scientist=scientist, admin=admin, dataset=dataset)


def try_and_submit(page: Page) -> None:
    """Run on mock data by keyboard, wait for the answer, submit what was frozen."""
    panel = page.locator("#mock-panel")
    earlier = panel.get_attribute("data-live") or ""
    page.locator(".cm-content").press("ControlOrMeta+Enter")
    expect(panel).not_to_have_attribute("data-live", earlier, timeout=LIVE)
    expect(panel).to_have_attribute("data-live", re.compile("^run:"), timeout=LIVE)
    expect(panel).to_contain_text("Succeeded", timeout=LIVE)
    expect(panel).to_contain_text("regions: 3")
    expect(panel.locator(".preview-table")).to_contain_text("mean_wage", timeout=LIVE)
    page.get_by_role("button", name="Submit…").click()
    page.get_by_role("button", name="Submit version").click()
    expect(page.locator("#request-live")).to_be_visible()


def test_three_people_take_a_question_from_draft_to_a_released_answer(
    open_as: Callable[..., Page], people: SimpleNamespace
) -> None:
    scientist = open_as(people.scientist, f"/requests/new/{people.dataset.pk}/")
    owner = open_as(people.owner, "/inbox/")
    admin = open_as(people.admin, "/requests/workers/")
    expect(admin.locator("#workers-live")).to_contain_text("Idle", timeout=LIVE)
    no_barriers(admin, "workers")
    expect(owner.locator("#inbox-items")).to_contain_text("Nothing is waiting for you")

    write_the_first_version(scientist)
    ask_for_changes(owner)
    write_the_second_version(scientist)
    review_the_second_version(owner)
    expect(scientist.locator("#request-live")).to_contain_text("Version 2 is approved", timeout=LIVE)

    run_path = run(scientist)
    admin.goto(run_path)
    expect(admin.locator("#run-live")).to_contain_text("Succeeded")
    expect(admin.locator("body")).not_to_contain_text("wages_by_region")
    check_and_release(owner)
    download(scientist)


def write_the_first_version(scientist: Page) -> None:
    scientist.get_by_label("Title").fill("Mean wage by region")
    scientist.get_by_role("button", name="Open the editor").click()
    scientist.get_by_label("Purpose").fill(
        "To see whether wages differ between regions, for a report on the region."
    )
    scientist.get_by_label("Context").fill("Means over everybody, with the number of people behind each.")
    scientist.get_by_label("Expected outputs").fill("One table with a row for each of three regions.")
    write_code(scientist, FIRST)
    try_and_submit(scientist)
    expect(scientist.locator("#request-live")).to_contain_text("Version 1 is waiting for a review")
    no_barriers(scientist, "request")


def ask_for_changes(owner: Page) -> None:
    """The owner's inbox has filled by itself; a remark on a line goes out with the verdict."""
    expect(owner.locator("#inbox-items")).to_contain_text("Mean wage by region", timeout=LIVE)
    no_barriers(owner, "inbox")
    owner.get_by_role("link", name="Mean wage by region").click()
    chosen_before_scripts_ran(owner, 2)
    remark(owner, 3, "How many people are there in the smallest region?")
    owner.get_by_label("Request changes").check()
    owner.locator("#verdict textarea").fill("Please leave out regions with fewer than ten people, and round.")
    owner.get_by_role("button", name="Send the verdict").click()
    expect(owner.locator("#request-live")).to_contain_text("A reviewer has requested changes")


def write_the_second_version(scientist: Page) -> None:
    """The author's open page has changed meanwhile; they answer with a new version."""
    expect(scientist.locator("#request-live")).to_contain_text(
        "A reviewer has requested changes", timeout=LIVE
    )
    scientist.get_by_role("link", name="Write a new version").click()
    write_code(scientist, SECOND)
    no_barriers(scientist, "editor")
    try_and_submit(scientist)


def run(scientist: Page) -> str:
    """The run as its author sees it: live, and nothing of what it wrote."""
    scientist.get_by_role("button", name="Run on private data").click()
    expect(scientist.locator("#run-live")).to_contain_text("held until the owner or a reviewer", timeout=LIVE)
    expect(scientist.locator("#run-live")).not_to_contain_text("wages_by_region")
    no_barriers(scientist, "run")
    return scientist.url


def download(scientist: Page) -> None:
    """The answer has come to the author's open page; now into their hands."""
    expect(scientist.locator("#run-live")).to_contain_text("Outputs of this run are released.", timeout=LIVE)
    with scientist.expect_download() as coming:
        scientist.get_by_role("link", name="Download wages_by_region.parquet").click()
    content = coming.value.path().read_bytes()
    assert (content[:4], content[-4:]) == (b"PAR1", b"PAR1")
    with scientist.expect_download() as coming:
        scientist.get_by_role("link", name="Release record (JSON)").click()
    record = json.loads(coming.value.path().read_text())
    assert [output["name"] for output in record["outputs"]] == ["wages_by_region.parquet"]


def chosen_before_scripts_ran(page: Page, line: int) -> None:
    """A line number that is clicked early is a link; the form it leads to has the focus all the same."""
    page.wait_for_url("**/versions/*/")
    address = page.url
    page.goto(f"{address}?comment={line}#L{line}")
    expect(page.locator(f"[data-threads][data-line='{line}'] textarea")).to_be_focused()
    page.goto(address)


def remark(page: Page, line: int, text: str) -> None:
    """Comment on a line by keyboard, as one who uses no mouse does."""
    link = page.locator(f"a[data-line='{line}']")
    link.focus()
    link.press("Enter")
    form = page.locator(f"[data-threads][data-line='{line}'] .comment-form")
    expect(form.locator("textarea")).to_be_focused()
    form.locator("textarea").fill(text)
    form.locator("textarea").press("Control+Enter")
    row = page.locator(f"[data-threads][data-line='{line}']")
    expect(row).to_contain_text("not sent yet: sent with your verdict")
    expect(page.locator("#held-count")).to_contain_text("1 of your comments is sent with it.")
    expect(link).to_be_focused()


def review_the_second_version(owner: Page) -> None:
    owner.goto("/inbox/")
    owner.get_by_role("link", name="Mean wage by region").click(timeout=LIVE)
    expect(owner.locator("#code-title")).to_have_text("Changes since version 1")
    expect(owner.locator(".is-added")).to_have_count(2)
    expect(owner.locator(".review-side .preview-table")).to_contain_text("mean_wage", timeout=LIVE)
    no_barriers(owner, "review")
    remark(owner, 5, "Thank you: this is what I meant.")
    expect(owner.locator("#review-state")).to_contain_text("In review", timeout=LIVE)
    owner.mouse.move(0, 0)
    owner.evaluate("scrollTo(0, 0)")
    PICTURES.mkdir(parents=True, exist_ok=True)
    owner.screenshot(path=PICTURES / "review.png")
    owner.get_by_role("link", name="Side by side").click()
    expect(owner.locator("table.code.is-split")).to_be_visible()
    no_barriers(owner, "review, side by side")
    try_it(owner)
    owner.get_by_label("Approve").check()
    owner.get_by_label("Runs").fill("2")
    owner.get_by_role("button", name="Send the verdict").click()
    expect(owner.locator("#request-live")).to_contain_text("Version 2 is approved")


def try_it(owner: Page) -> None:
    """The reviewer runs it on mock data: an error is told at the field, and the result appears by itself."""
    panel = owner.locator("#try-panel")
    panel.locator("textarea").fill("{least: 1}")
    panel.get_by_role("button", name="Run on mock data").click()
    expect(panel.locator(".field-error")).to_contain_text("not valid JSON")
    expect(panel.locator("textarea")).to_be_focused()
    panel.locator("textarea").fill('{"least": 1}')
    panel.get_by_role("button", name="Run on mock data").click()
    expect(panel.locator(".preview-table")).to_contain_text("mean_wage", timeout=LIVE)
    no_barriers(owner, "review, tried")


def check_and_release(owner: Page) -> None:
    """The owner's page leads to the check; the file is looked at, marked, and let out."""
    owner.get_by_role("link", name="Check the outputs").click(timeout=LIVE)
    expect(owner.locator(".preview-table")).to_contain_text("mean_wage", timeout=LIVE)
    no_barriers(owner, "output check")
    owner.get_by_role("button", name="Release this file").click()
    owner.get_by_label("Release the files marked for release").check()
    owner.get_by_role("button", name="Send the decision").click()
    owner.get_by_role("dialog").get_by_role("button", name="Send the decision").click()
    expect(owner.locator("#run-live")).to_contain_text("Outputs of this run are released.")
