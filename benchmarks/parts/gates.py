"""The cost of the output gates per megabyte, relative to reading and hashing the file."""

import hashlib
import json
import os
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measuring import Measure, compared, versus
from runner.contract import Limits
from runner.gates import collect
from runner.host.selftest import default_environment

MIB = 2**20


def csv_file(path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(110_000, 8))
    np.savetxt(path, rows, fmt="%.12f", delimiter=",", header=",".join("abcdefgh"), comments="")


def json_file(path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(50_000, 8)).round(9)
    path.write_text(json.dumps([dict(zip("abcdefgh", row, strict=True)) for row in rows.tolist()]))


def text_file(path: Path) -> None:
    path.write_text("A line of a log, as long as many of them are, number 000.\n" * 170_000)


def parquet_file(path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(8, 150_000))
    pq.write_table(pa.table(dict(zip("abcdefgh", rows, strict=True))), path)


def small_parquet_file(path: Path) -> None:
    pq.write_table(pa.table({"n": [120, 80]}), path)


FILES: dict[str, Callable[[Path], None]] = {
    "table.csv": csv_file,
    "values.json": json_file,
    "log.txt": text_file,
    "table.parquet": parquet_file,
    "small.parquet": small_parquet_file,
}


def measures(chosen: Namespace) -> Iterator[Measure]:
    with tempfile.TemporaryDirectory() as room:
        for name, make in FILES.items():
            yield measured(name, make, Path(room), 1 if chosen.quick else 7)


def measured(name: str, make: Callable[[Path], None], room: Path, rounds: int) -> Measure:
    folder, dest = room / f"{name}.out", room / f"{name}.dest"
    folder.mkdir()
    dest.mkdir()
    file = folder / name
    make(file)
    size = file.stat().st_size / MIB
    ours, floor = compared(partial(gate, folder, dest), partial(read, file), rounds)
    note = f"{size:.1f} MB, {ours.cpu / size:.1f} ms of cpu a MB" if size > 1 else ""
    return versus(f"gates for {name}", ours, floor, note=note)


def read(file: Path) -> None:
    hashlib.sha256(file.read_bytes()).hexdigest()


def gate(folder: Path, dest: Path) -> None:
    dirfd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        accepted, refused = collect.collect(dirfd, dest, Limits(), default_environment())
    finally:
        os.close(dirfd)
    if refused:
        raise RuntimeError(f"The gates refused {refused}.")
    for file in accepted:
        (dest / file.name).unlink()
