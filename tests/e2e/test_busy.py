"""A portal that has too much to do at this moment: what was asked for comes by itself a little later."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tests import make
from tests.makers import requests as lane

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

REASON = "The portal is opening many other files at the moment."


def busy_once(page, address: str, *, headers: dict[str, str]) -> list[int]:
    """Have the next request of this address answered as the portal does when too much is asked of it."""
    asked = []

    def answer(route) -> None:
        asked.append(1)
        if len(asked) > 1:
            route.fallback()
            return
        body = f"<!doctype html><html lang='en'><title>One moment</title><p data-reason>{REASON}</p></html>"
        route.fulfill(status=429, headers={"Content-Type": "text/html", **headers}, body=body)

    page.route(f"**{address}", answer)
    return asked


@pytest.mark.sandbox
def test_a_preview_is_tried_again_and_the_page_says_so(open_as, complaints):
    item = make.code_request(at="ran", executor=lane.WritesOutputs({"t.csv": b"name\nrow0\n"}))
    run = item.runs.get()
    preview = reverse("requests:output", args=[run.outputs.get().pk])
    page = open_as(item.dataset.owner, reverse("inbox"))
    asked = busy_once(page, preview, headers={"Retry-After": "1"})
    page.goto(reverse("requests:check", args=[run.release.pk]))
    expect(page.get_by_text(f"{REASON} The page tries again by itself.")).to_be_visible()
    expect(page.get_by_role("cell", name="row0")).to_be_visible()
    assert len(asked) == 2
    assert [line for line in complaints if "Error Code 429" not in line] == []
    complaints.clear()  # htmx says so on the console


def test_what_was_refused_three_times_is_asked_again_once(open_as, complaints):
    item = make.code_request(at="ran", executor=lane.WritesOutputs({"t.csv": b"name\nrow0\n"}))
    run = item.runs.get()
    preview = reverse("requests:output", args=[run.outputs.get().pk])
    page = open_as(item.dataset.owner, reverse("inbox"))
    asked = []

    def answer(route) -> None:
        asked.append(1)
        busy = {"status": 429, "headers": {"Retry-After": "1"}, "body": ""}
        route.fulfill(**busy if len(asked) <= 3 else {"status": 204})

    page.route(f"**{preview}", answer)
    page.clock.install()
    with page.expect_response(f"**{preview}"):
        page.goto(reverse("requests:check", args=[run.release.pk]))
    for _ in range(2):
        with page.expect_response(f"**{preview}"):
            page.locator(".preview-slot").dispatch_event("revealed")
    assert len(asked) == 3
    page.clock.run_for(10_000)
    page.evaluate("address => fetch(address)", preview)
    assert len(asked) == 3 + 1 + 1  # once by itself, and once by this test, to be sure that all are counted
    assert [line for line in complaints if "Error Code 429" not in line] == []
    complaints.clear()


def test_a_page_comes_again_by_itself(open_as):
    person = make.scientist()
    page = open_as(person, reverse("inbox"))
    busy_once(page, reverse("accounts:profile"), headers={"Retry-After": "1", "Refresh": "1"})
    page.goto(reverse("accounts:profile"))
    expect(page.get_by_text(REASON)).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
