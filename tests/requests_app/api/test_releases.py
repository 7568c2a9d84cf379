"""The output check and releases over the API."""

from typing import Any

import pytest

from requests_app.models import Output, Release
from requests_app.outputs import release_record
from tests import make
from tests.makers import requests as made
from tests.requests_app.api.calls import As, ids
from tests.rest import problem

pytestmark = pytest.mark.django_db


def held(**fields: Any) -> tuple[Any, Release, str]:
    item = make.code_request(at="ran", **fields)
    release = Release.objects.get(run__request=item)
    return item, release, f"/releases/{release.pk}/"


def test_a_release_from_the_check_to_the_recall():
    item, _, path = held()
    owner, author = As(item.dataset.owner), As(item.author)
    assert owner.act(f"{path}begin/")["state"] == "checking"
    (output,) = owner.read(path)["outputs"]
    problem(owner.post(f"{path}decide/", {"decision": "release"}), 400, "refused")
    owner.act(f"/outputs/{output['id']}/verdict/", {"verdict": "release"})
    done = owner.act(f"{path}decide/", {"decision": "release", "comment": "Fine."})
    assert (done["state"], done["decided_by"]["id"]) == ("released", str(item.dataset.owner_id))
    read = author.read(path)
    assert (read["comment"], [file["name"] for file in read["outputs"]]) == ("Fine.", ["result.json"])
    assert read["outputs"][0]["check"] is None
    problem(owner.post(f"{path}decide/", {"decision": "release"}), 409, "conflict")
    recalled = owner.act(f"{path}recall/", {"reason": "A cell was too small."})
    assert (recalled["state"], recalled["recall_reason"]) == ("recalled", "A cell was too small.")
    assert author.read(path)["outputs"] == []


def test_nothing_of_held_files_is_said_to_others():
    item, _, path = held(executor=made.WritesOutputs({"a.json": b"1", "b.json": b"2"}))
    for caller in (As(item.author), As(make.admin()), As(make.auditor()), As(item.dataset.owner, "read")):
        content = caller.read(path)
        assert (content["state"], content["outputs"]) == ("held", [])
        assert "a.json" not in str(content)
    assert len(As(item.dataset.owner).read(path)["outputs"]) == 2
    problem(As(make.scientist()).get(path), 404, "not_found")


@pytest.mark.parametrize("verb", ["begin", "decide", "recall"])
def test_only_the_other_side_decides(verb: str):
    item, release, path = held()
    body = {"decide": {"decision": "reject", "comment": "No."}, "recall": {"reason": "No."}}.get(verb)
    problem(As(item.author).post(f"{path}{verb}/", body), 403, "denied")
    problem(As(item.dataset.owner, "read", "work").post(f"{path}{verb}/", body), 403, "token_scope")
    problem(As(make.scientist()).post(f"{path}{verb}/", body), 404, "not_found")
    release.refresh_from_db()
    assert release.state == "held"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"decision": "recall"}, "invalid"),
        ({"decision": "reject"}, "refused"),
        ({"decision": "reject", "comment": "x" * 4001}, "invalid"),
        ({"decision": "release"}, "refused"),
        ({}, "invalid"),
    ],
    ids=str,
)
def test_a_decision_that_is_not_right(body: Any, code: str):
    item, _, path = held()
    problem(As(item.dataset.owner).post(f"{path}decide/", body), 400, code)
    assert Release.objects.get().decided_at is None


def test_an_admin_recalls_with_a_reason_and_reads_no_comment():
    item, _, path = held()
    Output.objects.update(verdict="release")
    As(item.dataset.owner).act(f"{path}decide/", {"decision": "release", "comment": "To you alone."})
    admin = As(make.admin())
    assert admin.read(path)["comment"] == ""
    problem(admin.post(f"{path}recall/", {"reason": ""}), 400, "invalid")
    assert admin.act(f"{path}recall/", {"reason": "A complaint."})["state"] == "recalled"


def test_a_blinded_dataset_names_nobody_to_the_author():
    item = make.code_request(at="released", dataset=make.dataset(policy={"blinded": True}))
    path = f"/releases/{Release.objects.get().pk}/"
    assert As(item.author).read(path)["decided_by"] is None
    assert As(item.dataset.owner).read(path)["decided_by"]["id"] == str(item.dataset.owner_id)


def test_lists_of_releases():
    item, release, _ = held()
    other = make.code_request(at="released", author=item.author)
    author = As(item.author)
    assert len(ids(author.read("/releases/"))) == 2
    assert ids(author.read("/releases/?state=held")) == [str(release.pk)]
    assert ids(author.read(f"/releases/?dataset={item.dataset_id}")) == [str(release.pk)]
    assert ids(author.read(f"/releases/?request={other.pk}")) == [str(other.runs.get().release.pk)]
    assert ids(As(item.dataset.owner).read("/releases/")) == [str(release.pk)]
    assert ids(As(make.scientist()).read("/releases/")) == []
    problem(author.get("/releases/?state=open"), 400, "invalid")


def test_the_record_is_as_each_may_read_it():
    item = make.code_request(at="released")
    release = Release.objects.get()
    path = f"/releases/{release.pk}/record/"
    author = As(item.author, "work").read(path)
    assert author["format"] == release_record.FORMAT
    assert author["outputs"][0]["sha256"] == release.record["outputs"][0]["sha256"]
    assert "shown" not in author["outputs"][0]
    assert As(item.dataset.owner, "review").read(path) == release.record
    auditor = As(make.auditor(), "audit").read(path)
    assert "sha256" not in auditor["outputs"][0]
    problem(As(item.author, "read").get(path), 403, "token_scope")
    problem(As(make.admin()).get(path), 403, "denied")


def test_a_release_that_let_nothing_out_has_no_record():
    item, _, path = held()
    assert "no record" in problem(As(item.author).get(f"{path}record/"), 403, "denied")["detail"]
