"""Codebooks of an owner's table: what one would change in the declarations, before it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from weir import cards


def text_of(source: Path | str) -> str:
    """Return the text of a codebook: of a file or, if `source` has several lines, itself."""
    if isinstance(source, str) and "\n" in source:
        return source
    content = Path(source).read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


class CodebookDraft:
    """What a codebook would change in the declarations of a table. Nothing is declared before `take()`."""

    def __init__(self, found: Mapping[str, Any], take: Callable[..., None]) -> None:
        self.details = dict(found)
        self._take = take

    @property
    def changes(self) -> dict[str, list[dict[str, str]]]:
        """The changes by column: `what`, `before` and `after`."""
        return {
            str(each["name"]): list(each["changes"]) for each in self.details["columns"] if each["changes"]
        }

    @property
    def not_taken(self) -> list[str]:
        """Everything that would not be taken, and why."""
        of_columns = [f"{each['name']}: {why}" for each in self.details["columns"] for why in each["remarks"]]
        return [*self.details["unknown"], *self.details["notes"], *of_columns]

    def take(self, *, public: bool = False) -> None:
        """Declare it. What changes has to be confirmed before it can be published.

        `public`: you know these values from elsewhere than the data, and they may be public. This confirms the columns
        of which the codebook states everything: type, whether cells may be empty, and bounds or categories.
        """
        self._take(public=public)

    def __repr__(self) -> str:
        named, others = len(self.changes), len(self.not_taken)
        return f"CodebookDraft: {named} column{'' if named == 1 else 's'} would change, {others} remarks"

    def _repr_html_(self) -> str:
        lines = [
            (name, each["what"], each["before"], each["after"])
            for name, changes in self.changes.items()
            for each in changes
        ]
        table = cards.table(("column", "declaration", "before", "after"), lines)
        return cards.card(repr(self), table, cards.sentences(self.not_taken))
