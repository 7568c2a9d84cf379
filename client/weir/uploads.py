"""Files on their way to a dataset: in chunks, with checksums, resumed after a dropped connection or a restart.

A file is known by its SHA-256. The address of an upload that is under way is kept beside the tokens, so that the same
file is continued where it stopped, by another process too.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from weir.errors import Conflict, NotFound, NotOffered, Refused, Unreachable, WeirError
from weir.private_files import folder, save
from weir.progress import Progress
from weir.things import Thing
from weir.transport import Transport
from weir.waits import Wait, waited

CHUNK = 4 * 2**20
SUFFIXES = (
    ".csv", ".tsv", ".txt", ".dat", ".tab", ".parquet", ".json", ".jsonl", ".ndjson", ".xlsx", ".xls", ".xlsb", ".ods",
    ".dta", ".sav", ".zsav", ".sas7bdat", ".xpt", ".gz", ".bz2", ".xz", ".zip",
)  # fmt: skip
TUS = {"Tus-Resumable": "1.0.0"}
MOST_TRIES = 12
LONGEST_PAUSE = 30.0
MOST_KEPT = 100
ENDED = frozenset({"done", "failed"})


class Upload(Thing):
    """A file that was sent to a dataset, and is read there."""

    path = "uploads/"
    shown = ("file_name", "state", "size", "offset", "progress", "error", "remedy")

    def wait(self) -> Upload:
        """Wait until the portal has read the file. Raises Refused, with the remedy, if it cannot."""
        wait = Wait(
            f"upload:{self.id}", self._address, str(self.details["file_name"]), "dataset.uploads",
            lambda found: found["state"] in ENDED, lambda found: str(found.get("progress") or found["state"]),
        )  # fmt: skip
        self.details = dict(waited(self._transport, wait, self.details, quiet=self._quiet))
        if self.state == "failed":
            again = " Read it so: dataset.uploads[0].retry()." if self.details.get("can_retry") else ""
            raise Refused(f"{self.details['error']} {self.details['remedy']}{again}".strip())
        return self

    def retry(self) -> Upload:
        """Have a file read again as its remedy says, and wait."""
        return self._act("retry").wait()

    def reread(self, **reading: Any) -> Upload:
        """Have a file read in another way, and wait. `upload.details["reading"]` says how it was read."""
        return self._act("reread", reading).wait()

    def cancel(self) -> None:
        """Cancel it, or clear away a failed one. What has arrived is deleted."""
        self._transport.delete(self._address)

    def __repr__(self) -> str:
        return f"Upload: {self.details['file_name']}, {self.state}"


@dataclass(frozen=True)
class Sent:
    """A file to send: where it is, what it is called there, its size and its SHA-256 as hexadecimal digits."""

    path: Path
    name: str
    size: int
    digest: str

    @classmethod
    def of(cls, path: Path, name: str = "") -> Sent:
        """Read a file once to know it. Raises NotOffered for what the portal does not read."""
        called = name or path.name
        if Path(called).suffix.lower() not in SUFFIXES:
            raise NotOffered(
                f"“{called}” is not a file that the portal reads. Give a .csv or a .parquet file, for example."
            )
        try:
            with path.open("rb") as file:
                digest = _digest(file)
                return cls(path, called, file.tell(), digest)
        except OSError as missing:
            raise NotOffered(f"{path} cannot be read: {missing.strerror}. Check the path.") from missing


def upload(
    transport: Transport,
    dataset: str,
    sent: Sent,
    *,
    reading: Mapping[str, Any] | None = None,
    quiet: bool = False,
) -> Upload:
    """Send a file to the draft revision of a dataset, continuing where an earlier attempt stopped, and have it read.

    With `reading`, it is read a second time, as that says, whether the first time has succeeded or not.
    """
    made = send(transport, dataset, sent, quiet=quiet)
    if not reading:
        return made.wait()
    with contextlib.suppress(Refused):
        made.wait()
    if not made.details["can_reread"]:
        return made.wait()
    return made.reread(**reading)


def send(transport: Transport, dataset: str, sent: Sent, *, quiet: bool = False) -> Upload:
    """Send a file, continuing where an earlier attempt stopped. The portal begins to read it once it is complete."""
    kept = Kept(transport.origin, dataset, sent.digest)
    found = _continued(transport, kept.read()) or _begun(transport, dataset, sent)
    address = f"uploads/{found['id']}/"
    kept.write(address)
    if found["state"] == "receiving":
        with Progress(f"sending {sent.name}", quiet=quiet) as progress:
            _send(transport, address, sent, progress)
    kept.write(None)
    return Upload(transport, transport.get(address), quiet=quiet)


def _begun(transport: Transport, dataset: str, sent: Sent) -> Any:
    pairs = {"filename": sent.name, "sha256": sent.digest}
    metadata = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())
    headers = {**TUS, "Upload-Length": str(sent.size), "Upload-Metadata": metadata}
    return transport.call("POST", f"datasets/{dataset}/uploads/", headers=headers, key=str(uuid4())).content


def _continued(transport: Transport, address: str | None) -> Any:
    """Return an earlier attempt, or None if there is none that can be continued."""
    if address is None:
        return None
    try:
        found = transport.get(address)
    except NotFound:
        return None
    return found if found["state"] != "failed" else None


def _send(transport: Transport, address: str, sent: Sent, progress: Progress) -> None:
    """Send what is missing, however often the connection is dropped, as long as some of it arrives."""
    offset, failures = _offset(transport, address), 0
    while offset < sent.size:
        before = offset
        try:
            for arrived in _sent_from(transport, address, sent, before):
                offset = arrived
                progress.show("sending", offset / sent.size)
        except (Unreachable, Conflict) as stopped:
            failures = failures + 1 if offset == before else 1
            if failures > MOST_TRIES:
                raise
            transport.sleep(min(2.0**failures / 2, LONGEST_PAUSE))
            offset = _offset_after(transport, address, stopped, offset)


def _offset_after(transport: Transport, address: str, stopped: WeirError, offset: int) -> int:
    """Ask where to continue. If that cannot be asked, the next chunk will find out."""
    named = stopped.problem.get("offset")
    if isinstance(named, int):
        return named
    try:
        return _offset(transport, address)
    except Unreachable:
        return offset


def _offset(transport: Transport, address: str) -> int:
    reply = transport.call("HEAD", address, headers=TUS)
    return int(reply.headers["upload-offset"])


def _sent_from(transport: Transport, address: str, sent: Sent, offset: int) -> Iterator[int]:
    """Send chunk after chunk, and yield how much has arrived. The next chunk is read while one is on its way."""
    with sent.path.open("rb") as file, ThreadPoolExecutor(1) as ahead:
        file.seek(offset)
        following = ahead.submit(_chunk, file)
        while offset < sent.size:
            chunk, checksum = following.result()
            if not chunk or offset + len(chunk) > sent.size:
                raise WeirError(
                    f"{sent.path} was changed while it was sent. Send it again once it is complete."
                )
            following = ahead.submit(_chunk, file)
            headers = {
                **TUS, "Content-Type": "application/offset+octet-stream",
                "Upload-Offset": str(offset), "Upload-Checksum": checksum,
            }  # fmt: skip
            transport.send("PATCH", address, chunk, headers, is_safe=True)
            offset += len(chunk)
            yield offset


def _chunk(file: BinaryIO) -> tuple[bytes, str]:
    chunk = file.read(CHUNK)
    return chunk, f"sha256 {base64.b64encode(hashlib.sha256(chunk).digest()).decode()}"


def _digest(file: BinaryIO) -> str:
    found = hashlib.sha256()
    while chunk := file.read(CHUNK):
        found.update(chunk)
    return found.hexdigest()


@dataclass(frozen=True)
class Kept:
    """Where the address of an upload that is under way is kept."""

    origin: str
    dataset: str
    digest: str

    @property
    def _key(self) -> str:
        return f"{self.origin} {self.dataset} {self.digest}"

    def read(self) -> str | None:
        """Return the address of an earlier attempt at sending this file, or None."""
        found = _entries().get(self._key)
        return found if isinstance(found, str) else None

    def write(self, address: str | None) -> None:
        """Keep the address, or with None forget it. The oldest ones are forgotten if there are many."""
        entries = {key: value for key, value in _entries().items() if key != self._key}
        if address is not None:
            entries[self._key] = address
        save(_file(), dict(list(entries.items())[-MOST_KEPT:]))


def _file() -> Path:
    return folder() / "uploads.json"


def _entries() -> dict[str, Any]:
    """Return what is kept. A file that cannot be read only means that nothing is continued."""
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
