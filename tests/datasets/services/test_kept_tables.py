"""A new revision keeps an unchanged table: the same sealed file with the same declarations, under a new name."""

import os

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import Entry
from common.errors import Conflict, Denied
from common.fingerprints import keyed
from datasets import services, storage
from datasets.models import Revision
from datasets.services import uploads
from tests import make

pytestmark = pytest.mark.django_db


def path_of(table):
    return storage.folder("tables") / table.stored_name


@pytest.fixture
def dataset():
    made = make.dataset()
    services.new_revision(made, by=made.owner, note="")
    return made


@pytest.fixture
def old(dataset):
    return make.current(dataset).tables.get()


def test_a_kept_table_is_the_same_file_declared_the_same(dataset, old):
    kept = uploads.keep_table(old, by=dataset.owner)
    assert kept.revision == make.draft(dataset)
    assert kept.stored_name != old.stored_name
    assert path_of(kept).samefile(path_of(old))
    assert (kept.stored_sha256, kept.rows) == (old.stored_sha256, old.rows)
    assert kept.declared == old.declared
    assert [each.confirmed for each in kept.columns.all()] == [each.confirmed for each in old.columns.all()]
    entry = Entry.objects.get(action="table.keep")
    assert entry.detail == {"revision": 1, "content": keyed("datasets.table", old.stored_sha256)}


def test_it_can_be_published_as_it_is_and_makes_another_revision(dataset, old):
    first = make.current(dataset)
    uploads.keep_table(old, by=dataset.owner)
    second = services.publish(dataset, by=dataset.owner)
    assert second.state == Revision.State.PUBLISHED
    second.refresh_from_db()
    assert second.schema == first.schema
    assert second.sha256 != first.sha256
    assert storage.open_for_owner(second.tables.get(), by=dataset.owner).is_file()


def test_its_declarations_can_be_changed_without_touching_the_old_ones(dataset, old):
    kept = uploads.keep_table(old, by=dataset.owner)
    services.declare(kept, by=dataset.owner, columns={"wage": {"upper": 60_000, "confirmed": True}})
    assert [table.columns.get(name="wage").upper for table in (kept, old)] == [60_000, 50_000]


def test_to_remove_it_leaves_the_published_file(dataset, old, django_capture_on_commit_callbacks):
    kept = uploads.keep_table(old, by=dataset.owner)
    with django_capture_on_commit_callbacks(execute=True):
        uploads.remove_table(kept, by=dataset.owner)
    assert (path_of(kept).exists(), path_of(old).exists()) == (False, True)


def test_to_discard_the_draft_leaves_the_published_file(dataset, old, django_capture_on_commit_callbacks):
    kept = uploads.keep_table(old, by=dataset.owner)
    with django_capture_on_commit_callbacks(execute=True):
        services.discard(make.draft(dataset), by=dataset.owner)
    assert (path_of(kept).exists(), path_of(old).exists()) == (False, True)


def test_a_sweep_spares_it_before_it_is_committed(dataset, old):
    os.utime(path_of(old), (0, 0))
    kept = uploads.keep_table(old, by=dataset.owner)
    assert storage.sweep(uploads=set(), tables={old.stored_name}, before=1_000_000) == []
    assert path_of(kept).exists()


def test_a_table_is_kept_once_and_from_the_revision_before(dataset, old):
    kept = uploads.keep_table(old, by=dataset.owner)
    with pytest.raises(Conflict, match="already"):
        uploads.keep_table(old, by=dataset.owner)
    services.publish(dataset, by=dataset.owner)
    with pytest.raises(Conflict, match="no draft revision"):
        uploads.keep_table(kept, by=dataset.owner)
    services.new_revision(dataset, by=dataset.owner, note="")
    with pytest.raises(Conflict, match="last published revision"):
        uploads.keep_table(old, by=dataset.owner)


def test_only_the_owner_keeps_and_nothing_of_a_retired_dataset(dataset, old):
    with pytest.raises(Denied):
        uploads.keep_table(old, by=make.owner())
    services.retire(dataset, by=dataset.owner, reason="Over.")
    with pytest.raises(Denied):
        uploads.keep_table(old, by=dataset.owner)


def test_a_damaged_file_is_not_kept(dataset, old):
    path_of(old).unlink()
    with pytest.raises(Conflict, match="missing or damaged"):
        uploads.keep_table(old, by=dataset.owner)


def test_the_page_offers_what_is_not_there_yet(dataset, old):
    client = Client()
    client.force_login(dataset.owner)
    page, keep = reverse("datasets:content", args=[dataset.pk]), reverse("datasets:keep_table", args=[old.pk])
    assert keep in client.get(page).content.decode()
    answer = client.post(keep, follow=True).content.decode()
    assert "Table wages kept unchanged." in answer
    assert keep not in answer
    stranger = Client()
    stranger.force_login(make.owner())
    assert stranger.post(keep).status_code == 404
