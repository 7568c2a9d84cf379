"""What waits for a person: code to review, outputs to check, access to decide on, and more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from weir import cards
from weir.access import AccessRequest
from weir.budgets import TopUp
from weir.coderequests import CodeRequest
from weir.errors import NotOffered
from weir.releases import Release
from weir.transport import API, Transport
from weir.versions import Version


class InboxItem:
    """One thing that waits. Take its object: `.version`, `.release`, `.access`, `.top_up` or `.request`."""

    def __init__(self, transport: Transport, details: Mapping[str, Any], *, quiet: bool = False) -> None:
        self._transport, self.details, self._quiet = transport, dict(details), quiet

    @property
    def kind(self) -> str:
        """review, check, access, top_up, changes, output_changes, released, answer, run, expired or draft."""
        return str(self.details["kind"])

    @property
    def title(self) -> str:
        return str(self.details["title"])

    @property
    def who(self) -> str:
        """Whose it is."""
        return str(self.details["who"])

    @property
    def version(self) -> Version:
        """The code to review."""
        return Version(self._transport, self._read("versions"), quiet=self._quiet)

    @property
    def release(self) -> Release:
        """The outputs to check, or your own outputs that were decided on."""
        return Release(self._transport, self._read("releases"), quiet=self._quiet)

    @property
    def access(self) -> AccessRequest:
        """The request for access to decide on."""
        return AccessRequest(self._transport, self._read("access"), quiet=self._quiet)

    @property
    def top_up(self) -> TopUp:
        """The request for a larger budget to decide on."""
        return TopUp(self._transport, self._read("top-ups"), quiet=self._quiet)

    @property
    def request(self) -> CodeRequest:
        """Your own request, which you have to continue."""
        return CodeRequest(self._transport, self._read("requests"), quiet=self._quiet)

    @property
    def object(self) -> dict[str, Any]:
        """Whatever it is about, as JSON."""
        return dict(self._transport.get(str(self.details["path"])))

    def _read(self, resource: str) -> Mapping[str, Any]:
        path = str(self.details["path"])
        if not path.startswith(f"{API}{resource}/"):
            self._refuse(resource)
        found: Mapping[str, Any] = self._transport.get(path)
        return found

    def _refuse(self, wanted: str) -> NoReturn:
        raise NotOffered(
            f"“{self.title}” is of the kind {self.kind}, so it has none of the {wanted}. Its object is item.object, "
            "and item.kind says what to do with it."
        )

    def __repr__(self) -> str:
        return f"InboxItem: {self.kind}, {self.title}{', ' if self.who else ''}{self.who}"


class Inbox:
    """What waits for you, the oldest of each kind first.

    for item in portal.inbox: print(item.kind, item.title)
    """

    def __init__(self, transport: Transport, *, quiet: bool = False) -> None:
        found = transport.get("inbox/")
        self._items = [InboxItem(transport, each, quiet=quiet) for each in found["items"]]
        self.totals: dict[str, int] = dict(found.get("totals", {}))

    def of(self, kind: str) -> list[InboxItem]:
        """Return those of one kind, such as `portal.inbox.of("review")`."""
        return [each for each in self._items if each.kind == kind]

    def __iter__(self) -> Iterator[InboxItem]:
        return iter(self._items)

    def __getitem__(self, place: int) -> InboxItem:
        return self._items[place]

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        words = ", ".join(f"{count} {kind}" for kind, count in self.totals.items() if count)
        return f"Inbox: {words or 'nothing waits for you'}"

    def _repr_html_(self) -> str:
        lines = [(each.kind, each.title, each.who, cards.brief(each.details["since"])) for each in self]
        return cards.card(
            repr(self), cards.table(("kind", "title", "whose", "since"), lines) if lines else ""
        )
