"""How a joint answer and its parts change their states. An answer ends once: released, stopped or failed."""

from datetime import datetime
from fractions import Fraction
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from audit import documents, log
from common import live, rows
from crypto import masks
from privacy import dates
from privacy.engine import joint_release
from privacy.engine.language.schema import TableSpec
from privacy.engine.measure.contributions import ONE
from privacy.engine.plan import joint
from privacy.engine.plan.mechanisms import mechanism_of
from studies import documents as study_documents
from studies import notifications, plans, queries
from studies.models import JointAnswer, Part
from studies.plans import Plan

State = JointAnswer.State
TO_BE_TOLD = (Part.State.ASKED, Part.State.RESERVED, Part.State.COMPUTING)
"""States of a part whose portal is told when its answer has ended without it."""
ACTIONS = {State.STOPPED: "joint.stopped", State.FAILED: "joint.failed"}


class DoNotFit(Exception):
    """The parts do not add up: a portal has sent something else than its masked totals."""


def note(part: Part, state: Part.State | None = None, **fields: Any) -> None:
    """Store what a portal has answered, or that it did not. A new state begins its attempts anew."""
    if state is not None and state != part.state:
        part.state, fields["tries"] = state, 0
    for name in (
        "tries",
        "trouble",
        "waiting_since",
        "tried_at",
        "units",
        "card",
        "vector",
        "vector_statement",
    ):
        if name in fields:
            setattr(part, name, fields.pop(name))
    if fields:
        raise ValueError(f"These are no fields of a part that change: {sorted(fields)}.")
    part.save()
    live.changed("joint", part.answer_id)


def collecting(answer: JointAnswer) -> bool:
    """Note that all portals have reserved their price. Returns False if the answer has ended meanwhile."""
    with transaction.atomic():
        locked = rows.locked(answer)
        if locked.state == State.PREPARING:
            locked.state = State.COLLECTING
            locked.save(update_fields=["state"])
            live.changed("joint", answer.pk)
    answer.refresh_from_db()
    return answer.state == State.COLLECTING


def close(answer: JointAnswer, state: JointAnswer.State, reason: str, *, by: User) -> bool:
    """End an open answer without figures. Returns False if it has ended already."""
    with transaction.atomic():
        locked = rows.locked(answer)
        if locked.state not in JointAnswer.OPEN:
            return False
        locked.state, locked.reason, locked.ended_at = state, reason[:1000], timezone.now()
        locked.save(update_fields=["state", "reason", "ended_at"])
        _announce(locked, ACTIONS[state], by=by, reason=locked.reason)
        if state == State.FAILED:
            notifications.joint_failed(locked)
    answer.refresh_from_db()
    return True


def release(answer: JointAnswer) -> None:
    """Add up all vectors, and release the figures. Raises DoNotFit if the masks do not cancel."""
    plan, spec = plans.read_plan(answer.plan), study_documents.read_study(answer.study.document).table
    parts = list(answer.parts.order_by("place"))
    total = masks.total([plans.unpacked(bytes(part.vector or b""), plan.size) for part in parts])
    if abs(total.astype(float)).max() >= joint_release.ROOM:
        raise DoNotFit
    figures = joint_release.figures_of(plan.query, spec, total, plan.share, len(parts))
    result = dates.as_result(figures, query=plan.query, table=spec)
    at = timezone.now()
    with transaction.atomic():
        locked = rows.locked(answer)
        if locked.state != State.COLLECTING:
            return
        locked.state, locked.ended_at, locked.result = State.RELEASED, at, result
        locked.record = _record(locked, plan, spec, parts, result, at)
        locked.document_salt = documents.new_salt()
        locked.save(update_fields=["state", "ended_at", "result", "record", "document_salt"])
        locked.refresh_from_db(fields=["result", "record"])  # numbers as the database writes them
        _announce(
            locked,
            "joint.released",
            by=locked.scientist,
            document_sha256=documents.sha256(locked.document_salt, locked.document),
        )
        notifications.joint_released(locked)
    answer.refresh_from_db()


def _record(
    answer: JointAnswer, plan: Plan, spec: TableSpec, parts: list[Part], result: dict[str, Any], at: datetime
) -> dict[str, object]:
    """Return how the figures were made."""
    return {
        **answer.record,
        "joint_answer": str(answer.pk),
        "study": answer.study.name,
        "study_sha256": answer.study.sha256,
        "plan_sha256": answer.plan_sha256,
        "query_sha256": answer.query_sha256,
        "query": answer.query,
        "portals": [
            {"url": part.url, "name": queries.name_of(part.url), "units": part.units} for part in parts
        ],
        "home": settings.BASE_URL,
        "unit": "one person with all their rows at one portal, added or removed",
        "share_in_clips": str(Fraction(plan.share, ONE)),
        "sigma_in_clips": f"{plan.share * len(parts) ** 0.5 / ONE:.6g}",
        "releases": 1,
        "mechanism": f"{mechanism_of(plan.query)}, drawn in shares by each portal",
        "joint_factor": joint.factor_of(result),
        "released_at": at.isoformat(),
    }


def _announce(answer: JointAnswer, action: str, *, by: User, **detail: Any) -> None:
    log.record(
        action, by=by, on=answer, person_id=answer.scientist_id, study=answer.study_id,
        plan_sha256=answer.plan_sha256, **detail,
    )  # fmt: skip
    live.changed("user", answer.scientist_id)
    live.changed("joint", answer.pk)
