"""Which packages submitted code imports, and whether they are there. The code is parsed, never run."""

import ast
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

MAX_CHARACTERS = 200_000
MAX_NODES = 50_000


@dataclass(frozen=True, slots=True)
class Import:
    """The top-level package that a statement imports, and the statement's line."""

    package: str
    line: int


def imports(code: str) -> list[Import]:
    """Return what the code imports, in the order of its lines. Raises ValueError if Python cannot parse the code, or if
    it has more than MAX_CHARACTERS or MAX_NODES."""
    if len(code) > MAX_CHARACTERS:
        raise ValueError(f"The code has more than {MAX_CHARACTERS:,} characters.")
    try:
        nodes = list(islice(ast.walk(ast.parse(code)), MAX_NODES + 1))
    except SyntaxError as bad:
        raise ValueError(f"Python cannot read line {bad.lineno or 1}: {bad.msg}.") from bad
    except (ValueError, RecursionError, MemoryError) as bad:
        raise ValueError("Python cannot read this: null bytes or too much nesting.") from bad
    if len(nodes) > MAX_NODES:
        raise ValueError("The code has too many parts to look through.")
    return sorted(imports_among(nodes), key=lambda found: found.line)


def imports_among(nodes: Sequence[ast.AST]) -> Iterator[Import]:
    """Yield what these nodes import. A `try` is left out: such code is ready for a package that is not there."""
    tried = {
        id(node) for block in nodes if isinstance(block, (ast.Try, ast.TryStar)) for node in ast.walk(block)
    }
    for node in nodes:
        if id(node) in tried:
            continue
        if isinstance(node, ast.Import):
            yield from (Import(_root(name.name), node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield Import(_root(node.module or ""), node.lineno)


def _root(module: str) -> str:
    return module.partition(".")[0]


def packages_of(environment: Path) -> frozenset[str]:
    """Return the names that code can import from the packages of an environment; none if it is not installed here."""
    folders = environment.glob("lib/python3*/site-packages")
    names = {
        entry.name.partition(".")[0] for folder in folders for entry in folder.iterdir() if _is_module(entry)
    }
    return frozenset(filter(str.isidentifier, names))


def _is_module(entry: Path) -> bool:
    if entry.is_dir():
        return not entry.name.endswith((".dist-info", ".libs", ".data")) and entry.name != "__pycache__"
    return entry.suffix in (".py", ".so")


def is_available(package: str, packages: Collection[str]) -> bool:
    """Whether code in an environment of these packages can import this one."""
    return package in packages or package in sys.stdlib_module_names


def unavailable_in_blocks(code: str, packages: Collection[str]) -> list[tuple[Import, str]]:
    """Return the imports that must fail in a block, in an environment of these packages, and why. Raises ValueError,
    like `imports`."""
    return [
        (each, f"The code environment has no package {each.package}.")
        for each in imports(code)
        if not is_available(each.package, packages)
    ]
