"""What owners do with their datasets: files, declarations, publication, terms, and who has access."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from weir import cards
from weir.access import AccessRequest, Grant
from weir.codebooks import CodebookDraft, text_of
from weir.declarations import listed, nearest
from weir.errors import NotFound, NotOffered
from weir.frames import write_parquet
from weir.things import Thing
from weir.transport import Transport
from weir.uploads import Sent, Upload, upload

OF_TABLE = frozenset({"name", "description", "subject", "mock_rows", "rows_per_person"})


class PrivateTable(Thing):
    """A table of your own dataset: what its file holds, which only you see, and what is declared, which is public.

    table.declare(subject="id", wage=dict(lower=0, upper=60, unit="$"))
    """

    path = "tables/"
    shown = ("name", "rows", "mock_rows", "rows_per_person", "about_people", "findings")

    @property
    def name(self) -> str:
        return str(self.details["name"])

    @property
    def columns(self) -> dict[str, dict[str, Any]]:
        """The columns by name: what is declared, what the file `held`, and how many cells are `misfits`."""
        return {str(each["name"]): dict(each) for each in self.details["columns"]}

    @property
    def unconfirmed(self) -> list[str]:
        """The columns of which you have not confirmed that their declarations may be public."""
        return [name for name, column in self.columns.items() if not column["confirmed"]]

    def declare(self, **given: Any) -> PrivateTable:
        """Declare what is public: `subject`, `description`, `rows_per_person`, `mock_rows`, and columns by name.

        A column's bounds or categories that you write here are confirmed to be public. What the portal has guessed from
        the file is not, until you have looked at it: `confirm(…)`. `columns={…}` is for columns with other names.
        """
        columns = {**given.pop("columns", {}), **{name: given.pop(name) for name in set(given) - OF_TABLE}}
        for name, change in columns.items():
            self._check(name, change)
        changes = {name: self._confirmed(dict(change)) for name, change in columns.items()}
        if subject := given.get("subject"):
            self._check(subject, {})
            changes[subject] = {"confirmed": True, **changes.get(subject, {})}
        return self._changed({**given, **({"columns": changes} if changes else {})})

    def confirm(self, *names: str) -> PrivateTable:
        """Confirm that what is declared of these columns may be public. Look at it first: `table.columns[name]`."""
        for name in names:
            self._check(name, {})
        return self._changed({"columns": {name: {"confirmed": True} for name in names}})

    def codebook(self, source: Path | str) -> CodebookDraft:
        """Return what a codebook (CSV, REDCap, Table Schema, DDI) would change; then `take()` it.

        `source`: its file, or its text.
        """
        text = text_of(source)
        found = self._transport.post(f"{self._address}codebook/", {"text": text}).content

        def take(*, public: bool) -> None:
            self._transport.post(f"{self._address}codebook/", {"text": text, "take": True, "public": public})
            self.details = dict(self._transport.get(self._address))

        return CodebookDraft(found, take)

    def download_codebook(self, to: Path | str) -> Path:
        """Download what is declared as a codebook, which `codebook(…)` reads."""
        return self._transport.download(f"{self._address}codebook.csv", Path(to))

    def remove(self) -> None:
        """Remove it from the draft. Its file is deleted."""
        self._transport.delete(self._address)

    def keep(self) -> PrivateTable:
        """Carry it over from the published revision into the draft."""
        return PrivateTable(self._transport, self._transport.create(f"{self._address}keep/").content)

    def _changed(self, fields: Mapping[str, Any]) -> PrivateTable:
        read = self._transport.call("GET", self._address)
        self.details = dict(self._transport.patch(self._address, fields, read.etag))
        return self

    def _check(self, name: str, change: Any) -> None:
        if name not in self.columns:
            raise NotOffered(
                f"The table {self.name} has no column “{name}”.{nearest(name, self.columns)} Its columns are "
                f"{listed(self.columns)}."
            )
        if not isinstance(change, Mapping):
            raise NotOffered(f"Declare a column by a dict: {name}=dict(lower=0, upper=60, unit='$').")

    def _confirmed(self, change: dict[str, Any]) -> dict[str, Any]:
        is_written = "categories" in change or {"lower", "upper"} <= set(change)
        return {"confirmed": True, **change} if is_written else change

    def __repr__(self) -> str:
        return f"PrivateTable: {self.name}, {self.details['rows']:,} rows"

    def _repr_html_(self) -> str:
        names = ("column", "type", "bounds or values", "unit", "cells outside", "confirmed")
        lines = [
            (
                name,
                "the person" if each["is_person"] else each["type"],
                _declared(each),
                each["unit"],
                (each.get("misfits") or {}).get("outside") or "",
                cards.brief(each["confirmed"]),
            )
            for name, each in self.columns.items()
        ]
        return cards.card(repr(self), cards.table(names, lines))


def _declared(column: Mapping[str, Any]) -> str:
    """Return a column's bounds or values in words."""
    if column["categories"]:
        return listed(column["categories"])
    lower, upper = column["lower"], column["upper"]
    return "" if lower is None or upper is None else f"{cards.brief(lower)} to {cards.brief(upper)}"


Own = TypeVar("Own", bound="OwnerVerbs")


class OwnerVerbs:
    """The part of a dataset that its owner uses. For everybody else, the portal refuses these."""

    _transport: Transport
    _quiet: bool
    details: dict[str, Any]

    def refresh(self: Own) -> Own:
        """Fetch it again."""
        self.details = dict(self._transport.get(self._own))
        return self

    @property
    def _own(self) -> str:
        return f"datasets/{self.details['id']}/"

    def upload(self, data: Any, table: str = "", *, reading: Mapping[str, Any] | None = None) -> PrivateTable:
        """Send a file (CSV, Parquet, Excel, Stata, …) or a data frame to the draft; return the table that it becomes.

        It continues where an earlier attempt stopped. `table`: a name; without it, that of the file or the dataset.
        `reading`: how to read the file, as far as the portal does not guess it:
        reading=dict(decimal=",", missing=["-9"], columns=dict(dob=dict(name="born", format="DD/MM/YYYY"))).
        """
        made = self._sent(data, table, reading)
        found = PrivateTable(self._transport, self._transport.get(f"tables/{made.details['table']['id']}/"))
        return found.declare(name=table) if table and found.name != table else found

    def _sent(self, data: Any, table: str, reading: Mapping[str, Any] | None) -> Upload:
        dataset = str(self.details["id"])
        if isinstance(data, str | Path):
            sent = Sent.of(Path(data))
            return upload(self._transport, dataset, sent, reading=reading, quiet=self._quiet)
        with tempfile.TemporaryDirectory(prefix="weir-") as folder:
            path = Path(folder) / f"{table or self.details['name']}.parquet"
            write_parquet(data, path)
            return upload(self._transport, dataset, Sent.of(path), reading=reading, quiet=self._quiet)

    @property
    def uploads(self) -> list[Upload]:
        """Your uploads to it, the newest first."""
        found = self._transport.items(f"{self._own}uploads/")
        return [Upload(self._transport, each, quiet=self._quiet) for each in found]

    @property
    def revisions(self) -> list[dict[str, Any]]:
        """Its revisions, the newest first, drafts and discarded ones included."""
        return list(self._transport.items(f"{self._own}revisions/"))

    @property
    def draft(self) -> dict[str, Any]:
        """The draft revision, with its `gaps`: what is missing before it can be published."""
        for each in self.revisions:
            if each["state"] == "draft":
                return dict(self._transport.get(f"revisions/{each['id']}/"))
        raise NotOffered("There is no draft. Begin one: dataset.new_revision().")

    def new_revision(self, note: str = "") -> dict[str, Any]:
        """Begin a draft. The published revision stays in use until the draft is published."""
        return dict(self._transport.create(f"{self._own}revisions/", {"note": note}).content)

    def table(self, name: str) -> PrivateTable:
        """Return one of your own tables: of the draft, otherwise of what is published."""
        kept = [each for each in self.revisions if each["state"] in {"draft", "published"}]
        tables = [
            each
            for revision in sorted(kept, key=lambda one: str(one["state"]))
            for each in revision["tables"]
        ]
        for each in tables:
            if each["name"] == name:
                return PrivateTable(self._transport, self._transport.get(f"tables/{each['id']}/"))
        names = [str(each["name"]) for each in tables]
        raise NotOffered(f"There is no table “{name}”.{nearest(name, names)} Send one: dataset.upload(path).")

    def publish(self: Own, *, agreed: bool = False) -> Own:
        """Publish the draft. `agreed`: you agree to what an earlier refusal said of the promise and these rows."""
        self._transport.post(f"revisions/{self.draft['id']}/publish/", {"agreed": agreed})
        return self.refresh()

    def change(self: Own, **fields: Any) -> Own:
        """Change title, summary, description, tags or discoverable, or the policy: `change(policy=dict(max_runs=5))`.

        Rules that you leave out of the policy stay as they are.
        """
        read = self._transport.call("GET", self._own)
        if "policy" in fields:
            fields["policy"] = {**read.content["policy"], **fields["policy"]}
        self._transport.patch(self._own, fields, read.etag)
        return self.refresh()

    @property
    def terms(self) -> dict[str, Any] | None:
        """The current terms of use: `number` and `text`. None if there are none."""
        try:
            return dict(self._transport.get(f"{self._own}terms/"))
        except NotFound:
            return None

    def write_terms(self, text: str) -> dict[str, Any]:
        """Write new terms of use, which people accept when they ask for access."""
        return dict(self._transport.create(f"{self._own}terms/", {"text": text}).content)

    @property
    def access_requests(self) -> list[AccessRequest]:
        """Requests for access: yours, or everybody's if you decide on them."""
        found = self._transport.items(f"{self._own}access/")
        return [AccessRequest(self._transport, each) for each in found]

    @property
    def grants(self) -> list[Grant]:
        """Who has, or had, access."""
        return [Grant(self._transport, each) for each in self._transport.items(f"{self._own}grants/")]

    def retire(self: Own, reason: str) -> Own:
        """Take the dataset out of use. People with access read the reason."""
        self._transport.post(f"{self._own}retire/", {"reason": reason})
        return self.refresh()
