"""Declarations of automatic code: what cannot be answered is refused at its place, before any person is read."""

import copy
import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from privacy.engine.language import wire
from privacy.engine.language.code import MAX_CODE, MAX_WEIGHTS, Ball, Box, CodeQuestion, Votes, check_code
from privacy.engine.language.expressions import Column, Compare, Constant
from privacy.engine.language.json_schema import definitions
from privacy.engine.language.schema import QueryRefused
from tests.privacy.make_code import SHAPES, asked, box

WHERE = Compare("<", Column("wage"), Constant(9.0))
BALL = wire.encode_code(asked(Ball(size=3, radius=2.0, rounds=2, start=(0.0, 1.0, 2.0)), where=WHERE))
BOX = wire.encode_code(asked(box(2)))
VOTES = wire.encode_code(asked(Votes(labels=("a", "b")), people=500, blocks=20))
DEFINITIONS = definitions()
VALIDATOR = Draft202012Validator({"$ref": "#/$defs/code_question", "$defs": DEFINITIONS})


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_question_with_code_survives_the_wire(shape):
    question = asked(shape, where=WHERE, people=500, blocks=20, environment="torch")
    text = wire.canonical(question)
    assert wire.decode_code(json.loads(text)) == question
    assert wire.canonical(wire.decode_code(json.loads(text))) == text
    assert VALIDATOR.is_valid(json.loads(text))


def test_the_largest_question_survives_the_wire():
    code = "# " + "\N{PILE OF POO}" * (MAX_CODE - 2)
    start = tuple(k / 7 for k in range(MAX_WEIGHTS))
    question = CodeQuestion(table="t", code=code, shape=Ball(size=MAX_WEIGHTS, radius=1e-30, start=start))
    value = json.loads(wire.canonical(question))
    assert wire.decode_code(value) == question
    assert VALIDATOR.is_valid(value)


def put(value, at, new):
    made = copy.deepcopy(value)
    inside = made
    for key in at[:-1]:
        inside = inside[key]
    inside[at[-1]] = new
    return made


SHAPE = "question.shape"
REFUSED: dict[str, tuple[Any, list[Any], Any, str]] = {
    "no code": (BOX, ["code"], 7, "question.code"),
    "long code": (BOX, ["code"], "x" * (MAX_CODE + 1), "question.code"),
    "code with NUL": (BOX, ["code"], "\0", "question.code"),
    "another shape": (BOX, ["shape", "kind"], "cube", f"{SHAPE}.kind"),
    "another field": (BOX, ["also"], 1, "question"),
    "no filter": (BOX, ["where"], {"kind": "maybe"}, "question.where.kind"),
    "a shape without kind": (BOX, ["shape"], 7, f"{SHAPE}.kind"),
    "no names": (BOX, ["shape", "names"], [], f"{SHAPE}.names"),
    "a name twice": (BOX, ["shape", "names"], ["a", "a"], f"{SHAPE}.names"),
    "an empty name": (BOX, ["shape", "names"], ["a", " "], f"{SHAPE}.names[1]"),
    "17 names": (BOX, ["shape", "names"], [str(k) for k in range(17)], f"{SHAPE}.names"),
    "one lower bound": (BOX, ["shape", "lower"], [0.0], f"{SHAPE}.lower"),
    "three upper bounds": (BOX, ["shape", "upper"], [1.0, 1.0, 1.0], f"{SHAPE}.upper"),
    "equal bounds": (BOX, ["shape", "upper", 1], 0.0, f"{SHAPE}.upper[1]"),
    "bounds that nearly touch": (BOX, ["shape", "upper", 0], 1e-31, f"{SHAPE}.upper[0]"),
    "a huge bound": (BOX, ["shape", "lower", 1], -1e31, f"{SHAPE}.lower[1]"),
    "a bound that is no number": (BOX, ["shape", "lower", 1], "0", f"{SHAPE}.lower[1]"),
    "an unknown method": (BOX, ["shape", "method"], "best", f"{SHAPE}.method"),
    "halves as a number": (BOX, ["shape", "halves"], 1, f"{SHAPE}.halves"),
    "a box without size": (BALL, ["shape", "size"], 0, f"{SHAPE}.size"),
    "a ball too large": (BALL, ["shape", "size"], MAX_WEIGHTS + 1, f"{SHAPE}.size"),
    "a radius of 0": (BALL, ["shape", "radius"], 0, f"{SHAPE}.radius"),
    "a negative radius": (BALL, ["shape", "radius"], -1, f"{SHAPE}.radius"),
    "a huge radius": (BALL, ["shape", "radius"], 1e31, f"{SHAPE}.radius"),
    "31 rounds": (BALL, ["shape", "rounds"], 31, f"{SHAPE}.rounds"),
    "a short start": (BALL, ["shape", "start"], [0.0], f"{SHAPE}.start"),
    "a start of text": (BALL, ["shape", "start", 1], "0", f"{SHAPE}.start[1]"),
    "a huge start": (BALL, ["shape", "start", 2], 1e31, f"{SHAPE}.start[2]"),
    "a start without end": (BALL, ["shape", "start"], [0.0] * (MAX_WEIGHTS + 1), f"{SHAPE}.start"),
    "one label": (VOTES, ["shape", "labels"], ["a"], f"{SHAPE}.labels"),
    "101 labels": (VOTES, ["shape", "labels"], [str(k) for k in range(101)], f"{SHAPE}.labels"),
    "a long label": (VOTES, ["shape", "labels"], ["a", "x" * 201], f"{SHAPE}.labels[1]"),
    "19 blocks": (VOTES, ["blocks"], 19, "question.blocks"),
    "2,001 blocks": (VOTES, ["blocks"], 2001, "question.blocks"),
    "an environment without a name": (VOTES, ["environment"], "", "question.environment"),
    "a long environment": (VOTES, ["environment"], "a" * 41, "question.environment"),
    "half a block": (VOTES, ["blocks"], 20.5, "question.blocks"),
    "nobody": (VOTES, ["people"], 0, "question.people"),
}
NOT_IN_A_SCHEMA = {
    "code with NUL", "one lower bound", "three upper bounds", "equal bounds", "bounds that nearly touch",
    "a short start",
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_declaration_that_does_not_fit_is_refused_at_its_place(name):
    value, at, new, place = REFUSED[name]
    with pytest.raises(QueryRefused) as refused:
        wire.decode_code(put(value, at, new))
    assert refused.value.place == place
    assert 10 < len(str(refused.value)) < 300
    assert VALIDATOR.is_valid(put(value, at, new)) == (name in NOT_IN_A_SCHEMA)


@pytest.mark.parametrize(
    "value", [None, [], "x", {}, [0] * 60_000], ids=["null", "list", "text", "empty", "long"]
)
def test_what_is_no_question_is_refused(value):
    with pytest.raises(QueryRefused):
        wire.decode_code(value)


def test_a_shape_with_a_long_name_or_no_finite_bound_cannot_be_built_in_python_either():
    with pytest.raises(QueryRefused, match="1 to 200 characters"):
        Votes(labels=("a", "x" * 201))
    for bad in (float("nan"), float("inf")):
        with pytest.raises(QueryRefused, match="must lie between"):
            Box(names=("a",), lower=(0.0,), upper=(bad,))
        with pytest.raises(QueryRefused, match="must lie between"):
            Ball(size=1, radius=bad)


def refusal(code, shape=None):
    with pytest.raises(QueryRefused) as refused:
        check_code(CodeQuestion(table="t", code=code, shape=shape or box()))
    assert refused.value.place == "question.code"
    return refused.value


TRAINED = Ball(size=2, radius=1.0, rounds=2)


@pytest.mark.parametrize(
    ("code", "shape", "line", "told"),
    [
        ("x = 1\ndef main(t)\n    return 1", None, 2, "Python cannot read line 2: expected ':'."),
        ("", None, None, "Define a function main(t) at the top level"),
        ("if True:\n    def main(t): return 1", None, None, "at the top level"),
        ("async def main(t): return 1", None, None, "Define a function main(t)"),
        ("x = 1\ndef main(): return 1", None, 2, "Line 2: the function is called as main(t)"),
        ("def main(t, u): return 1", None, 1, "called as main(t)"),
        ("def main(t, *, u): return 1", None, 1, "called as main(t)"),
        ("def main(t): return 1", TRAINED, 1, "called as main(t, state)"),
        ("", TRAINED, None, "Define a function main(t, state)"),
        ("def main(t): return '\0'", None, None, "invalid character"),
        ("-" * 40_000 + "1", None, None, "nested too deeply"),
        ("x" + "+x" * 20_000, None, None, "nested too deeply"),
        ("x" * (MAX_CODE + 1), None, None, "longer than 50,000 characters"),
    ],
)  # fmt: skip
def test_code_that_cannot_be_called_is_refused_with_its_line(code, shape, line, told):
    refused = refusal(code, shape)
    assert told in str(refused)
    assert refused.line == line


@pytest.mark.parametrize(
    ("code", "shape"),
    [
        ("import numpy as np\ndef main(t, n=2): return 1", box()),
        ("def main(*tables): return 1", box()),
        ("def main(t, /, *, n=2): return 1", box()),
        ("def main(t, state): return state", TRAINED),
        ("def main(t, state): return state", Ball(size=1, radius=1.0, start=(0.0,))),
        ("def main(t): return [1]", Ball(size=1, radius=1.0)),
        ("def main(): return 1\ndef main(t): return 1", box()),
    ],
)
def test_code_that_can_be_called_passes(code, shape):
    check_code(CodeQuestion(table="t", code=code, shape=shape))
