"""Requests and drafts over the API."""

import json
from typing import Any
from uuid import uuid4

import pytest

from common.rest import etags
from requests_app import services
from requests_app.models import CodeRequest
from tests import make
from tests.makers import requests as made
from tests.requests_app.api.calls import As, ids, replayed
from tests.rest import problem

pytestmark = pytest.mark.django_db


def test_a_request_is_listed_for_those_who_may_know_of_it():
    item = make.code_request(at="submitted")
    draft = make.code_request(author=item.author, dataset=item.dataset, title="Still writing")
    author, owner = As(item.author), As(item.dataset.owner)
    assert ids(author.read("/requests/")) == [str(draft.pk), str(item.pk)]
    assert ids(owner.read("/requests/")) == [str(item.pk)]
    assert ids(As(make.admin()).read("/requests/")) == [str(item.pk)]
    assert ids(As(make.scientist()).read("/requests/")) == []
    shown = owner.read("/requests/")["items"][0]
    assert (shown["state"], shown["turn"]) == ("submitted", "the owner and reviewers")
    assert shown["author"] == {
        "id": str(item.author_id),
        "name": item.author.name,
        "email": item.author.email,
    }
    assert shown["dataset"]["name"] == item.dataset.name
    assert shown["latest"] == {"id": str(item.latest_id), "number": 1}
    assert "draft" not in shown


def test_the_list_is_filtered():
    item = make.code_request(at="submitted", title="Median wage")
    other = make.code_request(author=item.author)
    author, owner = As(item.author), As(item.dataset.owner)
    assert ids(author.read("/requests/?text=median")) == [str(item.pk)]
    assert ids(author.read("/requests/?state=draft")) == [str(other.pk)]
    assert ids(author.read(f"/requests/?dataset={other.dataset_id}")) == [str(other.pk)]
    assert len(ids(author.read("/requests/?whose=mine"))) == 2
    assert ids(owner.read("/requests/?whose=to_review")) == [str(item.pk)]
    for query in ("state=open", "dataset=1", "whose=theirs", "statee=draft", "text=" + "x" * 101):
        problem(author.get(f"/requests/?{query}"), 400, "invalid")


def test_a_draft_is_begun_once():
    dataset = make.dataset()
    person = make.scientist()
    make.grant(dataset, person)
    answer = replayed(As(person), "/requests/", {"dataset": str(dataset.pk), "title": "Means"})
    item = CodeRequest.objects.get()
    assert answer["Location"] == f"/api/v1/requests/{item.pk}/"
    content = answer.json()
    assert (content["state"], content["title"], content["latest"]) == ("draft", "Means", None)
    assert content["draft"]["code"].startswith("def main(wages):")
    assert (content["approval"], content["state_reason"]) == (None, "")


def test_a_key_is_for_one_call():
    dataset = make.dataset()
    person = make.scientist()
    make.grant(dataset, person)
    caller, key = As(person), uuid4()
    caller.post("/requests/", {"dataset": str(dataset.pk)}, key=key)
    other = caller.post("/requests/", {"dataset": str(dataset.pk), "title": "x"}, key=key)
    problem(other, 409, "key_reused")
    assert CodeRequest.objects.count() == 1


def test_a_draft_needs_a_dataset_that_one_may_use():
    dataset = make.dataset(discoverable=True)
    person = As(make.scientist())
    assert (
        "access" in problem(person.post("/requests/", {"dataset": str(dataset.pk)}), 403, "denied")["detail"]
    )
    hidden = make.dataset(discoverable=False)
    problem(person.post("/requests/", {"dataset": str(hidden.pk)}), 404, "not_found")
    problem(person.post("/requests/", {"dataset": "x"}), 400, "invalid")
    problem(person.post("/requests/", {"data": str(dataset.pk)}), 400, "invalid")


def test_a_draft_is_saved_field_by_field():
    item = make.code_request()
    author, path = As(item.author), f"/requests/{item.pk}/"
    read = author.get(path)
    body = {
        "code": "a = 1\r\n",
        "parameters": {"year": 1987, "by": None},
        "title": "",
        "environment": "default",
    }
    saved = author.patch(path, body, match=read["ETag"])
    assert saved.status_code == 200, saved.content
    draft = saved.json()["draft"]
    assert (draft["code"], draft["parameters"], draft["number"]) == ("a = 1\n", {"year": 1987, "by": None}, 2)
    assert draft["purpose"] == "To know the mean wage."
    problem(author.patch(path, {"code": "b = 2"}, match=read["ETag"]), 412, "stale")


def test_a_draft_that_is_saved_at_the_same_moment_is_not_overwritten(monkeypatch: pytest.MonkeyPatch):
    """Between the comparison of the ETag and the writing, the page saves."""
    item = make.code_request()
    author, path = As(item.author), f"/requests/{item.pk}/"
    etag, compare = author.get(path)["ETag"], etags.now

    def and_save(*args: Any) -> str:
        found = compare(*args)
        services.save_draft(item, by=item.author, number=1, code="theirs = 1")
        return found

    monkeypatch.setattr(etags, "now", and_save)
    problem(author.patch(path, {"code": "mine = 2"}, match=etag), 412, "stale")
    assert made.fresh(item).code == made.CODE  # the page's save was part of the same transaction


BAD_DRAFTS = [
    {"code": None},
    {"code": "x" * 200_001},
    {"parameters": [1]},
    {"number": 3},
    {"title": "x" * 201},
]


@pytest.mark.parametrize("body", BAD_DRAFTS, ids=lambda body: str(body)[:20])
def test_a_draft_that_is_not_right(body: Any):
    item = make.code_request()
    problem(As(item.author).patch(f"/requests/{item.pk}/", body), 400, "invalid")
    assert made.fresh(item).draft_number == 1


def test_the_services_refuse_the_rest():
    item = make.code_request(at="submitted")
    author, path = As(item.author), f"/requests/{item.pk}/"
    problem(author.patch(path, {"environment": "other"}), 400, "refused")
    problem(author.patch(path, {"parameters": {"for": 1}}), 400, "refused")
    problem(author.patch(path, {"title": "Another"}), 400, "refused")
    problem(As(item.dataset.owner).patch(path, {"title": "Another"}), 403, "denied")


def test_long_code_fits_however_it_is_escaped():
    item = make.code_request()
    code = "# " + "é" * 190_000
    body = json.dumps({"code": code})
    assert len(body) > 1_000_000
    author, path = As(item.author), f"/requests/{item.pk}/"
    assert author.patch(path, body).json()["draft"]["code"] == code
    problem(author.patch(path, json.dumps({"code": "é" * 210_000})), 413, "too_large")


def test_the_draft_and_verdicts_are_not_for_everybody():
    item = make.code_request(at="rejected")
    path = f"/requests/{item.pk}/"
    author, owner = As(item.author).read(path), As(item.dataset.owner).read(path)
    admin, auditor = As(make.admin()).read(path), As(make.auditor()).read(path)
    assert [bool(each["draft"]) for each in (author, owner, admin, auditor)] == [True, False, False, False]
    assert [each["state_reason"] for each in (author, owner, admin, auditor)] == ["Too fine."] * 2 + [
        "", "Too fine.",
    ]  # fmt: skip


def test_hints_on_a_draft():
    item = make.code_request(code="import socket\n\ndef main(wages):\n    return 1\n", purpose="")
    found = As(item.author).read(f"/requests/{item.pk}/findings/")
    assert found["number"] == 1
    assert (found["findings"][0]["line"], found["findings"][0]["code"]) == (1, "network")
    assert "the purpose" in found["submit_refusal"]
    whole = make.code_request()
    assert As(whole.author).read(f"/requests/{whole.pk}/findings/")["submit_refusal"] is None
    sent = make.code_request(at="submitted")
    problem(As(sent.dataset.owner).get(f"/requests/{sent.pk}/findings/"), 403, "denied")


def test_a_copy_and_a_withdrawal():
    item = make.code_request(at="submitted")
    author = As(item.author)
    copied = replayed(author, f"/requests/{item.pk}/copy/").json()
    assert (copied["title"], copied["draft"]["code"]) == ("Copy of Mean wage", item.code)
    problem(As(item.dataset.owner).post(f"/requests/{item.pk}/withdraw/"), 403, "denied")
    assert author.act(f"/requests/{item.pk}/withdraw/")["state"] == "withdrawn"
    problem(author.post(f"/requests/{item.pk}/withdraw/"), 409, "conflict")


def test_an_approval_is_revoked_with_a_reason():
    item = make.code_request(at="approved")
    path, owner = f"/requests/{item.pk}/", As(item.dataset.owner)
    approval = owner.read(path)["approval"]
    assert (approval["sha256"], approval["runs_left"]) == (item.latest.sha256, approval["runs_allowed"])
    problem(As(item.author).post(f"{path}revoke/", {"reason": "No."}), 403, "denied")
    problem(owner.post(f"{path}revoke/", {}), 400, "invalid")
    revoked = owner.act(f"{path}revoke/", {"reason": "The data was wrong."})
    assert (revoked["state"], revoked["state_reason"]) == ("revoked", "The data was wrong.")
    assert revoked["approval"]["ended_at"] is not None
    assert As(make.admin()).read(path)["state_reason"] == "The data was wrong."
