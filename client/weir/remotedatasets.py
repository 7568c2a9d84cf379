"""Datasets that other portals show to this one."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weir import cards
from weir.declarations import TableSpec, listed, nearest, table_from_json
from weir.errors import NotOffered
from weir.things import Thing

PATH = "network/datasets/"


class RemoteDataset(Thing):
    """A dataset of another portal, in the words of that portal.

    for each in portal.network.find("wages"): print(each.portal, each.name, list(each.schema))
    """

    path = PATH
    shown = ("title", "summary", "tags", "institution", "revision", "read_at")

    @property
    def name(self) -> str:
        """Its name in code, on the other portal."""
        return str(self.details["name"])

    @property
    def title(self) -> str:
        return str(self.details["title"])

    @property
    def portal(self) -> str:
        """The institution whose portal it is on."""
        return str(self.details["portal"]["name"])

    @property
    def schema(self) -> dict[str, TableSpec]:
        """What is public about its tables, by their names."""
        specs = [table_from_json(each) for each in self._detail("tables")]
        return {spec.name: spec for spec in specs}

    @property
    def terms(self) -> Mapping[str, Any] | None:
        """The number and text of its terms of use, or None if there are none."""
        terms: Mapping[str, Any] | None = self._detail("terms")
        return terms

    def mock(self, table: str = "", to: Path | str | None = None) -> Any:
        """Download a table's mock rows: to a Parquet file, or without `to` as an Arrow table.

        If it has one table, that need not be named. Raises Refused if the other portal does not send it.
        """
        address = f"{PATH}{self.id}/mock/{self._table(table)}.parquet"
        if to is not None:
            return self._transport.download(address, Path(to))
        import pyarrow.parquet as pq  # noqa: PLC0415 -- it takes a tenth of a second

        with tempfile.TemporaryDirectory(prefix="weir-") as folder:
            return pq.read_table(self._transport.download(address, Path(folder) / "mock.parquet"))

    def _table(self, name: str) -> str:
        names = list(self.schema)
        if name in names:
            return name
        if not name and len(names) == 1:
            return names[0]
        wrong = f"There is no table “{name}”.{nearest(name, names)}" if name else "Name a table."
        raise NotOffered(f"{wrong} The tables are {listed(names)}.")

    def __repr__(self) -> str:
        return f"RemoteDataset: {self.name}, {self.title}, on {self.portal}"

    def _repr_html_(self) -> str:
        return cards.facts(self.name, [("portal", self.portal), *self._facts])
