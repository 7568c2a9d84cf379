"""The examples of the client's docstrings and of its README run, and print what they say."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import weir

README = Path(weir.__file__).parent.parent / "README.md"
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(weir.__path__, "weir.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", ["weir", *MODULES])
def test_examples_of_docstrings(name):
    assert doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS).failed == 0


def test_examples_of_the_readme():
    found = doctest.testfile(str(README), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert found.attempted > 10
    assert found.failed == 0


def test_there_are_examples():
    counted = sum(doctest.testmod(importlib.import_module(name)).attempted for name in MODULES)
    assert counted > 20
