"""Rules can be combined: all of them have to permit, or one of them."""

import pytest

from common.access import all_of, any_of, require
from common.errors import Denied


def is_even(number: int) -> str | None:
    return None if number % 2 == 0 else "It is odd."


def is_small(number: int) -> str | None:
    return None if number < 10 else "It is large."


@pytest.mark.parametrize(
    ("number", "every", "either"),
    [
        (4, None, None),
        (5, "It is odd.", None),
        (12, "It is large.", None),
        (13, "It is odd.", "It is large."),
    ],
)
def test_reasons_of_combined_rules(number: int, every: str | None, either: str | None) -> None:
    assert all_of(is_even, is_small)(number) == every
    assert any_of(is_even, is_small)(number) == either


def test_no_rule_after_the_first_that_decides_is_asked() -> None:
    asked: list[int] = []

    def is_never_asked(number: int) -> str | None:
        asked.append(number)
        return None

    assert any_of(is_small, is_never_asked)(1) is None
    assert all_of(is_even, is_never_asked)(1) == "It is odd."
    assert asked == []


def test_what_is_required_is_denied_with_the_reason_of_the_rule() -> None:
    require(is_even, 2)
    with pytest.raises(Denied, match=r"^It is odd\.$"):
        require(is_even, 3)
