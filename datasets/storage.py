"""The only code that opens private files: uploads, tables and held outputs.

Layout of the store: `uploads/` (in progress), `tables/` (sealed, read-only, one file per table), `columns/` (the same
rows in subject order), `ledgers/` (the per-person ledgers), `outputs/<run>/` (what a run wrote), `mock/<revision>/`
(made from declarations or released, not private). Names on disk are random or ids, never what a person typed.
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
from common.errors import Conflict, Denied, Refused, WrongOffset
from datasets import columns, rules
from datasets.ingest import sandboxed
from datasets.models import Revision, Table, Upload
from runner import parsing

ROOM_GRACE = 600
DISK_FULL = "The portal's disk is full. Nothing was lost. Tell an admin, then resume the upload."


class OpensData(Protocol):
    """The part of a run that a rule checks before the run receives private files."""

    pk: UUID
    revision: Revision


def folder(*parts: str) -> Path:
    """Return a folder of the store, created if missing, that only the portal can read (0700)."""
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
    """Append a chunk and return the new offset (bytes). Raises WrongOffset if the file does not end at `offset`."""
    path = upload_path(upload)
    have = path.stat().st_size if path.exists() else 0
    if offset != have:
        raise WrongOffset(f"This upload has {have} bytes so far, not {offset}. Resume it at {have}.", have)
    if offset + len(chunk) > upload.size:
        raise Refused(
            f"The upload was begun for {upload.size} bytes, and this chunk exceeds them. Begin again."
        )
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
    """Return how many bytes have arrived: the length of the file on disk."""
    path = upload_path(upload)
    return path.stat().st_size if path.exists() else 0


def drop_upload(upload: Upload) -> None:
    upload_path(upload).unlink(missing_ok=True)


# Tables


def new_table_path() -> Path:
    """Return a new path at which the reader writes a table before it is sealed."""
    return folder("uploads") / f"{secrets.token_hex(16)}.table"


def seal(path: Path) -> tuple[str, str, int]:
    """Move a finished table file into the store, read-only. Return (stored name, sha256, bytes)."""
    _to_disk(path)
    digest, size = sha256_of(path), path.stat().st_size
    name = f"{secrets.token_hex(16)}.parquet"
    path.chmod(0o400)
    path.rename(folder("tables") / name)
    _to_disk(folder("tables"))
    return name, digest, size


def _to_disk(path: Path) -> None:
    """Call fsync on a file or a folder, so that what a rename has completed survives a power failure."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def link(table: Table) -> str:
    """Link a sealed file under a new name, for a table that a new revision keeps; each name is deleted separately."""
    path = _intact(table)
    os.utime(path)  # sweep() spares new files: no row has the new name before the commit
    name = f"{secrets.token_hex(16)}.parquet"
    try:
        os.link(path, folder("tables") / name)
    except OSError as refused:
        if refused.errno not in {errno.EPERM, errno.EMLINK, errno.ENOTSUP}:
            raise Refused(DISK_FULL) from refused
        _copy(path, folder("tables") / name)
    return name


def _copy(path: Path, target: Path) -> None:
    """Copy a sealed file, on file systems without hard links."""
    if shutil.disk_usage(target.parent).free - path.stat().st_size < settings.DISK_RESERVE:
        raise Refused(DISK_FULL)
    shutil.copyfile(path, target)
    target.chmod(0o400)


def drop_table(table: Table) -> None:
    """Delete the file of a table that was never published. Raises Conflict if it was."""
    if table.revision.state in {Revision.State.PUBLISHED, Revision.State.RETIRED}:
        raise Conflict("The tables of a published revision cannot be deleted.")
    unseal(table.stored_name)


def unseal(stored_name: str) -> None:
    """Delete a sealed file."""
    (folder("tables") / stored_name).unlink(missing_ok=True)


def sweep(*, uploads: set[str], tables: set[str], before: float) -> list[str]:
    """Delete files older than `before` (Unix time) that belong to no row. Return their names."""
    known = {"uploads": {f"{pk}.part" for pk in uploads}, "tables": tables}
    gone = []
    for part, names in known.items():
        for path in folder(part).iterdir():
            with contextlib.suppress(FileNotFoundError):  # deleted in the meantime
                if path.name not in names and path.is_file() and path.stat().st_mtime < before:
                    path.unlink()
                    gone.append(path)
    return [path.name for path in (*gone, *_sweep_rooms())]


def _sweep_rooms() -> list[Path]:
    """Delete the folders of parsers that were killed with their worker: those older than any parser can run."""
    before = time.time() - sandboxed.LIMITS.wall_s - ROOM_GRACE
    rooms = (*folder("uploads").glob("*.room"), *folder("columns").glob("*.part"))
    gone = [room for room in rooms if room.exists() and room.lstat().st_ctime < before]
    for room in gone:
        parsing.empty(room)
    return gone


def open_for(run: OpensData, *, rule: Callable[[OpensData], str | None]) -> dict[str, Path]:
    """Return the private files of a run's revision, by table name.

    Raises Denied if the rule gives a reason against it, Conflict if a file is not what was sealed.
    """
    if why := rule(run):
        raise Denied(why)
    return {table.name: _intact(table) for table in run.revision.tables.all()}


def open_for_owner(table: Table, *, by: User) -> Path:
    """Return the file of a private table for its owner. Raises Denied for anybody else."""
    require(rules.is_dataset_owner, by, table.revision.dataset)
    return _intact(table)


def _intact(table: Table) -> Path:
    path = folder("tables") / table.stored_name
    if not path.is_file() or path.stat().st_size != table.stored_bytes:
        raise Conflict(f"The file of table {table.name} is missing or damaged. Tell an admin.")
    return path


def some_people(table: Table, key: bytes, *, most: int) -> set[bytes]:
    """Return the digests of at most `most` people, spread over the table. Raises Conflict if it cannot be read."""
    subject = table.subject
    if subject is None:
        return set()
    given = {"subject": subject.name, "key": key.hex(), "most": most}
    try:
        found = sandboxed.run("people", _intact(table), parameters=given, limits=sandboxed.LOOK)
        return columns.digests_from(found.get("digests"), most=most)
    except (sandboxed.Broken, ValueError) as broken:
        raise Conflict(
            f"The people in table {table.name} could not be read. Try again; if this happens again, tell an admin."
        ) from broken


# Columns: the same rows in subject order, for automatic answers


class AsksData(Protocol):
    """The part of a budget that a rule checks before a question that it pays for receives private rows."""

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
    """Return a private table in subject order, which is written first if necessary.

    Raises Denied if the rule gives a reason against it.
    """
    if why := rule(asked):
        raise Denied(why)
    write_columns(table, plans, key)
    return columns.read(_columns_of(table, plans, key), plans, wanted=wanted)


def has_columns(table: Table, plans: Sequence[columns.ColumnPlan], key: bytes) -> bool:
    """Whether the table is stored in subject order already."""
    return _columns_of(table, plans, key).is_dir()


def write_columns(table: Table, plans: Sequence[columns.ColumnPlan], key: bytes) -> None:
    """Store a private table in subject order, once. It takes long with many rows, so do it before anybody asks."""
    if not has_columns(table, plans, key):
        _write_columns(table, plans, key, _columns_of(table, plans, key))


def _columns_of(table: Table, plans: Sequence[columns.ColumnPlan], key: bytes) -> Path:
    shape = hashlib.sha256(repr((columns.FORMAT, tuple(plans), key)).encode()).hexdigest()[:16]
    return folder("columns") / f"{table.pk}.{shape}"


def _write_columns(table: Table, plans: Sequence[columns.ColumnPlan], key: bytes, ready: Path) -> None:
    subject = table.subject
    if subject is None:
        raise Refused(f"Table {table.name} has no column that identifies the person a row is about.")
    draft = folder("columns") / f"{secrets.token_hex(8)}.part"
    draft.mkdir(mode=0o700)
    try:
        _order(table, subject.name, plans, key, draft)
        for path in (*draft.iterdir(), draft):
            _to_disk(path)
        draft.rename(ready)
        for earlier in ready.parent.glob(f"{table.pk}.*"):  # processes that have mapped these files keep them
            if earlier != ready:
                parsing.empty(earlier)
        _to_disk(ready.parent)
    except OSError:
        if not ready.is_dir():
            raise
    finally:
        parsing.empty(draft)


def _order(table: Table, subject: str, plans: Sequence[columns.ColumnPlan], key: bytes, draft: Path) -> None:
    """Sort the rows in the sandbox, and check what it has written, because compiled code relies on it."""
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
            f"Table {table.name} could not be sorted by person. Tell an admin: "
            "the disk may be full, or the file of the table may be damaged."
        ) from broken


def ledger_folder(dataset_pk: UUID) -> Path:
    """Return the folder of a dataset's per-person ledger."""
    return folder("ledgers", str(dataset_pk))


# Outputs


def new_outputs(run_pk: UUID, lease: UUID) -> Path:
    """Create an empty folder for one attempt at a run; keep_outputs() makes it the run's outputs."""
    path = folder("outputs") / f"{run_pk}.{lease}"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700)
    return path


def keep_outputs(run_pk: UUID, attempt: Path) -> None:
    """Make an attempt's files the run's outputs. Idempotent, so it can be repeated after a failed commit."""
    if attempt.is_dir():
        final = folder("outputs") / str(run_pk)
        shutil.rmtree(final, ignore_errors=True)
        attempt.rename(final)


def collected(run_pk: UUID, lease: UUID) -> Path:
    """Return the folder with an attempt's files: its own, or already the run's."""
    attempt = attempt_folder(run_pk, lease)
    return attempt if attempt.is_dir() else folder("outputs") / str(run_pk)


def output_path(run_pk: UUID, name: str) -> Path:
    """Return the file of a collected output. Raises Conflict if it is no longer stored."""
    path = folder("outputs") / str(run_pk) / name
    if path.parent != folder("outputs") / str(run_pk) or not path.is_file():
        raise Conflict("This output has been deleted.")
    return path


def drop_outputs(run_pk: UUID) -> None:
    shutil.rmtree(folder("outputs") / str(run_pk), ignore_errors=True)


def drop_output(run_pk: UUID, name: str) -> None:
    path = folder("outputs") / str(run_pk) / name
    if path.parent == folder("outputs") / str(run_pk):
        path.unlink(missing_ok=True)


def add_output(run_pk: UUID, name: str, content: bytes) -> Path:
    """Add a file that a reviewer wrote to a run's outputs. Raises Conflict if the name is taken."""
    home = folder("outputs", str(run_pk))
    path = home / name
    if path.parent != home or path.exists():
        raise Conflict(f"There is an output named {name} already. Choose another name.")
    path.write_bytes(content)
    return path


def attempt_folder(run_pk: UUID, lease: UUID) -> Path:
    """Return the folder with one attempt's files until keep_outputs()."""
    return folder("outputs") / f"{run_pk}.{lease}"


def note_result(run_pk: UUID, lease: UUID, text: str) -> None:
    """Store how an attempt ended beside its files, so that this is not lost with its worker."""
    path = folder("outputs") / f"{run_pk}.{lease}.json"
    draft = path.with_suffix(".part")
    draft.write_text(text)
    draft.rename(path)


def noted_result(run_pk: UUID, lease: UUID) -> str | None:
    path = folder("outputs") / f"{run_pk}.{lease}.json"
    return path.read_text() if path.is_file() else None


def drop_attempt(run_pk: UUID, lease: UUID) -> None:
    """Delete what is left of an attempt."""
    shutil.rmtree(folder("outputs") / f"{run_pk}.{lease}", ignore_errors=True)
    for suffix in ("json", "part"):
        (folder("outputs") / f"{run_pk}.{lease}.{suffix}").unlink(missing_ok=True)


def old_attempts(age: float) -> set[tuple[UUID, UUID]]:
    """Return the attempts (run, lease) that left something here more than `age` seconds ago."""
    found = set()
    for path in folder("outputs").iterdir():
        run_pk, _, lease = path.name.partition(".")
        if lease and time.time() - path.lstat().st_mtime > age:
            found.add((UUID(run_pk), UUID(lease.partition(".")[0])))
    return found


# Mock data


def mock_folder(revision: Revision) -> Path:
    return folder("mock", str(revision.pk))
