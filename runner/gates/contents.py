"""Determine a file's type from its name and from its content. Both must agree."""

import re

from runner.gates import png
from runner.gates.refusal import Refusal

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
TYPES = ("csv", "json", "txt", "md", "png", "parquet")
PARQUET = b"PAR1"

KNOWN: tuple[tuple[bytes, str], ...] = (
    (png.SIGNATURE, "png"),
    (b"ARROW1", "an Arrow file"),
    (b"PK\x03\x04", "a zip archive (like .xlsx, .docx and .npz)"),
    (b"PK\x05\x06", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x93NUMPY", "a NumPy file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x7fELF", "a program"),
    (b"%PDF", "a PDF document"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF87a", "a GIF picture"),
    (b"GIF89a", "a GIF picture"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"\x00asm", "a WebAssembly program"),
)
BZIP2 = re.compile(rb"BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90)")
PICKLE = re.compile(rb"\x80[\x02-\x05]")
MARKUP = re.compile(rb"<(?:!doctype|html|svg|\?xml|script|head|body|iframe|!entity)\b", re.IGNORECASE)
NEVER: dict[str, str] = {
    "pickle": "Pickles can run code when they are opened, so they are never accepted.",
    "markup": "HTML and SVG can contain scripts, so they are never accepted. Save pictures as PNG.",
    "archive": "Archives and workbooks cannot be checked, so they are never accepted.",
    "array": "NumPy and HDF5 files cannot be checked, so they are never accepted.",
}
EXTENSIONS: dict[str, str] = {
    **dict.fromkeys(("pkl", "pickle", "joblib", "pt", "pth", "dill"), NEVER["pickle"]),
    **dict.fromkeys(("html", "htm", "svg", "xml", "xhtml"), NEVER["markup"]),
    **dict.fromkeys(
        ("zip", "gz", "bz2", "xz", "zst", "7z", "tar", "tgz", "xlsx", "xls", "docx"), NEVER["archive"]
    ),
    **dict.fromkeys(("npy", "npz", "h5", "hdf5"), NEVER["array"]),
}
WRITE_THESE = "Write CSV, JSON, TXT, MD, PNG or Parquet."


def type_by_name(name: str) -> str:
    """Return the type according to the name. Raises Refusal."""
    if NAME.fullmatch(name) is None:
        raise Refusal(
            "A file name must start with a letter or a digit and may contain only letters, digits, '_', '-' and '.', "
            "at most 64 characters in total."
        )
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    if extension not in TYPES:
        raise Refusal(f"{EXTENSIONS.get(extension, 'This file type is not accepted.')} {WRITE_THESE}")
    return extension


def content_type(data: bytes) -> str:
    """Return the type of the bytes: "png", "parquet", "text", or a description of any other type."""
    for magic, name in KNOWN:
        if data.startswith(magic):
            return name
    binary = b"\x00" in data[: 2**20]
    if data.startswith(PARQUET) and (binary or data.endswith(PARQUET)):
        return "parquet"
    if PICKLE.match(data):
        return "a pickle"
    if BZIP2.match(data):
        return "a bzip2 archive"
    if MARKUP.match(data.lstrip(b"\xef\xbb\xbf \t\r\n")[:64]):
        return "HTML, SVG or XML"
    return "binary data" if binary else "text"


def check_agreement(kind: str, data: bytes) -> None:
    """Refuse content that differs from the type in the name."""
    content = content_type(data)
    if content != (kind if kind in ("png", "parquet") else "text"):
        named = {"png": "a PNG picture", "parquet": "a Parquet table"}.get(content, content)
        raise Refusal(f"Its name says {kind}, but its content is {named}.")
