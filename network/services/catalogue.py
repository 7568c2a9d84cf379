"""The catalogues of other portals: read from time to time, kept until the next one, and never believed to be more than
what a peer says."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from common.errors import Refused
from common.rows import locked
from network import calls, entries
from network.models import Catalogue, Peer, RemoteDataset

PATH = "/net/1/catalogue"
SECONDS = 15
MOST_GONE = 500
"""Datasets that a peer does not list any more, of which the names are kept."""
PARQUET = b"PAR1"


def refresh(peer: Peer) -> None:
    """Read what an active peer shows this portal of its datasets.

    If that fails, what was read before stays, and the reason is noted beside it.
    """
    catalogue, _ = Catalogue.objects.get_or_create(peer=peer)
    try:
        told = _called(peer, catalogue)
    except Refused as why:
        Catalogue.objects.filter(pk=catalogue.pk).update(trouble=str(why)[:300])
        return
    with transaction.atomic():
        catalogue = locked(catalogue)
        catalogue.fetched_at, catalogue.trouble = timezone.now(), ""
        if told is not None:
            catalogue.etag, found = told
            catalogue.left_off = found.left_off
            _store(peer, found.entries, catalogue.fetched_at)
        catalogue.save(update_fields=["etag", "fetched_at", "left_off", "trouble"])


def _called(peer: Peer, catalogue: Catalogue) -> tuple[str, entries.Told] | None:
    """Return the peer's catalogue with its ETag, or None if it has not changed. Raises Refused."""
    headers = {"If-None-Match": catalogue.etag} if catalogue.etag else {}
    reply = calls.call(peer, "GET", PATH, headers=headers, limit=entries.MOST_BYTES, seconds=SECONDS)
    if reply.status == 304 and catalogue.etag:
        return None
    if reply.status != 200:
        raise entries.Unreadable(f"It answered with the status {reply.status} instead of its catalogue.")
    return entries.tag_of(reply.body), entries.read(reply.document)


def _store(peer: Peer, told: Iterable[Mapping[str, Any]], now: datetime) -> None:
    """Write what the peer lists. What it lists no more is gone: of that, only the name and the title are kept."""
    known = {item.remote_id: item for item in RemoteDataset.objects.filter(peer=peer)}
    listed: set[UUID] = set()
    for entry in told:
        remote_id = UUID(str(entry["id"]))
        listed.add(remote_id)
        item = known.get(remote_id) or RemoteDataset(peer=peer, remote_id=remote_id)
        if item.gone_at is None and item.document == entry:
            continue
        item.name, item.title, item.summary = entry["name"], entry["title"], entry["summary"]
        item.tags, item.document, item.words = list(entry["tags"]), dict(entry), entries.words_of(entry)
        item.seen_at, item.gone_at = now, None
        item.save()
    gone = RemoteDataset.objects.filter(peer=peer, gone_at=None).exclude(remote_id__in=listed)
    gone.update(gone_at=now, document={}, summary="", tags=[], words="")
    _forget(peer)


def _forget(peer: Peer) -> None:
    """Delete what has been gone for longest and exceeds the limit."""
    gone = RemoteDataset.objects.filter(peer=peer, gone_at__isnull=False).order_by("-gone_at", "pk")
    RemoteDataset.objects.filter(pk__in=list(gone.values_list("pk", flat=True)[MOST_GONE:])).delete()


def mock_of(dataset: RemoteDataset, table: str) -> bytes:
    """Fetch the mock data of a table from its portal, as a Parquet file that nothing here opens.

    Raises Refused if there is none, if it is too large, or if the portal cannot be reached.
    """
    path = f"{PATH}/{dataset.remote_id}/mock/{table}.parquet"
    reply = calls.call(dataset.peer, "GET", path, limit=entries.MOST_MOCK_BYTES, seconds=SECONDS)
    if reply.status == 413:
        most = entries.MOST_MOCK_BYTES // 1_000_000
        raise Refused(f"The mock data of {table} is larger than the {most} MB that portals send each other.")
    if reply.status != 200 or not reply.body.startswith(PARQUET):
        raise Refused(f"{dataset.peer} has no mock data of {table} for this portal now.")
    return reply.body


def mock_name(dataset: RemoteDataset, table: str) -> str:
    """Return what the file of a table's mock data is called."""
    return f"{dataset.name}-{table}-mock.parquet"
