"""Versions, differences and verdicts over the API."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from datasets import services as datasets
from requests_app import services
from requests_app.models import Review, Version
from tests import make
from tests.makers import requests as made
from tests.requests_app.api.calls import As, ids, replayed
from tests.rest import problem

pytestmark = pytest.mark.django_db


def submitted(**fields: Any) -> tuple[Version, str]:
    version = made.version(make.code_request(at="submitted", **fields))
    return version, f"/versions/{version.pk}/"


def test_a_draft_is_submitted_once():
    item = make.code_request(parameters={"year": 1987})
    answer = replayed(As(item.author), f"/requests/{item.pk}/submit/")
    version = Version.objects.get()
    assert answer["Location"] == f"/api/v1/versions/{version.pk}/"
    content = answer.json()
    assert (content["number"], content["sha256"]) == (1, version.sha256)
    assert (content["code"], content["parameters"]) == (made.CODE, {"year": 1987})
    assert (content["purpose"], content["context"]) == ("To know the mean wage.", "A first look.")
    assert content["revision"]["number"] == 1
    assert content["environment_sha256"] == version.environment_sha256
    assert content["latest"] == {"id": str(version.pk), "number": 1}
    assert content["findings"] == version.findings
    assert (content["reviews"], content["approval"], content["mock_run"]) == ([], None, None)


def test_a_draft_that_is_not_complete_is_not_submitted():
    item = make.code_request(purpose="")
    author, path = As(item.author), f"/requests/{item.pk}/submit/"
    assert "the purpose" in problem(author.post(path), 403, "denied")["detail"]
    problem(author.post(path, {"number": 1}), 400, "invalid")
    problem(author.post(path, key="x"), 400, "invalid")  # type: ignore[arg-type]  # no UUID
    assert not Version.objects.exists()


def test_who_reads_a_version():
    version, path = submitted()
    item = version.request
    for person in (item.author, item.dataset.owner, make.reviewer(item.dataset).user, make.auditor()):
        assert As(person, "read").read(path)["code"] == version.code
    assert ids(As(item.author).read(f"/requests/{item.pk}/versions/")) == [str(version.pk)]
    problem(As(make.admin()).get(path), 404, "not_found")
    problem(As(make.admin()).get(f"/requests/{item.pk}/versions/"), 403, "denied")
    problem(As(make.scientist()).get(path), 404, "not_found")


def test_the_mock_run_of_a_version_is_named():
    item = make.code_request()
    run = made.execute(made.trial(item))
    version = made.submission(item)
    assert As(item.dataset.owner).read(f"/versions/{version.pk}/")["mock_run"] == {
        "id": str(run.pk),
        "kind": "mock",
    }


def test_an_approval_by_the_owner():
    version, path = submitted()
    owner = As(version.request.dataset.owner)
    body = {"seen": version.sha256, "verdict": "approve", "runs": 2, "days": 3}
    given = replayed(owner, f"{path}review/", body).json()
    assert (given["verdict"], given["runs"], given["days"]) == ("approve", 2, 3)
    assert given["reviewer"]["email"] == version.request.dataset.owner.email
    read = owner.read(path)
    assert read["reviews"] == [given]
    assert (read["approval"]["runs_allowed"], read["approval"]["sha256"]) == (2, version.sha256)
    problem(owner.post(f"{path}review/", body), 403, "denied")
    assert owner.read(f"/requests/{version.request_id}/versions/")["items"][0]["is_approved"] is True


def test_a_key_of_a_verdict_is_for_this_verdict():
    version, path = submitted()
    owner, key = As(version.request.dataset.owner), uuid4()
    owner.post(f"{path}review/", {"seen": version.sha256, "verdict": "approve"}, key=key)
    other = {"seen": version.sha256, "verdict": "reject", "comment": "No."}
    problem(owner.post(f"{path}review/", other, key=key), 409, "key_reused")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"seen": "0" * 64}, 409, "conflict"),
        ({"seen": None}, 400, "invalid"),
        ({"verdict": "maybe"}, 400, "invalid"),
        ({"verdict": "reject"}, 400, "refused"),
        ({"runs": 0}, 400, "invalid"),
        ({"runs": 10**30}, 400, "refused"),
        ({"run": 1}, 400, "invalid"),
    ],
)
def test_a_verdict_that_is_not_right(change: dict[str, Any], status: int, code: str):
    version, path = submitted()
    body = {"seen": version.sha256, "verdict": "approve", **change}
    problem(As(version.request.dataset.owner).post(f"{path}review/", body), status, code)
    assert not Review.objects.exists()


def test_nobody_reviews_their_own_code():
    version, path = submitted()
    make.reviewer(version.request.dataset, version.request.author)
    body = {"seen": version.sha256, "verdict": "approve"}
    problem(As(version.request.author).post(f"{path}review/", body), 403, "denied")


def test_an_older_version_is_not_approved():
    version, path = submitted()
    services.save_draft(version.request, by=version.request.author, number=1, code="x = 1\n")
    made.submission(made.fresh(version.request))
    owner = As(version.request.dataset.owner)
    problem(owner.post(f"{path}review/", {"seen": version.sha256, "verdict": "approve"}), 409, "conflict")
    assert owner.read(path)["latest"]["number"] == 2


def test_a_blinded_review():
    """The author reads no verdict before the outcome and no name at all; a reviewer none before their own."""
    dataset = make.dataset()
    second = make.reviewer(dataset).user
    datasets.set_policy(dataset, by=dataset.owner, blinded=True, reviewers_needed=2)
    version, path = submitted(dataset=dataset)
    made.approve(version)
    assert As(version.request.author).read(path)["reviews"] == []
    assert As(second).read(path)["reviews"] == []
    made.approve(version, by=second)
    read = As(version.request.author).read(path)["reviews"]
    assert [(review["verdict"], review["reviewer"]) for review in read] == [("approve", None)] * 2
    assert {review["reviewer"]["email"] for review in As(second).read(path)["reviews"]} == {
        second.email, dataset.owner.email,
    }  # fmt: skip


def test_a_review_is_begun():
    version, path = submitted()
    problem(As(version.request.author).post(f"{path}begin/"), 403, "denied")
    assert As(version.request.dataset.owner).act(f"{path}begin/")["id"] == str(version.pk)
    assert made.fresh(version.request).state == "in_review"


def test_differences():
    first, first_path = submitted()
    item = first.request
    owner = As(item.dataset.owner)
    whole = owner.read(f"{first_path}diff/")
    assert (whole["against"], whole["removed"]) == (None, 1)
    services.save_draft(made.fresh(item), by=item.author, number=1, code=made.CODE.replace("mean", "median"))
    path = f"/versions/{made.submission(made.fresh(item)).pk}/diff/"
    found = owner.read(path)
    assert found["against"] == {"id": str(first.pk), "number": 1}
    assert (found["added"], found["removed"], found["others"]) == (1, 1, [])
    assert '-    return {"mean_wage"' in found["text"]
    assert owner.read(f"{path}?against={first.pk}") == found
    other, _ = submitted(dataset=item.dataset)
    problem(owner.get(f"{path}?against={other.pk}"), 404, "not_found")
    problem(owner.get(f"{path}?against=x"), 400, "invalid")
    refused = problem(owner.get(f"{path}?agains={first.pk}"), 400, "invalid")
    assert refused["detail"].endswith("of this address. The parameters are: against.")
    problem(owner.get(f"{path}?base={first.pk}"), 400, "invalid")


def test_a_session_confirms_before_a_verdict():
    version, path = submitted(dataset=make.dataset(owner=make.owner(password=make.PASSWORD)))
    client = Client()
    client.force_login(version.request.dataset.owner)
    session = client.session
    session["account_authentication_methods"] = [{"method": "password", "at": 0}]
    session.save()
    body = {"seen": version.sha256, "verdict": "approve"}
    answer = client.post(f"/api/v1{path}review/", body, content_type="application/json")
    assert "Give your verdict on code" in problem(answer, 403, "confirm_again")["detail"]
