"""Automatic code as frozen data: one Python function, and what it is declared to return.

The function is called on each block of people, in a process of its own that the engine does not trust. So nothing is
taken from what it returns but numbers of the declared shape, and the shape alone says how far one block can move an
answer. `plan.blocks` prices a question, `code_release` answers it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from math import isfinite
from typing import TypeAlias

from privacy.engine.language.expressions import Predicate
from privacy.engine.language.schema import LARGEST_VALUE, MAX_TEXT, QueryRefused, check_text

MAX_CODE = 50_000
"""Characters of a function's file."""
MAX_OUTPUTS = 16
MAX_WEIGHTS = 16_384
MAX_ROUNDS = 30
DEFAULT_ENVIRONMENT = "default"
MAX_ENVIRONMENT = 40
"""Characters of the name of a code environment."""
MIN_LABELS, MAX_LABELS = 2, 100
MIN_BLOCKS, MAX_BLOCKS = 20, 1500
METHODS = ("auto", "mean", "winsorised", "median")

Source: TypeAlias = str
"""Python code of at most MAX_CODE characters."""
Vector: TypeAlias = tuple[float, ...]
"""At most MAX_WEIGHTS numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Which numbers does the function return, each between a lower and an upper bound?

    `method`: how the numbers of the blocks become one. `halves`: whether each block also answers for its two halves, so
    that the error that comes from cutting people into blocks can be corrected. Raises QueryRefused.
    """

    names: tuple[str, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    method: str = "auto"
    halves: bool = True

    def __post_init__(self) -> None:
        _check_names(self.names, 1, MAX_OUTPUTS, "question.shape.names")
        for ends, name in ((self.lower, "lower"), (self.upper, "upper")):
            place = f"question.shape.{name}"
            if len(ends) != len(self.names):
                raise QueryRefused(
                    f"Give one {name} bound for each of the {len(self.names)} names.", place=place
                )
            for k, end in enumerate(ends):
                _check_magnitude(end, f"{place}[{k}]")
        for k, (low, high) in enumerate(zip(self.lower, self.upper, strict=True)):
            if not high - low >= 1 / LARGEST_VALUE:
                why = f"The upper bound of “{self.names[k][:100]}” must be above its lower bound."
                raise QueryRefused(why, place=f"question.shape.upper[{k}]")
        if self.method not in METHODS:
            why = f"The method must be one of {', '.join(METHODS)}."
            raise QueryRefused(why, place="question.shape.method")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ball:
    """Which vector does the function return, no longer than `radius`? For weights of models.

    With more than one round the function is called so many times, each time with what was released before, and returns
    a change. `start` is what it gets in the first round: `size` numbers, or zeros if there are none. Raises
    QueryRefused.
    """

    size: int
    radius: float
    rounds: int = 1
    start: Vector = ()

    def __post_init__(self) -> None:
        _check_whole("size", self.size, 1, MAX_WEIGHTS, "question.shape.size")
        _check_whole("number of rounds", self.rounds, 1, MAX_ROUNDS, "question.shape.rounds")
        _check_magnitude(self.radius, "question.shape.radius")
        if not self.radius >= 1 / LARGEST_VALUE:
            raise QueryRefused("The radius must be above 0.", place="question.shape.radius")
        if len(self.start) not in {0, self.size}:
            why = f"The start must have {self.size:,} numbers, as many as the answer, or none."
            raise QueryRefused(why, place="question.shape.start")
        for k, value in enumerate(self.start):
            _check_magnitude(value, f"question.shape.start[{k}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Votes:
    """Which of these labels does the function return? Raises QueryRefused."""

    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_names(self.labels, MIN_LABELS, MAX_LABELS, "question.shape.labels")


Shape: TypeAlias = Box | Ball | Votes


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeQuestion:
    """One function over one table.

    `where` selects rows, as for queries. `people`: how many people it leaves, by what the asker knows; everybody, if
    None. `blocks`: into how many blocks people are cut; chosen by `plan.blocks`, if None. `environment`: the name of
    the code environment, which decides what the function can import. Raises QueryRefused.
    """

    table: str
    code: Source
    shape: Shape
    where: Predicate | None = None
    people: int | None = None
    blocks: int | None = None
    environment: str = DEFAULT_ENVIRONMENT

    def __post_init__(self) -> None:
        if self.blocks is not None:
            _check_whole("number of blocks", self.blocks, MIN_BLOCKS, MAX_BLOCKS, "question.blocks")
        if not 1 <= len(self.environment) <= MAX_ENVIRONMENT:
            why = f"The name of a code environment has 1 to {MAX_ENVIRONMENT} characters."
            raise QueryRefused(why, place="question.environment")
        if self.people is not None and self.people < 1:
            raise QueryRefused("The number of people must be at least 1.", place="question.people")

    @property
    def outputs(self) -> int:
        """How many numbers a block answers: the width of what the engine releases from. A label is one number."""
        match self.shape:
            case Box(names=names):
                return len(names)
            case Ball(size=size):
                return size
            case Votes():
                return 1

    @property
    def rounds(self) -> int:
        return self.shape.rounds if isinstance(self.shape, Ball) else 1

    @property
    def takes_state(self) -> bool:
        """Whether the function is called as main(t, state) instead of main(t)."""
        return isinstance(self.shape, Ball) and (self.shape.rounds > 1 or bool(self.shape.start))


def check_code(question: CodeQuestion) -> None:
    """Raise QueryRefused, with the line, unless the code is Python with a function `main` for the arguments it gets.

    The code is parsed, never run.
    """
    code = question.code
    if len(code) > MAX_CODE:
        raise _bad_code(f"The code is longer than {MAX_CODE:,} characters. Shorten it.")
    try:
        check_text(code)
        tree = ast.parse(code)
    except SyntaxError as bad:
        why = f"Python cannot read line {bad.lineno or 1}: {bad.msg}".rstrip(".?")
        raise _bad_code(f"{why}.", bad.lineno or 1) from bad
    except QueryRefused as bad:
        raise _bad_code(str(bad)) from bad
    except (ValueError, RecursionError, MemoryError) as bad:
        raise _bad_code("Python cannot read this code: it is nested too deeply.") from bad
    mains = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"]
    wanted = ("t", "state") if question.takes_state else ("t",)
    call = f"main({', '.join(wanted)})"
    if not mains:
        raise _bad_code(f"Define a function {call} at the top level of the code.")
    if not _takes(mains[-1].args, len(wanted)):
        line = mains[-1].lineno
        raise _bad_code(
            f"Line {line}: the function is called as {call}, so it must take these arguments.", line
        )


def _takes(arguments: ast.arguments, many: int) -> bool:
    """Return whether a function can be called with so many arguments by position."""
    places = len(arguments.posonlyargs) + len(arguments.args)
    most = many if arguments.vararg else places
    keywords = all(default is not None for default in arguments.kw_defaults)
    return places - len(arguments.defaults) <= many <= most and keywords


def _bad_code(why: str, line: int | None = None) -> QueryRefused:
    return QueryRefused(why, place="question.code", line=line)


def _check_names(names: tuple[str, ...], least: int, most: int, place: str) -> None:
    if not least <= len(names) <= most or len(set(names)) != len(names):
        raise QueryRefused(f"Give {least} to {most} different names.", place=place)
    for k, name in enumerate(names):
        if not name.strip() or len(name) > MAX_TEXT:
            raise QueryRefused(f"A name must have 1 to {MAX_TEXT} characters.", place=f"{place}[{k}]")


def _check_whole(name: str, value: int, least: int, most: int, place: str) -> None:
    if not least <= value <= most:
        raise QueryRefused(f"The {name} must be between {least} and {most:,}.", place=place)


def _check_magnitude(value: float, place: str) -> None:
    if not isfinite(value) or abs(value) > LARGEST_VALUE:
        raise QueryRefused(f"Numbers must lie between {-LARGEST_VALUE:g} and {LARGEST_VALUE:g}.", place=place)
