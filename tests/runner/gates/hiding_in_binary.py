"""Places in Parquet and PNG where a message can hide. Each builds a file with one of two messages in it."""

import datetime as dt
import decimal
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.runner.gates import files
from tests.runner.gates.hiding import A, B, Case, Make


def either(bit: bool, one: Any = A, other: Any = B) -> Any:  # a message of one bit
    return one if bit else other


# Parquet


def table(**columns: object) -> pa.Table:
    return pa.table({"n": [120, 80], **columns})


def written(make: Callable[[bool], pa.Table], **options: Callable[[bool], object]) -> Make:
    return lambda bit: files.parquet(make(bit), **{name: option(bit) for name, option in options.items()})


def column(make: Callable[[bool], object]) -> Make:
    return written(lambda bit: table(c=make(bit)))


def dictionary(values: list[str], indices: list[int]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int8()), pa.array(values))


def from_bits(bits: list[int], kind: pa.DataType = pa.float64(), width: str = "uint64") -> pa.Array:  # noqa: B008
    return pa.Array.from_buffers(kind, len(bits), [None, pa.py_buffer(np.array(bits, width).tobytes())])


def footed(bit: bool) -> bytes:
    """Bytes between the last page and the footer, to which nothing points."""
    whole = files.parquet(table())
    footer = struct.unpack("<I", whole[-8:-4])[0] + 8
    return whole[:-footer] + str(either(bit)).encode() + whole[-footer:]


def created(bit: bool) -> bytes:
    whole = files.parquet(table())
    at = whole.rindex(b"parquet-cpp-arrow")
    return whole[:at] + str(either(bit)).encode() + whole[at + 6 :]


def with_metadata(bit: bool) -> pa.Table:
    return table().replace_schema_metadata(
        {"note": str(either(bit)), "pandas": json.dumps({"x": either(bit)})}
    )


def field(name: str = "c", kind: pa.DataType = pa.int64(), **options: object) -> pa.Table:  # noqa: B008
    return pa.table({name: pa.array([1, 2], kind)}, schema=pa.schema([pa.field(name, kind, **options)]))


MANY = pa.table({"n": list(range(70_000)), "t": [f"t{n % 50}" for n in range(70_000)]})
WHEN = pa.array([1, 2], pa.timestamp("us"))

PARQUET: list[Case] = [
    ("unused dictionary values", "gone", column(lambda bit: dictionary(["a", str(either(bit))], [0, 0]))),
    ("order of the dictionary", "gone", column(lambda bit: dictionary(*either(bit, (["a", "b"], [0, 1]), (["b", "a"], [1, 0]))))),
    ("a dictionary or none", "gone", column(lambda bit: dictionary(["a", "b"], [0, 1]) if bit else pa.array(["a", "b"]))),
    ("metadata of the file", "gone", written(with_metadata)),
    ("metadata of a column", "gone", written(lambda bit: field(metadata={"note": str(either(bit))}))),
    ("number of a column", "gone", written(lambda bit: field(metadata={"PARQUET:field_id": either(bit, "77", "42")}))),
    ("whether a column may be empty", "gone", written(lambda bit: field(nullable=bit))),
    ("a time zone that is none", "refused", column(lambda bit: WHEN.cast(pa.timestamp("us", str(either(bit)))))),
    ("an offset that is none", "refused", column(lambda bit: WHEN.cast(pa.timestamp("us", either(bit, "+77:42", "+42:77"))))),
    ("a time zone", "shown", column(lambda bit: WHEN.cast(pa.timestamp("us", either(bit, "Asia/Tokyo", "UTC"))))),
    ("a zone or none", "shown", column(lambda bit: WHEN.cast(pa.timestamp("us", "UTC")) if bit else WHEN)),
    ("bits of what is no number", "gone", column(lambda bit: from_bits([0x7FF8 << 48 | either(bit, 77, 42), 0]))),
    ("bits of what is no number, short", "gone", column(lambda bit: from_bits([0x7FC00000 | either(bit, 77, 42), 0], pa.float32(), "uint32"))),
    ("the sign of what is no number", "gone", column(lambda bit: from_bits([either(bit, 0x7FF8, 0xFFF8) << 48, 0]))),
    ("the sign of zero", "shown", column(lambda bit: [either(bit, 0.0, -0.0), 1.0])),
    ("groups of rows", "gone", written(lambda bit: MANY, row_group_size=lambda bit: either(bit, 1_000, 70_000))),
    ("pages", "gone", written(lambda bit: MANY, data_page_size=lambda bit: either(bit, 100, 2**20))),
    ("compression", "gone", written(lambda bit: MANY, compression=lambda bit: either(bit, "gzip", "snappy"))),
    ("level of compression", "gone", written(lambda bit: MANY, compression=lambda bit: "zstd", compression_level=lambda bit: either(bit, 1, 9))),
    ("encodings", "gone", written(lambda bit: MANY, use_dictionary=lambda bit: bit)),
    ("statistics", "gone", written(lambda bit: table(), write_statistics=lambda bit: bit)),
    ("page index", "gone", written(lambda bit: table(), write_page_index=lambda bit: bit)),
    ("checksums of pages", "gone", written(lambda bit: table(), write_page_checksum=lambda bit: bit)),
    ("version of pages", "gone", written(lambda bit: table(), data_page_version=lambda bit: either(bit, "1.0", "2.0"))),
    ("version of the format", "shown", written(lambda bit: table(c=pa.array([1, 2], pa.uint32())), version=lambda bit: either(bit, "1.0", "2.6"))),
    ("claims of order", "gone", written(lambda bit: table(), sorting_columns=lambda bit: [pq.SortingColumn(0, descending=bit)])),
    ("the schema of Arrow", "gone", written(lambda bit: table(), store_schema=lambda bit: bit)),
    ("the writer's name", "gone", created),
    ("bytes to which nothing points", "gone", footed),
    ("kinds of text", "gone", column(lambda bit: pa.array(["a", "b"], either(bit, pa.large_string(), pa.string_view())))),
    ("kinds of numbers", "shown", column(lambda bit: pa.array([1, 2], either(bit, pa.int16(), pa.uint32())))),
    ("nanoseconds", "shown", column(lambda bit: pa.array([either(bit, 77, 42), 0], pa.timestamp("ns")))),
    ("a moment that no calendar has", "shown", column(lambda bit: pa.array([2**62 + either(bit, 77, 42), 0], pa.timestamp("us")))),
    ("a time that no clock shows", "refused", column(lambda bit: pa.array([86_400_000_000 + either(bit, 77, 42), 0], pa.int64()).cast(pa.time64("us")))),
    ("a day far away", "shown", column(lambda bit: pa.array([2**30 + either(bit, 77, 42), 0], pa.int32()).cast(pa.date32()))),
    ("a duration", "shown", column(lambda bit: pa.array([dt.timedelta(microseconds=either(bit, 77, 42)), None], pa.duration("us")))),
    ("digits of a decimal", "shown", column(lambda bit: [decimal.Decimal(f"1.{'0' * 30}{either(bit, 77, 42)}"), None])),
    ("the scale of a decimal", "shown", column(lambda bit: pa.array([1, 2], pa.int64()).cast(pa.decimal128(30, either(bit, 3, 4))))),
    ("the precision of a decimal", "shown", column(lambda bit: pa.array([1, 2], pa.int64()).cast(pa.decimal128(either(bit, 30, 31), 2)))),
    ("the last digits of a number", "shown", column(lambda bit: [1.1234567890123 + either(bit, 77, 42) * 2**-52, 0.5])),
    ("a large whole number", "shown", column(lambda bit: [2**62 + either(bit, 77, 42), 0])),
    ("nothing or no text", "shown", column(lambda bit: ["a", either(bit, None, "")])),
    ("nothing or a word for it", "shown", column(lambda bit: ["a", either(bit, None, "missing")])),
    ("blanks at the end of a cell", "gone", column(lambda bit: ["a" + either(bit, "  ", " "), "b"])),
    ("blanks inside a cell", "gone", column(lambda bit: [f"a{either(bit, '   ', '  ')}b", "b"])),
    ("unusual blanks in a cell", "gone", column(lambda bit: [f"a{either(bit, chr(0xA0), chr(0x2009))}b", "b"])),
    ("composed letters in a cell", "gone", column(lambda bit: [either(bit, "\u00e9", "e\u0301"), "b"])),
    ("invisible characters in a cell", "shown", column(lambda bit: [f"a{either(bit, chr(0x200B), chr(0x200C))}", "b"])),
    ("invisible characters in a name", "shown", written(lambda bit: table(**{f"c{either(bit, chr(0xFE00), chr(0xFE01))}": [1, 2]}))),
    ("names of columns", "shown", written(lambda bit: table(**{str(either(bit)): [1, 2]}))),
    ("order of columns", "shown", written(lambda bit: pa.table(dict(either(bit, [("a", [1]), ("b", [2])], [("b", [2]), ("a", [1])]))))),
    ("names that are there twice", "refused", written(lambda bit: pa.table([[1], [either(bit, 77, 42)]], names=["a", "a"]))),
    ("columns beyond the first page", "shown", written(lambda bit: pa.table({f"c{n}": [n * either(bit, 77, 42)] for n in range(95, 230)}))),
    ("rows beyond the first page", "shown", written(lambda bit: pa.table({"n": [0] * 1200 + [either(bit, 77, 42)]}))),
    ("the end of a long cell", "shown", column(lambda bit: ["x" * 5000 + str(either(bit)), "b"])),
    ("the end of a very long cell", "shown", column(lambda bit: ["x" * 450_000 + str(either(bit)), "b"])),
    ("lists", "refused", column(lambda bit: [[either(bit)], []])),
    ("structs under nulls", "refused", column(lambda bit: pa.array([{"a": either(bit)}, None]))),
    ("bytes", "refused", column(lambda bit: [str(either(bit)).encode(), b""])),
    ("bytes of one length", "refused", column(lambda bit: pa.array([str(either(bit)).encode()] * 2, pa.binary(6)))),
    ("types of others", "refused", column(lambda bit: pa.ExtensionArray.from_storage(pa.uuid(), pa.array([str(either(bit)).encode() + bytes(10)] * 2, pa.binary(16))))),
    ("maps", "refused", column(lambda bit: pa.array([[("k", either(bit))], []], pa.map_(pa.string(), pa.string())))),
]  # fmt: skip


# PNG


def pixels(width: int, height: int, channels: int, fill: int = 255) -> np.ndarray:
    return np.full((height, width, channels), fill, "uint8")


def picture(body: np.ndarray, colour: int, *, more: bytes = b"", after: bytes = b"", depth: int = 8, level: int = 6, filters: int = 0, cut: int = 0) -> bytes:  # fmt: skip
    """A PNG of these bytes; every part that a writer may choose can be chosen."""
    height, width = body.shape[:2]
    lines = b"".join(bytes([filters]) + filtered(line.tobytes(), filters) for line in body)
    packed = zlib.compress(lines, level)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [packed[:cut], packed[cut:]] if cut else [packed]
    data = b"".join(files.chunk(b"IDAT", part) for part in parts)
    end = files.chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + files.chunk(b"IHDR", header) + more + data + end + after


def filtered(line: bytes, filters: int) -> bytes:
    if filters == 0:
        return line
    before = bytes(3) + line[:-3]
    return bytes((here - left) % 256 for here, left in zip(line, before, strict=True))


def chunked(name: bytes, make: Callable[[bool], bytes]) -> Make:
    return lambda bit: picture(pixels(4, 3, 3), 2, more=files.chunk(name, make(bit)))


def message(bit: bool) -> bytes:
    return str(either(bit)).encode()


def clear_pixels(bit: bool) -> bytes:
    body = pixels(4, 3, 4)
    body[0, :2, :] = [77 if bit else 42, 1, 2, 0]
    return picture(body, 6)


def faint_pixels(bit: bool) -> bytes:
    body = pixels(40, 30, 3)
    body[5, 7:9, 2] = [254, 255] if bit else [255, 254]
    return picture(body, 2)


def far_pixels(bit: bool) -> bytes:
    body = pixels(3300, 1700, 3)
    body[1690, 3290, :] = 0 if bit else 100
    return picture(body, 2)


def palette(entries: list[tuple[int, int, int]], index: int) -> bytes:
    colours = files.chunk(b"PLTE", bytes(value for entry in entries for value in entry))
    return picture(pixels(4, 3, 1, index), 3, more=colours)


def sixteen_bits(colour: int, channels: int) -> Make:
    def make(bit: bool) -> bytes:
        body = np.full((3, 4, channels), 0x8000 | (77 if bit else 42), ">u2").view("uint8").reshape(3, -1, 1)
        lines = b"".join(b"\0" + line.tobytes() for line in body)
        header = struct.pack(">IIBBBBB", 4, 3, 16, colour, 0, 0, 0)
        chunks = files.chunk(b"IHDR", header) + files.chunk(b"IDAT", zlib.compress(lines))
        return b"\x89PNG\r\n\x1a\n" + chunks + files.chunk(b"IEND", b"")

    return make


def animated(bit: bool) -> bytes:
    control = struct.pack(">IIIIIHHBB", 0, 4, 3, 0, 0, 1, 10, 0, 0)
    more = files.chunk(b"acTL", struct.pack(">II", 2, 0)) + files.chunk(b"fcTL", control)
    second = files.chunk(b"fcTL", struct.pack(">IIIIIHHBB", 1, 4, 3, 0, 0, 1, 10, 0, 0))
    frame = zlib.compress(b"".join(b"\0" + bytes([77 if bit else 42]) * 12 for _ in range(3)))
    whole = picture(pixels(4, 3, 3), 2, more=more)
    return whole[:-12] + second + files.chunk(b"fdAT", struct.pack(">I", 2) + frame) + whole[-12:]


def interlaced(bit: bool) -> bytes:
    if not bit:
        return picture(pixels(1, 1, 3), 2)
    header = files.chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 1))
    data = files.chunk(b"IDAT", zlib.compress(b"\0\xff\xff\xff"))
    return b"\x89PNG\r\n\x1a\n" + header + data + files.chunk(b"IEND", b"")


PNG: list[Case] = [
    ("colours under clear pixels", "gone", clear_pixels),
    ("colours of a clear key", "gone", lambda bit: picture(pixels(4, 3, 3, 77 if bit else 42), 2, more=files.chunk(b"tRNS", bytes([0, 77 if bit else 42] * 3)))),
    ("unused colours of a palette", "gone", lambda bit: palette([(9, 9, 9), (77 if bit else 42, 0, 0)], 0)),
    ("order of a palette", "gone", lambda bit: palette([(9, 9, 9), (1, 1, 1)], 0) if bit else palette([(1, 1, 1), (9, 9, 9)], 1)),
    ("text", "gone", chunked(b"tEXt", lambda bit: b"Comment\0" + message(bit))),
    ("packed text", "gone", chunked(b"zTXt", lambda bit: b"Comment\0\0" + zlib.compress(message(bit)))),
    ("text of the world", "gone", chunked(b"iTXt", lambda bit: b"Comment\0\0\0\0\0" + message(bit))),
    ("Exif", "gone", chunked(b"eXIf", lambda bit: b"MM\0*\0\0\0\x08\0\0" + message(bit))),
    ("the time", "gone", chunked(b"tIME", lambda bit: struct.pack(">HBBBBB", 2026, 1, 1, 1, 1, either(bit, 7, 42)))),
    ("the size of a pixel", "gone", chunked(b"pHYs", lambda bit: struct.pack(">IIB", either(bit, 77, 42), 1, 1))),
    ("gamma", "gone", chunked(b"gAMA", lambda bit: struct.pack(">I", either(bit, 77_000, 42_000)))),
    ("the colour of white", "gone", chunked(b"cHRM", lambda bit: struct.pack(">8I", *[either(bit, 77, 42)] * 8))),
    ("a colour profile", "gone", chunked(b"iCCP", lambda bit: b"p\0\0" + zlib.compress(message(bit)))),
    ("a rendering intent", "gone", chunked(b"sRGB", lambda bit: bytes([either(bit, 1, 2)]))),
    ("a background", "gone", chunked(b"bKGD", lambda bit: bytes([0, either(bit, 77, 42)] * 3))),
    ("significant bits", "gone", chunked(b"sBIT", lambda bit: bytes([either(bit, 7, 4)] * 3))),
    ("a suggested palette", "gone", chunked(b"sPLT", lambda bit: b"p\0\x08" + bytes([either(bit, 77, 42)] * 6))),
    ("a chunk of nobody", "gone", chunked(b"weIr", message)),
    ("bytes after the end", "gone", lambda bit: picture(pixels(4, 3, 3), 2, after=message(bit))),
    ("another picture after the end", "gone", lambda bit: picture(pixels(4, 3, 3), 2, after=picture(pixels(4, 3, 3, either(bit, 77, 42)), 2))),
    ("level of compression", "gone", lambda bit: picture(pixels(40, 30, 3), 2, level=either(bit, 0, 9))),
    ("filters of lines", "gone", lambda bit: picture(pixels(40, 30, 3), 2, filters=either(bit, 0, 1))),
    ("where the data is cut", "gone", lambda bit: picture(pixels(40, 30, 3), 2, cut=either(bit, 4, 7))),
    ("interlacing", "gone", interlaced),
    ("more pictures in time", "gone", animated),
    ("grey or coloured", "gone", lambda bit: picture(pixels(4, 3, 1), 0) if bit else picture(pixels(4, 3, 3), 2)),
    ("clear or not", "gone", lambda bit: picture(pixels(4, 3, 4), 6) if bit else picture(pixels(4, 3, 3), 2)),
    ("the lower half of 16 bits", "gone", sixteen_bits(2, 3)),
    ("the lower half of 16 bits of grey", "gone", sixteen_bits(0, 1)),
    ("differences that nobody sees", "shown", faint_pixels),
    ("a pixel that is lost in a smaller picture", "shown", far_pixels),
]  # fmt: skip
