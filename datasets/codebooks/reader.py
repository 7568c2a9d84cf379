"""Reads a codebook: finds out its encoding and its format."""

import re

from common.errors import Refused
from datasets.codebooks import ddi, delimited, table_schema
from datasets.codebooks.entries import MOST_BYTES, Codebook

_DECLARED = re.compile(
    rb"""<\?xml[^>]{0,100}encoding=["'](iso-8859-\d{1,2}|windows-125\d|cp125\d)["']""", re.IGNORECASE
)
_TOO_LONG = f"A codebook may have at most {MOST_BYTES // 2**20} MB. Take it in parts."


def text_of(content: bytes) -> str:
    """Return the text of a file: UTF-8, UTF-16, what an XML file names, or else Windows-1252. Raises Refused."""
    if len(content) > MOST_BYTES:
        raise Refused(_TOO_LONG)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _decoded(content, "utf-16")
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise Refused("This is a workbook. Save its sheet as CSV, or copy its cells and paste them.")
    if b"\0" in content or content.startswith(b"%PDF"):
        raise Refused(
            "This is not a text. Upload the codebook as CSV, JSON (Table Schema) or XML (DDI Codebook)."
        )
    declared = _DECLARED.match(content)
    try:
        return content.decode(declared[1].decode() if declared else "utf-8-sig")
    except (UnicodeDecodeError, LookupError):
        return content.decode("cp1252", errors="replace")


def _decoded(content: bytes, codec: str) -> str:
    try:
        return content.decode(codec)
    except UnicodeDecodeError as bad:
        raise Refused("This file is marked as UTF-16, but it is not valid UTF-16. Save it as UTF-8.") from bad


def read(text: str, *, table: str) -> Codebook:
    """Read a codebook. Of one with several tables, take the one with the name of `table`. Raises Refused."""
    if len(text.encode(errors="replace")) > MOST_BYTES:
        raise Refused(_TOO_LONG)
    text = text.removeprefix("\ufeff")
    start = text.lstrip()[:1]
    if not start:
        raise Refused("Paste a codebook, or choose its file.")
    if start in "{[":
        return table_schema.read(text, table=table)
    if start == "<":
        return ddi.read(text)
    return delimited.read(text)
