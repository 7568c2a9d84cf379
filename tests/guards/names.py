"""What modules define, so that docs can be checked against the source without importing it."""

import ast
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from tests.guards.test_source import ROOT, tracked

CLASS = re.compile(r"^class (\w+)", re.MULTILINE)


def exists(name: str) -> bool:
    """Whether a dotted name is a module or package, a name that a module defines, or a member of one of its classes.

    The module may be given by the end of its dotted name: `services.releases.decide`. A class needs no module:
    `Run.lease`.
    """
    parts = name.split(".")
    heads = [parts[:end] for end in range(len(parts), 0, -1)]
    return any(
        _defines(module, parts[len(head) :]) for head in heads for module in _modules_ending(".".join(head))
    ) or any(_has(owner, parts[1:]) for owner in _classes(parts[0]))


@cache
def _modules() -> dict[str, Path | None]:
    """Return every tracked module but migrations by its dotted name; a package is its `__init__`, or nothing."""
    found: dict[str, Path | None] = {}
    for path in tracked():
        if path.suffix == ".py" and "migrations" not in path.parts:
            dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[dotted.removesuffix(".__init__")] = path
            for folder in path.relative_to(ROOT).parents:
                found.setdefault(".".join(folder.parts), None)
    return found


@cache
def _body(module: str) -> list[ast.stmt]:
    path = _modules()[module]
    return [] if path is None else ast.parse(path.read_text()).body


@cache
def _modules_ending(name: str) -> tuple[str, ...]:
    return tuple(module for module in _modules() if module == name or module.endswith(f".{name}"))


def _defines(module: str, rest: list[str]) -> bool:
    if not rest:
        return True
    body = _body(module)
    if len(rest) == 1:
        return rest[0] in _names(body)
    owners = [node for node in body if isinstance(node, ast.ClassDef) and node.name == rest[0]]
    if not owners and rest[0] in _names(body):  # imported, as packages do with their models
        owners = _classes(rest[0])
    return any(_has(owner, rest[1:]) for owner in owners)


def _classes(name: str) -> list[ast.ClassDef]:
    """Return the classes of this name. Only modules that have one are parsed: all of them take half a minute."""
    bodies = [_body(module) for module in _modules_by_class().get(name, ())]
    return [node for body in bodies for node in body if isinstance(node, ast.ClassDef) and node.name == name]


@cache
def _modules_by_class() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for module, path in _modules().items():
        for name in {*CLASS.findall(path.read_text())} if path else ():
            found.setdefault(name, []).append(module)
    return found


def _has(owner: ast.ClassDef, rest: list[str]) -> bool:
    """Whether a class has the member `a`, or the member `b` of its inner class `a`; inherited ones count."""
    if not rest:
        return True
    inner = [node for node in owner.body if isinstance(node, ast.ClassDef) and node.name == rest[0]]
    if any(_has(node, rest[1:]) for node in inner) or (len(rest) == 1 and rest[0] in _names(owner.body)):
        return True
    bases = [base.id for base in owner.bases if isinstance(base, ast.Name) and base.id != owner.name]
    return any(_has(base, rest) for name in bases for base in _classes(name))


def _names(body: Iterable[ast.stmt]) -> set[str]:
    """Return the names that statements assign, define or import."""
    names: set[str] = set()
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {
                    each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)
                }
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names |= {alias.asname or alias.name for alias in aliases}
            case ast.If(body=inner, orelse=other):
                names |= _names([*inner, *other])
            case _:
                pass
    return names
