"""SQL front end: one SELECT with one aggregate over one table, parsed into the same frozen query as the form.

sqlglot parses, and an allow-list decides. Everything else is refused with its position and the reason, from the text
and the declarations alone. No SQL is ever executed.
"""

from collections.abc import Callable, Collection, Sequence
from typing import cast

from sqlglot import exp

from privacy.engine.language import sql_codes
from privacy.engine.language.expressions import (
    And,
    Binary,
    Clip,
    Column,
    Compare,
    Constant,
    Expression,
    In,
    IsNull,
    Not,
    Or,
    Power,
    Predicate,
    Unary,
    Where,
)
from privacy.engine.language.query import (
    Correlation,
    Count,
    CountSubjects,
    Covariance,
    Histogram,
    KeyCounts,
    Mean,
    Measure,
    Quantiles,
    Query,
    Sum,
    Variance,
)
from privacy.engine.language.schema import Kind, QueryRefused, TableSpec
from privacy.engine.language.sql_statement import Node, refusal, refuse_clauses, statement


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
    return _table_name(statement(text, columns))


def _query(select: exp.Select, table: TableSpec, text: str) -> Query:
    refuse_clauses(select, text)
    found = _table_name(select)
    by = _keys(select.args.get("group"))
    measure, by = _unknown_keys(_measure(select, by, table), by, table)
    where = select.args.get("where")
    return Query(
        table=found,
        measure=measure,
        where=_predicate(where.this, table) if where else None,
        by=by,
        rows=_rows(select.args.get("limit"), table),
    )


def _table_name(select: exp.Select) -> str:
    origin = select.args.get("from_")
    source = origin.this if origin else None
    if not isinstance(source, exp.Table) or not isinstance(source.this, exp.Identifier):
        raise refusal(select, "name one table after FROM.")
    extra = {name for name, value in source.args.items() if value and name not in {"this", "alias"}}
    if extra or source.args.get("alias"):
        raise refusal(source, "give the table name alone, without alias, schema or sampling.")
    return source.name


def _keys(group: exp.Group | None) -> tuple[str, ...]:
    if group is None:
        return ()
    if any(value for name, value in group.args.items() if name != "expressions"):
        raise refusal(group, "GROUP BY takes column names only.")
    return tuple(_column_name(key) for key in group.expressions)


def _rows(limit: exp.Limit | exp.Fetch | None, table: TableSpec) -> int | None:
    """Return n of `LIMIT n BY person` (ClickHouse syntax): how many rows of a person count."""
    if limit is None:
        return None
    if [_column_name(each) for each in limit.args.get("expressions") or []] != [table.subject]:
        raise refusal(
            limit,
            f"LIMIT is not supported. To set how many rows count per person, write LIMIT n BY {table.subject}.",
        )
    rows = _number(limit.expression)
    if limit.args.get("limit_options") or not rows.is_integer():
        raise refusal(limit, "the number of rows per person must be a whole number.")
    return int(rows)


def _unknown_keys(measure: Measure, by: tuple[str, ...], table: TableSpec) -> tuple[Measure, tuple[str, ...]]:
    """Turn a count of people grouped by a text column into a count by undeclared values."""
    if len(by) == 1 and isinstance(measure, CountSubjects) and table.column(by[0]).kind == Kind.TEXT:
        return KeyCounts(by[0], 1), ()
    return measure, by


def _measure(select: exp.Select, by: Sequence[str], table: TableSpec) -> Measure:
    wanted = []
    for item in select.expressions:
        inner = item.this if isinstance(item, exp.Alias) else item
        if isinstance(inner, exp.Column):
            if _column_name(inner) not in by:
                raise refusal(inner, f"“{inner.name}” must be in GROUP BY: answers never show single rows.")
        else:
            wanted.append(inner)
    if len(wanted) != 1:
        raise refusal(select, "ask for exactly one aggregate (COUNT, SUM, AVG, …): each has its own price.")
    return _aggregate(wanted[0], table)


def _aggregate(node: Node, table: TableSpec) -> Measure:
    if isinstance(node, exp.Anonymous) and node.name.lower() == "histogram":
        return _histogram(node, table)
    for kind, make in _OF_ONE.items():
        if isinstance(node, kind):
            return make(_expression(node.this, table))
    for kind, pair in _OF_TWO.items():
        if isinstance(node, kind):
            return pair(_expression(node.this, table), _expression(node.expression, table))
    return _count(node, table) if isinstance(node, exp.Count) else _quantile(node, table)


def _quantile(node: Node, table: TableSpec) -> Measure:
    if isinstance(node, exp.Median):
        return Quantiles(_expression(node.this, table), (0.5,))
    if isinstance(node, exp.Quantile):
        return Quantiles(_expression(node.this, table), (_number(node.args["quantile"]),))
    if isinstance(node, exp.WithinGroup) and isinstance(node.this, exp.PercentileCont):
        return Quantiles(_expression(_ascending(node), table), (_number(node.this.this),))
    raise refusal(node, sql_codes.aggregate_refusal(node.key, table))


def _histogram(node: exp.Anonymous, table: TableSpec) -> Histogram:
    if len(node.expressions) < 3:
        raise refusal(node, "give a number and at least two edges, such as HISTOGRAM(x, 0, 10, 20).")
    of, *edges = node.expressions
    return Histogram(_expression(of, table), tuple(_number(edge) for edge in edges))


def _ascending(node: exp.WithinGroup) -> Node:
    """Return the one expression that a percentile is ordered by."""
    ordered, *more = node.expression.expressions
    if more or ordered.args.get("desc"):
        raise refusal(node, "order by exactly one number, ascending.")
    return cast("Node", ordered.this)


_OF_ONE: dict[type[Node], Callable[[Expression], Measure]] = {
    exp.Sum: Sum,
    exp.Avg: Mean,
    exp.VariancePop: Variance,
}
_OF_TWO: dict[type[Node], Callable[[Expression, Expression], Measure]] = {
    exp.Corr: Correlation,
    exp.CovarPop: Covariance,
}


def _count(node: exp.Count, table: TableSpec) -> Measure:
    if isinstance(node.this, exp.Star) and not node.expressions:
        return Count()
    if isinstance(node.this, exp.Distinct) and len(node.this.expressions) == 1:
        if _column_name(node.this.expressions[0]) != table.subject:
            raise refusal(
                node, f"COUNT(DISTINCT …) can only count people: write COUNT(DISTINCT {table.subject})."
            )
        return CountSubjects()
    raise refusal(node, f"count rows with COUNT(*) or people with COUNT(DISTINCT {table.subject}).")


def _column_name(node: Node) -> str:
    if not isinstance(node, exp.Column) or node.args.get("table") or isinstance(node.this, exp.Star):
        raise refusal(node, "a column name is expected here.")
    return node.name


def _number(node: Node) -> float:
    sign = 1.0
    while isinstance(node, exp.Neg | exp.Paren):
        sign, node = (-sign if isinstance(node, exp.Neg) else sign), node.this
    if isinstance(node, exp.Boolean):
        return sign * float(node.this)
    if not isinstance(node, exp.Literal) or node.is_string:
        raise refusal(node, "a number is expected here.")
    return sign * float(node.this)


def _expression(node: Node, table: TableSpec) -> Expression:
    if isinstance(node, exp.Paren):
        return _expression(node.this, table)
    if isinstance(node, exp.Column):
        table.column(_column_name(node))
        return Column(node.name)
    # Read -9 as a constant, not as a negation.
    if isinstance(node.this if isinstance(node, exp.Neg) else node, exp.Literal | exp.Boolean):
        return Constant(_number(node))
    for kind, op in _ARITHMETIC.items():
        if type(node) is kind:
            return Binary(op, _expression(node.this, table), _expression(node.expression, table))
    for function, name in _FUNCTIONS.items():
        if type(node) is function and not node.args.get("expression"):
            return Unary(name, _expression(node.this, table))
    return _special(node, table)


_ARITHMETIC: dict[type[Node], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}
_FUNCTIONS: dict[type[Node], str] = {
    exp.Neg: "-",
    exp.Abs: "abs",
    exp.Exp: "exp",
    exp.Ln: "log",
    exp.Sqrt: "sqrt",
}


def _special(node: Node, table: TableSpec) -> Expression:
    if isinstance(node, exp.Pow):
        exponent = _number(node.expression)
        if not exponent.is_integer():
            raise refusal(node, "the exponent must be a whole number from 2 to 8.")
        return Power(_expression(node.this, table), int(exponent))
    if isinstance(node, exp.Greatest | exp.Least) and len(node.expressions) == 1:
        limit = _number(node.expressions[0])
        wide = 1e300
        of = _expression(node.this, table)
        return Clip(of, limit, wide) if isinstance(node, exp.Greatest) else Clip(of, -wide, limit)
    if isinstance(node, exp.Case) and not node.this and node.args.get("default"):
        value = _expression(node.args["default"], table)
        for branch in reversed(node.args["ifs"]):
            then = _expression(branch.args["true"], table)
            value = Where(_predicate(branch.this, table), then, value)
        return value
    if isinstance(node, exp.Case):
        raise refusal(node, "write CASE WHEN condition THEN number ELSE number END; the ELSE is required.")
    name = node.name if isinstance(node, exp.Anonymous) else node.key
    raise refusal(
        node,
        f"{name.upper()} is not supported. Use + - * /, ABS, EXP, LN, SQRT, POWER, GREATEST, LEAST or CASE.",
    )


def _predicate(node: Node, table: TableSpec) -> Predicate:
    if isinstance(node, exp.Paren | exp.Not):
        inner = _predicate(node.this, table)
        return Not(inner) if isinstance(node, exp.Not) else inner
    if isinstance(node, exp.And | exp.Or):
        parts = tuple(_predicate(part, table) for part in node.flatten())
        return And(parts) if isinstance(node, exp.And) else Or(parts)
    if why := sql_codes.column_refusal([column.name for column in node.find_all(exp.Column)], table):
        raise refusal(node, why)
    if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
        return IsNull(_column_name(node.this))
    if isinstance(node, exp.Between | exp.In):
        return _in(node, table) if isinstance(node, exp.In) else _between(node, table)
    for kind, op in _COMPARISONS.items():
        if type(node) is kind:
            return _compare(cast("exp.Binary", node), op, table)
    raise refusal(node, "a condition is expected here: comparisons, IN, BETWEEN, IS NULL, AND, OR, NOT.")


_COMPARISONS: dict[type[Node], str] = {
    exp.EQ: "=", exp.NEQ: "!=", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip


def _between(node: exp.Between, table: TableSpec) -> Predicate:
    if node.args.get("symmetric"):
        raise refusal(node, "SYMMETRIC is not supported: write the smaller number first.")
    of = _expression(node.this, table)
    low, high = _expression(node.args["low"], table), _expression(node.args["high"], table)
    return And((sql_codes.comparison(">=", of, low, table), sql_codes.comparison("<=", of, high, table)))


def _in(node: exp.In, table: TableSpec) -> Predicate:
    if node.args.get("query") or not node.expressions:
        raise refusal(node, "list the values in brackets; subqueries are not supported.")
    if all(isinstance(item, exp.Literal) and item.is_string for item in node.expressions):
        return In(_column_name(node.this), tuple(item.name for item in node.expressions))
    of = _expression(node.this, table)
    if sql_codes.is_category(of, table):
        return In(_column_name(node.this), tuple(_label(item) for item in node.expressions))
    return Or(tuple(Compare("=", of, Constant(_number(item))) for item in node.expressions))


def _compare(node: exp.Binary, op: str, table: TableSpec) -> Predicate:
    left, right = node.this, node.expression
    if isinstance(left, exp.Literal) and left.is_string:
        left, right = right, left
    if isinstance(right, exp.Literal) and right.is_string:
        if op not in {"=", "!="}:
            raise refusal(node, "text can only be compared with = and <>.")
        chosen = In(_column_name(left), (right.name,))
        return chosen if op == "=" else Not(chosen)
    return sql_codes.comparison(op, _expression(left, table), _expression(right, table), table)


def _label(node: Node) -> str:
    """Return a declared value, written in quotes or as a number."""
    return (
        node.name if isinstance(node, exp.Literal) and node.is_string else sql_codes.label_of(_number(node))
    )
