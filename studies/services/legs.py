"""This portal's legs of joint answers: reserve, compute once, send as often as asked for, give back or lose.

A leg goes RESERVED, COMPUTING (its part was asked for: what is computed is fixed), READY; or VOIDED, LOST. Only the
ledger says whether it was charged. What a coordinator can see or time follows from public facts: from the moment at
which the part is asked for until its public time, it is told to wait, whether the part is ready or not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid5

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.http import Http404
from django.utils import timezone

from accounts.models import User
from audit.models import Entry
from common import commit, rows
from common.errors import Conflict, Refused
from common.locks import one_at_a_time
from datasets.models import Table
from datasets.queries import current_revision
from network import identity
from network.models import Peer
from privacy.engine import joint_release
from privacy.engine.language.schema import QueryRefused
from privacy.models import Budget, LedgerLine
from privacy.services import joint_charges
from studies import documents, keys, mapping, plans, queries, rules
from studies.models import Leg, Participation, Study
from studies.plans import Plan
from studies.services import leg_states, rosters

TASK = "studies.tasks.compute_leg"
State = Leg.State
MOST_OPEN = 64
"""Legs of one peer that may be open."""
AGAIN = 1
"""Seconds after which a coordinator asks again. Always the same: it tells nothing."""
CLOCKS = 60
"""Seconds by which the clocks of two portals may differ."""


class Lost(Refused):
    """The leg was charged, and nothing of it can be sent any more."""

    code = "gone"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a portal answers when it has reserved the price. `units`: of CAP, for the whole answer."""

    card: str
    units: int
    h: int


@dataclass(frozen=True, slots=True)
class Busy:
    """The part cannot be sent yet."""

    retry_after: int


@dataclass(frozen=True, slots=True)
class Sent:
    """The masked vector, and what this portal signs about it."""

    vector: bytes
    statement: str


@dataclass(frozen=True, slots=True)
class _Checked:
    """What a plan is about here, once nothing speaks against it."""

    plan: Plan
    participation: Participation
    budget: Budget
    table: Table
    h: int


def prepare(coordinator: Peer | None, person: User | None, text: str) -> Prepared:
    """Check a plan, reserve its price in one transaction, and return this portal's card. The same plan does it once.

    `coordinator`: None for this portal; `person`: None for somebody who is no guest here. Raises Refused in words.
    """
    try:
        plan = plans.read_plan(text)
    except ValueError as bad:
        raise Refused(str(bad)) from bad
    with one_at_a_time(_lock(plan.sha256)):
        leg = Leg.objects.filter(plan_sha256=plan.sha256).first()
        if leg is None:
            leg = _reserve(coordinator, person, _checked(coordinator, person, plan))
        elif leg.coordinator != coordinator or leg.budget.scientist != person:
            raise Conflict("This plan is known already, as somebody else's.")
        if leg.state == State.VOIDED:
            raise Conflict(f"This plan was ended. {leg.reason}".strip())
        return Prepared(leg.card, leg.line.units, leg.h)


def _checked(coordinator: Peer | None, person: User | None, plan: Plan) -> _Checked:
    """Check all that can refuse a plan, before anything is reserved. Raises Refused."""
    home = settings.BASE_URL if coordinator is None else coordinator.url
    study = Study.objects.filter(pk=plan.study).first()
    if study is None or study.sha256 != plan.study_sha256:
        raise Refused("This portal does not have this study, or has another version of it.")
    document = documents.read_study(study.document)
    _check_roster(plan, home, document.portals)
    if why := rules.may_be_answered(person, study):
        raise Refused(why)
    participation = queries.participation_of(study)
    budget = queries.budget_at(person, participation) if person and participation else None
    if participation is None or budget is None:
        raise Refused("This portal does not take part in this study.")
    if coordinator and Leg.objects.filter(coordinator=coordinator, state__in=Leg.OPEN).count() >= MOST_OPEN:
        raise Refused(
            f"{MOST_OPEN} joint questions of your portal are open here already. Wait for some of them."
        )
    table = _check_question(plan, participation, document)
    h = queries.h_of(participation.relies_on, plan.urls, home=home)
    return _Checked(plan, participation, budget, table, h)


def _check_roster(plan: Plan, home: str, members: Sequence[str]) -> None:
    now = timezone.now().timestamp()
    if not now < plan.expires <= now + plans.MOST_SECONDS + CLOCKS:
        raise Refused("The plan has expired, or expires too late: at most 7 days from now.")
    if plan.coordinator != home:
        raise Refused("The plan names another portal as the one that asks.")
    if not {home, *plan.urls} <= set(members):
        raise Refused("The plan names a portal that is not in the study.")
    if settings.BASE_URL not in plan.urls:
        raise Refused("This portal is not in the plan.")
    if why := rosters.trouble_among([home, *plan.urls]):
        raise Refused(why)
    if plan.portals[plan.place_of(settings.BASE_URL)].key != rosters.signing_key(None):
        raise Refused("The plan names a key with which this portal does not sign at present. Ask again.")
    if unknown := next(
        (seat for seat in plan.portals if rosters.public_key(seat.url, seat.key) is None), None
    ):
        raise Refused(f"The key of {unknown.url} in the plan is not known here, or does not count any more.")


def _check_question(plan: Plan, participation: Participation, study: documents.StudyDocument) -> Table:
    """Check that this portal computes the same, and return its table. Raises Refused."""
    try:
        design = joint_release.check(plan.query, study.table)
        cells, width = joint_release.width(plan.query, design)
        if (design.clip.hex(), cells, width) != (plan.clip, plan.cells, plan.width):
            raise Refused("This portal plans this question otherwise. Both portals need the same version.")
        joint_release.must_not_wrap(_public_sizes(plan, participation), plan.share)
    except QueryRefused as refused:
        raise Refused(str(refused)) from refused
    own = queries.own_specs(participation.dataset).get(participation.table)
    if own is None:
        raise Refused("The table with which this portal takes part is not published any more.")
    mapping.check(participation.mapping, own, study.table)
    return current_revision(participation.dataset).tables.get(name=participation.table)


def _public_sizes(plan: Plan, participation: Participation) -> list[int]:
    members = participation.study.members.filter(url__in=plan.urls)
    told = {member.url: member.public_size for member in members}
    told[settings.BASE_URL] = participation.dataset.promise.public_size
    sizes = [size for url in plan.urls if (size := told.get(url)) is not None]
    if len(sizes) < len(plan.urls):
        raise Refused(
            "This portal does not know yet that all portals of the plan take part. Ask again in a minute."
        )
    return sizes


def _reserve(coordinator: Peer | None, person: User | None, found: _Checked) -> Leg:
    """Reserve the price, and write the leg. A line whose leg was never written is given back by `sweep`."""
    plan, place = found.plan, found.plan.place_of(settings.BASE_URL)
    public = keys.make(plan.sha256)
    card = plans.write_card(plan.sha256, place, len(plan.portals), public, identity.signer())
    try:
        (line,) = joint_charges.reserve(
            found.budget,
            query=plan.query,
            share=plan.share,
            h=found.h,
            plan_sha256=plan.sha256,
            keys=[uuid5(plan.joint, plan.sha256)],
            table=found.table,
            by=found.budget.scientist,
        )
    except Refused:
        keys.forget(plan.sha256)
        raise
    with transaction.atomic():
        leg = Leg.objects.create(
            coordinator=coordinator,
            participation=found.participation,
            budget=found.budget,
            line=line,
            plan=plan.text,
            plan_sha256=plan.sha256,
            place=place,
            share=plan.share,
            h=found.h,
            card=card,
            expires_at=datetime.fromtimestamp(plan.expires, UTC),
        )
        leg_states.record(leg, "leg.reserved", by=found.budget.scientist, units=line.units, h=found.h)
    return leg


def collect(coordinator: Peer | None, sha256: str, cards: Sequence[str]) -> Busy | Sent:
    """Return this portal's part. What it is computed with is fixed when it is first asked for.

    Raises Http404 for a plan that this portal has not prepared for this coordinator; Conflict for other cards than
    before; Lost; Refused if the leg was given back, or has to be.
    """
    leg = _found(coordinator, sha256)
    if leg.state == State.RESERVED:
        with one_at_a_time(_lock(sha256)):
            leg.refresh_from_db()
            if leg.state == State.RESERVED:
                _begin(leg, cards)
    if leg.state == State.VOIDED:
        raise Refused(f"Nothing was charged. {leg.reason}".strip())
    if leg.state == State.LOST:
        raise Lost("This part was charged, and then lost. Ask again: it will be charged once more.")
    if leg.cards != list(cards):
        raise Conflict("This part was asked for with other cards before.")
    if leg.state == State.COMPUTING or leg.visible_at is None or leg.visible_at > timezone.now():
        return Busy(AGAIN)
    return _send(leg)


def _begin(leg: Leg, cards: Sequence[str]) -> None:
    """Fix the cards, and have the part computed. Raises Refused; a leg that may not be computed any more is voided."""
    if not keys.exists(leg.plan_sha256):
        leg_states.lose(leg)
        return
    if why := why_not(leg):
        leg_states.void(leg, why)
        raise Refused(why)
    if leg.card not in cards[leg.place : leg.place + 1]:
        raise Refused("This portal has given another card.")
    try:
        found = plans.read_cards(cards, plans.read_plan(leg.plan), rosters.public_key)
        leg_states.check_masks(leg, [card.public for card in found])
    except ValueError as bad:
        raise Refused(str(bad)) from bad
    with transaction.atomic():
        leg_states.begin(leg, list(cards), plans.transcript_of(cards).hex())
        commit.after(current_app.send_task, TASK, [str(leg.pk)])


def why_not(leg: Leg) -> str:
    """Return why a reserved leg must not be computed, from public facts, or an empty string."""
    plan, participation = plans.read_plan(leg.plan), leg.participation
    home = leg.coordinator.url if leg.coordinator else settings.BASE_URL
    if leg.expires_at <= timezone.now():
        return "The plan has expired."
    if participation.left_at is not None:
        return "This portal has left the study."
    if participation.study.ended_at is not None:
        return "The study has ended."
    if why := rosters.trouble_among([home, *plan.urls]):
        return why
    if queries.h_of(participation.relies_on, plan.urls, home=home) < leg.h:
        return (
            "The owner counts on fewer portals than when the price was reserved. Ask again, at another price."
        )
    return ""


def _send(leg: Leg) -> Sent:
    """Return the stored vector. Its key is gone from the disk, and the log says that it is sent, before it is.

    Raises Refused if it would be sent for the first time, and must not be computed any more.
    """
    keys.forget(leg.plan_sha256)
    with transaction.atomic():
        rows.locked(leg)
        sent = Entry.objects.filter(action="leg.sent", object_type="leg", object_id=str(leg.pk))
        if not sent.exists():
            if why := why_not(leg):
                raise Refused(f"This part was charged, and must not be sent any more. {why}")
            leg_states.record(leg, "leg.sent", by=leg.budget.scientist)
    vector = bytes(leg.vector or b"")
    plan = plans.read_plan(leg.plan)
    return Sent(vector, plans.write_statement(plan, leg.place, leg.transcript, vector, identity.signer()))


def end(coordinator: Peer | None, sha256: str) -> None:
    """Give back a leg whose part was not asked for yet. Otherwise nothing happens: it is charged, or about to be.

    Whether a worker has charged it already would tell how long it had to read the ledgers.
    """
    leg = _found(coordinator, sha256)
    with one_at_a_time(_lock(sha256)):
        leg.refresh_from_db()
        if leg.state == State.RESERVED:
            leg_states.void(leg, "The portal that asked has ended it.")


def sweep() -> list[str]:
    """Give back what cannot be computed any more, mark what was charged and not stored as lost, and delete used keys.

    Returns the ids of legs that wait for a worker.
    """
    given_up = timezone.now() - settings.ANSWER_GIVEN_UP
    orphans = LedgerLine.objects.filter(
        kind=LedgerLine.Kind.RESERVE, settled_by=None, leg=None, purpose__has_key="joint", at__lt=given_up
    )
    for line in orphans:
        joint_charges.void(line, by=User.objects.system())
    waiting = [str(leg.pk) for leg in _open_legs() if _looked_after(leg, given_up)]
    for sha256 in keys.older(timezone.now() - keys.UNCLAIMED):
        if not Leg.objects.filter(plan_sha256=sha256, state__in=Leg.OPEN).exists():
            keys.forget(sha256)
    return waiting


def _open_legs() -> list[Leg]:
    found = Leg.objects.filter(state__in=Leg.OPEN).order_by("created_at")
    return list(found.select_related("line__settled_by", "participation__study", "coordinator", "budget"))


def _looked_after(leg: Leg, given_up: datetime) -> bool:
    """Settle an open leg if nobody else will. Returns whether it waits for a worker."""
    settled = getattr(leg.line, "settled_by", None)
    if settled is not None and settled.kind == LedgerLine.Kind.VOID:
        leg_states.void(leg, "It was given back.")
    elif settled is not None:
        if settled.at < given_up:
            leg_states.lose(leg)
    elif not keys.exists(leg.plan_sha256):
        leg_states.lose(leg)
    elif leg.state == State.COMPUTING:
        # About to be charged: when it is voided must not tell whether it already was.
        if leg.expires_at >= given_up:
            return True
        leg_states.void(leg, "No worker started on it in time.")
    elif why := why_not(leg):
        leg_states.void(leg, why)
    return False


def _found(coordinator: Peer | None, sha256: str) -> Leg:
    leg = (
        Leg.objects.filter(plan_sha256=sha256, coordinator=coordinator)
        .select_related(
            "line", "budget__scientist", "participation__study", "participation__dataset", "coordinator"
        )
        .first()
    )
    if leg is None:
        raise Http404
    return leg


def _lock(sha256: str) -> UUID:
    """Return the name of the lock of a plan: one step of its leg at a time."""
    return UUID(sha256[:32])
