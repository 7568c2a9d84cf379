"""What every operation of the API does: who calls, what a token allows, bodies, ETags, problems."""

from typing import Any

import pytest
from django.test import Client

from accounts import secrets
from accounts.models import AccessToken, User
from accounts.services import tokens
from common.rest import rates
from tests.makers import accounts as people
from tests.rest import bearer, problem

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_minute():
    rates.counts.clear()


@pytest.fixture
def person() -> User:
    return people.scientist(name="Sina Scientist")


def test_anybody_reads_what_the_portal_is(client: Client):
    answer = client.get("/api/v1/")
    assert (answer.status_code, answer.json()["api"]) == (200, "v1")


def test_others_sign_in_first(client: Client):
    answer = client.get("/api/v1/me/")
    assert "Authorization: Bearer" in problem(answer, 401, "unauthenticated")["detail"]
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_token_and_a_session_sign_in(client: Client, person: User):
    by_token = client.get("/api/v1/me/", headers=bearer(person)).json()
    assert (by_token["id"], by_token["scopes"]) == (str(person.pk), ["read"])
    client.force_login(person)
    assert "work" in client.get("/api/v1/me/").json()["scopes"]


def test_a_call_with_both_is_judged_by_its_token(client: Client, person: User):
    client.force_login(people.admin())
    assert client.get("/api/v1/me/", headers=bearer(person)).json()["id"] == str(person.pk)
    problem(client.get("/api/v1/me/", headers={"Authorization": "Bearer nonsense"}), 401, "unauthenticated")
    unknown = client.get("/api/v1/me/", headers={"Authorization": f"Bearer {secrets.new()}"})
    assert problem(unknown, 401, "unauthenticated")["detail"].endswith("or make another one.")


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer \xff\xfe", "Basic YTpi", "Token x", "Bearer " + "x" * 9000]
)
def test_a_header_that_holds_no_token(client: Client, header: str):
    problem(client.get("/api/v1/me/", headers={"Authorization": header}), 401, "unauthenticated")


def test_a_token_that_has_ended(client: Client, person: User):
    headers = bearer(person)
    AccessToken.objects.update(expires_at="2020-01-01T00:00Z")
    problem(client.get("/api/v1/me/", headers=headers), 401, "token_expired")
    headers = bearer(person)
    tokens.revoke(AccessToken.objects.live().get(), by=person)
    problem(client.get("/api/v1/me/", headers=headers), 401, "token_revoked")


def test_a_token_does_only_what_its_scopes_allow(client: Client, person: User):
    answer = client.patch(
        "/api/v1/me/", {"name": "X"}, headers=bearer(person, "work"), content_type="application/json"
    )
    problem(answer, 403, "token_scope")
    problem(client.get("/api/v1/me/", headers=bearer(person, "work")), 403, "token_scope")


def test_a_session_needs_the_csrf_token(person: User):
    client = Client(enforce_csrf_checks=True)
    client.force_login(person)
    assert "CSRF" in problem(client.patch("/api/v1/me/"), 403, "denied")["detail"]


def test_a_change_names_what_was_read(client: Client, person: User):
    client.force_login(person)
    read = client.get("/api/v1/me/")

    def change(etag: str | None, name: str) -> Any:
        headers = {"If-Match": etag} if etag else {}
        return client.patch("/api/v1/me/", {"name": name}, headers=headers, content_type="application/json")

    problem(change(None, "Somebody"), 428, "etag_missing")
    problem(change('"other"', "Somebody"), 412, "stale")
    changed = change(f"W/{read['ETag']}", "Somebody Else")
    assert (changed.status_code, changed.json()["name"]) == (200, "Somebody Else")
    problem(change(read["ETag"], "A Third"), 412, "stale")


def test_what_has_not_changed_is_not_sent_again(client: Client, person: User):
    client.force_login(person)
    etag = client.get("/api/v1/me/")["ETag"]
    again = client.get("/api/v1/me/", headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", etag)


BODIES = [
    (b'{"name": NaN}', 400, "not_json"),
    (b'{"name": 1e999}', 400, "not_json"),
    (b'{"name": ' + b"9" * 400 + b"}", 400, "not_json"),
    (b'{"name": "a", "name": "b"}', 400, "not_json"),
    (b'{"name": "\\u0000"}', 400, "not_json"),
    (b'{"name": "\\ud800"}', 400, "not_json"),
    (b'{"name": "\xff"}', 400, "not_json"),
    (b"[" * 10_000 + b"]" * 10_000, 400, "not_json"),
    (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 400, "not_json"),
    (b"[1]", 400, "invalid"),
    (b'{"nme": "a"}', 400, "invalid"),
    (b'{"name": "' + b"a" * 150_000 + b'"}', 413, "too_large"),
]


@pytest.mark.parametrize(("body", "status", "code"), BODIES, ids=lambda value: str(value)[:20])
def test_a_body_that_is_not_right(client: Client, person: User, body: bytes, status: int, code: str):
    client.force_login(person)
    answer = client.patch("/api/v1/me/", body, headers={"If-Match": "*"}, content_type="application/json")
    problem(answer, status, code)
    person.refresh_from_db()
    assert person.name == "Sina Scientist"


def test_other_formats(client: Client, person: User):
    client.force_login(person)
    match = {"If-Match": "*"}
    form = client.patch(
        "/api/v1/me/", b"name=x", headers=match, content_type="application/x-www-form-urlencoded"
    )
    problem(form, 415, "unsupported_media_type")
    packed = {**match, "Content-Encoding": "gzip"}
    answer = client.patch("/api/v1/me/", b"\x1f\x8b", headers=packed, content_type="application/json")
    problem(answer, 415, "unsupported_media_type")
    problem(client.get("/api/v1/me/", headers={"Accept": "text/html"}), 406, "not_acceptable")


def test_addresses_and_methods_that_do_not_exist(client: Client, person: User):
    client.force_login(person)
    problem(client.get("/api/v1/nothing/here/"), 404, "not_found")
    problem(client.put("/api/v1/me/"), 405, "method_not_allowed")
    problem(client.options("/api/v1/me/"), 405, "method_not_allowed")
    refused = problem(client.get("/api/v1/me/?nme=1"), 400, "invalid")
    assert refused["detail"] == "“nme” is not a parameter of this address. It takes none."


def test_lists_go_on_at_their_cursor(client: Client, person: User):
    headers = bearer(person)
    for number in range(4):
        tokens.make(by=person, name=f"token {number}", scopes=["read"])
    tokens.make(by=people.scientist(), name="somebody else's", scopes=["read"])
    seen, path = [], "/api/v1/me/tokens/?limit=2"
    while path:
        page = client.get(path, headers=headers).json()
        assert len(page["items"]) <= 2
        seen += [item["name"] for item in page["items"]]
        path = page["next"]
    assert seen == ["token 3", "token 2", "token 1", "token 0", "a test"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=2e9", f"limit={2**64}", "cursor=x", "cursor=W10", "page=2"]
)
def test_a_list_refuses_other_parameters(client: Client, person: User, query: str):
    problem(client.get(f"/api/v1/me/tokens/?{query}", headers=bearer(person)), 400, "invalid")


def test_an_empty_filter_is_refused_and_no_words_are_looked_for(client: Client):
    """An empty value would silently mean everything."""
    admin = bearer(people.admin())
    for name in ("role", "state"):
        refused = problem(client.get(f"/api/v1/people/?{name}=", headers=admin), 400, "invalid")
        assert refused["detail"] == f"{name}: This is empty. Give a value, or leave it out."
    assert client.get("/api/v1/people/?text=", headers=admin).status_code == 200


def test_too_many_calls(client: Client, person: User, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(rates.RATES, "reads", 2)
    monkeypatch.setattr("common.rest.rates.time.time", lambda: 1_000_000.0)
    headers = bearer(person)
    assert [client.get("/api/v1/me/", headers=headers).status_code for _ in range(2)] == [200, 200]
    answer = client.get("/api/v1/me/", headers=headers)
    problem(answer, 429, "too_many")
    assert 1 <= int(answer["Retry-After"]) <= 60


def test_strangers_in_one_network_are_counted_together(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(rates.RATES, "reads", 1)
    monkeypatch.setattr("common.rest.rates.time.time", lambda: 1_000_000.0)
    addresses = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
    answers = [client.get("/api/v1/", REMOTE_ADDR=address).status_code for address in addresses]
    assert answers == [200, 429, 200]


def test_an_old_client(client: Client):
    answer = client.get("/api/v1/", headers={"Weir-Client": "0.0.9"})
    assert "0.1.0" in problem(answer, 400, "client_too_old")["detail"]
    assert client.get("/api/v1/", headers={"Weir-Client": "0.1.0"}).status_code == 200


def test_a_failure_is_a_problem_too(client: Client, person: User, monkeypatch: pytest.MonkeyPatch):
    def fail(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("private")

    client.force_login(person)
    monkeypatch.setattr("accounts.services.update_profile", fail)
    answer = client.patch(
        "/api/v1/me/", {"name": "X"}, headers={"If-Match": "*"}, content_type="application/json"
    )
    problem(answer, 500, "failed")
    assert b"private" not in answer.content


def test_guessing_tokens_is_counted_by_address(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(rates.RATES, "failed", 2)
    monkeypatch.setattr("common.rest.rates.time.time", lambda: 1_000_000.0)
    headers = {"Authorization": f"Bearer {secrets.new()}"}
    codes = [client.get("/api/v1/me/", headers=headers).status_code for _ in range(3)]
    assert codes == [401, 401, 429]


def test_addresses_that_do_not_exist_are_counted(
    client: Client, person: User, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(rates.RATES, "reads", 1)
    monkeypatch.setattr("common.rest.rates.time.time", lambda: 1_000_000.0)
    client.force_login(person)
    assert [client.get("/api/v1/nothing/").status_code for _ in range(2)] == [404, 429]
