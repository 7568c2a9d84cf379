"""The pages that every other page is made of: how they look, what a screen reader finds, what they load."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings

from portal.demo import people
from tests.conftest import watch
from tests.serving import free_port, web_server

pytestmark = pytest.mark.e2e

PAGES = {
    "sign-in": "/account/login/",
    "reset": "/account/password/reset/",
    "gallery": "/components/",
    "not-found": "/nowhere/",
}
SIZES = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]


@pytest.fixture(scope="module")
def demo_site(django_db_setup: None, state: Path) -> Iterator[str]:
    """The web server as the demo runs it, so that the gallery and the demo's strip are there."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with web_server(port, state / "demo.log", WEIR_BASE_URL=url, WEIR_DEMO="1"):
        yield url


@pytest.fixture
def open_page(new_context: Any, demo_site: str, complaints: list[str]) -> Iterator[Any]:
    """Open a page signed out; what it loads from elsewhere counts as a complaint."""

    def open_it(path: str, width: int = 1440, scheme: str = "light") -> Any:
        page = new_context(base_url=demo_site, color_scheme=scheme).new_page()
        page.set_viewport_size({"width": width, "height": 900})
        page.set_default_timeout(15_000)
        watch(page, complaints)
        page.on(
            "request",
            lambda asked: (
                None
                if asked.url.startswith((demo_site, "data:"))
                else complaints.append(f"outside: {asked.url}")
            ),
        )
        page.goto(path)
        return page

    yield open_it
    assert complaints == []


def serious(page: Any) -> list[str]:
    """What axe finds that would stop somebody."""
    found = Axe().run(page).response["violations"]
    return [
        f"{item['id']}: {node['html'][:160]} {node['any'][0]['message'] if node['any'] else ''}"
        for item in found
        if item["impact"] in {"serious", "critical"}
        for node in item["nodes"]
    ]


@pytest.mark.parametrize(("width", "scheme"), SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible_and_fits(open_page: Any, name: str, width: int, scheme: str) -> None:
    page = open_page(PAGES[name], width, scheme)
    page.screenshot(path=_picture(name, width, scheme), full_page=True)
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert (serious(page), overflow) == ([], 0)


def _picture(name: str, width: int, scheme: str) -> Path:
    folder = Path(__file__).resolve().parents[2] / "test-results"
    folder.mkdir(exist_ok=True)
    return folder / f"base-{name}-{width}-{scheme}.png"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_form_with_errors_is_accessible_and_keeps_what_was_typed(open_page: Any, scheme: str) -> None:
    page = open_page("/components/", scheme=scheme)
    page.fill("#id_title", "A title")
    page.click("#form button[type=submit]")
    page.wait_for_selector("[data-focus]")
    page.screenshot(path=_picture("errors", 1440, scheme), full_page=True)
    assert serious(page) == []
    assert page.input_value("#id_title") == "A title"
    assert page.evaluate("document.activeElement.matches('[data-focus]')")


def test_the_choice_of_colours_survives_a_reload(open_page: Any) -> None:
    page = open_page("/components/", scheme="light")
    page.evaluate("localStorage.setItem('weir-theme', 'dark')")
    page.reload()
    assert page.evaluate("document.documentElement.dataset.bsTheme") == "dark"


def test_a_dangerous_step_asks_first(open_page: Any) -> None:
    page = open_page("/components/")
    posts: list[str] = []
    page.on("request", lambda asked: posts.append(asked.url) if asked.method == "POST" else None)
    page.click("text=Delete draft")
    assert page.inner_text("#confirm-text") == "The draft and its mock runs are deleted for good."
    assert page.evaluate("document.activeElement.textContent") == "Cancel"
    page.keyboard.press("Escape")
    page.wait_for_selector("#confirm", state="hidden")
    assert posts == []
    page.click("text=Delete draft")
    with page.expect_navigation():
        page.click("#confirm [data-yes]")
    assert len(posts) == 1


def test_a_refused_step_says_why_in_words(open_page: Any) -> None:
    page = open_page("/components/")
    button = page.get_by_role("button", name="Run", exact=True)
    assert button.is_disabled()
    assert page.get_by_text("The dataset is frozen.").is_visible()


def test_keyboard_reaches_the_content_first(open_page: Any) -> None:
    page = open_page("/components/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


@pytest.fixture
def finished_demo() -> Iterator[None]:
    """The file that the demo writes when all its people are there."""
    people.write_file()
    yield
    (Path(settings.STATE) / people.FILE).unlink()


@pytest.mark.usefixtures("finished_demo")
def test_choosing_somebody_of_the_demo_fills_in_the_form(open_page: Any) -> None:
    page = open_page("/account/login/")
    page.get_by_role("button", name="Ingrid Solberg").click()
    filled = (page.get_by_label("Email").input_value(), page.get_by_label("Password").input_value())
    assert filled == (people.INGRID.email, people.PASSWORD)
    assert page.evaluate("document.activeElement.id") == "sign-in"


def test_the_page_reads_without_scripts(new_context: Any, demo_site: str) -> None:
    page = new_context(base_url=demo_site, java_script_enabled=False).new_page()
    page.goto("/account/login/")
    assert page.get_by_label("Email").is_visible()
    assert page.get_by_role("button", name="Sign in").is_visible()
