"""The verbs about files: they come in chunk by chunk, are read, and become tables of a revision in preparation."""

from functools import partial
from pathlib import PurePath

from django.conf import settings
from django.db import transaction

from accounts.models import User
from audit import log
from common import commit, fingerprints, live
from common.access import require
from common.errors import Conflict, Refused
from common.rows import M, locked
from datasets import rules, storage, tasks
from datasets.models import Column, Revision, Table, Upload

AT_ONCE = 20
TABLES = 50


@transaction.atomic
def begin(revision: Revision, *, by: User, file_name: str, size: int) -> Upload:
    """Announce a file. Its bytes follow by receive()."""
    require(rules.may_prepare_revision, by, revision.dataset)
    _in_preparation(revision)
    name = PurePath(file_name.replace("\\", "/")).name.strip()[:255] or "table"
    if size < 1:
        raise Refused("This file is empty.")
    if size > settings.UPLOAD_LIMIT:
        limit = settings.UPLOAD_LIMIT // 2**20
        raise Refused(f"This file has {size // 2**20:,} MB; the portal takes up to {limit:,} MB.")
    if revision.uploads.exclude(state__in=[Upload.State.DONE, Upload.State.FAILED]).count() >= AT_ONCE:
        raise Refused(f"{AT_ONCE} files are on their way already. Wait for one of them, or cancel it.")
    if revision.tables.count() >= TABLES:
        raise Refused(f"A revision has at most {TABLES} tables.")
    upload = Upload.objects.create(revision=revision, user=by, file_name=name, size=size)
    log.record("upload.begin", by=by, on=revision, dataset_id=revision.dataset_id)
    return upload


@transaction.atomic
def receive(upload: Upload, *, by: User, offset: int, chunk: bytes) -> Upload:
    """Take one chunk; with the last one the file is read. Conflict when it does not begin where the file ends."""
    upload = _locked_with_dataset(upload)
    require(rules.may_prepare_revision, by, upload.revision.dataset)
    if upload.state != Upload.State.RECEIVING:
        raise Conflict("This upload takes no more bytes.")
    upload.offset = storage.append(upload, offset, chunk)
    if upload.offset == upload.size:
        _to_be_read(upload)
    upload.save(update_fields=["offset", "state", "progress", "lease", "changed_at"])
    return upload


def _locked_with_dataset(upload: Upload) -> Upload:
    """As locked(), with what the rules ask for, in one query: this is done for every chunk."""
    held = Upload.objects.select_for_update(of=("self",)).select_related("revision__dataset__owner")
    if (fresh := held.filter(pk=upload.pk).first()) is None:
        raise Conflict("This upload is gone: it was cancelled in the meantime.")
    return fresh


def resume(upload: Upload) -> int:
    """Where to go on: what is on disk counts."""
    return storage.received(upload) if upload.state == Upload.State.RECEIVING else upload.offset


def _to_be_read(upload: Upload) -> None:
    upload.state, upload.progress, upload.lease = Upload.State.READING, "", None
    commit.after(tasks.read_upload.delay, str(upload.pk))
    live.changed("upload", upload.pk)


@transaction.atomic
def retry(upload: Upload, *, by: User) -> Upload:
    """Read a file again in the way that its failure has proposed."""
    upload = locked(upload)
    require(rules.may_prepare_revision, by, upload.revision.dataset)
    _in_preparation(upload.revision)
    if upload.state != Upload.State.FAILED or not upload.remedy or storage.received(upload) != upload.size:
        raise Conflict("This file is not there any more. Upload it again.")
    text = sorted({*upload.options.get("text", []), *upload.remedy.get("text", [])})
    encoding = upload.remedy.get("encoding", upload.options.get("encoding", "utf-8"))
    upload.options = {"text": text, "encoding": encoding}
    upload.error, upload.remedy = "", {}
    _to_be_read(upload)
    upload.save()
    return upload


@transaction.atomic
def cancel(upload: Upload, *, by: User) -> None:
    """Give an upload up (or clear away a failed one); its bytes go."""
    upload = locked(upload)
    require(rules.may_prepare_revision, by, upload.revision.dataset)
    if upload.state == Upload.State.DONE:
        raise Conflict("This file is a table by now. Remove the table instead.")
    log.record("upload.cancel", by=by, on=upload.revision, dataset_id=upload.revision.dataset_id)
    transaction.on_commit(partial(storage.drop_upload, Upload(pk=upload.pk)))
    live.changed("upload", upload.pk)
    upload.delete()


@transaction.atomic
def remove_table(table: Table, *, by: User) -> None:
    """Take a table out of a revision in preparation; its file goes."""
    require(rules.may_prepare_revision, by, table.revision.dataset)
    _in_preparation(table.revision)
    log.record("table.remove", by=by, on=table, dataset_id=table.revision.dataset_id)
    transaction.on_commit(partial(storage.unseal, table.stored_name))
    Upload.objects.filter(table=table).delete()
    table.columns.all().delete()
    table.delete()


@transaction.atomic
def keep_table(table: Table, *, by: User) -> Table:
    """Take a table of the revision before over into the one in preparation: the same sealed file, declared the same."""
    dataset = locked(table.revision.dataset)
    require(rules.may_prepare_revision, by, dataset)
    draft = dataset.draft
    if draft is None:
        raise Conflict("There is no revision in preparation. Begin one first.")
    if table.revision != dataset.last_published:
        raise Conflict("Only tables of the last published revision can be kept.")
    if draft.tables.filter(name=table.name).exists():
        raise Conflict(f"There is a table called {table.name} in this revision already.")
    if draft.tables.count() >= TABLES:
        raise Refused(f"A revision has at most {TABLES} tables.")
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
    """A new row that says the same but for what has changed."""
    own = {"id", "created_at", *changed}
    said = {field.name: getattr(item, field.name) for field in item._meta.fields if field.name not in own}
    return type(item)(**said, **changed)


def _in_preparation(revision: Revision) -> None:
    fresh = locked(revision)
    if fresh.state != Revision.State.DRAFT:
        raise Conflict("A published revision does not change. Begin a new one.")
