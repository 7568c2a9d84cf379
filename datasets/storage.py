"""The only code that opens private files: tables, uploads on their way in, outputs that are held.

Layout under the store: `uploads/` (in progress), `tables/` (sealed, read-only, one file per table), `columns/` (the
same in subject order), `ledgers/` (what each subject was charged), `outputs/<run>/` (what a run wrote),
`mock/<revision>/` (made from declarations, not private).
Names on disk are random or ids, never what a person typed.
"""

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol
from uuid import UUID

from django.conf import settings

from accounts.models import User
from common.access import require
from common.errors import Conflict, Denied, Refused
from datasets import columns, rules
from datasets.ingest import sandboxed
from datasets.models import Revision, Table, Upload
from runner import parsing

ROOM_GRACE = 600
DISK_FULL = "The portal's disk is full. Nothing was lost; tell an admin, then resume the upload."


class OpensData(Protocol):
    """What a run shows before it is given private files."""

    pk: UUID
    revision: Revision


def folder(*parts: str) -> Path:
    """A folder of the store, made when missing, for the portal's own eyes (0700)."""
    path = settings.STORE.joinpath(*parts)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Path(path)


def sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# Uploads


def upload_path(upload: Upload) -> Path:
    return folder("uploads") / f"{upload.pk}.part"


def append(upload: Upload, offset: int, chunk: bytes) -> int:
    """Write a chunk at `offset` and return the new offset; Conflict when the file is not that long."""
    path = upload_path(upload)
    have = path.stat().st_size if path.exists() else 0
    if offset != have:
        raise Conflict(f"This upload stands at {have} bytes, not {offset}.")
    if offset + len(chunk) > upload.size:
        raise Refused(f"More bytes than the {upload.size} that were announced.")
    free = shutil.disk_usage(path.parent).free
    if free - len(chunk) < settings.DISK_RESERVE:
        raise Refused(DISK_FULL)
    try:
        with path.open("ab") as stream:
            stream.write(chunk)
    except OSError as full:
        if path.exists():
            os.truncate(path, have)
        raise Refused(DISK_FULL) from full
    return offset + len(chunk)


def received(upload: Upload) -> int:
    """How many bytes have arrived: the length of the file is the truth."""
    path = upload_path(upload)
    return path.stat().st_size if path.exists() else 0


def drop_upload(upload: Upload) -> None:
    upload_path(upload).unlink(missing_ok=True)


# Tables


def new_table_path() -> Path:
    """Where the reader writes a table before it is sealed."""
    return folder("uploads") / f"{secrets.token_hex(16)}.table"


def seal(path: Path) -> tuple[str, str, int]:
    """Make a finished table file part of the store: (stored name, sha256, bytes). It is read-only from now on."""
    _to_disk(path)
    digest, size = sha256_of(path), path.stat().st_size
    name = f"{secrets.token_hex(16)}.parquet"
    path.chmod(0o400)
    path.rename(folder("tables") / name)
    _to_disk(folder("tables"))
    return name, digest, size


def _to_disk(path: Path) -> None:
    """A file's bytes, or a folder's names: what a rename has made whole must still be whole when the power is gone."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def link(table: Table) -> str:
    """The same sealed file under a name of its own, for a table that a new revision keeps: each goes by itself."""
    path = _intact(table)
    os.utime(path)  # sweep() spares what is young: nobody knows of the new name before the commit
    name = f"{secrets.token_hex(16)}.parquet"
    try:
        os.link(path, folder("tables") / name)
    except OSError as refused:
        if refused.errno not in {errno.EPERM, errno.EMLINK, errno.ENOTSUP}:
            raise Refused(DISK_FULL) from refused
        _copy(path, folder("tables") / name)
    return name


def _copy(path: Path, target: Path) -> None:
    """For file systems that know no second name."""
    if shutil.disk_usage(target.parent).free - path.stat().st_size < settings.DISK_RESERVE:
        raise Refused(DISK_FULL)
    shutil.copyfile(path, target)
    target.chmod(0o400)


def drop_table(table: Table) -> None:
    """Remove the file of a table that was never published."""
    if table.revision.state in {Revision.State.PUBLISHED, Revision.State.RETIRED}:
        raise Conflict("The tables of a published revision are kept.")
    unseal(table.stored_name)


def unseal(stored_name: str) -> None:
    """Remove a sealed file that no table came to own."""
    (folder("tables") / stored_name).unlink(missing_ok=True)


def sweep(*, uploads: set[str], tables: set[str], before: float) -> list[str]:
    """Remove files older than `before` that no row knows of; answer their names."""
    known = {"uploads": {f"{pk}.part" for pk in uploads}, "tables": tables}
    gone = []
    for part, names in known.items():
        for path in folder(part).iterdir():
            with contextlib.suppress(FileNotFoundError):  # somebody else was faster
                if path.name not in names and path.is_file() and path.stat().st_mtime < before:
                    path.unlink()
                    gone.append(path)
    return [path.name for path in (*gone, *_sweep_rooms())]


def _sweep_rooms() -> list[Path]:
    """Remove the folders of parsers that were killed with their worker: older than any parser may become."""
    before = time.time() - sandboxed.LIMITS.wall_s - ROOM_GRACE
    rooms = (*folder("uploads").glob("*.room"), *folder("columns").glob("*.part"))
    gone = [room for room in rooms if room.exists() and room.lstat().st_ctime < before]
    for room in gone:
        parsing.empty(room)
    return gone


def open_for(run: OpensData, *, rule: Callable[[OpensData], str | None]) -> dict[str, Path]:
    """The private files of a run's revision, by table name.

    Raises Denied when the rule gives a reason against it, Conflict when a file is not what was sealed.
    """
    if why := rule(run):
        raise Denied(why)
    return {table.name: _intact(table) for table in run.revision.tables.all()}


def open_for_owner(table: Table, *, by: User) -> Path:
    """A private table for its owner's own eyes."""
    require(rules.is_dataset_owner, by, table.revision.dataset)
    return _intact(table)


def _intact(table: Table) -> Path:
    path = folder("tables") / table.stored_name
    if not path.is_file() or path.stat().st_size != table.stored_bytes:
        raise Conflict(f"The file of table {table.name} is missing or damaged. Tell an admin.")
    return path


def some_people(table: Table, key: bytes, *, most: int) -> set[bytes]:
    """What people of a table are known by in the ledger of people; at most so many, spread over all of them.

    Conflict when the file cannot be read.
    """
    subject = table.subject
    if subject is None:
        return set()
    given = {"subject": subject.name, "key": key.hex(), "most": most}
    try:
        found = sandboxed.run("people", _intact(table), parameters=given, limits=sandboxed.LOOK)
        return columns.digests_from(found.get("digests"), most=most)
    except (sandboxed.Broken, ValueError) as broken:
        raise Conflict(
            f"The people of table {table.name} could not be read. Try again; if it stays so, tell an admin."
        ) from broken


# Columns: the same rows in subject order, for automatic answers


class AsksData(Protocol):
    """What an automatic answer shows before it is given private rows."""

    pk: UUID


def open_columns(
    asked: AsksData,
    table: Table,
    plans: Sequence[columns.ColumnPlan],
    key: bytes,
    *,
    rule: Callable[[AsksData], str | None],
    wanted: frozenset[str] | None = None,
) -> columns.ColumnStore:
    """A private table in subject order; written now when nobody has. Raises Denied when the rule gives a reason against
    it."""
    if why := rule(asked):
        raise Denied(why)
    write_columns(table, plans, key)
    return columns.read(_columns_of(table, plans, key), plans, wanted=wanted)


def has_columns(table: Table, plans: Sequence[columns.ColumnPlan], key: bytes) -> bool:
    """Whether the table lies in subject order already."""
    return _columns_of(table, plans, key).is_dir()


def write_columns(table: Table, plans: Sequence[columns.ColumnPlan], key: bytes) -> None:
    """Put a private table in subject order, once. What takes long with many rows is done before anybody asks."""
    if not has_columns(table, plans, key):
        _write_columns(table, plans, key, _columns_of(table, plans, key))


def _columns_of(table: Table, plans: Sequence[columns.ColumnPlan], key: bytes) -> Path:
    shape = hashlib.sha256(repr((columns.FORMAT, tuple(plans), key)).encode()).hexdigest()[:16]
    return folder("columns") / f"{table.pk}.{shape}"


def _write_columns(table: Table, plans: Sequence[columns.ColumnPlan], key: bytes, ready: Path) -> None:
    subject = table.subject
    if subject is None:
        raise Refused(f"Table {table.name} does not say whom a row is about.")
    draft = folder("columns") / f"{secrets.token_hex(8)}.part"
    draft.mkdir(mode=0o700)
    try:
        _order(table, subject.name, plans, key, draft)
        for path in (*draft.iterdir(), draft):
            _to_disk(path)
        draft.rename(ready)
        for earlier in ready.parent.glob(f"{table.pk}.*"):  # whoever has mapped its files keeps them
            if earlier != ready:
                parsing.empty(earlier)
        _to_disk(ready.parent)
    except OSError:
        if not ready.is_dir():
            raise
    finally:
        parsing.empty(draft)


def _order(table: Table, subject: str, plans: Sequence[columns.ColumnPlan], key: bytes, draft: Path) -> None:
    """Let the sandbox put the rows in order, and look at what it has written: compiled code will rely on it."""
    parameters = {
        "subject": subject,
        "plans": [columns.plan_as_json(plan) for plan in plans],
        "key": key.hex(),
    }
    most = columns.most_bytes(table.rows, plans) + 4 * table.stored_bytes
    room = max(min(most, shutil.disk_usage(draft).free - settings.DISK_RESERVE), 1)
    try:
        sandboxed.run("order", _intact(table), parameters=parameters, room=sandboxed.Room(draft, room))
        for name in columns.names_of(plans):
            parsing.take(draft, name, most=room)
        columns.check(draft, plans, most_rows=table.rows)
    except (sandboxed.Broken, ValueError) as broken:
        raise Conflict(
            f"Table {table.name} could not be put in the order of its data subjects. Tell an admin: "
            "the disk may be too full, or the file of the table is damaged."
        ) from broken


def ledger_folder(dataset_pk: UUID) -> Path:
    """Where a dataset's ledger per data subject lies."""
    return folder("ledgers", str(dataset_pk))


# Outputs


def new_outputs(run_pk: UUID, lease: UUID) -> Path:
    """An empty folder for one attempt at a run; it becomes the run's outputs by keep_outputs()."""
    path = folder("outputs") / f"{run_pk}.{lease}"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700)
    return path


def keep_outputs(run_pk: UUID, attempt: Path) -> None:
    """Make an attempt's files the run's outputs. Done again after a commit that failed, it changes nothing."""
    if attempt.is_dir():
        final = folder("outputs") / str(run_pk)
        shutil.rmtree(final, ignore_errors=True)
        attempt.rename(final)


def collected(run_pk: UUID, lease: UUID) -> Path:
    """Where an attempt's files lie: in its own folder, or already in the run's."""
    attempt = attempt_folder(run_pk, lease)
    return attempt if attempt.is_dir() else folder("outputs") / str(run_pk)


def output_path(run_pk: UUID, name: str) -> Path:
    """A collected output; Conflict when its bytes are gone."""
    path = folder("outputs") / str(run_pk) / name
    if path.parent != folder("outputs") / str(run_pk) or not path.is_file():
        raise Conflict("The bytes of this output are gone.")
    return path


def drop_outputs(run_pk: UUID) -> None:
    shutil.rmtree(folder("outputs") / str(run_pk), ignore_errors=True)


def drop_output(run_pk: UUID, name: str) -> None:
    path = folder("outputs") / str(run_pk) / name
    if path.parent == folder("outputs") / str(run_pk):
        path.unlink(missing_ok=True)


def add_output(run_pk: UUID, name: str, content: bytes) -> Path:
    """Put a file that a reviewer wrote beside what a run wrote; Conflict when the name is taken."""
    home = folder("outputs", str(run_pk))
    path = home / name
    if path.parent != home or path.exists():
        raise Conflict(f"There is an output named {name} already.")
    path.write_bytes(content)
    return path


def attempt_folder(run_pk: UUID, lease: UUID) -> Path:
    """Where one attempt's files lie until keep_outputs()."""
    return folder("outputs") / f"{run_pk}.{lease}"


def note_result(run_pk: UUID, lease: UUID, text: str) -> None:
    """Keep how an attempt ended beside its files, so that the end is not lost with its worker."""
    path = folder("outputs") / f"{run_pk}.{lease}.json"
    draft = path.with_suffix(".part")
    draft.write_text(text)
    draft.rename(path)


def noted_result(run_pk: UUID, lease: UUID) -> str | None:
    path = folder("outputs") / f"{run_pk}.{lease}.json"
    return path.read_text() if path.is_file() else None


def drop_attempt(run_pk: UUID, lease: UUID) -> None:
    """Remove what is left of an attempt."""
    shutil.rmtree(folder("outputs") / f"{run_pk}.{lease}", ignore_errors=True)
    for suffix in ("json", "part"):
        (folder("outputs") / f"{run_pk}.{lease}.{suffix}").unlink(missing_ok=True)


def old_attempts(age: float) -> set[tuple[UUID, UUID]]:
    """Attempts (run, lease) of which something has lain here for longer than `age` seconds."""
    found = set()
    for path in folder("outputs").iterdir():
        run_pk, _, lease = path.name.partition(".")
        if lease and time.time() - path.lstat().st_mtime > age:
            found.add((UUID(run_pk), UUID(lease.partition(".")[0])))
    return found


# Mock data


def mock_folder(revision: Revision) -> Path:
    return folder("mock", str(revision.pk))
