"""Other portals for tests, and what they tell of their datasets."""

from itertools import count
from typing import Any
from uuid import uuid4

from django.utils import timezone

from network import entries
from network.models import Catalogue, Listing, Peer, RemoteDataset
from tests.makers import accounts

_numbers = count(1)

COLUMN: dict[str, Any] = {
    "name": "wage", "type": "number", "stored": "double", "description": "Pay per month", "unit": "EUR",
    "is_person": False, "nullable": True, "lower": "0.0", "upper": "50000.0", "categories": [],
    "rows_per_value": None, "decimals": 2, "constant": False,
}  # fmt: skip
PERSON: dict[str, Any] = {
    **COLUMN, "name": "person", "type": "integer", "stored": "int64", "description": "", "unit": "",
    "is_person": True, "lower": None, "upper": None, "decimals": None,
}  # fmt: skip


def peer(name: str = "", *, state: str = Peer.State.ACTIVE, **fields: Any) -> Peer:
    """Create a portal that an admin has confirmed."""
    number = next(_numbers)
    known = {
        "confirmed_by": accounts.admin(),
        "confirmed_with": "Per Peer",
        "confirmed_at": timezone.now(),
        "recovery": bytes([number % 256]) * 32,
    }
    url = f"https://portal{number}.example"
    return Peer.objects.create(name=name or f"Portal {number}", url=url, state=state, **{**known, **fields})


def entry(**fields: Any) -> dict[str, Any]:
    """Return what a portal tells of one of its datasets."""
    table = {
        "name": "wages", "description": "Wages by year.", "mock_rows": 400, "rows_per_person": 4,
        "about_people": True,
        "columns": [dict(PERSON), dict(COLUMN)],
    }  # fmt: skip
    schema = {
        "revision": {"id": str(uuid4()), "number": 3},
        "sha256": "ab" * 32,
        "note": "More years.",
        "published_at": "2026-11-30T12:00:00Z",
        "tables": [table],
        "sampled_mocks": [],
    }
    return {
        "id": str(uuid4()), "name": "wages_north", "title": "Wages in the north", "summary": "A panel.",
        "description": "Where it comes from.", "tags": ["labour"], "institution": "Institute of the North",
        "schema": schema, "terms": {"number": 2, "text": "Be kind."},
        "automatic": {"epsilon": "1.0", "delta": "1e-06"}, **fields,
    }  # fmt: skip


def told(*entries_: dict[str, Any], left_off: int = 0) -> dict[str, Any]:
    """Return a portal's whole catalogue."""
    return {"datasets": list(entries_), "left_off": left_off}


def remote_dataset(of: Peer | None = None, *, gone: bool = False, **fields: Any) -> RemoteDataset:
    """Create a dataset of another portal, as if its catalogue had been read."""
    of = of or peer()
    Catalogue.objects.get_or_create(peer=of, defaults={"fetched_at": timezone.now()})
    document = entry(**fields)
    return RemoteDataset.objects.create(
        peer=of,
        remote_id=document["id"],
        **{name: document[name] for name in ("name", "title", "summary", "tags")},
        document={} if gone else document,
        words=entries.words_of(document),
        seen_at=timezone.now(),
        gone_at=timezone.now() if gone else None,
    )


def listing(dataset: Any, audience: str = Listing.Audience.EVERY, *peers: Peer) -> Listing:
    """Let other portals see a dataset, as its owner does it."""
    from network.services import listings  # noqa: PLC0415 -- makers are imported before apps are ready

    return listings.change(dataset, by=dataset.owner, audience=audience, peers=peers)
