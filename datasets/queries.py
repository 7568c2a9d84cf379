"""Page queries about datasets, each in a bounded number of SQL queries."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import User
from common.errors import Conflict
from datasets.models import AccessRequest, Dataset, Grant, Revision

MOST_TITLES = 300
SHOWN = {
    "": "All that you can see",
    "mine": "My own",
    "reviewing": "I review",
    "granted": "I have access",
    "asked": "I have asked",
}


def datasets(user: User, *, text: str = "", show: str = "") -> QuerySet[Dataset]:
    """Return the matching datasets that this person may see, annotated with is_granted, is_asked and is_reviewer."""
    reviewed = Dataset.objects.reviewed_by(user).exclude(owner=user).order_by()
    grants = Grant.objects.live().filter(user=user)
    asked = AccessRequest.objects.pending().filter(scientist=user)
    found = with_words(Dataset.objects.visible_to(user).select_related("owner"), text)
    return (
        narrowed(found, user, show)
        .annotate(
            is_granted=Exists(grants.filter(dataset=OuterRef("pk"))),
            is_asked=Exists(asked.filter(dataset=OuterRef("pk"))),
            is_reviewer=Exists(reviewed.filter(pk=OuterRef("pk"))),
        )
        .order_by("title", "pk")
    )


def with_words(rows: QuerySet[Dataset], text: str) -> QuerySet[Dataset]:
    """Return the datasets whose title, summary or name has each of the first five words of a text."""
    for word in text.split()[:5]:
        rows = rows.filter(Q(title__icontains=word) | Q(summary__icontains=word) | Q(name__icontains=word))
    return rows


def narrowed(rows: QuerySet[Dataset], user: User, show: str) -> QuerySet[Dataset]:
    """Return the datasets of one kind in SHOWN, as seen by this person."""
    reviewed = Dataset.objects.reviewed_by(user).exclude(owner=user).order_by()
    kinds = {
        "mine": Q(owner=user),
        "reviewing": Q(pk__in=reviewed.values("pk")),
        "granted": Q(pk__in=Grant.objects.live().filter(user=user).values("dataset")),
        "asked": Q(pk__in=AccessRequest.objects.pending().filter(scientist=user).values("dataset")),
    }
    return rows.filter(kinds[show]) if show in kinds else rows


def titles(user: User, ids: Collection[UUID] | None = None) -> dict[str, str]:
    """Return {id: title} of the first datasets that this person may see, or of those among `ids`."""
    found = Dataset.objects.visible_to(user)
    if ids is not None:
        found = found.filter(pk__in=ids)
    rows = found.order_by("title", "pk").values_list("pk", "title")
    return {str(pk): title for pk, title in rows[:MOST_TITLES]}


def waiting_access(dataset: Dataset) -> int:
    """Return how many requests for access are waiting for a decision."""
    return dataset.access_requests.filter(state=AccessRequest.State.PENDING).count()


def current_revision(dataset: Dataset) -> Revision:
    """Return the published revision, which new work is bound to. Raises Conflict if there is none."""
    revision = dataset.current
    if revision is None:
        raise Conflict("This dataset has no published revision. Its owner has to publish one first.")
    return revision
