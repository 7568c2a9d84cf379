"""What a codebook says about columns, whichever format it is written in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from common.errors import Refused

MOST_BYTES = 1024 * 1024
MOST_ENTRIES = 2_000
MOST_CATEGORIES = 500
MOST_NOTES = 200
"""Remarks on a codebook as a whole that are shown; of further ones, how many there are."""
MOST_NOTES_OF_COLUMN = 20
NUMERIC = "numeric"
"""A type that does not say whether the numbers are whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnEntry:
    """What a codebook says about one column. An empty value means that it says nothing."""

    name: str
    line: int = 0
    """Where it begins in the codebook; 0 if that is not known."""
    type: str = ""
    """A type of declarations.schema, or NUMERIC."""
    description: str = ""
    unit: str = ""
    lower: str = ""
    upper: str = ""
    categories: tuple[tuple[str, str], ...] = ()
    """Codes with their labels; a label may be ""."""
    nullable: bool | None = None
    decimals: str = ""
    rows_per_value: str = ""
    constant: bool | None = None
    missing: tuple[str, ...] = ()
    """Codes that mean missing."""
    notes: tuple[str, ...] = ()
    """What was not taken, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codebook:
    """All entries of a codebook, each name once."""

    format: str
    entries: tuple[ColumnEntry, ...]
    notes: tuple[str, ...] = ()
    """What was not taken of the codebook as a whole, and why."""


def codebook(form: str, entries: Iterable[ColumnEntry], notes: Iterable[str]) -> Codebook:
    """Return the codebook, with the first entry of each name. Raises Refused if it is empty or too long."""
    kept: dict[str, ColumnEntry] = {}
    said = list(notes)
    for found in entries:
        entry = replace(found, notes=capped(found.notes, MOST_NOTES_OF_COLUMN))
        if first := kept.get(entry.name):
            said.append(
                f"{at(entry.line)}“{entry.name[:128]}” is named again. {at(first.line)}the first one counts."
            )
            continue
        kept[entry.name] = entry
        if len(kept) > MOST_ENTRIES:
            raise Refused(f"This codebook names more than {MOST_ENTRIES:,} columns. Take it in parts.")
    if not kept:
        raise Refused(f"This was read as {form}, but it names no column.")
    return Codebook(format=form, entries=tuple(kept.values()), notes=capped(said, MOST_NOTES))


def capped(notes: Sequence[str], most: int) -> tuple[str, ...]:
    """Return at most so many remarks, and how many more there are."""
    more = len(notes) - most
    return (*notes[:most], f"And {more:,} more of such remarks.") if more > 0 else tuple(notes)


def at(line: int) -> str:
    return f"Line {line}: " if line else ""


def listed(words: Iterable[str]) -> str:
    """Return words as one text, shortened if there are many or long ones."""
    shown = [each[:60] for each in words]
    more = f" and {len(shown) - 20} more" if len(shown) > 20 else ""
    return ", ".join(f"“{each}”" for each in shown[:20]) + more
