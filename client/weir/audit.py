"""The audit log: what happened, who did it, and who received what, as far as you may read it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weir import cards
from weir.errors import NotOffered
from weir.frames import data_frame
from weir.things import Thing, checked_id
from weir.transport import Transport

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from weir.datasets import Dataset, Datasets

LARGEST_PAGE = 200
MOST_ROWS = 100_000
"""Entries of a table. More of them fit into a file."""


class Entry(Thing):
    """One thing that happened. Nobody can change it, and a changed one would not be intact.

    entry.action, entry.words, entry.actor, entry.on, entry.person, entry.receiver, entry.changes, entry.detail,
    entry.is_intact
    """

    path = "audit/"
    shown = ("at", "actor", "object", "person", "dataset", "hash")

    @property
    def at(self) -> datetime:
        """When it happened, in UTC."""
        return datetime.fromisoformat(str(self.details["at"]).replace("Z", "+00:00"))

    @property
    def action(self) -> str:
        """What was done, such as release.release."""
        return str(self.details["action"])

    @property
    def words(self) -> str:
        """What was done, in words."""
        return str(self.details["words"])

    @property
    def receiver(self) -> str:
        """The address of who received something derived from the dataset by this; "" if nobody did."""
        return str(self.details["receiver"])

    @property
    def actor(self) -> str:
        """The address of who did it, or Weir."""
        return str(self.details["actor"]["name"])

    @property
    def on(self) -> str:
        """What it was done to, as it was called then."""
        return str(self.details["object"]["name"])

    @property
    def person(self) -> str:
        """The address of whom it concerns; "" if that is nobody."""
        return str((self.details.get("person") or {}).get("name", ""))

    @property
    def changes(self) -> dict[str, tuple[Any, Any]]:
        """The old and the new value of each field that was changed."""
        return {name: (old, new) for name, (old, new) in self.details["changes"].items()}

    @property
    def detail(self) -> dict[str, Any]:
        """What else was recorded, such as a reason."""
        return dict(self.details["detail"])

    @property
    def is_intact(self) -> bool | None:
        """Whether the portal finds it as it was recorded. None in the moment before it joins the chain of hashes."""
        found = self._detail("is_intact")
        return None if found is None else bool(found)

    @property
    def head(self) -> str:
        """Its position in the chain and its hash: note it outside the portal. `manage.py verify_audit --head` takes it.

        Raises NotOffered if you may not read the whole log.
        """
        place = self._detail("place")
        if place is None:
            raise NotOffered(
                "Only auditors and admins read positions in the chain, of entries that have joined it."
            )
        return f"{place['position']}:{self.details['hash']}"

    def __repr__(self) -> str:
        concerned = f", for {self.person}" if self.person and self.person != self.actor else ""
        return f"Entry: {cards.brief(self.details['at'])}, {self.actor}, {self.action}, {self.on}{concerned}"

    def _repr_html_(self) -> str:
        lines = [(name, cards.brief(old), cards.brief(new)) for name, (old, new) in self.changes.items()]
        changed = cards.table(("field", "before", "after"), lines) if lines else ""
        return cards.facts(self.action, [*self._facts, *self.detail.items()], changed)


class AuditLog:
    """The entries that you may read, the newest first: those of `where`, page after page as you need them.

    received = portal.audit.where(dataset="wages", received=True, since="2026-11-01", until="2026-11-30")
    for entry in received: print(entry.at, entry.words, entry.receiver)
    received.to_pandas(); received.save("received.csv")
    """

    def __init__(
        self, transport: Transport, datasets: Datasets, filters: Mapping[str, str] | None = None
    ) -> None:
        self._transport, self._datasets, self.filters = transport, datasets, dict(filters or {})

    def where(  # noqa: PLR0913 -- the filters of the portal
        self,
        *,
        text: str = "",
        dataset: Dataset | str = "",
        person: str = "",
        action: str = "",
        object: Thing | Dataset | str = "",  # noqa: A002 -- its name everywhere
        since: date | str = "",
        until: date | str = "",
        received: bool = False,
    ) -> AuditLog:
        """Return the part of the log that all these filters leave.

        `text`: words in the action, the object or the actor. `dataset`: one, its name or its id. `person`: their id, or
        a part of the actor's address. `action`: how it begins, "run." or "run.start". `object`: one, or its id.
        `since`, `until`: days in UTC, both included. `received`: only files, answers, logs
        and rows that somebody received.
        """
        wanted = {
            "text": text,
            "dataset": self._id_of(dataset) if dataset else "",
            "person": person,
            "action": action,
            "object": checked_id(object if isinstance(object, str) else object.id) if object else "",
            "since": str(since),
            "until": str(until),
            "received": "true" if received else "",
        }
        chosen = {name: value for name, value in wanted.items() if value}
        return AuditLog(self._transport, self._datasets, {**self.filters, **chosen})

    def _id_of(self, dataset: Dataset | str) -> str:
        """Return a dataset's id. Only a name is looked up."""
        if not isinstance(dataset, str):
            return dataset.id
        return dataset if dataset.count("-") == 4 else self._datasets[dataset].id

    def __iter__(self) -> Iterator[Entry]:
        for each in self._transport.items("audit/", **self.filters):
            yield Entry(self._transport, each)

    def __getitem__(self, id: str) -> Entry:  # noqa: A002 -- its name everywhere
        """Return one entry by its id."""
        return Entry(self._transport, self._transport.get(f"audit/{checked_id(id)}/"))

    def to_arrow(self) -> pa.Table:
        """Return the entries as a table with the columns of the file that `save` writes."""
        import pyarrow as pa  # noqa: PLC0415 -- it takes a tenth of a second

        types = {"at": pa.timestamp("us", tz="UTC")}
        schema = pa.schema([(name, types.get(name, pa.string())) for name in _COLUMNS])
        return pa.table(self._columns(), schema=schema)

    def to_pandas(self) -> pd.DataFrame:
        """Return the entries as a DataFrame with the columns of the file that `save` writes. Needs pandas."""
        return data_frame(self._columns())

    def save(self, to: Path | str) -> Path:
        """Write the entries to a CSV file, however many they are. That is recorded in the log, with the filters."""
        return self._transport.download("audit/export/", Path(to), method="POST", **self.filters)

    def _columns(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
        entries = self._transport.items("audit/", limit=LARGEST_PAGE, **self.filters)
        for number, each in enumerate(entries):
            if number == MOST_ROWS:
                raise NotOffered(
                    f"These are more than {MOST_ROWS:,} entries. Choose fewer with where(), or write them to a file "
                    "with save()."
                )
            for name, value in _cells(Entry(self._transport, each)).items():
                found[name].append(value)
        return found

    def __repr__(self) -> str:
        chosen = ", ".join(f"{name}={value!r}" for name, value in self.filters.items())
        return f"AuditLog{f' where {chosen}' if chosen else ''}: iterate over it, or .to_pandas(), .save(…)"


_COLUMNS = (
    "key", "at", "action", "actor", "actor_id", "object_type", "object_id", "object_label", "dataset_id", "person_id",
    "person", "receiver", "changes", "detail", "hash",
)  # fmt: skip


def _cells(entry: Entry) -> dict[str, Any]:
    found = entry.details
    values = (
        entry.id, entry.at, entry.action, entry.actor, found["actor"]["id"], found["object"]["type"],
        found["object"]["id"], entry.on, (found["dataset"] or {}).get("id", ""), (found["person"] or {}).get("id", ""),
        entry.person, entry.receiver, _json(found["changes"]), _json(found["detail"]), found["hash"],
    )  # fmt: skip
    return dict(zip(_COLUMNS, values, strict=True))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
