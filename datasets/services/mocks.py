"""Mock data for pages and services: small tables are made at once, large ones by a worker.

An owner may replace the mock data of a published table by a sampled mock, and go back to the declared mock.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from audit import log
from common import commit
from common.access import require
from common.errors import Conflict, TooLarge
from common.rows import locked
from datasets import mock_files, notifications, rules, tasks
from datasets.declarations import mock
from datasets.declarations.schema import TableSchema
from datasets.hooks import Remark
from datasets.mock_files import SHOWN, head_of, path_of, prepared, published
from datasets.models import Dataset, Revision, SampledMock, Table
from datasets.queries import sampled_mocks

FORMS = {"parquet": "application/vnd.apache.parquet", "csv": "text/csv; charset=utf-8"}
"""The forms of mock data in a download, with their media types."""
QUICK_CELLS = 250_000
"""The most cells, of all tables together, that are made while a page is rendered."""
ASKED_EVERY = 5
"""Seconds between two tasks for one revision."""


def shown(revision: Revision, tables: Sequence[TableSchema]) -> list[list[list[str]] | None]:
    """Return the first rows of each table's mock data; None for a table that a worker has yet to make."""
    if revision.state != Revision.State.DRAFT:
        sampled = sampled_mocks(revision)
        paths = [path_of(revision, table.name, sampled.get(table.name)) for table in tables]
        return [head_of(path) for path in paths]
    missing = _missing(revision, tables)
    quick = _cells(missing) <= QUICK_CELLS
    if not quick:
        _ask(revision)
    return [
        head_of(prepared(revision, table))
        if table not in missing
        else mock.first_rows(mock.make(table), SHOWN)
        if quick
        else None
        for table in tables
    ]


def content(dataset: Dataset, table: str, form: str, *, most: int | None = None) -> bytes | None:
    """Return the mock data of a published table as Parquet or CSV, or None if there is no such table or form.

    Raises TooLarge if its Parquet file has more than `most` bytes.
    """
    revision = dataset.current
    if revision is None or form not in FORMS or table not in {each.name for each in revision.tables_declared}:
        return None
    path = published(revision, table)
    if most is not None and path.stat().st_size > most:
        raise TooLarge(f"The mock data of {table} is larger than {most // 1_000_000} MB.")
    return path.read_bytes() if form == "parquet" else mock.as_csv(path)


def _missing(revision: Revision, tables: Sequence[TableSchema]) -> list[TableSchema]:
    return [table for table in tables if not prepared(revision, table).is_file()]


def _cells(tables: Sequence[TableSchema]) -> int:
    return sum(table.mock_cells for table in tables)


def _ask(revision: Revision) -> None:
    """Queue a task, at most every ASKED_EVERY seconds, that makes what is missing."""
    if cache.add(f"mocks-asked:{revision.pk}", 1, ASKED_EVERY):
        commit.after(tasks.make_mocks.delay, str(revision.pk))


def begin(revision: Revision, table: TableSchema) -> None:
    """Queue a task for large mock data, before anybody waits for it."""
    if table.mock_cells > QUICK_CELLS and not prepared(revision, table).is_file():
        commit.after(tasks.make_mocks.delay, str(revision.pk))


def publish(revision: Revision, tables: Sequence[TableSchema]) -> None:
    """Give all mock data its public name. Raises Conflict while a large table is missing."""
    missing = _missing(revision, tables)
    if _cells(missing) > QUICK_CELLS:
        raise Conflict(
            f"The mock data of {missing[0].name} is still being made. Open the preview, and publish once it is shown."
        )
    for table in missing:
        mock_files.make(revision, table)
    for table in tables:
        mock_files.make_public(revision, table)


# Sampled mocks


@transaction.atomic
def sample(
    table: Table,
    drawn: Mapping[str, npt.NDArray[Any]],
    *,
    by: User,
    answer: UUID,
    epsilon: float,
    delta: float,
) -> SampledMock:
    """Replace the mock data of a published table by rows that were drawn from a private synthetic table.

    `drawn`: the columns that it has, as `mock.with_drawn` takes them; the others are made up as before. `answer`,
    `epsilon`, `delta`: where it comes from and what that cost, for everybody to see. Raises Denied, and Conflict for a
    table that is not published.
    """
    _published_dataset(table, by=by)
    rows = mock.with_drawn(table.declared, drawn)
    SampledMock.objects.filter(table=table, ended_at=None).update(ended_at=timezone.now())
    made = SampledMock.objects.create(
        table=table, answer=answer, epsilon=epsilon, delta=delta, columns=list(drawn), by=by
    )
    mock_files.keep_sampled(table.revision, table.name, answer, rows)
    _announce(made, "mock.sample", by=by)
    return made


@transaction.atomic
def restore(table: Table, *, by: User) -> None:
    """Go back to the declared mock. Raises Conflict if there is no sampled mock."""
    _published_dataset(table, by=by)
    shown = SampledMock.objects.filter(table=table, ended_at=None).first()
    if shown is None:
        raise Conflict(f"The mock data of {table.name} is drawn from the declarations already.")
    shown.ended_at = timezone.now()
    shown.save(update_fields=["ended_at"])
    _announce(shown, "mock.restore", by=by)


def _published_dataset(table: Table, *, by: User) -> None:
    """Lock the dataset of a table whose mock data is to change. Raises Denied or Conflict."""
    dataset = locked(table.revision.dataset)
    require(rules.may_sample_mock, by, dataset)
    if Revision.objects.get(pk=table.revision_id).state != Revision.State.PUBLISHED:
        raise Conflict("This revision is not published any more. Draw mock data for the one that is.")


def _announce(made: SampledMock, action: str, *, by: User) -> None:
    log.record(
        action, by=by, on=made, dataset_id=made.table.revision.dataset_id, table=made.table.name,
        answer=str(made.answer), epsilon=made.epsilon,
    )  # fmt: skip
    notifications.mock_changed(made, by=by)


def remarks(revision: Revision) -> list[Remark]:
    """Return what the owner has to know about mock data before this draft revision is published."""
    last = revision.dataset.current
    names = sorted(sampled_mocks(last)) if last else []
    if not names:
        return []
    text = (
        f"The mock data of {', '.join(names)} is a sampled mock. The new revision starts with mock data that is drawn "
        "from its declarations again."
    )
    return [Remark(words=text, asks=False)]


def first_drawn(table: Table, drawn: Mapping[str, npt.NDArray[np.generic]]) -> list[list[str]]:
    """Return rows of a sampled mock as text, for a preview."""
    return mock.first_rows(mock.with_drawn(table.declared, drawn), SHOWN)
