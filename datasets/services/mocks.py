"""Mock data for pages and services: small tables are made at once, large ones by a worker."""

from collections.abc import Sequence

from django.core.cache import cache

from common import commit
from common.errors import Conflict
from datasets import mock_files, tasks
from datasets.declarations import mock
from datasets.declarations.schema import TableSchema
from datasets.mock_files import SHOWN, head_of, prepared, published
from datasets.models import Dataset, Revision

FORMS = {"parquet": "application/vnd.apache.parquet", "csv": "text/csv; charset=utf-8"}
"""The forms of mock data in a download, with their media types."""
QUICK_CELLS = 250_000
"""The most cells, of all tables together, that are made while a page is rendered."""
ASKED_EVERY = 5
"""Seconds between two tasks for one revision."""


def shown(revision: Revision, tables: Sequence[TableSchema]) -> list[list[list[str]] | None]:
    """Return the first rows of each table's mock data; None for a table that a worker has yet to make."""
    if revision.state != Revision.State.DRAFT:
        return [head_of(published(revision, table.name)) for table in tables]
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


def content(dataset: Dataset, table: str, form: str) -> bytes | None:
    """Return the mock data of a published table as Parquet or CSV, or None if there is no such table or form."""
    revision = dataset.current
    if revision is None or form not in FORMS or table not in {each.name for each in revision.tables_declared}:
        return None
    path = published(revision, table)
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
