"""Finds out what kind of file it is, and unpacks compressed ones with a limit."""

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from datasets.reading.outcome import Unreadable

CHUNK = 1024 * 1024
COMPRESSED: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}
KINDS = {
    b"PAR1": "parquet",
    b"<stata_dta>": "stata",
    b"$FL2": "spss",
    b"$FL3": "spss",
    b"HEADER RECORD*******LIBRARY HEADER": "xport",
    b"\xd0\xcf\x11\xe0": "excel",
}
SAS = bytes(12) + bytes.fromhex("c2ea8160b31411cfbd92080009c7318c181f1011")
UNKNOWN = {
    b"%PDF": "This is a PDF. Upload the data as CSV, Excel or Parquet.",
    b"\x28\xb5\x2f\xfd": "This file is compressed (Zstandard). Unpack it first.",
    b"7z\xbc\xaf": "This is a 7-Zip archive. Unpack it first.",
    b"Rar!": "This is a RAR archive. Unpack it first.",
    b"RDX": "This is a file of R. Write the data frame as CSV: write.csv(data, \"data.csv\", row.names = FALSE).",
    b"X\n\0\0": "This is a file of R. Write the data frame as CSV: write.csv(data, \"data.csv\", row.names = FALSE).",
    b"ARROW1": "This is an Arrow (Feather) file. Write it as Parquet.",
    b"\x89HDF": "This is an HDF5 file. Write the table as Parquet or CSV.",
    b"SQLite format 3": "This is an SQLite database. Export its table as CSV.",
}  # fmt: skip
OLD_STATA = range(102, 116)
SHEETS = ("xl/workbook.xml", "xl/workbook.bin", "content.xml")


def unpacked(source: Path, room: Path, most: int, *, enough: int | None = None) -> Path:
    """Return the file, unpacked into `room` if it is compressed: all of it, or its first bytes if they are `enough`.

    Raises Unreadable.
    """
    with source.open("rb") as stream:
        head = stream.read(8)
    opener = next((opens for magic, opens in COMPRESSED.items() if head.startswith(magic)), None)
    if opener is None and head.startswith(b"PK\x03\x04"):
        opener = _only_member(source, most)
    if opener is None:
        return source
    target = room / "unpacked"
    try:
        with opener(source) as packed, target.open("wb") as copy:
            _copy(packed, copy, most, enough)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError) as broken:
        if isinstance(broken, OSError) and broken.errno is not None:
            raise
        raise Unreadable("This compressed file is damaged. Compress it again.", final=True) from broken
    return target


def beginning(source: Path, room: Path, enough: int) -> Path:
    """Return a copy of the first lines of a file of text, or the file itself if it is small."""
    if source.stat().st_size <= enough:
        return source
    with source.open("rb") as file:
        head = file.read(enough)
    target = room / "beginning"
    target.write_bytes(head[: head.rfind(b"\n") + 1] or head)
    return target


def _copy(packed: IO[bytes], copy: IO[bytes], most: int, enough: int | None) -> None:
    written = 0
    while part := packed.read(CHUNK):
        written += len(part)
        if written > most:
            raise Unreadable(f"This file unpacks to more than {most // 2**20:,} MB. Split it.", final=True)
        copy.write(part)
        if enough is not None and written >= enough:
            return


def _only_member(source: Path, most: int) -> Callable[[Path], IO[bytes]] | None:
    """Return how to open the only file of a ZIP archive; None if the archive is a workbook."""
    try:
        with zipfile.ZipFile(source) as archive:
            members = [
                each for each in archive.infolist() if not each.is_dir() and "__MACOSX" not in each.filename
            ]
            if any(each.filename in SHEETS for each in members):
                if sum(each.file_size for each in members) > most:
                    raise Unreadable(
                        f"This workbook unpacks to more than {most // 2**20:,} MB. Split it.", final=True
                    )
                return None
            if len(members) != 1:
                raise Unreadable(
                    f"This is a ZIP archive of {len(members)} files. Upload them one by one.", final=True
                )
            only = members[0]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as broken:
        raise Unreadable("This ZIP archive is damaged. Make it again.", final=True) from broken

    def opens(path: Path) -> Any:
        return zipfile.ZipFile(path).open(only)

    return opens


def kind_of(source: Path) -> str:
    """Return what kind of file this is. Raises Unreadable if the portal cannot read the kind."""
    with source.open("rb") as stream:
        head = stream.read(4096)
    if why := next((text for magic, text in UNKNOWN.items() if head.startswith(magic)), None):
        raise Unreadable(why, final=True)
    if found := next((kind for magic, kind in KINDS.items() if head.startswith(magic)), None):
        return found
    if head.startswith(b"PK\x03\x04"):
        return "excel"
    if head.startswith(SAS):
        return "sas"
    if len(head) > 3 and head[0] in OLD_STATA and head[1] in {1, 2} and head[2] == 1 and head[3] == 0:
        return "stata"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] in {b"{", b"["}:
        return "json"
    if text[:1] == b"<":
        raise Unreadable(
            "This is HTML or XML, not a table. If you downloaded it, you may have saved a web page instead of "
            "the data. Save the data as CSV, Excel or Parquet.",
            final=True,
        )
    return "csv"
