"""Notifications about datasets. They are also sent by e-mail, so they must contain nothing of private data."""

from django.urls import reverse

from accounts.models import User
from accounts.notifications import day, notify
from accounts.topics import Topic
from common import live
from datasets.models import AccessRequest, Dataset, DatasetReviewer, Grant, Revision, SampledMock


def page(dataset: Dataset) -> str:
    return reverse("datasets:detail", args=[dataset.pk])


def users_of(dataset: Dataset) -> list[User]:
    """Return everybody who works with a dataset: its owner, its reviewers, and people with access."""
    granted = User.objects.free_for_duties().filter(grants__in=Grant.objects.live().filter(dataset=dataset))
    return list({dataset.owner, *granted, *dataset.reviewing_people()})


def published(revision: Revision, *, by: User) -> None:
    dataset = revision.dataset
    text = f"{dataset.title}: revision {revision.number} has been published."
    notify(users_of(dataset), text, about=Topic.TERMS, url=page(dataset), by=by)
    live.changed("dataset", dataset.pk)


def mock_changed(mock: SampledMock, *, by: User) -> None:
    """Notify everybody who works with a dataset that its mock data is another one now."""
    dataset, name = mock.table.revision.dataset, mock.table.name
    how = mock.origin if mock.ended_at is None else "drawn from the declarations again"
    text = f"{dataset.title}: the mock data of {name} is now {how}."
    notify(users_of(dataset), text, about=Topic.TERMS, url=page(dataset), by=by)
    live.changed("dataset", dataset.pk)


def frozen_or_retired(dataset: Dataset, *, by: User) -> None:
    words = dataset.get_state_display().lower()
    text = f"{dataset.title} has been {words}: {dataset.state_reason}"
    notify(users_of(dataset), text, about=Topic.TERMS, url=page(dataset), by=by)
    live.changed("dataset", dataset.pk)


def unfrozen(dataset: Dataset, *, by: User) -> None:
    text = f"The freeze of {dataset.title} has been lifted."
    notify(users_of(dataset), text, about=Topic.TERMS, url=page(dataset), by=by)
    live.changed("dataset", dataset.pk)


def access_asked(item: AccessRequest) -> None:
    text = f"{item.scientist} has asked for access to {item.dataset.title}."
    url = reverse("datasets:access", args=[item.pk])
    more = f"Their purpose:\n\n{item.purpose}\n\nDecide on this page:"
    people = item.dataset.reviewing_people(decides_access=True)
    notify(people, text, about=Topic.WORK, url=url, by=item.scientist, more=more)
    live.changed("dataset", item.dataset_id)


def access_decided(item: AccessRequest) -> None:
    granted = item.state == AccessRequest.State.GRANTED
    words = (
        "You have been given access to {}." if granted else "Your request for access to {} has been declined."
    )
    more = f"The decision says:\n\n{item.decision_note}" if item.decision_note else ""
    grant = Grant.objects.live().filter(access_request=item).first()
    if grant and grant.expires_at:
        more = f"{more}\n\nIt lasts until {day(grant.expires_at)}.".strip()
    notify(
        [item.scientist],
        words.format(item.dataset.title),
        about=Topic.ASKED,
        url=page(item.dataset),
        by=item.decided_by,
        more=more,
    )
    live.changed("dataset", item.dataset_id)


def access_revoked(grant: Grant) -> None:
    text = f"Access of {grant.user} to {grant.dataset.title} has been revoked: {grant.revoke_reason}"
    people = [grant.user, grant.dataset.owner]
    notify(people, text, about=Topic.TERMS, url=page(grant.dataset), by=grant.revoked_by)
    live.changed("dataset", grant.dataset_id)


def reviewer_added(reviewer: DatasetReviewer) -> None:
    text = f"You are now a reviewer of {reviewer.dataset.title}."
    url = page(reviewer.dataset)
    notify([reviewer.user], text, about=Topic.TERMS, url=url, by=reviewer.granted_by)


def reviewer_removed(dataset: Dataset, person: User, *, by: User) -> None:
    text = f"You are no longer a reviewer of {dataset.title}."
    notify([person], text, about=Topic.TERMS, url=reverse("datasets:list"), by=by)


def transferred(dataset: Dataset, old: User, *, by: User) -> None:
    text = f"{dataset.title} has been transferred from {old} to {dataset.owner}."
    notify([dataset.owner, old], text, about=Topic.TERMS, url=reverse("datasets:list"), by=by)
    live.changed("dataset", dataset.pk)
