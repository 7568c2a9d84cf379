"""Large mock data is made by a worker: no page waits for it, and each owner has one worker at a time."""

import threading

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse

from common.errors import Conflict
from datasets import mock_files, services, storage, tasks
from datasets.declarations import mock
from datasets.declarations.schema import ColumnSchema, TableSchema, gaps
from datasets.models import Revision, Table
from datasets.services import mocks
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def rung(monkeypatch):
    """The tasks that were queued, in order."""
    cache.clear()
    found: list[str] = []
    monkeypatch.setattr(tasks.make_mocks, "delay", found.append)
    return found


@pytest.fixture
def never(monkeypatch):
    """Making mock data in this thread, which serves pages, fails."""

    def refuse(table):
        pytest.fail("a mock is made where somebody waits for it")

    monkeypatch.setattr(mock, "make", refuse)


@pytest.fixture
def dataset():
    made = make.dataset(published=False)
    Table.objects.filter(revision=make.draft(made)).update(mock_rows=100_000)
    return made


def page(dataset, *, part=False):
    client = Client(headers={"HX-Request": "true"} if part else {})
    client.force_login(dataset.owner)
    answer = client.get(reverse("datasets:preview", args=[dataset.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_page_of_a_large_mock_says_that_it_is_being_made(
    dataset, rung, never, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        shown = page(dataset)
        page(dataset, part=True)
    assert "0 of 1 tables are ready" in shown
    assert 'hx-trigger="changed, every 5s"' in shown
    assert rung == [str(make.draft(dataset).pk)]  # once, however often it is looked at


def test_what_the_worker_has_made_is_shown_and_published_without_making_anything(dataset, rung, monkeypatch):
    revision = make.draft(dataset)
    mock_files.make_missing(str(revision.pk))
    monkeypatch.setattr(mock, "make", lambda table: pytest.fail("made again"))
    part = page(dataset, part=True)
    assert "are ready" not in part
    assert "hx-trigger" not in part
    assert part.count("<html") == 0
    rows = mock_files.head_of(mock_files.prepared(revision, revision.tables.get().declared))
    assert (len(rows), rows[0][0] in part) == (8, True)
    services.publish(dataset, by=dataset.owner)
    assert mock_files.published(revision, "wages").is_file()
    assert mocks.shown(make.current(dataset), make.current(dataset).tables_declared) == [rows]


def test_a_large_mock_that_is_not_there_yet_is_not_published(dataset, rung, never):
    with pytest.raises(Conflict, match="The mock data of wages is still being made"):
        services.publish(dataset, by=dataset.owner)
    assert make.draft(dataset).state == Revision.State.DRAFT


def test_declaring_rings_for_a_worker_and_other_declarations_need_another_mock(
    dataset, rung, django_capture_on_commit_callbacks
):
    revision = make.draft(dataset)
    mock_files.make_missing(str(revision.pk))
    with django_capture_on_commit_callbacks(execute=True):
        services.declare(
            revision.tables.get(), by=dataset.owner, columns={"wage": {"upper": 60_000, "confirmed": True}}
        )
    assert rung == [str(revision.pk)]
    assert mocks.shown(revision, [revision.tables.get().declared]) == [None]
    mock_files.make_missing(str(revision.pk))
    assert len(list(storage.mock_folder(revision).iterdir())) == 2  # the earlier one has gone


def test_small_mocks_are_made_on_the_spot(rung):
    dataset = make.dataset(published=False)
    assert "Being made" not in page(dataset)
    assert rung == []


def test_many_small_ones_are_a_large_one(rung):
    dataset = make.dataset(published=False)
    table = make.draft(dataset).tables.get().declared
    many = [table] * (mocks.QUICK_CELLS // table.mock_cells + 1)
    assert mocks.shown(make.draft(dataset), many) == [None] * len(many)


@pytest.mark.django_db(transaction=True)
def test_a_person_has_one_maker_at_a_time(dataset):
    revision = make.draft(dataset)

    def make_elsewhere():
        mock_files.make_missing(str(revision.pk))
        connection.close()

    with mock_files._alone(str(dataset.owner_id)) as alone:
        assert alone
        elsewhere = threading.Thread(target=make_elsewhere)
        elsewhere.start()
        elsewhere.join()
        assert list(storage.mock_folder(revision).iterdir()) == []
    make_elsewhere()
    assert len(list(storage.mock_folder(revision).iterdir())) == 2


def test_a_mock_beyond_all_measure_is_refused_with_what_is_possible():
    columns = tuple(
        ColumnSchema(name=f"c{n}", type="text", stored="string", is_subject=n == 0) for n in range(1000)
    )
    table = TableSchema(name="t", columns=columns, mock_rows=100_000)
    names = [column.name for column in columns]
    assert gaps(table, names) == ["t: with this many columns, choose at most 20,000 rows of mock data."]


def test_a_discarded_draft_leaves_no_mock(dataset, django_capture_on_commit_callbacks):
    revision = make.draft(dataset)
    mock_files.make_missing(str(revision.pk))
    with django_capture_on_commit_callbacks(execute=True):
        services.discard(revision, by=dataset.owner)
    assert list(storage.mock_folder(revision).iterdir()) == []
