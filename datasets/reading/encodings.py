"""Finds the encoding and line ends of a text file, and copies it as UTF-8 if DuckDB could not read it as it is."""

import codecs
from dataclasses import dataclass
from pathlib import Path

from datasets.reading.outcome import Unreadable

CHUNK = 1024 * 1024
CODECS = {
    "utf-8": "utf-8-sig",
    "utf-16": "utf-16",
    "windows-1252": "cp1252",
    "latin-1": "latin-1",
    "windows-1250": "cp1250",
    "windows-1251": "cp1251",
    "windows-1253": "cp1253",
    "windows-1254": "cp1254",
    "mac-roman": "mac_roman",
    "shift-jis": "shift_jis",
    "gb18030": "gb18030",
}
UNDEFINED_IN_1252 = b"\x81\x8d\x8f\x90\x9d"
BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


@dataclass(frozen=True, slots=True)
class Text:
    """What was found out about a file of text."""

    encoding: str
    codec: str
    is_plain: bool
    """Whether DuckDB can read the file as it is: UTF-8 with one kind of line end."""
    first_odd: int | None = None
    """The first line that is not UTF-8, if that is why another encoding was guessed."""


def find(source: Path, asked: str) -> Text:
    """Find the encoding, unless it is asked for. Raises Unreadable if the bytes cannot be text."""
    with source.open("rb") as stream:
        head = stream.read(4096)
    codec = CODECS.get(asked, "")
    if not asked or asked == "utf-16":
        found = next((each for bom, each in BOMS.items() if head.startswith(bom)), "")
        wide = "" if found else _wide(head)
        if found or wide:
            return Text("utf-16", wide or CODECS[found], is_plain=False)
    if not asked and b"\0" in head:
        raise Unreadable("This is a binary file that the portal does not know. Save it as CSV.", final=True)
    seen = _scan(source)
    if asked and asked != "utf-8":
        return Text(asked, codec, is_plain=False)
    if seen.bad_line is None:
        return Text("utf-8", CODECS["utf-8"], is_plain=not seen.is_mixed)
    if asked:
        raise Unreadable(f"Line {seen.bad_line}: the text is not in UTF-8. Choose another encoding.")
    encoding = "latin-1" if seen.is_undefined else "windows-1252"
    return Text(encoding, CODECS[encoding], is_plain=False, first_odd=seen.bad_line)


def _wide(head: bytes) -> str:
    """Return the codec of UTF-16 without a byte order mark, or ""."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) / 2
    if odd > half * 0.4 and even < half * 0.05:
        return "utf-16-le"
    return "utf-16-be" if even > half * 0.4 and odd < half * 0.05 else ""


@dataclass(slots=True)
class _Seen:
    bad_line: int | None = None
    is_mixed: bool = False
    is_undefined: bool = False


def _scan(source: Path) -> _Seen:
    """Look at all bytes of a file."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    seen, lines, pairs, feeds, returns, last = _Seen(), 1, 0, 0, 0, b""
    with source.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            if seen.bad_line is None:
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError as bad:
                    seen.bad_line = lines + bad.object[: bad.start].count(b"\n")
            seen.is_undefined = seen.is_undefined or any(byte in chunk for byte in UNDEFINED_IN_1252)
            lines += chunk.count(b"\n")
            pairs += (last + chunk).count(b"\r\n")
            feeds, returns = feeds + chunk.count(b"\n"), returns + chunk.count(b"\r")
            last = chunk[-1:] if chunk.endswith(b"\r") else b""
    seen.is_mixed = bool(returns) and not pairs == feeds == returns
    return seen


def as_utf8(source: Path, target: Path, codec: str, most: int) -> None:
    """Copy a text file as UTF-8 with one kind of line end. Raises Unreadable."""
    written, lines = 0, 1
    try:
        with source.open(encoding=codec, newline=None) as text, target.open("wb") as copy:
            while part := text.read(CHUNK):
                data = part.encode("utf-8", errors="replace")
                lines, written = lines + data.count(b"\n"), written + len(data)
                if written > most:
                    raise Unreadable(
                        f"In UTF-8, this file has more than {most // 2**20:,} MB. Split it.", final=True
                    )
                copy.write(data)
    except UnicodeError as bad:
        raise Unreadable(
            f"Near line {lines}: this text is not in the chosen encoding. Choose another one."
        ) from bad
