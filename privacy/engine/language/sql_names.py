"""Names in SQL as people write them: in any case, behind the table's name or an alias, and short forms in GROUP BY.

Every name is replaced by the declared one before the query is built, so that the rest of the front end compares names
to the letter.
"""

from collections.abc import Iterable, Mapping
from typing import cast

from sqlglot import exp

from privacy.engine.language.bounds import check_groups
from privacy.engine.language.schema import Kind, TableSpec
from privacy.engine.language.sql_statement import Node, at, refusal


def table_in(select: exp.Select) -> exp.Table:
    """Return the only table in FROM. Raises QueryRefused if there is not exactly one, named alone or with an alias."""
    origin = select.args.get("from_")
    source = origin.this if origin else None
    if not isinstance(source, exp.Table) or not isinstance(source.this, exp.Identifier):
        raise refusal(
            source or select, "name one table after FROM; subqueries and functions are not supported."
        )
    alias = source.args.get("alias")
    extra = {name for name, value in source.args.items() if value and name not in {"this", "alias"}}
    if extra or (alias and alias.args.get("columns")):
        raise refusal(source, "give the table name alone, without schema or sampling.")
    return source


def declared(name: str, known: Iterable[str]) -> str:
    """Return the known name that is written like this: to the letter or, if only one fits, in another case."""
    names = list(known)
    if name in names:
        return name
    alike = [each for each in names if each.casefold() == name.casefold()]
    return alike[0] if len(alike) == 1 else name


def resolve(select: exp.Select, table: TableSpec) -> None:
    """Replace every column's name in the statement by the declared one, without the table's name before it.

    Raises QueryRefused for a column of another table.
    """
    source = table_in(select)
    own = {name.casefold() for name in (source.name, source.alias) if name}
    columns = [*table.columns, table.subject]
    for column in list(select.find_all(exp.Column)):
        before = [part.name for part in column.parts[:-1]]
        if [name for name in before if len(before) > 1 or name.casefold() not in own]:
            raise refusal(column, f"“{before[-1][:100]}” is not the table after FROM.")
        column.set("table", None)
        if isinstance(column.this, exp.Identifier):
            column.this.set("this", declared(column.name, columns))


def keys(select: exp.Select, table: TableSpec) -> tuple[str, ...]:
    """Return the columns of GROUP BY, each given by name, by its alias, or by its position in SELECT."""
    group = select.args.get("group")
    if group is None:
        return ()
    if any(value for name, value in group.args.items() if name != "expressions"):
        raise refusal(group, "GROUP BY takes column names only.")
    aliases = {item.alias.casefold(): item.this for item in select.expressions if isinstance(item, exp.Alias)}
    return tuple(_key(key, select, aliases, table) for key in group.expressions)


def _key(node: Node, select: exp.Select, aliases: Mapping[str, Node], table: TableSpec) -> str:
    if isinstance(node, exp.Literal) and not node.is_string:
        position = int(node.name) if node.name.isdecimal() and len(node.name) < 4 else 0
        if not 1 <= position <= len(select.expressions):
            raise refusal(node, f"SELECT has no column number {node.name[:100]}.")
        node = cast("Node", select.expressions[position - 1].unalias())
    elif isinstance(node, exp.Column) and node.name not in table.columns:
        node = aliases.get(node.name.casefold(), node)
    if not isinstance(node, exp.Column):
        raise refusal(
            node,
            "a column name is expected here: GROUP BY takes columns, not calculations. For one group write a "
            "condition, for ranges HISTOGRAM(x, 0, 10, 20).",
        )
    name = column_name(node)
    with at(node):
        spec = table.column(name)
        if spec.kind != Kind.TEXT:  # a count of people may be by its undeclared values
            check_groups(spec)
    return name


def column_name(node: Node) -> str:
    """Return the name of a column. Raises QueryRefused if the node is something else."""
    if not isinstance(node, exp.Column) or isinstance(node.this, exp.Star):
        raise refusal(node, "a column name is expected here.")
    return node.name
