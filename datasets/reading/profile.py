"""The profile of a table for its owner: ranges, the values if they are few, empty cells, formulas."""

from pathlib import Path

import duckdb

from datasets.reading import engine
from datasets.reading.outcome import FORMULA_SIGNS, VALUE_LENGTH, VALUES_SHOWN, ColumnRead

COLUMNS_AT_ONCE = 50
ROUGHLY_FEW = VALUES_SHOWN * 5 // 4
"""The estimate of different values up to which they are listed."""


def count_rows(table: Path) -> int:
    with engine.connect() as database:
        rows = database.execute(f"SELECT count(*) FROM {_relation(table)}").fetchone() or (0,)  # noqa: S608 -- quoted
    return int(rows[0])


def _relation(table: Path) -> str:
    """Return the SQL that reads the table, without columns that DuckDB would add and the file may have too."""
    return f"read_parquet({engine.literal(str(table))}, hive_partitioning=false)"


def profile(table: Path, kinds: dict[str, str], rows: int) -> tuple[ColumnRead, ...]:
    """Return the profile of every column, from the table as it will be sealed."""
    database = engine.connect()
    relation = _relation(table)
    names = list(kinds)
    found: list[ColumnRead] = []
    for start in range(0, len(names), COLUMNS_AT_ONCE):
        part = {name: kinds[name] for name in names[start : start + COLUMNS_AT_ONCE]}
        found += _columns(database, relation, part, rows)
    return tuple(found)


def _columns(
    database: duckdb.DuckDBPyConnection, relation: str, kinds: dict[str, str], rows: int
) -> list[ColumnRead]:
    queries = [query for name, kind in kinds.items() for query in _aggregates(name, kind)]
    row = database.execute(f"SELECT {', '.join(queries)} FROM {relation}").fetchone() or ()  # noqa: S608 -- quoted
    found = []
    for place, (name, kind) in enumerate(kinds.items()):
        filled, distinct, lowest, highest, formulas = row[place * 5 : place * 5 + 5]
        first = _first_formula(database, relation, name) if formulas else None
        values = (
            _values(database, relation, name)
            if kind in {"string", "int64"} and distinct <= ROUGHLY_FEW
            else ()
        )
        found.append(
            ColumnRead(
                name=name,
                stored=kind,
                empty=rows - filled,
                lowest=lowest,
                highest=highest,
                distinct=len(values) or distinct,
                values=values,
                formulas=formulas,
                first_formula=first,
            )
        )
    return found


def _aggregates(column: str, kind: str) -> list[str]:
    """Return five SQL aggregates: filled cells, different values, lowest, highest, cells that begin like a formula."""
    it = engine.name(column)
    common = [f"count({it})", f"approx_count_distinct({it})"]
    finite = f"CASE WHEN isfinite({it}::DOUBLE) THEN {it}::DOUBLE END"
    days = f"date_diff('day', DATE '1970-01-01', {it})::DOUBLE"
    own = {
        "int64": [f"min({it})::DOUBLE", f"max({it})::DOUBLE", "0"],
        "double": [f"min({finite})", f"max({finite})", "0"],
        "date32": [f"min({days})", f"max({days})", "0"],
        "timestamp": [f"epoch(min({it}))", f"epoch(max({it}))", "0"],
        "string": ["NULL", "NULL", f"count(*) FILTER ({_like_a_formula(it)})"],
        "bool": ["NULL", "NULL", "0"],
    }
    return [*common, *own[kind]]


def _like_a_formula(it: str) -> str:
    signs = " OR ".join(f"prefix({it}, chr({ord(sign)}))" for sign in FORMULA_SIGNS)
    return f"strlen({it}) > 1 AND ({signs})"


def _first_formula(database: duckdb.DuckDBPyConnection, relation: str, column: str) -> int | None:
    """Return the number, from 1, of the first row whose cell begins like a formula."""
    numbered = f"SELECT row_number() OVER () AS place, {engine.name(column)} AS cell FROM {relation}"  # noqa: S608 -- quoted
    found = database.execute(
        f"SELECT min(place) FROM ({numbered}) WHERE {_like_a_formula('cell')}"  # noqa: S608 -- quoted
    ).fetchone()
    return found[0] if found else None


def _values(database: duckdb.DuckDBPyConnection, relation: str, column: str) -> tuple[str | int, ...]:
    """Return all different values if they are few and short; otherwise none."""
    it = engine.name(column)
    found = database.execute(
        f"SELECT DISTINCT {it} FROM {relation} WHERE {it} IS NOT NULL ORDER BY 1 LIMIT {VALUES_SHOWN + 1}"  # noqa: S608 -- quoted
    ).fetchall()
    values = tuple(value for (value,) in found)
    short = all(len(str(value)) <= VALUE_LENGTH and "\0" not in str(value) for value in values)
    return values if short and len(values) <= VALUES_SHOWN else ()
