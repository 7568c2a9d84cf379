"""What a verb answers: as JSON for programs, and as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from weir.cards import called
from weir.errors import WeirError

WIDEST = 60


class UsageError(WeirError):
    """The words of the command line do not fit together."""


@dataclass(frozen=True)
class Printed:
    """`data` is what `--json` prints, `text` what is printed otherwise. `failed`: the exit code is 1."""

    data: Any
    text: str
    failed: bool = False


def table(names: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """Return lines below their names, in columns."""
    shown = [tuple(names), *(tuple(_cell(each) for each in line) for line in lines)]
    widths = [max(len(line[place]) for line in shown) for place in range(len(names))]
    rows = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in shown)
    return "\n".join(row.rstrip() for row in rows)


def facts(pairs: Iterable[tuple[str, object]]) -> str:
    """Return names with their values, one a line. What is empty is left out."""
    found = ((name, called(value)) for name, value in pairs)
    return "\n".join(f"{name}: {value}" for name, value in found if value not in {None, ""})


def _cell(value: object) -> str:
    text = "" if value is None else " ".join(str(called(value)).split())
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"
