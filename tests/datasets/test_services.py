"""The verbs about datasets and revisions, through the real services on the real database."""

from datetime import timedelta

import pyarrow.parquet as pq
import pytest
from django.db import InternalError, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from accounts.models import Notification
from audit.models import Entry
from common.errors import Conflict, Denied, Refused
from datasets import hooks, services, storage
from datasets.models import AccessRequest, Column, Dataset, Grant, Revision, Table
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def heard(monkeypatch):
    """What the hooks were told, in order."""
    told: list[tuple[object, ...]] = []
    monkeypatch.setattr(
        hooks, "on_revision_retired", [lambda item, by: told.append(("retired", item.number, by))]
    )
    monkeypatch.setattr(hooks, "on_frozen", [lambda item, by: told.append(("frozen", item.state, by))])
    monkeypatch.setattr(hooks, "on_access_ended", [lambda item, who, by: told.append(("ended", who, by))])
    return told


def actions() -> list[str]:
    return list(Entry.objects.order_by("id").values_list("action", flat=True))


def last_changes() -> dict[str, list[object]]:
    return Entry.objects.order_by("-id").values_list("changes", flat=True)[0]


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
    assert [path.name for path in storage.mock_folder(revision).iterdir()] == ["wages.parquet"]
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
        ("person", {"is_subject": False}, "wages: say which column tells whom a row is about."),
        ("wage", {"lower": None}, "wages.wage: give a lower and an upper bound."),
        ("region", {"categories": []}, "wages.region: list the categories."),
        ("wage", {"confirmed": False}, "wages.wage: confirm that its bounds or categories may be public."),
        ("region", {"confirmed": False}, "wages.region: confirm that its bounds or categories may be public."),
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
    with pytest.raises(Denied, match="Upload at least one table"):
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
        with pytest.raises(Denied, match="Only data owners publish datasets"):
            services.create(by=who, name="mine", title="Mine")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Wage Panel", "name: Small letters"),
        ("", "name: This field cannot be blank"),
        ("1a", "name: Small letters"),
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
    with pytest.raises(Denied, match="being prepared already"):
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
        "wage.lower": ["not confirmed", 0],
        "wage.upper": ["not confirmed", 31_337],
    }


def test_bounds_have_an_order_and_columns_a_name():
    dataset = make.dataset(published=False)
    table = make.draft(dataset).tables.get()
    with pytest.raises(Refused, match="wage: the lower bound is above the upper one"):
        services.declare(table, by=dataset.owner, columns={"wage": {"lower": 2, "upper": 1}})
    with pytest.raises(Refused, match="There is no column salary in wages"):
        services.declare(table, by=dataset.owner, columns={"salary": {"lower": 2}})


def test_the_data_subject_can_be_another_column():
    dataset = make.dataset(published=False)
    table = make.draft(dataset).tables.get()
    services.declare(
        table, by=dataset.owner, columns={"year": {"is_subject": True}, "person": {"is_subject": False}}
    )
    assert table.subject is not None
    assert table.subject.name == "year"


# In and out of use


def test_a_freeze_stops_work_and_says_so(heard):
    dataset = make.dataset()
    scientist = make.grant(dataset).user
    services.freeze(dataset, by=dataset.owner, reason="A complaint.")
    dataset.refresh_from_db()
    assert (dataset.state, dataset.state_reason) == (Dataset.State.FROZEN, "A complaint.")
    assert heard == [("frozen", "frozen", dataset.owner)]
    assert last_changes() == {"state": ["published", "frozen"]}
    assert Notification.objects.filter(user=scientist, text__contains="is frozen: A complaint.").exists()
    with pytest.raises(Denied, match="frozen"):
        make.access_request(dataset)
    services.unfreeze(dataset, by=dataset.owner, reason="Settled.")
    dataset.refresh_from_db()
    assert (dataset.state, dataset.state_reason) == (Dataset.State.PUBLISHED, "")


def test_an_admin_freezes_and_only_an_admin_lifts_that(heard):
    dataset, admin = make.dataset(), make.admin()
    services.freeze(dataset, by=admin, reason="An incident.")
    with pytest.raises(Denied, match="Only an admin can lift that"):
        services.unfreeze(dataset, by=dataset.owner, reason="I want to.")
    services.unfreeze(dataset, by=admin, reason="Settled.")
    services.freeze(dataset, by=dataset.owner, reason="My own.")
    with pytest.raises(Denied, match="Only the owner"):
        services.unfreeze(dataset, by=admin, reason="No.")


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
def test_taking_a_dataset_out_of_use_needs_a_reason(reason):
    dataset = make.dataset()
    for act in (services.freeze, services.retire):
        with pytest.raises(Refused):
            act(dataset, by=dataset.owner, reason=reason)
    dataset.refresh_from_db()
    assert dataset.state == Dataset.State.PUBLISHED


def test_a_retired_dataset_takes_nothing_new_and_keeps_its_records(heard):
    dataset = make.dataset()
    make.grant(dataset)
    services.new_revision(dataset, by=dataset.owner, note="")
    services.retire(dataset, by=dataset.owner, reason="The study is over.")
    assert [each[:2] for each in heard] == [("retired", 1), ("frozen", "retired")]
    assert (dataset.current, dataset.draft) == (None, None)
    with pytest.raises(Denied, match="retired"):
        services.new_revision(dataset, by=dataset.owner, note="")
    with pytest.raises(Denied, match="retired"):
        make.access_request(dataset)
    assert Grant.objects.filter(dataset=dataset).count() == 1


# Policy, terms, reviewers, transfer


def test_every_change_of_the_policy_is_on_record_with_old_and_new():
    dataset = make.dataset()
    services.set_policy(dataset, by=dataset.owner, max_runs=3, threshold=10)
    assert last_changes() == {"max_runs": [5, 3]}


@pytest.mark.parametrize(
    ("field", "value"),
    [("max_runs", 0), ("reviewers_needed", 6), ("threshold", 0), ("wall_seconds", 86_401), ("memory_mb", 1)],
)
def test_the_policy_has_limits(field, value):
    dataset = make.dataset()
    with pytest.raises(Refused):
        services.set_policy(dataset, by=dataset.owner, **{field: value})
    dataset.refresh_from_db()
    assert getattr(dataset, field) != value


def test_no_more_reviewers_are_needed_than_there_are():
    dataset = make.dataset()
    with pytest.raises(Refused, match="there are only 1 with you"):
        services.set_policy(dataset, by=dataset.owner, reviewers_needed=2)
    seat = make.reviewer(dataset)
    services.set_policy(dataset, by=dataset.owner, reviewers_needed=2)
    with pytest.raises(Refused, match="The policy asks for 2 reviewers"):
        services.remove_reviewer(seat, by=dataset.owner)
    services.set_policy(dataset, by=dataset.owner, reviewers_needed=1)
    services.remove_reviewer(seat, by=dataset.owner)
    assert dataset.reviewers.count() == 0


def test_admins_and_the_owner_get_no_seat():
    dataset = make.dataset()
    with pytest.raises(Refused, match="Admins read neither data nor results"):
        services.add_reviewer(dataset, by=dataset.owner, user=make.admin())
    with pytest.raises(Refused, match="The owner reviews already"):
        services.add_reviewer(dataset, by=dataset.owner, user=dataset.owner)


def test_terms_are_versions():
    dataset = make.dataset(terms="Be kind.")
    services.write_terms(dataset, by=dataset.owner, text="Be kind.")
    services.write_terms(dataset, by=dataset.owner, text="Be kinder.")
    assert list(dataset.terms_versions.values_list("number", "text")) == [(2, "Be kinder."), (1, "Be kind.")]


def test_a_dataset_changes_hands_and_the_former_owner_keeps_nothing():
    dataset, heir = make.dataset(), make.owner()
    former = dataset.owner
    make.reviewer(dataset, heir)
    services.transfer(dataset, by=former, to=heir, reason="I retire.")
    dataset.refresh_from_db()
    assert dataset.owner == heir
    assert dataset.reviewers.count() == 0
    assert last_changes() == {"owner": [former.email, heir.email]}
    with pytest.raises(Denied):
        services.update(dataset, by=former, title="Still mine")
    with pytest.raises(Denied):
        storage.open_for_owner(make.current(dataset).tables.get(), by=former)


def test_only_a_data_owner_takes_over():
    dataset = make.dataset()
    with pytest.raises(Refused, match="Only a data owner can take over"):
        services.transfer(dataset, by=dataset.owner, to=make.scientist(), reason="Here.")


# Access


def test_access_is_asked_for_and_granted():
    dataset, scientist = make.dataset(terms="Be kind."), make.scientist()
    item = make.access_request(dataset, scientist)
    assert (item.terms, item.terms_accepted_at is not None) == (dataset.terms, True)
    services.decide_access(item, by=dataset.owner, grant=True, days=30)
    grant = Grant.objects.get(user=scientist)
    assert grant.expires_at is not None
    assert timedelta(days=29) < grant.expires_at - timezone.now() < timedelta(days=31)
    assert actions()[-2:] == ["access.ask", "access.grant"]


@pytest.mark.parametrize(("purpose", "outputs"), [("", "Means."), ("To learn.", ""), ("  ", "Means.")])
def test_purpose_and_outputs_are_required(purpose, outputs):
    with pytest.raises(Refused):
        make.access_request(make.dataset(), purpose=purpose, outputs=outputs)


def test_terms_that_changed_meanwhile_have_to_be_read_again():
    dataset = make.dataset(terms="Be kind.")
    shown = dataset.terms
    services.write_terms(dataset, by=dataset.owner, text="Be kinder.")
    for stale in (shown, None):
        with pytest.raises(Conflict, match="terms have changed"):
            services.ask_access(
                dataset, by=make.scientist(), purpose="To learn.", outputs="Means.", terms=stale
            )


def test_one_asks_once_and_not_for_ones_own():
    dataset, scientist = make.dataset(), make.scientist()
    make.access_request(dataset, scientist)
    with pytest.raises(Denied, match="waiting for a decision"):
        make.access_request(dataset, scientist)
    both = make.user("owner", "scientist")
    with pytest.raises(Denied, match="your own dataset"):
        make.access_request(make.dataset(owner=both), both)


def test_declining_says_why():
    item = make.access_request(make.dataset())
    with pytest.raises(Refused, match="Say why"):
        services.decide_access(item, by=item.dataset.owner, grant=False)
    services.decide_access(item, by=item.dataset.owner, grant=False, note="Not with this purpose.")
    item.refresh_from_db()
    assert (item.state, item.decision_note) == (AccessRequest.State.DENIED, "Not with this purpose.")
    with pytest.raises(Conflict, match="decided already"):
        services.decide_access(item, by=item.dataset.owner, grant=True)


def test_who_decides_on_access():
    dataset = make.dataset()
    item = make.access_request(dataset)
    for other in (make.owner(), make.admin(), make.auditor(), item.scientist, make.reviewer(dataset).user):
        with pytest.raises(Denied):
            services.decide_access(item, by=other, grant=True)
    trusted = make.reviewer(dataset, decides_access=True).user
    services.decide_access(item, by=trusted, grant=True)
    assert Grant.objects.get(dataset=dataset).granted_by == trusted


def test_access_is_taken_away_and_what_is_live_ends(heard):
    grant = make.grant(make.dataset())
    admin = make.admin()
    services.revoke_access(grant, by=admin, reason="Left the institute.")
    grant.refresh_from_db()
    assert (grant.revoked_by, grant.revoke_reason) == (admin, "Left the institute.")
    assert heard == [("ended", grant.user, admin)]
    with pytest.raises(Conflict):
        services.revoke_access(grant, by=admin, reason="Again.")


def test_after_an_access_that_ran_out_one_asks_and_gets_it_anew():
    dataset, scientist = make.dataset(), make.scientist()
    old = make.grant(dataset, scientist, days=1)
    Grant.objects.filter(pk=old.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    new = make.grant(dataset, scientist)
    assert list(Grant.objects.live().filter(user=scientist)) == [new]  # type: ignore[attr-defined]
