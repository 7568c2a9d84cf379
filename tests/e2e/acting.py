"""What browser tests of the pages share."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, TypeVar
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from django.db import connection
from playwright.sync_api import Page, expect

from privacy import services
from tests import make

T = TypeVar("T")


def beside(act: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Do something in a thread of its own: Playwright's loop keeps this one."""

    def done() -> T:
        try:
            return act(*args, **kwargs)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(done).result()


def at_the_inbox(page: Page) -> None:
    """Signed in: the address of the form that comes before ends like that of the inbox, which is its `next`."""
    page.wait_for_url(lambda url: urlsplit(url).path == "/inbox/")


def promised() -> SimpleNamespace:
    """A dataset with a promise, and a scientist with a budget."""
    owner, scientist = make.owner(name="Olga Owner"), make.scientist(name="Sam Scientist")
    dataset = make.dataset(owner=owner, title="Wages of a region")
    make.grant(dataset, scientist)
    promise = services.protect(
        dataset, by=owner, epsilon=20, public_size=30, constants=["region"], scientists=2
    )
    budget = services.give_budget(promise, scientist, by=owner)
    return SimpleNamespace(owner=owner, scientist=scientist, dataset=dataset, budget=budget)


def no_barriers(page: Page, where: str) -> None:
    """What axe finds serious or critical, in light and dark."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page).response["violations"]
        grave = [
            (rule["id"], rule["nodes"][0]["html"])
            for rule in found
            if rule["impact"] in ("serious", "critical")
        ]
        assert grave == [], f"{where}, {scheme}"
    page.emulate_media(color_scheme="light")


PASTE = """(element, text) => {
  const clipboardData = new DataTransfer()
  clipboardData.setData('text/plain', text)
  element.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }))
}"""


def write_code(page: Page, code: str) -> None:
    """Replace what the editor holds by what the clipboard would."""
    editor = page.locator(".cm-content")
    editor.click()
    page.keyboard.press("ControlOrMeta+A")
    editor.evaluate(PASTE, code.lstrip())
    expect(editor).to_contain_text("return")
