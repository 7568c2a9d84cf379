"""Submitted code that writes every kind of result, made of every type of column, and judges the files as the gate does.

It runs in the sandbox, after the sources of the gate, and returns what went wrong with each result.
"""

import datetime as dt
import decimal
import itertools
import tempfile
import traceback
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import scipy.sparse
import scipy.stats
import statsmodels.formula.api as smf

from runner import plain_text
from runner.gates import contents, strict_json
from runner.inside import decode_tables

ROWS = 12
EVERY_COLUMN = {
    "whole": range(ROWS),
    "whole with gaps": pd.array([None, *range(2**53, 2**53 + ROWS - 1)], dtype="Int64"),
    "number": np.linspace(-1, 1, ROWS),
    "number with gaps": [np.nan, np.inf, *range(ROWS - 2)],
    "yes or no": [True, False] * (ROWS // 2),
    "yes or no with gaps": pd.array([True, None] * (ROWS // 2), dtype="boolean"),
    "text": ["a", "b\n", "ü", "\u200b"] * (ROWS // 4),
    "text with gaps": pd.array(["a", None] * (ROWS // 2), dtype="str"),
    "category": pd.Categorical(["low", "high", None] * (ROWS // 3), categories=["low", "high", "never"]),
    "category of numbers": pd.Categorical([1, 2, 3] * (ROWS // 3)),
    "category of times": pd.Categorical(pd.date_range("2020-01-01", periods=ROWS)),
    "date": pd.date_range("1500-01-01", periods=ROWS).astype("datetime64[s]"),
    "date with gaps": pd.to_datetime(["2020-01-01", None] * (ROWS // 2)),
    "time with zone": pd.date_range("2020-01-01", periods=ROWS, tz="Europe/Berlin"),
    "time with offset": pd.date_range("2020-01-01", periods=ROWS, tz=dt.timezone(dt.timedelta(hours=2))),
    "date as object": [dt.date(2020, 1, 1), None] * (ROWS // 2),
    "time of day": [dt.time(10, 30)] * ROWS,
    "duration": pd.to_timedelta(range(ROWS), unit="D"),
    "period": pd.period_range("2020-01", periods=ROWS, freq="M"),
    "interval": pd.interval_range(0, ROWS),
    "interval from cut": pd.cut(np.arange(ROWS), 3),
    "quantile": pd.qcut(np.arange(ROWS), 4),
    "mixed": [1, "two", None, 4.5, pd.Timestamp("2020-01-01"), True] * (ROWS // 6),
    "half a character": pd.Series(["\ud800", "a"] * (ROWS // 2), dtype=object),
    "words and numbers": [1, "two"] * (ROWS // 2),
    "decimal": [decimal.Decimal("1.50")] * ROWS,
    "complex": np.arange(ROWS) * 1j,
    "list": [[1, "two"], []] * (ROWS // 2),
    "dict": [{"n": np.int64(1)}] * ROWS,
    "bytes": [b"\xff\x00"] * ROWS,
    "sparse": pd.arrays.SparseArray([0, 0, 1] * (ROWS // 3)),
    "small float": np.arange(ROWS, dtype="float16"),
    "large whole": np.array([2**64 - 1] * ROWS, dtype="uint64"),
    "beyond whole": [10**30] * ROWS,
    "missing": [None] * ROWS,
    "array of arrow": pd.array([1, None] * (ROWS // 2), dtype="int64[pyarrow]"),
    "list of arrow": pd.Series([[1]] * ROWS, dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
}
PAIRS = [1, 2] * (ROWS // 2)


class Point(NamedTuple):
    n: object
    mean: object


def columns():
    return {name: pd.Series(values, name=name) for name, values in EVERY_COLUMN.items()}


def of_one_column(column):
    """Return how to make the results that a column can be in. pandas itself cannot make each of them of every type."""
    return {
        "series": lambda: column,
        "frame": column.to_frame,
        "index": lambda: pd.Series(range(ROWS), index=pd.Index(column, name="by")),
        "list in a dict": lambda: {"n": 3, "values": list(column)},
        "series in a dict in a dict": lambda: {"group": {"n": 3, "values": column}},
        "labels in a dict in a dict": lambda: {
            "group": {"n": 3, "values": column.value_counts(dropna=False)}
        },
        "frame in a dict in a dict": lambda: {"group": {"n": 3, "rows": column.to_frame()}},
        "as keys": lambda: dict.fromkeys(column, 1),
        "array": column.to_numpy,
        "in columns": lambda: pd.DataFrame([range(ROWS)], columns=pd.Index(column)),
        "described": lambda: column.to_frame().describe(include="all"),
        "counted": lambda: column.value_counts(dropna=False),
        "grouped": lambda: pd.Series(range(ROWS)).groupby([column, PAIRS], observed=True, dropna=False).sum(),
        "unstacked": lambda: pd.Series(range(ROWS)).groupby([PAIRS, column], observed=False).sum().unstack(),
        "most frequent": lambda: {"top": column.mode().iloc[0]},
        "crosstab": lambda: pd.crosstab(column, [PAIRS, ["a"] * ROWS], margins=True),
        "first": lambda: column.iloc[0],
        "last in a list": lambda: [column.iloc[-1], None],
    }


def of_all_columns(frame):
    """Yield results that are of a kind of their own."""
    yield "everything", frame
    yield (
        "described",
        frame[["whole", "number", "text", "category", "date with gaps"]].describe(include="all"),
    )
    yield (
        "same names",
        pd.concat(
            [
                frame[["whole", "text"]],
                frame[["whole"]],
                frame[["whole"]].rename(columns={"whole": "whole (2)"}),
            ],
            axis=1,
        ),
    )
    yield "names that look the same", pd.DataFrame([[1, 2, 3, 4]], columns=["a", " a", "a\u00a0", "A"])
    yield (
        "names of all kinds",
        pd.DataFrame(
            [range(8)], columns=[None, 1, 1.5, ("a", 1), pd.Timestamp("2020"), "", np.nan, "x" * 300]
        ),
    )
    yield (
        "rows and columns of several levels",
        frame.pivot_table(
            index=["yes or no", "category"],
            columns=["text with gaps", "whole"],
            values=["number"],
            aggfunc=["mean", "count"],
            observed=False,
        ),
    )
    yield "several functions", frame.groupby("yes or no")["number"].agg(["mean", "count", lambda x: x.max()])
    yield "ages", frame.groupby(pd.cut(frame["whole"], [0, 3, 30]), observed=True)["number"].mean()
    yield "crosstab", pd.crosstab(frame["category"], frame["yes or no"], margins=True, normalize=True)
    yield "correlation", frame[["whole", "number"]].corr()
    yield "nothing in it", frame.iloc[:0]
    yield "no columns", frame[[]]
    yield "neither", pd.DataFrame()
    yield "an index", frame.set_index(["yes or no", "number"]).index


def of_names_and_texts(frame):
    yield (
        "names with blanks and accents",
        {
            "mean income (€) by région": frame["number"],
            "mean income (€) by region": 3,
            "../x": 4,
            "": 5,
            "names": 6,
        },
    )
    yield "long names", {"x" * 100: frame["number"], "x" * 101: frame["number"]}
    yield "names that differ in case", {"A": frame["number"], "a": frame["number"]}
    yield "text", "A summary.\nTwo lines."
    yield "text and table", {"note": "one line", "table": frame[["number"]]}
    yield "texts", {"a": "two\nlines", "n": 3}
    yield "empty text", ""
    yield "half a character", {"\ud800": "\ud800"}
    yield "empty dict", {}
    yield "empty list", []


def of_values(frame):
    yield (
        "numbers",
        {
            "n": np.int64(3),
            "mean": np.float32(2.5),
            "nan": np.nan,
            "yes": np.bool_(1),
            "none": None,
            "large": 10**50,
        },
    )
    yield (
        "moments",
        [
            np.datetime64("2020-01-01", "ns"),
            np.timedelta64(3, "D"),
            pd.NaT,
            pd.NA,
            np.datetime64("NaT"),
            pd.Interval(0, 1),
            pd.Period("2020-01"),
        ],
    )
    yield (
        "standard library",
        [
            decimal.Decimal("1.5"),
            dt.timedelta(1),
            {1, 2},
            frozenset("ab"),
            range(3),
            b"x",
            {1: 2}.keys(),
            Point(1, 2.5),
        ],
    )
    yield "generator", (number for number in range(3))
    yield "named tuple of tables", Point(frame[["number"]], 2)
    yield "test", scipy.stats.ttest_ind([1.0, 2, 3], [2.0, 3, 5])
    yield "many dimensions", np.zeros((2, 2, 2))
    yield "records", np.array([(1, "a")], dtype=[("n", "i8"), ("text", "U4")])
    yield "masked", np.ma.masked_array([1, 2, 3], mask=[0, 1, 0])
    yield "masked in a dict", {"n": {"values": np.ma.masked_array([1, 2], mask=[0, 1])}}
    yield "sparse matrix", scipy.sparse.eye(3).tocsr()
    yield "days", np.array(["2020-01-01", "NaT"], dtype="datetime64[D]")
    yield "scalar array", np.array(3)


def of_models(frame):
    model = smf.ols("number ~ whole", data=frame).fit()
    yield "model", model
    yield "summary", model.summary()
    yield "second summary", model.summary2()
    yield "summary as text", {"model": model.summary().as_text(), "r2": model.rsquared}
    yield "coefficients", {"params": model.params, "ci": model.conf_int()}
    yield "nested coefficients", {"a": {"params": model.params, "ci": model.conf_int()}}


def of_other_libraries():
    frame = pl.DataFrame(
        {
            "n": [1, None], "list": [[1], []], "struct": [{"a": 1}, {"a": None}],
            "day": [dt.date(2020, 1, 1)] * 2,
            "object": pl.Series([object, 3], dtype=pl.Object), "category": pl.Series(["a", "b"], dtype=pl.Categorical),
            "enum": pl.Series(["a", "b"], dtype=pl.Enum(["a", "b"])), "bytes": [b"\xff", None], "nothing": [None, None],
            "time": [dt.time(1, 2), None], "duration": [dt.timedelta(1), None],
        },
        strict=False,
    )  # fmt: skip
    yield "polars", frame
    yield "lazy", frame.lazy()
    yield "polars series", frame["struct"]
    yield "polars in a dict", {"a": {"table": frame.select("n", "list"), "column": frame["n"]}}
    yield "arrow", pa.table([pa.array([1, 2]), pa.array([[1], []])], names=["same", "same"])
    yield "arrow array", pa.array([1, None])
    yield "arrow batch", pa.record_batch({"n": [1]})
    yield "arrow scalar", {"n": pa.scalar(3)}


def pictures(frame):
    figure, axes = plt.subplots(1, 2)
    _, single = plt.subplots()
    lines = single.plot([1, 2])
    yield "figure", figure, 1
    yield "axes", single, 1
    yield "array of axes", axes, 1
    yield "two figures", [figure, single], 2
    yield "in a dict", {"first (€)": figure, "second": single}, 3
    yield "deep in a dict", {"a": {"b": [figure, single], "n": 3}}, 3
    yield "lines", lines, 1
    yield "bars", single.bar([1, 2], [3, 4]), 1
    yield "histogram", single.hist([1, 2, 2, 3]), 3
    yield "boxplot", single.boxplot([1, 2, 3]), 1
    yield "several by pandas", frame[["whole", "number"]].plot(subplots=True), 1
    yield "histograms by pandas", frame[["whole", "number"]].hist(), 1
    yield "one for each group", frame.groupby("yes or no")["number"].plot(), 1
    yield "histograms of groups", frame.groupby("yes or no")[["number"]].hist(), 2
    yield "plt", plt, 1
    yield "with tables", {"axes": axes, "table": frame[["number"]], "one": single}, 3
    plt.close("all")


def wrong(value, number=None):
    """Write a value as `main`'s answer and return what the gate says against it."""
    answers = __import__("answers")
    with tempfile.TemporaryDirectory() as folder:
        try:
            answers.write(value, folder)
            files = sorted(Path(folder).iterdir())
            for path in files:
                judged(path.name, path.read_bytes())
        except Exception:  # noqa: BLE001 whatever it is, it is what the test is about
            return traceback.format_exc()
    if value is not None and not files:
        return "nothing was written"
    if number not in (None, len(files)):
        return f"wrote {files}"
    return None


def judged(name, data):
    kind = contents.type_by_name(name)
    contents.check_agreement(kind, data)
    if kind == "json":
        strict_json.canonical(data)
    elif kind == "parquet":
        header, _ = decode_tables.rewritten(data)
        zones: Any = header["zones"]
        assert {"UTC", "Europe/Berlin", "+02:00"}.issuperset(zones), zones
    elif kind == "txt":
        assert plain_text.page(data.decode()).strip()


def main() -> dict[str, object]:
    made = columns()
    frame = pd.DataFrame(made)
    found, impossible = {}, []
    for name, column in made.items():
        for kind, make in of_one_column(column).items():
            try:
                value = make()
            except Exception:  # noqa: BLE001 of pandas
                impossible.append(f"{kind} of {name}")
            else:
                found[f"{kind} of {name}"] = wrong(value)
    for kind, value in itertools.chain(
        of_all_columns(frame),
        of_names_and_texts(frame),
        of_values(frame),
        of_models(frame),
        of_other_libraries(),
    ):
        found[kind] = wrong(value)
    for kind, value, number in pictures(frame):
        found[f"picture: {kind}"] = wrong(value, number)
    return {
        "tried": len(found),
        "impossible": impossible,
        "wrong": {kind: why for kind, why in found.items() if why},
    }
