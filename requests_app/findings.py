"""Hints about code that nobody has run: lines that a reviewer, or the author before, may want to look at."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One hint: where, how grave (error, warning, note), a stable code, and the words."""

    line: int
    level: str
    code: str
    text: str


def find(code: str, tables: Mapping[str, Sequence[str]]) -> list[Finding]:
    """What can be said of the code without running it."""
    try:
        ast.parse(code)
    except SyntaxError as error:
        return [Finding(error.lineno or 1, "error", "syntax", f"Python cannot read this: {error.msg}.")]
    return []
