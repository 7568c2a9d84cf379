"""HAVING, ORDER BY, LIMIT and OFFSET in SQL: what is shown of the noisy answer. They are no part of the query."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from sqlglot import exp

from privacy.engine.language.display import Display, Order
from privacy.engine.language.expressions import TURNED, And, Column, Compare, Constant, Not, Or, Predicate
from privacy.engine.language.sql_aggregates import Output
from privacy.engine.language.sql_expressions import COMPARED, number
from privacy.engine.language.sql_statement import Node, at, refusal

FigureOf: TypeAlias = Callable[[Node], str]
"""Return the name of the figure that an aggregate stands for. Raises QueryRefused if the answer has none for it."""


def display_of(select: exp.Select, outputs: Sequence[Output], figure_of: FigureOf) -> Display:
    """Return what is shown. `outputs`: the columns of SELECT. Raises QueryRefused at the word that is wrong."""
    having, order = select.args.get("having"), select.args.get("order")
    reading = _Reading(outputs, figure_of)
    limit = select.args.get("limit")
    per_person = limit is not None and limit.args.get("expressions")
    offset = select.args.get("offset")
    if offset is not None and (per_person or offset.args.get("expressions")):
        raise refusal(offset, "OFFSET is not supported with LIMIT n BY.")
    condition = reading.condition(having.this) if having else None
    with at(having or order or limit or offset or select):
        return Display(
            having=condition,
            order=tuple(reading.order(each) for each in order.expressions) if order else (),
            limit=None if limit is None or per_person else _lines(limit),
            offset=_whole(offset, offset.expression, "OFFSET", 0) if offset else 0,
        )


class _Reading:
    def __init__(self, outputs: Sequence[Output], figure_of: FigureOf) -> None:
        self.outputs, self.figure_of = outputs, figure_of

    def order(self, node: exp.Ordered) -> Order:
        by = self._output(node.this)
        return Order(by.name, by.is_key, bool(node.args.get("desc")), bool(node.args.get("nulls_first")))

    def _output(self, node: Node) -> Output:
        """Return the column of the answer that is named, by its name, its alias, its position or its aggregate."""
        if isinstance(node, exp.Literal) and not node.is_string:
            place = int(node.name) if node.name.isdecimal() and len(node.name) < 4 else 0
            if not 1 <= place <= len(self.outputs):
                raise refusal(node, f"SELECT has no column number {node.name[:100]}.")
            return self.outputs[place - 1]
        if isinstance(node, exp.Column):
            named = [each for each in self.outputs if each.alias.casefold() == node.name.casefold()]
            named = named or [each for each in self.outputs if each.is_key and each.name == node.name]
            if not named:
                raise refusal(node, f"“{node.name[:100]}” is not a column of the answer. {self._offered()}")
            return named[0]
        return Output(self.figure_of(node))

    def _offered(self) -> str:
        found = [each.alias or each.name for each in self.outputs if each.is_key or each.alias]
        return f"Use {', '.join([*found, 'the aggregate'])} or a position."

    def condition(self, node: Node) -> Predicate:
        if isinstance(node, exp.Paren | exp.Not):
            inner = self.condition(node.this)
            return Not(inner) if isinstance(node, exp.Not) else inner
        if isinstance(node, exp.And | exp.Or):
            parts = tuple(self.condition(part) for part in node.flatten())
            return And(parts) if isinstance(node, exp.And) else Or(parts)
        if isinstance(node, exp.Between) and not node.args.get("symmetric"):
            ends = ((">=", node.args["low"]), ("<=", node.args["high"]))
            return And(tuple(Compare(op, self._figure(node.this), Constant(number(end))) for op, end in ends))
        for kind, op in COMPARED.items():
            if type(node) is kind:
                if isinstance(node.this, exp.Literal | exp.Neg):
                    figure = self._figure(node.expression)
                    return Compare(TURNED.get(op, op), figure, Constant(number(node.this)))
                return Compare(op, self._figure(node.this), Constant(number(node.expression)))
        raise refusal(
            node,
            "HAVING compares the noisy figures with numbers: =, <>, <, <=, >, >=, BETWEEN, AND, OR, NOT.",
        )

    def _figure(self, node: Node) -> Column:
        found = self._output(node) if isinstance(node, exp.Column) else Output(self.figure_of(node))
        if found.is_key:
            raise refusal(node, f"HAVING compares figures. Put the condition on “{found.name}” into WHERE.")
        return Column(found.name)


def _lines(limit: exp.Limit | exp.Fetch) -> int:
    options = limit.args.get("limit_options")
    if options and (options.args.get("percent") or options.args.get("with_ties")):
        raise refusal(limit, "LIMIT takes a number of groups, without PERCENT or WITH TIES.")
    count = limit.args.get("count") if isinstance(limit, exp.Fetch) else limit.expression
    return _whole(limit, count, "LIMIT", 1)


def _whole(clause: Node, node: Node | None, word: str, least: int) -> int:
    value = 1.0 if node is None else number(node)
    if not value.is_integer() or value < least:
        raise refusal(clause, f"{word} takes a whole number of groups, {least} or more.")
    return int(value)
