"""Terms, and freezing and retiring, in the API."""

import pytest

from datasets.models import Dataset, Terms
from tests import make
from tests.datasets.api.calls import Caller, Session
from tests.rest import problem

pytestmark = pytest.mark.django_db
REASON = {"reason": "A mistake in the data."}


@pytest.fixture
def dataset() -> Dataset:
    return make.dataset(owner=make.owner(password=make.PASSWORD))


def test_terms_are_written_once_and_read_by_all(dataset: Dataset):
    path = f"datasets/{dataset.pk}/terms/"
    owner, scientist = Caller(dataset.owner, "read", "publish"), Caller(make.scientist(), "read", "publish")
    problem(scientist.get(path), 404, "not_found")
    key = {"Idempotency_Key": "5f0c3a5e-66e8-4cfb-9d5c-6f1b6d2a8f10"}
    first = owner.post(path, {"text": "Be kind."}, **key)
    assert (first.status_code, first.json()["number"]) == (201, 1)
    assert owner.post(path, {"text": "Be kind."}, **key)["Idempotent-Replayed"] == "true"
    problem(owner.post(path, {"text": "Be mean."}, **key), 409, "key_reused")
    assert owner.post(path, {"text": "Be kind."}).json()["number"] == 1
    assert owner.post(path, {"text": "Be kinder."}).json()["number"] == 2
    assert scientist.get(path).json()["text"] == "Be kinder."
    problem(scientist.post(path, {"text": "Mine."}), 403, "denied")
    problem(owner.post(path, {"text": " "}), 400, "invalid")
    assert Terms.objects.count() == 2


def test_a_replay_shows_terms_to_nobody_who_may_no_longer_see_them(dataset: Dataset):
    path = f"datasets/{dataset.pk}/terms/"
    other = make.dataset(owner=dataset.owner)
    problem(
        Caller(dataset.owner, "publish", dataset_ids=[other.pk]).post(path, {"text": "T"}), 404, "not_found"
    )
    problem(Caller(dataset.owner, "work").post(path, {"text": "T"}), 403, "token_scope")


def test_the_owner_freezes_unfreezes_and_retires(dataset: Dataset):
    session = Session(dataset.owner)
    for verb, state in (("freeze", "frozen"), ("unfreeze", "published"), ("retire", "retired")):
        answer = session.post(f"datasets/{dataset.pk}/{verb}/", REASON)
        assert (answer.status_code, answer.json()["state"]) == (200, state)
    found = Caller(dataset.owner).get(f"datasets/{dataset.pk}/").json()
    assert found["state_reason"] == REASON["reason"]
    problem(session.post(f"datasets/{dataset.pk}/retire/", REASON), 403, "denied")


def test_an_admin_freezes(dataset: Dataset):
    assert Session(make.admin()).post(f"datasets/{dataset.pk}/freeze/", REASON).status_code == 200
    problem(Session(dataset.owner).post(f"datasets/{dataset.pk}/unfreeze/", REASON), 403, "denied")


@pytest.mark.parametrize("verb", ["freeze", "unfreeze", "retire"])
def test_no_token_and_no_old_sign_in_takes_a_dataset_out_of_use(dataset: Dataset, verb: str):
    path = f"datasets/{dataset.pk}/{verb}/"
    problem(Caller(dataset.owner, "read", "publish").post(path, REASON), 403, "token_scope")
    problem(Session(dataset.owner, seconds=15 * 60 + 1).post(path, REASON), 403, "confirm_again")
    problem(Session(dataset.owner).post(path, {}), 400, "invalid")
    problem(Session(make.scientist()).post(path, REASON), 403, "denied")
    hidden = make.dataset(discoverable=False)
    problem(Session(make.scientist()).post(f"datasets/{hidden.pk}/{verb}/", REASON), 404, "not_found")
    dataset.refresh_from_db()
    assert dataset.state == Dataset.State.PUBLISHED
