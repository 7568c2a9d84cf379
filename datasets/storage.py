"""The only code that opens private files: tables, uploads on their way in, outputs that are held.

Layout under the store: `uploads/` (in progress), `tables/` (sealed, read-only, one file per table),
`outputs/<run>/` (what a run wrote), `mock/<revision>/` (made from declarations, not private).
Names on disk are random or ids, never what a person typed.
"""

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from uuid import UUID

from django.conf import settings

from accounts.models import User
from common.errors import Conflict, Denied, Refused
from datasets.models import Revision, Table, Upload

BLOCK = 1024 * 1024


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
        raise Refused("The portal's disk is full. Nothing was lost; tell an admin, then resume the upload.")
    with path.open("ab") as stream:
        stream.write(chunk)
    return offset + len(chunk)


def drop_upload(upload: Upload) -> None:
    upload_path(upload).unlink(missing_ok=True)


# Tables


def new_table_path() -> Path:
    """Where the reader writes a table before it is sealed."""
    return folder("uploads") / f"{secrets.token_hex(16)}.table"


def seal(path: Path) -> tuple[str, str, int]:
    """Make a finished table file part of the store: (stored name, sha256, bytes). It is read-only from now on."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
    digest, size = sha256_of(path), path.stat().st_size
    name = f"{secrets.token_hex(16)}.parquet"
    path.chmod(0o400)
    path.rename(folder("tables") / name)
    return name, digest, size


def drop_table(table: Table) -> None:
    """Remove the file of a table that was never published."""
    if table.revision.state != Revision.State.DISCARDED:
        raise Conflict("Only tables of a discarded draft are removed.")
    (folder("tables") / table.stored_name).unlink(missing_ok=True)


def open_for(run: OpensData, *, rule: Callable[[OpensData], str | None]) -> dict[str, Path]:
    """The private files of a run's revision, by table name.

    Raises Denied when the rule gives a reason against it, Conflict when a file is not what was sealed.
    """
    if why := rule(run):
        raise Denied(why)
    return {table.name: _intact(table) for table in run.revision.tables.all()}


def open_for_owner(table: Table, *, by: User) -> Path:
    """A private table for its owner's own eyes."""
    if by != table.revision.dataset.owner:
        raise Denied("Only the owner of this dataset can see its rows.")
    return _intact(table)


def _intact(table: Table) -> Path:
    path = folder("tables") / table.stored_name
    if not path.is_file() or path.stat().st_size != table.stored_bytes:
        raise Conflict(f"The file of table {table.name} is missing or damaged. Tell an admin.")
    return path


# Outputs


def new_outputs(run_pk: UUID, lease: UUID) -> Path:
    """An empty folder for one attempt at a run; it becomes the run's outputs by keep_outputs()."""
    path = folder("outputs") / f"{run_pk}.{lease}"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700)
    return path


def keep_outputs(run_pk: UUID, attempt: Path) -> None:
    final = folder("outputs") / str(run_pk)
    shutil.rmtree(final, ignore_errors=True)
    attempt.rename(final)


def output_path(run_pk: UUID, name: str) -> Path:
    """A collected output; Conflict when its bytes are gone."""
    path = folder("outputs") / str(run_pk) / name
    if path.parent != folder("outputs") / str(run_pk) or not path.is_file():
        raise Conflict("The bytes of this output are gone.")
    return path


def drop_outputs(run_pk: UUID) -> None:
    shutil.rmtree(folder("outputs") / str(run_pk), ignore_errors=True)


# Mock data


def mock_folder(revision: Revision) -> Path:
    return folder("mock", str(revision.pk))
