"""The audit log as CSV, streamed in batches, so that its length does not matter."""

import json
from collections.abc import AsyncIterator, Iterator
from functools import partial

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone

from audit.models import Entry
from audit.queries import addresses, receiver_of
from common import spreadsheets

BATCH = 1000
COLUMNS = (
    "key",
    "at",
    "action",
    "actor",
    "actor_id",
    "object_type",
    "object_id",
    "object_label",
    "dataset_id",
    "person_id",
    "person",
    "receiver",
    "changes",
    "detail",
    "hash",
)


def pieces(entries: QuerySet[Entry]) -> Iterator[str]:
    """Yield the header, then the rows in batches, newest first. Each batch is one query, continued by id."""
    yield spreadsheets.lines([COLUMNS])
    found = entries.select_related("link").order_by("-id")
    batch = list(found[:BATCH])
    while batch:
        people = addresses({entry.person_id for entry in batch})
        yield spreadsheets.lines([_row(entry, people) for entry in batch])
        batch = list(found.filter(id__lt=batch[-1].pk)[:BATCH])


def _row(entry: Entry, people: dict[str, str]) -> list[object]:
    link = getattr(entry, "link", None)
    values = {name: getattr(entry, name) for name in COLUMNS if hasattr(entry, name)}
    values |= {
        "person": people.get(entry.person_id, ""),
        "receiver": receiver_of(entry, people),
        "actor": entry.who,
        "at": entry.at.isoformat(),
        "changes": json.dumps(entry.changes, ensure_ascii=False, sort_keys=True),
        "detail": json.dumps(entry.detail, ensure_ascii=False, sort_keys=True),
        "hash": link.hash if link else "",
    }
    return [values[name] for name in COLUMNS]


def sent(request: HttpRequest, pieces: Iterator[str]) -> StreamingHttpResponse:
    """Return the response that sends these pieces as a file."""
    name = f"weir-audit-{timezone.localdate().isoformat()}.csv"
    return StreamingHttpResponse(
        _streamed(request, pieces),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _streamed(request: HttpRequest, pieces: Iterator[str]) -> Iterator[str] | AsyncIterator[str]:
    """Stream the pieces. Under ASGI, Django would read a synchronous iterator to its end before sending a byte."""
    return _async(pieces) if isinstance(request, ASGIRequest) else pieces


async def _async(pieces: Iterator[str]) -> AsyncIterator[str]:
    following = sync_to_async(partial(next, pieces, None))
    while (piece := await following()) is not None:
        yield piece
