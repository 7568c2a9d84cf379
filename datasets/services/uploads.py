"""Actions on uploads, which arrive in chunks, are read and become tables of a draft revision, and on its tables."""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import PurePath
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.db import transaction

from accounts.models import User
from audit import log
from common import commit, fingerprints, live
from common.access import require
from common.errors import Conflict, Refused, TooLarge
from common.rows import M, locked
from datasets import rules, storage, tasks
from datasets.ingest import reader
from datasets.models import BEFORE, READING, SUM, Column, Revision, Table, Upload
from datasets.reading.options import from_json, to_json
from datasets.services.revisions import require_draft

AT_ONCE = 20
ENDED = frozenset({Upload.State.DONE, Upload.State.FAILED})
GONE = "This file is no longer stored. Upload it again."
TABLES = 50
TOO_MANY_TABLES = f"A revision can have at most {TABLES} tables. Remove one first."


class Locked(Refused):
    """Another call writes to this upload at the moment."""

    code = "locked"


@transaction.atomic
def begin(revision: Revision, *, by: User, file_name: str, size: int, sha256: str = "") -> Upload:
    """Begin an upload of `size` bytes, which receive() then takes. Raises Refused if it is over a limit.

    If `sha256` is given, the complete file is compared with it before it is read.
    """
    require(rules.may_prepare_revision, by, revision.dataset)
    _in_preparation(revision)
    name = PurePath(file_name.replace("\\", "/")).name.strip()[:255] or "table"
    if size < 1:
        raise Refused("This file is empty. Choose another one.")
    if size > settings.UPLOAD_LIMIT:
        limit = settings.UPLOAD_LIMIT // 2**20
        raise TooLarge(f"This file is {size // 2**20:,} MB. The portal takes files of up to {limit:,} MB.")
    if revision.uploads.exclude(state__in=[Upload.State.DONE, Upload.State.FAILED]).count() >= AT_ONCE:
        raise Refused(f"{AT_ONCE} files are being uploaded already. Wait for one of them, or cancel it.")
    if revision.tables.count() >= TABLES:
        raise Refused(TOO_MANY_TABLES)
    options = {SUM: sha256} if sha256 else {}
    upload = Upload.objects.create(revision=revision, user=by, file_name=name, size=size, options=options)
    log.record("upload.begin", by=by, on=revision, dataset_id=revision.dataset_id)
    return upload


@transaction.atomic
def receive(upload: Upload, *, by: User, offset: int, chunk: bytes, waits: bool = True) -> Upload:
    """Append a chunk; after the last one, queue the reading. Raises Conflict if `offset` is not the file's length.

    While another call writes to the upload, this one waits, or raises Locked unless `waits`.
    """
    upload = _locked_with_dataset(upload, waits=waits)
    require(rules.may_prepare_revision, by, upload.revision.dataset)
    return _append(upload, offset, chunk)


def take(revision: Revision, *, by: User, file_name: str, size: int, chunks: Iterable[bytes]) -> Upload:
    """Take a file that has arrived in one request; each chunk is stored in a transaction of its own."""
    upload = begin(revision, by=by, file_name=file_name, size=size)
    for chunk in chunks:
        with transaction.atomic():
            upload = _append(_locked_with_dataset(upload, waits=True), upload.offset, chunk)
    return upload


def _append(upload: Upload, offset: int, chunk: bytes) -> Upload:
    if upload.state != Upload.State.RECEIVING:
        raise Conflict(
            "This upload is complete or has failed, so it takes no more bytes. Load the page again."
        )
    upload.offset = storage.append(upload, offset, chunk)
    if upload.offset == upload.size:
        _to_be_read(upload)
    upload.save(update_fields=["offset", "state", "progress", "lease", "changed_at"])
    return upload


def _locked_with_dataset(upload: Upload, *, waits: bool) -> Upload:
    """Lock the upload as locked() does, and join what the rules need: every chunk does this, so in one query."""
    held = Upload.objects.select_for_update(of=("self",), skip_locked=not waits)
    fresh = held.select_related("revision__dataset__owner").filter(pk=upload.pk).first()
    if fresh is None and not waits and Upload.objects.filter(pk=upload.pk).exists():
        raise Locked("Another call is writing to this upload. Ask where it ends, and resume there.")
    if fresh is None:
        raise Conflict("This upload was cancelled in the meantime. Upload the file again.")
    return fresh


def resume(upload: Upload) -> int:
    """Return the offset at which to resume; the length of the file on disk decides."""
    return storage.received(upload) if upload.state == Upload.State.RECEIVING else upload.offset


def _to_be_read(upload: Upload) -> None:
    upload.state, upload.progress, upload.lease = Upload.State.READING, "", None
    commit.after(tasks.read_upload.delay, str(upload.pk))
    live.changed("upload", upload.pk)


def is_stored(upload: Upload) -> bool:
    """Whether the file of an upload is complete and still stored, so that it can be read again."""
    return upload.state in ENDED and storage.received(upload) == upload.size


def stored_of(table: Table) -> Upload | None:
    """Return the upload that a table was read from, if it can be read again."""
    upload = Upload.objects.filter(table=table).first()
    return upload if upload and is_stored(upload) else None


@transaction.atomic
def retry(upload: Upload, *, by: User) -> Upload:
    """Read a file again, with the options that its failure proposed. Raises Conflict if the file was deleted."""
    upload = locked(upload)
    if upload.state != Upload.State.FAILED or not upload.remedy:
        raise Conflict(GONE)
    reading = dict(upload.options.get(READING, {}))
    columns = {name: dict(each) for name, each in reading.get("columns", {}).items()}
    for name in upload.remedy.get("text", []):
        columns[name] = {**columns.get(name, {}), "type": "string", "format": ""}
    for name in upload.remedy.get("leave_out", []):
        columns[name] = {**columns.get(name, {}), "leave_out": True}
    return reread(upload, by=by, reading={**reading, **({"columns": columns} if columns else {})})


@transaction.atomic
def reread(upload: Upload, *, by: User, reading: Mapping[str, Any]) -> Upload:
    """Read a stored file in another way. The table that it has become stays until the file was read."""
    asked = reading_options(reading)
    upload = locked(upload)
    require(rules.may_prepare_revision, by, upload.revision.dataset)
    _in_preparation(upload.revision)
    if not is_stored(upload):
        raise Conflict(GONE)
    before = upload.options.get(BEFORE, upload.options.get(READING, {}))
    upload.options = {
        **{name: upload.options[name] for name in (SUM,) if name in upload.options},
        **({READING: asked} if asked else {}),
        **({BEFORE: before} if upload.table else {}),
    }
    upload.error, upload.remedy = "", {}
    _to_be_read(upload)
    upload.save()
    log.record("upload.reread", by=by, on=upload.revision, dataset_id=upload.revision.dataset_id)
    return upload


def look(upload: Upload, *, by: User, reading: Mapping[str, Any]) -> reader.Look:
    """Return how a stored file would be read, with its first rows. The look is recorded. Raises Unreadable."""
    asked = reading_options(reading)
    require(rules.may_prepare_revision, by, upload.revision.dataset)
    if not is_stored(upload):
        raise Conflict(GONE)
    with transaction.atomic():
        log.record("upload.view", by=by, on=upload.revision, dataset_id=upload.revision.dataset_id)
    return reader.look(storage.upload_path(upload), options=asked)


def reading_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return reading options as they are stored. Raises Refused."""
    try:
        asked = from_json(given)
        if asked.zone:
            ZoneInfo(asked.zone)
    except ValueError as bad:
        raise Refused(str(bad)) from bad
    except (ZoneInfoNotFoundError, OSError) as unknown:
        raise Refused("This time zone is not known. Write it like Europe/Berlin.") from unknown
    return to_json(asked)


@transaction.atomic
def cancel(upload: Upload, *, by: User) -> None:
    """Cancel an upload, or clear away a failed one, and delete its file.

    If the file has become a table and was to be read in another way, the table stays as it is.
    """
    upload = locked(upload)
    require(rules.may_prepare_revision, by, upload.revision.dataset)
    if upload.state == Upload.State.DONE:
        raise Conflict("This file has become a table. Remove the table instead.")
    log.record("upload.cancel", by=by, on=upload.revision, dataset_id=upload.revision.dataset_id)
    live.changed("upload", upload.pk)
    if upload.table:
        before = upload.options.get(BEFORE, {})
        upload.options = {READING: before} if before else {}
        upload.state, upload.lease, upload.progress = Upload.State.DONE, None, ""
        upload.error, upload.remedy = "", {}
        upload.save()
        return
    transaction.on_commit(partial(storage.drop_upload, Upload(pk=upload.pk)))
    upload.delete()


@transaction.atomic
def remove_table(table: Table, *, by: User) -> None:
    """Remove a table from a draft revision and delete its file."""
    require(rules.may_prepare_revision, by, table.revision.dataset)
    _in_preparation(table.revision)
    log.record("table.remove", by=by, on=table, dataset_id=table.revision.dataset_id)
    transaction.on_commit(partial(storage.unseal, table.stored_name))
    for upload in Upload.objects.filter(table=table):
        transaction.on_commit(partial(storage.drop_upload, Upload(pk=upload.pk)))
    Upload.objects.filter(table=table).delete()
    table.columns.all().delete()
    table.delete()


@transaction.atomic
def keep_table(table: Table, *, by: User) -> Table:
    """Carry a table of the last published revision over into the draft: the same sealed file, the same declarations."""
    dataset = locked(table.revision.dataset)
    require(rules.may_prepare_revision, by, dataset)
    draft = dataset.draft
    if draft is None:
        raise Conflict(rules.NO_DRAFT)
    if table.revision != dataset.last_published:
        raise Conflict("Only tables of the last published revision can be kept.")
    if draft.tables.filter(name=table.name).exists():
        raise Conflict(f"This revision has a table named {table.name} already. Remove or rename it first.")
    if draft.tables.count() >= TABLES:
        raise Refused(TOO_MANY_TABLES)
    columns = list(table.columns.all())
    stored_name = storage.link(table)
    kept = _fresh(table, revision=draft, stored_name=stored_name)
    kept.save(force_insert=True)
    Column.objects.bulk_create(_fresh(column, table=kept) for column in columns)
    log.record(
        "table.keep", by=by, on=kept, dataset_id=dataset.pk, revision=table.revision.number,
        content=fingerprints.keyed("datasets.table", kept.stored_sha256),
    )  # fmt: skip
    live.changed("dataset", dataset.pk)
    return kept


def _fresh(item: M, **changed: object) -> M:
    """Copy a row, unsaved, with a new id and the values in `changed`."""
    own = {"id", "created_at", *changed}
    copied = {field.name: getattr(item, field.name) for field in item._meta.fields if field.name not in own}
    return type(item)(**copied, **changed)


def _in_preparation(revision: Revision) -> None:
    require_draft(locked(revision))
