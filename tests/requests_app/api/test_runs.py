"""Runs over the API: what each side reads of them, and when."""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from audit.models import Entry
from common.models import IdempotencyKey
from requests_app.execution import claims
from requests_app.models import Run
from tests import make
from tests.makers import requests as made
from tests.requests_app.api.calls import As, ids, replayed
from tests.rest import problem

pytestmark = pytest.mark.django_db

PRIVATE = ("exit_code", "wall_s", "cpu_s", "peak_memory_bytes", "stdout_bytes", "ended_at", "heartbeat_at")


def test_a_mock_run_is_queued_once():
    item = make.code_request()
    answer = replayed(As(item.author), f"/requests/{item.pk}/mock-runs/")
    run = Run.objects.get()
    assert (answer.status_code, answer["Location"]) == (202, f"/api/v1/runs/{run.pk}/")
    content = answer.json()
    assert (content["kind"], content["state"], content["version"]) == ("mock", "queued", None)
    assert content["waits"] == {
        "position": 1,
        "estimate": "",
        "reason": "No worker is running. Tell an admin.",
    }
    assert content["private"]["refused_outputs"] == []


def test_whoever_waits_for_a_run_is_told_what_to_listen_to():
    item = make.code_request()
    author = As(item.author)
    queued = author.post(f"/requests/{item.pk}/mock-runs/", Prefer="wait=5")
    run = Run.objects.get()
    assert queued["Weir-Live"] == f"user:{item.author_id},run:{run.pk}"
    path = f"/runs/{run.pk}/"
    assert author.get(path, Prefer="wait=5")["Weir-Live"] == f"user:{item.author_id},run:{run.pk}"
    assert "Weir-Live" not in author.get(path)
    made.execute(run)
    assert "Weir-Live" not in author.get(path, Prefer="wait=5")


def test_mock_runs_are_the_authors_and_a_version_s_reviewers():
    item = make.code_request()
    run = made.execute(made.trial(item))
    author, path = As(item.author, "read"), f"/runs/{run.pk}/"
    content = author.read(path)
    assert (content["state"], content["private"]["exit_code"]) == ("succeeded", 0)
    assert author.read(f"{path}log/") == {"stdout": "a private line", "stderr": ""}
    problem(As(item.dataset.owner).get(path), 404, "not_found")
    made.submission(item)
    assert As(item.dataset.owner, "read").read(f"{path}log/")["stdout"] == "a private line"
    assert not Entry.objects.filter(action="log.download").exists()


def test_a_mock_run_of_others_is_not_started():
    item = make.code_request(at="submitted")
    problem(As(item.dataset.owner).post(f"/requests/{item.pk}/mock-runs/"), 403, "denied")
    empty = make.code_request(code="")
    problem(As(empty.author).post(f"/requests/{empty.pk}/mock-runs/"), 400, "refused")


def test_a_reviewer_tries_a_version_with_parameters_of_their_own():
    item = make.code_request(at="submitted", parameters={"least": 10})
    path, body = f"/versions/{item.latest_id}/mock-runs/", {"parameters": {"least": 1}}
    owner, author = As(item.dataset.owner, "read", "review"), As(item.author)
    answer = replayed(owner, path, body)
    run = Run.objects.get()
    assert (answer.status_code, answer["Location"]) == (202, f"/api/v1/runs/{run.pk}/")
    content = answer.json()
    assert (content["kind"], content["version"]["number"], content["parameters"]) == ("mock", 1, {"least": 1})
    made.execute(run)
    assert owner.read(f"/runs/{run.pk}/log/")["stdout"] == "a private line"
    assert owner.read(f"/versions/{item.latest_id}/")["mock_run"] is None
    for place in (f"/runs/{run.pk}/", f"/runs/{run.pk}/log/", f"/runs/{run.pk}/outputs/"):
        problem(author.get(place), 404, "not_found")
    assert ids(author.read("/runs/")) == ids(author.read(f"/requests/{item.pk}/runs/")) == []
    assert owner.act(path, {}, status=202)["parameters"] == {"least": 10}
    problem(author.post(path, body), 403, "denied")
    problem(As(make.scientist()).post(path, body), 404, "not_found")
    problem(As(item.dataset.owner, "read", "work").post(path, body), 403, "token_scope")
    problem(owner.post(path, {"parameters": {"a b": 1}}), 400, "refused")


def test_parameters_are_for_those_who_read_the_code():
    run = made.start(make.code_request(at="approved", parameters={"least": 10}))
    people = (run.request.author, run.request.dataset.owner, make.auditor(), make.admin())
    found = [As(person, "read").read(f"/runs/{run.pk}/")["parameters"] for person in people]
    assert found == [{"least": 10}, {"least": 10}, {"least": 10}, None]


def test_a_run_on_private_data_is_started_once():
    item = make.code_request(at="approved")
    answer = replayed(As(item.author), f"/requests/{item.pk}/runs/")
    run = Run.objects.get()
    assert (answer.status_code, answer["Location"]) == (202, f"/api/v1/runs/{run.pk}/")
    content = answer.json()
    assert (content["kind"], content["private"], content["release"]) == ("private", None, None)
    assert content["version"]["number"] == 1
    problem(As(item.author).post(f"/requests/{item.pk}/runs/"), 403, "denied")


def test_a_key_of_a_run_is_not_another_s():
    item = make.code_request(at="approved")
    author, key = As(item.author), uuid4()
    author.post(f"/requests/{item.pk}/runs/", key=key)
    problem(author.post(f"/requests/{item.pk}/mock-runs/", key=key), 409, "key_reused")
    other = make.code_request(at="approved")
    problem(As(other.author).post(f"/requests/{other.pk}/runs/", key=key), 409, "conflict")


def test_a_run_needs_an_approval_and_the_owner_s_token_review():
    item = make.code_request(at="submitted")
    problem(As(item.author).post(f"/requests/{item.pk}/runs/"), 403, "denied")
    made.approve(made.version(item))
    owner = item.dataset.owner
    problem(As(owner, "work").post(f"/requests/{item.pk}/runs/"), 403, "token_scope")
    assert As(owner, "review").post(f"/requests/{item.pk}/runs/").status_code == 202


def test_who_reads_what_of_a_run_on_private_data():
    item = make.code_request(at="failed")
    run = item.runs.get()
    path = f"/runs/{run.pk}/"
    author, admin = As(item.author).read(path), As(make.admin()).read(path)
    for content in (author, admin, As(item.dataset.owner, "read").read(path)):
        assert (content["state"], content["close_code"], content["private"]) == (
            "failed",
            "EXIT_NONZERO",
            None,
        )
        assert not set(PRIVATE) & set(content)
    owner = As(item.dataset.owner, "review", "read").read(path)
    assert owner["private"]["exit_code"] == 1
    assert owner["private"]["ended_at"] is not None


def test_the_log_is_for_reviewers_with_the_scope_review():
    item = make.code_request(at="failed")
    path = f"/runs/{item.runs.get().pk}/log/"
    problem(As(item.author).get(path), 403, "denied")
    problem(As(item.dataset.owner, "read").get(path), 403, "token_scope")
    problem(As(make.auditor()).get(path), 403, "denied")
    problem(As(make.scientist()).get(path), 404, "not_found")
    assert As(item.dataset.owner, "review").read(path)["stderr"] == "a private message"
    assert Entry.objects.filter(action="log.download").count() == 1


def steps_of_a_run(item: Any) -> Run:
    """Start and claim a run, whose code then ends without anybody being told."""
    run = made.claimed(made.start(item))
    return made.fresh_run(run, state="running", started_at=timezone.now(), heartbeat_at=timezone.now())


def test_quiet_steps_change_nothing_that_an_author_reads():
    item = make.code_request(at="approved")
    run = steps_of_a_run(item)
    author, owner = As(item.author), As(item.dataset.owner)
    paths = [
        "/runs/", f"/runs/?live=true&request={item.pk}", f"/runs/{run.pk}/", f"/requests/{item.pk}/",
        f"/requests/{item.pk}/runs/", f"/runs/{run.pk}/outputs/", "/releases/",
    ]  # fmt: skip

    def seen(by: As) -> list[tuple[bytes, str]]:
        return [(answer.content, answer["ETag"]) for answer in map(by.get, paths)]

    before, owners = seen(author), seen(owner)
    assert author.read(f"/runs/{run.pk}/")["state"] == "running"
    hidden = {"opened_at": timezone.now(), "heartbeat_at": timezone.now(), "exit_code": 1, "wall_s": 1.0}
    made.fresh_run(run, state="collecting", **hidden)
    assert seen(author) == before
    made.fresh_run(run, state="ending", ended_at=timezone.now(), close_code="EXIT_NONZERO", **hidden)
    assert seen(author) == before
    assert seen(owner) != owners
    assert owner.read(f"/runs/{run.pk}/")["state"] == "ending"
    assert owner.read("/runs/")["items"][0]["state"] == "running"


def test_lists_of_runs_are_filtered():
    item = make.code_request(at="ran")
    private, trial = item.runs.get(), made.trial(item)
    author = As(item.author)
    assert ids(author.read("/runs/")) == [str(trial.pk), str(private.pk)]
    assert ids(author.read("/runs/?kind=private")) == [str(private.pk)]
    assert ids(author.read("/runs/?live=true")) == [str(trial.pk)]
    assert ids(author.read("/runs/?live=false")) == [str(private.pk)]
    assert ids(author.read(f"/runs/?dataset={item.dataset_id}&request={uuid4()}")) == []
    assert ids(As(item.dataset.owner).read(f"/requests/{item.pk}/runs/")) == [str(private.pk)]
    for query in ("live=yes", "state=ending", "kind=x", "request=1"):
        problem(author.get(f"/runs/?{query}"), 400, "invalid")


def test_a_run_is_cancelled_by_either_side():
    item = make.code_request(at="approved")
    run = made.start(item)
    path = f"/runs/{run.pk}/cancel/"
    problem(As(item.author, "review").post(path), 403, "token_scope")
    problem(As(make.auditor(), "review").post(path), 403, "denied")
    assert As(item.author, "work").act(path)["state"] == "cancelled"
    problem(As(item.author).post(path), 409, "conflict")
    again = made.start(made.fresh(item))
    admin = make.admin(name="Ada")
    content = As(admin, "review").act(f"/runs/{again.pk}/cancel/")
    assert (content["state"], content["cancelled_by"]) == ("cancelled", {"id": str(admin.pk), "name": "Ada"})
    assert content["asked_by"] == {"id": str(again.asked_by.pk), "name": again.asked_by.name}


def test_mock_outputs_are_listed_and_sent_to_their_author():
    item = make.code_request()
    run = made.execute(made.trial(item))
    author = As(item.author, "read")
    (line,) = author.read(f"/runs/{run.pk}/outputs/")["items"]
    assert (line["name"], line["type"]) == ("result.json", "json")
    answer = author.get(f"/outputs/{line['id']}/file/")
    assert json.loads(b"".join(answer.streaming_content)) == {"mean_wage": 1507.5}


def test_the_queue_is_as_on_the_page():
    item = make.code_request()
    first, second = made.trial(item), made.trial(item)
    assert As(item.author).read(f"/runs/{second.pk}/")["waits"]["position"] == 2
    assert claims.in_order()[0].run == first.pk


def test_what_was_refused_leaves_no_key():
    item = make.code_request()
    problem(
        As(make.scientist()).post(f"/requests/{item.pk}/mock-runs/", {}, key=str(uuid4())), 404, "not_found"
    )
    assert not IdempotencyKey.objects.exists()
