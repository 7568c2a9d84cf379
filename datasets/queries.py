"""What pages ask about datasets, each in a bounded number of queries."""

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import User
from datasets.models import AccessRequest, Dataset, DatasetReviewer, Grant

SHOWN = {
    "": "All that you may see",
    "mine": "My own",
    "reviewing": "I review",
    "granted": "I have access",
    "asked": "I have asked",
}


def datasets(user: User, *, text: str = "", show: str = "") -> QuerySet[Dataset]:
    """The datasets this person may know of that fit, with their own relation to each."""
    found = Dataset.objects.visible_to(user).select_related("owner")
    pending = AccessRequest.objects.filter(
        scientist=user, dataset=OuterRef("pk"), state=AccessRequest.State.PENDING
    )
    found = found.annotate(
        is_granted=Exists(Grant.objects.live().filter(user=user, dataset=OuterRef("pk"))),
        is_asked=Exists(pending),
        is_seated=Exists(DatasetReviewer.objects.filter(user=user, dataset=OuterRef("pk"))),
    )
    for word in text.split()[:5]:
        found = found.filter(Q(title__icontains=word) | Q(summary__icontains=word) | Q(name__icontains=word))
    match show:
        case "mine":
            found = found.filter(owner=user)
        case "reviewing":
            found = found.filter(is_seated=True)
        case "granted":
            found = found.filter(is_granted=True)
        case "asked":
            found = found.filter(is_asked=True)
    return found.order_by("title", "pk")


def waiting_access(dataset: Dataset) -> int:
    """How many requests for access wait for a decision."""
    return dataset.access_requests.filter(state=AccessRequest.State.PENDING).count()
