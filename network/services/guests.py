"""Guests at this portal: people of other portals who ask for access, and whom an admin admits."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.db import transaction
from django.http import Http404
from django.utils import timezone

from accounts import addresses, names
from accounts.models import User
from accounts.services import guests as accounts
from audit import log
from common import rows
from common.access import require
from common.errors import Conflict, Refused
from common.reasons import reason as written_reason
from datasets import services as datasets
from datasets.models import AccessRequest, Dataset, Grant
from network import notifications, rules
from network.models import Admission, AskedElsewhere, Listing, Peer

Told = AskedElsewhere.State
State = Admission.State
DECIDED = {
    AccessRequest.State.PENDING: Told.ASKED,
    AccessRequest.State.DENIED: Told.DECLINED,
    AccessRequest.State.WITHDRAWN: Told.WITHDRAWN,
    AccessRequest.State.GRANTED: Told.ENDED,
}
"""What the newest request for access amounts to, if it is not in force."""
MOST_WAITING = 20
"""How many people of one portal may wait for an admin at a time."""
SHUT_OUT = "An admin of this portal has ended this person's access."


@dataclass(frozen=True, slots=True)
class Standing:
    """What has become of an asking."""

    state: str
    reason: str = ""


def offered(peer: Peer, pk: UUID) -> Dataset:
    """Return a dataset that people of this portal may ask for: one that it sees. Raises Http404."""
    listing = Listing.objects.shown_to(peer).filter(dataset=pk).select_related("dataset").first()
    if listing is None:
        raise Http404
    return listing.dataset


def _no_room(peer: Peer) -> str | None:
    """Why no more people of a portal may wait for an admin."""
    waiting = peer.admissions.filter(state=State.WAITING)
    if waiting.values("remote_id").distinct().count() < MOST_WAITING:
        return None
    return f"{MOST_WAITING} people of your portal wait for an admin of this one already. Try again later."


def find(peer: Peer, remote_id: str) -> User | None:
    """Return the guest, in any state, or None."""
    return User.objects.filter(home=peer.pk, remote_id=remote_id).first()


@transaction.atomic
def ask(peer: Peer, given: dict[str, Any]) -> Standing:
    """Note that somebody of another portal asks for access. The same call sent again does nothing.

    Nor does any other while the first waits: an admin admits whom they have read of, and is told once. Whoever is a
    guest already asks the owner at once; others wait for an admin. Raises Http404 for a dataset that the portal does
    not see, and Refused.
    """
    peer = rows.locked(peer)
    if peer.state != Peer.State.ACTIVE:  # since the call was let in
        raise Http404
    person, dataset = given["person"], offered(peer, given["dataset"])
    item = peer.admissions.filter(remote_id=person["id"], dataset=dataset).first()
    if item is None or (item.key != given["key"] and item.state != State.WAITING):
        _ask(peer, dataset, item, given)
    return standing(peer, person["id"], dataset.pk)


def _ask(peer: Peer, dataset: Dataset, item: Admission | None, given: dict[str, Any]) -> None:
    person = given["person"]
    guest = find(peer, person["id"])
    if guest is not None and not guest.takes_part:
        raise Refused(SHUT_OUT)
    item = item or Admission(peer=peer, remote_id=person["id"], dataset=dataset)
    if guest is None and (why := _no_room(peer)):
        raise Refused(why)
    item.key, item.name, item.told_email = (
        given["key"],
        names.clean(person["name"]),
        addresses.exact(person["mail"]),
    )
    item.affiliation, item.purpose, item.outputs = person["affiliation"], given["purpose"], given["outputs"]
    item.terms_number, item.state_reason = given["terms"], ""
    item.state = State.WAITING if guest is None else State.ADMITTED
    item.decided_by, item.decided_at = None, None if guest is None else timezone.now()
    item.save()
    log.record(
        "network.guest.arrive", by=User.objects.system(), on=item, dataset_id=dataset.pk, portal=peer.url,
        told_email=item.told_email,
    )  # fmt: skip
    if guest is None:
        notifications.guest_asked(item)
    else:
        _ask_owner(item, guest)


@transaction.atomic
def admit(item: Admission, *, by: User) -> Admission:
    """Admit somebody of another portal as a guest, and ask the owner in their name.

    If the owner cannot be asked, because the terms have changed, the person is told so and asks again.
    """
    item = _locked(item)
    require(rules.may_admit, by, item)
    guest = find(item.peer, item.remote_id)
    if guest is not None and not guest.takes_part:
        raise Conflict("This person was a guest whose access was ended. Reinstate their account first.")
    if guest is None:
        guest = accounts.admit(
            by=by,
            home=item.peer.pk,
            home_name=_host(item.peer),
            remote_id=item.remote_id,
            name=item.name,
            told_email=item.told_email,
            affiliation=item.affiliation,
        )
    item.state, item.decided_by, item.decided_at = State.ADMITTED, by, timezone.now()
    try:
        with transaction.atomic():
            _ask_owner(item, guest)
    except Refused as refused:
        item.state_reason = str(refused)[:500]
    item.save(update_fields=["state", "state_reason", "decided_by", "decided_at"])
    return item


@transaction.atomic
def refuse(item: Admission, *, by: User, reason: str) -> Admission:
    """Refuse to admit somebody of another portal, with a reason that they read."""
    item = _locked(item)
    require(rules.may_refuse, by, item)
    _refuse(item, by=by, reason=written_reason(reason))
    return item


@transaction.atomic
def shut_out(peer: Peer, *, by: User, reason: str) -> int:
    """End the access of all guests of a portal that is removed, and return how many there were.

    A portal that is suspended needs none of this: its calls are not answered.
    """
    for item in peer.admissions.select_for_update().filter(state=State.WAITING):
        _refuse(item, by=by, reason=reason)
    guests = list(User.objects.filter(home=peer.pk, state=User.State.REMOTE).order_by("pk"))
    for guest in guests:
        accounts.end(guest, by=by, reason=reason)
    return len(guests)


def standing(peer: Peer, remote_id: str, dataset: UUID) -> Standing:
    """Return what has become of an asking, for the person's own portal. Raises Http404 if nobody asked."""
    item = peer.admissions.filter(remote_id=remote_id, dataset=dataset).first()
    if item is None:
        raise Http404
    if item.state != State.ADMITTED:
        return Standing(str(item.state), item.state_reason)
    guest = find(peer, remote_id)
    if guest is None or not guest.takes_part:
        return Standing(Told.ENDED, SHUT_OUT)
    if item.state_reason:
        return Standing(Told.ADMITTED, item.state_reason)
    return _decided(guest, dataset)


def _decided(guest: User, dataset: UUID) -> Standing:
    if Grant.objects.live().filter(user=guest, dataset=dataset).exists():
        return Standing(Told.GRANTED)
    newest = guest.access_requests.filter(dataset=dataset).order_by("-created_at").first()
    if newest is None:
        return Standing(Told.ADMITTED)
    state = DECIDED[AccessRequest.State(newest.state)]
    if state != Told.ENDED:
        return Standing(state, newest.decision_note)
    last = Grant.objects.filter(user=guest, dataset=dataset).order_by("-created_at").first()
    return Standing(state, (last.revoke_reason if last else "") or "It lasted until its last day.")


def _ask_owner(item: Admission, guest: User) -> None:
    """Ask for access as the guest. Raises Refused if they cannot, or accepted other terms."""
    terms = item.dataset.terms_versions.filter(number=item.terms_number or 0).first()
    datasets.ask_access(item.dataset, by=guest, purpose=item.purpose, outputs=item.outputs, terms=terms)


def _refuse(item: Admission, *, by: User, reason: str) -> None:
    item.state, item.state_reason = State.REFUSED, reason
    item.decided_by, item.decided_at = by, timezone.now()
    item.save(update_fields=["state", "state_reason", "decided_by", "decided_at"])
    log.record(
        "network.guest.refuse",
        by=by,
        on=item,
        dataset_id=item.dataset_id,
        portal=item.peer.url,
        reason=reason,
    )


def _locked(item: Admission) -> Admission:
    """Lock an admission, its portal before it: whoever asks takes this order."""
    rows.locked(item.peer)
    return rows.locked(item)


def _host(peer: Peer) -> str:
    return urlsplit(peer.url).hostname or peer.url
