"""The source of a function, as it is sent: its text, the imports that it uses, and its helpers.

Nothing is pickled and nothing runs here: what reviewers read is exactly what will be executed.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import symtable
import sys
import sysconfig
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from weir.errors import NotOffered

MAIN = "main"
MOST_HELPERS = 50


@dataclass(frozen=True)
class Source:
    """A program of one function. `tables`: its arguments without default; `parameters`: those with one."""

    text: str
    tables: tuple[str, ...]
    parameters: dict[str, Any]


def source_of(function: Callable[..., Any], helpers: Sequence[Callable[..., Any]] = ()) -> Source:
    """Return the program of a function. Raises NotOffered for what cannot be sent as text, with the way to send it."""
    if len(helpers) > MOST_HELPERS:
        raise NotOffered(f"Give at most {MOST_HELPERS} helpers.")
    every = [*helpers, function]
    pieces = [_Piece.of(each) for each in every]
    if pieces[-1].name != MAIN:
        raise NotOffered(f"Call the function {MAIN}, because that is what the portal runs: def {MAIN}(…).")
    known = {piece.name for piece in pieces}
    imports = sorted({line for piece in pieces for line in piece.imports(known)}, key=_order)
    text = "\n\n\n".join([*(["\n".join(imports)] if imports else []), *(piece.text for piece in pieces)])
    signature = inspect.signature(function)
    wanted = {name: each.default for name, each in signature.parameters.items() if each.kind not in _STARRED}
    if len(wanted) != len(signature.parameters):
        raise NotOffered(
            "Name the arguments of main one by one, without * and **: they are tables and parameters."
        )
    parameters = {name: default for name, default in wanted.items() if default is not inspect.Parameter.empty}
    return Source(f"{text}\n", tuple(name for name in wanted if name not in parameters), parameters)


def program_of(text: str, place: str, parameters: Mapping[str, Any] | None = None) -> Source:
    """Return the program of a text that defines main. Nothing of it runs. Raises NotOffered, naming the `place`."""
    try:
        tree = ast.parse(text)
    except SyntaxError as bad:
        raise NotOffered(f"{place}, line {bad.lineno}: {bad.msg}. Correct it first.") from bad
    except (ValueError, RecursionError) as bad:
        raise NotOffered(f"{place} cannot be read: {bad}. Give Python code.") from bad
    mains = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == MAIN]
    if not mains:
        raise NotOffered(
            f"{place} defines no function {MAIN}, which is what the portal runs. Write def {MAIN}(…)."
        )
    given = mains[-1].args
    names = [each.arg for each in (*given.posonlyargs, *given.args)]
    needed = names[: len(names) - len(given.defaults)]
    needed += [
        each.arg for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default is None
    ]
    return Source(text, tuple(needed), dict(parameters or {}))


def program_in(path: Path | str, parameters: Mapping[str, Any] | None = None) -> Source:
    """Return the program in a file, which defines main. Nothing of it runs here."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as bad:
        raise NotOffered(f"{path} cannot be read: {bad}. Name a file of Python code in UTF-8.") from bad
    return program_of(text, str(path), parameters)


_STARRED = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


@dataclass(frozen=True)
class _Piece:
    """One function: its text without decorators, and where it was defined."""

    function: FunctionType
    text: str
    first_line: int

    @classmethod
    def of(cls, function: Callable[..., Any]) -> _Piece:
        plain = _plain(function)
        try:
            lines, begins = inspect.getsourcelines(plain)
        except (OSError, TypeError) as missing:
            raise NotOffered(
                f"The text of {plain.__name__} is not known, because it was typed into a bare Python prompt. Write it "
                "to a file, or use a notebook."
            ) from missing
        text = textwrap.dedent("".join(lines))
        node = ast.parse(text).body[0]
        if not isinstance(node, ast.FunctionDef):
            raise NotOffered(f"{plain.__name__} is not an ordinary function. Write it with def.")
        body = text.splitlines()[node.lineno - 1 : node.end_lineno]
        return cls(plain, "\n".join(body), begins + node.lineno - 1)

    @property
    def name(self) -> str:
        return self.function.__name__

    def imports(self, known: set[str]) -> Iterator[str]:
        """Yield the import of each outside name. Raises NotOffered for a name that is neither imported nor a helper."""
        for name in _outside(self.text):
            if name in known or hasattr(builtins, name):
                continue
            if name not in self.function.__globals__:
                raise NotOffered(f"{self._at(name)} is not defined anywhere. Define it inside {self.name}.")
            yield from self._import_of(name, self.function.__globals__[name])

    def _import_of(self, name: str, value: Any) -> Iterator[str]:
        if isinstance(value, ModuleType):
            self._check_installed(name, value)
            yield _as(f"import {value.__name__}", value.__name__, name)
            yield from (
                f"import {path}" for path in self._submodules(name, value.__name__) if name == value.__name__
            )
            return
        home = getattr(value, "__module__", None)
        own = getattr(value, "__name__", "")
        module = sys.modules.get(home or "")
        if (
            module is None
            or home in {"__main__", self.function.__module__}
            or getattr(module, own, None) is not value
        ):
            what = (
                f"Pass it along: helpers=[{name}]"
                if inspect.isfunction(value)
                else "Make it a parameter of main"
            )
            raise NotOffered(
                f"{self._at(name)} is defined outside of {self.name}. {what}, or define it inside."
            )
        self._check_installed(name, module)
        yield _as(f"from {home} import {own}", own, name)

    def _check_installed(self, name: str, module: ModuleType) -> None:
        """Refuse a module of the caller's own: the portal does not have it."""
        file = getattr(module, "__file__", None)
        if file is None:
            return
        places = {sysconfig.get_path(each) for each in ("stdlib", "platstdlib", "purelib", "platlib")}
        path = Path(file).resolve()
        installed = any(Path(place).resolve() in path.parents for place in places if place)
        if not installed and "site-packages" not in path.parts and "dist-packages" not in path.parts:
            raise NotOffered(
                f"{self._at(name)} comes from {module.__name__}, a module of your own that the portal does not have. "
                "Pass the functions that you use along: helpers=[f, g]."
            )

    def _submodules(self, name: str, package: str) -> Iterator[str]:
        """Yield modules that are reached through a package, such as scipy.stats."""
        for node in ast.walk(ast.parse(self.text)):
            path: list[str] = []
            inner: ast.AST = node
            while isinstance(inner, ast.Attribute):
                path.insert(0, inner.attr)
                inner = inner.value
            if isinstance(inner, ast.Name) and inner.id == name:
                for end in range(1, len(path) + 1):
                    dotted = ".".join([package, *path[:end]])
                    if isinstance(sys.modules.get(dotted), ModuleType):
                        yield dotted

    def _at(self, name: str) -> str:
        """Return the name and the line where it is used first."""
        lines = [
            node.lineno
            for node in ast.walk(ast.parse(self.text))
            if isinstance(node, ast.Name) and node.id == name
        ]
        return f"“{name}” (line {self.first_line + min(lines, default=1) - 1})"


def _plain(function: Callable[..., Any]) -> FunctionType:
    """Return an ordinary function. Raises NotOffered for everything else that can be called."""
    name = getattr(function, "__name__", type(function).__name__)
    if not inspect.isfunction(function):
        raise NotOffered(f"{name} is not a function that was written with def. Only those can be sent.")
    if name == "<lambda>":
        raise NotOffered("A lambda cannot be sent. Write a function with def.")
    if "." in function.__qualname__ and "<locals>" not in function.__qualname__:
        raise NotOffered(f"{name} belongs to a class. Write a function outside of classes.")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise NotOffered(
            f"{name} is a coroutine or generator. Write an ordinary function that returns its result."
        )
    if function.__closure__:
        names = ", ".join(function.__code__.co_freevars)
        raise NotOffered(
            f"{name} uses {names} of the function around it. Make it a parameter: def {name}(…, {names}=…)."
        )
    return function


def _outside(text: str) -> list[str]:
    """Return the names that a function uses and does not define, its annotations and defaults included."""
    found: dict[str, None] = {}
    waiting = [symtable.symtable(text, "<function>", "exec")]
    top = waiting[0]
    while waiting:
        table = waiting.pop()
        for symbol in table.get_symbols():
            outside = symbol.is_global() or (table is top and not symbol.is_assigned())
            if outside and symbol.is_referenced():
                found[symbol.get_name()] = None
        waiting.extend(table.get_children())
    return sorted(found)


def _as(line: str, own: str, name: str) -> str:
    return line if own == name else f"{line} as {name}"


def _order(line: str) -> tuple[bool, str]:
    return line.startswith("from"), line
