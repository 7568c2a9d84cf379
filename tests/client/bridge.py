"""The same table for the client and for the engine, and random questions about it."""

from functools import cache
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa

from datasets import mock_columns, mock_files
from datasets.columns import ColumnStore
from privacy.declarations import engine_table, plans_for
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.engine.release import SortedTable
from weir import grammar as g
from weir.declarations import TableSpec as ClientTable
from weir.declarations import table_from_json
from weir.mock.rows import MockRows, mock_rows

REGIONS = ("north", "south", "east")
COLUMNS = (
    ColumnSpec(name="wage", kind=Kind.NUMBER, lower=0.0, upper=100.0),
    ColumnSpec(name="balance", kind=Kind.NUMBER, lower=-50.25, upper=80.5, decimals=2),
    ColumnSpec(name="hours", kind=Kind.INTEGER, lower=-10.0, upper=60.0),
    ColumnSpec(name="year", kind=Kind.INTEGER, lower=1980.0, upper=1987.0, rows_per_value=1, nullable=False),
    ColumnSpec(name="tiny", kind=Kind.NUMBER, lower=1e-9, upper=3e-9),
    ColumnSpec(name="union", kind=Kind.BOOLEAN, lower=0.0, upper=1.0, labels=("0", "1")),
    ColumnSpec(name="region", kind=Kind.CATEGORY, labels=REGIONS, constant=True),
    ColumnSpec(name="sector", kind=Kind.CATEGORY, labels=("1", "2", "10")),
    ColumnSpec(name="born", kind=Kind.DATE, lower=-3650.0, upper=0.0, constant=True),
)
NUMBERS = ("wage", "balance", "hours", "year", "tiny", "union")
LABELS = {"union": ("0", "1"), "region": REGIONS, "sector": ("1", "2", "10")}


def spec(max_rows: int = 6) -> TableSpec:
    return TableSpec(
        name="wages", subject="person", columns={each.name: each for each in COLUMNS}, max_rows=max_rows
    )


def as_json(table: TableSpec) -> dict[str, Any]:
    """The declarations as the portal's API shows them."""
    return {
        "name": table.name,
        "person": table.subject,
        "rows_per_person": table.max_rows,
        "columns": [
            {
                "name": each.name,
                "kind": each.kind,
                "unit": each.unit,
                "bounds": [each.lower, each.upper] if each.kind not in {Kind.CATEGORY, Kind.TEXT} else None,
                "values": list(each.labels),
                "nullable": each.nullable,
                "constant": each.constant,
                "rows_per_value": each.rows_per_value,
                "decimals": each.decimals,
            }
            for each in table.columns.values()
        ],
    }


def client_spec(max_rows: int = 6) -> ClientTable:
    return table_from_json(as_json(spec(max_rows)))


def arrow(seed: int, people: int) -> pa.Table:
    """Rows in no order: several a person, some values missing, some ids missing."""
    rng = np.random.default_rng(seed)
    n = people * 5
    holes = {name: rng.random(n) < 0.1 for name in (*NUMBERS, "region", "sector", "born")}
    columns = {
        "person": pa.array(rng.integers(0, people, n), mask=rng.random(n) < 0.03),
        "wage": rng.gamma(4.0, 9.0, n),  # some beyond the upper bound
        "balance": rng.normal(0, 40, n),
        "hours": rng.integers(-10, 61, n),
        "year": rng.integers(1980, 1988, n),
        "tiny": rng.uniform(1e-9, 3e-9, n),
        "union": rng.integers(0, 2, n).astype(bool),
        "region": np.array([*REGIONS, "nowhere"])[rng.choice(4, n, p=[0.4, 0.3, 0.25, 0.05])],
        "sector": rng.choice([1, 2, 10], n),
        "born": np.datetime64("1965-01-01") + rng.integers(0, 1800, n).astype("timedelta64[D]"),
    }
    made = {
        name: values if name == "person" else pa.array(values, mask=holes[name] if name != "year" else None)
        for name, values in columns.items()
    }
    made["born"] = made["born"].cast(pa.date32())
    return pa.table(made)


@cache
def rows_of_both(seed: int, people: int, max_rows: int = 6) -> tuple[SortedTable, MockRows]:
    """The same rows as the engine has them in a trial, and as the client has them."""
    return _both(arrow(seed, people), max_rows)


@cache
def a_row_each(seed: int, people: int) -> tuple[SortedTable, MockRows]:
    """The same, with one row of each person."""
    found = arrow(seed, people)[:people]
    return _both(found.set_column(0, "person", pa.array(np.arange(people))), 1)


def _both(found: pa.Table, max_rows: int) -> tuple[SortedTable, MockRows]:
    declared = spec(max_rows)
    return engine_table(_store(found, declared), declared), mock_rows(client_spec(max_rows), found)


def _store(found: pa.Table, declared: TableSpec) -> ColumnStore:
    """What `mock_columns.read` makes of a file, of a table in memory."""
    (batch,) = found.combine_chunks().to_batches()
    first_of, mock_files.first_of = mock_files.first_of, lambda *_: batch
    try:
        return mock_columns.read("", "person", plans_for(declared), most=10**6)
    finally:
        mock_files.first_of = first_of


# Random questions, as the client's data. Drawn node by node: nested strategies would print themselves at great length.

constants = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 0.5, 2.0, 100.0, 1e-3, 40.0]),
    st.floats(-200, 200, allow_nan=False),
    st.integers(-100, 2000).map(float),
)
shares = st.lists(
    st.sampled_from([0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98]), min_size=1, max_size=4, unique=True
).map(tuple)
names = st.sampled_from(NUMBERS)
operators = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])


@st.composite
def expressions(draw, depth=4):
    kind = draw(st.sampled_from(["column", "constant"] if depth == 0 else KINDS))
    match kind:
        case "column":
            return g.Column(draw(names))
        case "constant":
            return g.Constant(draw(constants))
        case "binary":
            return g.Binary(draw(st.sampled_from("+-*/")), *(draw(expressions(depth - 1)) for _ in "ab"))
        case "unary":
            op = draw(st.sampled_from(["-", "abs", "exp", "log", "sqrt"]))
            return g.Unary(op, draw(expressions(depth - 1)))
        case "power":
            return g.Power(draw(expressions(depth - 1)), draw(st.integers(2, 8)))
        case "clip":
            return g.Clip(draw(expressions(depth - 1)), *sorted(draw(constants) for _ in "ab"))
        case _:
            return g.Where(draw(conditions(depth - 1)), *(draw(expressions(depth - 1)) for _ in "ab"))


KINDS = ["column", "constant", "binary", "binary", "unary", "power", "clip", "clip", "where"]


@st.composite
def conditions(draw, depth=3):
    kind = draw(st.sampled_from(SIMPLE if depth <= 0 else [*SIMPLE, "compare", "and", "or", "not"]))
    match kind:
        case "column":
            return g.Compare(draw(operators), g.Column(draw(names)), g.Constant(draw(constants)))
        case "in":
            name = draw(st.sampled_from(sorted(LABELS)))
            values = draw(st.lists(st.sampled_from(LABELS[name]), min_size=1, max_size=3, unique=True))
            return g.In(name, tuple(values))
        case "null":
            return g.IsNull(draw(st.sampled_from([*NUMBERS, "region", "sector"])))
        case "compare":
            return g.Compare(draw(operators), *(draw(expressions(depth - 1)) for _ in "ab"))
        case "not":
            return g.Not(draw(conditions(depth - 1)))
        case _:
            parts = tuple(draw(conditions(depth - 1)) for _ in range(draw(st.integers(1, 3))))
            return g.And(parts) if kind == "and" else g.Or(parts)


SIMPLE = ["column", "in", "null"]


@st.composite
def numbers(draw):
    """A column, or an expression that cannot become too large for an answer."""
    plain = draw(st.booleans())
    return g.Column(draw(names)) if plain else g.Clip(draw(expressions(2)), -1000.0, 1000.0)


@st.composite
def sums(draw):
    of = numbers()
    kinds = [
        st.just(g.Count()), st.just(g.CountSubjects()), st.builds(g.Sum, of),
        st.builds(g.Mean, of, st.booleans()), st.builds(g.Variance, of),
        st.builds(g.StandardDeviation, of),
    ]  # fmt: skip
    return draw(st.one_of(kinds))


@st.composite
def others(draw):
    """Measures that cannot be grouped."""
    of = numbers()
    kind = draw(
        st.sampled_from(["correlation", "regression", "quantiles", "dates", "people", "distribution"])
    )
    match kind:
        case "correlation":
            return g.Correlation(draw(of), draw(of))
        case "regression":
            features = tuple(draw(of) for _ in range(draw(st.integers(1, 3))))
            return g.Regression(draw(of), features, tuple(f"x{k}" for k in range(len(features))))
        case "quantiles":
            return g.Quantiles(draw(of), draw(shares))
        case "dates":
            return g.Quantiles(g.Column("born"), draw(shares))
        case "people":
            return g.PersonQuantiles(draw(st.one_of(st.none(), of)), draw(shares))
        case _:
            return g.Distribution(draw(of), draw(st.sampled_from([2, 5, 17, 18, 32, 64])))


@st.composite
def questions(draw):
    grouped = draw(st.booleans())
    measure = draw(sums() if grouped else st.one_of(sums(), others(), others()))
    keys = (
        draw(st.lists(st.sampled_from([*sorted(LABELS), "year"]), max_size=2, unique=True)) if grouped else []
    )
    where = draw(st.one_of(st.none(), st.just(g.In("region", ("north",))), conditions(2)))
    rows = None if isinstance(measure, g.PersonQuantiles) else draw(st.one_of(st.none(), st.integers(1, 8)))
    return g.Query("wages", measure, where, tuple(keys), rows)
