"""The output check in a browser: a wide table, a long text and a large picture are paged to their end."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.urls import reverse
from playwright.sync_api import expect

from requests_app.models import CodeRequest, Release
from tests import make
from tests.e2e.acting import beside, no_barriers
from tests.makers import requests as lane
from tests.runner.gates.hiding_in_binary import picture

pytestmark = [pytest.mark.e2e, pytest.mark.sandbox, pytest.mark.django_db(transaction=True)]
LIVE = 30_000


def files() -> dict[str, bytes]:
    names = [f"mean_of_question_{number}" for number in range(150)]
    wide = [",".join(names), *(",".join(str(row * 1000 + at) for at in range(150)) for row in range(250))]
    wide[3] = wide[3].replace("2000,", "a long remark that goes on " * 40 + ",", 1)
    body = np.full((1800, 2000, 3), 255, "uint8")
    body[300:900, 200:1400] = [70, 130, 180]
    body[1000:1040:2, 500:900:3, 0] = 254
    text = "".join(f"Line {number} of a report, ⟨U+200B⟩ included.\n" for number in range(6000))
    return {
        "a_wide.csv": "\n".join(wide).encode() + b"\n",
        "b_chart.png": picture(body, 2),
        "c_report.md": text.encode(),
    }


def held() -> tuple[CodeRequest, Release]:
    dataset = make.dataset(policy={"held_downloads": True})
    item = make.code_request(at="ran", dataset=dataset, executor=lane.WritesOutputs(files()))
    return item, Release.objects.get(run__request=item)


@pytest.mark.slow
def test_a_reviewer_pages_to_the_end_of_a_wide_table(open_as: Callable[..., Any]) -> None:
    item, release = beside(held)
    page = open_as(item.dataset.owner, reverse("requests:check", args=[release.pk]))
    table = page.locator(".output-card").first
    unseen = page.locator(".unseen")
    expect(table.locator(".preview-table")).to_contain_text("mean_of_question_99", timeout=LIVE)
    expect(table.locator(".seen")).to_contain_text("rows 1–100 of 250 in columns 1–100", timeout=LIVE)
    expect(unseen).to_contain_text("c_report.md not opened: all of it")
    table.get_by_role("link", name="More columns").click()
    expect(table.locator(".preview-table")).to_contain_text("mean_of_question_149", timeout=LIVE)
    table.get_by_role("link", name="Earlier columns").click()
    table.get_by_role("link", name="all 1,080 characters").click()
    expect(table.locator(".preview-text")).to_contain_text("a long remark", timeout=LIVE)
    table.get_by_role("link", name="Back to the table").click()
    expect(table.locator(".preview-table")).to_be_visible(timeout=LIVE)
    table.get_by_label("Page").fill("3")
    table.get_by_role("button", name="Go").click()
    expect(table.locator(".pager").first).to_contain_text("Rows 201–250 of 250", timeout=LIVE)
    expect(unseen).to_contain_text("a_wide.csv not opened: rows 101–200 of 250 in columns 1–100")
    no_barriers(page, "the output check")


@pytest.mark.slow
def test_a_reviewer_looks_at_all_of_a_picture_and_a_text(
    open_as: Callable[..., Any], screenshot: Callable[..., list[Path]]
) -> None:
    item, release = beside(held)
    page = open_as(item.dataset.owner, reverse("requests:check", args=[release.pk]))
    chart, report = (page.locator(".output-card").nth(at) for at in (1, 2))
    chart.scroll_into_view_if_needed()
    expect(chart.locator("img")).to_be_visible(timeout=LIVE)
    chart.get_by_role("link", name="Show small differences").click()
    expect(chart.locator(".pager")).to_contain_text("small colour differences are exaggerated", timeout=LIVE)
    screenshot(page, "output-check")
    chart.get_by_role("link", name="Parts in full size").click()
    expect(chart.locator(".pager")).to_contain_text("part 1 of 4 in full size", timeout=LIVE)
    report.scroll_into_view_if_needed()
    report.get_by_role("link", name="Next part").click(timeout=LIVE)
    expect(report.locator(".preview-text")).to_contain_text("Line 5999 of a report", timeout=LIVE)
    expect(report.locator(".seen")).not_to_contain_text("Not opened")
    screenshot(page, "output-check-end")
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
