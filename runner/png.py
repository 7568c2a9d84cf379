"""The outside of a PNG file: what it claims to be, read without decoding a pixel."""

import struct
import zlib
from dataclasses import dataclass

from runner.hostile import Refusal

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_SIDE = 10_000
MAX_PIXELS = 25_000_000
PLAIN_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})


@dataclass(frozen=True, slots=True)
class Size:
    width: int
    height: int


def size(data: bytes) -> Size:
    """What the header says, refused when it is no header or more than anybody would look at."""
    if not data.startswith(SIGNATURE) or data[12:16] != b"IHDR" or len(data) < 33:
        raise Refusal("This is not a PNG picture.")
    width, height = struct.unpack(">II", data[16:24])
    if width == 0 or height == 0:
        raise Refusal("The picture has no pixels.")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise Refusal(
            f"The picture has {width:,} by {height:,} pixels; "
            f"{MAX_SIDE:,} a side and {MAX_PIXELS:,} in all are the limit."
        )
    return Size(width, height)


def is_plain(data: bytes) -> bool:
    """Whether the file is whole and holds pixels and nothing else: what a decoder of ours has to have written."""
    if not data.startswith(SIGNATURE):
        return False
    at, name = len(SIGNATURE), b""
    while at + 12 <= len(data) and name != b"IEND":
        length, name = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        check = data[at + 8 + length : at + 12 + length]
        if name not in PLAIN_CHUNKS or check != struct.pack(">I", zlib.crc32(name + body)):
            return False
        at += 12 + length
    return name == b"IEND" and at == len(data)
