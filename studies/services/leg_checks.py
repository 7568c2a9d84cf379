"""What `verify_ledger` checks of legs: they agree with the ledger, and h with what the owner had agreed to."""

from collections.abc import Iterator

from django.conf import settings

from audit.models import Entry
from privacy.models import LedgerLine, Promise
from studies import plans, queries
from studies.models import Leg

State, Kind = Leg.State, LedgerLine.Kind
SETTLED = {State.READY: Kind.COMMIT, State.LOST: Kind.COMMIT, State.VOIDED: Kind.VOID}
CONSENTS = ("study.found", "study.join", "study.rely")
BATCH = 500


def faults(promise: Promise) -> Iterator[str]:
    """Yield every disagreement between the legs of a dataset and its ledger, as sentences."""
    legs = Leg.objects.filter(budget__promise=promise).select_related(
        "line__settled_by", "participation", "coordinator"
    )
    for leg in legs.defer("vector").iterator(chunk_size=BATCH):
        for fault in _faults(leg):
            yield f"Leg {leg.plan_sha256[:12]}: {fault}."
    lines = LedgerLine.objects.filter(
        budget__promise=promise, kind=Kind.RESERVE, purpose__has_key="joint", leg=None
    ).exclude(settled_by__kind=Kind.VOID)
    for pk in lines.values_list("pk", flat=True).iterator(chunk_size=BATCH):
        yield f"Line {pk} pays for a part of a joint question that is missing."
    yield from _sent(promise)


def _faults(leg: Leg) -> Iterator[str]:
    try:
        plan = plans.read_plan(leg.plan)
    except ValueError:
        yield "its plan cannot be read"
        return
    joint, line = leg.line.purpose.get("joint", {}), leg.line
    if plan.sha256 != leg.plan_sha256 or plan.urls[leg.place : leg.place + 1] != (settings.BASE_URL,):
        yield "its plan is not the one that was prepared here"
    paid = (joint.get("plan_sha256"), joint.get("share"), joint.get("h"), line.budget_id)
    if paid != (leg.plan_sha256, leg.share, leg.h, leg.budget_id) or plan.share != leg.share:
        yield f"line {line.pk} paid for another plan, noise, number of portals or budget"
    settled = getattr(line, "settled_by", None)
    kind = settled.kind if settled else None
    if leg.state in SETTLED and kind != SETTLED[State(leg.state)]:
        yield f"it is {leg.get_state_display().lower()}, and line {line.pk} says otherwise"
    if leg.h > _most(leg, plan):
        yield "it counts on more portals than the owner had agreed to"


def _most(leg: Leg, plan: plans.Plan) -> int:
    """Return on how many portals the owner counted at most when the price was reserved, as the log says."""
    consent = (
        Entry.objects.filter(
            action__in=CONSENTS, object_id=str(leg.participation.study_id), at__lte=leg.line.at
        )
        .order_by("-id")
        .first()
    )
    if consent is None:
        return 1
    counted = (
        consent.changes["relies_on"][1] if "relies_on" in consent.changes else consent.detail["relies_on"]
    )
    home = leg.coordinator.url if leg.coordinator else settings.BASE_URL
    others = set(counted) & set(plan.urls) - {settings.BASE_URL, home}
    return queries.h_for(len(others), len(plan.urls))


def _sent(promise: Promise) -> Iterator[str]:
    """Yield legs that were sent, as the log says, and are not there, or have nothing that was sent."""
    sent = Entry.objects.filter(action="leg.sent", object_type="leg", dataset_id=str(promise.dataset_id))
    ready = {
        str(pk)
        for pk in Leg.objects.filter(budget__promise=promise, state=State.READY).values_list("pk", flat=True)
    }
    for pk in sent.values_list("object_id", flat=True).iterator(chunk_size=BATCH):
        if pk not in ready:
            yield f"Leg {pk} was sent, as the audit log says, but it is missing."
