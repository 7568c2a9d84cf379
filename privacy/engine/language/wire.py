"""Queries as JSON and back: the wire form of every front end, and the form stored with an answer.

A node is an object with a `kind` (the snake-case name of its class) and one key per field. Decoding checks every type
and every limit and refuses anything else with the path of the offending value.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeAlias

from privacy.engine.language import expressions as ex
from privacy.engine.language import query as qu
from privacy.engine.language.schema import QueryRefused, check_text

MAX_BYTES = 100_000
MAX_DEPTH = 3 * ex.MAX_DEPTH
Json: TypeAlias = Any

EXPRESSIONS = (ex.Column, ex.Constant, ex.Binary, ex.Unary, ex.Power, ex.Clip, ex.Where)
PREDICATES = (ex.Compare, ex.In, ex.IsNull, ex.And, ex.Or, ex.Not)
MEASURES = (
    qu.Count,
    qu.CountSubjects,
    qu.KeyCounts,
    qu.Sum,
    qu.Mean,
    qu.Variance,
    qu.Quantiles,
    qu.PersonQuantiles,
    qu.Distribution,
    qu.Regression,
    qu.Correlation,
)


def _kind(cls: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


_CLASSES: dict[str, dict[str, type]] = {
    "expression": {_kind(cls): cls for cls in EXPRESSIONS},
    "filter": {_kind(cls): cls for cls in PREDICATES},
    "measure": {_kind(cls): cls for cls in MEASURES},
}


def encode(item: object) -> Json:
    """Return a query, or a part of one, as JSON values."""
    if isinstance(item, (*EXPRESSIONS, *PREDICATES, *MEASURES)):
        return {"kind": _kind(type(item)), **{f.name: encode(getattr(item, f.name)) for f in fields(item)}}
    if isinstance(item, qu.Query):
        return {f.name: encode(getattr(item, f.name)) for f in fields(item)}
    if isinstance(item, tuple):
        return [encode(part) for part in item]
    return item


def canonical(query: qu.Query) -> str:
    """Return the canonical JSON text of a query: equal queries have equal texts."""
    return json.dumps(encode(query), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def decode(value: Json) -> qu.Query:
    """Build the query of a JSON object. Raises QueryRefused with the path of the value that does not fit."""
    if _nesting(value) > MAX_DEPTH:
        raise QueryRefused(f"The question is nested more than {MAX_DEPTH} levels deep. Simplify it.")
    found: qu.Query = _build(qu.Query, value, "query")
    return found


def decode_text(text: str | bytes) -> qu.Query:
    """Build the query of a JSON text of at most MAX_BYTES bytes. Raises QueryRefused."""
    if len(text) > MAX_BYTES:
        raise QueryRefused(f"This question is longer than {MAX_BYTES:,} bytes. Shorten it.")
    try:
        return decode(json.loads(text))
    except (ValueError, RecursionError) as bad:
        if isinstance(bad, QueryRefused):
            raise
        raise QueryRefused("This is not valid JSON.") from bad


def _nesting(value: Json) -> int:
    deepest, stack = 0, [(value, 1)]
    while stack:
        item, depth = stack.pop()
        deepest = max(deepest, depth)
        if depth > MAX_DEPTH:
            break
        parts = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        stack.extend((part, depth + 1) for part in parts)
    return deepest


def _build(cls: type, value: Json, path: str) -> Any:
    if not isinstance(value, Mapping):
        raise QueryRefused(f"{path}: expected an object.")
    known = {f.name: f for f in fields(cls)}
    extra = set(value) - set(known) - {"kind"}
    if extra:
        raise QueryRefused(
            f"{path}: unknown field “{min(map(str, extra))[:100]}”. Remove it or check its spelling."
        )
    arguments = {}
    for name, field in known.items():
        if name in value:
            arguments[name] = _value(str(field.type), value[name], f"{path}.{name}")
        elif field.default is MISSING:
            raise QueryRefused(f"{path}.{name} is missing.")
    return cls(**arguments)


def _node(family: str, value: Json, path: str) -> Any:
    kind = value.get("kind") if isinstance(value, Mapping) else None
    cls = _CLASSES[family].get(kind) if isinstance(kind, str) else None
    if cls is None:
        known = ", ".join(_CLASSES[family])
        raise QueryRefused(f"{path}.kind must be one of {known}. Example: {_example(family, value)}.")
    return _build(cls, value, path)


def _example(family: str, value: Json) -> str:
    """Return an example node as JSON. If a bare name was given, the example uses it as the column."""
    column = value if isinstance(value, str) and re.fullmatch(r"\w{1,63}", value) else "wage"
    examples = {
        "expression": {"kind": "column", "name": column},
        "filter": {"kind": "is_null", "column": column},
        "measure": {"kind": "count"},
    }
    return json.dumps(examples[family], ensure_ascii=False)


def _value(annotation: str, value: Json, path: str) -> Any:
    annotation = annotation.replace('"', "")
    if annotation.endswith(" | None"):
        return None if value is None else _value(annotation.removesuffix(" | None"), value, path)
    if annotation.startswith("tuple["):
        if not isinstance(value, list) or len(value) > 1000:
            raise QueryRefused(f"{path}: expected a list of at most 1,000 items.")
        inner = annotation.removeprefix("tuple[").removesuffix(", ...]")
        return tuple(_value(inner, part, f"{path}[{k}]") for k, part in enumerate(value))
    return _SCALARS[annotation](value, path)


def _text(value: Json, path: str) -> str:
    if not isinstance(value, str) or len(value) > 200:
        raise QueryRefused(f"{path}: expected text of at most 200 characters.")
    check_text(value)
    return value


def _number(value: Json, path: str) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or abs(value) > 1e300
        or math.isnan(value)
    ):
        raise QueryRefused(f"{path}: expected a finite number.")
    return float(value)


def _whole(value: Json, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 10**9:
        raise QueryRefused(f"{path}: expected a whole number.")
    return value


def _flag(value: Json, path: str) -> bool:
    if not isinstance(value, bool):
        raise QueryRefused(f"{path}: expected true or false.")
    return value


_SCALARS: dict[str, Callable[[Json, str], Any]] = {
    "str": _text,
    "float": _number,
    "int": _whole,
    "bool": _flag,
    "Expression": lambda value, path: _node("expression", value, path),
    "Predicate": lambda value, path: _node("filter", value, path),
    "Measure": lambda value, path: _node("measure", value, path),
}
