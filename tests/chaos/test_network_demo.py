"""bin/launch --network-demo, from the first start to the second end: three portals need the machine to themselves."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.launching import Console
from tests.serving import free_port

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.sandbox, pytest.mark.timeout(1800)]

PEOPLE = 1566
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


@contextmanager
def signed_in(url: str, name: str) -> Iterator[httpx.Client]:
    """A browser in which somebody has signed in."""
    with httpx.Client(base_url=url, follow_redirects=True, timeout=60, trust_env=False) as browser:
        _sign_in(browser, url, name)
        yield browser


def _sign_in(browser: httpx.Client, url: str, name: str) -> None:
    browser.get("/account/login/")
    given = {
        "login": f"{name}@demo.weir.example",
        "password": PASSWORD,
        "csrfmiddlewaretoken": browser.cookies["csrftoken"],
    }
    assert browser.post("/account/login/", data=given, headers={"Origin": url}).status_code == 200


def listed(browser: httpx.Client, path: str) -> list[dict[str, Any]]:
    answer = browser.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


def test_three_portals_know_each_other_and_stay_acquainted(tmp_path: Path) -> None:
    port = ports()
    console = started(tmp_path / "state", port)
    try:
        _mei_works_everywhere(addresses(port))
        _mei_asks_all_at_once(addresses(port))
        introduced = _introduced(addresses(port))
        assert [len(portals) for portals in introduced] == [2, 2, 2]
        ended(console)
        console = started(tmp_path / "state", port)
        assert "The portals know each other" not in console.said
        assert _introduced(addresses(port)) == introduced
        ended(console)
    finally:
        console.process.kill()
        console.process.wait()


def _mei_works_everywhere(urls: list[str]) -> None:
    with signed_in(urls[0], "mei") as mei:
        portals = {portal["url"]: portal["id"] for portal in listed(mei, "network/portals/")}
        assert sorted(portals) == urls[1:]
        found = {item["title"] for item in listed(mei, "network/datasets/")}
        assert found == {f"Smokers of {name} Hospital, 1971–1982" for name in ("West", "South")}
        assert len(listed(mei, "budgets/")) == 1
        for pk in portals.values():
            assert len(listed(mei, f"network/portals/{pk}/api/budgets/")) == 1


def _mei_asks_all_at_once(urls: list[str]) -> None:
    """One question in the study: about 1,566 people, a third of them at each portal."""
    with signed_in(urls[0], "mei") as mei:
        (study,) = listed(mei, "studies/")
        asked = {"sql": "SELECT COUNT(DISTINCT person) FROM health", "share": 0.25}
        answer = _posted(mei, f"studies/{study['id']}/answers/", asked)
        for _ in range(120):
            if answer["state"] not in {"preparing", "collecting"}:
                break
            time.sleep(0.5)
            answer = mei.get(f"/api/v1/joint-answers/{answer['id']}/").json()
        assert answer["state"] == "released", answer["reason"]
        assert [(part["url"], part["state"]) for part in answer["portals"]] == [(url, "sent") for url in urls]
        (figure,) = answer["result"]["lines"][0]["figures"]
        assert abs(figure["value"] - PEOPLE) < 4 * figure["half_width"]
        assert _posted(mei, f"studies/{study['id']}/answers/", asked)["id"] == answer["id"]  # free


def _posted(browser: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {
        "Origin": str(browser.base_url).rstrip("/"),
        "X-CSRFToken": browser.cookies["csrftoken"],
        "Idempotency-Key": str(uuid4()),
    }
    answer = browser.post(f"/api/v1/{path}", json=body, headers=headers)
    assert answer.status_code in {200, 201, 202}, answer.text
    return dict(answer.json())


def _introduced(urls: list[str]) -> list[dict[str, str]]:
    """The active portals that the admin of each portal sees: the id of each by its address."""
    found = []
    for url, name in zip(urls, ("amara", "nadia", "marek"), strict=True):
        with signed_in(url, name) as admin:
            found.append({portal["url"]: portal["id"] for portal in listed(admin, "network/portals/")})
    return found
