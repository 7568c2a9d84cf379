"""One pass over the parts of a joint answer: every part that is due is asked again, from the reservation to the sum.

Pauses grow while a portal is silent. A pass that dies is repeated: every call to a portal can be.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from accounts.models import User
from accounts.rules import is_active
from common.errors import Refused
from common.locks import if_free
from network.calls import Unreachable
from studies import plans, queries
from studies.models import JointAnswer, Part
from studies.services import answer_states, parts, rosters
from studies.services.answer_states import TO_BE_TOLD, note
from studies.services.legs import Busy, Lost, Sent

logger = logging.getLogger(__name__)

State = JointAnswer.State
WAITING = {
    State.PREPARING: (Part.State.ASKED,),
    State.COLLECTING: (Part.State.RESERVED, Part.State.COMPUTING),
}
"""Which parts an open answer waits for. One that has ended tells all that have not sent theirs."""
LONGEST_SILENT, LONGEST_BUSY = 60, 15
"""The longest pause between attempts at a silent portal, and at one that computes, in seconds."""


def advance(pk: UUID) -> float | None:
    """Make one pass over an answer. Returns the seconds until the next one, or None if none is needed.

    None also while another pass runs: that one says when the next is due.
    """
    with if_free(pk) as is_free:
        if not is_free:
            return None
        answer = JointAnswer.objects.select_related("study", "scientist").get(pk=pk)
        if answer.state in JointAnswer.OPEN and (why := _why_not(answer)):
            _fail(answer, why)
        if answer.state == State.PREPARING:
            _prepare(answer)
        if answer.state == State.COLLECTING:
            _collect(answer)
        if answer.state in {State.STOPPED, State.FAILED}:
            _each_due(answer, TO_BE_TOLD, _tell)
        return _pause(answer)


def _prepare(answer: JointAnswer) -> None:
    """Have all portals reserve their price. One that refuses ends the answer."""
    _each_due(answer, WAITING[State.PREPARING], _reserve)
    found = list(answer.parts.order_by("place"))
    if answer.state != State.PREPARING or any(part.state != Part.State.RESERVED for part in found):
        return
    quoted = answer.record["quoted"]
    if dearer := [queries.name_of(part.url) for part in found if (part.units or 0) > quoted[part.url]]:
        _fail(
            answer,
            f"{', '.join(dearer)} would charge more than was shown: the owner counts on fewer portals now.",
        )
        return
    try:
        plans.read_cards([part.card for part in found], plans.read_plan(answer.plan), rosters.public_key)
    except ValueError as bad:
        _fail(answer, str(bad))
        return
    answer_states.collecting(answer)


def _reserve(part: Part) -> None:
    reserved = parts.prepare(part)
    note(part, Part.State.RESERVED, card=reserved.card, units=reserved.units)


def _collect(answer: JointAnswer) -> None:
    """Ask all portals for their parts, and release the sum when all are here."""
    _each_due(answer, WAITING[State.COLLECTING], _fetch)
    found = answer.parts.values_list("state", flat=True)
    if answer.state != State.COLLECTING or any(state != Part.State.SENT for state in found):
        return
    try:
        answer_states.release(answer)
    except answer_states.DoNotFit:
        _fail(
            answer,
            "The parts do not add up: a portal has sent something else than it should. Tell its admin.",
        )


def _fetch(part: Part) -> None:
    answer = part.answer
    cards = list(answer.parts.order_by("place").values_list("card", flat=True))
    match parts.collect(part, cards):
        case Busy(retry_after):
            tries = part.tries + 1 if part.state == Part.State.COMPUTING else 1
            note(part, Part.State.COMPUTING)
            note(part, tries=max(retry_after, tries))
        case Sent(vector, statement):
            _check(part, cards, statement, vector)
            note(part, Part.State.SENT, vector=vector, vector_statement=statement)


def _check(part: Part, cards: list[str], statement: str, vector: bytes) -> None:
    """Raise Refused unless the portal has signed this vector, for these cards."""
    plan, transcript = plans.read_plan(part.answer.plan), plans.transcript_of(cards).hex()
    try:
        plans.read_statement(statement, plan, part.place, transcript, vector, rosters.public_key)
    except ValueError as bad:
        raise Refused(str(bad)) from bad


def _tell(part: Part) -> None:
    """Tell a portal that nothing follows. One that knows nothing of it need not be told."""
    try:
        parts.end(part)
    except Unreachable:
        raise
    except Refused:
        logger.info("joint_unknown", extra={"part": str(part.pk)})
    note(part, Part.State.ENDED)


def _each_due(answer: JointAnswer, states: tuple[Part.State, ...], act: Callable[[Part], None]) -> None:
    """Call `act` with each part in one of these states that is due, while the answer stays in its own state."""
    state = answer.state
    for part in answer.parts.filter(state__in=states).select_related(
        "peer", "answer__scientist", "answer__study"
    ):
        if _due(part) <= timezone.now():
            _attempt(answer, part, act)
            answer.refresh_from_db()
        if answer.state != state:
            return


def _attempt(answer: JointAnswer, part: Part, act: Callable[[Part], None]) -> None:
    name = queries.name_of(part.url)
    try:
        act(part)
    except Unreachable:
        since = part.waiting_since or timezone.now()
        trouble = f"{name} cannot be reached at the moment."
        note(part, tries=part.tries + 1, trouble=trouble, waiting_since=since, tried_at=timezone.now())
    except Lost as lost:
        note(part, Part.State.LOST, trouble=str(lost)[:300], tried_at=timezone.now())
        _fail(answer, f"{name}: {lost}")
    except Refused as refused:
        note(part, Part.State.REFUSED, trouble=str(refused)[:300], tried_at=timezone.now())
        _fail(answer, f"{name}: {refused}")
    else:
        note(part, trouble="", waiting_since=None, tried_at=timezone.now())


def _due(part: Part) -> datetime:
    """Return when a portal is asked again."""
    if part.tried_at is None:
        return timezone.now()
    longest = LONGEST_SILENT if part.trouble else LONGEST_BUSY
    seconds = min(longest, 2 ** min(part.tries, 10)) if part.trouble else min(longest, part.tries)
    return part.tried_at + timedelta(seconds=seconds)


def _pause(answer: JointAnswer) -> float | None:
    now = timezone.now()
    if answer.state == State.RELEASED or (answer.expires_at <= now and answer.state not in JointAnswer.OPEN):
        return None
    waiting = answer.parts.filter(state__in=WAITING.get(State(answer.state), TO_BE_TOLD))
    due = [max(0.0, (_due(part) - now).total_seconds()) for part in waiting]
    return min(due, default=1.0 if answer.state in JointAnswer.OPEN else None)


def _fail(answer: JointAnswer, why: str) -> None:
    answer_states.close(answer, State.FAILED, why, by=User.objects.system())


def _why_not(answer: JointAnswer) -> str:
    """Return why an open answer is not led on, or an empty string."""
    if answer.expires_at <= timezone.now():
        return _not_in_time(answer)
    return is_active(answer.scientist) or ""


def _not_in_time(answer: JointAnswer) -> str:
    late = [queries.name_of(part.url) for part in answer.parts.filter(state__in=TO_BE_TOLD)]
    return f"Not all portals had answered when the question expired: {', '.join(late)}."
