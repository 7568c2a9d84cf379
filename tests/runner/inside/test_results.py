"""What `main` returns is written, whatever pandas and its neighbours make of a table, and keeps its meaning."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from runner.contract import JobResult, JobSpec, Limits, Status
from runner.executors.bubblewrap import BubblewrapExecutor
from runner.gates import decode
from runner.host.selftest import default_environment

pytestmark = pytest.mark.sandbox

LIMITS = Limits(wall_s=120, cpu_s=120, memory_mb=2048, pids=32, output_mb=4, output_files=100, log_mb=0.1)
GATE = (
    "runner.contract",
    "runner.plain_text",
    "runner.gates.refusal",
    "runner.gates.png",
    "runner.gates.contents",
    "runner.gates.strict_json",
    "runner.inside.decode_tables",
)
"""What a file has to pass, in the order of imports."""


def run(tmp_path: Path, code: str) -> JobResult:
    out = tmp_path / "out"
    out.mkdir()
    spec = JobSpec(
        run_id="1", code=code, inputs={}, out=out, environment=default_environment(), limits=LIMITS
    )
    return BubblewrapExecutor().run(spec)


def test_every_kind_of_result_of_every_type_of_column_is_written_and_passes_the_gate(tmp_path: Path) -> None:
    sources = [
        f"{decode.REGISTER}({name!r}, '__path__ = []')"
        for name in ("runner", "runner.gates", "runner.inside")
    ]
    sources += [f"{decode.REGISTER}({name!r}, {decode._source(name)!r})" for name in GATE]
    kinds = Path(__file__).with_name("kinds_of_results.py").read_text(encoding="utf-8")
    result = run(tmp_path, "\n".join([decode.DEFINE, *sources, kinds]))
    assert result.status is Status.SUCCEEDED, result.stderr
    found = json.loads((tmp_path / "out" / "result.json").read_text())
    assert found["wrong"] == {}
    assert found["tried"] > 600
    assert len(found["impossible"]) < 40


SOME = """
import pandas as pd

def main():
    nan = float("nan")
    table = pd.DataFrame({"region": ["north", "north", "south"], "age": [20, 40, 70], "income": [1.0, nan, 3.0]})
    ages = table.groupby(pd.cut(table["age"], [0, 30, 120]), observed=True)["income"].sum()
    return {
        "ages": ages,
        "Einkommen (€) über alles": table["income"],
        "same": pd.DataFrame([[1, "a", 2.5]], columns=["n", "n", "n"]),
        "levels": table.pivot_table(index=["region", "age"], columns="region", values="income", aggfunc=["sum"]),
        "margins": pd.crosstab(table["age"], table["region"], margins=True),
        "nested": {"all": {"n": 3, "mean": table.groupby("region")["income"].mean()}},
        "twice": {"by": pd.Series([1, 2], index=["a", "a"]), "missing": [float("nan"), pd.NA, pd.NaT, float("inf")]},
        "text": "line one\\nline two",
        "ids": pd.Series([2**53 + 1, None], dtype="Int64"),
    }
"""


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("some")
    result = run(folder, SOME)
    assert result.status is Status.SUCCEEDED, result.stderr
    assert len(result.outputs) == 10
    return folder / "out"


def rows(path: Path) -> dict[str, list[object]]:
    found: dict[str, list[object]] = pq.read_table(path).to_pydict()
    return found


def test_labels_of_rows_and_columns_are_kept(some: Path) -> None:
    assert rows(some / "ages.parquet") == {"age": ["(0, 30]", "(30, 120]"], "income": [1.0, 3.0]}
    assert rows(some / "margins.parquet") == {
        "age": ["20", "40", "70", "All"],
        "north": [1, 1, 0, 2],
        "south": [0, 0, 1, 1],
        "All": [1, 1, 1, 3],
    }
    assert list(rows(some / "levels.parquet")) == ["region", "age", "sum north", "sum south"]
    assert rows(some / "same.parquet") == {"n": [1], "n (2)": ["a"], "n (3)": [2.5]}
    assert json.loads((some / "nested.json").read_text()) == {
        "all": {"n": 3, "mean": {"north": 1.0, "south": 3.0}}
    }
    assert json.loads((some / "twice.json").read_text()) == {
        "by": [{"index": "a", "value": 1}, {"index": "a", "value": 2}],
        "missing": [None, None, None, None],
    }


def test_whole_numbers_with_gaps_stay_exact(some: Path) -> None:
    assert rows(some / "ids.parquet") == {"value": [2**53 + 1, None]}


def test_texts_are_text_files(some: Path) -> None:
    assert (some / "text.txt").read_text() == "line one\nline two\n"


def test_names_that_files_cannot_have_are_told(some: Path) -> None:
    file = "Einkommen-uber-alles.parquet"
    assert json.loads((some / "names.json").read_text()) == {file: "Einkommen (€) über alles"}
    assert (some / file).is_file()


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("def main():\n    x = 1\n    return {'n': 1, 'model': object()}\n", 3),
        (
            "def helper():\n    return 1\n\ndef main():\n    if helper():\n        return object()\n    return 2\n",
            4,
        ),
        (
            "class Odd:\n    def __str__(self):\n        raise KeyError\n\ndef main():\n    return {Odd(): 1}\n",
            3,
        ),
    ],
    ids=["one return", "several returns", "in the author's class"],
)
def test_what_cannot_be_written_is_told_with_a_line(tmp_path: Path, code: str, line: int) -> None:
    result = run(tmp_path, code)
    assert (result.code, result.error_line) == ("EXCEPTION", line)
    assert "main() returned" in result.stderr
