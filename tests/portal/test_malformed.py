"""Requests that are none, by raw bytes: each is answered by 4xx (or as if the odd part were not there), none by a
traceback."""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client

from common import logs
from portal.launch.processes import wait_until
from tests import make
from tests.crowd import Socket, raw

pytestmark = pytest.mark.django_db(transaction=True)

FINE = {200, 302, 304}
LOGIN = "/account/login/"
HANDSHAKE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: {url}\r\n"
)


def get(
    path: str, *headers: str, method: str = "GET", version: str = "HTTP/1.1", host: str = "{host}"
) -> str:
    lines = [f"{method} {path} {version}", f"Host: {host}", "Connection: close", *headers]
    return "\r\n".join(lines) + "\r\n\r\n"


def post(body: str, *headers: str, length: int | str | None = None) -> str:
    size = len(body) if length is None else length
    return get(LOGIN, f"Content-Length: {size}", *headers, method="POST") + body


FORM = "Content-Type: application/x-www-form-urlencoded"
TOKEN = f"Cookie: csrftoken={'a' * 32}"
PART = f'--x\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n{"a" * 32}\r\n'
REFUSED = {
    "a foreign host": get("/", host="evil.example"),
    "a host that is none": get("/", host="a b<>"),
    "an empty host": get("/", host=""),
    "a host with a port that is none": get("/", host="127.0.0.1:x"),
    "two hosts": get("/", "Host: evil.example"),
    "two equal hosts": get("/", "Host: {host}"),
    "an old version": get("/", version="HTTP/0.9"),
    "a new version": get("/", version="HTTP/9.9"),
    "no version": "GET /\r\n\r\n",
    "another protocol": get("/", version="FOO"),
    "bad percents": get("/%zz%ff%c0%ae"),
    "a null in the path": get("/requests/%00"),
    "a line break in the path": get("/a%0aERROR%20forged"),
    "bytes in the path": get("/\xc3\xa9\xff"),
    "bytes in the query": get("/?a=\xff"),
    "a fragment": get("/nowhere/#a"),
    "a huge query": get("/?" + "a=b&" * 30_000),
    "too many fields in the query": get(f"{LOGIN}?" + "a=b&" * 3_500),
    "a length that is no number": post("", length="abc"),
    "a length below nothing": post("", length=-1),
    "two lengths": post("a=b", "Content-Length: 5"),
    "a length and chunks": post("a=b", "Transfer-Encoding: chunked", "Transfer-Encoding: gzip"),
    "chunks that are none": get(LOGIN, "Transfer-Encoding: chunked", method="POST") + "zz\r\n",
    "an unknown method": get(LOGIN, method="BREW"),
    "bytes in the method": get("/", method="G\xffT"),
    "a small method": get("/", method="get"),
    "a long method": get("/", method="A" * 300),
    "a proxy's method": get("evil.example:80", method="CONNECT"),
    "another server's address": get("http://evil.example/"),
    "a star": get("*", method="OPTIONS"),
    "no colon": get("/", "nonsense"),
    "a null in a header": get("/", "X\x00y: 1"),
    "too many headers": get("/", *[f"X-{number}: y" for number in range(600)]),
    "parts without a boundary": post("abc", "Content-Type: multipart/form-data", TOKEN),
    "a boundary in bytes": post("abc", "Content-Type: multipart/form-data; boundary=\xff", TOKEN),
    "too many fields": post("a=b&" * 3_000, FORM, TOKEN),
    "a forged origin": post("", "Origin: http://["),
    "a forged referer": post("", "Referer: http://["),
    "a referer that is none": get("/nowhere", "Referer: http://[::1"),
    "bytes in the referer": get("/nowhere", "Referer: \xff\xfe://"),
    "a path out of the static files": get("/static/../../etc/passwd"),
    "a null in a static file's name": get("/static/%00"),
    "a static file with a long name": get("/static/" + "a" * 5000),
    "two slashes": get("//evil.example/%0d%0aX:y"),
    "an invitation in bytes": get("/people/welcome/%ff%00/"),
    "a key in bytes": get("/account/password/reset/key/%00-%ff/"),
    "a range beyond the end": get("/static/favicon.svg", "Range: bytes=9999999-"),
    "a socket somewhere else": get("/nowhere/", HANDSHAKE),
    "a socket of another origin": get("/ws/live/", HANDSHAKE.replace("{url}", "http://127.0.0.1:1")),
    "a socket of another scheme": get("/ws/live/", HANDSHAKE.replace("{url}", "https://{host}")),
    "a socket of another name": get("/ws/live/", HANDSHAKE.replace("{url}", "http://localhost.evil.example")),
    "a socket of no origin": get("/ws/live/", HANDSHAKE.replace("Origin: {url}\r\n", "")),
    "a socket of two origins": get("/ws/live/", HANDSHAKE, "Origin: http://evil.example"),
    "a socket of nobody": get("/ws/live/", HANDSHAKE),
    "a socket without a key": get("/ws/live/", "Upgrade: websocket", "Connection: Upgrade"),
    "a socket of an unknown version": get("/ws/live/", HANDSHAKE.replace("13", "99")),
    "a socket with bytes in its protocol": get("/ws/live/", HANDSHAKE, "Sec-WebSocket-Protocol: \xff"),
    "a socket by post": get("/ws/live/", HANDSHAKE, method="POST"),
}
IGNORED = {
    "parts that end early": post(PART + "--x", "Content-Type: multipart/form-data; boundary=x", TOKEN),
    "parts in no known encoding": post(
        PART
        + '--x\r\nContent-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64\r\n\r\n%%%\r\n--x--',
        "Content-Type: multipart/form-data; boundary=x",
        TOKEN,
    ),
    "bytes in cookies": get("/", "Cookie: sessionid=\xff\xfe\x01; csrftoken=;;;==="),
    "nulls in cookies": get("/", 'Cookie: sessionid="\\000\\377"; messages="\\000"; csrftoken=%00'),
    "a long cookie": get("/", f"Cookie: sessionid={'a' * 8000}"),
    "preferences that are none": get(
        LOGIN, "Accept: ;;;q=x/\xff", "Accept-Language: \xff;q=abc,,,x", "Accept-Encoding: ;q="
    ),
    "a date that is none": get(
        "/static/favicon.svg", "If-Modified-Since: garbage 99 \xff", 'If-None-Match: "\xff'
    ),
    "a date that cannot be": get(
        "/static/favicon.svg", "If-Modified-Since: Mon, 99 Xxx 9999999999 99:99:99 GMT"
    ),
    "a range that is none": get("/static/favicon.svg", "Range: bytes=abc-,,--5"),
    "a proxy's words": get(LOGIN, "X-Forwarded-For: \xff, <x>", "X-Forwarded-Host: evil", "Forwarded: \xff"),
    "a root for Daphne": get(LOGIN, "Daphne-Root-Path: /evil\xff"),
    "words of htmx": get(
        LOGIN, "HX-Request: true", "HX-Current-URL: http://[", "Triggering-Event: [", "HX-Target: %ff"
    ),
    "ids of requests": get(LOGIN, "X-Request-ID: \xff", "X-Correlation-ID: {{"),
    "a next page that is none": get(f"{LOGIN}?next=//["),
    "a next page in bytes": get(f"{LOGIN}?next=%00%ff"),
    "no host, as of old": f"GET {LOGIN} HTTP/1.0\r\n\r\n",
}


@pytest.fixture
def log(live) -> Iterator[None]:
    """No traceback comes into the server's log, and no failure."""
    before = len(live.web.log.read_text())
    yield
    new = live.web.log.read_text()[before:]
    assert [line for line in new.splitlines() if "Traceback" in line or " ERROR " in line] == []


def status_of(live, text: str) -> int:
    filled = text.replace("{host}", urlsplit(live.url).netloc).replace("{url}", live.url)
    return int(raw(live.url, filled.encode("latin1")).split()[1])


@pytest.mark.usefixtures("log")
def test_what_is_malformed_is_refused(live):
    given = {name: status_of(live, text) for name, text in REFUSED.items()}
    assert {name: status for name, status in given.items() if not 400 <= status < 500} == {}


@pytest.mark.usefixtures("log")
def test_what_is_odd_is_passed_over(live):
    given = {name: status_of(live, text) for name, text in IGNORED.items()}
    assert {name: status for name, status in given.items() if status not in FINE} == {}


@pytest.mark.usefixtures("log")
def test_a_foreign_host_is_refused_to_those_who_have_signed_in_too(live):
    cookie = f"Cookie: {cookie_of(make.scientist())}"
    paths = ["/", "/requests/", "/people/me/", "/nowhere"]
    assert [status_of(live, get(path, cookie, host="evil.example")) for path in paths] == [400] * len(paths)


def is_written(live) -> bool:
    """Whether the log still has a line for a refused request."""
    before = live.web.log.stat().st_size
    status_of(live, get("/missing/"))
    return live.web.log.stat().st_size > before


def test_strangers_neither_fill_nor_forge_the_log(live):
    wait_until(lambda: is_written(live), live.web, seconds=90)  # other tests may have used this minute up
    before = len(live.web.log.read_text())
    for _ in range(logs.A_MINUTE // 2):
        for path in ("/%0a2026-01-01%20ERROR%20forged", "/\x7f%1b[2J", "/" + "a" * 6000):
            status_of(live, get(path))
        status_of(live, get("/", host="evil.example"))
    lines = live.web.log.read_text()[before:].splitlines()
    assert 0 < len(lines) <= 2 * logs.A_MINUTE + 1  # a new minute may have begun
    assert [line for line in lines if not line.startswith("20") or " WARNING " not in line] == []
    assert max(map(len, lines)) <= logs.LONGEST_LINE + 100


# Sockets


def cookie_of(user) -> str:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


def test_a_page_of_the_portal_gets_its_socket(live):
    cookie, port = cookie_of(make.scientist()), urlsplit(live.url).port
    for host in ("127.0.0.1", "localhost"):
        page = Socket(live.url, Cookie=cookie, Origin=f"http://{host}:{port}")
        assert page.status == 101
        page.close()


def test_one_person_has_so_many_sockets_and_others_get_theirs(live):
    cookie = cookie_of(make.scientist())
    hers = [Socket(live.url, Cookie=cookie) for _ in range(settings.SOCKETS_PER_PERSON + 3)]
    assert [each.status for each in hers] == [101] * settings.SOCKETS_PER_PERSON + [403] * 3
    someone = make.scientist()
    other = Socket(live.url, Cookie=cookie_of(someone))
    assert other.status == 101
    other.say(json.dumps({"watch": [f"user:{someone.pk}"]}))
    assert json.loads(other.hear()) == {"changed": f"user:{someone.pk}"}
    for each in [*hers, other]:
        each.close()
