"""A dataset is published in a real browser: file, columns, check, publish; then found, asked for and granted."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import expect

from datasets.models import Dataset, Grant, Upload
from datasets.services import uploads
from tests import make
from tests.makers.datasets import SECRET_WAGE

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


def wage_csv(people: int = 40) -> bytes:
    """A wage panel as a data owner might have it."""
    lines = [
        f"{1000 + row // 4},{1990 + row % 4},{('north', 'east', 'west')[row // 4 % 3]},{900 + 13.5 * row}"
        for row in range(people * 4)
    ]
    return "\n".join(["person_id,year,region,wage", *lines]).encode()


def choose(page, name: str, content: bytes) -> None:
    page.set_input_files("#upload-files", {"name": name, "mimeType": "text/csv", "buffer": content})


def serious(page) -> list[str]:
    """The serious violations that axe finds on this page."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:200]}"
        for each in found
        if each["impact"] in {"serious", "critical"}
    ]


def test_a_dataset_is_published_found_asked_for_and_granted(open_as, screenshot):
    owner, scientist = make.owner(), make.scientist()
    page = open_as(owner, reverse("datasets:create"))
    describe(page)
    add_a_file(page, screenshot)
    declare(page, screenshot)
    check_and_publish(page, screenshot)
    other = open_as(scientist, reverse("datasets:list"))
    ask(other, screenshot)
    page.get_by_role("navigation", name="Your dataset").get_by_role("link", name="People").click()
    page.get_by_role("link", name="Decide", exact=True).click()
    screenshot(page, "dataset-access")
    page.get_by_role("button", name="Grant access").click()
    expect(page.get_by_text("Access granted.")).to_be_visible()
    assert Grant.objects.filter(user=scientist).exists()
    other.goto(reverse("datasets:detail", args=[Dataset.objects.get().pk]))
    expect(other.get_by_role("link", name="Write a request")).to_be_visible()


def describe(page) -> None:
    page.get_by_label("Title").fill("Wage panel")
    page.get_by_label("Name in code").fill("wage_panel")
    page.get_by_label("Summary").fill("Young men and their wages, year by year.")
    page.get_by_label("Description").fill(
        "A **panel** of young men.\n\n- each person several times\n- wages in EUR"
    )
    page.get_by_role("button", name="Continue to the files").click()


def add_a_file(page, screenshot) -> None:
    expect(page.get_by_text("No table yet")).to_be_visible()
    expect(page.get_by_role("button", name="Publish this revision")).to_be_disabled()
    screenshot(page, "dataset-content-empty")
    choose(page, "wages 1990.csv", wage_csv())
    expect(page.get_by_role("link", name="wages_1990", exact=True)).to_be_visible()
    missing = "wages_1990: choose the column that identifies the person a row is about."
    expect(page.get_by_text(missing, exact=True)).to_be_visible()
    screenshot(page, "dataset-content")
    page.get_by_role("link", name="Declare", exact=True).click()


def declare(page, screenshot) -> None:
    screenshot(page, "dataset-declare")
    assert serious(page) == []
    page.get_by_label("Which column identifies the person a row is about?").select_option(label="person_id")
    fill(page, {"c1-lower": "1990", "c1-upper": "not a year"})
    page.get_by_role("button", name="Save and check").click()
    page.get_by_role("link", name="year, highest possible: Enter a whole number.").click()
    expect(page.locator("[name=c1-upper]")).to_be_focused()
    expect(page.locator("[name=c1-upper]")).to_have_value("not a year")
    fill(page, {"c1-upper": "1999"})
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("link", name="Take a codebook").click()
    page.get_by_label("Paste it here").fill(
        "name\tmin\tmax\tcategories\nwage\t0\t100000\nregion\t\t\tnorth|east"
    )
    page.get_by_role("button", name="Show what it would change").click()
    expect(page.get_by_text("2 of 2 named columns would change")).to_be_visible()
    assert serious(page) == []
    screenshot(page, "dataset-codebook")
    page.get_by_role("button", name="Fill in these declarations").click()
    for place in (1, 2, 3):
        page.locator(f"[name=c{place}-confirmed]").check()
    page.locator("[name=plain]").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("52 of 160 rows hold a value outside")).to_be_visible()
    fill(page, {"c2-categories": "north\neast\nwest"})
    page.get_by_role("button", name="Save and check").click()


def fill(page, values: dict[str, str]) -> None:
    for name, value in values.items():
        page.locator(f"[name={name}]").fill(value)


def check_and_publish(page, screenshot) -> None:
    expect(page.get_by_text("Everything is declared.")).to_be_visible()
    page.get_by_role("link", name="Preview as a scientist").first.click()
    expect(page.get_by_text("This is what data scientists see")).to_be_visible()
    screenshot(page, "dataset-preview")
    page.get_by_role("link", name="Back to your view").click()
    page.get_by_role("button", name="Publish this revision").click()
    page.get_by_role("dialog").get_by_role("button", name="Publish this revision").click()
    expect(page.get_by_text("Revision 1 published.")).to_be_visible()
    screenshot(page, "dataset-owner")
    assert serious(page) == []


def ask(page, screenshot) -> None:
    screenshot(page, "dataset-list")
    page.get_by_role("link", name="Wage panel").click()
    screenshot(page, "dataset-scientist")
    assert serious(page) == []
    page.get_by_role("link", name="Ask for access").click()
    page.get_by_label("Purpose").fill("To study how wages grow with age.")
    page.get_by_label("Intended outputs").fill("Means by year.")
    page.get_by_role("button", name="Ask for access").click()
    expect(page.get_by_text("Request sent.")).to_be_visible()


def test_a_broken_file_says_what_is_wrong_and_can_be_read_as_text(open_as, screenshot):
    dataset = make.dataset(published=False)
    page = open_as(dataset.owner, reverse("datasets:content", args=[dataset.pk]))
    choose(page, "broken.csv", b"id,age\n1,34\n2,45\n3,unknown\n4,23\n")
    expect(page.get_by_text("Line 4, column “age”: text where the others are whole numbers.")).to_be_visible()
    screenshot(page, "dataset-broken")
    page.get_by_role("button", name="Read as text").click()
    expect(page.get_by_role("link", name="broken", exact=True)).to_be_visible()


def test_an_interrupted_upload_goes_on_where_it_stopped(open_as):
    dataset = make.dataset(published=False)
    content = wage_csv(people=30_000)
    half = uploads.begin(make.draft(dataset), by=dataset.owner, file_name="panel.csv", size=len(content))
    uploads.receive(half, by=dataset.owner, offset=0, chunk=content[:1_000_000])
    page = open_as(dataset.owner, reverse("datasets:content", args=[dataset.pk]))
    expect(page.get_by_text("choose the same file again")).to_be_visible()
    choose(page, "panel.csv", content)
    expect(page.get_by_role("link", name="panel", exact=True)).to_be_visible()
    assert Upload.objects.count() == 1


def test_the_owners_other_pages(open_as, screenshot):
    dataset = make.dataset(title="Wage panel", terms="Be *kind*.", summary="Wages by year.")
    make.grant(dataset)
    make.access_request(dataset)
    make.reviewer(dataset, decides_access=True)
    page = open_as(dataset.owner, "/")
    for name in ("policy", "people", "activity", "describe"):
        page.goto(reverse(f"datasets:{name}", args=[dataset.pk]))
        screenshot(page, f"dataset-{name}")
        assert serious(page) == []
    page.goto(reverse("datasets:rows", args=[make.current(dataset).tables.get().pk]))
    expect(page.get_by_text(f"{SECRET_WAGE}.0")).to_be_visible()
    screenshot(page, "dataset-rows")
    assert serious(page) == []
