"""Access, grants and reviewers in the API."""

from datetime import timedelta

import pytest
from django.utils import timezone

from datasets.models import AccessRequest, Dataset, DatasetReviewer, Grant
from tests import make
from tests.datasets.api.calls import Caller, Session, acts_once
from tests.rest import problem

pytestmark = pytest.mark.django_db
WISH = {"purpose": "To study wages.", "outputs": "Means by year."}
REASON = {"reason": "The project has ended."}


@pytest.fixture
def dataset() -> Dataset:
    return make.dataset(owner=make.owner(password=make.PASSWORD))


def test_a_scientist_asks_for_access_once(dataset: Dataset):
    scientist = make.scientist(name="Sina Scientist")
    caller, path = Caller(scientist, "read", "work"), f"datasets/{dataset.pk}/access/"
    answer = acts_once(caller, path, WISH, {**WISH, "outputs": "All."})
    assert answer["Location"] == f"/api/v1/access/{answer.json()['id']}/"
    asked, about = answer.json(), {"id": str(dataset.pk), "name": dataset.name, "title": dataset.title}
    assert (asked["scientist"]["name"], asked["state"], asked["terms"]) == ("Sina Scientist", "pending", None)
    assert (asked["scientist"]["email"], asked["dataset"]) == (scientist.email, about)
    assert "waiting for a decision" in problem(caller.post(path, WISH), 403, "denied")["detail"]
    assert caller.get(path).json()["items"] == [caller.get(f"access/{answer.json()['id']}/").json()]


def test_the_current_terms_are_accepted_by_their_id():
    dataset = make.dataset(terms="Be kind.")
    caller, path = Caller(make.scientist(), "read", "work"), f"datasets/{dataset.pk}/access/"
    current = caller.get(f"datasets/{dataset.pk}/terms/").json()
    for terms in ({}, {"terms": None}, {"terms": str(dataset.pk)}):
        problem(caller.post(path, {**WISH, **terms}), 409, "conflict")
    problem(caller.post(path, {**WISH, "terms": "1"}), 400, "invalid")
    accepted = caller.post(path, {**WISH, "terms": current["id"]}).json()["terms"]
    assert accepted == {"id": current["id"], "number": 1}


def test_who_cannot_ask(dataset: Dataset):
    path = f"datasets/{dataset.pk}/access/"
    problem(Caller(make.owner(), "work").post(path, WISH), 403, "denied")
    problem(Caller(make.scientist(), "read").post(path, WISH), 403, "token_scope")
    problem(Caller(make.scientist(), "work").post(path, {"purpose": "P"}), 400, "invalid")
    other = Caller(make.scientist(), "work", dataset_ids=[make.dataset().pk])
    problem(other.post(path, WISH), 404, "not_found")
    assert not AccessRequest.objects.exists()


def test_the_owner_grants_access_for_some_days(dataset: Dataset):
    item = make.access_request(dataset)
    owner = Caller(dataset.owner, "read", "publish")
    answer = owner.post(f"access/{item.pk}/decide/", {"grant": True, "days": 10, "note": "Welcome."})
    assert (answer.json()["state"], answer.json()["decided_by"]["name"]) == ("granted", dataset.owner.name)
    (grant,) = owner.get(f"datasets/{dataset.pk}/grants/").json()["items"]
    assert grant["access_request"] == {"id": str(item.pk)}
    assert grant["person"] == {"id": str(item.scientist_id), "name": item.scientist.name}
    ends = Grant.objects.get().expires_at
    assert ends is not None
    assert timedelta(days=9) < ends - timezone.now() <= timedelta(days=10)
    problem(owner.post(f"access/{item.pk}/decide/", {"grant": True}), 409, "conflict")


def test_declining_needs_a_note(dataset: Dataset):
    item = make.access_request(dataset)
    owner = Caller(dataset.owner, "read", "publish")
    problem(owner.post(f"access/{item.pk}/decide/", {"grant": False}), 400, "refused")
    problem(owner.post(f"access/{item.pk}/decide/", {"grant": True, "days": 0}), 400, "refused")
    problem(owner.post(f"access/{item.pk}/decide/", {}), 400, "invalid")
    answer = owner.post(f"access/{item.pk}/decide/", {"grant": False, "note": "Too broad."})
    assert (answer.json()["state"], answer.json()["decision_note"]) == ("denied", "Too broad.")


def test_who_reads_and_decides(dataset: Dataset):
    item = make.access_request(dataset)
    trusted = make.reviewer(dataset, decides_access=True).user
    reviewer = make.reviewer(dataset, make.user(name="Ron")).user
    path = f"access/{item.pk}/"
    decide = {"grant": True}
    for stranger in (make.scientist(), make.owner(), reviewer, make.admin()):
        problem(Caller(stranger, "read").get(path), 404, "not_found")
        problem(Caller(stranger, "publish").post(f"{path}decide/", decide), 404, "not_found")
    scientist = Caller(item.scientist, "read", "work", "publish")
    problem(scientist.post(f"{path}decide/", decide), 403, "denied")
    problem(Caller(trusted, "read", "work").post(f"{path}decide/", decide), 403, "token_scope")
    problem(Session(dataset.owner, seconds=15 * 60 + 1).post(f"{path}decide/", decide), 403, "confirm_again")
    other = Caller(dataset.owner, "read", "publish", dataset_ids=[make.dataset().pk])
    problem(other.get(path), 404, "not_found")
    problem(other.get(f"datasets/{dataset.pk}/access/"), 404, "not_found")
    assert Caller(reviewer).get(f"datasets/{dataset.pk}/access/").json()["items"] == []
    assert Caller(trusted, "publish").post(f"{path}decide/", decide).status_code == 200


def test_a_scientist_withdraws_the_own_request_alone(dataset: Dataset):
    item = make.access_request(dataset)
    problem(Caller(dataset.owner, "work").post(f"access/{item.pk}/withdraw/"), 400, "refused")
    problem(Caller(make.scientist(), "work").post(f"access/{item.pk}/withdraw/"), 404, "not_found")
    problem(Caller(item.scientist, "read").post(f"access/{item.pk}/withdraw/"), 403, "token_scope")
    answer = Caller(item.scientist, "work").post(f"access/{item.pk}/withdraw/")
    assert answer.json()["state"] == "withdrawn"


def test_access_is_revoked_with_a_reason(dataset: Dataset):
    grant = make.grant(dataset)
    path = f"grants/{grant.pk}/"
    scientist = Caller(grant.user, "read", "publish")
    assert scientist.get(path).json()["revoked_at"] is None
    problem(scientist.delete(path, REASON), 403, "denied")
    owner = Caller(dataset.owner, "read", "publish")
    problem(owner.delete(path), 400, "invalid")
    assert owner.delete(path, REASON).status_code == 204
    assert scientist.get(path).json()["revoke_reason"] == REASON["reason"]
    problem(owner.delete(path, REASON), 409, "conflict")


def test_who_sees_grants(dataset: Dataset):
    grant, path = make.grant(dataset), f"datasets/{dataset.pk}/grants/"
    make.grant(dataset)
    assert [each["id"] for each in Caller(grant.user).get(path).json()["items"]] == [str(grant.pk)]
    assert len(Caller(dataset.owner).get(path).json()["items"]) == 2
    assert Caller(make.scientist()).get(path).json()["items"] == []
    for stranger in (make.scientist(), make.reviewer(dataset).user):
        problem(Caller(stranger).get(f"grants/{grant.pk}/"), 404, "not_found")
        problem(Caller(stranger, "publish").delete(f"grants/{grant.pk}/", REASON), 404, "not_found")
    problem(Caller(dataset.owner).delete(f"grants/{grant.pk}/", REASON), 403, "token_scope")
    other = Caller(dataset.owner, "read", "publish", dataset_ids=[make.dataset().pk])
    problem(other.get(f"grants/{grant.pk}/"), 404, "not_found")
    problem(other.delete(f"grants/{grant.pk}/", REASON), 404, "not_found")
    old = Session(dataset.owner, seconds=15 * 60 + 1)
    problem(old.delete(f"grants/{grant.pk}/", REASON), 403, "confirm_again")


def test_the_owner_adds_and_removes_reviewers_in_a_session(dataset: Dataset):
    person = make.user(name="Rea Reviewer")
    session, path = Session(dataset.owner), f"datasets/{dataset.pk}/reviewers/"
    body = {"email": person.email, "decides_access": True}
    made = acts_once(session, path, body, {**body, "decides_access": False}).json()
    assert (made["person"]["name"], made["decides_access"]) == ("Rea Reviewer", True)
    assert session.get(path).json()["items"] == [made]
    problem(session.post(path, {"email": "nobody@example.org"}), 400, "refused")
    problem(session.post(path, body), 400, "refused")
    assert session.delete(f"reviewers/{made['id']}/").status_code == 204
    assert not DatasetReviewer.objects.exists()


def test_reviewers_are_no_affair_of_tokens_or_others(dataset: Dataset):
    reviewer = make.reviewer(dataset)
    path, one = f"datasets/{dataset.pk}/reviewers/", f"reviewers/{reviewer.pk}/"
    body = {"email": make.user().email}
    token = Caller(dataset.owner, "read", "publish")
    for answer in (token.get(path), token.post(path, body), token.delete(one)):
        problem(answer, 403, "token_scope")
    for stranger in (make.owner(), make.scientist(), reviewer.user):
        session = Session(stranger)
        for answer in (session.get(path), session.post(path, body), session.delete(one)):
            problem(answer, 404, "not_found")
    old = Session(dataset.owner, seconds=15 * 60 + 1)
    problem(old.post(path, body), 403, "confirm_again")
    problem(old.delete(one), 403, "confirm_again")
    assert DatasetReviewer.objects.count() == 1
