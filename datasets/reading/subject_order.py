"""Writes a table in subject order, in bounded memory whatever its number of rows. Pure; runs in the sandbox.

DuckDB sorts the row numbers by their keys, on disk if memory is short. The columns are then written in that order, one
window of the table at a time. columns.py describes the result.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datasets import columns
from datasets.columns import DIGEST_BYTES, MAX_TEXT, MOST_ROWS, ColumnPlan, Hashes, Integers, digest
from datasets.reading import engine

MEMORY_MB = 512
BATCH_CELLS = 4_000_000
WINDOW = 2**25
"""The rows of a column that are in memory at a time: 256 MB of numbers."""
CHUNK = 2**20
KNOWN_TEXTS = 200_000
SPILL_BYTES = 96
HASHES = (("hash", pa.uint64()), ("by_dates", pa.uint64()))
"""The bytes per row that sorting may write: keys, order, and what DuckDB needs to merge them."""
Progress = Callable[[float], None]
Values = tuple[npt.NDArray[np.generic], npt.NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class Layout:
    """The table while its columns are written: its file, the folder for temporary files, and the rows to write."""

    source: Path
    spill: Path
    kept: int
    """The number of rows that are written: those that have a subject, without those that are cut."""

    def batches(self, names: list[str]) -> Iterator[pa.RecordBatch]:
        rows = max(2048, BATCH_CELLS // max(len(names), 1) // 2048 * 2048)
        with pq.ParquetFile(self.source, pre_buffer=False, buffer_size=1024 * 1024) as file:
            yield from file.iter_batches(batch_size=rows, columns=names, use_threads=False)


def write(
    source: Path,
    subject: str,
    plans: Sequence[ColumnPlan],
    key: bytes,
    folder: Path,
    *,
    progress: Progress = lambda share: None,
) -> None:
    """Write a sealed Parquet table as columns into an existing empty folder."""
    spill = folder / "spill"
    spill.mkdir(mode=0o700)
    layout = Layout(source, spill, 0)
    with _database(spill) as database:
        _digest_subjects(database, source, subject, key)
        progress(0.1)
        kept = _order(database, layout, subject, plans, key)
        progress(0.5)
        layout = Layout(source, spill, kept)
        for raw, kind, shape in (("offsets", np.int64, ()), ("digests", np.uint8, (DIGEST_BYTES,))):
            _as_npy(spill / raw, folder / f"{raw}.npy", np.dtype(kind), shape)
        for number, plan in enumerate(plans):
            found = _texts(database, layout, plan, folder / f"{number}.texts.json") if plan.text else None
            _write_column(layout, plan, found or _numbers(layout, plan), folder, number)
            progress(0.5 + 0.5 * (number + 1) / len(plans))
    shutil.rmtree(spill)


def _database(spill: Path) -> duckdb.DuckDBPyConnection:
    """Open a database that spills to disk when it reaches its memory limit."""
    database = engine.connect(memory_mb=MEMORY_MB)
    database.execute(f"SET temp_directory={engine.literal(str(spill / 'duckdb'))}")
    database.execute("SET max_temp_directory_size='1000000GB'")  # the sandbox limits the folder
    return database


def some_digests(source: Path, subject: str, key: bytes, most: int) -> list[bytes]:
    """Return the digests of at most `most` different ids of a table, spread over all of them."""
    ids = pc.unique(pq.read_table(source, columns=[subject]).column(0)).drop_null()
    chosen = np.linspace(0, len(ids) - 1, min(most, len(ids))).astype(np.int64)
    return [digest(value, key) for value in ids.take(pa.array(chosen)).to_pylist()]


# The order


def _digest_subjects(database: duckdb.DuckDBPyConnection, source: Path, subject: str, key: bytes) -> None:
    """Make a table of a digest for each different id, as two numbers that sort like the bytes of the digest."""
    it = engine.name(subject)
    relation = f"read_parquet({engine.literal(str(source))}, hive_partitioning=false)"
    writer = database.cursor()
    kind = f"SELECT {it} AS id, 0::UBIGINT AS high, 0::UBIGINT AS low FROM {relation} LIMIT 0"  # noqa: S608 -- quoted
    writer.execute(f"CREATE TABLE subjects AS {kind}")
    found = database.sql(f"SELECT DISTINCT {it} AS id FROM {relation} WHERE {it} IS NOT NULL")  # noqa: S608 -- quoted
    for batch in found.to_arrow_reader(CHUNK):
        known = b"".join(digest(value, key) for value in batch.column(0).to_pylist())
        halves = np.frombuffer(known, dtype=">u8").astype(np.uint64).reshape(-1, 2)
        named = pa.table({"id": batch.column(0), "high": halves[:, 0], "low": halves[:, 1]})
        writer.register("named", named)
        writer.execute("INSERT INTO subjects SELECT * FROM named")
        writer.unregister("named")


def _order(
    database: duckdb.DuckDBPyConnection,
    layout: Layout,
    subject: str,
    plans: Sequence[ColumnPlan],
    key: bytes,
) -> int:
    """Write the row numbers in subject order, the offset of each subject, and the digests. Return how many rows."""
    schema = pa.schema([("id", _type_of(layout.source, subject)), ("row", pa.int64()), *HASHES])
    keyed = pa.RecordBatchReader.from_batches(schema, _keyed(layout, subject, plans, key, schema))
    database.register("keyed", keyed)
    in_order = database.sql(
        "SELECT high, low, row FROM keyed JOIN subjects USING (id) ORDER BY high, low, hash, by_dates, row"
    )
    writer = database.cursor()
    writer.execute("CREATE TABLE cut (row BIGINT)")
    with Notes(layout.spill) as notes:
        for batch in in_order.to_arrow_reader(CHUNK):
            cut = notes.add(*(np.asarray(column) for column in batch.columns))
            if len(cut):
                writer.register("beyond", pa.table({"row": cut}))
                writer.execute("INSERT INTO cut SELECT * FROM beyond")
                writer.unregister("beyond")
    database.unregister("keyed")
    database.execute("DROP TABLE subjects")
    return notes.rows


def _type_of(source: Path, name: str) -> pa.DataType:
    return pq.read_schema(source).field(name).type


def _keyed(
    layout: Layout, subject: str, plans: Sequence[ColumnPlan], key: bytes, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """Yield each row's subject, number, and keyed hashes of its values in all planned columns.

    An earlier format did not store dates. With a hash of their own they decide only between rows that are otherwise
    equal, so everybody's first value of a constant column is still the one that earlier answers were charged for.
    """
    digests: dict[str, int] = {}
    start = 0
    names = list(dict.fromkeys([subject, *(plan.name for plan in plans)]))
    for batch in layout.batches(names):
        hashes, by_dates = (np.full(batch.num_rows, columns.seed_of(key), dtype=np.uint64) for _ in HASHES)
        for plan in plans:
            held = batch.column(plan.name)
            bits, valid = _bits(held, plan, key, digests)
            if pa.types.is_date(held.type):
                by_dates = columns.mixed(columns.mixed(by_dates ^ bits) + valid)
            else:
                hashes = columns.mixed(columns.mixed(hashes ^ bits) + valid)
        rows = np.arange(start, start + batch.num_rows)
        start += batch.num_rows
        content = [batch.column(subject), *map(pa.array, (rows, hashes, by_dates))]
        yield pa.record_batch(content, schema=schema)


def _bits(
    content: pa.Array, plan: ColumnPlan, key: bytes, digests: dict[str, int]
) -> tuple[Hashes, npt.NDArray[np.bool_]]:
    if not plan.text:
        values, valid = columns.numbers(content, plan)
        return values.astype(np.float64).view(np.uint64), valid
    coded = pc.dictionary_encode(content)
    known = [_digest_of(text, key, digests) for text in coded.dictionary.to_pylist()]
    table = np.array([*known, 0], dtype=np.uint64)
    return table[np.asarray(coded.indices.fill_null(-1))], np.asarray(coded.is_valid())


def _digest_of(text: str, key: bytes, digests: dict[str, int]) -> int:
    """Return the first eight bytes of a text's digest, cached for at most KNOWN_TEXTS texts."""
    if (found := digests.get(text)) is None:
        if len(digests) >= KNOWN_TEXTS:
            digests.clear()
        found = digests[text] = int.from_bytes(digest(text, key)[:8], "little")
    return found


class Notes:
    """Writes the order as it arrives: rows, the first row of each row's subject, offsets and digests.

    Only the first MOST_ROWS rows of each subject are kept: rows that are never counted must not take time.
    """

    def __init__(self, spill: Path) -> None:
        self.files = {name: (spill / name).open("wb") for name in ("order", "leads", "offsets", "digests")}
        self.rows = 0
        self.last = (-1, -1)
        self.lead, self.run = 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.files["offsets"].write(np.array([self.rows], dtype=np.int64).tobytes())
        for file in self.files.values():
            file.close()

    def add(self, high: Hashes, low: Hashes, rows: Integers) -> Integers:
        """Write the next rows. Return those that are cut."""
        begins = np.ones(len(rows), dtype=bool)
        begins[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
        begins[0] = (int(high[0]), int(low[0])) != self.last
        starts, places = np.flatnonzero(begins), np.arange(len(rows))
        behind = np.maximum.accumulate(np.where(begins, places, -1))
        leads = np.where(behind >= 0, rows[behind], self.lead)
        kept = places - np.where(behind >= 0, behind, -self.run) < MOST_ROWS
        before = np.cumsum(kept, dtype=np.int64) - kept.astype(np.int64)
        halves = np.stack([high[starts], low[starts]], axis=1).astype(">u8")
        self.files["order"].write(rows[kept].astype(np.int64).tobytes())
        self.files["leads"].write(leads[kept].astype(np.int64).tobytes())
        self.files["offsets"].write((before[starts] + self.rows).astype(np.int64).tobytes())
        self.files["digests"].write(halves.tobytes())
        self.rows += int(kept.sum())
        self.run = len(rows) - int(starts[-1]) if len(starts) else self.run + len(rows)
        self.last, self.lead = (int(high[-1]), int(low[-1])), int(leads[-1])
        return rows[~kept].astype(np.int64)


def _as_npy(raw: Path, target: Path, kind: np.dtype[np.generic], inner: tuple[int, ...]) -> None:
    """Convert a file of raw values to a .npy file."""
    count = raw.stat().st_size // kind.itemsize // max(int(np.prod(inner, dtype=np.int64)), 1)
    with raw.open("rb") as values, target.open("wb") as file:
        file.write(columns.header(kind, (count, *inner)))
        shutil.copyfileobj(values, file, 2**20)
    raw.unlink()


# The columns


def _numbers(layout: Layout, plan: ColumnPlan) -> Iterator[Values]:
    for batch in layout.batches([plan.name]):
        yield columns.numbers(batch.column(0), plan)


def _texts(
    database: duckdb.DuckDBPyConnection, layout: Layout, plan: ColumnPlan, listed: Path
) -> Iterator[Values]:
    """Write a column's different texts into a file, in order of first occurrence; then yield every row's code."""
    source = f"read_parquet({engine.literal(str(layout.source))}, hive_partitioning=false)"
    numbered = f"SELECT row_number() OVER () AS place, {engine.name(plan.name)} AS cell FROM {source}"  # noqa: S608 -- quoted
    database.execute(
        f"CREATE OR REPLACE TABLE texts AS SELECT cell, min(place) AS first FROM ({numbered}) "  # noqa: S608 -- quoted
        "WHERE cell IS NOT NULL AND place - 1 NOT IN (SELECT row FROM cut) GROUP BY cell"
    )
    database.execute("CREATE OR REPLACE TABLE codes (cell VARCHAR, code INTEGER)")
    writer, count = database.cursor(), 0
    with listed.open("w") as file:
        file.write("[")
        for batch in database.sql("SELECT cell FROM texts ORDER BY first").to_arrow_reader(CHUNK):
            texts = (json.dumps(text[:MAX_TEXT]) for text in batch.column(0).to_pylist())
            file.write((", " if count else "") + ", ".join(texts))
            coded = pa.table({"cell": batch.column(0), "code": np.arange(count, count + batch.num_rows)})
            writer.register("coded", coded)
            writer.execute("INSERT INTO codes SELECT * FROM coded")
            writer.unregister("coded")
            count += batch.num_rows
        file.write("]")
    database.execute("DROP TABLE texts")
    return _coded(database, numbered)


def _coded(database: duckdb.DuckDBPyConnection, numbered: str) -> Iterator[Values]:
    found = database.sql(f"SELECT code FROM ({numbered}) LEFT JOIN codes USING (cell) ORDER BY place")  # noqa: S608 -- quoted
    for batch in found.to_arrow_reader(CHUNK):
        codes = batch.column(0)
        yield np.asarray(codes.fill_null(0)).astype(np.int32), np.asarray(codes.is_valid())


def _write_column(
    layout: Layout, plan: ColumnPlan, values: Iterator[Values], folder: Path, number: int
) -> None:
    """Write a column, which is read in the table's order, into its two files in subject order."""
    order = layout.spill / ("leads" if plan.constant else "order")
    kinds = (columns.stored(plan), np.dtype(bool))
    goals = [folder / f"{number}.{part}.npy" for part in ("numbers", "valid")]
    heads = [columns.header(kind, (layout.kept,)) for kind in kinds]
    for goal, head, kind in zip(goals, heads, kinds, strict=True):
        with goal.open("wb") as file:
            file.write(head)
            file.truncate(len(head) + layout.kept * kind.itemsize)
    for start, *parts in _windows(values, kinds, WINDOW):
        for goal, head, part in zip(goals, heads, parts, strict=True):
            _scatter(order, start, part, goal, len(head))


def _windows(
    values: Iterator[Values], kinds: tuple[np.dtype[np.generic], np.dtype[np.bool_]], size: int
) -> Iterator[tuple[int, npt.NDArray[np.generic], npt.NDArray[np.bool_]]]:
    """Yield the values in windows of `size` rows: (number of the first row, numbers, valid)."""
    start, filled = 0, 0
    numbers, valid = np.empty(size, kinds[0]), np.empty(size, kinds[1])
    for fresh, there in values:
        taken = 0
        while taken < len(fresh):
            part = min(size - filled, len(fresh) - taken)
            numbers[filled : filled + part] = fresh[taken : taken + part]
            valid[filled : filled + part] = there[taken : taken + part]
            filled, taken = filled + part, taken + part
            if filled == size:
                yield start, numbers, valid
                start, filled = start + size, 0
    if filled:
        yield start, numbers[:filled], valid[:filled]


def _scatter(order: Path, start: int, part: npt.NDArray[np.generic], goal: Path, head: int) -> None:
    """Write the values of one window of the table to their places in the order."""
    width = part.dtype.itemsize
    with order.open("rb") as rows, goal.open("r+b") as file:
        file.seek(head)
        while len(wanted := np.fromfile(rows, dtype=np.int64, count=CHUNK)):
            place = file.tell()
            inside = (wanted >= start) & (wanted < start + len(part))
            if inside.all():
                file.write(part[wanted - start].tobytes())
                continue
            old = np.frombuffer(file.read(len(wanted) * width), dtype=part.dtype).copy()
            old[inside] = part[wanted[inside] - start]
            file.seek(place)
            file.write(old.tobytes())
