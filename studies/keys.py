"""Private keys of masks: files of the store, one for each plan, until the masked vector is stored.

They are never in the database, so that no restored database brings one back. Backups leave their folder out. Whoever
has a key has not sent a vector yet: it is deleted, and the deletion is on disk, before the first byte leaves.
"""

import contextlib
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from crypto import masks
from datasets import storage
from studies.plans import HEX

FOLDER = "mask-keys"
"""Below the store. Backups leave it out (docs/deployment.md)."""
NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
UNCLAIMED = timedelta(hours=1)
"""A key older than this, of a plan that no open leg has, is deleted."""


class NoKey(Exception):
    """There is no key for this plan: it was used, or this portal was restored."""


def make(plan_sha256: str) -> bytes:
    """Return the public key for a plan, and keep the private one; the same again if there is one."""
    with contextlib.suppress(NoKey):
        return masks.public_of(read(plan_sha256))
    private = masks.new_key()
    path = _path(plan_sha256)
    part = path.with_suffix(".part")
    with os.fdopen(os.open(part, NEW, 0o600), "wb") as stream:
        stream.write(private)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)
    _sync(path.parent)
    return masks.public_of(private)


def read(plan_sha256: str) -> bytes:
    """Return the private key for a plan. Raises NoKey."""
    try:
        private = _path(plan_sha256).read_bytes()
    except FileNotFoundError as gone:
        raise NoKey from gone
    if len(private) != masks.KEY:
        raise NoKey
    return private


def exists(plan_sha256: str) -> bool:
    return _path(plan_sha256).exists()


def forget(plan_sha256: str) -> None:
    """Delete the private key for a plan. When this returns, it is on disk that there is none."""
    path = _path(plan_sha256)
    path.unlink(missing_ok=True)
    _sync(path.parent)


def older(than: datetime) -> Iterator[str]:
    """Yield the hashes of the plans whose keys were made before `than`; delete older files that are no whole key."""
    for path in sorted(storage.folder(FOLDER).iterdir()):
        with contextlib.suppress(FileNotFoundError):  # another worker has deleted it
            if path.stat().st_mtime >= than.timestamp():
                continue
            if HEX.fullmatch(path.stem) and path.suffix == ".key":
                yield path.stem
            else:
                path.unlink()


def _path(plan_sha256: str) -> Path:
    if not HEX.fullmatch(plan_sha256):
        raise ValueError("A plan is named by 64 hex digits.")
    return storage.folder(FOLDER) / f"{plan_sha256}.key"


def _sync(folder: Path) -> None:
    """Wait until the names in a folder are on disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
