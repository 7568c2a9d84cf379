"""Code that is answered automatically: a function, and what it returns for a block of people.

The portal cuts people into blocks, calls the function on each block by itself, and releases the mean, the median or
the votes of what it returned, with noise. Nobody has to read the function.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np

from weir import cards
from weir import grammar as g
from weir.errors import NotOffered
from weir.sources import MAIN, Source, program_in, program_of, source_of

if TYPE_CHECKING:
    import numpy.typing as npt

METHODS = ("auto", "mean", "winsorised", "median")
Main: TypeAlias = Callable[..., Any]
Bounds: TypeAlias = Mapping[str, tuple[float, float]]
_ONE_SHAPE = (
    'Say what main returns, in one way: answers={"mean": (0, 60)} for numbers with their bounds, '
    'votes=["yes", "no"] for one of these labels, or ball=4.0, size=92 for a vector of length 4 at most.'
)


@dataclass(frozen=True)
class Code:
    """A function and what it is declared to return. `source` is exactly the text that is sent.

    >>> from weir import code
    >>> spread = code("def main(t): return max(t['wage']) - min(t['wage'])", answers={"spread": (0, 60)})
    >>> spread
    Code: spread from 0 to 60. Not tried: table.try_code(code, epsilon=…)
    >>> spread.run_locally({"wage": [12, 30, 20]})
    {'spread': 18.0}
    """

    source: str
    shape: g.Shape
    environment: str = "default"
    function: Main | None = field(default=None, repr=False, compare=False)

    @property
    def takes_state(self) -> bool:
        """Whether the function is called as main(t, state) instead of main(t)."""
        return isinstance(self.shape, g.Ball) and (self.shape.rounds > 1 or bool(self.shape.start))

    @property
    def text(self) -> str:
        """What it returns, in words."""
        shape = self.shape
        if isinstance(shape, g.Box):
            each = zip(shape.names, shape.lower, shape.upper, strict=True)
            return ", ".join(f"{name} from {low:g} to {high:g}" for name, low, high in each)
        if isinstance(shape, g.Votes):
            return f"one of {', '.join(shape.labels)}"
        rounds = f", in {shape.rounds} rounds" if shape.rounds > 1 else ""
        return f"a vector of {shape.size:,} numbers, of length {shape.radius:g} at most{rounds}"

    def question(
        self, table: str, where: g.Predicate | None, *, people: int | None = None, blocks: int | None = None
    ) -> g.CodeQuestion:
        """Return what is asked about a table, as frozen data."""
        return g.CodeQuestion(table, self.source, self.shape, where, people, blocks, self.environment)

    def __call__(self, *given: Any) -> Any:
        """Call the function here, on a DataFrame of your own such as mock rows."""
        return (self.function or _executed(self.source))(*given)

    def run_locally(self, data: Any) -> dict[str, float] | str | npt.NDArray[np.float64]:
        """Call the function here and check what it returns: no portal, no noise, no charge.

        `data`: a table, of which the mock rows are taken as a block would get them, or a DataFrame. Returns a number
        for each name, a label, or a vector after all rounds, as if all rows were one block. Raises NotOffered for
        what a block could not answer, and whatever the function raises.
        """
        from weir.tables import Table  # noqa: PLC0415 -- tables know code

        if isinstance(data, Table):
            data = data.mock_block()
        shape = self.shape
        if isinstance(shape, g.Votes):
            return _label(self(_own(data)), shape.labels)
        if isinstance(shape, g.Box):
            found = _numbers(self(_own(data)), len(shape.names), f"answers= names {len(shape.names)}")
            return dict(zip(shape.names, found.tolist(), strict=True))
        state = np.array(shape.start, dtype=np.float64) if shape.start else np.zeros(shape.size)
        for _ in range(shape.rounds):
            returned = self(_own(data), state.copy()) if self.takes_state else self(_own(data))
            change = _numbers(returned, shape.size, f"size= says {shape.size:,}")
            state = state + change * min(1.0, shape.radius / max(float(np.linalg.norm(change)), 1e-300))
        return state

    def __repr__(self) -> str:
        return f"Code: {self.text}. Not tried: table.try_code(code, epsilon=…)"

    def _repr_html_(self) -> str:
        return cards.facts(repr(self), (), cards.code(self.source))


@overload
def code(
    main: Main | str | Path,
    *,
    answers: Bounds | None = None,
    votes: Sequence[str] | None = None,
    ball: float | None = None,
    size: int | None = None,
    rounds: int = 1,
    start: Sequence[float] | npt.NDArray[np.float64] | None = None,
    method: str = "auto",
    halves: bool = True,
    helpers: Sequence[Main] = (),
    environment: str = "default",
) -> Code: ...
@overload
def code(
    main: None = None,
    *,
    answers: Bounds | None = None,
    votes: Sequence[str] | None = None,
    ball: float | None = None,
    size: int | None = None,
    rounds: int = 1,
    start: Sequence[float] | npt.NDArray[np.float64] | None = None,
    method: str = "auto",
    halves: bool = True,
    helpers: Sequence[Main] = (),
    environment: str = "default",
) -> Callable[[Main], Code]: ...
def code(  # noqa: PLR0913 -- what can be declared
    main: Main | str | Path | None = None,
    *,
    answers: Bounds | None = None,
    votes: Sequence[str] | None = None,
    ball: float | None = None,
    size: int | None = None,
    rounds: int = 1,
    start: Sequence[float] | npt.NDArray[np.float64] | None = None,
    method: str = "auto",
    halves: bool = True,
    helpers: Sequence[Main] = (),
    environment: str = "default",
) -> Code | Callable[[Main], Code]:
    """Declare what a function called main returns for a block of people, so that it can be answered automatically.

    `main`: the function, its text, or the path of its file; without it, this decorates a function. It is called as
    main(t) with a DataFrame. Imports that it uses are sent along, and so are `helpers`, other functions that it calls.
    Say what it returns in one of three ways:

    * `answers`: numbers, in this order, each with its bounds. What lies outside of them is moved to them. `method`: how
      the blocks' numbers become one: mean, winsorised (a mean with outliers pulled in), median, or auto. `halves`:
      whether half samples correct the error that comes from small blocks.
    * `votes`: one of these labels.
    * `ball`: a vector of `size` numbers, whose length is cut to this. With `rounds`, main(t, state) is called so many
      times and returns a change to the state, which begins as `start`, or zeros.

    `environment`: the code environment of the portal that it runs in, which decides what it can import.

    Raises NotOffered, also for a name that main uses and does not have.

    >>> import weir
    >>> weir.code("def main(t): return t.region.mode()[0]", votes=["north", "south"])
    Code: one of north, south. Not tried: table.try_code(code, epsilon=…)
    """
    if sum(given is not None for given in (answers, votes, ball)) != 1:
        raise NotOffered(_ONE_SHAPE)
    if ball is None and (size is not None or rounds != 1 or start is not None):
        raise NotOffered("size, rounds and start belong to a vector: give them with ball=….")
    if answers is None and (method != "auto" or not halves):
        raise NotOffered("method and halves belong to numbers with bounds: give them with answers=….")
    shape: g.Shape
    if answers is not None:
        shape = _box(answers, method, halves=halves)
    elif votes is not None:
        shape = _votes(votes)
    else:
        shape = _ball(ball, size, rounds, start)

    def declared(function: Main | str | Path) -> Code:
        made = Code(
            _program(function, helpers).text,
            shape,
            environment,
            None if isinstance(function, (str, Path)) else function,
        )
        _check_arguments(made)
        return made

    return declared if main is None else declared(main)


def _program(main: Main | str | Path, helpers: Sequence[Main]) -> Source:
    if not isinstance(main, (str, Path)):
        return source_of(main, helpers)
    if helpers:
        raise NotOffered("helpers= is for functions. Write helpers into the text or the file itself.")
    return program_of(main, "The text") if isinstance(main, str) else program_in(main)


def _check_arguments(made: Code) -> None:
    """Raise NotOffered unless main can be called with a table, and with a state if it gets one."""
    wanted = ("t", "state") if made.takes_state else ("t",)
    mains = [node for node in ast.parse(made.source).body if isinstance(node, ast.FunctionDef)]
    given = next(node.args for node in reversed(mains) if node.name == MAIN)
    most = len(given.posonlyargs) + len(given.args)
    needed = most - len(given.defaults)
    if not (needed <= len(wanted) and (most >= len(wanted) or given.vararg)) or None in given.kw_defaults:
        why = "" if made.takes_state else " It gets a state only with ball=… and rounds=… or start=…."
        raise NotOffered(
            f"The portal calls {MAIN}({', '.join(wanted)}), so it must take these arguments; others need a default."
            f"{why}"
        )


# Shapes


def _box(answers: Any, method: str, *, halves: bool) -> g.Box:
    if not isinstance(answers, Mapping) or not answers:
        raise NotOffered('Give each number a name and its bounds: answers={"mean": (0, 60), "gini": (0, 1)}.')
    if method not in METHODS:
        raise NotOffered(f"There is no method “{method}”. Choose one of {', '.join(METHODS)}.")
    lower, upper = zip(*(_bounds(str(name), pair) for name, pair in answers.items()), strict=True)
    return g.Box(tuple(map(str, answers)), lower, upper, method, bool(halves))


def _bounds(name: str, pair: Any) -> tuple[float, float]:
    try:
        low, high = (float(end) for end in pair)
    except (TypeError, ValueError) as bad:
        raise NotOffered(f'“{name}” needs two bounds: answers={{"{name}": (0, 60)}}.') from bad
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise NotOffered(f"The bounds of “{name}” must be two numbers, the lower one first.")
    return low, high


def _votes(votes: Any) -> g.Votes:
    if isinstance(votes, str) or not all(isinstance(label, str) for label in votes):
        raise NotOffered('Give the labels as a list of texts: votes=["yes", "no"].')
    if len(votes) < 2 or len(set(votes)) != len(votes):
        raise NotOffered("Give at least two different labels.")
    return g.Votes(tuple(map(str, votes)))


def _ball(ball: Any, size: Any, rounds: Any, start: Any) -> g.Ball:
    first: tuple[float, ...] = ()
    try:
        first = tuple(map(float, np.ravel(start))) if start is not None else ()
        size = len(first) if size is None else int(size)
        is_possible = size >= 1 and rounds >= 1 and 0 < float(ball) < math.inf
    except (TypeError, ValueError):
        is_possible = False
    if not is_possible:
        raise NotOffered(
            "A vector needs its greatest length and how many numbers it has, both above 0: ball=4.0, size=92."
        )
    if len(first) not in {0, size} or not np.isfinite(first).all():
        raise NotOffered(f"start needs {size:,} finite numbers, as many as size says.")
    return g.Ball(size, float(ball), int(rounds), first)


# Locally


def _executed(source: str) -> Main:
    """Return the function of a text, which the caller has written and wants to be run here."""
    space: dict[str, Any] = {"__name__": MAIN}
    exec(compile(source, f"<{MAIN}>", "exec", dont_inherit=True), space)  # noqa: S102 -- the caller's own text
    main: Main = space[MAIN]
    return main


def _own(data: Any) -> Any:
    """Return a copy, which the function may change."""
    return data.copy() if hasattr(data, "copy") else data


def _numbers(returned: Any, size: int, wanted: str) -> npt.NDArray[np.float64]:
    """Return what the function returned as numbers. Raises NotOffered for what a block could not answer."""
    if isinstance(returned, Mapping):
        raise NotOffered("main returned a dict. Return its numbers as a list, in the order of their names.")
    plain = returned.tolist() if hasattr(returned, "tolist") else returned
    every = [*plain] if isinstance(plain, (list, tuple)) else [plain]
    if len(every) != size:
        raise NotOffered(f"main returned {len(every):,} values, but {wanted}.")
    for value in every:
        if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
            raise NotOffered(f"main returned a {type(value).__name__} instead of a number.")
        if not math.isfinite(float(value)):
            raise NotOffered(
                f"main returned {float(value)}. Return a finite number for every block, also for one without data."
            )
    return np.array([float(value) for value in every])


def _label(returned: Any, labels: Sequence[str]) -> str:
    if not isinstance(returned, str) or returned not in labels:
        raise NotOffered(f"main returned {returned!r}, but votes= has the labels {', '.join(labels)}.")
    return returned
