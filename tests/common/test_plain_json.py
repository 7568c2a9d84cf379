"""JSON from outside: everything that Postgres could not store is refused before it is tried."""

import pytest

from common import plain_json
from common.plain_json import DEPTH


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def test_ordinary_json_is_parsed() -> None:
    assert plain_json.loads(b'{"a": [1, 2.5, null, "\\u00e9"]}') == {"a": [1, 2.5, None, "é"]}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[NaN]", "NaN or infinity"),
        ('{"a": -Infinity}', "NaN or infinity"),
        ("1e999", "NaN or infinity"),
        ('"\\u0000"', "invalid character"),
        ('{"\\ud800": 1}', "invalid character"),
        (nested(DEPTH + 1), "more than 130 levels"),
        (nested(200_000), "more than 130 levels"),
        ("[1", "a comma is missing"),
    ],
)
def test_what_postgres_cannot_store_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        plain_json.loads(text)


def test_the_deepest_level_that_is_allowed() -> None:
    plain_json.check(plain_json.loads(nested(DEPTH)))


def test_values_that_never_were_json_are_checked_alike() -> None:
    with pytest.raises(ValueError, match="NaN"):
        plain_json.check({"pair": (1.0, float("nan"))})
