"""Questions as JSON and back: the wire form of every front end, and the form stored with an answer.

A node is an object with a `kind` (the snake-case name of its class) and one key per field. Decoding checks every type
and every limit and refuses anything else with the place of the offending value, in words and as `QueryRefused.place`.
`json_schema` describes the same form.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields
from typing import Any, TypeAlias

from privacy.engine.language import code as co
from privacy.engine.language import expressions as ex
from privacy.engine.language import learning as le
from privacy.engine.language import query as qu
from privacy.engine.language.display import Display, Order
from privacy.engine.language.schema import MAX_NUMBER, MAX_TEXT, QueryRefused, check_text

MAX_BYTES = 100_000
MAX_DEPTH = 3 * ex.MAX_DEPTH
MAX_PARTS = MAX_BYTES // 2
"""The most values in a question: a text of MAX_BYTES bytes cannot hold more."""
MAX_ITEMS = 1000
MAX_WHOLE = 10**9
TOO_DEEP = f"The question is nested more than {MAX_DEPTH} levels deep. Simplify it."
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
    qu.StandardDeviation,
    qu.Quantiles,
    qu.PersonQuantiles,
    qu.Distribution,
    qu.Histogram,
    qu.Covariance,
    qu.Regression,
    qu.Correlation,
    le.Fit,
    le.SyntheticTable,
)
OUTCOMES = (le.YesNo, le.Amount, le.Events, le.Choice)
FEATURES = (le.NumberFeature, le.CategoryFeature)
SHAPES = (co.Box, co.Ball, co.Votes)
WITHOUT_KIND = (qu.Query, Display, Order, co.CodeQuestion)


def kind_of(cls: type) -> str:
    """Return the `kind` of a class."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


FAMILIES: dict[str, dict[str, type]] = {
    "expression": {kind_of(cls): cls for cls in EXPRESSIONS},
    "filter": {kind_of(cls): cls for cls in PREDICATES},
    "measure": {kind_of(cls): cls for cls in MEASURES},
    "shape": {kind_of(cls): cls for cls in SHAPES},
    "outcome": {kind_of(cls): cls for cls in OUTCOMES},
    "feature": {kind_of(cls): cls for cls in FEATURES},
}


def encode(item: object) -> Json:
    """Return a query, a part of one, or a display as JSON values."""
    if isinstance(item, (*EXPRESSIONS, *PREDICATES, *MEASURES, *SHAPES, *OUTCOMES, *FEATURES)):
        return {"kind": kind_of(type(item)), **{f.name: encode(getattr(item, f.name)) for f in fields(item)}}
    if isinstance(item, WITHOUT_KIND):
        return {f.name: encode(getattr(item, f.name)) for f in fields(item)}
    if isinstance(item, tuple):
        return [encode(part) for part in item]
    return item


def canonical(query: qu.Query | Display | co.CodeQuestion) -> str:
    """Return the canonical JSON text of a query, a question with code or a display: equal ones have equal texts."""
    return json.dumps(encode(query), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def decode(value: Json) -> qu.Query:
    """Build the query of a JSON object. Raises QueryRefused with the place of the value that does not fit."""
    _check_size(value)
    found: qu.Query = _build(qu.Query, value, "query")
    return found


def decode_text(text: str | bytes) -> qu.Query:
    """Build the query of a JSON text of at most MAX_BYTES bytes. Raises QueryRefused."""
    return decode(_parsed(text))


def decode_display(value: Json) -> Display:
    """Build the display of a JSON object, or of its text. Raises QueryRefused."""
    value = _parsed(value) if isinstance(value, str) else value
    _check_size(value)
    found: Display = _build(Display, value, "display")
    return found


def encode_code(question: co.CodeQuestion) -> Json:
    """Return a question with code as JSON values."""
    return encode(question)


def decode_code(value: Json) -> co.CodeQuestion:
    """Build the question with code of a JSON object. Raises QueryRefused with the place of what does not fit.

    The code itself is checked by `code.check_code`: what was stored once can always be read.
    """
    _check_size(value)
    found: co.CodeQuestion = _build(co.CodeQuestion, value, "question")
    return found


def _parsed(text: str | bytes) -> Json:
    if len(text) > MAX_BYTES:
        raise QueryRefused(f"This question is longer than {MAX_BYTES:,} bytes. Shorten it.")
    try:
        return json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError) as bad:
        raise QueryRefused("This is not valid JSON.") from bad
    except ValueError as bad:
        raise QueryRefused("A number in this question has too many digits. Shorten it.") from bad
    except RecursionError as bad:
        raise QueryRefused(TOO_DEEP, place="query") from bad


def _check_size(value: Json) -> None:
    """Raise QueryRefused for a value that is too deep or has too many parts, before anything recurses into it."""
    stack, count = [(value, 1)], 0
    while stack:
        item, depth = stack.pop()
        parts = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        count += len(parts)
        if depth > MAX_DEPTH:
            raise QueryRefused(TOO_DEEP, place="query")
        if count > MAX_PARTS:
            raise QueryRefused(f"The question has more than {MAX_PARTS:,} parts. Simplify it.", place="query")
        stack.extend((part, depth + 1) for part in parts)


def _refused(place: str, why: str) -> QueryRefused:
    return QueryRefused(f"{place}{why}", place=place)


@contextmanager
def _at(place: str) -> Iterator[None]:
    """Add the place to a refusal that does not know it."""
    try:
        yield
    except QueryRefused as refused:
        refused.place = refused.place or place
        raise


def _build(cls: type, value: Json, path: str) -> Any:
    if not isinstance(value, Mapping):
        raise _refused(path, ": expected an object.")
    known = {f.name: f for f in fields(cls)}
    extra = set(value) - set(known) - ({"kind"} if cls not in WITHOUT_KIND else set())
    if extra:
        name = min(map(str, extra))[:100].encode(errors="replace").decode()
        raise _refused(path, f": unknown field “{name}”. Remove it or check its spelling.")
    arguments = {}
    for name, field in known.items():
        if name in value:
            arguments[name] = _value(str(field.type), value[name], f"{path}.{name}")
        elif field.default is MISSING:
            raise _refused(f"{path}.{name}", " is missing.")
    with _at(path):
        return cls(**arguments)


def _node(family: str, value: Json, path: str) -> Any:
    kind = value.get("kind") if isinstance(value, Mapping) else None
    cls = FAMILIES[family].get(kind) if isinstance(kind, str) else None
    if cls is None:
        known = ", ".join(FAMILIES[family])
        raise _refused(f"{path}.kind", f" must be one of {known}. Example: {_example(family, value)}.")
    return _build(cls, value, path)


def _example(family: str, value: Json) -> str:
    """Return an example node as JSON. If a bare name was given, the example uses it as the column."""
    column = value if isinstance(value, str) and re.fullmatch(r"\w{1,63}", value) else "wage"
    examples = {
        "expression": {"kind": "column", "name": column},
        "filter": {"kind": "is_null", "column": column},
        "measure": {"kind": "count"},
        "shape": {"kind": "votes", "labels": ["yes", "no"]},
        "outcome": {"kind": "choice", "column": column},
        "feature": {"kind": "category_feature", "column": column},
    }
    return json.dumps(examples[family], ensure_ascii=False)


def _value(annotation: str, value: Json, path: str) -> Any:
    annotation = annotation.replace('"', "")
    if annotation.endswith(" | None"):
        return None if value is None else _value(annotation.removesuffix(" | None"), value, path)
    if annotation.startswith("tuple["):
        _check_list(value, MAX_ITEMS, path)
        inner = annotation.removeprefix("tuple[").removesuffix(", ...]")
        return tuple(_value(inner, part, f"{path}[{k}]") for k, part in enumerate(value))
    return _SCALARS[annotation](value, path)


def _check_list(value: Json, most: int, path: str) -> None:
    if not isinstance(value, list) or len(value) > most:
        raise _refused(path, f": expected a list of at most {most:,} items.")


def _vector(value: Json, path: str) -> co.Vector:
    _check_list(value, co.MAX_WEIGHTS, path)
    return tuple(_number(part, f"{path}[{k}]") for k, part in enumerate(value))


def _text(value: Json, path: str, most: int = MAX_TEXT) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise _refused(path, f": expected text of at most {most:,} characters.")
    with _at(path):
        check_text(value)
    return value


def _number(value: Json, path: str) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not abs(value) <= MAX_NUMBER:  # NaN is not
        raise _refused(path, ": expected a finite number.")
    return float(value)


def _whole(value: Json, path: str) -> int:
    """Return a whole number. JSON does not distinguish 2 from 2.0."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not abs(value) <= MAX_WHOLE or value != int(value):
        raise _refused(path, ": expected a whole number.")
    return int(value)


def _flag(value: Json, path: str) -> bool:
    if not isinstance(value, bool):
        raise _refused(path, ": expected true or false.")
    return value


_SCALARS: dict[str, Callable[[Json, str], Any]] = {
    "str": _text,
    "float": _number,
    "int": _whole,
    "bool": _flag,
    "Expression": lambda value, path: _node("expression", value, path),
    "Predicate": lambda value, path: _node("filter", value, path),
    "Order": lambda value, path: _build(Order, value, path),
    "Measure": lambda value, path: _node("measure", value, path),
    "Shape": lambda value, path: _node("shape", value, path),
    "Outcome": lambda value, path: _node("outcome", value, path),
    "Feature": lambda value, path: _node("feature", value, path),
    "Source": lambda value, path: _text(value, path, co.MAX_CODE),
    "Vector": _vector,
}
