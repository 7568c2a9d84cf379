"""What the gates cost for each megabyte in processor time, as a ratio to reading the file and hashing it.

`python benchmarks/gates.py`
"""

import hashlib
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from runner import gates  # noqa: E402 the project is not installed
from runner.contract import Limits  # noqa: E402

MIB = 2**20
ROUNDS = 5
TICK = 0.01
"""What os.times can tell apart."""
ENVIRONMENT = ROOT / ".environments" / "default"


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


def seconds(action: Callable[[], object]) -> float:
    """The median of a few rounds: processor time, that of sandboxes included, so that neighbours matter little."""
    taken = []
    for _ in range(ROUNDS):
        start = os.times()
        action()
        taken.append(sum(os.times()[:4]) - sum(start[:4]))
    return max(statistics.median(taken), TICK)


def gate(folder: Path, dest: Path) -> None:
    dirfd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        accepted, refused = gates.collect(dirfd, dest, Limits(), ENVIRONMENT)
    finally:
        os.close(dirfd)
    if refused:
        raise SystemExit(f"The gates refused {refused}.")
    for file in accepted:
        (dest / file.name).unlink()


def measure(name: str, make: Callable[[Path], None], room: Path) -> str:
    folder, dest = room / f"{name}.out", room / f"{name}.dest"
    folder.mkdir()
    dest.mkdir()
    file = folder / name
    make(file)
    size = file.stat().st_size / MIB
    plain = seconds(lambda: hashlib.sha256(file.read_bytes()).hexdigest())
    gated = seconds(lambda: gate(folder, dest))
    each = f"{1000 * gated / size:8.1f} ms/MB" if size > 1 else " " * 14
    times = f"read {1000 * plain:7.1f} ms  gates {1000 * gated:7.1f} ms"
    return f"{name:14} {size:6.1f} MB  {times} {each}  ratio {gated / plain:8.1f}"


def main() -> None:
    with tempfile.TemporaryDirectory() as room:
        for name, make in FILES.items():
            sys.stdout.write(measure(name, make, Path(room)) + "\n")


if __name__ == "__main__":
    main()
