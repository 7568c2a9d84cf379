"""The history of a request by the API, and what a submission would freeze: both as their pages show them."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from requests_app import services
from requests_app.models import CodeRequest
from requests_app.services import releases
from tests import make
from tests.makers import requests as made
from tests.requests_app.api.calls import As
from tests.rest import problem

pytestmark = pytest.mark.django_db


def path_of(item: CodeRequest) -> str:
    return f"/requests/{item.pk}/history/"


def test_a_history_has_the_events_of_the_page():
    item = make.code_request(at="released", title="Means")
    for person in (item.author, item.dataset.owner, make.auditor(), make.admin()):
        client = Client()
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        shown = client.get(reverse("requests:detail", args=[item.pk])).context["events"]
        events = As(person, "read").read(path_of(item))["events"]
        assert [(each["what"], each["note"]) for each in events] == [(each.what, each.note) for each in shown]
        assert [each["who"] and each["who"]["name"] for each in events] == [
            each.who and each.who.name for each in shown
        ]


def test_a_history_goes_from_the_first_draft_to_the_recall():
    item = make.code_request(at="released")
    release = made.fresh(item).runs.get(kind="private").release
    releases.recall(release, by=item.dataset.owner, reason="A cell of 2 people.")
    events = As(item.author, "read").read(path_of(item))["events"]
    owner = {"id": str(item.dataset.owner_id), "name": item.dataset.owner.name}
    assert {name: events[0][name] for name in ("who", "what", "note")} == {
        "who": owner, "what": "recalled the release", "note": "A cell of 2 people.",
    }  # fmt: skip
    assert [each["what"] for each in events[1:]] == [
        "released outputs",
        "the run has ended: succeeded",
        "started a run on the private data",
        "approved version 1",
        "submitted version 1",
        "created this request",
    ]
    assert events[2]["who"] is None


def test_who_does_not_read_the_code_reads_no_verdict_and_no_decision():
    """Admins know of a request, but not what was said of its code or its outputs."""
    item = make.code_request(at="ran")
    release = item.runs.get(kind="private").release
    comment = "Too few people in the north."
    releases.decide(release, by=item.dataset.owner, decision="reject", comment=comment)
    for person, notes in ((item.author, {comment}), (make.auditor(), {comment}), (make.admin(), set())):
        events = As(person, "read").read(path_of(item))["events"]
        assert {each["note"] for each in events if each["note"]} == notes
        assert ("approved version 1" in {each["what"] for each in events}) == bool(notes)


def test_the_author_on_a_blinded_dataset_reads_no_reviewers_name():
    item = make.code_request(at="changes_requested", dataset=make.dataset(policy={"blinded": True}))
    verdict = "requested changes to version 1"
    for person, named in ((item.author, False), (item.dataset.owner, True)):
        (event,) = [
            each for each in As(person, "read").read(path_of(item))["events"] if each["what"] == verdict
        ]
        assert (event["who"] is not None) == named


def snapshot(caller: As, item: CodeRequest) -> Any:
    return caller.read(f"/requests/{item.pk}/snapshot/")


def test_a_snapshot_is_what_a_submission_freezes():
    item = make.code_request(at="draft", parameters={"year": 1990}, context="")
    author = As(item.author)
    bound = snapshot(author, item)
    assert (bound["number"], bound["parameters"], bound["mock_run"]) == (1, {"year": 1990}, None)
    assert (bound["ends_approval"], bound["submit_refusal"]) == (False, "Still missing: the context.")
    author.patch(f"/requests/{item.pk}/", {"context": "None."})
    bound = snapshot(author, item)
    assert bound["submit_refusal"] is None
    run = services.run_on_mock(made.fresh(item), by=item.author, key=item.pk)
    assert snapshot(author, item)["mock_run"] == {"id": str(run.pk), "kind": "mock"}
    version = author.act(f"/requests/{item.pk}/submit/", status=201)
    same = ("number", "sha256", "revision", "environment", "environment_sha256", "parameters")
    assert {name: version[name] for name in same} == {name: bound[name] for name in same}
    assert re.fullmatch(r"[0-9a-f]{64}", bound["code_sha256"])


def test_a_new_version_of_an_approved_request_ends_its_approval():
    item = make.code_request(at="approved")
    bound = snapshot(As(item.author), item)
    assert (bound["number"], bound["ends_approval"]) == (2, True)


def test_a_snapshot_is_for_the_author_alone():
    item = make.code_request(at="submitted")
    for person in (item.dataset.owner, make.auditor(), make.admin()):
        problem(As(person).get(f"/requests/{item.pk}/snapshot/"), 403, "denied")
