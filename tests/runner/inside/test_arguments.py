"""The types of columns in `main` follow from what is declared, so that they are the same on any rows."""

import datetime as dt
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runner.contract import JobSpec, Limits, Status
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
