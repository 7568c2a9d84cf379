"""Sampled mocks: rows of a private synthetic table in place of the declared mock, and back."""

from dataclasses import replace
from uuid import uuid4

import numpy as np
import pyarrow.parquet as pq
import pytest
from django.urls import reverse

from accounts.models import Notification
from audit.models import Entry
from common.errors import Conflict, Denied
from datasets import mock_files, storage
from datasets import services as datasets
from datasets.declarations import mock
from datasets.declarations.schema import ColumnSchema, TableSchema
from datasets.services import mocks
from tests import make
from tests.rest import bearer

pytestmark = pytest.mark.django_db

NAN, NO_DAY = float("nan"), np.datetime64("NaT")


@pytest.fixture
def table():
    return make.current(make.dataset(discoverable=True)).tables.get()


def sampled(table, *, by=None, answer=None, region="west"):
    drawn = {"region": np.array([region, None], dtype=object), "wage": np.array([2.5, NAN])}
    owner = table.revision.dataset.owner
    return mocks.sample(table, drawn, by=by or owner, answer=answer or uuid4(), epsilon=0.2345, delta=1e-6)


def test_every_type_that_a_synthetic_table_has_is_stored_as_declared():
    columns = (
        ColumnSchema(name="person", type="text", stored="string", is_subject=True, nullable=False),
        ColumnSchema(name="grade", type="category", stored="int64", categories=(1, 5)),
        ColumnSchema(name="region", type="category", stored="string", categories=("north", "west")),
        ColumnSchema(name="union", type="boolean", stored="bool"),
        ColumnSchema(name="hours", type="number", stored="int64", lower=0.5, upper=9.5),
        ColumnSchema(name="age", type="integer", stored="int64", lower=0, upper=99),
        ColumnSchema(name="wage", type="number", stored="double", lower=0, upper=9),
        ColumnSchema(name="day", type="date", stored="date32", lower=0, upper=9),
        ColumnSchema(name="note", type="text", stored="string", nullable=False),
    )
    schema = TableSchema(name="t", columns=columns, mock_rows=400, rows_per_subject=4)
    day = np.datetime64("1970-01-03", "D")
    made = mock.with_drawn(
        schema,
        {
            "grade": np.array(["5", None], dtype=object),
            "region": np.array(["west", None], dtype=object),
            "union": np.array([True, None], dtype=object),
            "hours": np.array([9.7, NAN]),
            "age": np.ma.masked_array([7, 0], mask=[False, True]),
            "wage": np.array([2.5, NAN]),
            "day": np.array([day, NO_DAY]),
        },
    )
    assert made.schema == mock.schema_of(schema)
    full, empty = made.to_pylist()
    assert full == {
        "person": "S00001", "grade": 5, "region": "west", "union": True, "hours": 9, "age": 7, "wage": 2.5,
        "day": day.item(), "note": full["note"],
    }  # fmt: skip
    assert [value for name, value in empty.items() if name not in {"person", "note"}] == [None] * 7
    assert (empty["person"], bool(empty["note"])) == ("S00002", True)  # one row a person, made-up text
    assert mock.make(replace(schema, mock_rows=2, rows_per_subject=1))["note"] == made["note"]


def test_a_sampled_mock_is_shown_until_the_owner_goes_back(table, client):
    dataset, revision = table.revision.dataset, table.revision
    user = make.grant(dataset).user
    declared = mocks.content(dataset, "wages", "parquet")
    made = sampled(table)
    assert pq.read_table(mock_files.published(revision, "wages"))["region"].to_pylist() == ["west", None]
    (head,) = mocks.shown(revision, revision.tables_declared)
    assert [row[2:] for row in head] == [["west", "2.5"], ["", ""]]
    assert made.origin == "drawn from a private synthetic table, ε 0.24"  # rounded up
    client.force_login(user)
    page = client.get(reverse("datasets:detail", args=[dataset.pk])).content.decode()
    assert "Drawn from a private synthetic table, ε 0.24" in page
    schema = client.get(reverse("api:dataset_schema", args=[dataset.pk]), headers=bearer(user, "read")).json()
    (item,) = schema["sampled_mocks"]
    assert (item["table"], item["epsilon"], item["columns"]) == ("wages", 0.2345, ["region", "wage"])
    assert item["answer"] == {"id": str(made.answer)}
    mocks.restore(table, by=dataset.owner)
    assert mocks.content(dataset, "wages", "parquet") == declared
    with pytest.raises(Conflict, match="already"):
        mocks.restore(table, by=dataset.owner)
    told = Notification.objects.filter(user=user, text__contains="mock data").order_by("created_at")
    texts = told.values_list("text", flat=True)
    assert [text.partition(": ")[2] for text in texts] == [
        "the mock data of wages is now drawn from a private synthetic table, ε 0.24.",
        "the mock data of wages is now drawn from the declarations again.",
    ]
    entries = Entry.objects.filter(action__startswith="mock.").order_by("id")
    assert [entry.action for entry in entries] == ["mock.sample", "mock.restore"]


def test_a_second_sampled_mock_takes_the_place_of_the_first(table):
    first = sampled(table)
    second = sampled(table, region="east")
    assert [mock.pk for mock in table.sampled_mocks.filter(ended_at=None)] == [second.pk]
    sampled(table, answer=first.answer)
    shown = pq.read_table(mock_files.published(table.revision, "wages"))
    assert shown["region"].to_pylist() == ["west", None]
    assert len(list(storage.mock_folder(table.revision).iterdir())) == 6  # with the first rows of each


def test_a_new_revision_starts_with_its_declared_mock_and_says_so(table):
    dataset = table.revision.dataset
    draft = datasets.new_revision(dataset, by=dataset.owner, note="")
    assert mocks.remarks(draft) == []
    sampled(table)
    (remark,) = mocks.remarks(draft)
    assert "The mock data of wages is a sampled mock." in remark.words
    assert not remark.asks
    datasets.discard(draft, by=dataset.owner)
    new = make.next_revision(dataset)
    assert mock_files.published(new, "wages").name == "wages.parquet"
    assert mock_files.published(table.revision, "wages").name != "wages.parquet"  # for what is bound to it
    with pytest.raises(Conflict, match="not published any more"):
        sampled(table)


def test_only_the_owner_of_a_dataset_in_use_replaces_mock_data(table):
    dataset = table.revision.dataset
    with pytest.raises(Denied):
        sampled(table, by=make.owner())
    datasets.freeze(dataset, by=dataset.owner, reason="A check.")
    with pytest.raises(Denied, match="frozen"):
        sampled(table)
