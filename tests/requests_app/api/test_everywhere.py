"""What holds at every address of the review lane: strangers, scopes, tokens for other datasets, confirmed steps."""

from typing import Any
from uuid import uuid4

import pytest
from django.urls import resolve, reverse

from requests_app import services
from requests_app.api.urls import urlpatterns
from requests_app.models import Output, Release
from tests import make
from tests.makers import requests as made
from tests.requests_app.api.calls import As
from tests.rest import problem

pytestmark = pytest.mark.django_db

OPEN = {"environments", "environment", "environment_default", "workers"}
"""Addresses that belong to no dataset."""
LISTS = {"requests", "runs", "releases"}
OF_THE_AUTHOR = {"request_findings", "request_snapshot", "request_threads"}
"""What is about the draft, which nobody else reads."""
PAGES = {
    "request_revoke": "requests:revoke",
    "version_review": "requests:verdict",
    "release_decide": "requests:decide",
    "release_recall": "requests:recall",
}
BODIES: dict[str, Any] = {
    "request": {"title": "x"},
    "request_revoke": {"reason": "x"},
    "version_comments": {"text": "x"},
    "version_review": {"seen": "0" * 64, "verdict": "approve"},
    "release_decide": {"decision": "release"},
    "release_recall": {"reason": "x"},
    "output_verdict": {"verdict": "release"},
    "run_log_excerpt": {"text": "x"},
}


def operations() -> list[tuple[str, str, Any]]:
    """Every operation as (name of its address, method, operation)."""
    endpoints = [(str(pattern.name), vars(pattern.callback)["view_class"]) for pattern in urlpatterns]
    return [
        (name, method, getattr(endpoint, method).operation)
        for name, endpoint in endpoints
        for method in ("get", "post", "patch", "delete")
        if hasattr(endpoint, method)
    ]


def pk_of(name: str, item: Any, comment: Any) -> Any:
    """Return the id of the object at this address that belongs to the request."""
    release = Release.objects.get(run__request=item)
    kinds = {
        "request": item.pk,
        "version": item.latest_id,
        "comment": comment.pk,
        "run": release.run_id,
        "release": release.pk,
        "output": Output.objects.get(run=release.run).pk,
    }
    return kinds[name.split("_", maxsplit=1)[0]]


def called(caller: As, name: str, method: str, item: Any, comment: Any) -> Any:
    path = reverse(f"api:{name}", args=[] if name in LISTS else [pk_of(name, item, comment)])
    short = path.removeprefix("/api/v1")
    if method in {"get", "delete"}:
        return getattr(caller, method)(short)
    return getattr(caller, method)(short, BODIES.get(name))


@pytest.fixture
def cast() -> tuple[Any, Any]:
    item = make.code_request(at="released")
    return item, services.comment(made.version(item), by=item.author, text="A remark.")


OWN = [(name, method) for name, method, _ in operations() if name not in OPEN | LISTS]


def test_strangers_and_tokens_for_other_datasets_find_nothing(cast: Any):
    item, comment = cast
    stranger = As(make.scientist(), "read", "work", "review", "audit")
    elsewhere = [
        As(person, "read", "work", "review", "audit", dataset_ids=[uuid4()])
        for person in (item.author, item.dataset.owner)
    ]
    assert len(OWN) > 30
    for name, method in OWN:
        for caller in (stranger, *elsewhere):
            answer = called(caller, name, method, item, comment)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (name, method)
    for caller in (stranger, *elsewhere):
        for name in LISTS:
            assert caller.read(f"/{name}/")["items"] == []
    body = {"dataset": str(item.dataset_id)}
    problem(elsewhere[0].post("/requests/", body), 404, "not_found")


def test_a_token_for_this_dataset_finds_what_its_person_sees(cast: Any):
    item, comment = cast
    owner = As(item.dataset.owner, "read", "work", "review", dataset_ids=[item.dataset_id])
    for name in OF_THE_AUTHOR:
        problem(called(owner, name, "get", item, comment), 403, "denied")
    for name, method in OWN:
        if method == "get" and name not in OF_THE_AUTHOR:
            answer = called(owner, name, method, item, comment)
            assert answer.status_code == 200, name
            assert b"".join(answer) != b""
    for name in LISTS:
        assert len(owner.read(f"/{name}/")["items"]) == 1


def test_a_list_takes_as_many_queries_however_long_it_is(cast: Any, django_assert_max_num_queries: Any):
    item, comment = cast
    services.comment(made.version(item), by=item.author, text="Another.", line=2)
    make.code_request(at="released", author=item.author, dataset=item.dataset)
    owner, author = As(item.dataset.owner), As(item.author)
    owner.read("/requests/")  # the first call of a token on a day is noted
    author.read("/requests/")
    for name in ("requests", "runs", "releases", "version_comments", "request_runs", "run_outputs"):
        for caller in (owner, author):
            with django_assert_max_num_queries(12):
                assert called(caller, name, "get", item, comment).status_code == 200


def test_a_token_without_the_scope_does_nothing(cast: Any):
    item, comment = cast
    asker = As(item.author, "ask")
    for name, method, operation in operations():
        if name not in OPEN:
            answer = called(asker, name, method, item, comment)
            assert (answer.status_code, answer.json()["code"]) == (403, "token_scope"), (name, method)
            assert operation.scope is not None


def test_reading_needs_read_and_nothing_that_changes_is_allowed_by_it(cast: Any):
    for name, method, operation in operations():
        scopes = {operation.scope} if isinstance(operation.scope, str) else set(operation.scope)
        if method == "get":
            assert "read" in scopes or name in {"release_record", "release_receipt"}, name
        else:
            assert scopes <= {"work", "review"}, name


def test_steps_are_confirmed_as_on_the_pages():
    asks = {name: operation.confirms for name, _, operation in operations() if operation.confirms}
    assert asks == {
        name: resolve(reverse(page, args=[uuid4()])).func.confirms  # type: ignore[attr-defined]
        for name, page in PAGES.items()
    }
    assert {
        name for name, _, operation in operations() if operation.confirms and operation.scope == "review"
    } == set(PAGES)
