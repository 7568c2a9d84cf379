"""The worker's part of uploads: read one into a table, and sweep those that are stuck or expired."""

from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from audit import log
from common import fingerprints, live
from common.errors import Refused
from datasets import storage
from datasets.declarations.schema import ColumnSchema, TableSchema
from datasets.ingest import guesses, reader
from datasets.ingest.reader import Cancelled
from datasets.models import BEFORE, READING, SUM, Column, Revision, Table, Upload
from datasets.reading.outcome import TableRead, Unreadable

STALE = timedelta(seconds=60)
KEPT_INCOMPLETE = timedelta(days=2)
KEPT_UNREADABLE = timedelta(days=1)
KEPT_READ = timedelta(days=30)
"""How long the file of a table in a draft can be read in another way. Publishing ends it too."""
ATTEMPTS = 2


def read_upload(pk: UUID) -> None:
    """Read a complete upload under a lease. A second call while another holds the lease does nothing."""
    lease = uuid4()
    mine = Upload.objects.filter(pk=pk, state=Upload.State.READING)
    if not mine.filter(lease=None).update(lease=lease, changed_at=timezone.now()):
        return
    upload = mine.get()
    target = storage.new_table_path()
    try:
        _compare_sum(upload)
        reading = reader.read(
            storage.upload_path(upload),
            target,
            options=upload.options.get(READING, {}),
            expected=_expected(upload),
            progress=partial(_heartbeat, pk, lease),
        )
        _store(upload, lease, reading, target)
    except Unreadable as why:
        _fail(upload, lease, str(why), why.remedy or ({} if why.final else {READING: True}))
    except Refused as why:
        _fail(upload, lease, str(why), {"again": True})
    except OSError:
        _fail(upload, lease, storage.DISK_FULL, {})
    except Cancelled:
        if not Upload.objects.filter(pk=pk, table__revision__state=Revision.State.DRAFT).exists():
            storage.drop_upload(upload)
    finally:
        target.unlink(missing_ok=True)


def _expected(upload: Upload) -> dict[str, str]:
    """Return the types that the columns of a file had in the last published revision."""
    name = (
        upload.table.name if upload.table else guesses.table_name(upload.file_name, _taken(upload.revision))
    )
    earlier = _earlier(upload.revision, name)
    return {column.name: column.stored for column in earlier.columns} if earlier else {}


def _compare_sum(upload: Upload) -> None:
    """Raise Unreadable if the file is not the one whose SHA-256 was given when the upload began; then forget that."""
    given = upload.options.pop(SUM, "")
    if given and storage.sha256_of(storage.upload_path(upload)) != given:
        raise Unreadable(
            "The file that arrived is not the one whose SHA-256 was given. It has been deleted. Upload it again.",
            final=True,
        )


def _heartbeat(pk: UUID, lease: UUID, share: float) -> bool:
    """Record a heartbeat and the progress (0 to 1). Return False if the upload was cancelled."""
    now = timezone.now()
    progress = f"{share:.0%}"
    held = Upload.objects.filter(pk=pk, lease=lease).update(progress=progress, changed_at=now)
    live.changed("upload", pk)
    return bool(held)


def _store(upload: Upload, lease: UUID, reading: TableRead, target: Path) -> None:
    """Seal the file and create its table, both or neither."""
    sealed = storage.seal(target)
    kept = False
    try:
        _make_table(upload, lease, reading, sealed)
        kept = True
    finally:
        if not kept:
            storage.unseal(sealed[0])
    live.changed("upload", upload.pk)


@transaction.atomic
def _make_table(upload: Upload, lease: UUID, reading: TableRead, sealed: tuple[str, str, int]) -> None:
    """Create the rows for a sealed file. Raises Cancelled if the upload was cancelled or the draft is gone."""
    held = Upload.objects.select_for_update().filter(pk=upload.pk, lease=lease).first()
    if held is None or held.revision.state != Revision.State.DRAFT:
        raise Cancelled
    stored_name, digest, size = sealed
    content = {
        "source_name": held.file_name,
        "source_bytes": held.size,
        "stored_name": stored_name,
        "stored_sha256": digest,
        "stored_bytes": size,
        "rows": reading.rows,
        "profile": {column.name: asdict(column) for column in reading.columns},
        "findings": list(reading.notes),
    }
    if held.table:
        table = _read_again(held, reading, content)
    else:
        name = guesses.table_name(held.file_name, _taken(held.revision))
        table = Table.objects.create(revision=held.revision, name=name, **content)
        earlier = _earlier(held.revision, name)
        _propose(table, reading, earlier, earlier.columns if earlier else ())
    held.table, held.state, held.lease, held.progress = table, Upload.State.DONE, None, ""
    held.options = {name: value for name, value in upload.options.items() if name != BEFORE}
    held.found = reading.found
    held.save()
    log.record(
        "table.read", by=held.user, on=table, dataset_id=held.revision.dataset_id,
        content=fingerprints.keyed("datasets.table", digest),
    )  # fmt: skip


def _taken(revision: Revision) -> set[str]:
    return set(revision.tables.values_list("name", flat=True))


def _read_again(held: Upload, reading: TableRead, content: dict[str, object]) -> Table:
    """Replace the content of a table of a draft. Its declarations carry over, also to columns that were renamed."""
    table = held.table
    assert table is not None  # noqa: S101 -- the caller has looked
    transaction.on_commit(partial(storage.unseal, table.stored_name))
    renamed = guesses.renamed(held.found, reading.found)
    held_columns = list(table.columns.all())
    old = replace(
        table.declared,
        columns=tuple(
            replace(column.declared, name=renamed.get(column.name, column.name)) for column in held_columns
        ),
    )
    confirmed = [
        declared for declared, column in zip(old.columns, held_columns, strict=True) if column.confirmed
    ]
    for name, value in content.items():
        setattr(table, name, value)
    table.misfits = {}
    table.save()
    table.columns.all().delete()
    _propose(table, reading, old, confirmed)
    return table


def _propose(
    table: Table, reading: TableRead, earlier: TableSchema | None, confirmed: Iterable[ColumnSchema]
) -> None:
    """Create the columns with proposed types; earlier declarations carry over by name.

    Columns that are declared exactly as one that was `confirmed` are confirmed.
    """
    known = set(confirmed)
    proposed = [guesses.propose(column, earlier) for column in reading.columns]
    numbered = guesses.numbered(reading)
    if earlier:
        table.description, table.about_people = earlier.description, earlier.about_people
        table.mock_rows, table.rows_per_subject = earlier.mock_rows, earlier.rows_per_subject
    if numbered:
        table.about_people, table.rows_per_subject = True, 1
        proposed = [guesses.person(column, numbered) for column in proposed]
    if earlier or numbered:
        table.save()
    Column.objects.bulk_create(
        [
            Column(
                table=table,
                position=place,
                confirmed=column in known or column.name == numbered,
                **{**asdict(column), "categories": list(column.categories)},
            )
            for place, column in enumerate(proposed)
        ]
    )


def _earlier(revision: Revision, name: str) -> TableSchema | None:
    """Return the table with this name in the last published revision, or None."""
    last = revision.dataset.last_published
    declared = last.tables_declared if last else ()
    return next((each for each in declared if each.name == name), None)


def _fail(upload: Upload, lease: UUID, why: str, remedy: dict[str, object]) -> None:
    """Record why reading failed. The file is kept for a day if a retry can succeed; otherwise it is deleted.

    The file of a table, which was to be read in another way, is kept as long as it would have been.
    """
    failed = Upload.objects.filter(pk=upload.pk, lease=lease).update(
        state=Upload.State.FAILED, error=why[:4000], remedy=remedy, lease=None, progress="",
        options=upload.options, changed_at=timezone.now(),
    )  # fmt: skip
    if not failed or not (remedy or upload.table_id):
        storage.drop_upload(upload)
    live.changed("upload", upload.pk)


def sweep() -> list[UUID]:
    """Recover stuck uploads and delete expired files. Return the uploads that have to be read (again)."""
    now = timezone.now()
    reading = Upload.objects.filter(state=Upload.State.READING, changed_at__lt=now - STALE)
    for upload in reading.exclude(lease=None):
        _retry(upload)
    for upload in Upload.objects.filter(state=Upload.State.RECEIVING, changed_at__lt=now - KEPT_INCOMPLETE):
        storage.drop_upload(upload)
        upload.delete()
    tabled = Upload.objects.exclude(table=None).exclude(state=Upload.State.READING)
    for upload in tabled.filter(changed_at__lt=now - KEPT_READ):
        storage.drop_upload(upload)
    expired = Upload.objects.filter(
        state=Upload.State.FAILED, changed_at__lt=now - KEPT_UNREADABLE, table=None
    )
    for upload in expired.exclude(remedy={}):
        storage.drop_upload(upload)
        Upload.objects.filter(pk=upload.pk).update(remedy={})
    storage.sweep(
        uploads={str(pk) for pk in Upload.objects.values_list("pk", flat=True)},
        tables=set(Table.objects.values_list("stored_name", flat=True)),
        before=(now - KEPT_UNREADABLE).timestamp(),
    )
    waiting = Upload.objects.filter(state=Upload.State.READING, lease=None, changed_at__lt=now - STALE)
    return list(waiting.values_list("pk", flat=True))


def _retry(upload: Upload) -> None:
    """Release the lease of a lost worker for a retry; after ATTEMPTS attempts, record the failure."""
    tried = int(upload.options.get("tried", 0)) + 1
    if tried >= ATTEMPTS and upload.lease is not None:
        _fail(
            upload,
            upload.lease,
            "The portal was interrupted while reading this file. Try again.",
            {"again": True},
        )
        return
    options = {**upload.options, "tried": tried}
    Upload.objects.filter(pk=upload.pk, lease=upload.lease).update(lease=None, options=options)
