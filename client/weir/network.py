"""Other portals, through one's own: which there are, asking for access there, and working there as a guest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from weir.declarations import listed
from weir.errors import NotFound
from weir.portal import Portal
from weir.remotedatasets import PATH, RemoteDataset
from weir.things import checked_id
from weir.transport import API, Transport

POLL_SECONDS = 2.0
POLLS = 1800
"""After how many looks a stream of events ends, as others do after an hour."""


class GuestTransport(Transport):
    """Calls of another portal that one's own passes on, over one's own connections."""

    def __init__(self, own: Transport, portal: str) -> None:
        vars(self).update(vars(own))
        self._place = f"{API}network/portals/{portal}/api/"

    def close(self) -> None:
        """Leave the connections open: they are those of one's own portal."""

    def events(self, *keys: str) -> Iterator[tuple[str, str]]:
        """Yield now and then that it is worth looking: other portals pass on no events."""
        for _ in range(POLLS):
            self.sleep(POLL_SECONDS)
            yield "", ""

    def _address(self, path: str) -> str:
        return self._place + super()._address(path).removeprefix(API)


class OtherPortal(Portal):
    """Another portal, as its guest: it has `datasets`, `answers`, `requests`, `runs` and so on as one's own."""

    def __init__(self, transport: GuestTransport, details: Mapping[str, Any], *, quiet: bool = False) -> None:
        self.details = dict(details)
        super().__init__(transport, transport.get("me/"), quiet=quiet)

    def __repr__(self) -> str:
        return f"Portal: {self.details['url']}, as {self.me.get('name')}, through {self.transport.origin}"


class Network:
    """The other portals that yours knows. `portal.network["b.example"]` is one of them, if you are its guest.

    data = portal.network["b.example"].datasets["wages"]
    q = data["wage"].mean(); q.price(error=1); q.release(error=1)
    """

    def __init__(self, transport: Transport, *, quiet: bool = False) -> None:
        self._transport, self._quiet = transport, quiet
        self._known: dict[str, OtherPortal] = {}

    @property
    def portals(self) -> list[dict[str, Any]]:
        """The other portals, each with its id, name and address."""
        return list(self._transport.items("network/portals/"))

    def find(self, text: str = "", *, most: int = 200) -> list[RemoteDataset]:
        """Return datasets of other portals with words that begin like these, in what describes them or their columns.

        At most `most`. Those of this portal are found by `portal.datasets.search(…)`.
        """
        found = self._transport.items(PATH, text=text or None)
        return [self._made(each) for each, _ in zip(found, range(most), strict=False)]

    def dataset(self, id: str) -> RemoteDataset:  # noqa: A002 -- its name everywhere
        """Return a dataset of another portal by its id here."""
        return self._made(self._transport.get(f"{PATH}{checked_id(id)}/"))

    def _made(self, details: Mapping[str, Any]) -> RemoteDataset:
        return RemoteDataset(self._transport, details, quiet=self._quiet)

    @property
    def askings(self) -> list[dict[str, Any]]:
        """What you have asked other portals for, and what they last said of it."""
        return list(self._transport.items("network/askings/"))

    def ask_access(
        self,
        portal: str,
        dataset: str,
        *,
        purpose: str,
        outputs: str,
        agreed: bool,
        terms: int | None = None,
    ) -> dict[str, Any]:
        """Ask another portal for access to a dataset, by its id there.

        `agreed`: you agree that it learns your name, e-mail address and affiliation. `terms`: the version of the terms
        of use that you accept.
        """
        body = {"dataset": dataset, "purpose": purpose, "outputs": outputs, "agreed": agreed, "terms": terms}
        found = {"portal": self._found(portal)["id"], **body}
        return dict(self._transport.create("network/askings/", found).content)

    def __getitem__(self, name: str) -> OtherPortal:
        """Return another portal by its host, name or id. Raises NotFound if you are no guest of it."""
        details = self._found(name)
        key = str(details["id"])
        if key not in self._known:
            through = GuestTransport(self._transport, key)
            try:
                self._known[key] = OtherPortal(through, details, quiet=self._quiet)
            except NotFound as nobody:
                raise NotFound(
                    f"You are no guest of {details['name']}. Ask for access to one of its datasets with "
                    "portal.network.ask_access(…), or see portal.network.askings.",
                    code="not_found",
                    status=404,
                ) from nobody
        return self._known[key]

    def _found(self, name: str) -> dict[str, Any]:
        portals = self.portals
        wanted = name.rstrip("/").lower()
        for each in portals:
            parts = urlsplit(str(each["url"]))
            if wanted in {each["id"], str(each["name"]).lower(), each["url"], parts.netloc, parts.hostname}:
                return each
        known = listed(urlsplit(str(each["url"])).netloc for each in portals) if portals else "none"
        raise NotFound(f"Your portal knows no portal “{name}”. It knows: {known}.")

    def __repr__(self) -> str:
        return f"Network of {self._transport.origin}: .find(text) searches, .portals lists, [host] is one of them"
