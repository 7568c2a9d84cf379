"""Fixtures of every test: the running portal, and browsers that notice what goes wrong."""

import gc
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hypothesis
import pytest
from allauth.account.internal.flows.login import record_authentication
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.core.management.commands import flush
from django.db.backends.postgresql.operations import DatabaseOperations
from django.http import HttpRequest
from django.test import Client, TestCase
from pytest_django import DjangoDbBlocker

from portal.launch.processes import Child, wait_until
from portal.launch.tests import BROWSER
from tests import emptying, serving
from tests.browsers import Browsers

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "test-results"
UNCOUNTED = {"benchmarks", "client", "e2e", "guards", "statistical"}
"""Folders of tests during which coverage counts nothing: it would slow them down, and others run the same lines.

The same holds for tests of the running portal, which has processes of its own, and for tests marked as uncounted.
"""

# How fast examples are made is the machine's affair, and no fault of a test.
hypothesis.settings.register_profile(
    "weir", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("weir")

# Playwright keeps an event loop in the main thread; Django would refuse to use the database beside it.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"

# Otherwise every test client lists and reads the times of all static files: 50 ms, in most tests for none of them.
settings.WHITENOISE_AUTOREFRESH = True

# Every test begins with a table that nobody has asked about: they do not wait for the public time of sorting.
settings.PREPARE_SECONDS = 0.0


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with tests of the running portal last: its workers would take other tests' runs.

    Those with browsers at the very end: an event loop stays, and many short files are shared evenly by processes.
    Slow ones first each time, for no process to begin one when the others are done.
    """
    used: dict[Path, set[str]] = defaultdict(set)
    for item in items:
        used[item.path] |= {"live", "browsers"} & set(getattr(item, "fixturenames", ()))
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    for item in items:
        if item.path.relative_to(ROOT).parts[1] in UNCOUNTED or "live" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.uncounted)
    items.sort(key=lambda item: (bool(used[item.path]), "browsers" in used[item.path], item.path not in slow))


def pytest_collection_finish() -> None:
    """Leave the modules and thousands of tests out of every later search for garbage."""
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[object]:
    """Count nothing during an uncounted test, its fixtures included: tracing doubles the time of Python code."""
    plugin = item.config.pluginmanager.getplugin("_cov")
    coverage = getattr(plugin, "cov_controller", None)
    if coverage is None or item.get_closest_marker("uncounted") is None:
        return (yield)
    coverage.pause()
    try:
        return (yield)
    finally:
        coverage.resume()


def _as_if_by_the_form(sender: object, request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """`force_login` stands for a sign-in by the form, which allauth writes into the session with its time."""
    if request.method is None:
        record_authentication(request, user, method="password")


user_logged_in.connect(_as_if_by_the_form)


@pytest.fixture(scope="session", autouse=True)
def emptied_quickly() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "execute_sql_flush", emptying.empty)
        patch.setattr(flush, "emit_post_migrate_signal", lambda *args: None)  # fills what is kept
        yield


@pytest.fixture(scope="module")
def built_once(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[DjangoDbBlocker]:
    """A transaction around a module, for what its tests share; each test's own is undone within it.

    A fixture of a module builds inside `with built_once.unblock()`. Tests read what was built again: they may change
    objects in memory.
    """
    with django_db_blocker.unblock():
        atomics = TestCase._enter_atomics()  # type: ignore[attr-defined]
    yield django_db_blocker
    with django_db_blocker.unblock():
        TestCase._rollback_atomics(atomics)  # type: ignore[attr-defined]


@pytest.fixture(scope="session", autouse=True)
def state() -> Path:
    """The state folder of this test run."""
    path = Path(settings.STATE)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


@pytest.fixture(scope="session")
def free_port() -> int:
    return serving.free_port()


@pytest.fixture(scope="session")
def live(django_db_setup: None, free_port: int, state: Path) -> Iterator[SimpleNamespace]:
    """The real web server and the real worker (with its clock) on the test database; `.url` is where."""
    url = f"http://127.0.0.1:{free_port}"
    env = {
        **os.environ,
        "DATABASE_URL": serving.database_url(),
        "WEIR_BASE_URL": url,
        "WEIR_NETWORK_PRIVATE": "127.0.0.0/8",
    }
    web = Child("The web server", serving.web_command(free_port), state / "web.log", env=env)
    command = [
        "-m",
        "celery",
        "-A",
        "portal.celery",
        "worker",
        "-Q",
        "default,sandbox,blocks",
        "-c",
        "2",
        "-l",
        "info",
    ]
    clock = ["--beat", "--schedule", str(state / "beat")]
    worker = Child("The worker", [sys.executable, *command, *clock], state / "worker.log", env=env)
    worker.stop_signal = (
        signal.SIGQUIT
    )  # tests have seen what they wanted: no need to finish what is under way
    children = [web, worker]
    for child in children:
        child.start()
    try:
        wait_until(lambda: serving.listens(free_port), web, seconds=60)
        wait_until(lambda: " ready." in worker.log.read_text(), worker, seconds=60)
        yield SimpleNamespace(url=url, web=web, worker=worker)
    finally:
        for child in children:
            child.signal_stop()
        for child in children:
            child.finish()


# Browsers


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    if not BROWSER.exists():
        pytest.fail(
            f"Browser tests need Chromium: `apt-get install {BROWSER.name}` (bin/test does so as root)."
        )
    quiet = ["quic", "gpu", "background-networking", "component-update", "sync"]
    return {
        "executable_path": str(BROWSER),
        "headless": True,
        "args": ["--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in quiet)],
    }


@pytest.fixture(scope="session")
def browser_context_args() -> dict[str, Any]:
    return {"viewport": {"width": 1440, "height": 900}, "locale": "en-GB", "timezone_id": "UTC"}


@pytest.fixture(scope="session")
def browsers(launch_browser: Callable[[], Any]) -> Iterator[Browsers]:
    browsers = Browsers(launch_browser)
    yield browsers
    browsers.close()


@pytest.fixture
def new_context(browsers: Browsers, browser_context_args: dict[str, Any]) -> Iterator[Callable[..., Any]]:
    """In place of pytest-playwright's, which waits forever for a context that does not close."""
    contexts = []

    def open_context(**options: Any) -> Any:
        contexts.append(browsers.open_context(**{**browser_context_args, **options}))
        return contexts[-1]

    yield open_context
    for context in contexts:
        browsers.close_context(context)


@pytest.fixture
def complaints() -> list[str]:
    """What browsers have complained about during this test; anything left in it at the end fails the test."""
    return []


@pytest.fixture
def sign_in(live: SimpleNamespace, transactional_db: None) -> Callable[[Any, Any], None]:
    """Sign a person in to a browser context without the form."""

    def enter(context: Any, user: Any) -> None:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        cookie = client.cookies[settings.SESSION_COOKIE_NAME]
        context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live.url}])

    return enter


@pytest.fixture
def open_as(
    new_context: Any, live: SimpleNamespace, sign_in: Callable[[Any, Any], None], complaints: list[str]
) -> Iterator[Callable[..., Any]]:
    """A page in a browser of its own for a person (or nobody); it fails the test on any complaint.

    `page = open_as(user, "/requests/", width=390, scheme="dark")`
    """

    def open_page(user: Any = None, path: str = "/", *, width: int = 1440, scheme: str = "light") -> Any:
        context = new_context(base_url=live.url, color_scheme=scheme)
        if user is not None:
            sign_in(context, user)
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": 900})
        page.set_default_timeout(15_000)
        watch(page, complaints)
        page.goto(path)
        return page

    yield open_page
    assert complaints == []


def watch(page: Any, complaints: list[str]) -> None:
    """Note errors of scripts, violations of the content security policy, and failed answers (5xx)."""
    page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
    page.on("console", lambda line: complaints.append(f"console: {line.text}") if _is_error(line) else None)
    page.on(
        "response",
        lambda answer: complaints.append(f"{answer.status}: {answer.url}") if answer.status >= 500 else None,
    )


def _is_error(line: Any) -> bool:
    # A refusal that a test provokes (404, 409…) is shown on the console too; tests see those on the page.
    return line.type == "error" and "Failed to load resource" not in line.text


@pytest.fixture
def screenshot() -> Callable[..., list[Path]]:
    """Take pictures of a page: 1440 and 390 px wide, light and dark, into test-results/."""

    def take(page: Any, name: str) -> list[Path]:
        RESULTS.mkdir(exist_ok=True)
        before = page.viewport_size
        taken = []
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                path = RESULTS / f"{name}-{width}-{scheme}.png"
                page.screenshot(path=path, full_page=True)
                taken.append(path)
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(before)
        return taken

    return take
