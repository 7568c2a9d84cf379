"""Row-local expressions and conditions in SQL, read from the parsed tree. `sql` puts the query together."""

from collections.abc import Sequence
from typing import cast

from sqlglot import exp

from privacy.engine.language import sql_codes
from privacy.engine.language.bounds import bounds, check_filter
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
    check_size,
)
from privacy.engine.language.schema import Kind, TableSpec
from privacy.engine.language.sql_names import column_name
from privacy.engine.language.sql_statement import Node, at, refusal


def number(node: Node) -> float:
    sign = 1.0
    while isinstance(node, exp.Neg | exp.Paren):
        sign, node = (-sign if isinstance(node, exp.Neg) else sign), node.this
    if isinstance(node, exp.Boolean):
        return sign * float(node.this)
    if not isinstance(node, exp.Literal) or node.is_string:
        raise refusal(node, f"a number is expected here{', without quotes' * isinstance(node, exp.Literal)}.")
    return sign * float(node.this)


def computed(node: Node, table: TableSpec) -> Expression:
    """Return an expression that can be computed in every row. Raises QueryRefused at what cannot."""
    made = expression(node, table)
    with at(node):
        check_size(made)  # so that what follows takes no long time, however large the SQL is
        bounds(made, table)
    return made


def expression(node: Node, table: TableSpec) -> Expression:
    """Return an expression. A column by itself may be of any kind; what is computed with must be numbers."""
    if isinstance(node, exp.Paren):
        return expression(node.this, table)
    if isinstance(node, exp.Column):
        name = column_name(node)
        with at(node):
            table.column(name)
        return Column(name)
    # Read -9 as a constant, not as a negation.
    if isinstance(node.this if isinstance(node, exp.Neg) else node, exp.Literal | exp.Boolean):
        return Constant(number(node))
    for kind, op in _ARITHMETIC.items():
        if type(node) is kind:
            made = Binary(op, computed(node.this, table), computed(node.expression, table))
            with at(node.expression if op == "/" else node):
                bounds(made, table)
            return made
    for function, name in _FUNCTIONS.items():
        if type(node) is function and not node.args.get("expression"):
            return Unary(name, computed(node.this, table))
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
        exponent = number(node.expression)
        if not exponent.is_integer():
            raise refusal(node, "the exponent must be a whole number from 2 to 8.")
        return Power(computed(node.this, table), int(exponent))
    if isinstance(node, exp.Greatest | exp.Least) and len(node.expressions) == 1:
        limit = number(node.expressions[0])
        wide = 1e300
        of = computed(node.this, table)
        return Clip(of, limit, wide) if isinstance(node, exp.Greatest) else Clip(of, -wide, limit)
    if isinstance(node, exp.Case | exp.If):
        return _case(node, table)
    if isinstance(node, exp.Coalesce):
        return _coalesce([node.this, *node.expressions], table)
    if isinstance(node, exp.Cast):
        return _cast(node, table)
    raise refusal(node, sql_codes.expression_refusal(node))


def _case(node: exp.Case | exp.If, table: TableSpec) -> Expression:
    """Return CASE WHEN …, CASE x WHEN … or IF(…) as nested conditions."""
    is_case = isinstance(node, exp.Case)
    branches = node.args["ifs"] if is_case else [node]
    default = node.args.get("default" if is_case else "false")
    if default is None or isinstance(default, exp.Null):
        raise refusal(
            node, "inside a calculation, CASE and IF need a number for all other rows: write ELSE number."
        )
    value = computed(default, table)
    for branch in reversed(branches):
        met = exp.EQ(this=node.this, expression=branch.this) if is_case and node.this else branch.this
        value = Where(predicate(met, table), computed(branch.args["true"], table), value)
    return value


def _coalesce(parts: Sequence[Node], table: TableSpec) -> Expression:
    """Return the first of these that has a value. Every part but the last is a column."""
    value = computed(parts[-1], table)
    for part in reversed(parts[:-1]):
        if not isinstance(part, exp.Column):
            raise refusal(part, "COALESCE takes columns, and a number or a calculation at its end.")
        of = computed(part, table)
        value = Where(IsNull(part.name), value, of) if table.column(part.name).nullable else of
    return value


def _cast(node: exp.Cast, table: TableSpec) -> Expression:
    """Return what is cast, if the cast changes no number: to floats, which are all computed as DOUBLE, or of whole
    numbers."""
    of, to = expression(node.this, table), node.to.this
    is_whole = isinstance(of, Column) and table.column(of.name).kind in {Kind.INTEGER, Kind.BOOLEAN}
    if to in FLOATS or (is_whole and to in WHOLE_OR_DECIMAL):
        return of
    raise refusal(node, "this CAST would change numbers. Cast to DOUBLE, or leave the CAST out.")


FLOATS = {exp.DType.FLOAT, exp.DType.DOUBLE}
NOT_WHOLE = {exp.DType.BIT, exp.DType.TINYINT, exp.DType.UTINYINT}
WHOLE_OR_DECIMAL = {*exp.DataType.INTEGER_TYPES, exp.DType.DECIMAL} - NOT_WHOLE


def predicate(node: Node, table: TableSpec) -> Predicate:
    if isinstance(node, exp.Paren | exp.Not):
        inner = predicate(node.this, table)
        return Not(inner) if isinstance(node, exp.Not) else inner
    if isinstance(node, exp.And | exp.Or):
        parts = tuple(predicate(part, table) for part in node.flatten())
        return And(parts) if isinstance(node, exp.And) else Or(parts)
    return _condition(node, table)


def _condition(node: Node, table: TableSpec) -> Predicate:
    """Return one condition about a row, without AND, OR and NOT."""
    columns = list(node.find_all(exp.Column, bfs=False))
    for column in columns:
        if why := sql_codes.column_refusal(column.name, [each.name for each in columns], table):
            raise refusal(column, why)
    with at(node):
        made = _read_condition(node, table)
    with at(_undeclared(node, made, table)):
        check_filter(made, table)
    return made


def _undeclared(node: Node, made: Predicate, table: TableSpec) -> Node:
    """Return the first text that is no value of the column that it is compared with; otherwise the whole condition."""
    chosen = made.of if isinstance(made, Not) else made
    if not isinstance(chosen, In) or not (labels := table.column(chosen.column).labels):
        return node
    literals = (each for each in node.find_all(exp.Literal, bfs=False) if each.name not in labels)
    return next(literals, node)


def _read_condition(node: Node, table: TableSpec) -> Predicate:
    if isinstance(node, exp.Column):
        return _is_true(node, table)
    if isinstance(node, exp.Boolean):
        return Compare("=", Constant(float(node.this)), Constant(1.0))
    if isinstance(node, exp.Is):
        return _is(node, table)
    if isinstance(node, exp.Between | exp.In):
        return _in(node, table) if isinstance(node, exp.In) else _between(node, table)
    for kind, op in COMPARED.items():
        if type(node) is kind:
            return _compare(cast("exp.Binary", node), op, table)
    raise refusal(node, sql_codes.condition_refusal(node))


def _is_true(node: Node, table: TableSpec) -> Predicate:
    """Return the condition that a yes/no column is true. A column of another kind is no condition by itself."""
    name = column_name(node)
    if table.column(name).kind != Kind.BOOLEAN:
        raise refusal(node, f"“{name}” is not a yes/no column: compare it with a value.")
    return sql_codes.comparison("=", Column(name), Constant(1.0), table)


def _is(node: exp.Is, table: TableSpec) -> Predicate:
    """Return x IS NULL, IS TRUE or IS FALSE. Without a value, NOT x IS TRUE holds; NOT x does not."""
    name = column_name(node.this)
    if isinstance(node.expression, exp.Null):
        return IsNull(name)
    if not isinstance(node.expression, exp.Boolean):
        raise refusal(node, "IS takes NULL, TRUE or FALSE: write IS NULL, or compare with =.")
    chosen = _is_true(node.this, table)
    chosen = chosen if node.expression.this else Not(chosen)
    return And((Not(IsNull(name)), chosen)) if table.column(name).nullable else chosen


COMPARED: dict[type[Node], str] = {
    exp.EQ: "=", exp.NEQ: "!=", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip


def _between(node: exp.Between, table: TableSpec) -> Predicate:
    if node.args.get("symmetric"):
        raise refusal(node, "SYMMETRIC is not supported: write the smaller number first.")
    of = expression(node.this, table)
    low, high = expression(node.args["low"], table), expression(node.args["high"], table)
    return And((sql_codes.comparison(">=", of, low, table), sql_codes.comparison("<=", of, high, table)))


def _in(node: exp.In, table: TableSpec) -> Predicate:
    if node.args.get("query") or not node.expressions:
        raise refusal(node, "list the values in brackets; subqueries are not supported.")
    if all(isinstance(item, exp.Literal) and item.is_string for item in node.expressions):
        return In(_coded(node.this), tuple(item.name for item in node.expressions))
    of = expression(node.this, table)
    if sql_codes.is_category(of, table):
        return In(column_name(node.this), tuple(_label(item) for item in node.expressions))
    return Or(tuple(Compare("=", of, Constant(number(item))) for item in node.expressions))


def _compare(node: exp.Binary, op: str, table: TableSpec) -> Predicate:
    left, right = node.this, node.expression
    if isinstance(left, exp.Literal) and left.is_string:
        left, right = right, left
    if isinstance(right, exp.Literal) and right.is_string:
        if op not in {"=", "!="}:
            raise refusal(node, sql_codes.text_refusal(left, table))
        chosen = In(_coded(left), (right.name,))
        return chosen if op == "=" else Not(chosen)
    return sql_codes.comparison(op, expression(left, table), expression(right, table), table)


def _coded(node: Node) -> str:
    """Return the name of the column that text is compared with."""
    if not isinstance(node, exp.Column):
        raise refusal(
            node, "compare the column itself with its declared values, without a function around it."
        )
    return column_name(node)


def _label(node: Node) -> str:
    """Return a declared value, written in quotes or as a number."""
    return node.name if isinstance(node, exp.Literal) and node.is_string else sql_codes.label_of(number(node))
