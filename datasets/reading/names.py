"""Makes usable column names of what a file's first line holds. Pure."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from datasets.reading.outcome import MAX_COLUMNS, MAX_NAME, Unreadable, bad_name, check_names

SHOWN = 5
FORBIDDEN = re.compile("[\"'`\\\\;<>{}]")


def sources(cells: Sequence[str], *, are_names: bool = True) -> list[str]:
    """Return a unique label for every column, by which options name it: its own name if it is usable."""
    if len(cells) > MAX_COLUMNS:
        raise Unreadable(
            f"This file has {len(cells):,} columns. Reduce them to at most {MAX_COLUMNS:,}.", final=True
        )
    taken: set[str] = set()
    found = []
    for position, cell in enumerate(cells, 1):
        label = _usable(cell) or (
            "row" if position == 1 and len(cells) > 1 and are_names else f"column_{position}"
        )
        choices = (label, *(f"{label[: MAX_NAME - 8]}_{number}" for number in range(2, MAX_COLUMNS + 2)))
        name = next(each for each in choices if _alike(each) not in taken)
        taken.add(_alike(name))
        found.append(name)
    return found


def _usable(cell: str) -> str:
    """Return a name without what names must not have."""
    text = "".join(sign if sign.isprintable() else " " for sign in cell)
    text = FORBIDDEN.sub("", " ".join(text.split())).lstrip("=+-@ ")[:MAX_NAME].strip()
    return text if bad_name(text) is None else ""


def _alike(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def notes(named: Iterable[tuple[int, str, str]]) -> list[str]:
    """Say which columns (number, name in the file, usable name) have another name than in the file."""
    changed = [f"column {number} is “{label}”" for number, cell, label in named if cell.strip() != label]
    if not changed:
        return []
    more = f", and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
    listed = f"{', '.join(changed[:SHOWN])}{more}"
    return [f"Names that were empty, used twice or not usable were changed: {listed}."]


def check(names: Sequence[str]) -> None:
    """Raise Unreadable unless the owner's names can be used."""
    check_names(list(names))
    if not names:
        raise Unreadable("Every column is left out. Keep at least one.")
