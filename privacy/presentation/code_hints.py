"""Find in submitted code what a question could ask as well, and far more exactly."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from privacy.engine.language import sql_text
from privacy.engine.language.expressions import Column
from privacy.engine.language.query import (
    Count,
    Mean,
    Measure,
    Quantiles,
    Query,
    StandardDeviation,
    Sum,
    Variance,
)
from privacy.engine.language.schema import QueryRefused, TableSpec

AGGREGATES = {"mean": Mean, "sum": Sum, "std": StandardDeviation, "var": Variance}
"""Methods of a column, and what they measure."""
PLAIN = {"float", "int", "round"}
MOST = 5


@dataclass(frozen=True, slots=True)
class Hint:
    """An expression that main returns, and the SQL of the question that asks for it."""

    code: str
    sql: str


def declarative(code: str, table: TableSpec) -> list[Hint]:
    """Return what of the returned values could be asked as a question with SQL. The code is parsed, never run."""
    try:
        return list(_hints(ast.parse(code), table).values())[:MOST]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _hints(tree: ast.Module, table: TableSpec) -> dict[str, Hint]:
    found = {}
    for main in [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"][
        -1:
    ]:
        names = _names(main)
        returned = [node.value for node in ast.walk(main) if isinstance(node, ast.Return) and node.value]
        for part in (part for value in returned for part in _parts(names.visit(value))):
            measure = _measure(part, table)
            text = _sql(measure, table) if measure else ""
            if text:
                found[text] = Hint(ast.unparse(part), text)
    return found


class _Names(ast.NodeTransformer):
    """Puts what a name was set to in its place."""

    def __init__(self, values: dict[str, ast.expr]) -> None:
        self.values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.values.get(node.id, node)


def _names(main: ast.FunctionDef) -> _Names:
    """Return what the names are that the function sets once, such as `x = t["wage"]`."""
    values: dict[str, ast.expr] = {}
    often = set()
    for node in ast.walk(main):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            often |= {node.id} & values.keys()
            values[node.id] = node
        if isinstance(node, ast.arg):
            often.add(node.arg)
    for node in main.body:
        match node:
            case ast.Assign([ast.Name(name)], value):
                values[name] = value
            case _:
                pass
    return _Names({name: value for name, value in values.items() if name not in often})


def _parts(value: ast.expr) -> Iterator[ast.expr]:
    """Yield each value of a returned list, without what only turns it into a number."""
    match value:
        case ast.List(values) | ast.Tuple(values):
            for each in values:
                yield from _parts(each)
        case ast.Call(ast.Name(name), [inner, *_]) if name in PLAIN:
            yield from _parts(inner)
        case _:
            yield value


def _measure(part: ast.expr, table: TableSpec) -> Measure | None:
    match part:
        case ast.Call(ast.Name("len"), [ast.Name()]):
            return Count()
        case ast.Call(ast.Attribute(of, name), []) if column := _column(of, table):
            if name == "median":
                return Quantiles(column, (0.5,))
            return AGGREGATES[name](column) if name in AGGREGATES else None
        case ast.Call(ast.Attribute(of, "quantile"), [ast.Constant(float(share))]) if 0 < share < 1:
            column = _column(of, table)
            return Quantiles(column, (share,)) if column else None
        case _:
            return None


def _column(of: ast.expr, table: TableSpec) -> Column | None:
    """Return the numeric column that an expression reads as it is: `t["wage"]`, `t.wage`, perhaps without gaps."""
    match of:
        case ast.Subscript(ast.Name(), ast.Constant(str(name))) | ast.Attribute(ast.Name(), name):
            spec = table.columns.get(name)
            return Column(name) if spec is not None and spec.is_numeric else None
        case ast.Call(ast.Attribute(inner, "dropna"), []):
            return _column(inner, table)
        case _:
            return None


def _sql(measure: Measure, table: TableSpec) -> str:
    try:
        return " ".join(sql_text.write(Query(table=table.name, measure=measure), table).split())
    except QueryRefused:
        return ""
