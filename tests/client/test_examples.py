"""The examples of the client's docstrings and of its README run, and print what they say."""

from pathlib import Path

import pytest

import weir
from tests.client import examples

README = Path(weir.__file__).parent.parent / "README.md"


@pytest.mark.parametrize("name", ["weir", *examples.MODULES])
def test_examples_of_docstrings(name):
    assert examples.of_module(name).failed == 0


def test_examples_of_the_readme():
    found = examples.of_readme(str(README))
    assert found.attempted > 10
    assert found.failed == 0


def test_there_are_examples():
    assert sum(examples.of_module(name).attempted for name in examples.MODULES) > 20
