"""Comments over the API."""

from typing import Any

import pytest

from requests_app import services
from requests_app.models import Comment
from tests import make
from tests.makers import requests as made
from tests.requests_app.api.calls import As, ids, replayed
from tests.rest import problem

pytestmark = pytest.mark.django_db


def on_a_version(**fields: Any) -> tuple[Any, str]:
    version = made.version(make.code_request(at="submitted", **fields))
    return version, f"/versions/{version.pk}/comments/"


def test_a_reviewers_comment_is_held_until_the_verdict():
    version, path = on_a_version()
    owner, author = As(version.request.dataset.owner), As(version.request.author)
    answer = replayed(owner, path, {"text": "Why the mean?", "line": 2})
    written = answer.json()
    assert answer["Location"] == f"/api/v1/comments/{written['id']}/"
    assert (written["line"], written["published_at"], written["private"]) == (2, None, False)
    assert written["author"]["email"] == version.request.dataset.owner.email
    assert ids(author.read(path)) == []
    problem(author.get(f"/comments/{written['id']}/"), 404, "not_found")
    made_version = made.fresh(version.request).latest
    services.review(
        made_version, by=version.request.dataset.owner, seen=version.sha256, verdict="reject", comment="No."
    )
    assert author.read(path)["items"][0]["text"] == "Why the mean?"


def test_replies_hang_below_a_comment():
    version, path = on_a_version()
    author, owner = As(version.request.author), As(version.request.dataset.owner)
    first = author.act(path, {"text": "Is the mean fine?", "line": 2}, status=201)
    reply = owner.act(path, {"text": "It is.", "parent": first["id"]}, status=201)
    assert (reply["parent"], reply["line"]) == ({"id": first["id"]}, 2)
    assert ids(author.read(path)) == [reply["id"], first["id"]]
    private = owner.act(path, {"text": "Odd.", "private": True}, status=201)
    problem(author.post(path, {"text": "?", "parent": private["id"]}), 404, "not_found")
    problem(author.post(path, {"text": "Secret.", "private": True}), 400, "refused")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"text": ""}, "invalid"),
        ({"text": "x" * 4001}, "invalid"),
        ({"text": "x", "line": 0}, "invalid"),
        ({"text": "x", "line": 99}, "refused"),
        ({"text": "x", "lines": 1}, "invalid"),
        ({}, "invalid"),
    ],
    ids=str,
)
def test_a_comment_that_is_not_right(body: Any, code: str):
    version, path = on_a_version()
    problem(As(version.request.author).post(path, body), 400, code)
    assert not Comment.objects.exists()


def test_a_thread_is_resolved_and_reopened():
    version, path = on_a_version()
    author, owner = As(version.request.author), As(version.request.dataset.owner)
    pk = author.act(path, {"text": "Is the mean fine?"}, status=201)["id"]
    assert owner.act(f"/comments/{pk}/resolve/")["resolved_at"] is not None
    assert author.act(f"/comments/{pk}/unresolve/")["resolved_at"] is None
    problem(As(make.scientist()).post(f"/comments/{pk}/resolve/"), 404, "not_found")
    problem(As(make.auditor()).post(f"/comments/{pk}/resolve/"), 403, "denied")


def test_a_comment_is_deleted_as_long_as_it_is_held():
    version, path = on_a_version()
    author, owner = As(version.request.author), As(version.request.dataset.owner)
    held = owner.act(path, {"text": "Why?"}, status=201)["id"]
    assert owner.delete(f"/comments/{held}/").status_code == 204
    problem(owner.get(f"/comments/{held}/"), 404, "not_found")
    published = author.act(path, {"text": "Why not?"}, status=201)["id"]
    problem(author.delete(f"/comments/{published}/"), 409, "conflict")
    problem(owner.delete(f"/comments/{published}/"), 403, "denied")


def test_authors_comment_with_work_and_reviewers_with_review():
    version, path = on_a_version()
    author, owner = version.request.author, version.request.dataset.owner
    problem(As(author, "review").post(path, {"text": "x"}), 403, "token_scope")
    problem(As(owner, "work").post(path, {"text": "x"}), 403, "token_scope")
    problem(As(author, "read").post(path, {"text": "x"}), 403, "token_scope")
    pk = As(author, "work").act(path, {"text": "x"}, status=201)["id"]
    for verb in ("resolve", "unresolve"):
        problem(As(owner, "work").post(f"/comments/{pk}/{verb}/"), 403, "token_scope")
        assert As(owner, "review").post(f"/comments/{pk}/{verb}/").status_code == 200
    problem(As(owner, "work").delete(f"/comments/{pk}/"), 403, "token_scope")


def test_a_blinded_review_names_no_reviewer_to_the_author():
    version, path = on_a_version(dataset=make.dataset(policy={"blinded": True}))
    owner = version.request.dataset.owner
    services.comment(version, by=owner, text="Why?")
    made.approve(version)
    services.comment(version, by=version.request.author, text="Thanks.")
    shown = As(version.request.author).read(path)["items"]
    assert [comment["author"] and comment["author"]["name"] for comment in shown] == [
        version.request.author.name, None,
    ]  # fmt: skip
    assert As(owner).read(path)["items"][1]["author"]["email"] == owner.email
