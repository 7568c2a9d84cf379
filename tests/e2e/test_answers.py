"""A question in a real browser: written in a form and in SQL, priced while typing, confirmed, answered by a worker."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from tests.e2e.acting import beside, no_barriers, promised
from tests.makers import datasets as data

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

LIVE = 30_000


@pytest.fixture
def world(live: SimpleNamespace, transactional_db: None) -> SimpleNamespace:
    return beside(promised)


def fits(page: Page, width: int) -> None:
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width, page.url


@pytest.mark.parametrize("width", [1440, 390])
def test_a_question_is_written_priced_confirmed_and_answered(
    open_as: Callable[..., Page], world: SimpleNamespace, width: int
) -> None:
    page = open_as(world.scientist, reverse("datasets:detail", args=[world.dataset.pk]), width=width)
    page.get_by_role("link", name="Ask a question").click()
    write_in_the_form(page)
    price_follows(page)
    no_barriers(page, "ask")
    fits(page, width)
    sql_is_coloured_and_marked(page)
    the_form_follows_sql(page)
    a_refusal_disables_the_button(page)
    confirm(page)
    expect(page.locator("#answer-live svg.chart:visible")).to_have_count(1, timeout=LIVE)
    expect(page.locator("#answer-live tbody tr")).to_have_count(3)
    page.get_by_text("curl", exact=True).click()
    no_barriers(page, "answer")
    fits(page, width)
    with page.expect_download() as coming:
        page.get_by_role("link", name="JSON").click()
    result = json.loads(coming.value.path().read_text())["result"]
    assert [line["key"] for line in result["lines"]] == [["east"], ["north"], ["west"]]
    ask_the_same_again(page)


def write_in_the_form(page: Page) -> None:
    """By keyboard: choose, type, and see the other side follow."""
    page.get_by_label("Compute").select_option("count")
    page.locator("input[name=by][value=region]").check()
    page.get_by_label("Condition 1: column").select_option("year")
    page.get_by_label("Condition 1: comparison").select_option(">=")
    page.get_by_label("Condition 1: value").press_sequentially("1991")
    expect(page.locator("#id_sql")).to_have_value(
        "SELECT region, COUNT(*)\nFROM wages\nWHERE year >= 1991\nGROUP BY region"
    )
    expect(page.locator("#price")).to_contain_text("Number of rows by region where year ≥ 1991")
    expect(page.get_by_label("Of", exact=True)).to_be_hidden()


def price_follows(page: Page) -> None:
    page.get_by_label("Error, plus or minus").fill("9")
    expect(page.locator("#price")).to_contain_text("± 9 rows")
    expect(page.get_by_role("radio", name="I accept this error")).to_be_checked()
    epsilon = page.get_by_label("Epsilon").input_value()
    page.get_by_label("Error, plus or minus").fill("18")
    expect(page.locator("#price")).to_contain_text("± 18 rows")
    assert float(page.get_by_label("Epsilon").input_value()) < float(epsilon)


def the_form_follows_sql(page: Page) -> None:
    page.locator("#id_sql").fill("SELECT region, COUNT(DISTINCT person) FROM wages GROUP BY region")
    expect(page.get_by_label("Compute")).to_have_value("people")
    expect(page.get_by_label("Condition 1: column")).to_have_value("")
    page.get_by_label("Error, plus or minus").fill("6")
    expect(page.locator("#price")).to_contain_text("± 6 people")


def sql_is_coloured_and_marked(page: Page) -> None:
    """The textarea is typed into; under it the same text, with a line under what cannot be read."""
    under = page.locator("#sql-under")
    page.locator("#id_sql").fill("SELECT region, wage\nFROM wages\nWHERE region = 'east'")
    expect(under).to_have_text("SELECT region, wage\nFROM wages\nWHERE region = 'east'")
    expect(under.locator(".sql-keyword")).to_have_text(["SELECT", "FROM", "WHERE"])
    expect(under.locator(".sql-string")).to_have_text(["'east'"])
    expect(under.locator(".sql-wrong")).to_have_text(["region"])
    expect(page.locator("#price-why")).to_contain_text("Line 1, column 8: “region” must be in GROUP BY")


def a_refusal_disables_the_button(page: Page) -> None:
    page.get_by_label("Error, plus or minus").fill("0.5")
    expect(page.locator("#price-why")).to_contain_text("Allow a larger error")
    expect(page.locator("#price").get_by_role("button", name="Ask")).to_be_disabled()
    no_barriers(page, "refused")
    page.get_by_label("Error, plus or minus").fill("6")
    expect(page.locator("#price")).to_contain_text("± 6 people")


def confirm(page: Page) -> None:
    page.get_by_role("button", name="Ask: spend").click()
    dialog = page.locator("#confirm")
    expect(dialog).to_contain_text("for an answer within ± 6 people")
    dialog.locator("[data-yes]").click()
    expect(page.get_by_role("heading", name="Number of people by region")).to_be_visible()


def ask_the_same_again(page: Page) -> None:
    page.get_by_role("link", name="Change and ask again").click()
    page.get_by_label("Error, plus or minus").fill("7")
    expect(page.locator("#price")).to_contain_text("Costs nothing")
    page.get_by_role("button", name="Show the stored answer").click()
    expect(page.get_by_text("Answered from the stored release, at no cost.", exact=True)).to_be_visible()


@pytest.mark.parametrize("width", [1440, 390])
def test_an_owner_makes_a_promise_and_gives_a_share(
    open_as: Callable[..., Page], world: SimpleNamespace, width: int
) -> None:
    other = beside(data.dataset, owner=world.owner, title="Wages of a city")
    beside(data.grant, other, world.scientist)
    page = open_as(world.owner, reverse("privacy:dataset", args=[other.pk]), width=width)
    page.get_by_role("link", name="Set up automatic answers").click()
    page.get_by_label("About how many people").fill("2000")
    expect(page.locator("#promise")).to_contain_text("right in at most 54.8 of 100 cases")
    page.get_by_label("Very strong").check()
    expect(page.locator("#promise")).to_contain_text("right in at most 52.5 of 100 cases")
    no_barriers(page, "promise")
    fits(page, width)
    page.get_by_role("button", name="Read and confirm").click()
    page.get_by_role("button", name="Make this promise").click()
    page.locator("#confirm [data-yes]").click()
    expect(page.get_by_text("Promise made.")).to_be_visible()
    page.get_by_label("Scientist").select_option(label=f"Sam Scientist ({world.scientist.email})")
    page.get_by_role("button", name="Give the budget").click()
    expect(page.get_by_role("link", name="Sam Scientist")).to_be_visible()
    no_barriers(page, "budgets")
    fits(page, width)
    for path in (
        reverse("privacy:ledger", args=[other.pk]),
        reverse("privacy:index"),
        reverse("privacy:budget", args=[world.budget.pk]),
    ):
        page.goto(path)
        no_barriers(page, path)
        fits(page, width)


def test_a_question_can_be_asked_without_scripts(
    new_context: Callable[..., Any],
    live: SimpleNamespace,
    sign_in: Callable[..., None],
    world: SimpleNamespace,
) -> None:
    context = new_context(base_url=live.url, java_script_enabled=False)
    sign_in(context, world.scientist)
    page = context.new_page()
    page.goto(reverse("privacy:ask", args=[world.budget.pk]))
    page.locator("#id_measure").select_option("count")
    page.get_by_role("button", name="Show the price", exact=True).click()
    expect(page.locator("#price")).to_contain_text("Number of rows")
    page.get_by_role("button", name="Ask: spend").click()
    expect(page.get_by_text("What is spent does not come back.")).to_be_visible()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Number of rows")).to_be_visible()


def test_a_question_is_tried_on_the_mock_while_it_is_written(
    open_as: Callable[..., Page], world: SimpleNamespace
) -> None:
    page = open_as(world.scientist, reverse("privacy:ask", args=[world.budget.pk]))
    sql = "SELECT region, AVG(wage) FROM wages WHERE year >= 1991 GROUP BY region"
    price = page.locator("#price")
    page.locator("#id_sql").fill(sql)
    expect(price).to_contain_text("Mean of wage by region where year ≥ 1991", timeout=LIVE)
    page.get_by_label("Epsilon").fill("0.5")
    expect(price).to_contain_text("On the mock data this comes out lost in noise, in 3 of 3 groups.")
    expect(price.get_by_role("button", name="Ask")).to_be_enabled()
    no_barriers(page, "lost on the mock")
    page.locator("#id_sql").fill("SELECT VAR_POP(wage) FROM wages")
    expect(price).to_contain_text("Variance of wage")
    page.get_by_label("Epsilon").fill("14")
    expect(price).to_contain_text("On the mock data this comes out, in ")
    page.get_by_label("Compute").select_option("regression")
    page.locator(".ask-checks:visible").last.get_by_label("year").check()
    expect(price).to_contain_text("Regression of wage on year")
    expect(price).to_contain_text("On the mock data this comes out, in ")
    no_barriers(page, "tried on the mock")
