"""What modules define, so that docs can be checked against the source without importing it."""

import ast
from collections.abc import Iterable
from functools import cache

from tests.guards.test_source import ROOT, tracked


def exists(name: str) -> bool:
    """Whether a dotted name is a module or package, a name that a module defines, or a member of one of its classes.

    The module may be given by the end of its dotted name: `services.releases.decide`. A class needs no module:
    `Run.lease`.
    """
    parts = name.split(".")
    heads = [parts[:end] for end in range(len(parts), 0, -1)]
    return any(
        _defines(module, parts[len(head) :]) for head in heads for module in _modules_ending(".".join(head))
    ) or any(_has(owner, parts[1:]) for owner in _classes().get(parts[0], ()))


@cache
def _modules() -> dict[str, ast.Module]:
    """Return every tracked module but migrations by its dotted name; a package is its `__init__`."""
    found = {}
    for path in tracked():
        if path.suffix == ".py" and "migrations" not in path.parts:
            dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[dotted.removesuffix(".__init__")] = ast.parse(path.read_text())
            for folder in path.relative_to(ROOT).parents:
                found.setdefault(".".join(folder.parts), ast.Module([], []))
    return found


@cache
def _modules_ending(name: str) -> tuple[str, ...]:
    return tuple(module for module in _modules() if module == name or module.endswith(f".{name}"))


def _defines(module: str, rest: list[str]) -> bool:
    if not rest:
        return True
    body = _modules()[module].body
    if len(rest) == 1:
        return rest[0] in _names(body)
    owners = [node for node in body if isinstance(node, ast.ClassDef) and node.name == rest[0]]
    if not owners and rest[0] in _names(body):  # imported, as packages do with their models
        owners = _classes().get(rest[0], [])
    return any(_has(owner, rest[1:]) for owner in owners)


@cache
def _classes() -> dict[str, list[ast.ClassDef]]:
    found: dict[str, list[ast.ClassDef]] = {}
    for tree in _modules().values():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(node)
    return found


def _has(owner: ast.ClassDef, rest: list[str]) -> bool:
    """Whether a class has the member `a`, or the member `b` of its inner class `a`; inherited ones count."""
    if not rest:
        return True
    inner = [node for node in owner.body if isinstance(node, ast.ClassDef) and node.name == rest[0]]
    if any(_has(node, rest[1:]) for node in inner) or (len(rest) == 1 and rest[0] in _names(owner.body)):
        return True
    bases = [base.id for base in owner.bases if isinstance(base, ast.Name) and base.id != owner.name]
    return any(_has(base, rest) for name in bases for base in _classes().get(name, ()))


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
