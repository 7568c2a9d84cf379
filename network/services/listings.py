"""Which other portals see a dataset of this one, and what they see of it: never rows, nor anything read off them."""

import json
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from audit import log
from common.access import require
from common.errors import Refused
from common.rest.bodies import CompactJSONRenderer
from common.rows import locked
from datasets.api.catalogue import DatasetSchemaItem
from datasets.models import Dataset, Revision, Terms
from datasets.services import mocks
from network import entries, rules
from network.models import Listing, Peer
from privacy.models import Promise


@transaction.atomic
def change(dataset: Dataset, *, by: User, audience: str, peers: Collection[Peer] = ()) -> Listing:
    """Say which other portals see what is public about a dataset: `audience`, and with CHOSEN these `peers`.

    Raises Denied, and Refused if none is chosen or one of them is not active.
    """
    dataset = locked(dataset)
    require(rules.may_change_listing, by, dataset)
    chosen = set(peers) if audience == Listing.Audience.CHOSEN else set()
    if audience not in Listing.Audience.values:
        raise Refused("Choose who sees the dataset: nobody, chosen portals or every portal.")
    if audience == Listing.Audience.CHOSEN and not chosen:
        raise Refused("Choose at least one portal, or choose “No other portal”.")
    if any(peer.state != Peer.State.ACTIVE for peer in chosen):
        raise Refused("One of these portals is not connected at present. Choose others.")
    listing, _ = Listing.objects.get_or_create(dataset=dataset)
    before = {"audience": listing.audience, "portals": _urls(listing.peers.all())}
    listing.audience = audience
    listing.save(update_fields=["audience"])
    listing.peers.set(chosen)
    after = {"audience": audience, "portals": _urls(chosen)}
    changes = {name: (before[name], after[name]) for name in after if before[name] != after[name]}
    if changes:
        log.record("network.listing.change", by=by, on=listing, dataset_id=dataset.pk, changes=changes)
    return listing


def _urls(peers: Iterable[Peer]) -> list[str]:
    return sorted(peer.url for peer in peers)


def shown_to(peer: Peer) -> list[Dataset]:
    """Return the datasets that a portal sees, in the order of their names."""
    ids = Listing.objects.shown_to(peer).order_by().values("dataset")
    return list(Dataset.objects.filter(pk__in=ids).select_related("owner").order_by("name"))


def offered(peer: Peer) -> dict[str, Any]:
    """Return the catalogue that a portal gets: the same bytes as long as nothing has changed.

    What is beyond the limits of a catalogue is left off, and counted.
    """
    datasets = shown_to(peer)
    shown, size = [], 0
    for entry in _entries(datasets[: entries.MOST_DATASETS]):
        took = len(json.dumps(entry).encode()) + 2
        if size + took <= entries.MOST_BYTES - 1000:
            shown.append(entry)
            size += took
    return {"datasets": shown, "left_off": len(datasets) - len(shown)}


def _entries(datasets: list[Dataset]) -> Iterator[dict[str, Any]]:
    ids = [dataset.pk for dataset in datasets]
    current = Revision.objects.filter(dataset__in=ids, state=Revision.State.PUBLISHED)
    revisions = {revision.dataset_id: revision for revision in current}
    newest = Terms.objects.filter(dataset__in=ids).order_by("dataset_id", "-number").distinct("dataset_id")
    terms = {each.dataset_id: each for each in newest}
    promises = {promise.dataset_id: promise for promise in Promise.objects.filter(dataset__in=ids)}
    for dataset in datasets:
        revision = revisions.get(dataset.pk)
        if revision is not None:  # unless it was retired since
            yield _entry(dataset, revision, terms.get(dataset.pk), promises.get(dataset.pk))


def _entry(
    dataset: Dataset, revision: Revision, terms: Terms | None, promise: Promise | None
) -> dict[str, Any]:
    """Return what other portals see of a dataset: what everybody sees here who may see it."""
    automatic = {"epsilon": promise.epsilon, "delta": promise.delta} if promise else None
    entry = {
        "id": str(dataset.pk),
        "name": dataset.name,
        "title": entries.one_line(dataset.title),
        "summary": dataset.summary,
        "description": dataset.description,
        "tags": [entries.one_line(tag) for tag in dataset.tags],
        "institution": entries.one_line(dataset.owner.affiliation),
        "schema": _schema(revision),
        "terms": {"number": terms.number, "text": terms.text} if terms else None,
        "automatic": automatic,
    }
    return entries.cleaned(entry)


def _schema(revision: Revision) -> dict[str, Any]:
    """Return what is public about a revision as the REST API tells it."""
    with timezone.override(UTC):
        told: dict[str, Any] = json.loads(CompactJSONRenderer().render(DatasetSchemaItem(revision).data))
    return told


def mock_of(peer: Peer, dataset_id: UUID, table: str) -> bytes | None:
    """Return the mock data of a table as Parquet, or None if the portal sees no such table. Raises TooLarge."""
    listing = Listing.objects.shown_to(peer).filter(dataset=dataset_id).select_related("dataset").first()
    if listing is None:
        return None
    return mocks.content(listing.dataset, table, "parquet", most=entries.MOST_MOCK_BYTES)
