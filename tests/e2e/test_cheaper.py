"""Proposals on the price card, by keyboard; and how much of a person counts, on the pages that say it."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from datasets import services as datasets
from datasets.services import inspection
from tests.e2e.acting import beside, no_barriers, promised
from tests.makers import datasets as data

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def world(live: SimpleNamespace, transactional_db: None) -> SimpleNamespace:
    def made() -> SimpleNamespace:
        world = promised()
        draft = datasets.new_revision(world.dataset, by=world.owner, note="")
        world.table = datasets.declare(
            data.table(draft), by=world.owner, columns=data.WAGE_COLUMNS, rows_per_subject=3
        )
        inspection.check_fit(world.table, by=world.owner)
        return world

    return beside(made)


def test_a_proposal_is_taken_by_keyboard(
    open_as: Callable[..., Page], world: SimpleNamespace, screenshot: Callable[..., Any]
) -> None:
    page = open_as(world.scientist, reverse("privacy:ask", args=[world.budget.pk]))
    page.get_by_label("Compute").select_option("sum")
    page.locator("#id_column").select_option("wage")
    price = page.locator("#price")
    expect(price).to_contain_text("Counting at most 200,000 EUR per person")
    no_barriers(page, "proposals")
    page.get_by_role("button", name="Count one row per person").press("Enter")
    expect(page.locator("#id_sql")).to_have_value("SELECT SUM(wage)\nFROM wages\nLIMIT 1 BY person")
    expect(page.locator("#id_rows")).to_have_value("1")
    expect(price).to_contain_text("Counting at most 50,000 EUR per person")
    expect(page.locator("#price-title")).to_be_focused()
    page.get_by_role("button", name="Limit wage to 25,000").press("Enter")
    expect(page.locator("#id_sql")).to_have_value(
        "SELECT SUM(LEAST(wage, 25000))\nFROM wages\nLIMIT 1 BY person"
    )
    expect(page.get_by_text("The form has no fields for this question,")).to_be_visible()
    page.get_by_role("button", name="Ask: spend").click()
    page.locator("#confirm [data-yes]").click()
    expect(page.locator("#answer-live")).to_contain_text(
        "Counting at most 25,000 EUR per person", timeout=30_000
    )
    no_barriers(page, "answer with a cap")
    screenshot(page, "cheaper-answer")
    # Last: pictures leave a style at each field, which the content security policy would not let a swap carry over.
    page.goto(reverse("privacy:ask", args=[world.budget.pk]))
    page.get_by_label("Compute").select_option("count")
    expect(price).to_contain_text("Count people instead of rows")
    screenshot(page, "cheaper-proposals")


def test_a_count_is_asked_first_at_the_price_and_leads_back(
    open_as: Callable[..., Page], world: SimpleNamespace, screenshot: Callable[..., Any]
) -> None:
    page = open_as(world.scientist, reverse("privacy:ask", args=[world.budget.pk]))
    page.locator("#id_sql").fill("SELECT AVG(wage) FROM wages WHERE year >= 1991")
    page.get_by_role("button", name="Count the rows").press("Enter")
    price = page.locator("#price")
    expect(price).to_contain_text("Number of rows where year ≥ 1991")
    expect(page.locator("#price-title")).to_be_focused()
    expect(page.locator("#price-title")).to_be_in_viewport()
    page.get_by_role("button", name="Ask: spend").click()
    page.locator("#confirm [data-yes]").click()
    back = page.get_by_role("link", name="Back to your question: Mean of wage where year ≥ 1991")
    expect(back).to_be_visible(timeout=30_000)
    no_barriers(page, "a count that leads back")
    screenshot(page, "counted-first")
    back.click()
    expect(price).to_contain_text("Mean of wage where year ≥ 1991")


def test_the_owner_reads_how_many_people_have_more(
    open_as: Callable[..., Page], world: SimpleNamespace, screenshot: Callable[..., Any]
) -> None:
    page = open_as(world.owner, reverse("datasets:declare", args=[world.table.pk]))
    expect(
        page.get_by_text("30 of 30 people have more rows than the 3 declared; the most is 4.")
    ).to_be_visible()
    no_barriers(page, "people over the cap")
    screenshot(page, "cheaper-owner-declare")
    page.goto(reverse("datasets:content", args=[world.dataset.pk]))
    expect(page.get_by_text("30 of 30 people have more than 3 rows")).to_be_visible()
    screenshot(page, "cheaper-owner-content")
