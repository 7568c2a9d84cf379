"""A page that refreshes itself costs its reader nothing: each live page is held open over five refreshes, then used."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts import notifications
from accounts.topics import Topic
from common import live
from datasets import services
from requests_app.models import CodeEnvironment, Worker
from tests import make
from tests.e2e.acting import beside
from tests.makers import requests as lane

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

REFRESHES = 5
NARROW = 390
PARTS = {
    path.relative_to(settings.ROOT / "templates")
    for path in (settings.ROOT / "templates").rglob("*.html")
    if "data-live=" in path.read_text()
}

HOLD = """(selector) => {
  const part = document.querySelector(selector)
  const seen = (one) => one.checkVisibility()
  const reachable = [...part.querySelectorAll('a[href], button:not([disabled]), summary')].filter(seen)
  const box = [...part.querySelectorAll('.table-responsive')].find((one) => one.scrollWidth > one.clientWidth)
  const closed = [...part.querySelectorAll('details:not([open])')].find(seen)
  if (box) box.scrollLeft = 40
  if (closed) closed.open = true
  const held = { part, box, closed, focus: reachable.at(-1) }
  held.focus?.focus({ preventScroll: true })
  const isLong = (node) => node.data.trim().length > 8 ? NodeFilter.FILTER_ACCEPT : NodeFilter.FILTER_SKIP
  const text = document.createTreeWalker(part, NodeFilter.SHOW_TEXT, isLong).nextNode()
  if (text) getSelection().setBaseAndExtent(text, 1, text, 6)
  window.held = { ...held, selected: String(getSelection()) }
  return { focused: Boolean(held.focus), scrolled: Boolean(box), selected: window.held.selected }
}"""
KEPT = """() => {
  const { part, box, closed, focus, selected } = window.held
  return {
    part: part.isConnected,
    focus: !focus || document.activeElement === focus,
    scrolled: !box || (box.isConnected && box.scrollLeft === 40 && box.tabIndex === 0),
    open: !closed || (closed.isConnected && closed.open),
    selected: String(getSelection()) === selected
  }
}"""

FIELDS = """<div id="fields"><p id="news">NEWS</p><input id="left" value="given"><input id="untouched" value="NEWS">
<input id="ticked" type="checkbox"><input id="typing">
<select id="chosen"><option>a</option><option>b</option></select></div>"""


def refreshed(page: Page, selector: str, *keys: tuple[str, object]) -> None:
    """Let the portal say that something has changed, and wait until the page has fetched its part again."""
    address = page.locator(selector).get_attribute("hx-get")
    with page.expect_response(lambda one: one.url.endswith(str(address)) and one.request.method == "GET"):
        for kind, pk in keys:
            beside(live.changed, kind, pk)
    expect(page.locator(".htmx-request, .htmx-swapping, .htmx-settling")).to_have_count(0)


def held_over_refreshes(page: Page, selector: str, kind: str, pk: object) -> None:
    """Focus, scroll, unfold and select within a live part; nothing of it may be lost while it refreshes."""
    expect(page.locator("html")).to_have_attribute("data-socket", "open")
    found = page.evaluate(HOLD, selector)
    assert found["focused"], selector
    for _ in range(REFRESHES):
        refreshed(page, selector, (kind, pk))
        assert page.evaluate(KEPT) == dict.fromkeys(
            ("part", "focus", "scrolled", "open", "selected"), True
        ), selector


def workers(people: int) -> list[Worker]:
    return [lane.worker(f"sandbox-{number}@a-machine-with-a-long-name") for number in range(people)]


def test_every_live_page_keeps_what_its_reader_has(open_as: Callable[..., Any]) -> None:
    submitted = beside(make.code_request, at="submitted")
    approved = beside(make.code_request, at="approved")
    run = beside(lane.start, approved)
    owner = submitted.dataset.owner
    admin = beside(make.admin)
    beside(workers, 2)
    beside(CodeEnvironment.objects.create, name="survey", by=admin, state="building")
    beside(notifications.notify, [owner], "Somebody asks for access.", url="/datasets/", about=Topic.WORK)
    beside(services.new_revision, submitted.dataset, by=owner, note="More years.")
    version = beside(lane.version, submitted)
    places = [
        (admin, "requests:workers", [], "#workers-live", "workers", "all"),
        (admin, "requests:environments", [], "#environments-live", "workers", "all"),
        (submitted.author, "requests:detail", [submitted.pk], "#request-live", "request", submitted.pk),
        (approved.author, "requests:run", [run.pk], "#run-live", "run", run.pk),
        (owner, "requests:review", [version.pk], "#review-state", "request", submitted.pk),
        (owner, "inbox", [], "#inbox-items", "user", owner.pk),
        (owner, "datasets:content", [submitted.dataset_id], "#files", "dataset", submitted.dataset_id),
        (owner, "accounts:notifications", [], "#notifications", "user", owner.pk),
    ]
    pages: dict[Any, Page] = {}
    for person, name, args, selector, kind, pk in places:
        page = pages.get(person.pk) or open_as(person, width=NARROW)
        pages[person.pk] = page
        page.goto(reverse(name, args=args))
        held_over_refreshes(page, selector, kind, pk)


def test_each_live_part_is_morphed() -> None:
    assert len(PARTS) > 10
    for part in PARTS:
        for line in (Path(settings.ROOT) / "templates" / part).read_text().splitlines():
            assert "data-live=" not in line or 'hx-swap="morph"' in line, part


def test_a_question_is_answered_after_refreshes(open_as: Callable[..., Any]) -> None:
    admin = beside(make.admin)
    _, second = beside(workers, 2)
    page = open_as(admin, reverse("requests:workers"), width=NARROW)
    expect(page.locator("html")).to_have_attribute("data-socket", "open")
    page.get_by_role("row", name=second.name).get_by_role("button", name="Drain").click()
    for _ in range(REFRESHES):
        beside(live.changed, "workers", "all")
        page.wait_for_timeout(300)
    page.locator("#confirm [data-yes]").click()
    expect(page.get_by_role("row", name=second.name)).to_contain_text("Stop draining")
    assert beside(list, Worker.objects.filter(draining=True)) == [second]


def test_typed_text_stays_and_the_rest_is_renewed(open_as: Callable[..., Any]) -> None:
    """No live part has a field today, so the portal's answers get some on their way."""
    item = beside(make.code_request, at="submitted")
    page = open_as(item.author, f"/requests/{item.pk}/")
    expect(page.locator("html")).to_have_attribute("data-socket", "open")
    news = iter("123")

    def with_fields(route: Any) -> None:
        answer = route.fetch()
        fields = FIELDS.replace("NEWS", next(news))
        route.fulfill(response=answer, body=answer.text().replace("</section>", f"{fields}</section>", 1))

    page.route(lambda url: url.endswith(f"/requests/{item.pk}/"), with_fields)
    refreshed(page, "#request-live", ("request", item.pk))
    page.fill("#left", "typed and left")
    page.select_option("#chosen", "b")
    page.check("#ticked")
    page.fill("#typing", "typing")
    page.evaluate("document.querySelector('#typing').setSelectionRange(2, 4)")
    refreshed(page, "#request-live", ("request", item.pk))
    expect(page.locator("#news")).to_have_text("2")
    assert page.evaluate(
        "[...document.querySelector('#fields').querySelectorAll('input, select')]"
        ".map((one) => [one.id, one.checked || one.value])"
    ) == [
        ["left", "typed and left"],
        ["untouched", "2"],
        ["ticked", True],
        ["typing", "typing"],
        ["chosen", "b"],
    ]
    at = "[document.activeElement.id, document.activeElement.selectionStart, document.activeElement.selectionEnd]"
    assert page.evaluate(at) == ["typing", 2, 4]


def test_focus_goes_with_a_row_that_moves(open_as: Callable[..., Any]) -> None:
    admin = beside(make.admin)
    beside(lane.worker, "sandbox-b@here")
    page = open_as(admin, reverse("requests:workers"))
    expect(page.locator("html")).to_have_attribute("data-socket", "open")
    page.get_by_role("row", name="sandbox-b@here").get_by_role("button", name="Drain").focus()
    beside(lane.worker, "sandbox-a@here")
    refreshed(page, "#workers-live", ("workers", "all"))
    expect(page.get_by_role("row", name="sandbox-a@here")).to_be_visible()
    assert page.evaluate("document.activeElement.closest('tr').innerText").startswith("sandbox-b@here")


def test_a_page_that_opens_is_not_fetched_again(open_as: Callable[..., Any]) -> None:
    """Only a change since the page was asked for makes it fetch its parts again."""
    item = beside(make.code_request, at="submitted")
    page = open_as(item.author, "/people/me/")
    page.wait_for_timeout(1500)  # so that what has just been made is not news to the page
    fetched: list[str] = []
    page.on("request", lambda one: fetched.append(one.url) if one.headers.get("hx-request") else None)
    page.goto(f"/requests/{item.pk}/")
    expect(page.locator("html")).to_have_attribute("data-socket", "open")
    page.wait_for_timeout(700)
    assert fetched == []
    refreshed(page, "#request-live", ("request", item.pk))
    assert len(fetched) == 1
