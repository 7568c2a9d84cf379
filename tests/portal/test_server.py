"""The web server before Django: limits, and what it refuses to serve."""

import http.client
import subprocess
import sys
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from portal.server import BODY_LIMIT


@pytest.fixture
def connection(live: SimpleNamespace):
    with_port = http.client.HTTPConnection(urlsplit(live.url).netloc, timeout=20)
    yield with_port
    with_port.close()


def test_the_portal_is_ready(connection: http.client.HTTPConnection):
    connection.request("GET", "/readyz")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"ready\n")
    assert answer.getheader("Server") is None


def test_a_body_that_announces_too_much_is_refused_before_it_is_sent(connection: http.client.HTTPConnection):
    connection.putrequest("POST", "/account/login/")
    connection.putheader("Content-Length", str(BODY_LIMIT + 1))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert b"16 MB" in answer.read()


def test_a_body_of_unknown_length_is_refused_when_it_grows_too_long(connection: http.client.HTTPConnection):
    chunks = (b"x" * 1_000_000 for _ in range(BODY_LIMIT // 1_000_000 + 2))
    connection.request(
        "POST", "/account/login/", body=chunks, encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
    )
    assert connection.getresponse().status == 413


def test_a_body_within_the_limit_reaches_django(connection: http.client.HTTPConnection):
    connection.request("POST", "/account/login/", body=b"x" * 1_000_000)
    assert connection.getresponse().status == 403


@pytest.mark.parametrize(
    ("env", "arguments", "reason"),
    [
        ({"WEIR_SECRET_KEY": "short"}, [], "WEIR_SECRET_KEY is missing or shorter"),
        ({"WEIR_DEMO": "1", "WEIR_HOSTS": "weir.example"}, [], "on this machine only"),
        ({"WEIR_DEBUG": "1"}, ["--host", "0.0.0.0"], "Listen on 127.0.0.1"),
    ],
)
def test_it_refuses_to_serve_what_would_leak(monkeypatch: pytest.MonkeyPatch, env, arguments, reason):
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-m", "portal.server", "--port", "1", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert reason in done.stderr
