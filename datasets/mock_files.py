"""The files of mock data: where they are stored, and how they are made.

Mock data is a function of the declarations, and so is the name of its file while the revision is a draft: changed
declarations make another file. Its first rows are stored beside it, so that no page opens the file itself. A sampled
mock has a file of its own beside the declared one, named after its answer; which of them is shown follows from the
database alone.
"""

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
from django.db import connection

from common import live
from datasets import storage
from datasets.declarations import mock
from datasets.declarations.schema import MOCK_CELLS, TableSchema
from datasets.models import Revision, SampledMock
from datasets.queries import sampled_mocks

SHOWN = 8


def published(revision: Revision, name: str) -> Path:
    """Return the file of a published table's mock data: the sampled mock if there is one, or the declared mock."""
    return path_of(revision, name, sampled_mocks(revision).get(name))


def path_of(revision: Revision, name: str, mock: SampledMock | None) -> Path:
    """Return the file of a sampled mock or, without one, of the declared mock."""
    return _sampled(revision, name, mock.answer) if mock else _declared(revision, name)


def _declared(revision: Revision, name: str) -> Path:
    return storage.mock_folder(revision) / f"{name}.parquet"


def _sampled(revision: Revision, name: str, answer: UUID) -> Path:
    return storage.mock_folder(revision) / f"{name}.sampled-{answer.hex}.parquet"


def prepared(revision: Revision, table: TableSchema) -> Path:
    return storage.mock_folder(revision) / f"{table.name}.{mock.fingerprint(table)}.parquet"


def head_of(path: Path) -> list[list[str]]:
    """Return the first rows of mock data, for pages. A file made before these were stored separately is opened."""
    beside = _beside(path)
    if beside.is_file():
        rows: list[list[str]] = json.loads(beside.read_text())
        return rows
    with pq.ParquetFile(path) as file:
        batch = next(file.iter_batches(batch_size=SHOWN))
    return mock.first_rows(batch, SHOWN)


def first_of(path: Path, names: Sequence[str], most: int) -> pa.RecordBatch:
    """Return at most `most` first rows of mock data. Raises OSError if the file is missing, LookupError if empty."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=most, columns=list(dict.fromkeys(names))):
            return batch
    raise LookupError("This mock data has no rows.")


def _beside(path: Path) -> Path:
    return path.with_suffix(".head.json")


def make(revision: Revision, table: TableSchema) -> Path:
    path = prepared(revision, table)
    _remove(path.parent, f"{table.name}.")
    draft = path.with_suffix(f".{secrets.token_hex(8)}.part")
    made = mock.write(table, draft)
    _beside(path).write_text(json.dumps(mock.first_rows(made, SHOWN)))
    draft.rename(path)
    return path


def keep_sampled(revision: Revision, name: str, answer: UUID, rows: pa.Table) -> None:
    """Store the rows of a sampled mock. The same answer always has the same rows, so its file is never deleted."""
    path = _sampled(revision, name, answer)
    draft = path.with_suffix(f".{secrets.token_hex(8)}.part")
    mock.write_rows(rows, draft)
    _beside(path).write_text(json.dumps(mock.first_rows(rows, SHOWN)))
    draft.rename(path)


def make_public(revision: Revision, table: TableSchema) -> None:
    """Rename prepared mock data to its public name."""
    path, final = prepared(revision, table), _declared(revision, table.name)
    _beside(path).rename(_beside(final))
    path.rename(final)


def delete_prepared(revision: Revision) -> None:
    """Delete what was prepared, once the revision is published or discarded."""
    _remove(storage.mock_folder(revision), "")


def _remove(folder: Path, beginning: str) -> None:
    for path in folder.glob(f"*.{'[0-9a-f]' * 32}.*"):
        if path.name.startswith(beginning):
            path.unlink(missing_ok=True)


def make_missing(revision_pk: str) -> None:
    """Make all missing mock data of a draft revision, one table after another; one worker at a time per owner."""
    revision = Revision.objects.select_related("dataset").get(pk=revision_pk)
    with _alone(str(revision.dataset.owner_id)) as alone:
        while alone and (table := _next(revision_pk)) is not None:
            make(revision, table)
            live.changed("dataset", revision.dataset_id)


def _next(revision_pk: str) -> TableSchema | None:
    """Return a draft table without mock data, as it is declared now, or None."""
    revision = Revision.objects.get(pk=revision_pk)
    if revision.state != Revision.State.DRAFT:
        return None
    tables = (table.declared for table in revision.tables.prefetch_related("columns"))
    fit = (table for table in tables if table.mock_cells <= MOCK_CELLS)
    return next((table for table in fit if not prepared(revision, table).is_file()), None)


@contextmanager
def _alone(owner: str) -> Iterator[bool]:
    """Try to take the advisory lock on an owner's mock data, without waiting. Yield whether it is held."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [f"mocks:{owner}"])
        alone = bool(cursor.fetchone()[0])
        try:
            yield alone
        finally:
            if alone:
                cursor.execute("SELECT pg_advisory_unlock(hashtext(%s))", [f"mocks:{owner}"])
