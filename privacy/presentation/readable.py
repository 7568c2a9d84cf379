"""Questions with the words that people read in place of codes: yes and no, not 1 and 0."""

from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, cast

from privacy.engine.language.expressions import In
from privacy.engine.language.schema import Kind, TableSpec

FLAGS = {"0": "no", "1": "yes"}
Part = TypeVar("Part")


def readable(node: Part, table: TableSpec) -> Part:
    """Return a query, or a part of one, in which conditions on yes/no columns say yes and no. It is only for words."""
    if isinstance(node, In):
        spec = table.columns.get(node.column)
        if spec is None or spec.kind != Kind.BOOLEAN:
            return node
        return cast("Part", replace(node, values=tuple(FLAGS.get(each, each) for each in node.values)))
    if isinstance(node, tuple):
        return cast("Part", tuple(readable(each, table) for each in node))
    if not is_dataclass(node):
        return node
    parts: dict[str, Any] = {part.name: readable(getattr(node, part.name), table) for part in fields(node)}
    return cast("Part", replace(cast("Any", node), **parts))
