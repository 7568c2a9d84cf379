"""What people of this portal ask for at other portals, and their calls there, which this portal passes on."""

import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F, Q
from django.http import Http404
from django.utils import timezone

from accounts.models import User
from audit import log
from common import fingerprints, rows
from common.access import require
from common.admission import Turns
from common.errors import Conflict, Refused
from network import calls, documents, guest_documents, notifications, rules
from network.guest_documents import ANSWERED_HEADERS, MOST_BYTES, SCOPES
from network.models import AskedElsewhere, Peer

logger = logging.getLogger(__name__)

State = AskedElsewhere.State
CALL_SECONDS = 30.0
"""For calls of the REST API, which may compute."""
PASSING = Turns(
    at_once=8,
    each=4,
    waiting=0,
    each_waiting=1,
    busy="Other portals are slow at the moment. Try again in a moment.",
)
"""Calls of a web server that are passed on at a time, and of one portal: one that answers slowly leaves room for all
else. None waits, because it would keep the room meanwhile."""
ANSWER_LIMIT = MOST_BYTES * 4 // 3 + 10_000
"""Bytes: in base64, with its headers."""
OPEN_CHECKED = timedelta(minutes=1)
GRANTED_CHECKED = timedelta(hours=1)
AT_ONCE = 50
LOOK_SECONDS = 50
"""Then the rest is left to the next minute, so that portals that answer slowly do not take up more and more workers."""


class PortalUnreachable(Refused):
    """The other portal does not answer, or not as it should."""

    code = "unreachable"


@dataclass(frozen=True, slots=True)
class Offer:
    """A dataset of another portal as it is now. `terms`: the number of the version to accept, or None."""

    title: str
    terms: int | None
    terms_text: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for. `terms`: the number of the version that they accept; `agreed`: to be told of."""

    purpose: str
    outputs: str
    terms: int | None
    agreed: bool


@dataclass(frozen=True, slots=True)
class Passed:
    """What the other portal's API answered."""

    status: int
    headers: dict[str, str]
    content: bytes


def look(peer: Peer, dataset: UUID, *, by: User) -> Offer:
    """Return a dataset of another portal that people here may ask for. Raises Http404 and PortalUnreachable."""
    require(rules.may_ask_elsewhere, by, peer)
    return Offer(**_called(peer, "GET", f"/net/1/guests/datasets/{dataset}", None, guest_documents.Offered))


def told_of(person: User) -> dict[str, str]:
    """Return what another portal is told about a person who asks there."""
    return {"name": person.name, "mail": person.email, "affiliation": person.affiliation}


def ask(peer: Peer, dataset: UUID, wish: Wish, *, by: User) -> AskedElsewhere:
    """Ask another portal for access to one of its datasets, in one's own name.

    What is asked is kept before it is sent: if the portal does not answer, it is sent again later. Raises Refused with
    the other portal's words if it refuses to take it.
    """
    offer = look(peer, dataset, by=by)
    if not wish.agreed:
        raise Refused("The other portal has to be told who you are. Agree to that, or do not ask.")
    if offer.terms != wish.terms:
        raise Conflict("The terms have changed since you opened the page. Read and accept the new terms.")
    with transaction.atomic():
        by = rows.locked(by)
        require(rules.may_ask_elsewhere, by, peer)
        item = AskedElsewhere.objects.filter(user=by, peer=peer, dataset=dataset).first()
        if item is not None and item.state not in AskedElsewhere.AGAIN:
            raise Conflict(f"You have asked for this already: {item.get_state_display().lower()}.")
        item = item or AskedElsewhere(user=by, peer=peer, dataset=dataset)
        item.remote_id, item.title, item.told = remote_id_of(by, peer), offer.title, told_of(by)
        item.purpose, item.outputs, item.terms_number = wish.purpose.strip(), wish.outputs.strip(), wish.terms
        item.key, item.state, item.state_reason, item.checked_at = uuid4(), State.UNSENT, "", None
        rows.check(item, only={"purpose", "outputs"})
        item.save()
        log.record(
            "network.guest.ask", by=by, on=item, person_id=by.pk, portal=peer.url, dataset=dataset, told=item.told
        )  # fmt: skip
    return _send(item, is_seen=True)


def remote_id_of(person: User, peer: Peer) -> str:
    """Return by what a portal knows this person: another name at each portal, and always the same at one."""
    known = AskedElsewhere.objects.filter(user=person, peer=peer).values_list("remote_id", flat=True).first()
    return known or fingerprints.keyed("network.guest", f"{peer.pk}:{person.pk}")


def _send(item: AskedElsewhere, *, is_seen: bool) -> AskedElsewhere:
    """Send what is asked. If the portal refuses it for good, note that and raise its words.

    `is_seen`: the person sees at once what becomes of it.
    """
    document = {
        "person": {"id": item.remote_id, **item.told},
        "dataset": str(item.dataset),
        "key": str(item.key),
        "purpose": item.purpose,
        "outputs": item.outputs,
        "terms": item.terms_number,
    }
    try:
        found = _called(item.peer, "POST", "/net/1/guests", document, guest_documents.Answered)
    except PortalUnreachable as failed:
        return _note(item, State.UNSENT, str(failed), is_seen=True)
    except (Refused, Http404) as refused:
        words = str(refused) or "The other portal does not offer this dataset any more."
        _note(item, State.REFUSED, words, is_seen=is_seen)
        raise Refused(words) from refused
    return _told(item, found, is_seen=is_seen)


def refresh(item: AskedElsewhere) -> AskedElsewhere:
    """Ask the other portal what has become of an asking, or send it if that has not been possible."""
    if item.state == State.UNSENT:
        return _send(item, is_seen=False)
    document = {"person": item.remote_id, "dataset": str(item.dataset)}
    found = _called(item.peer, "POST", "/net/1/guests/state", document, guest_documents.Answered)
    return _told(item, found, is_seen=False)


def look_after() -> int:
    """Refresh the askings that somebody waits for, and now and then those that were granted; return how many."""
    now = timezone.now()
    due = Q(state__in=AskedElsewhere.OPEN) & (Q(checked_at=None) | Q(checked_at__lt=now - OPEN_CHECKED))
    due |= Q(state=State.GRANTED, checked_at__lt=now - GRANTED_CHECKED)
    rows_due = AskedElsewhere.objects.filter(due, peer__in=Peer.objects.reachable()).select_related(
        "peer", "user"
    )
    count, silent, ends = 0, set(), time.monotonic() + LOOK_SECONDS
    for item in rows_due.order_by(F("checked_at").asc(nulls_first=True))[:AT_ONCE]:
        if time.monotonic() > ends:
            break
        if item.peer_id in silent:
            continue
        try:
            if refresh(item).state == State.UNSENT:
                silent.add(item.peer_id)
            count += 1
        except (Refused, Http404) as failed:
            silent.add(item.peer_id)
            _note(item, item.state, item.state_reason, is_seen=True)
            logger.info("The asking %s could not be looked after: %s", item.pk, failed)
    return count


def _told(item: AskedElsewhere, found: dict[str, Any], *, is_seen: bool) -> AskedElsewhere:
    """Note what the portal says. Raises PortalUnreachable for a state that no portal tells."""
    if found["state"] not in set(State.values) - {State.UNSENT}:
        raise PortalUnreachable("The other portal answered with a state that this one does not know.")
    return _note(item, found["state"], found["reason"], is_seen=is_seen)


@transaction.atomic
def _note(item: AskedElsewhere, state: str, reason: str, *, is_seen: bool) -> AskedElsewhere:
    """Note the state, and notify the person if it is another one and they have not seen it."""
    fresh = rows.locked(item)
    if fresh.key != item.key:
        return fresh
    is_news = fresh.state != state and not is_seen
    fresh.state, fresh.state_reason, fresh.checked_at = state, reason[:500], timezone.now()
    fresh.save(update_fields=["state", "state_reason", "checked_at"])
    if is_news:
        notifications.guest_told(fresh)
    return fresh


def pass_on(  # noqa: PLR0913 -- the parts of a call
    peer: Peer,
    *,
    by: User,
    scopes: frozenset[str],
    method: str,
    path: str,
    query: str,
    headers: dict[str, str],
    body: bytes | None,
) -> Passed:
    """Pass on a call of another portal's REST API in one's own name, and return what it answered.

    Raises Http404 for somebody who has not asked for anything there, whom the portal is therefore told nothing about.
    """
    require(rules.may_ask_elsewhere, by, peer)
    if not AskedElsewhere.objects.filter(user=by, peer=peer).exists():
        raise Http404
    document = {
        "person": remote_id_of(by, peer),
        "scopes": [scope for scope in SCOPES if scope in scopes],
        "method": method,
        "path": path,
        "query": query,
        "headers": headers,
        "body": None if body is None else documents.encoded(body),
    }
    with PASSING.turn(peer.pk, seconds=CALL_SECONDS):
        found = _called(
            peer,
            "POST",
            "/net/1/api",
            document,
            guest_documents.ApiAnswer,
            limit=ANSWER_LIMIT,
            seconds=CALL_SECONDS,
        )
    given = {
        name: text
        for name, text in found["headers"].items()
        if name in ANSWERED_HEADERS and text.isprintable()
    }
    return Passed(found["status"], given, found["content"])


def _called(
    peer: Peer, method: str, path: str, document: dict[str, Any] | None, kind: Any, **options: Any
) -> dict[str, Any]:
    """Call a portal and return the checked document. Its refusals are raised in its own words."""
    try:
        reply = calls.call(peer, method, path, document, **options)
    except calls.Unreachable as failed:
        raise PortalUnreachable(
            f"{_host(peer)} cannot be reached at the moment. Try again later."
        ) from failed
    if reply.status == 404:
        raise Http404
    if reply.status >= 400:
        raise Refused(f"{_host(peer)} says: {str(reply.document.get('detail', ''))[:400]}")
    try:
        return guest_documents.read(kind, reply.document)
    except Refused as bad:
        raise PortalUnreachable(f"{_host(peer)} answered in a way that this portal does not read.") from bad


def _host(peer: Peer) -> str:
    return urlsplit(peer.url).hostname or peer.url
