"""Files that a hostile author might write."""

import io
import struct
import zlib

import pyarrow as pa
import pyarrow.parquet as pq


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(
    width: int = 3, height: int = 2, *, more: bytes = b"", pixels: bytes | None = None, colour: int = 2
) -> bytes:
    """A picture; `more` are chunks before its pixels, `pixels` packed ones in place of the right ones."""
    if pixels is None:
        line = bytes(range(width * 3)) if width < 80 else bytes(width * 3)
        pixels = zlib.compress((b"\0" + line) * height)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + more + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def parquet(table: pa.Table | None = None, **options: object) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"a": [1, 2, 3]}) if table is None else table, out, **options)
    return out.getvalue()


def parquet_bomb(rows: int, width: int = 10_000) -> bytes:
    """A small file that repeats a long text `rows` times: 40 million of them would be 400 GB."""
    schema = pa.schema([("a", pa.dictionary(pa.int8(), pa.string()))])
    column = pa.DictionaryArray.from_arrays(
        pa.repeat(pa.scalar(0, pa.int8()), rows // 4), pa.array(["x" * width])
    )
    out = io.BytesIO()
    with pq.ParquetWriter(out, schema, compression="zstd", store_schema=False) as writer:
        for _ in range(4):
            writer.write_table(pa.table({"a": column}, schema=schema))
    return out.getvalue()
