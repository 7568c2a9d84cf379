"""Search of one catalogue across portals: what this one has and what its active peers list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import CharField, F, FloatField, QuerySet, Value
from django.db.models.fields.json import KeyTextTransform

from accounts.models import User
from datasets import search
from datasets.models import Dataset
from network.models import Peer, RemoteDataset

HERE = "here"
"""The portal of the page, in the filter by portal."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A dataset that was found: one of this portal, or one of another."""

    own: Dataset | None = None
    remote: RemoteDataset | None = None


def with_words(rows: QuerySet[RemoteDataset], text: str) -> QuerySet[RemoteDataset]:
    """Return the datasets of peers with words that begin with each of the first words of a text, with their `rank`."""
    place, description = (KeyTextTransform(name, "document") for name in ("institution", "description"))
    return search.matching(
        rows, text, title=("title", "name", search.joined_tags()), summary=("summary", place, "peer__name"),
        columns=("words",), description=(description,),
    )  # fmt: skip


def everywhere(user: User, *, text: str = "", portal: str = "") -> QuerySet[Any, Any]:
    """Return `pk`, `title`, `kind` (own or remote) and `score` of what is found: the best match first, then by title.

    `portal`: HERE, or the id of a peer; an id that is none finds nothing.
    """
    has_rank = bool(search.words_of(text))
    own = search.with_words(Dataset.objects.visible_to(user), text)
    theirs = with_words(RemoteDataset.objects.visible_to(user), text)
    if portal == HERE:
        theirs = theirs.none()
    elif portal:
        own, theirs = own.none(), theirs.filter(peer__pk=portal)
    found, more = _rows(own, "own", has_rank=has_rank), _rows(theirs, "remote", has_rank=has_rank)
    together: QuerySet[Any, Any] = found.union(more, all=True)
    return together.order_by("-score", "title", "pk")


def _rows(rows: QuerySet[Any], kind: str, *, has_rank: bool) -> QuerySet[Any, Any]:
    score = F("rank") if has_rank else Value(0.0, FloatField())
    marked: QuerySet[Any, Any] = rows.order_by().annotate(kind=Value(kind, CharField()), score=score)
    return marked.values("pk", "title", "kind", "score")


def hits(rows: Sequence[Row]) -> list[Hit]:
    """Read what a page of `everywhere` shows, in its order."""
    ids = {kind: [row["pk"] for row in rows if row["kind"] == kind] for kind in ("own", "remote")}
    own = Dataset.objects.select_related("owner").in_bulk(ids["own"])
    theirs = RemoteDataset.objects.select_related("peer__catalogue").in_bulk(ids["remote"])
    found = [Hit(own=own.get(row["pk"]), remote=theirs.get(row["pk"])) for row in rows]
    return [hit for hit in found if hit.own or hit.remote]


def portals() -> QuerySet[Peer]:
    """Return the active peers, with their catalogues."""
    return Peer.objects.filter(state=Peer.State.ACTIVE).select_related("catalogue")
