"""Decide which files may leave a sandbox. Their names, types, sizes and contents are all hostile.

An accepted file is rewritten from its own content into the caller's folder; a refused one is listed with the reason.
Nothing that the code wrote makes this raise, and one bad file does not affect the others.
"""

import hashlib
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from runner.contract import MIB, CloseCode, Limits, OutputFile, RefusedFile, SandboxUnavailable
from runner.gates import folder, png, strict_csv, strict_json
from runner.gates.contents import PARQUET, check_agreement, type_by_name
from runner.gates.decode import Decoded, decode
from runner.gates.refusal import Refusal
from runner.host.job import ALL_TOGETHER
from runner.host.session import Launcher, bubblewrapped
from runner.plain_text import page
from runner.text import shown_name

GROWTH = 2
"""A rewritten file may be this many times as large as the limit for one file."""
LISTED = 10_000
"""How many directory entries are checked. A folder with more is not a sensible output."""
NAMED_REFUSALS = 100
"""How many refused files are listed by name; the others are only counted."""
DECODING_S = 120.0
"""How long all files together may take to decode."""
OFFSET = re.compile(r"[+-](?:0\d|1[0-4]):[0-5]\d")
TOO_BIG = CloseCode.OUTPUT_TOO_BIG


def collect(
    out_dirfd: int, dest: Path, limits: Limits, environment: Path, launch: Launcher = bubblewrapped
) -> tuple[tuple[OutputFile, ...], tuple[RefusedFile, ...]]:
    """Write the acceptable files from an ended sandbox's output folder to `dest`. Returns (accepted, refused).

    Pictures and tables are decoded with the packages of `environment`, in a sandbox that `launch` starts. Call this
    only when every process of the sandbox is dead.
    """
    accepted: list[OutputFile] = []
    refused: list[RefusedFile] = []
    gate = Gate(environment, cap=limits.output_mb * MIB, files=limits.output_files, launch=launch)
    names = _names(out_dirfd)
    for name in names[:LISTED]:
        try:
            kind, body = gate.passed(out_dirfd, name)
        except Refusal as refusal:
            refused.append(RefusedFile(name=shown_name(name), reason=str(refusal), code=refusal.code))
        else:
            accepted.append(_write(dest, name, kind, body))
    return tuple(accepted), _named(refused, unseen=len(names) > LISTED)


@dataclass(slots=True)
class Gate:
    """Checks one file after another and counts what may still pass: files, bytes, and seconds of decoding."""

    environment: Path
    cap: int
    files: int
    launch: Launcher = bubblewrapped
    taken: int = 0
    room: int = 0
    decoding_s: float = DECODING_S

    def __post_init__(self) -> None:
        self.room = ALL_TOGETHER * self.cap

    def passed(self, dirfd: int, name: str) -> tuple[str, bytes]:
        """Return a file's type and its rewritten content. Raises Refusal."""
        if self.taken >= self.files:
            raise Refusal(f"At most {self.files:,} files are accepted from one run.", TOO_BIG)
        folder.check_kind(dirfd, name)
        kind = type_by_name(name)
        data = self._read(dirfd, name)
        check_agreement(kind, data)
        body = self._plain(kind, data)
        if len(body) > GROWTH * self.cap:
            raise Refusal(
                f"Rewritten in plain form it has {len(body):,} bytes; the limit is {GROWTH * self.cap:,}.",
                TOO_BIG,
            )
        self.taken += 1
        self.room -= len(data)
        return kind, body

    def _read(self, dirfd: int, name: str) -> bytes:
        data = folder.read(dirfd, name, self.cap)
        if len(data) > self.room:
            reason = (
                f"With this file the outputs would have more than {ALL_TOGETHER * self.cap:,} bytes in total."
            )
            raise Refusal(reason, TOO_BIG)
        if not data:
            raise Refusal("It is empty.")
        return data

    def _plain(self, kind: str, data: bytes) -> bytes:
        if kind == "json":
            return strict_json.canonical(data)
        if kind == "csv":
            return strict_csv.canonical(data)
        if kind == "png":
            return self._picture(data)
        if kind == "parquet":
            return self._table(data)
        return _text(data)

    def _picture(self, data: bytes) -> bytes:
        claimed = png.size(data)
        png.check_whole(data)
        body = self._decoded("decode_images", ["rewrite", "0"], data).body
        if not png.is_plain(body) or png.size(body) != claimed:
            raise Refusal("The picture could not be rewritten.")
        return body

    def _table(self, data: bytes) -> bytes:
        if not data.endswith(PARQUET) or len(data) < 12:
            raise Refusal("The Parquet file is truncated.")
        decoded = self._decoded("decode_tables", ["rewrite", "parquet"], data)
        _check_zones(decoded.header)
        body = decoded.body
        if not (body.startswith(PARQUET) and body.endswith(PARQUET)):
            raise Refusal("The table could not be rewritten.")
        return body

    def _decoded(self, script: str, arguments: list[str], data: bytes) -> Decoded:
        if self.decoding_s <= 0:
            raise Refusal(f"Decoding the files before it took more than {DECODING_S:.0f} seconds.", TOO_BIG)
        start = time.monotonic()
        try:
            limit = GROWTH * self.cap
            return decode(script, arguments, data, self.environment, limit=limit, launch=self.launch)
        except SandboxUnavailable as bad:  # the code has run: files that need no decoder are still accepted
            raise Refusal(f"It cannot be decoded safely at the moment. {bad}") from bad
        finally:
            self.decoding_s -= time.monotonic() - start


def _names(dirfd: int) -> list[str]:
    """Return the sorted names; one more than LISTED if there are too many."""
    with os.scandir(dirfd) as entries:
        return sorted(entry.name for entry in islice(entries, LISTED + 1))


def _named(refused: list[RefusedFile], *, unseen: bool) -> tuple[RefusedFile, ...]:
    """Return the first refusals by name and one line for the others."""
    rest = len(refused) - NAMED_REFUSALS
    if rest <= 0 and not unseen:
        return tuple(refused)
    number = f"more than {LISTED:,}" if unseen else f"{rest:,}"
    last = RefusedFile(name="…", reason=f"And {number} further files were refused.")
    return (*refused[:NAMED_REFUSALS], last)


def _check_zones(header: Mapping[str, Any]) -> None:
    """Refuse a time zone that is not in the public list, because no reader would see other text there."""
    zones = header.get("zones", ())
    for zone in map(str, zones if isinstance(zones, list) else [zones]):
        if OFFSET.fullmatch(zone) is None and zone not in _zones():
            raise Refusal(f"The time zone {shown_name(zone, 60)!r} is unknown. Convert the column to UTC.")


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _text(data: bytes) -> bytes:
    try:
        text = page(data.decode("utf-8-sig"))
    except UnicodeDecodeError as bad:
        line = data.count(b"\n", 0, bad.start) + 1
        raise Refusal(f"The text is not valid UTF-8 (line {line:,}).") from bad
    if not text:
        raise Refusal("It contains nothing but blanks.")
    return text.encode("utf-8")


def _write(dest: Path, name: str, kind: str, body: bytes) -> OutputFile:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(dest / name, flags, 0o600), "wb") as file:
        file.write(body)
    return OutputFile(name=name, type=kind, bytes=len(body), sha256=hashlib.sha256(body).hexdigest())
