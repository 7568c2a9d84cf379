"""Sorting in bounded memory writes the bytes that sorting in memory would: the same rows in the same order."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasets import columns
from datasets.columns import ColumnPlan, digest
from datasets.reading import subject_order

KEY = b"s" * 32
PLANS = (
    ColumnPlan(name="wage", lower=0, upper=100),
    ColumnPlan(name="region", labels=("east", "north"), constant=True),
    ColumnPlan(name="year", lower=1990, upper=2000, decimals=0),
    ColumnPlan(name="note", text=True),
    ColumnPlan(name="job", text=True, constant=True),
)


def table(rows: int, *, text_ids: bool) -> pa.Table:
    draw = np.random.default_rng(5)
    people = draw.integers(0, rows // 3, rows)
    empty = draw.random(rows) < 0.1
    return pa.table(
        {
            "person": pa.array([f"p{n}" for n in people] if text_ids else people, mask=empty),
            "wage": pa.array(
                np.where(draw.random(rows) < 0.05, np.nan, np.round(draw.random(rows) * 120, 1))
            ),
            "region": pa.array(draw.choice(["east", "north", "mars"], rows), mask=draw.random(rows) < 0.1),
            "year": pa.array(draw.integers(1985, 2005, rows)),
            "note": pa.array(
                [f"note {n} ü\n" for n in draw.integers(0, rows // 2, rows)], mask=draw.random(rows) < 0.1
            ),
            "job": pa.array(draw.choice(["a" * 300, "b"], rows)),
        }
    )


def in_memory(source: pa.Table, folder: Path) -> None:
    """The definition, with everything in memory at once."""
    ids = source["person"].to_pylist()
    hashes = np.full(len(ids), columns.seed_of(KEY), dtype=np.uint64)
    held = []
    for plan in PLANS:
        values = source[plan.name].to_pylist()
        if plan.text:
            codes = {
                text: place for place, text in enumerate(dict.fromkeys(v for v in values if v is not None))
            }
            numbers = np.array([codes.get(value, 0) for value in values], dtype=np.int32)
            valid = np.array([value is not None for value in values])
            bits = np.array(
                [0 if v is None else int.from_bytes(digest(v, KEY)[:8], "little") for v in values],
                dtype=np.uint64,
            )
            texts = ", ".join(json.dumps(text[: columns.MAX_TEXT]) for text in codes)
            (folder / f"{PLANS.index(plan)}.texts.json").write_text(f"[{texts}]")
        else:
            numbers, valid = columns.numbers(source[plan.name].combine_chunks(), plan)
            bits = numbers.astype(np.float64).view(np.uint64)
        hashes = columns.mixed(columns.mixed(hashes ^ bits) + valid)
        held.append((numbers, valid))
    kept = [row for row, person in enumerate(ids) if person is not None]
    order = sorted(kept, key=lambda row: (digest(ids[row], KEY), hashes[row], row))
    subjects = [digest(ids[row], KEY) for row in order]
    starts = [place for place, each in enumerate(subjects) if place == 0 or each != subjects[place - 1]]
    np.save(folder / "offsets.npy", np.array([*starts, len(order)], dtype=np.int64))
    bare = np.frombuffer(b"".join(subjects[place] for place in starts), dtype=np.uint8)
    np.save(folder / "digests.npy", bare.reshape(-1, columns.DIGEST_BYTES))
    leads = np.repeat([order[place] for place in starts], np.diff([*starts, len(order)]))
    for number, (plan, (numbers, valid)) in enumerate(zip(PLANS, held, strict=True)):
        place = leads if plan.constant else order
        np.save(folder / f"{number}.numbers.npy", numbers[place])
        np.save(folder / f"{number}.valid.npy", valid[place])


def contents(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.parametrize("text_ids", [False, True])
@pytest.mark.parametrize(("window", "chunk", "texts"), [(2**25, 2**20, 200_000), (701, 97, 10)])
def test_the_bytes_are_those_of_the_definition(tmp_path, monkeypatch, text_ids, window, chunk, texts):
    monkeypatch.setattr(subject_order, "WINDOW", window)
    monkeypatch.setattr(subject_order, "CHUNK", chunk)
    monkeypatch.setattr(subject_order, "KNOWN_TEXTS", texts)
    monkeypatch.setattr(subject_order, "BATCH_CELLS", 6 * 2048)
    rows = table(5_000, text_ids=text_ids)
    pq.write_table(rows, tmp_path / "rows.parquet", row_group_size=1_300)
    for name in ("defined", "sorted"):
        (tmp_path / name).mkdir()
    in_memory(rows, tmp_path / "defined")
    subject_order.write(tmp_path / "rows.parquet", "person", PLANS, KEY, tmp_path / "sorted")
    assert contents(tmp_path / "sorted") == contents(tmp_path / "defined")
    columns.check(tmp_path / "sorted", PLANS, most_rows=rows.num_rows)


def test_what_does_not_fit_into_memory_goes_to_disk_and_comes_out_the_same(tmp_path, monkeypatch):
    source = tmp_path / "rows.parquet"
    draw = np.random.default_rng(6)
    pq.write_table(pa.table({"person": draw.permutation(2_000_000), "wage": draw.random(2_000_000)}), source)
    plans = PLANS[:1]
    seen: dict[int, dict[str, str]] = {}
    for megabytes in (96, 1024):
        monkeypatch.setattr(subject_order, "MEMORY_MB", megabytes)
        folder = tmp_path / str(megabytes)
        folder.mkdir()
        subject_order.write(source, "person", plans, KEY, folder)
        seen[megabytes] = contents(folder)
    assert seen[96] == seen[1024]


def test_a_table_without_any_subject_is_empty(tmp_path):
    pq.write_table(
        pa.table({"person": pa.array([None, None], pa.int64()), "wage": [1.0, 2.0]}), tmp_path / "rows"
    )
    (tmp_path / "sorted").mkdir()
    subject_order.write(tmp_path / "rows", "person", PLANS[:1], KEY, tmp_path / "sorted")
    columns.check(tmp_path / "sorted", PLANS[:1], most_rows=2)
    assert columns.read(tmp_path / "sorted", PLANS[:1]).rows == 0
