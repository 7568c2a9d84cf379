"""The output check: held files, the decision about them, and recalls."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weir import cards, handed
from weir.receipts import Receipt
from weir.results import Results, read
from weir.things import Thing


@dataclass(frozen=True)
class Preview:
    """A part of a file as plain values. What `content` has depends on `kind`: table, cell, json, text, image, none."""

    kind: str
    content: Mapping[str, Any]

    def _repr_html_(self) -> str:
        return cards.card(f"Preview: {self.kind}", self._shown, cards.sentences([self._place]))

    @property
    def _shown(self) -> str:
        """The part itself, all of it: what is in it counts as looked at."""
        if self.kind == "table":
            names = [_cell(column["name"]) for column in self.content["columns"]]
            rows = [[_cell(cell) for cell in row] for row in self.content["rows"]]
            return cards.table(names, rows, most=len(rows))
        if self.kind == "image":
            return cards.picture(str(self.content["png_base64"]), "preview")
        return cards.text(str(self.content.get("text", "")))

    @property
    def _place(self) -> str:
        """Which part of the file it is, and how to see the others."""
        found = self.content
        if self.kind == "table":
            size = f"The table has {found['total_rows']:,} rows and {found['total_columns']:,} columns."
            more = [
                f"{found[f'page_{name}']:,} {name} are a page: preview({name}=2) has the second one."
                for name in ("rows", "columns")
                if found[f"total_{name}"] > found[f"page_{name}"]
            ]
            return " ".join([size, *more])
        if int(found.get("parts") or 1) > 1:
            return f"Part {found['part']} of {found['parts']}. See another one: preview(part={found['part'] + 1})."
        return ""


def _cell(cell: Any) -> str:
    """Return a cell as text; a long one as its beginning."""
    if isinstance(cell, Mapping):
        return f"{cell['text']}… ({cell['characters']:,} characters)"
    return "" if cell is None else str(cell)


class Output(Thing):
    """A file that a run wrote, as a reviewer sees it.

    output.preview(rows=2), output.release(), output.withhold("A cell of 2 people.")
    """

    path = "outputs/"
    shown = ("type", "bytes")

    @property
    def name(self) -> str:
        return str(self.details["name"])

    @property
    def state(self) -> str:
        """The verdict on it: pending, release or withhold."""
        return str((self.details.get("check") or {}).get("verdict", ""))

    @property
    def checks(self) -> list[dict[str, Any]]:
        """What the automatic checks say of it."""
        return list((self.details.get("check") or {}).get("checks", []))

    def preview(self, **place: int | bool) -> Preview:
        """Look at a part of it. What you have looked at is recorded.

        Of a table, rows= and columns= are the numbers of pages, and row= and column= show one cell. Of a text, a long
        cell or a picture, part= is the number of the part. contrast=True shows small differences between colours.
        """
        query = {name: str(value).lower() for name, value in place.items()}
        found = self._transport.call("GET", f"{self._address}preview/", query=query).content
        return Preview(str(found["kind"]), dict(found["content"]))

    def release(self, comment: str = "") -> Output:
        """Mark it as to be released. Nothing is released before the decision on all files."""
        return self._act("verdict", {"verdict": "release", "comment": comment})

    def withhold(self, comment: str = "") -> Output:
        """Mark it as not to be released."""
        return self._act("verdict", {"verdict": "withhold", "comment": comment})

    def _repr_html_(self) -> str:
        lines = [("✓" if each["ok"] else "!", each["name"], each["text"]) for each in self.checks]
        unseen = ", ".join((self.details.get("check") or {}).get("not_shown", []))
        seen = f"Nobody has looked at: {unseen}." if unseen else ""
        return cards.facts(
            repr(self), self._facts, cards.table((), lines) if lines else "", cards.sentences([seen])
        )

    def load(self) -> Any:
        """Download it and return what it holds, if the dataset's policy lets reviewers download held files."""
        with tempfile.TemporaryDirectory(prefix="weir-") as folder:
            to = Path(folder) / "file"
            return read(self._transport.download(f"{self._address}file/", to), self.name)


class Release(Thing):
    """The decision on a run's outputs.

    for output in release.outputs: output.release()
    release.release()
    """

    path = "releases/"
    shown = ("request", "turn", "author", "created_at", "expires_at", "comment")

    @property
    def outputs(self) -> list[Output]:
        """The files that you may open: all of them as a reviewer, otherwise those released to you."""
        return [Output(self._transport, each) for each in self._detail("outputs") or ()]

    @property
    def results(self) -> Results:
        """The files that you may open, as Python objects by name."""
        return Results(self._transport, self._detail("outputs") or ())

    @property
    def record(self) -> dict[str, Any]:
        """The machine-readable record: the code, the data, the decision, and the files with their hashes."""
        return dict(self._transport.get(f"{self._address}record/"))

    def receipt(self, wait: float = 90) -> Receipt:
        """Return the receipt: the record as its author reads it, and the proof that the portal's log holds it.

        release.receipt().save("release.receipt.json"). Waits at most `wait` seconds for the log to be signed, which
        takes up to a minute. Raises NotOffered if it is not there by then.
        """
        return handed.receipt(self._transport, self._address, wait)

    def begin(self) -> Release:
        """Begin the output check. The files are compared with what has been released meanwhile."""
        return self._act("begin")

    def release(self, comment: str = "") -> Release:
        """Release the files marked for release. The others are deleted."""
        return self._decided("release", comment)

    def reject(self, reason: str) -> Release:
        """Release nothing, and delete the files. The author reads the reason."""
        return self._decided("reject", reason)

    def request_changes(self, reason: str) -> Release:
        """Release nothing, and ask the author to change the code."""
        return self._decided("request_changes", reason)

    def recall(self, reason: str) -> Release:
        """Take a release back: downloads end, and everybody who had access is asked to delete their copies."""
        return self._act("recall", {"reason": reason})

    def __repr__(self) -> str:
        return f"Release: {cards.called(self.details['request'])}, {self.state}"

    def _decided(self, decision: str, comment: str) -> Release:
        return self._act("decide", {"decision": decision, "comment": comment})
