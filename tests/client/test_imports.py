"""What the client imports: nothing of the portal, and what takes long only where it is needed."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import weir

ROOT = Path(weir.__file__).parent
AT_ONCE = {"numpy", "weir"}
LATE = {"cryptography", "httpx", "keyring", "pandas", "pyarrow", "sklearn"}
WITH_ROWS = {"pyarrow"}
"""Modules below `mock` are imported when mock rows are, which are Arrow's."""


WITH_THE_PACKAGE = {"weir", "weir.errors", "weir.version"}
SIGNING_IN_NEEDS_NONE_OF = {"weir.grammar", "weir.questions", "weir.tables", "pyarrow", "pandas", "keyring"}


def imported(path):
    """(module, whether it is imported together with this one) for each import, but for those of the type checker."""
    tree = ast.parse(path.read_text())
    checked = {
        node for each in ast.walk(tree) if isinstance(each, ast.If) and ast.unparse(each.test) == "TYPE_CHECKING"
        for line in each.body for node in ast.walk(line)
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


def loaded(code):
    """The modules that a new Python has loaded after this."""
    told = "import json; print(json.dumps(sorted(set(sys.modules) - before)))"
    code = f"import sys; before = set(sys.modules)\n{code}\n{told}"
    env = {"PYTHONPATH": str(ROOT.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True)
    return set(json.loads(done.stdout))


def test_importing_the_package_costs_next_to_nothing():
    found = loaded("import weir")
    assert {name for name in found if name.split(".")[0] not in sys.stdlib_module_names} == WITH_THE_PACKAGE
    assert found & {"dataclasses", "difflib", "html"} == set()


def test_signing_in_needs_no_questions():
    assert loaded("import weir; weir.login") & SIGNING_IN_NEEDS_NONE_OF == set()


def test_every_public_name_is_there_and_listed():
    found = loaded("import weir; assert all(hasattr(weir, name) for name in weir.__all__)")
    assert {"weir.tables", "weir.signin"} <= found
    assert set(weir.__all__) <= set(dir(weir))
    with pytest.raises(AttributeError, match="no attribute 'tabel'"):
        weir.tabel  # noqa: B018 -- what completion and typing mistakes do


def test_the_type_checker_knows_the_same_names():
    (checked,) = (
        each for each in ast.parse(Path(weir.__file__).read_text()).body if isinstance(each, ast.If)
    )
    homes = {name.name: line.module for line in checked.body for name in line.names}
    assert homes == {name: f"weir.{home}" for name, home in weir._HOMES.items()}
