"""How the code is laid out and how long its functions are: `python3 benchmarks/structure.py`.

With `--root FOLDER`, another checkout (a `git worktree` of an older commit) is read first, and every figure that
differs is given as "there → here". Tests and migrations do not count.

* largest folder: how many modules lie in it, without its own `__init__`, and its name
* rooms: modules and folders right below the package (of all: the packages), and pairs of which one imports the other
* arrows: pairs of modules of which one imports the other, anywhere in it, except for types only; inside the package,
  and from it to others
* circles: groups of modules that reach each other by arrows, with the number of their modules
* complexity: ways through a function: 1, and 1 for each if, loop, handler, case, condition, `and` and `or`
"""

import argparse
import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
OUTSIDE = {"tests", "benchmarks"}
Function = ast.FunctionDef | ast.AsyncFunctionDef
COLUMNS = (
    "package", "modules", "folders", "largest folder", "rooms / arrows", "arrows inside", "arrows out", "circles",
    "functions",
    "length: median / p95 / max", "complexity: median / p95 / max",
)  # fmt: skip


@dataclass(frozen=True)
class Checkout:
    modules: Mapping[str, Path]
    trees: Mapping[str, ast.Module]
    arrows: frozenset[tuple[str, str]]

    @classmethod
    def read(cls, root: Path) -> "Checkout":
        modules = dict(_modules(root))
        trees = {name: ast.parse(path.read_text()) for name, path in modules.items()}
        arrows = {(name, to) for name, tree in trees.items() for to in _imports(tree, modules) if to != name}
        return cls(modules, trees, frozenset(arrows))

    def packages(self) -> list[str]:
        return sorted({name.partition(".")[0] for name in self.modules})

    def row(self, package: str) -> list[str]:
        """The figures of one package, or of all ("")."""
        mine = {name for name in self.modules if not package or name.partition(".")[0] == package}
        folders = Counter(
            self.modules[name].parent for name in mine if self.modules[name].name != "__init__.py"
        )
        largest, count = folders.most_common(1)[0]
        inside = [arrow for arrow in self.arrows if set(arrow) <= mine]
        out = [arrow for arrow in self.arrows if arrow[0] in mine and arrow[1] not in mine]
        functions = [each for name in sorted(mine) for each in _functions(self.trees[name])]
        return [
            str(len(mine)),
            str(len({self.modules[name].parent for name in mine})),
            f"{count} ({largest.name})",
            rooms(mine, inside, 1 if package else 0),
            str(len(inside)),
            str(len(out)),
            " ".join(str(len(circle)) for circle in circles(inside)) or "0",
            str(len(functions)),
            _spread([length(each) for each in functions]),
            _spread([complexity(each) for each in functions]),
        ]


def _modules(root: Path) -> Iterator[tuple[str, Path]]:
    for package in sorted(path.parent for path in root.glob("*/__init__.py")):
        if package.name in OUTSIDE:
            continue
        for path in sorted(package.rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            if "migrations" not in parts:
                yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def _imports(tree: ast.AST, modules: Mapping[str, Path]) -> Iterator[str]:
    """What one module imports of ours. `from package import name` means the module of that name, if there is one."""
    for node in _without_types(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for each in node.names:
                name = f"{node.module}.{each.name}"
                if name in modules or node.module in modules:
                    yield name if name in modules else node.module


def _without_types(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _without_types(node)


def rooms(modules: Collection[str], arrows: Iterable[tuple[str, str]], depth: int) -> str:
    """How many modules and folders there are at this depth, and how many pairs of them an import leads across."""

    def room(name: str) -> str:
        return ".".join(name.split(".")[: depth + 1])

    deep = {room(name) for name in modules if name.count(".") >= depth}
    across = {(room(first), room(last)) for first, last in arrows}
    return f"{len(deep)} / {sum(first != last and {first, last} <= deep for first, last in across)}"


def circles(arrows: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Groups of modules of which each reaches each other one, the largest first."""
    after: dict[str, set[str]] = defaultdict(set)
    for first, last in arrows:
        after[first].add(last)
    reach = {name: _reached(name, after) for name in list(after)}
    groups = {
        frozenset(other for other in reach[name] if name in reach.get(other, ()))
        for name in reach
        if name in reach[name]
    }
    return sorted((sorted(group) for group in groups), key=lambda group: (-len(group), group))


def _reached(start: str, after: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        fresh = after.get(waiting.pop(), set()) - found
        found |= fresh
        waiting += fresh
    return found


def _functions(tree: ast.AST) -> list[Function]:
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def complexity(function: Function) -> int:
    return 1 + sum(_ways(node) for node in _own(function))


def _own(function: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a function without those of functions inside it, which count for themselves."""
    for node in ast.iter_child_nodes(function):
        yield node
        if not isinstance(node, Function):
            yield from _own(node)


def _ways(node: ast.AST) -> int:
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    if isinstance(node, ast.comprehension):
        return 1 + len(node.ifs)
    one = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.match_case)
    return int(isinstance(node, one))


def _spread(values: Sequence[int]) -> str:
    if not values:
        return "–"
    ordered = sorted(values)
    return " / ".join(str(ordered[int(share * (len(ordered) - 1))]) for share in (0.5, 0.95, 1))


def table(checkouts: Sequence[Checkout]) -> Iterator[str]:
    """Of one checkout, or of an older and a newer one."""
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|" + "---|" * len(COLUMNS)
    for package in [*sorted({name for each in checkouts for name in each.packages()}), ""]:
        rows = [
            each.row(package) if not package or package in each.packages() else ["–"] * (len(COLUMNS) - 1)
            for each in checkouts
        ]
        cells = [" → ".join(_runs(values)) for values in zip(*rows, strict=True)]
        yield f"| {package or 'all'} | {' | '.join(cells)} |"


def _runs(values: Sequence[str]) -> list[str]:
    """Without those that are the same as the one before."""
    return [values[0], *(after for before, after in pairwise(values) if after != before)]


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    options.add_argument("--root", type=Path, help="another checkout, to compare with")
    root = options.parse_args().root
    checkouts = [Checkout.read(path) for path in ([root] if root else []) + [HERE]]
    sys.stdout.write("\n".join(table(checkouts)) + "\n")
    for circle in circles(sorted(checkouts[-1].arrows)):
        sys.stdout.write(f"Circle: {', '.join(circle)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
