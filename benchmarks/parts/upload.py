"""Upload of a CSV through the web server to a sealed revision, against DuckDB's CSV to Parquet on the same file."""

import statistics
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from django.urls import reverse
from pyarrow import csv

from benchmarks.browser import Visitor
from benchmarks.measuring import Goal, Measure, Of, Took, median, peak_memory_mb, processor_seconds, took
from benchmarks.surroundings import web_server
from datasets import execution, services
from datasets.models import Upload
from tests.makers import datasets as made

CHUNK = "application/offset+octet-stream"
COLUMNS = {
    "person": {"type": "integer", "is_subject": True, "nullable": False, "confirmed": True},
    "year": {"type": "integer", "lower": 1990, "upper": 1999, "confirmed": True},
    "region": {"type": "category", "categories": ["east", "north", "west"], "confirmed": True},
    "wage": {"type": "number", "lower": 0, "upper": 50_000, "confirmed": True},
    "hours": {"type": "number", "lower": 0, "upper": 100, "confirmed": True},
}


def measures(chosen: Namespace) -> Iterator[Measure]:
    sizes = [20_000] if chosen.quick else [1_000_000, *([10_000_000] if chosen.full else [])]
    with web_server() as (port, child), tempfile.TemporaryDirectory() as room:
        for rows in sizes:
            source = written(Path(room) / "people.csv", rows)
            yield from one(
                port, child.process.pid if child.process else 0, source, rows, 1 if rows > 10**6 else 3
            )


def written(path: Path, rows: int) -> Path:
    """Five columns as a survey has them."""
    draw = np.random.default_rng(1)
    regions = np.array(["east", "north", "west"])[draw.integers(0, 3, rows)]
    table = pa.table(
        {
            "person": draw.integers(0, rows // 5, rows),
            "year": draw.integers(1990, 2000, rows),
            "region": pa.array(regions),
            "wage": np.round(draw.random(rows) * 50_000, 2),
            "hours": np.round(draw.random(rows) * 100, 1),
        }
    )
    csv.write_csv(table, path)
    return path


def one(port: int, web: int, source: Path, rows: int, rounds: int) -> Iterator[Measure]:
    megabytes = source.stat().st_size / 2**20
    steps: list[list[Took]] = []
    floors = []
    held = peak_memory_mb(web)
    for _ in range(rounds):
        steps.append(lane(port, source))
        floors.append(took(partial(by_duckdb, source)))
    whole = median([Took(sum(s.wall for s in each), sum(s.cpu for s in each)) for each in steps])
    floor = median(floors)
    name = f"CSV of {rows:,} rows ({megabytes:.0f} MB)"
    yield Measure(
        name=f"{name} to a sealed revision",
        ours=megabytes / whole.wall * 1e3,
        unit="MB/s",
        floor=megabytes / floor.wall * 1e3,
        goal=Goal(limit=0.5, of=Of.RATIO, at_least=True),
        cpu=whole.cpu,
        floor_cpu=floor.cpu,
        note="floor: DuckDB; cpu without the web server's",
    )
    for place, step in enumerate(("chunks over HTTP", "reading", "publishing")):
        wall = statistics.median(each[place].wall for each in steps)
        yield Measure(name=f"  {step}", ours=wall, cpu=statistics.median(each[place].cpu for each in steps))
    goal = Goal(limit=64)
    yield Measure(
        name="  web server's memory grows by", ours=peak_memory_mb(web) - held, unit="MB", goal=goal
    )


def lane(port: int, source: Path) -> list[Took]:
    dataset = made.services.create(by=made.accounts.owner(), name=f"people_{processor_seconds():.6f}".replace(".", "_"),
                                   title="People")  # fmt: skip
    visitor = Visitor(port, dataset.owner)
    given = visitor.ask_json(
        "POST",
        reverse("datasets:begin_upload", args=[dataset.pk]),
        {"name": source.name, "size": source.stat().st_size},
    )
    upload = Upload.objects.get(pk=given["id"])
    arrived = took(partial(send, visitor, given, source))
    read = took(partial(execution.read_upload, upload.pk))
    upload.refresh_from_db()
    if (table := upload.table) is None:
        raise RuntimeError(upload.error)

    def publish() -> None:
        services.declare(table, by=dataset.owner, columns=COLUMNS, description="People by year.")
        services.publish(dataset, by=dataset.owner)

    return [arrived, read, took(publish)]


def send(visitor: Visitor, given: dict[str, Any], source: Path) -> None:
    offset = 0
    with source.open("rb") as stream:
        while chunk := stream.read(given["chunk"]):
            status, body = visitor.ask(
                "PATCH", given["url"], chunk, Content_Type=CHUNK, Upload_Offset=str(offset)
            )
            if status != 204:
                raise RuntimeError(f"A chunk was answered {status}: {body[:300]!r}")
            offset += len(chunk)


def by_duckdb(source: Path) -> None:
    with tempfile.TemporaryDirectory() as room, duckdb.connect() as base:
        base.execute(f"COPY (SELECT * FROM read_csv('{source}')) TO '{room}/t.parquet'")  # noqa: S608 our own
