"""Behind a proxy that speaks plain HTTP, headers, cookies and links follow the portal's own address."""

import http.client
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client, RequestFactory

from accounts.tasks import send_mail
from common.base_url import BaseUrlMiddleware
from portal import env
from tests import make
from tests.serving import free_port, web_server

ROOT = Path(__file__).resolve().parent.parent.parent
BASE = "https://weir.example.org"
HOSTS = ["weir.example.org", "weir.example.org:443", "weir.example.org:6666", "WEIR.example.org:80"]


@pytest.fixture(scope="module")
def served(django_db_setup: None, state: Path) -> Iterator[int]:
    """Start the real web server as deployed: https outside, HTTP on loopback. Yield its port."""
    port = free_port()
    own = {"WEIR_BASE_URL": BASE, "WEIR_HOSTS": "weir.example.org,127.0.0.1", "WEIR_PROXIES": "127.0.0.1"}
    with web_server(port, state / "https.log", **own):
        yield port


def ask(port: int, method: str, path: str, host: str, body: str = "", **headers: str) -> Any:
    """Send one request as a proxy passes it on."""
    call = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    given = {"Host": host, "X-Forwarded-For": "203.0.113.7", **headers}
    call.request(method, path, body or None, given)
    answer = call.getresponse()
    answer.text = answer.read().decode()  # type: ignore[attr-defined]
    call.close()
    return answer


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("host", [*HOSTS, "127.0.0.1:8000"])
@pytest.mark.parametrize("path", ["/account/login/", "/", "/livez", "/nowhere/", "/static/theme.js"])
def test_browsers_are_told_to_come_by_https_alone(served: int, host: str, path: str) -> None:
    answer = ask(served, "GET", path, host)
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert not urlsplit(answer.headers.get("Location", "")).netloc


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("host", HOSTS)
def test_forms_work_behind_the_proxy_and_their_cookies_are_secure(served: int, host: str) -> None:
    person = make.scientist(password=make.PASSWORD)
    page = ask(served, "GET", "/account/login/", host)
    cookie = re.search(r"csrftoken=[^;]+", page.headers["Set-Cookie"])
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert cookie is not None
    assert token is not None
    fields = {"login": person.email, "password": make.PASSWORD, "csrfmiddlewaretoken": token[1]}
    form = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie[0]}
    for origin, status in ((BASE, 302), ("http://weir.example.org", 403), (f"{BASE}:6666", 403)):
        answer = ask(served, "POST", "/account/login/", host, urlencode(fields), Origin=origin, **form)
        assert (origin, answer.status) == (origin, status)
        given = answer.headers.get_all("Set-Cookie") or []
        assert [line for line in given if "secure" not in line.lower()] == []
        assert status != 302 or {line.partition("=")[0] for line in given} >= {"sessionid", "weir_device"}


def test_the_checks_before_deployment_find_nothing() -> None:
    own = {"WEIR_BASE_URL": BASE, "WEIR_HOSTS": "weir.example.org", "WEIR_PROXIES": "127.0.0.1"}
    done = checked(own)
    assert (done.returncode, "no issues" in done.stdout) == (0, True), done.stderr


def test_a_proxy_that_is_not_named_is_noticed() -> None:
    own = {"WEIR_BASE_URL": BASE, "WEIR_HOSTS": "weir.example.org"}
    assert "WEIR_PROXIES" in checked(own).stderr


def checked(own: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    env = {**os.environ, **own}
    env.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)  # set by browser tests
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@pytest.mark.django_db
@pytest.mark.parametrize("host", HOSTS)
def test_the_mailed_link_begins_with_the_portals_own_address(
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Callable[..., Any],
    host: str,
) -> None:
    cache.clear()
    settings.BASE_URL, settings.ALLOWED_HOSTS = BASE, ["weir.example.org"]
    person = make.scientist(password=make.PASSWORD)
    with django_capture_on_commit_callbacks(execute=True):
        Client(HTTP_HOST=host).post("/account/password/reset/", {"email": person.email})
    send_mail()
    links = re.findall(r"https?://\S+", str(mail.outbox[0].body))
    assert [link.partition("/account/")[0] for link in links] == [BASE]


@pytest.mark.parametrize(
    ("host", "is_kept"),
    [
        ("weir.example.org:6666", False),
        ("WEIR.EXAMPLE.ORG", False),
        ("127.0.0.1:8000", True),
        ("evil.example", True),
        ("weir.example.org.evil.example", True),
        ("weir.example.org, evil.example", True),
        ("", True),
    ],
)
def test_other_hosts_are_left_to_the_check_of_hosts(settings: Any, host: str, *, is_kept: bool) -> None:
    settings.BASE_URL = BASE
    request = RequestFactory().get("/", HTTP_HOST=host)
    BaseUrlMiddleware(lambda request: None)(request)  # type: ignore[arg-type,return-value]
    assert (request.META["HTTP_HOST"], request.is_secure()) == (host if is_kept else "weir.example.org", True)


def test_the_scheme_is_nothing_that_a_client_says(settings: Any) -> None:
    settings.BASE_URL = "http://127.0.0.1:8000"
    request = RequestFactory().get("/", headers={"X-Forwarded-Proto": "https", "weir.scheme": "https"})
    BaseUrlMiddleware(lambda request: None)(request)  # type: ignore[arg-type,return-value]
    assert not request.is_secure()


@pytest.mark.parametrize(
    "value", ["weir.example.org", "ftp://weir.example.org", "https://", "https://a@weir.example.org",
              "https://weir.example.org/portal", "https://weir.example.org?x=1", "https://weir.example.org:x",
              "https://weir.example.org:99999", "http://[::1"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("WEIR_BASE_URL", value)
    with pytest.raises(env.BadSetting, match="WEIR_BASE_URL"):
        env.base_url("WEIR_BASE_URL", "")


def test_the_address_is_kept_without_its_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_BASE_URL", "https://Weir.example.org:8443/")
    assert env.base_url("WEIR_BASE_URL", "") == "https://weir.example.org:8443"


@pytest.mark.parametrize(
    ("value", "kept"),
    [("https://weir.example.org:443", "https://weir.example.org"), ("http://weir.example.org:80/", "http://weir.example.org"),
     ("https://weir.example.org:", "https://weir.example.org"), ("https://[::1]:443", "https://[::1]"),
     ("http://weir.example.org:443", "http://weir.example.org:443")],
)  # fmt: skip
def test_a_schemes_own_port_is_left_out_as_browsers_do(
    monkeypatch: pytest.MonkeyPatch, value: str, kept: str
) -> None:
    """Otherwise every form and every passkey would come from another address."""
    monkeypatch.setenv("WEIR_BASE_URL", value)
    assert env.base_url("WEIR_BASE_URL", "") == kept


def test_nothing_makes_links_out_of_a_request() -> None:
    """They would carry whatever Host a client sends."""
    apps = ["accounts", "audit", "common", "datasets", "portal", "privacy", "requests_app"]
    makers = [
        str(path.relative_to(ROOT))
        for name in apps
        for path in (ROOT / name).rglob("*.py")
        if "build_absolute_uri" in path.read_text()
    ]
    assert makers == ["common/http.py"], "It compares the page one came from with this one."
