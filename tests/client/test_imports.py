"""What the client imports: nothing of the portal, and what takes long only where it is needed."""

import ast
import sys
from pathlib import Path

import weir

ROOT = Path(weir.__file__).parent
AT_ONCE = {"numpy", "weir"}
LATE = {"httpx", "keyring", "pandas", "pyarrow"}
WITH_ROWS = {"pyarrow"}
"""Modules below `mock` are imported when mock rows are, which are Arrow's."""


def imported(path):
    """(module, whether it is imported together with this one) for each import, but for those of the type checker."""
    tree = ast.parse(path.read_text())
    checked = {
        node for each in ast.walk(tree) if isinstance(each, ast.If) and ast.unparse(each.test) == "TYPE_CHECKING"
        for node in ast.walk(each)
    }  # fmt: skip
    for node in set(ast.walk(tree)) - checked:
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        yield from ((name.split(".")[0], node in tree.body) for name in names)


def test_the_client_needs_nothing_but_what_it_declares():
    files = sorted(ROOT.rglob("*.py"))
    assert len(files) > 30
    for path in files:
        for name, at_once in imported(path):
            if name in sys.stdlib_module_names:
                continue
            allowed = AT_ONCE | (WITH_ROWS if path.parent.name == "mock" else set())
            assert name in (allowed if at_once else allowed | LATE), f"{path.name}: {name}"


def test_the_client_is_written_for_python_3_10():
    newer = {"tomllib", "StrEnum", "Self", "assert_never", "ExceptionGroup", "reveal_type", "UTC"}
    for path in ROOT.rglob("*.py"):
        used = {
            node.id
            for node in ast.walk(ast.parse(path.read_text(), feature_version=(3, 10)))
            if isinstance(node, ast.Name)
        }
        assert used & newer == set(), path.name
