"""Datasets in the API: who finds and reads which, schema and mock data, creating and changing."""

import json
from io import BytesIO

import pyarrow.parquet as pq
import pytest

from datasets.models import Dataset
from tests import make
from tests.datasets.api.calls import Caller, Session, acts_once
from tests.makers.datasets import PEOPLE, SECRET_WAGE, YEARS
from tests.rest import problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset() -> Dataset:
    return make.dataset(terms="Be kind.", policy={"threshold": 12, "held_downloads": True})


def names(caller: Caller, query: str = "") -> list[str]:
    return [item["name"] for item in caller.get(f"datasets/{query}").json()["items"]]


def test_a_scientist_finds_what_is_listed():
    shown, hidden = make.dataset(), make.dataset(discoverable=False)
    scientist = make.scientist()
    caller = Caller(scientist)
    assert names(caller) == [shown.name]
    assert set(names(Caller(hidden.owner))) == {shown.name, hidden.name}
    make.grant(shown, scientist)
    item = caller.get("datasets/").json()["items"][0]
    assert (item["is_granted"], item["is_asked"], item["is_own"], item["is_reviewer"]) == (
        True, False, False, False,
    )  # fmt: skip


def test_the_filters_of_the_catalogue():
    wages, taxes = make.dataset(title="Panel of wages"), make.dataset(title="Taxes of firms")
    caller = Caller(wages.owner)
    assert names(caller, "?text=panel%20OF") == [wages.name]
    assert names(caller, "?show=mine&text=of") == [wages.name]
    scientist = make.scientist()
    make.access_request(taxes, scientist)
    assert names(Caller(scientist), "?show=asked") == [taxes.name]
    assert names(Caller(scientist), "?show=granted") == []
    assert names(Caller(make.reviewer(taxes).user), "?show=reviewing") == [taxes.name]
    problem(caller.get("datasets/?show=everything"), 400, "invalid")
    problem(caller.get("datasets/?title=x"), 400, "invalid")


def test_a_dataset_as_a_scientist_reads_it(dataset: Dataset):
    found = Caller(make.scientist()).get(f"datasets/{dataset.pk}/").json()
    assert (found["name"], found["owner"]["name"]) == (dataset.name, dataset.owner.name)
    assert (found["revision"]["number"], found["terms"]["number"]) == (1, 1)
    assert (found["policy"]["threshold"], found["policy"]["held_downloads"]) == (12, None)
    assert Caller(dataset.owner).get(f"datasets/{dataset.pk}/").json()["policy"]["held_downloads"] is True


@pytest.mark.parametrize("part", ["", "schema/", "terms/", "mock/wages.csv", "mock/wages.parquet"])
def test_what_is_not_visible_does_not_exist(part: str):
    hidden, other = make.dataset(discoverable=False, terms="Be kind."), make.dataset()
    path = f"datasets/{hidden.pk}/{part}"
    problem(Caller(make.scientist()).get(path), 404, "not_found")
    problem(Caller(hidden.owner, dataset_ids=[other.pk]).get(path), 404, "not_found")
    problem(Caller(hidden.owner, "ask").get(path), 403, "token_scope")
    assert Caller(hidden.owner, dataset_ids=[hidden.pk]).get(path).status_code == 200


def test_a_token_for_one_dataset_lists_no_other(dataset: Dataset):
    make.dataset()
    assert names(Caller(make.scientist(), dataset_ids=[dataset.pk])) == [dataset.name]


def test_the_schema_has_what_is_declared_and_nothing_of_the_rows(dataset: Dataset):
    answer = Caller(make.scientist()).get(f"datasets/{dataset.pk}/schema/")
    (table,) = tables = answer.json()["tables"]
    assert (table["name"], table["description"]) == ("wages", "Wages by year.")
    wage = table["columns"][3]
    assert (wage["name"], wage["lower"], wage["upper"], wage["unit"]) == ("wage", 0, 50_000, "EUR")
    assert table["columns"][2]["categories"] == ["east", "north", "west"]
    for private in (str(SECRET_WAGE), str(PEOPLE * YEARS), "private_file"):
        assert private not in json.dumps(tables)  # the revision's random identifiers may hold these digits


def test_a_dataset_without_a_published_revision_has_no_schema():
    draft = make.dataset(published=False)
    assert (
        "publish"
        in problem(Caller(draft.owner).get(f"datasets/{draft.pk}/schema/"), 409, "conflict")["detail"]
    )
    problem(Caller(draft.owner).get(f"datasets/{draft.pk}/mock/wages.csv"), 404, "not_found")


def test_mock_data_as_parquet_and_csv(dataset: Dataset):
    caller = Caller(make.scientist())
    parquet = caller.get(f"datasets/{dataset.pk}/mock/wages.parquet", Accept="application/vnd.apache.parquet")
    assert parquet["Content-Type"] == "application/vnd.apache.parquet"
    table = pq.read_table(BytesIO(parquet.content))
    assert (table.num_rows, table.column_names) == (400, ["person", "year", "region", "wage"])
    csv = caller.get(f"datasets/{dataset.pk}/mock/wages.csv", Accept="text/csv")
    assert csv["Content-Disposition"] == f'attachment; filename="{dataset.name}-wages-mock.csv"'
    assert csv.content.decode().splitlines()[0] == '"person","year","region","wage"'
    problem(caller.get(f"datasets/{dataset.pk}/mock/taxes.csv", Accept="text/csv"), 404, "not_found")


NEW = {"name": "wage_panel", "title": "Wage panel"}


def test_an_owner_creates_a_dataset():
    owner = make.owner()
    answer = acts_once(Caller(owner, "read", "publish"), "datasets/", NEW, {**NEW, "name": "other"})
    made = Dataset.objects.get()
    assert answer["Location"] == f"/api/v1/datasets/{made.pk}/"
    assert (made.owner, answer.json()["state"], answer.json()["is_own"]) == (owner, "draft", True)


def test_who_cannot_create_a_dataset(dataset: Dataset):
    problem(Caller(make.scientist(), "publish").post("datasets/", NEW), 403, "denied")
    problem(Caller(dataset.owner, "read", "work").post("datasets/", NEW), 403, "token_scope")
    limited = Caller(dataset.owner, "publish", dataset_ids=[dataset.pk])
    assert "only some datasets" in problem(limited.post("datasets/", NEW), 403, "token_scope")["detail"]
    caller = Caller(dataset.owner, "publish")
    assert "name" in problem(caller.post("datasets/", {"title": "T"}), 400, "invalid")["fields"]
    problem(caller.post("datasets/", {**NEW, "name": dataset.name}), 400, "refused")
    problem(caller.post("datasets/", {**NEW, "owner": "me"}), 400, "invalid")
    assert Dataset.objects.count() == 1


def test_an_owner_changes_description_and_policy(dataset: Dataset):
    caller = Caller(dataset.owner, "read", "publish")
    path = f"datasets/{dataset.pk}/"
    before = caller.get(path)["ETag"]
    answer = caller.patch(path, {"title": "New title", "policy": {"threshold": 20}})
    assert (answer.status_code, answer.json()["title"], answer.json()["policy"]["threshold"]) == (
        200, "New title", 20,
    )  # fmt: skip
    problem(caller.patch(path, {"title": "Later"}, before), 412, "stale")
    assert caller.patch(path, {}).json()["title"] == "New title"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"policy": {"threshold": 0}}, "refused"),
        ({"policy": {"threshold": "many"}}, "invalid"),
        ({"policy": {"reviewers_needed": 3}}, "refused"),
        ({"policy": {"thresholds": 3}}, "invalid"),
        ({"policy": {"end_step_seconds": 7}}, "invalid"),
        ({"name": "other"}, "invalid"),
        ({"title": ""}, "invalid"),
    ],
)
def test_changes_that_are_refused(dataset: Dataset, change: dict[str, object], code: str):
    problem(Caller(dataset.owner, "read", "publish").patch(f"datasets/{dataset.pk}/", change), 400, code)
    dataset.refresh_from_db()
    assert dataset.threshold == 12


def test_nobody_else_changes_a_dataset(dataset: Dataset):
    path = f"datasets/{dataset.pk}/"
    for change in ({"title": "Mine"}, {"policy": {"reviewers_needed": 5}}):
        stranger = Caller(make.scientist(), "read", "publish").patch(path, change)
        assert "Only the owner" in problem(stranger, 403, "denied")["detail"]
    problem(Caller(dataset.owner, "read", "work").patch(path, {"title": "Mine"}), 403, "token_scope")
    other = Caller(dataset.owner, "read", "publish", dataset_ids=[make.dataset().pk])
    problem(other.patch(path, {"title": "Mine"}, "*"), 404, "not_found")


def test_a_session_confirms_before_it_changes_rules():
    dataset = make.dataset(owner=make.owner(password=make.PASSWORD))
    path = f"datasets/{dataset.pk}/"
    answer = Session(dataset.owner, seconds=15 * 60 + 1).patch(path, {"title": "T"})
    assert "Change a dataset's rules" in problem(answer, 403, "confirm_again")["detail"]
    assert Session(dataset.owner).patch(path, {"title": "T"}).status_code == 200
