"""Calls of the API by raw bytes, slow ones, and those whose token ends in the middle, on the running portal."""

import gzip
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import SimpleNamespace
from urllib.parse import urlsplit

import httpx
import pytest
from django.conf import settings

from accounts.models import AccessToken, User
from accounts.services import tokens
from datasets.models import Upload
from portal.launch.processes import wait_until
from privacy import services as privacy
from privacy.models import LedgerLine
from tests import make
from tests.crowd import raw
from tests.makers.datasets import PEOPLE
from tests.portal.test_malformed import log
from tests.rest import bearer

__all__ = ["log"]
pytestmark = pytest.mark.django_db(transaction=True)

JSON = "Content-Type: application/json"
TUS = ("Tus-Resumable: 1.0.0", "Upload-Length: 10")


@pytest.fixture
def owner() -> User:
    return make.owner()


@pytest.fixture
def draft(owner: User) -> str:
    return f"datasets/{make.dataset(owner=owner, published=False).pk}/"


def header_of(person: User) -> str:
    """The header with a token of this person."""
    return f"Authorization: {bearer(person, 'read', 'ask', 'publish', days=1)['Authorization']}"


def sent(live: SimpleNamespace, method: str, path: str, *headers: str, body: bytes = b"") -> tuple[int, str]:
    """Send these bytes, and return the status and the code of the problem, or ""."""
    head, _, content = raw(live.url, call(live, method, path, *headers, body=body)).partition(b"\r\n\r\n")
    code = json.loads(content)["code"] if b"application/problem+json" in head else ""
    return int(head.split()[1]), code


def call(live: SimpleNamespace, method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    named = [f"Host: {urlsplit(live.url).netloc}", f"Content-Length: {len(body)}", "Connection: close"]
    return (
        "\r\n".join([f"{method} /api/v1/{path} HTTP/1.1", *named, *headers, "", ""]).encode("latin1") + body
    )


BYTES_IN_HEADERS = {
    "Accept: \xff": ("GET", "me/", 406, "not_acceptable"),
    "Authorization: Bearer \xff\xfe": ("GET", "me/", 401, "unauthenticated"),
    "Authorization: \xff": ("GET", "me/", 401, "unauthenticated"),
    "Cookie: sessionid=\xff": ("GET", "me/", 200, ""),
    "If-None-Match: \xff": ("GET", "me/", 200, ""),
    "Prefer: wait=\xff": ("GET", "me/", 200, ""),
    "Weir-Client: \xff.\xff.\xff": ("GET", "me/", 200, ""),
    "Weir-Client: 0.0.1": ("GET", "me/", 400, "client_too_old"),
    "Content-Type: \xff": ("POST", "datasets/", 415, "unsupported_media_type"),
    "Content-Encoding: \xff": ("POST", "datasets/", 415, "unsupported_media_type"),
    "Idempotency-Key: \xff": ("POST", "datasets/", 400, "invalid"),
    "If-Match: \xff": ("PATCH", "{draft}", 412, "stale"),
    "Upload-Metadata: filename \xff": ("POST", "{draft}uploads/", 400, "invalid"),
    "Upload-Length: \xb2": ("POST", "{draft}uploads/", 400, "invalid"),
    "X-HTTP-Method-Override: \xff": ("POST", "{draft}uploads/", 201, ""),
}
"""A header with bytes that are no text, or no number, and how it is answered."""


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize(
    "header", BYTES_IN_HEADERS, ids=lambda header: header.encode("unicode_escape").decode()
)
def test_bytes_in_a_header_are_refused_or_mean_nothing(
    live: SimpleNamespace, owner: User, draft: str, header: str
):
    method, path, status, code = BYTES_IN_HEADERS[header]
    name = header.partition(":")[0]
    usual = [header_of(owner), JSON, *(TUS if "uploads" in path else ())]
    others = [each for each in usual if not each.startswith(name)]
    given = sent(live, method, path.format(draft=draft), *others, header, body=b"{}")
    assert given == (status, code)


@pytest.mark.usefixtures("log")
def test_compressed_bodies_are_refused_unopened(live: SimpleNamespace, owner: User):
    bomb = gzip.compress(b'{"name": "' + b" " * 20_000_000 + b'"}')
    packed = "Content-Encoding: gzip"
    refused, mine = (415, "unsupported_media_type"), header_of(owner)
    assert sent(live, "POST", "datasets/", mine, JSON, packed, body=bomb) == refused
    draft = make.draft(make.dataset(owner=owner, published=False))
    upload = Upload.objects.create(revision=draft, user=owner, file_name="a.csv", size=len(bomb))
    chunk = [TUS[0], "Upload-Offset: 0", "Content-Type: application/offset+octet-stream", packed]
    assert sent(live, "PATCH", f"uploads/{upload.pk}/", mine, *chunk, body=bomb) == refused


WHERE = b'{"epsilon": 1, "query": {"table": "wages", "measure": {"kind": "count"}, "where": '
NOT = b'{"kind": "not", "part": '
BAD_QUESTIONS = {
    "ten thousand levels": (WHERE + b"[" * 10_000 + b"]" * 10_000 + b"}}", 400, "not_json"),
    "ten thousand levels without an end": (WHERE + b'{"a":' * 10_000, 400, "not_json"),
    "a hundred levels": (WHERE + NOT * 100 + b"1" + b"}" * 102, 400, "invalid"),
    "a million nodes": (b'{"epsilon": 1, "query": [' + b"{}," * 10**6 + b"1]}", 413, "too_large"),
    "as many nodes as there can be": (b'{"epsilon": 1, "query": [' + b"1," * 49_000 + b"1]}", 400, "invalid"),
    "400 digits": (b'{"sql": "SELECT COUNT(*) FROM wages", "epsilon": ' + b"9" * 400 + b"}", 400, "not_json"),
    "a large number": (b'{"sql": "SELECT COUNT(*) FROM wages", "epsilon": 1e999}', 400, "not_json"),
    "one key twice": (b'{"sql": "SELECT COUNT(*) FROM wages", "epsilon": 1, "epsilon": 2}', 400, "not_json"),
    "NUL": (b'{"sql": "SELECT \\u0000", "epsilon": 1}', 400, "not_json"),
    "half a pair of surrogates": (b'{"sql": "SELECT \\ud800", "epsilon": 1}', 400, "not_json"),
    "bytes": (b'{"sql": "SELECT \xff", "epsilon": 1}', 400, "not_json"),
}


@pytest.mark.usefixtures("log")
def test_questions_that_are_none_are_refused_by_their_form(live: SimpleNamespace):
    data, scientist = make.dataset(), make.scientist()
    make.grant(data, scientist)
    promise = privacy.protect(data, by=data.owner, epsilon=50, public_size=PEOPLE, constants=[], scientists=1)
    budget = privacy.give_budget(promise, scientist, by=data.owner, epsilon=40)
    mine = header_of(scientist)
    for ask in ("price", "trial", "answers"):
        given = {
            name: sent(live, "POST", f"budgets/{budget.pk}/{ask}/", mine, JSON, body=body)
            for name, (body, _, _) in BAD_QUESTIONS.items()
        }
        assert given == {name: (status, code) for name, (_, status, code) in BAD_QUESTIONS.items()}
    assert not LedgerLine.objects.exists()


# Slow ones


@pytest.mark.usefixtures("log")
def test_slow_bodies_take_nobodys_turn(live: SimpleNamespace, owner: User):
    """More than there are threads, and far more than one person may have in progress."""
    body, mine = b'{"name": "slow", "title": "Slow"}', header_of(owner)
    with ExitStack() as opened:
        slow = [opened.enter_context(line_to(live)) for _ in range(2 * settings.REQUESTS_AT_ONCE)]
        for each in slow:
            each.sendall(call(live, "POST", "datasets/", mine, JSON, body=body)[:-10])
        for header in (mine, header_of(make.owner())):
            assert sent(live, "GET", "me/", header) == (200, "")
        slow[0].sendall(body[-10:])
        assert slow[0].recv(100).startswith(b"HTTP/1.1 201 ")
    assert owner.datasets.count() == 1


def line_to(live: SimpleNamespace) -> socket.socket:
    parts = urlsplit(live.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=60)


# Tokens that end in the middle


def token_of(person: User, *scopes: str) -> tuple[AccessToken, dict[str, str]]:
    token, secret = tokens.make(by=person, name="a test", scopes=scopes, days=1)
    return token, {"Authorization": f"Bearer {secret}"}


def test_a_stream_ends_with_its_token(live: SimpleNamespace, owner: User):
    data = make.dataset(owner=owner)
    token, headers = token_of(owner, "read")
    with httpx.stream(
        "GET", f"{live.url}/api/v1/events/?about=dataset:{data.pk}", headers=headers, timeout=60
    ) as stream:
        lines = stream.iter_lines()
        assert next(each for each in lines if each.startswith("data:")).endswith(f'"id": "{data.pk}"}}')
        tokens.revoke(token, by=owner)
        assert [each for each in lines if each.startswith("data:")] == []
    again = httpx.get(f"{live.url}/api/v1/events/?about=dataset:{data.pk}", headers=headers)
    assert (again.status_code, again.json()["code"]) == (401, "token_revoked")


def test_who_waits_hears_at_once_that_their_token_has_ended(live: SimpleNamespace, owner: User):
    draft = make.draft(make.dataset(owner=owner, published=False))
    upload = Upload.objects.create(revision=draft, user=owner, file_name="a.csv", size=10)
    token, headers = token_of(owner, "publish")
    url = f"{live.url}/api/v1/uploads/{upload.pk}/"
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(httpx.get, url, headers={**headers, "Prefer": "wait=20"}, timeout=15)
        wait_until(
            lambda: AccessToken.objects.get(pk=token.pk).last_used_on is not None, live.web, seconds=60
        )
        assert not waiting.done()
        tokens.revoke(token, by=owner)
        answer = waiting.result()
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")
