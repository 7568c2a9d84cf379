"""How a scientist stands at each portal of a study: whether they can ask there, and with which budget."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.http import Http404

from accounts.models import User
from common.access import require
from common.errors import Refused
from network import calls
from network.models import Peer
from network.services import guests
from network.services.elsewhere import remote_id_of
from studies import queries, rules, words
from studies.models import Member, Study
from studies.words import Allowance, Stand

AT_ONCE = 4
SECONDS = 5.0
"""For the answer of each portal."""
REFUSED = 400
NOT_CONNECTED = "This portal is not connected with yours at present."


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a scientist stands at one portal. `trouble`: why they cannot ask there, empty if they can.

    `mu`, `left` (of CAP units), `delta` and `noise_delta` are those of their budget, None without one. `relies_on`:
    addresses of the portals that its owner counts on and that count at present.
    """

    url: str
    name: str
    is_home: bool
    trouble: str
    dataset: UUID | None = None
    dataset_title: str = ""
    public_size: int | None = None
    mu: float | None = None
    left: int | None = None
    delta: float | None = None
    noise_delta: float | None = None
    relies_on: tuple[str, ...] = ()


def of(study: Study, *, by: User) -> list[Standing]:
    """Return how a scientist of this portal stands at each portal that takes part, in the order of addresses.

    Other portals are asked, a few at a time. Raises Denied for somebody who cannot ask in this study.
    """
    require(rules.may_ask_in, by, study)
    members = list(queries.joined(study))
    others = [member for member in members if member.url != settings.BASE_URL]
    told = dict(zip([member.url for member in others], _asked(others, by), strict=True))
    return [told.get(member.url) or _told(member, own(study, by), is_home=True) for member in members]


def for_peer(peer: Peer, pk: UUID, person: str) -> Stand:
    """Return how a person of another portal stands here. Raises Http404 for a study that the portal is not in."""
    study = Study.objects.filter(members__url=peer.url, pk=pk).first()
    if study is None:
        raise Http404
    return own(study, guests.find(peer, person), home=peer.url)


def own(study: Study, person: User | None, *, home: str = "") -> Stand:
    """Return how a person stands at this portal: one of its scientists, a guest, or None for somebody unknown here.

    `home`: the address of the person's portal, if it is another one.
    """
    taking_part = queries.participation_of(study)
    trouble = rules.may_be_answered(person, study) or ""
    if taking_part is None:
        return Stand(
            takes_part=False, dataset=None, dataset_title="", public_size=None, trouble=trouble, budget=None,
            relies_on=(),
        )  # fmt: skip
    budget = None if person is None else queries.budget_at(person, taking_part)
    promise = taking_part.dataset.promise
    allowance = None
    if budget is not None and not trouble:
        allowance = Allowance(
            mu=budget.mu,
            left=max(0, budget.cap - budget.units_used),
            delta=promise.delta,
            noise_delta=promise.noise_delta,
        )
    return Stand(
        takes_part=True,
        dataset=taking_part.dataset_id,
        dataset_title=" ".join(taking_part.dataset.title.split()),
        public_size=promise.public_size,
        trouble=trouble[: words.LONGEST_TROUBLE],
        budget=allowance,
        relies_on=tuple(queries.counting(taking_part.relies_on, home=home or settings.BASE_URL)),
    )


def _asked(members: Sequence[Member], by: User) -> list[Standing]:
    """Ask other portals how a scientist stands there. A single one is asked by this thread."""
    if len(members) <= 1:
        return [_ask(member, by) for member in members]
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return list(pool.map(partial(_in_a_thread, by), members))


def _in_a_thread(by: User, member: Member) -> Standing:
    try:
        return _ask(member, by)
    finally:
        connection.close()


def _ask(member: Member, by: User) -> Standing:
    peer = member.peer
    if peer is None or peer.state != Peer.State.ACTIVE:
        return _unknown(member, NOT_CONNECTED)
    path = f"/net/1/studies/{member.study_id}/standing"
    try:
        reply = calls.call(peer, "POST", path, {"person": remote_id_of(by, peer)}, seconds=SECONDS)
        if reply.status >= REFUSED:
            return _unknown(member, f"{peer} says: {str(reply.document.get('detail', ''))[:200]}")
        return _told(member, words.stand(reply.document), is_home=False)
    except calls.Unreachable:
        return _unknown(member, f"{peer} cannot be reached at the moment. Try again later.")
    except Refused:
        return _unknown(member, f"{peer} answered in a way that this portal does not read.")


def _unknown(member: Member, trouble: str) -> Standing:
    return Standing(
        url=member.url, name=queries.name_of(member.url), is_home=False, trouble=trouble, dataset=member.dataset,
        dataset_title=member.dataset_title, public_size=member.public_size,
    )  # fmt: skip


def _told(member: Member, stand: Stand, *, is_home: bool) -> Standing:
    budget, trouble = stand.budget, stand.trouble
    if budget is None and not trouble:
        trouble = "It reports no budget."
    return Standing(
        url=member.url,
        name=queries.name_of(member.url),
        is_home=is_home,
        trouble=trouble,
        dataset=stand.dataset,
        dataset_title=stand.dataset_title,
        public_size=stand.public_size,
        mu=budget.mu if budget else None,
        left=budget.left if budget else None,
        delta=budget.delta if budget else None,
        noise_delta=budget.noise_delta if budget else None,
        relies_on=stand.relies_on,
    )
