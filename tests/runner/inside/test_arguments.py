"""The types of columns in `main` follow from what is declared, so that they are the same on any rows."""

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runner.contract import BlockColumn, JobSpec, Limits, Status
from runner.executors.blocks import run_blocks
from runner.executors.bubblewrap import BubblewrapExecutor
from runner.host.selftest import default_environment

pytestmark = pytest.mark.sandbox

LARGE = 2**53 + 1
"""A float cannot hold it."""
CODE = """
def main(gaps, full):
    ids = gaps["whole"].dropna()
    return {
        "gaps": {name: str(kind) for name, kind in gaps.dtypes.items()},
        "full": {name: str(kind) for name, kind in full.dtypes.items()},
        "categories": [list(table["category"].cat.categories) for table in (gaps, full)],
        "ids": [int(number) for number in ids],
        "decade": int(gaps["date"].dt.year.iloc[0] // 10 * 10),
        "yes": int(gaps["yes"].sum()),
        "index": str(type(gaps.index).__name__),
    }
"""
DECLARED = {
    "whole": {"nullable": True},
    "code": {"nullable": False},
    "number": {"nullable": True},
    "yes": {"nullable": True},
    "category": {"nullable": True, "categories": ["low", "high", "never"]},
    "text": {"nullable": True},
    "date": {"nullable": True},
    "time": {"nullable": True},
}


def table(*, gaps: bool) -> pa.Table:
    none: list[None] = [None] if gaps else []
    return pa.table(
        {
            "whole": pa.array([LARGE, LARGE + 1, 3, *none], pa.int64()),
            "code": pa.array([1, 2, 3, *[4 for _ in none]], pa.int64()),
            "number": pa.array([1.5, 2.5, 3.0, *none], pa.float64()),
            "yes": pa.array([True, False, True, *none], pa.bool_()),
            "category": pa.array(["low", "high", "low" if gaps else "undeclared", *none], pa.string()),
            "text": pa.array(["a", "b", "c", *none], pa.string()),
            "date": pa.array(
                [dt.date(1985, 2, 3), dt.date(1400, 1, 1), dt.date(2020, 1, 1), *none], pa.date32()
            ),
            "time": pa.array([dt.datetime(2020, 1, 1, 10)] * 3 + none, pa.timestamp("us")),  # noqa: DTZ001
        }
    )


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_types_follow_from_the_declarations_whether_or_not_there_are_gaps(
    tmp_path: Path, suffix: str
) -> None:
    paths = {name: tmp_path / f"{name}.{suffix}" for name in ("gaps", "full")}
    for name, path in paths.items():
        content = table(gaps=name == "gaps")
        if suffix == "parquet":
            pq.write_table(content, path)
        else:
            with pa.ipc.new_file(path, content.schema) as writer:
                writer.write_table(content)
    out = tmp_path / "out"
    out.mkdir()
    spec = JobSpec(
        run_id="1",
        code=CODE,
        inputs=paths,
        out=out,
        environment=default_environment(),
        limits=Limits(wall_s=20, memory_mb=1024, output_mb=1),
        columns=dict.fromkeys(paths, DECLARED),
    )
    result = BubblewrapExecutor().run(spec)
    assert result.status is Status.SUCCEEDED, result.stderr
    found = json.loads((out / "result.json").read_text())
    assert found["gaps"] == found["full"]
    assert found["gaps"] == {
        "whole": "Int64",
        "code": "int64",
        "number": "float64",
        "yes": "boolean",
        "category": "category",
        "text": "str",
        "date": "datetime64[ms]",
        "time": "datetime64[us]",
    }
    assert found["categories"] == [["low", "high", "never"], ["low", "high", "never", "undeclared"]]
    assert found["ids"] == [LARGE, LARGE + 1, 3]
    assert (found["decade"], found["yes"], found["index"]) == (1980, 2, "RangeIndex")


FACTS = """
import json
def facts(t):
    return {
        "types": {name: repr(kind) for name, kind in t.dtypes.items()},
        "labels": [*t.category.cat.categories, repr(t.category.cat.categories.dtype), t.category.cat.ordered],
        "cells": {name: [str(value) for value in t[name]] for name in t},
        "index": repr(t.index),
    }
"""
IN_A_RUN = "def main(t):\n    return facts(t)\n"
IN_A_BLOCK = "def main(t):\n    raise ValueError('facts: ' + json.dumps(facts(t)))\n"


@pytest.mark.parametrize("gap", [False, True])
@pytest.mark.parametrize("nullable", [False, True])
def test_a_block_is_the_table_that_a_run_gets(tmp_path: Path, *, nullable: bool, gap: bool) -> None:
    """With a gap only where one is declared: a run also allows for gaps that are not."""
    missing = np.array([False, True, False]) if gap and nullable else np.zeros(3, bool)
    days = np.array(["1985-02-03", "1400-01-01", "2020-01-01"], "M8[D]")
    block: dict[str, BlockColumn] = {
        "whole": BlockColumn(values=np.array([LARGE, 2, 3]), kind="whole"),
        "small": BlockColumn(values=np.array([1, -2, 3], np.int8), kind="whole"),
        "number": BlockColumn(values=np.array([1.5, 2.5, 1e300]), kind="number"),
        "single": BlockColumn(values=np.array([1.5, 2.5, 0.1], np.float32), kind="number"),
        "yes": BlockColumn(values=np.array([True, False, True]), kind="boolean"),
        "category": BlockColumn(values=np.array([1, 0, 1]), kind="category", labels=("low", "high", "never")),
        "day": BlockColumn(values=days, kind="date"),
        "time": BlockColumn(values=days.astype("M8[us]") + 1, kind="date"),
    }
    if nullable:
        block = {name: replace(each, missing=missing) for name, each in block.items()}
    texts = np.array(["low", "high", "never"], object)
    cells = {
        name: pa.array(texts[each.values] if each.kind == "category" else each.values, mask=missing)
        for name, each in block.items()
    }
    pq.write_table(pa.table(cells), tmp_path / "t.parquet")
    (tmp_path / "out").mkdir()
    declared: dict[str, dict[str, object]] = {name: {"nullable": nullable} for name in block}
    declared["category"] |= {"categories": list(texts)}
    spec = JobSpec(
        run_id="1",
        code=FACTS + IN_A_RUN,
        inputs={"t": tmp_path / "t.parquet"},
        out=tmp_path / "out",
        environment=default_environment(),
        limits=Limits(wall_s=20, memory_mb=1024, output_mb=1),
        columns={"t": declared},
    )
    result = BubblewrapExecutor().run(spec)
    assert result.status is Status.SUCCEEDED, result.stderr
    in_a_run = json.loads((tmp_path / "out" / "result.json").read_text())
    limits = Limits(wall_s=20, cpu_s=10, memory_mb=128)
    _, report = run_blocks(FACTS + IN_A_BLOCK, [block], 1, limits, explain=True)
    in_a_block = json.loads(report.tracebacks[0].partition("ValueError: facts: ")[2])
    assert in_a_block == in_a_run
    assert in_a_block["types"]["whole"] == ("Int64Dtype()" if nullable else "dtype('int64')")
    assert in_a_block["types"]["small"] == ("Int8Dtype()" if nullable else "dtype('int8')")


def test_a_block_without_rows_has_the_same_types() -> None:
    block = {
        "whole": BlockColumn(values=np.zeros(0, np.int64), kind="whole", missing=np.zeros(0, bool)),
        "category": BlockColumn(values=np.zeros(0, np.int64), kind="category", labels=("low",)),
    }
    limits = Limits(wall_s=20, cpu_s=10, memory_mb=128)
    _, report = run_blocks(FACTS + IN_A_BLOCK, [block], 1, limits, explain=True)
    found = json.loads(report.tracebacks[0].partition("ValueError: facts: ")[2])
    assert found["types"]["whole"] == "Int64Dtype()"
    assert found["types"]["category"].startswith("CategoricalDtype(categories=['low']")
    assert found["index"] == "RangeIndex(start=0, stop=0, step=1)"
