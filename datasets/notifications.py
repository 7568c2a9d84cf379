"""Who is told of what happens to a dataset. The words reach mailboxes: nothing of private data is in them."""

from django.urls import reverse

from accounts.models import User
from accounts.notifications import tell
from common import live
from datasets.models import AccessRequest, Dataset, DatasetReviewer, Grant, Revision


def page(dataset: Dataset) -> str:
    return reverse("datasets:detail", args=[dataset.pk])


def users_of(dataset: Dataset) -> list[User]:
    """Everybody who works with a dataset: its owner, reviewers, and those with access."""
    granted = User.objects.free_for_duties().filter(grants__in=Grant.objects.live().filter(dataset=dataset))
    return list({dataset.owner, *granted, *dataset.reviewing_people()})


def published(revision: Revision, *, by: User) -> None:
    dataset = revision.dataset
    text = f"{dataset.title}: revision {revision.number} is published."
    tell(users_of(dataset), text, url=page(dataset), by=by)
    live.changed("dataset", dataset.pk)


def taken_out_of_use(dataset: Dataset, *, by: User) -> None:
    words = dataset.get_state_display().lower()
    tell(users_of(dataset), f"{dataset.title} is {words}: {dataset.state_reason}", url=page(dataset), by=by)
    live.changed("dataset", dataset.pk)


def back_in_use(dataset: Dataset, *, by: User) -> None:
    tell(users_of(dataset), f"The freeze of {dataset.title} is lifted.", url=page(dataset), by=by)
    live.changed("dataset", dataset.pk)


def access_asked(item: AccessRequest) -> None:
    text = f"{item.scientist} asks for access to {item.dataset.title}."
    url = reverse("datasets:access", args=[item.pk])
    tell(item.dataset.reviewing_people(decides_access=True), text, url=url, by=item.scientist)
    live.changed("dataset", item.dataset_id)


def access_decided(item: AccessRequest) -> None:
    granted = item.state == AccessRequest.State.GRANTED
    words = "You have access to {}." if granted else "Your request for access to {} was declined."
    tell([item.scientist], words.format(item.dataset.title), url=page(item.dataset), by=item.decided_by)
    live.changed("dataset", item.dataset_id)


def access_revoked(grant: Grant) -> None:
    text = f"Your access to {grant.dataset.title} was taken away: {grant.revoke_reason}"
    tell([grant.user, grant.dataset.owner], text, url=page(grant.dataset), by=grant.revoked_by)
    live.changed("dataset", grant.dataset_id)


def seat_given(seat: DatasetReviewer) -> None:
    tell(
        [seat.user],
        f"You review requests on {seat.dataset.title}.",
        url=page(seat.dataset),
        by=seat.granted_by,
    )


def seat_taken(dataset: Dataset, person: User, *, by: User) -> None:
    text = f"You no longer review requests on {dataset.title}."
    tell([person], text, url=reverse("datasets:list"), by=by)


def transferred(dataset: Dataset, old: User, *, by: User) -> None:
    text = f"{dataset.title} now belongs to {dataset.owner} (before: {old})."
    tell([dataset.owner, old], text, url=reverse("datasets:list"), by=by)
    live.changed("dataset", dataset.pk)
