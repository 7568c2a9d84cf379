"""What may come out of a sandbox. Everything the code wrote is hostile: its names, kinds, sizes and contents.

A file that passes is written anew from its own content into the caller's folder; one that does not is listed with
the reason. Nothing the code wrote makes this raise, and one bad file costs nothing of the rest.
"""

import hashlib
import os
import re
from itertools import islice
from pathlib import Path

from runner import folder, png, strict_csv, strict_json
from runner.contract import CloseCode, Limits, OutputFile, RefusedFile
from runner.decode import decode
from runner.hostile import Refusal, neutral, shown_name

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
TYPES = ("csv", "json", "txt", "md", "png", "parquet")
ALL_TOGETHER = 4
"""All files together may have this many times the bytes of one."""
LISTED = 10_000
"""Directory entries that are looked at; a folder with more is no output."""
NAMED_REFUSALS = 100
"""Refused files that are listed by name; the rest are counted."""

KNOWN: tuple[tuple[bytes, str], ...] = (
    (png.SIGNATURE, "png"),
    (b"PAR1", "parquet"),
    (b"ARROW1", "an Arrow file"),
    (b"PK\x03\x04", "a zip archive (as .xlsx, .docx and .npz are)"),
    (b"PK\x05\x06", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x93NUMPY", "a NumPy file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x7fELF", "a program"),
    (b"%PDF", "a PDF document"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"RIFF", "a RIFF file"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"\x00asm", "a WebAssembly program"),
)
PICKLE = re.compile(rb"\x80[\x02-\x05]")
MARKUP = re.compile(rb"<(?:!doctype|html|svg|\?xml|script|head|body|iframe|!entity)\b", re.IGNORECASE)
NEVER: dict[str, str] = {
    "pickle": "Pickles run code when they are opened and never come out.",
    "markup": "HTML and SVG can hold scripts and never come out. Save a picture as PNG.",
    "archive": "Archives and workbooks cannot be checked and never come out.",
    "array": "NumPy and HDF5 files cannot be checked and never come out.",
}
EXTENSIONS: dict[str, str] = {
    **dict.fromkeys(("pkl", "pickle", "joblib", "pt", "pth", "dill"), NEVER["pickle"]),
    **dict.fromkeys(("html", "htm", "svg", "xml", "xhtml"), NEVER["markup"]),
    **dict.fromkeys(
        ("zip", "gz", "bz2", "xz", "zst", "7z", "tar", "tgz", "xlsx", "xls", "docx"), NEVER["archive"]
    ),
    **dict.fromkeys(("npy", "npz", "h5", "hdf5"), NEVER["array"]),
}
TOO_BIG = CloseCode.OUTPUT_TOO_BIG
WRITE_THESE = "Write CSV, JSON, TXT, MD, PNG or Parquet."


def collect(
    out_dirfd: int, dest: Path, limits: Limits, environment: Path
) -> tuple[tuple[OutputFile, ...], tuple[RefusedFile, ...]]:
    """Take what may come out of the ended sandbox's output folder into `dest`; `environment` decodes.

    To be called when every process of the sandbox is dead.
    """
    accepted: list[OutputFile] = []
    refused: list[RefusedFile] = []
    names = _names(out_dirfd)
    cap = limits.output_mb * 2**20
    left = ALL_TOGETHER * cap
    for name in names[:LISTED]:
        try:
            _check_number(len(accepted), limits.output_files)
            folder.check_kind(out_dirfd, name)
            kind = _type_by_name(name)
            data = _read(out_dirfd, name, cap, left)
            body = _plain(kind, data, environment, cap)
        except Refusal as refusal:
            refused.append(RefusedFile(name=shown_name(name), reason=str(refusal), code=refusal.code))
            continue
        left -= len(data)
        accepted.append(_write(dest, name, kind, body))
    return tuple(accepted), _named(refused, unseen=len(names) > LISTED)


def _names(dirfd: int) -> list[str]:
    """The names in order; one more than are looked at when there are too many."""
    with os.scandir(dirfd) as entries:
        return sorted(entry.name for entry in islice(entries, LISTED + 1))


def _named(refused: list[RefusedFile], *, unseen: bool) -> tuple[RefusedFile, ...]:
    """The refusals, the first of them by name and the rest as one line."""
    rest = len(refused) - NAMED_REFUSALS
    if rest <= 0 and not unseen:
        return tuple(refused)
    number = f"more than {LISTED:,}" if unseen else f"{rest:,}"
    last = RefusedFile(name="…", reason=f"There are {number} further files that were not let out.")
    return (*refused[:NAMED_REFUSALS], last)


def _check_number(accepted: int, limit: int) -> None:
    if accepted >= limit:
        raise Refusal(f"There are more than {limit:,} files.", TOO_BIG)


def _type_by_name(name: str) -> str:
    """The type that the name promises."""
    if NAME.fullmatch(name) is None:
        raise Refusal(
            "A name begins with a letter or digit and goes on with letters, digits, '_', '-' and '.', "
            "at most 64 in all."
        )
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    if extension not in TYPES:
        raise Refusal(f"{EXTENSIONS.get(extension, 'This type of file does not come out.')} {WRITE_THESE}")
    return extension


def _read(dirfd: int, name: str, cap: int, left: int) -> bytes:
    """The bytes of a file that keeps to the limit of one, and with which all keep to theirs."""
    data = folder.read(dirfd, name, cap)
    if len(data) > left:
        raise Refusal(
            f"With it the files would have more than {ALL_TOGETHER * cap:,} bytes together.", TOO_BIG
        )
    if not data:
        raise Refusal("It is empty.")
    return data


def content_type(data: bytes) -> str:
    """What the bytes are: "png", "parquet", "text", or a foreign kind in words."""
    for magic, name in KNOWN:
        if data.startswith(magic):
            return name
    if PICKLE.match(data):
        return "a pickle"
    if MARKUP.match(data.lstrip(b"\xef\xbb\xbf \t\r\n")[:64]):
        return "HTML, SVG or XML"
    return "text" if b"\x00" not in data[: 2**20] else "binary data"


def _plain(kind: str, data: bytes, environment: Path, cap: int) -> bytes:
    """The file written anew as what its name says it is."""
    content = content_type(data)
    if content != (kind if kind in ("png", "parquet") else "text"):
        named = {"png": "a PNG picture", "parquet": "a Parquet table"}.get(content, content)
        raise Refusal(f"Its name says {kind}, its content is {named}.")
    if kind == "json":
        return strict_json.canonical(data)
    if kind == "csv":
        return strict_csv.canonical(data)
    if kind == "png":
        return _picture(data, environment, cap)
    if kind == "parquet":
        return _table(data, environment, cap)
    return _text(data)


def _text(data: bytes) -> bytes:
    try:
        return neutral(data.decode("utf-8-sig")).encode("utf-8")
    except UnicodeDecodeError as bad:
        line = data.count(b"\n", 0, bad.start) + 1
        raise Refusal(f"The text is not UTF-8 (line {line:,}).") from bad


def _picture(data: bytes, environment: Path, cap: int) -> bytes:
    claimed = png.size(data)
    png.check_whole(data)
    body = decode("images", [str(png.MAX_SIDE)], data, environment, limit=2 * cap).body
    if not png.is_plain(body) or png.size(body) != claimed:
        raise Refusal("The picture could not be written anew.")
    return body


def _table(data: bytes, environment: Path, cap: int) -> bytes:
    if not data.endswith(b"PAR1") or len(data) < 12:
        raise Refusal("The Parquet file is cut off.")
    body = decode("tables", ["rewrite", "parquet"], data, environment, limit=2 * cap).body
    if content_type(body) != "parquet" or not body.endswith(b"PAR1"):
        raise Refusal("The table could not be written anew.")
    return body


def _write(dest: Path, name: str, kind: str, body: bytes) -> OutputFile:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(dest / name, flags, 0o600), "wb") as file:
        file.write(body)
    return OutputFile(name=name, type=kind, bytes=len(body), sha256=hashlib.sha256(body).hexdigest())
