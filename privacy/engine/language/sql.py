"""SQL front end: one SELECT with one aggregate over one table, parsed into the same frozen query as the form.

sqlglot parses, and an allow-list decides. Everything else is refused with its position and the reason, from the text
and the declarations alone. No SQL is ever executed.
"""

from collections.abc import Collection, Sequence

from sqlglot import exp

from privacy.engine.language.expressions import And, Predicate
from privacy.engine.language.query import CountSubjects, KeyCounts, Measure, Query
from privacy.engine.language.schema import Kind, QueryRefused, TableSpec
from privacy.engine.language.sql_aggregates import aggregate_of
from privacy.engine.language.sql_expressions import number, predicate
from privacy.engine.language.sql_names import column_name, declared, keys, resolve, table_in
from privacy.engine.language.sql_statement import refusal, refuse_clauses, statement


def parse(text: str, table: TableSpec) -> Query:
    """Parse SQL into a query. Raises QueryRefused with the position and the reason."""
    try:
        return _query(statement(text, frozenset(table.columns)), table, text)
    except RecursionError as deep:
        raise QueryRefused("This SQL is nested too deeply. Simplify it.") from deep


def table_of(text: str, columns: Collection[str] = ()) -> str:
    """Return the name of the table in FROM, declared or not. Raises QueryRefused if there is not exactly one.

    `columns`: column names that need no quotes although they are SQL keywords.
    """
    return table_in(statement(text, columns)).name


def _query(select: exp.Select, table: TableSpec, text: str) -> Query:
    refuse_clauses(select, text)
    resolve(select, table)
    by = keys(select, table)
    asked = aggregate_of(select, by, table)
    measure, by = _unknown_keys(asked.measure, by, table)
    where = select.args.get("where")
    conditions = ([predicate(where.this, table)] if where else []) + list(asked.conditions)
    return Query(
        table=declared(table_in(select).name, [table.name]),
        measure=measure,
        where=_all(conditions),
        by=by,
        rows=_rows(select.args.get("limit"), table),
    )


def _all(conditions: Sequence[Predicate]) -> Predicate | None:
    """Return the condition that all of these hold, without AND inside AND. None without conditions."""
    parts = [part for each in conditions for part in (each.parts if isinstance(each, And) else (each,))]
    return And(tuple(parts)) if len(conditions) > 1 else next(iter(conditions), None)


def _rows(limit: exp.Limit | exp.Fetch | None, table: TableSpec) -> int | None:
    """Return n of `LIMIT n BY person` (ClickHouse syntax): how many rows of a person count."""
    if limit is None:
        return None
    if [column_name(each) for each in limit.args.get("expressions") or []] != [table.subject]:
        raise refusal(
            limit,
            f"LIMIT is not supported. To set how many rows count per person, write LIMIT n BY {table.subject}.",
        )
    rows = number(limit.expression)
    if limit.args.get("limit_options") or not rows.is_integer():
        raise refusal(limit, "the number of rows per person must be a whole number.")
    return int(rows)


def _unknown_keys(measure: Measure, by: tuple[str, ...], table: TableSpec) -> tuple[Measure, tuple[str, ...]]:
    """Turn a count of people grouped by a text column into a count by undeclared values."""
    if len(by) == 1 and isinstance(measure, CountSubjects) and table.column(by[0]).kind == Kind.TEXT:
        return KeyCounts(by[0], 1), ()
    return measure, by
