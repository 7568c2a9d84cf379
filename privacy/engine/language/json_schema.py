"""The wire form of a query as a JSON Schema (draft 2020-12), generated from the classes that `wire` encodes.

Whatever validates can be decoded, with these exceptions, which a schema cannot state: the limits on all parts together,
lists of a shape that must be equally long, bounds that must rise, and characters that the database cannot store.
Columns and values that a table declares are checked later.

A family of nodes chooses the schema by `kind` with `if` and `then`, not with `oneOf`: validators that try each kind in
turn would descend into the same parts several times, which takes exponential time in nested expressions.
"""

import inspect
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields
from typing import Any, TypeAlias

from privacy.engine.language import code as co
from privacy.engine.language import expressions as ex
from privacy.engine.language import learning as le
from privacy.engine.language import query as qu
from privacy.engine.language.bounds import ARITHMETIC, EXPONENTS, FUNCTIONS
from privacy.engine.language.schema import LARGEST_VALUE, MAX_NUMBER, MAX_ROWS_PER_SUBJECT, MAX_TEXT
from privacy.engine.language.wire import (
    FAMILIES,
    MAX_ITEMS,
    MAX_WHOLE,
    WITHOUT_KIND,
    encode,
    kind_of,
)

DIALECT = "https://json-schema.org/draft/2020-12/schema"
INSIDE = "#/$defs/"
Schema: TypeAlias = dict[str, Any]


def document() -> Schema:
    """Return the schema of a query as one document."""
    return {"$schema": DIALECT, "title": "Query", "$ref": f"{INSIDE}query", "$defs": definitions()}


def definitions(at: str = INSIDE) -> dict[str, Schema]:
    """Return the schemas of a query, of a question with code, of their families of nodes and of each kind.

    `at`: where references find them.
    """
    families = {name: _family(list(kinds), at) for name, kinds in FAMILIES.items()}
    kinds = {kind: _object(cls, at) for family in FAMILIES.values() for kind, cls in family.items()}
    whole = {"query": _object(qu.Query, at), "code_question": _object(co.CodeQuestion, at)}
    return {**whole, **families, **kinds}


def _family(kinds: Sequence[str], at: str) -> Schema:
    chosen = [
        {"if": {"properties": {"kind": {"const": kind}}}, "then": {"$ref": f"{at}{kind}"}} for kind in kinds
    ]
    return {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"enum": list(kinds)}},
        "allOf": chosen,
    }


def _object(cls: type, at: str) -> Schema:
    kind: dict[str, Schema] = {} if cls in WITHOUT_KIND else {"kind": {"const": kind_of(cls)}}
    found = fields(cls)
    return {
        "description": _description(cls),
        "type": "object",
        "required": [*kind, *(field.name for field in found if field.default is MISSING)],
        "properties": {**kind, **{field.name: _property(cls, field, at) for field in found}},
        "additionalProperties": False,
    }


def _description(cls: type) -> str:
    """Return the first paragraph of a class's docstring as one line."""
    return " ".join((inspect.getdoc(cls) or "").partition("\n\n")[0].split())


def _property(cls: type, field: "Field[Any]", at: str) -> Schema:
    known = _of_type(str(field.type).replace('"', ""), LIMITS.get((cls, field.name), {}), at)
    return known if field.default is MISSING else {**known, "default": encode(field.default)}


def _of_type(annotation: str, limits: Schema, at: str) -> Schema:
    if annotation.endswith(" | None"):
        inner = _of_type(annotation.removesuffix(" | None"), limits, at)
        return {"anyOf": [inner, {"type": "null"}]}
    if annotation.startswith("tuple["):
        items = _of_type(annotation.removeprefix("tuple[").removesuffix(", ...]"), {}, at)
        return {"type": "array", "maxItems": MAX_ITEMS, "items": items, **limits}
    if annotation in REFERENCES:
        return {"$ref": f"{at}{REFERENCES[annotation]}"}
    return {**SCALARS[annotation], **limits}


REFERENCES = {
    "Expression": "expression",
    "Predicate": "filter",
    "Measure": "measure",
    "Shape": "shape",
    "Outcome": "outcome",
    "Feature": "feature",
}
SCALARS: dict[str, Schema] = {
    "str": {"type": "string", "maxLength": MAX_TEXT},
    "float": {"type": "number", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER},
    "int": {"type": "integer", "minimum": -MAX_WHOLE, "maximum": MAX_WHOLE},
    "bool": {"type": "boolean"},
    "Source": {"type": "string", "maxLength": co.MAX_CODE},
    "Vector": {"type": "array", "maxItems": co.MAX_WEIGHTS, "items": {"type": "number"}},
}


def _from_to(least: float, most: float) -> Schema:
    return {"minimum": least, "maximum": most}


def _items(least: int, most: int) -> Schema:
    return {"minItems": least, "maxItems": most}


_SHARES: Schema = {
    **_items(1, qu.MAX_QUANTILES),
    "items": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
}
_VALUE: Schema = {"type": "number", "minimum": -LARGEST_VALUE, "maximum": LARGEST_VALUE}
_ENDS: Schema = {**_items(1, co.MAX_OUTPUTS), "items": _VALUE}


def _names(least: int, most: int) -> Schema:
    text = {"type": "string", "maxLength": MAX_TEXT, "pattern": r"\S"}
    return {**_items(least, most), "uniqueItems": True, "items": text}


LIMITS: dict[tuple[type, str], Schema] = {
    (ex.Binary, "op"): {"enum": list(ARITHMETIC)},
    (ex.Unary, "op"): {"enum": list(FUNCTIONS)},
    (ex.Compare, "op"): {"enum": list(ex.COMPARISONS)},
    (ex.Power, "exponent"): _from_to(EXPONENTS[0], EXPONENTS[-1]),
    (ex.In, "values"): _items(1, MAX_ITEMS),
    (ex.And, "parts"): _items(1, ex.MAX_NODES),
    (ex.Or, "parts"): _items(1, ex.MAX_NODES),
    (qu.KeyCounts, "keys"): _from_to(1, qu.MAX_SUBJECT_KEYS),
    (qu.Quantiles, "at"): _SHARES,
    (qu.PersonQuantiles, "at"): _SHARES,
    (qu.Distribution, "bins"): _from_to(2, qu.MAX_BINS),
    (qu.Histogram, "edges"): {**_items(2, qu.MAX_EDGES), "uniqueItems": True},
    (qu.Regression, "features"): _items(1, qu.MAX_FEATURES),
    (qu.Regression, "names"): {**_items(1, qu.MAX_FEATURES), "uniqueItems": True},
    (qu.Query, "by"): {**_items(0, qu.MAX_KEYS), "uniqueItems": True},
    (qu.Query, "rows"): _from_to(1, MAX_ROWS_PER_SUBJECT),
    (le.NumberFeature, "bins"): _from_to(0, le.MAX_FEATURE_BINS),
    (le.NumberFeature, "edges"): {"maxItems": le.MAX_FEATURE_BINS + 1, "uniqueItems": True},
    (le.Fit, "features"): _items(1, le.MAX_MODEL_FEATURES),
    (le.Fit, "hidden"): {
        "maxItems": le.MAX_LAYERS,
        "items": {"type": "integer", **_from_to(1, le.MAX_UNITS)},
    },
    (le.Fit, "test_share"): _from_to(0, le.MAX_TEST_SHARE),
    (le.Fit, "steps"): _from_to(le.MIN_STEPS, le.MAX_STEPS),
    (le.Fit, "people"): _from_to(1, MAX_WHOLE),
    (le.SyntheticTable, "columns"): {**_items(1, le.MAX_SYNTHETIC_COLUMNS), "uniqueItems": True},
    (le.SyntheticTable, "bins"): _from_to(2, le.MAX_SYNTHETIC_BINS),
    (co.Box, "names"): _names(1, co.MAX_OUTPUTS),
    (co.Box, "lower"): _ENDS,
    (co.Box, "upper"): _ENDS,
    (co.Box, "method"): {"enum": list(co.METHODS)},
    (co.Ball, "size"): _from_to(1, co.MAX_WEIGHTS),
    (co.Ball, "radius"): _from_to(1 / LARGEST_VALUE, LARGEST_VALUE),
    (co.Ball, "rounds"): _from_to(1, co.MAX_ROUNDS),
    (co.Ball, "start"): {"items": _VALUE},
    (co.Votes, "labels"): _names(co.MIN_LABELS, co.MAX_LABELS),
    (co.CodeQuestion, "people"): _from_to(1, MAX_WHOLE),
    (co.CodeQuestion, "blocks"): _from_to(co.MIN_BLOCKS, co.MAX_BLOCKS),
    (co.CodeQuestion, "environment"): {"minLength": 1, "maxLength": co.MAX_ENVIRONMENT},
}
"""Limits of single fields beyond their types, as `design` checks them."""
