"""Datasets of a portal: what they are, their tables, and asking for access."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weir import cards, shares
from weir.budgets import Budget, BudgetVerbs
from weir.declarations import listed, nearest, table_from_json
from weir.errors import NoSuchName, NotFound, NotOffered
from weir.online import Online, Written
from weir.ownership import OwnerVerbs
from weir.transport import Transport

if TYPE_CHECKING:
    from weir.codetrials import CodeTrials
    from weir.tables import Table

MOST_LISTED = 1000


class Tables(Mapping[str, "Table"]):
    """The tables of a dataset, by name."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self._tables = dict(tables)

    def __getitem__(self, name: str) -> Table:
        if name not in self._tables:
            raise NotOffered(
                f"There is no table “{name}”.{nearest(name, self)} The tables are {listed(self._tables)}."
            )
        return self._tables[name]

    def __contains__(self, name: object) -> bool:
        return name in self._tables

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __repr__(self) -> str:
        return f"Tables: {listed(self._tables)}"

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._tables)


class Dataset(OwnerVerbs, BudgetVerbs):
    """A dataset. `dataset.tables["wages"]`, or `dataset["wage"]` for a column if there is one table."""

    def __init__(
        self, transport: Transport, details: Mapping[str, Any], person: str, *, quiet: bool = False
    ) -> None:
        self._transport, self.details, self._person, self._quiet = transport, dict(details), person, quiet
        self._tables: Tables | None = None
        self._budget: dict[str, Any] | None = None

    @property
    def id(self) -> str:
        return str(self.details["id"])

    @property
    def name(self) -> str:
        return str(self.details["name"])

    @property
    def title(self) -> str:
        return str(self.details["title"])

    @property
    def budget(self) -> Budget | None:
        """Your own open budget, as it is now. None if you have none."""
        self._budget = None
        return Budget(self._transport, self._own_budget) if self._own_budget else None

    @property
    def _own_budget(self) -> dict[str, Any]:
        """Your own open budget, as it was read first: its id and tables do not change."""
        if self._budget is None:
            own = self._transport.items("budgets/", dataset=self.id, scientist=self._person)
            found = next((each for each in own if not each.get("closed_at")), None)
            self._budget = dict(self._transport.get(f"budgets/{found['id']}/")) if found else {}
        return self._budget

    @property
    def tables(self) -> Tables:
        """The tables that are published, as your budget lets you ask about them."""
        if self._tables is None:
            from weir.scopes import Scope  # noqa: PLC0415 -- what needs no questions is done without them
            from weir.tables import Table  # noqa: PLC0415 -- the same

            declared = self._own_budget.get("tables") or self.declared
            source = self.source
            specs = [table_from_json(each) for each in declared]
            self._tables = Tables({spec.name: Table(Scope(spec, source)) for spec in specs})
        return self._tables

    @property
    def declared(self) -> list[dict[str, Any]]:
        """What is public about its tables, as JSON."""
        return list(self._transport.get(f"datasets/{self.id}/schema/")["tables"])

    @property
    def source(self) -> Online:
        """What its questions are asked with."""
        return Online(self._transport, self.details, str(self._own_budget.get("id", "")), quiet=self._quiet)

    @property
    def trials(self) -> CodeTrials:
        """Your code that was tried on mock data: iterate over it, or take a trial by its id."""
        return self.source.trials

    def __getitem__(self, name: str) -> Any:
        """Return a table by its name or, if there is only one table, one of its columns."""
        if name in self.tables:
            return self.tables[name]
        if len(self.tables) == 1:
            return next(iter(self.tables.values()))[name]
        return self.tables[name]

    def sql(self, text: str) -> Written:
        """Return the question of an SQL query, to be priced and released.

        HAVING, ORDER BY and LIMIT choose among the noisy groups, and cost nothing; `details["result"]` has all of them.
        """
        return Written(self.source, text, {"sql": text})

    def question(self, wire: Mapping[str, Any]) -> Written:
        """Return the question of JSON that `to_wire()` made, to be priced and released."""
        return Written(self.source, f"a question to {wire.get('table')}", {"query": dict(wire)})

    def mock(self, table: str, to: Path | str | None = None) -> Any:
        """Download a table's mock rows: to a Parquet file, or without `to` as an Arrow table."""
        if to is None:
            return Online(self._transport, self.details, quiet=self._quiet).mock_table(table)
        return self._transport.download(f"datasets/{self.id}/mock/{table}.parquet", Path(to))

    def codebook(self, table: str, to: Path | str) -> Path:
        """Download what is public about a table's columns, as CSV."""
        return self._transport.download(f"datasets/{self.id}/codebook/{table}.csv", Path(to))

    def ask_access(
        self, purpose: str, outputs: str, terms: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Ask for access. `outputs`: what you want released; `terms`: `dataset.terms`, which you accept."""
        body = {"purpose": purpose, "outputs": outputs, **({"terms": terms["id"]} if terms else {})}
        return dict(self._transport.create(f"datasets/{self.id}/access/", body).content)

    def refresh(self) -> Dataset:
        """Fetch it again, with its tables and budget."""
        self._tables = self._budget = None
        return super().refresh()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "details":
            raise AttributeError(name)
        raise NoSuchName(f"A dataset has no .{name}. Take a table first: dataset.tables[…].")

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._tables or ())

    def __repr__(self) -> str:
        return f"Dataset: {self.name}, {self.title}"

    def _repr_html_(self) -> str:
        shown = ("title", "summary", "tags", "state", "owner", "revision", "terms")
        pairs = [(name, self.details[name]) for name in shown if self.details.get(name)]
        budget = [("budget used", shares.percent(self._budget["share_used"]))] if self._budget else []
        tables = [("tables", listed(self._tables))] if self._tables else []
        return cards.facts(self.name, [*pairs, *budget, *tables])


class Datasets:
    """The datasets that you may see, by name or id."""

    def __init__(self, transport: Transport, person: str, *, quiet: bool = False) -> None:
        self._transport, self._person, self._quiet = transport, person, quiet
        self._known: dict[str, Dataset] = {}
        self._seen: set[str] = set()

    def __iter__(self) -> Iterator[Dataset]:
        for place, each in enumerate(self._transport.items("datasets/")):
            if place >= MOST_LISTED:
                return
            yield self._listed(each)

    def search(self, text: str) -> list[Dataset]:
        """Return the datasets with words that begin like these, in what describes them, their owner or columns."""
        return [self._listed(each) for each in self._transport.items("datasets/", text=text)]

    def __getitem__(self, name: str) -> Dataset:
        """Return a dataset by its name or id."""
        if name in self._known:
            return self._known[name]
        for each in self._transport.items("datasets/", text=name if not _is_id(name) else None):
            if name in {each["name"], each["id"]}:
                return self._remembered(self._transport.get(f"datasets/{each['id']}/"))
        raise NotFound(f"You see no dataset “{name}”. `portal.datasets` lists them, as does `weir datasets`.")

    def create(  # noqa: PLR0913 -- what a dataset begins with
        self,
        name: str,
        data: Any = None,
        *,
        title: str,
        summary: str = "",
        description: str = "",
        tags: Sequence[str] = (),
        table: str = "",
        discoverable: bool | None = None,
    ) -> Dataset:
        """Create a dataset as its owner, with a draft that holds a file or a data frame as a table.

        panel = portal.datasets.create("panel", frame, title="Wages of a panel")
        panel.table("panel").declare(subject="id", wage=dict(lower=0, upper=60, unit="$")); panel.publish()

        Nobody else sees it before it is published. If sending the file stops, call `dataset.upload(data)` to continue.
        """
        body = {"name": name, "title": title, "summary": summary, "description": description}
        more: dict[str, Any] = {} if discoverable is None else {"discoverable": discoverable}
        more |= {"tags": list(tags)} if tags else {}
        made = self._remembered(self._transport.create("datasets/", {**body, **more}).content)
        if data is not None:
            made.upload(data, table or name)
        return made

    def _listed(self, details: Mapping[str, Any]) -> Dataset:
        """Return a dataset as a list has it: with less than it has when it is taken by its name."""
        made = Dataset(self._transport, details, self._person, quiet=self._quiet)
        self._seen.add(made.name)
        return self._known.get(made.name, made)

    def _remembered(self, details: Mapping[str, Any]) -> Dataset:
        made = Dataset(self._transport, details, self._person, quiet=self._quiet)
        return self._known.setdefault(made.name, made)

    def _ipython_key_completions_(self) -> list[str]:
        return sorted({*self._known, *self._seen})

    def __repr__(self) -> str:
        names = self._ipython_key_completions_()
        return f"Datasets of {self._transport.origin}{f': {listed(names)}' if names else ''}"


def _is_id(text: str) -> bool:
    return len(text) == 36 and text.count("-") == 4
