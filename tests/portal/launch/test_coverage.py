"""The gate of coverage: packages by their floors, and modules that must be covered completely."""

from typing import Any

import pytest

from portal.launch import coverage


def module(
    covered: int, of: int, missing: list[int] | None = None, branches: list[list[int]] | None = None
) -> dict[str, Any]:
    """With as many branches as half its lines, of which `branches` are not taken."""
    left = branches or []
    return {
        "summary": {
            "covered_lines": covered,
            "num_statements": of,
            "covered_branches": of // 2 - len(left),
            "num_branches": of // 2,
        },
        "missing_lines": missing or [],
        "missing_branches": left,
    }


WHOLE = module(20, 20)
RULES = {"complete": ["*/rules.py"], "floors": {"shop": 90, "till": 50}}


def test_what_is_covered_passes_and_is_told_by_package(capsys: pytest.CaptureFixture[str]):
    assert (
        coverage.judge({"shop/rules.py": WHOLE, "shop/views.py": WHOLE, "till/views.py": WHOLE}, RULES) == 0
    )
    assert capsys.readouterr().out.splitlines() == [
        "package        covered  floor",
        "shop           100.0 %    90 %",
        "till           100.0 %    50 %",
        "Coverage: passed",
    ]


def test_a_package_below_its_floor_fails(capsys: pytest.CaptureFixture[str]):
    modules = {"shop/rules.py": WHOLE, "till/views.py": module(4, 20, list(range(16)))}
    assert coverage.judge(modules, RULES) == 1
    assert "till: 46.7 % is covered; its floor is 50 %." in capsys.readouterr().out


def test_a_package_without_a_floor_has_to_be_covered_completely():
    assert list(coverage.below({"new/views.py": module(19, 20, [3])}, {})) == [
        "new: 96.7 % is covered; its floor is 100 %."
    ]


def test_one_line_of_a_rule_that_no_test_runs_fails():
    assert list(coverage.incomplete({"shop/rules.py": module(19, 20, [7])}, RULES)) == [
        "shop/rules.py: not covered: lines 7"
    ]


def test_one_branch_that_no_test_takes_fails():
    left = module(20, 20, branches=[[7, 9], [12, -1]])
    assert list(coverage.incomplete({"shop/rules.py": left}, RULES)) == [
        "shop/rules.py: not covered: branches 7→9, 12→end"
    ]


def test_a_branch_is_not_told_again_where_its_line_is():
    left = module(19, 20, [9], [[7, 9], [9, 10], [12, 7]])
    assert coverage.left_over(left) == "not covered: lines 9; branches 12→7"


def test_a_list_that_matches_nothing_fails_so_that_no_move_empties_it():
    assert list(coverage.incomplete({"shop/rule.py": WHOLE}, RULES)) == [
        "No module matches '*/rules.py'. Correct the list in tests/coverage.toml."
    ]


def test_lines_in_a_row_are_told_as_one():
    left = module(15, 20, [3, 5, 6, 7, 12])
    assert coverage.left_over(left) == "not covered: lines 3, 5-7, 12"


def test_a_package_of_which_nothing_was_measured_fails():
    assert list(coverage.below({"shop/views.py": WHOLE}, {"shop": 90, "till": 50})) == [
        "till has a floor in tests/coverage.toml, but nothing of it was measured."
    ]
