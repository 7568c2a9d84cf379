"""Actions on datasets and revisions, through the real services on the real database."""

import pyarrow.parquet as pq
import pytest
from django.db import InternalError, transaction
from django.db.models import ProtectedError

from common.errors import Conflict, Denied, Refused
from datasets import execution, services, storage
from datasets.models import Column, Dataset, Revision, Table
from datasets.services import uploads
from tests import make
from tests.datasets.logged import actions, last_changes
from tests.makers.datasets import wage_rows

pytestmark = pytest.mark.django_db


# Publishing


def test_a_dataset_is_published_with_its_schema_and_its_mock():
    dataset = make.dataset()
    revision = make.current(dataset)
    assert dataset.state == Dataset.State.PUBLISHED
    assert (revision.number, revision.state, len(revision.sha256)) == (1, Revision.State.PUBLISHED, 64)
    assert [column.name for column in revision.tables_declared[0].columns] == [
        "person",
        "year",
        "region",
        "wage",
    ]
    assert sorted(path.name for path in storage.mock_folder(revision).iterdir()) == [
        "wages.head.json",
        "wages.parquet",
    ]
    assert dataset.draft is None
    assert actions() == ["dataset.create", "revision.begin", "table.declare", "revision.publish"]


def test_mock_and_private_tables_have_the_same_columns_and_kinds():
    dataset = make.dataset()
    revision = make.current(dataset)
    private = storage.open_for_owner(revision.tables.get(), by=dataset.owner)
    mock = storage.mock_folder(revision) / "wages.parquet"
    assert pq.read_schema(mock) == pq.read_schema(private)


@pytest.mark.parametrize(
    ("column", "change", "told"),
    [
        ("person", {"is_subject": False}, "wages: choose the column that identifies the person a row is about."),
        ("wage", {"lower": None}, "wages.wage: give a lower bound."),
        ("region", {"categories": []}, "wages.region: list the categories."),
        ("wage", {"confirmed": False}, "wages.wage: confirm that its bounds or categories may be public."),
        ("region", {"confirmed": False}, "wages.region: confirm that its bounds or categories may be public."),
        ("region", {"type": "text", "categories": []},
         "wages.region: confirm that its type, and whether cells may be empty, may be public."),
        ("region", {"nullable": False}, "wages.region: confirm that its bounds or categories may be public."),
        ("person", {"confirmed": False},
         "wages.person: confirm that its type, and whether cells may be empty, may be public."),
        ("wage", {"upper": 60_000}, "wages.wage: confirm that its bounds or categories may be public."),
    ],
)  # fmt: skip
def test_nothing_is_published_before_it_is_declared_and_confirmed(column, change, told):
    dataset = make.dataset(published=False)
    services.declare(make.draft(dataset).tables.get(), by=dataset.owner, columns={column: change})
    with pytest.raises(Denied, match="Not ready yet") as caught:
        services.publish(dataset, by=dataset.owner)
    assert str(caught.value).removesuffix(" (and 1 more)") == f"Not ready yet: {told}"
    dataset.refresh_from_db()
    assert dataset.state == Dataset.State.DRAFT


def test_a_dataset_without_a_table_is_not_published():
    dataset = services.create(by=make.owner(), name="empty", title="Empty")
    with pytest.raises(Denied, match="Add at least one table"):
        services.publish(dataset, by=dataset.owner)


def test_a_table_that_is_not_about_people_needs_no_data_subject():
    dataset = make.dataset(published=False)
    columns: dict[str, dict[str, object]] = {
        "person": {"is_subject": False, "lower": 0, "upper": 10_000, "confirmed": True}
    }
    services.declare(make.draft(dataset).tables.get(), by=dataset.owner, columns=columns, about_people=False)
    assert services.publish(dataset, by=dataset.owner).tables_declared[0].subject is None


@pytest.mark.parametrize("who", ["owner", "scientist", "admin", "auditor"])
def test_nobody_else_prepares_or_publishes(who):
    dataset = make.dataset(published=False)
    other = getattr(make, who)()
    for act in (
        lambda: services.publish(dataset, by=other),
        lambda: services.update(dataset, by=other, title="Mine"),
        lambda: services.set_policy(dataset, by=other, max_runs=1),
        lambda: services.write_terms(dataset, by=other, text="Mine."),
        lambda: services.discard(make.draft(dataset), by=other),
        lambda: services.declare(make.draft(dataset).tables.get(), by=other, columns={}),
        lambda: services.retire(dataset, by=other, reason="No."),
        lambda: services.transfer(dataset, by=other, to=other, reason="No."),
        lambda: services.add_reviewer(dataset, by=other, user=other),
    ):
        with pytest.raises(Denied):
            act()


def test_only_data_owners_create_datasets():
    for who in (make.scientist(), make.admin(), make.auditor()):
        with pytest.raises(Denied, match="Only data owners can publish datasets"):
            services.create(by=who, name="mine", title="Mine")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Wage Panel", "name: Lower-case letters"),
        ("", "name: This field cannot be blank"),
        ("1a", "name: Lower-case letters"),
    ],
)
def test_names_for_code_are_names(name, told):
    with pytest.raises(Refused, match=told):
        services.create(by=make.owner(), name=name, title="T")


def test_a_name_is_taken_once():
    make.dataset(name="wages")
    with pytest.raises(Refused, match="already exists"):
        services.create(by=make.owner(), name="wages", title="T")


# Revisions


def test_a_new_revision_keeps_the_old_one_and_ends_what_is_bound_to_it(heard):
    dataset = make.dataset()
    first = make.current(dataset)
    old_file = first.tables.get().stored_name
    second = make.next_revision(dataset)
    first.refresh_from_db()
    assert (first.state, second.number, second.state) == (Revision.State.RETIRED, 2, Revision.State.PUBLISHED)
    assert heard == [("retired", 1, dataset.owner)]
    assert storage.folder("tables").joinpath(old_file).exists()
    assert make.current(dataset) == second


def test_the_present_revision_stays_in_use_while_the_next_is_prepared():
    dataset = make.dataset()
    first = make.current(dataset)
    services.new_revision(dataset, by=dataset.owner, note="More years.")
    assert make.current(dataset) == first
    with pytest.raises(Denied, match="a draft revision already"):
        services.new_revision(dataset, by=dataset.owner, note="")


def test_a_discarded_draft_leaves_no_file(django_capture_on_commit_callbacks):
    dataset = make.dataset()
    draft = services.new_revision(dataset, by=dataset.owner, note="")
    table = make.table(draft)
    with django_capture_on_commit_callbacks(execute=True):
        services.discard(draft, by=dataset.owner)
    assert not storage.folder("tables").joinpath(table.stored_name).exists()
    assert dataset.draft is None


def test_discarding_the_first_draft_begins_another():
    dataset = make.dataset(published=False)
    services.discard(make.draft(dataset), by=dataset.owner)
    assert (make.draft(dataset).number, make.draft(dataset).tables.count()) == (2, 0)


def test_a_published_revision_is_neither_declared_nor_discarded():
    dataset = make.dataset()
    with pytest.raises(Conflict):
        services.declare(make.current(dataset).tables.get(), by=dataset.owner, columns={"wage": {"upper": 1}})
    with pytest.raises(Conflict):
        services.discard(make.current(dataset), by=dataset.owner)


@pytest.mark.parametrize(
    "act",
    [
        lambda revision: Table.objects.filter(revision=revision).update(rows=1),
        lambda revision: Table.objects.filter(revision=revision).delete(),
        lambda revision: Column.objects.filter(table__revision=revision).update(upper=1),
        lambda revision: Column.objects.filter(table__revision=revision).delete(),
        lambda revision: Revision.objects.filter(pk=revision.pk).update(sha256="0" * 64),
        lambda revision: Revision.objects.filter(pk=revision.pk).update(state="draft"),
        lambda revision: Revision.objects.filter(pk=revision.pk).update(state="retired", schema={}),
        lambda revision: Revision.objects.filter(pk=revision.pk).delete(),
    ],
)
def test_the_database_itself_refuses_to_change_what_is_published(act):
    revision = make.current(make.dataset())
    with pytest.raises((InternalError, ProtectedError)), transaction.atomic():
        act(revision)


def test_a_retired_revision_takes_nothing_new(heard):
    dataset = make.dataset()
    services.retire_revision(make.current(dataset), by=dataset.owner, reason="An error in it.")
    assert dataset.current is None
    assert heard == [("retired", 1, dataset.owner)]


# Declarations


def test_what_is_not_confirmed_stays_out_of_the_log():
    dataset = make.dataset(published=False)
    table = make.draft(dataset).tables.get()
    services.declare(table, by=dataset.owner, columns={"wage": {"upper": 31_337, "confirmed": False}})
    assert last_changes() == {"wage.upper": ["kept back", "changed"], "wage.confirmed": [True, False]}
    services.declare(table, by=dataset.owner, columns={"wage": {"confirmed": True}})
    assert last_changes() == {
        "wage.confirmed": [False, True],
        "wage.type": ["not confirmed", "number"],
        "wage.nullable": ["not confirmed", True],
        "wage.lower": ["not confirmed", 0],
        "wage.upper": ["not confirmed", 31_337],
    }


def test_bounds_of_dates_are_recorded_as_dates():
    dataset = make.dataset(published=False)
    table = make.draft(dataset).tables.get()
    day = {"type": "date", "lower": 0, "upper": 18_628, "confirmed": True}
    services.declare(table, by=dataset.owner, columns={"wage": day})
    assert last_changes()["wage.upper"][1] == "2021-01-01"
    services.declare(table, by=dataset.owner, columns={"wage": {"upper": 18_629, "confirmed": True}})
    assert last_changes()["wage.upper"] == ["2021-01-01", "2021-01-02"]


def test_bounds_have_an_order_and_columns_a_name():
    dataset = make.dataset(published=False)
    table = make.draft(dataset).tables.get()
    with pytest.raises(Refused, match="wage: the lower bound is above the upper bound"):
        services.declare(table, by=dataset.owner, columns={"wage": {"lower": 2, "upper": 1}})
    with pytest.raises(Refused, match="The table wages has no column salary"):
        services.declare(table, by=dataset.owner, columns={"salary": {"lower": 2}})


def test_the_data_subject_can_be_another_column():
    dataset = make.dataset(published=False)
    table = make.draft(dataset).tables.get()
    services.declare(
        table, by=dataset.owner, columns={"year": {"is_subject": True}, "person": {"is_subject": False}}
    )
    assert table.subject is not None
    assert table.subject.name == "year"


@pytest.mark.parametrize(("first_year", "confirmed"), [("1990", True), ("", False)])
def test_a_column_needs_confirming_again_when_the_new_file_shows_more_of_it(first_year, confirmed):
    """Nothing to confirm as long as it is as published; with an empty cell, which is new, there is."""
    dataset = make.dataset()
    services.new_revision(dataset, by=dataset.owner, note="")
    first, *others = wage_rows().to_pylist()
    rows = [{**first, "year": first_year}, *others]
    content = "\n".join([",".join(first), *(",".join(map(str, row.values())) for row in rows), ""]).encode()
    upload = uploads.begin(make.draft(dataset), by=dataset.owner, file_name="wages.csv", size=len(content))
    uploads.receive(upload, by=dataset.owner, offset=0, chunk=content)
    execution.read_upload(upload.pk)
    table = make.draft(dataset).tables.get()
    seen = {column.name: column.confirmed for column in table.columns.all()}
    assert seen == {"person": True, "year": confirmed, "region": True, "wage": True}
