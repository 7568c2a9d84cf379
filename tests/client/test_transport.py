"""Calls: what is sent, what is repeated, which exception an answer becomes, and where the token goes."""

import gc
import gzip
import socket
from uuid import UUID

import httpx
import pytest

import weir
from tests.client.portal_double import Reply, double, problem
from tests.memory import holders
from weir import errors
from weir.transport import MOST_JSON, Transport, origin_of
from weir.version import VERSION

TOKEN = "weir_" + "a" * 49


@pytest.fixture(scope="module")
def server():
    with double() as found:
        yield found


@pytest.fixture
def slept():
    return []


@pytest.fixture
def portal(server, slept):
    found = Transport(server.address, TOKEN, sleep=slept.append)
    yield found
    found.close()


def test_a_call_says_who_calls_and_with_what(server, portal):
    server.say(Reply(200, {"name": "Weir"}))
    assert portal.get("") == {"name": "Weir"}
    assert portal.get("datasets/", state="published", owner=None) == {"name": "Weir"}
    first, second = server.asked
    assert (first.method, first.path) == ("GET", "/api/v1/")
    assert second.path == "/api/v1/datasets/?state=published"
    assert first.headers["authorization"] == f"Bearer {TOKEN}"
    assert first.headers["weir-client"] == VERSION
    assert first.headers["accept"] == "application/json"
    assert "idempotency-key" not in first.headers
    assert "prefer" not in first.headers


def test_bytes_are_sent_again_after_a_failure_and_not_kept(server, portal, slept):
    """Sent without an idempotency key, as parts of files are. httpx's requests wait for the garbage collector."""
    size = 123_457
    server.say(problem(503, "busy"), Reply(drop=True), Reply(204))
    gc.collect()
    gc.disable()
    try:
        reply = portal.send(
            "PATCH", "uploads/1/", b'"' + b"x" * size + b'"', {"Tus-Resumable": "1.0.0"}, is_safe=True
        )
        assert holders(size + 2) == []
    finally:
        gc.enable()
    assert (reply.status, len(slept)) == (204, 2)
    assert [len(each.body) for each in server.asked] == [size] * 3
    assert {each.headers["content-length"] for each in server.asked} == {str(size + 2)}
    assert "transfer-encoding" not in server.asked[0].headers


def test_what_is_made_is_made_once(server, portal, slept):
    server.say(
        problem(503, "busy"), Reply(drop=True), Reply(201, {"id": 1}, {"Location": "/api/v1/requests/1/"})
    )
    made = portal.create("requests/", {"dataset": "wages"}, wait=60)
    assert (made.status, made.content) == (201, {"id": 1})
    assert [each.body for each in server.asked] == [{"dataset": "wages"}] * 3
    (key,) = {each.headers["idempotency-key"] for each in server.asked}
    assert UUID(key).version == 4
    assert server.asked[0].headers["prefer"] == "wait=20"
    assert len(slept) == 2


def test_acting_without_a_key_is_never_repeated(server, portal, slept):
    for answer in (problem(503, "busy"), Reply(drop=True)):
        server.say(answer)
        with pytest.raises((errors.PortalFailed, errors.Unreachable)):
            portal.post("runs/1/cancel/")
        assert (len(server.asked), slept) == (1, [])
        assert server.asked[0].body == {}


def test_reading_is_repeated_three_times_with_longer_and_longer_pauses(server, portal, slept):
    server.say(problem(500, "failed", request_id="abc"))
    with pytest.raises(errors.PortalFailed) as failed:
        portal.get("me/")
    assert failed.value.request_id == "abc"
    assert len(server.asked) == 3
    first, second = slept
    assert 0.375 <= first <= 0.625
    assert 0.75 <= second <= 1.25


def test_a_busy_portal_is_asked_again_when_it_says(server, portal, slept):
    server.say(Reply(429, problem(429, "too_many").body, {"Retry-After": "7"}), Reply(200, {}))
    assert portal.post("budgets/1/price/", {}).status == 200
    assert slept == [7.0]
    server.say(Reply(429, problem(429, "too_many").body, {"Retry-After": "3600"}))
    with pytest.raises(errors.TooManyCalls):
        portal.get("me/")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "refused", errors.Refused),
        (400, "invalid", errors.InvalidRequest),
        (400, "not_json", errors.InvalidRequest),
        (400, "client_too_old", errors.ClientTooOld),
        (401, "unauthenticated", errors.NotSignedIn),
        (401, "token_expired", errors.NotSignedIn),
        (401, "token_revoked", errors.NotSignedIn),
        (402, "budget_exceeded", errors.BudgetExceeded),
        (403, "denied", errors.Denied),
        (403, "token_scope", errors.Denied),
        (403, "confirm_again", errors.Denied),
        (404, "not_found", errors.NotFound),
        (405, "method_not_allowed", errors.WeirError),
        (409, "conflict", errors.Conflict),
        (409, "key_reused", errors.Conflict),
        (409, "offset", errors.Conflict),
        (410, "gone", errors.Gone),
        (412, "stale", errors.Stale),
        (413, "too_large", errors.TooLarge),
        (423, "locked", errors.Conflict),
        (426, "", errors.ClientTooOld),
        (428, "etag_missing", errors.Stale),
        (429, "too_many", errors.TooManyCalls),
        (429, "too_much_at_once", errors.TooManyCalls),
        (460, "checksum", errors.Conflict),
        (500, "failed", errors.PortalFailed),
        (503, "busy", errors.PortalFailed),
        (404, "a_code_of_a_newer_portal", errors.NotFound),
        (418, "a_code_of_a_newer_portal", errors.WeirError),
        (507, "", errors.PortalFailed),
    ],
)
def test_problems_become_exceptions_with_the_portals_sentence(server, portal, status, code, expected):
    server.say(
        problem(
            status, code, "A sentence of the portal.", place="query.where", fields={"name": ["Too long."]}
        )
    )
    with pytest.raises(errors.WeirError) as raised:
        portal.get("me/")
    assert type(raised.value) is expected
    assert str(raised.value) == "A sentence of the portal."
    assert (raised.value.code, raised.value.status) == (code, status)
    assert raised.value.place == "query.where"
    assert raised.value.fields == {"name": ["Too long."]}


def test_a_used_up_budget_says_how_much_is_missing(server, portal):
    server.say(problem(402, "budget_exceeded", costs=0.5, left=0.1))
    with pytest.raises(weir.BudgetExceeded) as raised:
        portal.create("budgets/1/answers/")
    assert (raised.value.costs, raised.value.left) == (0.5, 0.1)


def test_a_server_in_front_of_the_portal_answers_in_plain_text(server, portal):
    server.say(Reply(413, b"Request body too large", {"Content-Type": "text/plain"}))
    with pytest.raises(weir.TooLarge, match="Request body too large"):
        portal.post("requests/")
    server.say(Reply(502, b"<html>Bad gateway</html>"))
    with pytest.raises(weir.PortalFailed, match="The portal answered with 502"):
        portal.get("me/")
    server.say(Reply(200, b"<html>A page</html>"))
    with pytest.raises(weir.PortalFailed, match="did not answer in JSON"):
        portal.get("me/")


def test_an_answer_without_end_is_not_read_to_its_end(server, portal, monkeypatch, tmp_path):
    monkeypatch.setattr("weir.transport.MOST_JSON", 2**20)
    assert MOST_JSON == 64 * 2**20
    server.say(Reply(200, b'"' + b"a" * 2**21 + b'"'))
    with pytest.raises(weir.PortalFailed, match="more than 1 MB"):
        portal.get("me/")
    server.say(Reply(500, b"a" * 2**21))
    with pytest.raises(weir.PortalFailed, match="more than 1 MB"):
        portal.download("outputs/1/file/", tmp_path / "file.csv")
    server.say(Reply(200, gzip.compress(b'"' + b"a" * 2**24 + b'"'), {"Content-Encoding": "gzip"}))
    with pytest.raises(weir.PortalFailed, match="more than 1 MB"):
        portal.get("me/")


def test_redirects_are_not_followed(server, portal):
    with double() as other:
        other.say(Reply(200, {}))
        server.say(Reply(302, None, {"Location": f"{other.address}/api/v1/me/"}))
        with pytest.raises(weir.WeirError, match="Sign in with that address"):
            portal.get("me/")
        assert other.asked == []


def test_lists_go_on_at_the_portals_own_paths_alone(server, portal):
    server.say(
        Reply(200, {"items": [1, 2], "next": "/api/v1/datasets/?cursor=x"}),
        Reply(200, {"items": [3], "next": None}),
    )
    assert list(portal.items("datasets/", limit=2)) == [1, 2, 3]
    assert [each.path for each in server.asked] == ["/api/v1/datasets/?limit=2", "/api/v1/datasets/?cursor=x"]
    for elsewhere in ("https://evil.example/", "//evil.example/", "evil"):
        server.say(Reply(200, {"items": [1], "next": elsewhere}))
        with pytest.raises(weir.WeirError, match="not its own"):
            list(portal.items("datasets/"))


def test_changes_say_what_was_read(server, portal):
    server.say(Reply(200, {"title": "new"}))
    assert portal.patch("datasets/1/", {"title": "new"}, '"abc"') == {"title": "new"}
    assert (server.asked[0].method, server.asked[0].headers["if-match"]) == ("PATCH", '"abc"')
    server.say(Reply(204))
    assert portal.delete("uploads/1/") is None


def test_numbers_that_json_does_not_have_are_not_sent(server, portal):
    server.say(Reply(200, {}))
    with pytest.raises(ValueError, match="JSON"):
        portal.post("budgets/1/price/", {"error": float("nan")})
    assert server.asked == []


def test_a_download_is_complete_or_not_there(server, portal, tmp_path):
    target = tmp_path / "answer.csv"
    server.say(Reply(200, b"a,b\n1,2\n", {"Content-Type": "text/csv"}))
    assert portal.download("outputs/1/file/", target).read_bytes() == b"a,b\n1,2\n"
    server.say(problem(410, "gone"))
    with pytest.raises(weir.Gone):
        portal.download("outputs/1/file/", tmp_path / "other.csv")
    server.say(Reply(200, b"abc", {"Content-Length": "100"}))
    with pytest.raises(weir.Unreachable):
        portal.download("outputs/1/file/", tmp_path / "other.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["answer.csv"]


def test_events_say_which_object_has_changed(server, portal):
    stream = (
        b'retry: 2000\n\n: still here\n\nevent: changed\ndata: {"kind": "run", "id": "1"}\n\n'
        b'event: changed\ndata: {"kind": "answer", "id": "2"}\n\n'
    )
    server.say(Reply(200, stream, {"Content-Type": "text/event-stream"}))
    assert list(portal.events("run:1", "answer:2")) == [("", ""), ("run", "1"), ("answer", "2")]
    assert server.asked[0].path == "/api/v1/events/?about=run%3A1%2Canswer%3A2"


def test_a_portal_that_does_not_answer_is_named_with_the_cause(slept):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    portal = Transport(address, TOKEN, sleep=slept.append)
    with pytest.raises(weir.Unreachable, match=f"{address} cannot be reached: .*refused"):
        portal.get("me/")
    assert len(slept) == 2
    portal.close()


def test_a_certificate_that_is_not_trusted_is_tried_once(slept, monkeypatch):
    tried = []

    def refuse(self, request, **_):
        tried.append(request)
        raise httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate")

    monkeypatch.setattr(httpx.Client, "send", refuse)
    portal = Transport("https://portal.example", TOKEN, sleep=slept.append)
    with pytest.raises(weir.Unreachable, match="SSL_CERT_FILE"):
        portal.get("me/")
    assert (len(tried), slept) == (1, [])
    portal.close()


def test_what_is_for_this_machine_passes_through_no_proxy(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    server.say(Reply(200, {"name": "Weir"}))
    portal = Transport(server.address, TOKEN)
    assert portal.get("") == {"name": "Weir"}
    portal.close()


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://portal.example", "https://portal.example"),
        ("portal.example", "https://portal.example"),
        ("https://Portal.Example:443/some/path/?q#f", "https://portal.example"),
        ("https://portal.example:8443/", "https://portal.example:8443"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost", "http://localhost"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
    ],
)
def test_addresses(address, origin):
    assert origin_of(address) == origin


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://portal.example", "not encrypted"),
        ("http://127.0.0.1.portal.example", "not encrypted"),
        ("http://10.0.0.1", "not encrypted"),
        ("ftp://portal.example", "not the address of a portal"),
        ("https://user:secret@portal.example", "not the address of a portal"),
        ("", "not the address of a portal"),
        ("https://", "not the address of a portal"),
    ],
)
def test_addresses_to_which_no_token_is_sent(address, why):
    with pytest.raises(weir.WeirError, match=why):
        origin_of(address)
