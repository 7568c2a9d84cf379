"""Codebooks of an owner's table: what one would change in the declarations, before it does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from weir import cards
from weir.errors import NotOffered

_DECLARED = re.compile(
    rb"""<\?xml[^>]{0,100}encoding=["'](iso-8859-\d{1,2}|windows-125\d|cp125\d)["']""", re.IGNORECASE
)
"""The encodings that an XML file may name, besides UTF-8."""


def text_of(source: Path | str) -> str:
    """Return the text of a codebook: of a file or, if `source` has several lines, itself.

    A file is read as the portal reads one: UTF-8, UTF-16, what an XML file names, or else Windows-1252. Raises
    NotOffered for a workbook, or anything else that is no text.
    """
    if isinstance(source, str) and "\n" in source:
        return source
    content = Path(source).read_bytes()
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise NotOffered(f"{source} is a workbook. Save its sheet as CSV.")
    is_wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    if content.startswith(b"%PDF") or (b"\0" in content and not is_wide):
        raise NotOffered(f"{source} is not a text. Give CSV, JSON (Table Schema) or XML (DDI Codebook).")
    declared = _DECLARED.match(content)
    try:
        return content.decode("utf-16" if is_wide else declared[1].decode() if declared else "utf-8-sig")
    except (UnicodeDecodeError, LookupError):
        if is_wide:
            raise NotOffered(
                f"{source} is marked as UTF-16, but it is not valid UTF-16. Save it as UTF-8."
            ) from None
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
        of which the codebook states everything: whether cells may be empty, and bounds, categories or, for text and
        yes or no, the type.
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
