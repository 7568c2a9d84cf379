"""Actions that concern people: reviewers, access, and the transfer to another owner."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from audit import log
from common.access import require
from common.errors import Conflict, Refused
from common.reasons import reason as written_reason
from common.rows import check, locked
from datasets import hooks, notifications, rules
from datasets.models import AccessRequest, Dataset, DatasetReviewer, Grant, Terms


def person_with(address: str) -> User:
    """Return the person with this e-mail address. Raises Refused if nobody has an active account with it."""
    person = User.objects.with_address(address).filter(is_active=True).first()
    if person is None:
        raise Refused("Nobody with this address has an active account here. Check the address.")
    return person


@transaction.atomic
def add_reviewer(dataset: Dataset, *, by: User, user: User, decides_access: bool = False) -> DatasetReviewer:
    """Add a reviewer, who may also decide on access if `decides_access`."""
    dataset, user = locked(dataset), locked(user)
    require(rules.may_edit, by, dataset)
    if why := rules.may_be_reviewer(user, dataset):
        raise Refused(why)
    reviewer = DatasetReviewer.objects.create(
        dataset=dataset, user=user, granted_by=by, decides_access=decides_access
    )
    log.record(
        "reviewer.add", by=by, on=reviewer, dataset_id=dataset.pk, person_id=user.pk, decides_access=decides_access
    )  # fmt: skip
    notifications.reviewer_added(reviewer)
    return reviewer


@transaction.atomic
def remove_reviewer(reviewer: DatasetReviewer, *, by: User) -> None:
    """Remove a reviewer. Raises Refused if the policy needs as many reviewers as there are."""
    dataset = locked(reviewer.dataset)
    require(rules.may_edit, by, dataset)
    left = {dataset.owner_id, *dataset.reviewing_people().values_list("pk", flat=True)} - {reviewer.user_id}
    if len(left) < dataset.reviewers_needed:
        raise Refused(
            f"The policy needs {dataset.reviewers_needed} reviewers. Lower that number first, or add a reviewer."
        )
    log.record("reviewer.remove", by=by, on=reviewer, dataset_id=dataset.pk, person_id=reviewer.user_id)
    notifications.reviewer_removed(dataset, reviewer.user, by=by)
    reviewer.delete()


@transaction.atomic
def transfer(dataset: Dataset, *, by: User, to: User, reason: str) -> Dataset:
    """Transfer a dataset to another data owner. The former owner keeps no rights on it."""
    dataset, to = locked(dataset), locked(to)
    require(rules.may_edit, by, dataset)
    if why := rules.may_become_owner(to, dataset):
        raise Refused(why)
    left = {to.pk, *dataset.reviewing_people().values_list("pk", flat=True)} - {dataset.owner_id}
    if len(left) < dataset.reviewers_needed:
        raise Refused(
            "Too few reviewers would be left. Add a reviewer first, or lower the number in the policy."
        )
    old = dataset.owner
    dataset.reviewers.filter(user=to).delete()
    for item in dataset.access_requests.filter(scientist=to, state=AccessRequest.State.PENDING):
        _close(item, AccessRequest.State.WITHDRAWN)
    for grant in dataset.grants.filter(user=to, revoked_at=None):
        _end(grant, by=by, reason="They own the dataset now.")
    dataset.owner = to
    dataset.save(update_fields=["owner"])
    changes = {"owner": (old.email, to.email)}
    log.record(
        "dataset.transfer", by=by, on=dataset, dataset_id=dataset.pk, person_id=to.pk, changes=changes,
        reason=written_reason(reason),
    )  # fmt: skip
    notifications.transferred(dataset, old, by=by)
    return dataset


@transaction.atomic
def ask_access(
    dataset: Dataset, *, by: User, purpose: str, outputs: str, terms: Terms | None
) -> AccessRequest:
    """Ask for access to a dataset and accept `terms`. Raises Conflict if they are not the current ones."""
    dataset, by = locked(dataset), locked(by)
    require(rules.may_ask_access, by, dataset)
    current = dataset.terms
    if current != terms:
        raise Conflict("The terms have changed since you opened the page. Read and accept the new terms.")
    item = AccessRequest(
        dataset=dataset,
        scientist=by,
        purpose=purpose.strip(),
        outputs=outputs.strip(),
        terms=current,
        terms_accepted_at=timezone.now() if current else None,
    )
    check(item, only={"purpose", "outputs"})
    item.save()
    log.record(
        "access.ask", by=by, on=item, dataset_id=dataset.pk, person_id=by.pk,
        terms=current.number if current else None,
    )  # fmt: skip
    notifications.access_asked(item)
    return item


@transaction.atomic
def decide_access(
    item: AccessRequest, *, by: User, grant: bool, note: str = "", days: int | None = None
) -> AccessRequest:
    """Grant access (for `days`, or until it is revoked), or decline it with a note."""
    item = locked(item)
    require(rules.may_decide_access, by, item)
    _must_be_pending(item)
    if not grant and not note.strip():
        raise Refused("Write a note that says why you decline the request.")
    if days is not None and not 1 <= days <= 3650:
        raise Refused("Access lasts from 1 to 3,650 days. Enter a number in this range.")
    if grant and (why := rules.may_get_access(locked(item.scientist), item.dataset)):
        raise Refused(why)
    item.decided_by, item.decision_note = by, note.strip()
    _close(item, AccessRequest.State.GRANTED if grant else AccessRequest.State.DENIED)
    if grant:
        _grant(item, by=by, days=days)
    action = "access.grant" if grant else "access.deny"
    log.record(
        action, by=by, on=item, dataset_id=item.dataset_id, person_id=item.scientist_id, days=days,
        note=item.decision_note,
    )  # fmt: skip
    notifications.access_decided(item)
    return item


def _grant(item: AccessRequest, *, by: User, days: int | None) -> Grant:
    """Create a grant; it replaces one that has expired."""
    now = timezone.now()
    old = Grant.objects.filter(dataset=item.dataset, user=item.scientist, revoked_at=None)
    old.update(revoked_at=now, revoked_by=by, revoke_reason="Replaced by a new grant.")
    return Grant.objects.create(
        dataset=item.dataset,
        user=item.scientist,
        access_request=item,
        granted_by=by,
        expires_at=now + timedelta(days=days) if days else None,
    )


@transaction.atomic
def withdraw_access(item: AccessRequest, *, by: User) -> AccessRequest:
    """Withdraw one's own request for access."""
    item = locked(item)
    if by != item.scientist:
        raise Refused("Only the person who asked can withdraw the request.")
    _must_be_pending(item)
    _close(item, AccessRequest.State.WITHDRAWN)
    log.record("access.withdraw", by=by, on=item, dataset_id=item.dataset_id, person_id=by.pk)
    return item


@transaction.atomic
def revoke_access(grant: Grant, *, by: User, reason: str) -> Grant:
    """Revoke a person's access, and cancel all their work in progress on the dataset."""
    grant = locked(grant)
    require(rules.may_revoke_access, by, grant.dataset)
    if grant.revoked_at is not None:
        raise Conflict("This access has been revoked already.")
    _end(grant, by=by, reason=written_reason(reason))
    notifications.access_revoked(grant)
    return grant


def _end(grant: Grant, *, by: User, reason: str) -> None:
    grant.revoked_at, grant.revoked_by, grant.revoke_reason = timezone.now(), by, reason
    grant.save(update_fields=["revoked_at", "revoked_by", "revoke_reason"])
    log.record(
        "access.revoke", by=by, on=grant, dataset_id=grant.dataset_id, person_id=grant.user_id, reason=reason
    )  # fmt: skip
    hooks.access_ended(grant.dataset, grant.user, by=by)


def _must_be_pending(item: AccessRequest) -> None:
    if item.state != AccessRequest.State.PENDING:
        raise Conflict(f"This request has been closed already: {item.get_state_display().lower()}.")


def _close(item: AccessRequest, state: AccessRequest.State) -> None:
    item.state, item.decided_at = state, timezone.now()
    item.save(update_fields=["state", "decided_at", "decided_by", "decision_note"])
