"""bin/launch --network-demo, from the first start to the second end: three portals need the machine to themselves."""

import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.launching import Console
from tests.serving import free_port

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.sandbox, pytest.mark.timeout(1800)]

PASSWORD = "measured-answers-only"
PATIENCE_SECONDS = 600


def ports() -> int:
    """The first of three ports in a row; each is of another loopback address, so these are seldom taken."""
    return min(free_port(), 65_000)


def started(state: Path, port: int) -> Console:
    console = Console(state, port, "--network-demo")
    return console.ready(says="The network demo is ready", seconds=PATIENCE_SECONDS)


def ended(console: Console) -> None:
    console.process.send_signal(signal.SIGINT)
    assert console.ended() == 0
    assert console.tree() == {}


def addresses(port: int) -> list[str]:
    return [f"http://127.0.0.{number + 1}:{port + number}" for number in range(3)]


def signed_in(url: str, name: str) -> httpx.Client:
    """A browser in which somebody has signed in, on loopback alone."""
    browser = httpx.Client(base_url=url, follow_redirects=True, timeout=60, trust_env=False)
    browser.get("/account/login/")
    given = {
        "login": f"{name}@demo.weir.example",
        "password": PASSWORD,
        "csrfmiddlewaretoken": browser.cookies["csrftoken"],
    }
    assert browser.post("/account/login/", data=given, headers={"Origin": url}).status_code == 200
    return browser


def listed(browser: httpx.Client, path: str) -> list[dict[str, Any]]:
    answer = browser.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["results"])


def test_three_portals_know_each_other_and_stay_acquainted(tmp_path: Path) -> None:
    port = ports()
    console = started(tmp_path / "state", port)
    try:
        _mei_works_everywhere(addresses(port))
        introduced = _introductions(addresses(port))
        assert introduced == [2, 2, 2]
        ended(console)
        console = started(tmp_path / "state", port)
        assert "The portals know each other" not in console.said
        assert _introductions(addresses(port)) == introduced
        ended(console)
    finally:
        console.process.kill()


def _mei_works_everywhere(urls: list[str]) -> None:
    mei = signed_in(urls[0], "mei")
    portals = {portal["url"]: portal["id"] for portal in listed(mei, "network/portals/")}
    assert sorted(portals) == urls[1:]
    found = {item["title"] for item in listed(mei, "network/datasets/")}
    assert found == {f"Smokers of {name} Hospital, 1971–1982" for name in ("West", "South")}
    assert len(listed(mei, "budgets/")) == 1
    for pk in portals.values():
        assert len(listed(mei, f"network/portals/{pk}/api/budgets/")) == 1


def _introductions(urls: list[str]) -> list[int]:
    """How many active portals the admin of each portal sees."""
    admins = ("amara", "nadia", "marek")
    return [
        len(listed(signed_in(url, name), "network/portals/")) for url, name in zip(urls, admins, strict=True)
    ]
