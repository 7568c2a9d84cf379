"""Code environments in a browser: what an admin reads and does there, on wide and narrow screens, light and dark."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.urls import reverse
from playwright.sync_api import expect

from requests_app.models import CodeEnvironment
from tests import make
from tests.e2e.acting import beside, no_barriers

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

FAILURE = "ERROR: No matching distribution found for idna==0\n" + "  looked at: " + "x" * 400


def environment(name: str, state: str, **fields: object) -> CodeEnvironment:
    packages = {"six": "1.17.0", "idna": "3.10", "charset-normalizer": "3.4.4", "typing-extensions": "4.15.0"}
    listed = "".join(f"{package}=={version}\n" for package, version in packages.items())
    built = (
        {"sha256": "a1b2" * 16, "python": "3.11.2", "packages": packages} if "sha256" not in fields else {}
    )
    return CodeEnvironment.objects.create(
        name=name, requirements=listed, by=make.admin(), state=state, **{**built, **fields}
    )


def test_an_admin_looks_after_environments(
    open_as: Callable[..., Any], screenshot: Callable[..., list[Path]]
) -> None:
    admin = beside(make.admin)
    ready = beside(environment, "survey", "ready", log="4 packages are installed.")
    failed = beside(environment, "a-name-of-forty-characters-is-as-long-as", "failed", log=FAILURE, sha256="")
    beside(environment, "old", "retired")
    page = open_as(admin, reverse("requests:environments"))
    expect(page.get_by_role("heading", name="Code environments", exact=True)).to_be_visible()
    no_barriers(page, "environments")
    screenshot(page, "environments")
    page.goto(reverse("requests:environment", args=[failed.pk]))
    expect(page.get_by_text("No matching distribution")).to_be_visible()
    no_barriers(page, "an environment that was not built")
    screenshot(page, "environment-failed")
    page.goto(reverse("requests:environment", args=[ready.pk]))
    no_barriers(page, "an environment")
    screenshot(page, "environment")
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_admin_retires_one_and_removes_its_files(open_as: Callable[..., Any]) -> None:
    admin = beside(make.admin)
    item = beside(environment, "e2e-survey", "ready")
    place = Path(settings.ENVIRONMENTS) / item.name
    place.mkdir()
    (place / "file").write_text("x")
    page = open_as(admin, reverse("requests:environment", args=[item.pk]))
    for step in ("Retire", "Delete its files"):
        page.get_by_role("button", name=step).click()
        page.get_by_role("dialog").get_by_role("button", name=step).click()
    expect(page.get_by_text("deleted from disk")).to_be_visible()
    assert not place.exists()
