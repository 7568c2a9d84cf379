"""Files over the API: held, released, of mock runs."""

from typing import Any

import pytest

from audit.models import Entry
from requests_app.models import Output, Release
from requests_app.services import releases
from tests import make
from tests.makers import requests as made
from tests.requests_app.api.calls import As, ids, replayed
from tests.rest import problem

pytestmark = pytest.mark.django_db


def ran(at: str = "ran", **policy: Any) -> tuple[Any, Output, str]:
    item = make.code_request(at=at, dataset=make.dataset(policy=policy) if policy else None)
    output = Output.objects.get(run__request=item)
    return item, output, f"/outputs/{output.pk}/"


def sent(answer: Any) -> bytes:
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content)


def test_a_held_file_is_for_reviewers_with_the_scope_review():
    item, output, path = ran()
    author, owner = As(item.author), As(item.dataset.owner, "read", "review")
    content = owner.read(path)
    assert (content["name"], content["check"]["verdict"]) == ("result.json", "pending")
    assert content["check"]["not_shown"] == ["all of it"]
    assert {check["name"] for check in content["check"]["checks"]} >= {"type", "size"}
    assert set(content["check"]["checks"][0]) == {"name", "ok", "value", "threshold", "text"}
    for part in ("", "file/", "preview/"):
        problem(author.get(path + part), 404, "not_found")
        problem(As(item.dataset.owner, "read", "work").get(path + part), 403, "token_scope")
        problem(As(make.admin()).get(path + part), 404, "not_found")
        problem(As(make.auditor()).get(path + part), 404, "not_found")
    for caller in (author, As(item.dataset.owner, "read"), As(make.admin())):
        assert ids(caller.read(f"/runs/{output.run_id}/outputs/")) == []
    assert ids(owner.read(f"/runs/{output.run_id}/outputs/")) == [str(output.pk)]


def test_a_held_file_is_sent_where_the_policy_allows_it():
    item, _, path = ran()
    problem(As(item.dataset.owner).get(f"{path}file/"), 403, "denied")
    item, _, path = ran(held_downloads=True)
    assert sent(As(item.dataset.owner, "review").get(f"{path}file/")) == b'{"mean_wage": 1507.5}'
    assert Entry.objects.filter(action="output.download_held").count() == 1


def test_a_released_file_is_sent_as_a_download():
    item, _, path = ran("released")
    answer = As(item.author, "work").get(f"{path}file/")
    assert sent(answer) == b'{"mean_wage": 1507.5}'
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == 'attachment; filename="result.json"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert "no-store" in answer["Cache-Control"]
    assert sent(As(item.dataset.owner, "review").get(f"{path}file/")) == b'{"mean_wage": 1507.5}'
    assert Entry.objects.filter(action="output.download").count() == 2


def test_a_token_that_only_reads_gets_no_released_file():
    item, output, path = ran("released")
    reader = As(item.author, "read")
    assert reader.read(path)["check"] is None
    assert "sha256" not in reader.read(path)
    assert ids(reader.read(f"/runs/{output.run_id}/outputs/")) == [str(output.pk)]
    for part in ("file/", "preview/"):
        problem(reader.get(path + part), 403, "token_scope")
        problem(As(item.dataset.owner, "read", "work").get(path + part), 403, "token_scope")


def test_what_was_recalled_is_no_longer_sent():
    item, output, path = ran("released")
    releases.recall(Release.objects.get(), by=item.dataset.owner, reason="A mistake.")
    for part in ("", "file/", "preview/"):
        problem(As(item.author).get(path + part), 404, "not_found")
    assert ids(As(item.author).read(f"/runs/{output.run_id}/outputs/")) == []


def test_what_was_not_released_is_gone(django_capture_on_commit_callbacks: Any):
    item, _, path = ran(held_downloads=True)
    with django_capture_on_commit_callbacks(execute=True):
        releases.decide(Release.objects.get(), by=item.dataset.owner, decision="reject", comment="No.")
    owner = As(item.dataset.owner)
    assert owner.read(path)["bytes_gone_at"] is not None
    problem(owner.get(f"{path}file/"), 410, "gone")


def test_a_preview_notes_what_a_reviewer_has_seen():
    item, output, path = ran()
    owner = As(item.dataset.owner, "read", "review")
    found = owner.read(f"{path}preview/?part=1")
    assert (found["kind"], found["content"]["parts"]) == ("json", 1)
    assert "1507.5" in found["content"]["text"]
    assert (output.looks.count(), owner.read(path)["check"]["not_shown"]) == (1, [])
    for query in ("part=x", "rows=0", "page=2", f"part={10**12}"):
        problem(owner.get(f"{path}preview/?{query}"), 400, "invalid")


@pytest.mark.sandbox
def test_a_table_is_seen_page_by_page_and_cell_by_cell():
    table = b"region,people\neast,33\nwest,\n"
    item = make.code_request(at="ran", executor=made.WritesOutputs({"t.csv": table}))
    owner, output = As(item.dataset.owner), Output.objects.get(run__request=item)
    page = owner.read(f"/outputs/{output.pk}/preview/")
    assert (page["kind"], page["content"]["rows"]) == ("table", [["east", "33"], ["west", ""]])
    cell = owner.read(f"/outputs/{output.pk}/preview/?row=1&column=1")
    assert (cell["kind"], cell["content"]["text"]) == ("cell", "east")


def test_a_file_gets_a_verdict():
    item, output, path = ran()
    owner = As(item.dataset.owner, "review")
    content = owner.act(f"{path}verdict/", {"verdict": "withhold", "comment": "Too fine."})
    assert (content["check"]["verdict"], content["check"]["comment"]) == ("withhold", "Too fine.")
    problem(owner.post(f"{path}verdict/", {"verdict": "pending"}), 400, "invalid")
    problem(owner.post(f"{path}verdict/", {"verdict": "release", "comment": "x" * 2001}), 400, "invalid")
    problem(As(item.author, "review").post(f"{path}verdict/", {"verdict": "release"}), 404, "not_found")
    output.refresh_from_db()
    assert output.verdict == "withhold"


def test_an_excerpt_of_a_log_is_held_like_any_file():
    item = make.code_request(at="failed")
    run = item.runs.get()
    path, owner = f"/runs/{run.pk}/log/excerpt/", As(item.dataset.owner, "review")
    problem(As(item.author, "review").post(path, {"text": "x"}), 403, "denied")
    problem(owner.post(path, {"text": ""}), 400, "invalid")
    answer = replayed(owner, path, {"text": "It wants a column `income`.\n"})
    content = answer.json()
    assert answer["Location"] == f"/api/v1/outputs/{content['id']}/"
    assert (content["name"], content["check"]["added_by"]["id"]) == (
        "log-excerpt.txt", str(item.dataset.owner_id),
    )  # fmt: skip
    assert ids(As(item.author).read(f"/runs/{run.pk}/outputs/")) == []
    problem(owner.post(path, {"text": "x"}), 409, "conflict")
