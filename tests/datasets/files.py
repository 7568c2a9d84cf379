"""Files that people upload: good, broken and hostile ones."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

GOOD = b"person,year,wage,region\n1,1990,10.5,north\n1,1991,11,south\n2,1990,,north\n"


def write(folder: Path, content: bytes, name: str = "source.part") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def parquet(folder: Path, table: pa.Table, **options: object) -> Path:
    path = folder / "source.part"
    pq.write_table(table, path, **options)
    return path


def bomb(folder: Path, **options: object) -> Path:
    """Write a few hundred kilobytes of Parquet that unpack to 6.4 GB of text."""
    text = pa.array(["x" * 1_000_000])
    indices = pa.array([0] * 6_400, pa.int32())
    return parquet(folder, pa.table({"text": pa.DictionaryArray.from_arrays(indices, text)}), **options)


def many_rows(folder: Path) -> Path:
    """Write a small file that claims and contains 300 million rows of the same number."""
    schema = pa.schema([("n", pa.int64())])
    path = folder / "source.part"
    batch = pa.record_batch([pa.array([7], pa.int64()).take(pa.array([0] * 1_000_000))], schema=schema)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for _ in range(300):
            writer.write_batch(batch)
    return path
