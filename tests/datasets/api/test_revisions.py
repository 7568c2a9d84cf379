"""Revisions in the API: what the owner sees of them, publishing, discarding, retiring."""

import pytest

from common.errors import Refused
from datasets import hooks
from datasets.models import Dataset
from tests import make
from tests.datasets.api.calls import Caller, Session, acts_once
from tests.rest import problem

pytestmark = pytest.mark.django_db
REASON = {"reason": "Wrong years."}


@pytest.fixture
def dataset() -> Dataset:
    return make.dataset(owner=make.owner(password=make.PASSWORD))


@pytest.fixture
def owner(dataset: Dataset) -> Caller:
    return Caller(dataset.owner, "read", "publish")


def test_the_owner_lists_and_reads_revisions(dataset: Dataset, owner: Caller):
    make.next_revision(dataset)
    items = owner.get(f"datasets/{dataset.pk}/revisions/").json()["items"]
    assert [(each["number"], each["state"]) for each in items] == [(2, "published"), (1, "retired")]
    found = owner.get(f"revisions/{items[0]['id']}/").json()
    assert (found["note"], found["gaps"], len(found["sha256"])) == ("More years.", [], 64)
    assert [(table["name"], table["rows"]) for table in found["tables"]] == [("wages", 120)]


def test_a_draft_is_begun_and_says_what_is_missing(dataset: Dataset, owner: Caller):
    path = f"datasets/{dataset.pk}/revisions/"
    answer = acts_once(owner, path, {"note": "More years."}, {"note": "Fewer."})
    assert answer["Location"] == f"/api/v1/revisions/{answer.json()['id']}/"
    assert owner.get(f"revisions/{answer.json()['id']}/").json()["gaps"] == ["Add at least one table."]
    assert "draft revision already" in problem(owner.post(path, {}), 403, "denied")["detail"]
    problem(owner.post(f"revisions/{answer.json()['id']}/publish/", {}), 403, "denied")


def test_a_draft_is_published(owner: Caller, dataset: Dataset):
    draft = make.dataset(owner=dataset.owner, published=False)
    revision = make.draft(draft)
    answer = owner.post(f"revisions/{revision.pk}/publish/")
    assert (answer.status_code, answer.json()["state"]) == (200, "published")
    draft.refresh_from_db()
    assert (draft.state, draft.current) == (Dataset.State.PUBLISHED, revision)
    problem(owner.post(f"revisions/{revision.pk}/publish/"), 403, "denied")


def test_only_the_revision_that_is_named_is_published(owner: Caller, dataset: Dataset):
    published = make.current(dataset)
    draft = dataset.revisions.get(pk=owner.post(f"datasets/{dataset.pk}/revisions/", {}).json()["id"])
    table = published.tables.get()
    assert owner.post(f"tables/{table.pk}/keep/").status_code == 201
    problem(owner.post(f"revisions/{published.pk}/publish/"), 409, "conflict")
    draft.refresh_from_db()
    assert draft.state == "draft"


def test_the_owner_agrees_to_what_the_rows_mean(
    owner: Caller, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
):
    def doubtful(revision: object, by: object, agreed: bool) -> None:
        if not agreed:
            raise Refused("Only some of the people have known ids.")

    monkeypatch.setattr(hooks, "on_publishing", [doubtful])
    path = f"revisions/{make.draft(make.dataset(owner=dataset.owner, published=False)).pk}/publish/"
    assert "known ids" in problem(owner.post(path, {}), 400, "refused")["detail"]
    assert owner.post(path, {"agreed": True}).json()["state"] == "published"


def test_a_draft_is_discarded(owner: Caller, dataset: Dataset):
    draft = make.draft(make.dataset(owner=dataset.owner, published=False))
    answer = owner.post(f"revisions/{draft.pk}/discard/")
    assert (answer.json()["state"], answer.json()["tables"]) == ("discarded", [])
    problem(owner.post(f"revisions/{make.current(dataset).pk}/discard/"), 409, "conflict")


def test_a_revision_is_retired_with_a_reason(owner: Caller, dataset: Dataset):
    path = f"revisions/{make.current(dataset).pk}/retire/"
    problem(owner.post(path, {}), 400, "invalid")
    problem(owner.post(path, {"reason": "x" * 501}), 400, "invalid")
    assert owner.post(path, REASON).json()["state"] == "retired"
    problem(owner.post(path, REASON), 409, "conflict")


@pytest.mark.parametrize("verb", ["", "publish/", "discard/", "retire/"])
def test_nobody_else_knows_of_a_revision(owner: Caller, dataset: Dataset, verb: str):
    path = f"revisions/{make.current(dataset).pk}/{verb}"
    method, body = ("get", None) if not verb else ("post", REASON if verb == "retire/" else None)
    other = make.dataset(owner=dataset.owner)
    reviewer = make.reviewer(dataset).user
    strangers = [
        Caller(make.owner(), "publish"),
        Caller(make.scientist(), "publish"),
        Caller(reviewer, "publish"),
        Caller(make.admin(), "publish"),
        Caller(dataset.owner, "publish", dataset_ids=[other.pk]),
    ]
    for stranger in strangers:
        problem(stranger.send(method, path, body), 404, "not_found")
        problem(stranger.get(f"datasets/{dataset.pk}/revisions/"), 404, "not_found")
        problem(stranger.post(f"datasets/{dataset.pk}/revisions/", {}), 404, "not_found")
    problem(Caller(dataset.owner, "read", "work").send(method, path, body), 403, "token_scope")


@pytest.mark.parametrize("verb", ["publish", "retire"])
def test_a_session_confirms_first(dataset: Dataset, verb: str):
    answer = Session(dataset.owner, seconds=15 * 60 + 1).post(
        f"revisions/{make.current(dataset).pk}/{verb}/", REASON if verb == "retire" else {}
    )
    assert f"{verb.capitalize()} a revision" in problem(answer, 403, "confirm_again")["detail"]
