"""What was looked at and found, as sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `ok`: whether it holds; None for a remark, which says what was not looked at."""

    ok: bool | None
    sentence: str


def holds(sentence: str) -> Check:
    return Check(ok=True, sentence=sentence)


def fails(sentence: str) -> Check:
    return Check(ok=False, sentence=sentence)


def remark(sentence: str) -> Check:
    return Check(ok=None, sentence=sentence)


def all_hold(checks: Sequence[Check]) -> bool:
    """Return whether nothing fails."""
    return all(each.ok is not False for each in checks)
