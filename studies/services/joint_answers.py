"""Joint answers: asked once, stopped, and found again when nobody works on them. The state is in rows alone.

`passes.advance` leads them on.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from audit import log
from common import commit, live
from common.access import require
from common.admission import TooMuchAtOnce
from common.errors import BudgetExceeded, Conflict, Refused
from common.locks import one_at_a_time
from privacy.engine import joint_release
from privacy.engine.language import wire
from studies import plans, rules
from studies.models import JointAnswer, Part, Study
from studies.plans import Plan, Seat
from studies.services import answer_states, rosters
from studies.services.quotes import JointQuote

TASK = "studies.tasks.advance"
State = JointAnswer.State
MOST_OPEN = 16
"""Joint answers of one scientist that may be open."""
LASTS = timedelta(days=1)
"""From the question to the expiry of its plan."""
UNTOUCHED = timedelta(minutes=3)
"""After the last attempt at an open answer, nobody works on it any more: the longest pause is one minute."""


def ask(study: Study, quoted: JointQuote, *, key: UUID, by: User, text: str = "") -> JointAnswer:
    """Begin a joint answer at the price that was quoted. `text`: its SQL, if it was asked in SQL.

    The same idempotency key returns its answer; so does, at no cost, a query that was answered by the same portals at
    least as exactly. Raises Denied, BudgetExceeded, Conflict, TooMuchAtOnce; Refused if a portal does not answer.
    """
    require(rules.may_ask_in, by, study)
    with one_at_a_time(by.pk):
        if found := _asked_before(study, quoted, key, by) or stored(study, quoted, by=by):
            return found
        _check(quoted, by)
        return _begun(study, quoted, key, by, text)


def _asked_before(study: Study, quoted: JointQuote, key: UUID, by: User) -> JointAnswer | None:
    found = JointAnswer.objects.filter(scientist=by, key=key).first()
    if found and (found.study_id, found.query_sha256) != (study.pk, _digest(quoted)):
        raise Conflict("This idempotency key was used for another question. Use a new key.")
    return found


def stored(study: Study, quoted: JointQuote, *, by: User) -> JointAnswer | None:
    """Return their answer, released or open, of the same portals to this query that is at least as exact, or None."""
    same = JointAnswer.objects.filter(
        scientist=by,
        study=study,
        query_sha256=_digest(quoted),
        share__lte=quoted.share,
        state__in=[*JointAnswer.OPEN, State.RELEASED],
    )
    urls = [each.url for each in quoted.portals]
    return next((each for each in same.order_by("share") if _urls(each) == urls), None)


def _urls(answer: JointAnswer) -> list[str]:
    return list(answer.parts.order_by("place").values_list("url", flat=True))


def _digest(quoted: JointQuote) -> str:
    return hashlib.sha256(wire.canonical(quoted.query).encode()).hexdigest()


def _check(quoted: JointQuote, by: User) -> None:
    if trouble := " ".join(each.unaffordable for each in quoted.portals if each.trouble):
        raise Refused(trouble)
    if quoted.unaffordable:
        raise BudgetExceeded(quoted.unaffordable)
    if JointAnswer.objects.filter(scientist=by, state__in=JointAnswer.OPEN).count() >= MOST_OPEN:
        raise TooMuchAtOnce(
            f"{MOST_OPEN} of your joint questions are still being answered. Ask again when some of them have been."
        )
    if why := rosters.trouble_among([each.url for each in quoted.portals]):
        raise Refused(why)


@transaction.atomic
def _begun(study: Study, quoted: JointQuote, key: UUID, by: User, text: str) -> JointAnswer:
    plan, peers = _plan(study, quoted)
    answer = JointAnswer.objects.create(
        study=study,
        scientist=by,
        key=key,
        query=wire.encode(quoted.query),
        query_sha256=_digest(quoted),
        sql=text,
        asked=dict(quoted.asked),
        share=quoted.share,
        plan=plans.write_plan(plan),
        plan_sha256=plan.sha256,
        expires_at=datetime.fromtimestamp(plan.expires, UTC),
        record={"quoted": {each.url: each.units for each in quoted.portals}},
    )
    Part.objects.bulk_create(
        Part(answer=answer, place=place, url=seat.url, peer=peers.get(seat.url))
        for place, seat in enumerate(plan.portals)
    )
    log.record(
        "joint.ask", by=by, on=answer, person_id=by.pk, study=study.pk, plan_sha256=plan.sha256,
        portals=list(plan.urls), share=quoted.share,
    )  # fmt: skip
    live.changed("user", by.pk)
    later(answer)
    return answer


def _plan(study: Study, quoted: JointQuote) -> tuple[Plan, rosters.Peers]:
    peers = rosters.peers_of([each.url for each in quoted.portals])
    cells, width = joint_release.width(quoted.query, quoted.plan)
    return Plan(
        joint=uuid4(),
        study=study.pk,
        study_sha256=study.sha256,
        query=quoted.query,
        clip=quoted.plan.clip.hex(),
        cells=cells,
        width=width,
        share=quoted.share,
        portals=tuple(Seat(each.url, rosters.signing_key(peers.get(each.url))) for each in quoted.portals),
        coordinator=settings.BASE_URL,
        expires=int((timezone.now() + LASTS).timestamp()),
    ), peers


def later(answer: JointAnswer) -> None:
    """Have a worker lead an answer on, after commit."""
    commit.after(current_app.send_task, TASK, [str(answer.pk)])


def stop(answer: JointAnswer, *, by: User) -> JointAnswer:
    """Stop an open answer. Portals that were not asked for their part yet give their price back."""
    require(rules.may_stop, by, answer)
    if not answer_states.close(answer, State.STOPPED, "You have stopped it.", by=by):
        raise Conflict("This answer has ended already.")
    with transaction.atomic():
        later(answer)
    return answer


def note_seen(answer: JointAnswer) -> None:
    """Note that its scientist has opened a released answer, so that it no longer waits in their inbox."""
    if answer.state == State.RELEASED and answer.seen_at is None:
        JointAnswer.objects.filter(pk=answer.pk, seen_at=None).update(seen_at=timezone.now())


def sweep() -> Sequence[str]:
    """Return the ids of answers at which nobody works any more, and which have not ended at all portals."""
    now = timezone.now()
    open_ones = JointAnswer.objects.filter(state__in=JointAnswer.OPEN)
    untold = JointAnswer.objects.filter(
        state__in=[State.STOPPED, State.FAILED],
        expires_at__gt=now,
        parts__state__in=answer_states.TO_BE_TOLD,
    )
    touched = Part.objects.filter(tried_at__gt=now - UNTOUCHED).values("answer")
    found = (open_ones | untold).exclude(pk__in=touched).filter(created_at__lt=now - timedelta(seconds=20))
    return [str(pk) for pk in found.order_by("created_at").values_list("pk", flat=True).distinct()[:200]]
