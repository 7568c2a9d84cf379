"""SQL front end: one SELECT with one aggregate over one table, parsed into the same frozen query as the form.

sqlglot parses, and an allow-list decides. Everything else is refused with its position and the reason, from the text
and the declarations alone. No SQL is ever executed.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from privacy.engine.language.display import EVERYTHING, Display
from privacy.engine.language.expressions import And, Predicate
from privacy.engine.language.query import Count, CountSubjects, KeyCounts, Measure, Query
from privacy.engine.language.schema import Kind, QueryRefused, TableSpec, listed, nearest
from privacy.engine.language.sql_aggregates import Selected, aggregate_of, figure_of, only_rows, selected
from privacy.engine.language.sql_display import display_of
from privacy.engine.language.sql_expressions import number, predicate
from privacy.engine.language.sql_names import column_name, declared, keys, resolve, table_in
from privacy.engine.language.sql_statement import Node, refusal, refuse_clauses, statement

LINE = re.compile(r"^Line (\d+)")


@dataclass(frozen=True, slots=True)
class Statement:
    """A question as it was written: what is asked, what is shown of the answer, and the SQL if it was SQL."""

    query: Query
    display: Display = EVERYTHING
    text: str = ""


def read(
    text: str, tables: Mapping[str, TableSpec], check: Callable[[Query, TableSpec], object] | None = None
) -> Statement:
    """Read SQL about one of these tables. Raises QueryRefused with the position and the reason.

    `check`: what else must be true of the query; it raises QueryRefused without a position.
    """
    try:
        # Any table's columns need no quotes, though they are SQL keywords, until the table is known.
        select = statement(text, {name for table in tables.values() for name in table.columns})
        refuse_clauses(select, text)
        source = table_in(select)
        name = declared(source.name, tables)
        if name not in tables:
            raise refusal(source, no_table(source.name, tables))
        table = tables[name]
        return _read(statement(text, set(table.columns)), table, text, check)
    except RecursionError as deep:
        raise QueryRefused("This SQL is nested too deeply. Simplify it.") from deep


def no_table(name: str, tables: Iterable[str]) -> str:
    """Return why a table is refused, with the names that there are."""
    return f"There is no table “{name[:100]}” here.{nearest(name, tables)} There is: {listed(tables)}."


def read_condition(text: str, table: TableSpec) -> Predicate | None:
    """Read what would follow WHERE in SQL about a table; None for an empty text. Raises QueryRefused as `read` does.

    Lines and columns in a refusal are those of the text.
    """
    if not text.strip():
        return None
    name = table.name.replace('"', '""')
    try:
        said = read(f'SELECT COUNT(*) FROM "{name}" WHERE\n{text}', {table.name: table})  # noqa: S608 -- it is parsed, never run
    except QueryRefused as refused:
        raise QueryRefused(LINE.sub(lambda found: f"Line {int(found[1]) - 1}", str(refused))) from refused
    where = said.query.where
    if said.display != EVERYTHING or said.query != Query(table=table.name, measure=Count(), where=where):
        raise QueryRefused("Write the condition alone, without GROUP BY, HAVING, ORDER BY or LIMIT.")
    return where


def parse(text: str, table: TableSpec) -> Query:
    """Parse SQL into the query that it asks. Raises QueryRefused with the position and the reason."""
    return read(text, {table.name: table}).query


def _read(
    select: exp.Select, table: TableSpec, text: str, check: Callable[[Query, TableSpec], object] | None
) -> Statement:
    resolve(select, table)
    by = keys(select, table)
    where = select.args.get("where")
    conditions = _parts([predicate(where.this, table)] if where else [])
    asked = selected(select, by, conditions, table)
    measure, left = _unknown_keys(asked.aggregate.measure, by, table)
    query = Query(
        table=table.name,
        measure=measure,
        where=_all([*conditions, *_parts(asked.aggregate.conditions)]),
        by=left,
        rows=_rows(select.args.get("limit"), table),
    )
    try:
        if check is not None:
            check(query, table)
    except QueryRefused as refused:
        place = {"query.rows": "limit", "query.by": "group"}.get(refused.place, "")
        raise refusal(
            select.args.get(place) or asked.node, str(refused)
        ) from None  # its place is not in JSON
    outputs = asked.outputs
    if isinstance(measure, KeyCounts):  # an answer names the column of undeclared values so
        outputs = tuple(
            replace(each, name="value", alias=each.alias or each.name) if each.is_key else each
            for each in outputs
        )
    asked = replace(asked, outputs=outputs)
    return Statement(query, _display(select, asked, conditions, table), text)


def _display(select: exp.Select, asked: Selected, where: Sequence[Predicate], table: TableSpec) -> Display:
    def figure(node: Node) -> str:
        if found := figure_of(aggregate_of(node, table), asked.aggregate, where, table):
            return found
        raise refusal(
            node,
            "HAVING and ORDER BY can only use figures of the answer, such as the aggregate in SELECT. "
            f"{only_rows(asked.aggregate, table)}",
        )

    return display_of(select, asked.outputs, figure)


def _parts(conditions: Sequence[Predicate]) -> list[Predicate]:
    """Return conditions without AND around them."""
    return [part for each in conditions for part in (each.parts if isinstance(each, And) else (each,))]


def _all(parts: Sequence[Predicate]) -> Predicate | None:
    """Return the condition that all of these hold. None without conditions."""
    return And(tuple(parts)) if len(parts) > 1 else next(iter(parts), None)


def _rows(limit: exp.Limit | exp.Fetch | None, table: TableSpec) -> int | None:
    """Return n of `LIMIT n BY person` (ClickHouse syntax): how many rows of a person count."""
    by = limit.args.get("expressions") if limit is not None else None
    if limit is None or not by:
        return None
    if [column_name(each) for each in by] != [table.subject]:
        raise refusal(by[0], f"to set how many rows count per person, write LIMIT n BY {table.subject}.")
    rows = number(limit.expression)
    if limit.args.get("limit_options") or not rows.is_integer():
        raise refusal(limit, "the number of rows per person must be a whole number.")
    return int(rows)


def _unknown_keys(measure: Measure, by: tuple[str, ...], table: TableSpec) -> tuple[Measure, tuple[str, ...]]:
    """Turn a count of people grouped by a text column into a count by undeclared values."""
    if len(by) == 1 and isinstance(measure, CountSubjects) and table.column(by[0]).kind == Kind.TEXT:
        return KeyCounts(by[0], 1), ()
    return measure, by
