"""Check the structure of a PNG file without decoding a pixel."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from runner.contract import CloseCode
from runner.gates.refusal import Refusal

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_SIDE = 10_000
MAX_PIXELS = 25_000_000
OPAQUE = b"\x08\x02\0\0\0"
"""Eight-bit RGB, not interlaced: the only form in which a picture is accepted."""
PLAIN_CHUNKS = frozenset({b"IHDR", b"IDAT", b"IEND"})


@dataclass(frozen=True, slots=True)
class Size:
    width: int
    height: int


def size(data: bytes) -> Size:
    """Return the size in the header. Raises Refusal if there is no header or the picture is too large."""
    if not data.startswith(SIGNATURE) or data[12:16] != b"IHDR" or len(data) < 33:
        raise Refusal("This is not a PNG picture.")
    width, height = struct.unpack(">II", data[16:24])
    if width == 0 or height == 0:
        raise Refusal("The picture has no pixels.")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise Refusal(
            f"The picture has {width:,} by {height:,} pixels; "
            f"the limit is {MAX_SIDE:,} per side and {MAX_PIXELS:,} in total.",
            CloseCode.OUTPUT_TOO_BIG,
        )
    return Size(width, height)


def check_whole(data: bytes) -> None:
    """Refuse a file without an intact chain of chunks up to IEND. What follows IEND does not matter."""
    if b"IEND" not in (name for name, _ in _chunks(data)):
        raise Refusal("The picture is malformed.")


def is_plain(data: bytes) -> bool:
    """Whether the file is intact and contains opaque pixels and nothing else, as our decoder writes it."""
    chunks = list(_chunks(data))
    whole = data[24:29] == OPAQUE and bool(chunks) and chunks[-1] == (b"IEND", len(data))
    return whole and PLAIN_CHUNKS.issuperset(name for name, _ in chunks)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield (name, end) of each chunk, up to the last or the first broken one."""
    at, name = len(SIGNATURE), b""
    while data.startswith(SIGNATURE) and at + 12 <= len(data) and name != b"IEND":
        length, name = struct.unpack(">I4s", data[at : at + 8])
        end = at + 12 + length
        if data[end - 4 : end] != struct.pack(">I", zlib.crc32(data[at + 4 : end - 4])):
            return
        yield name, end
        at = end
