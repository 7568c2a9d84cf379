"""What code imports is told before anything is spent on it."""

from pathlib import Path

import pytest

from runner.host.selftest import default_environment
from runner.imports import Import, imports, packages_of, unavailable_in_blocks

CODE = """
import numpy as np, scipy.stats
from sklearn.linear_model import Ridge
from . import neighbour
def main(t):
    if len(t) > 3:
        import polars.selectors
    try:
        import rapids
    except ImportError:
        pass
    from os import path
"""


def test_imports_are_found_wherever_they_stand() -> None:
    assert imports(CODE) == [
        Import("numpy", 2),
        Import("scipy", 2),
        Import("sklearn", 3),
        Import("polars", 7),
        Import("os", 12),
    ]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import", "Python cannot read line 1"),
        ("\0", "null bytes"),
        ("(" * 5000, "Python cannot read"),
        ("-" * 150_000 + "1", "too much nesting"),
        ("#" * 200_001, "more than 200,000 characters"),
        ("x\n" * 60_000, "too many parts"),
    ],
)
def test_what_cannot_be_read_is_refused(code: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        imports(code)


def test_what_a_block_cannot_import_is_told_with_its_line() -> None:
    packages = packages_of(default_environment())
    assert packages >= {"numpy", "pandas", "scipy", "sklearn", "statsmodels", "polars"}
    assert unavailable_in_blocks("import numpy, json\nfrom sklearn import svm\n", packages) == []
    assert unavailable_in_blocks("import polars as pl\nimport kaggle.api\n", packages) == [
        (Import("kaggle", 2), "The code environment has no package kaggle."),
    ]


def test_an_environment_that_is_not_installed_has_no_packages(tmp_path: Path) -> None:
    assert packages_of(tmp_path / "none") == frozenset()
