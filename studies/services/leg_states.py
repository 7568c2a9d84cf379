"""How a leg changes its state. Each change is made on the locked row, and writes one entry of the log."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction

from accounts.models import User
from audit import log
from common import commit, live, rows
from common.errors import Conflict
from crypto import masks
from privacy.models import LedgerLine
from privacy.services import joint_charges
from studies import keys, plans
from studies.models import Leg

State = Leg.State


def record(leg: Leg, action: str, *, by: User, **detail: Any) -> None:
    """Write an entry about a leg, in the caller's transaction."""
    portal: dict[str, Any] = {"portal": leg.coordinator.url} if leg.coordinator else {}
    log.record(
        action,
        by=by,
        on=leg,
        dataset_id=leg.budget.promise.dataset_id,
        person_id=leg.budget.scientist_id,
        plan_sha256=leg.plan_sha256,
        **portal,
        **detail,
    )


def begin(leg: Leg, cards: list[str], transcript: str) -> None:
    """Fix the cards with which a reserved leg is computed. Raises Conflict if it is not reserved any more."""
    with transaction.atomic():
        locked = rows.locked(leg)
        if locked.state != State.RESERVED:
            raise Conflict("This part was asked for, or given back, in the meantime.")
        locked.state, locked.cards, locked.transcript = State.COMPUTING, cards, transcript
        locked.save(update_fields=["state", "cards", "transcript"])
        record(locked, "leg.begun", by=locked.budget.scientist, transcript=transcript)
    leg.refresh_from_db()


def check_masks(leg: Leg, publics: Sequence[bytes]) -> None:
    """Raise ValueError if masks cannot be made with these keys: nothing must fail after the charge."""
    _masked(leg, np.zeros(1, dtype=np.uint64), publics, bytes(masks.KEY))


def store(leg: Leg, vector: plans.Vector, at: datetime) -> None:
    """Mask the noisy totals and store them, in the caller's transaction; nothing if the leg has been given up.

    The key is deleted after commit, and again before anything is sent. Raises keys.NoKey.
    """
    locked = rows.locked(leg)
    if locked.state != State.COMPUTING:
        return
    plan = plans.read_plan(locked.plan)
    publics = [plans.public_in(card) for card in locked.cards]
    hidden = _masked(locked, vector, publics, bytes.fromhex(locked.transcript))
    locked.vector = plans.packed(hidden)
    plans.unpacked(locked.vector, plan.size)
    locked.state, locked.visible_at = State.READY, at
    locked.save(update_fields=["state", "vector", "visible_at"])
    commit.after(keys.forget, locked.plan_sha256)


def _masked(leg: Leg, vector: plans.Vector, publics: Sequence[bytes], transcript: bytes) -> plans.Vector:
    return masks.masked(
        vector,
        private=keys.read(leg.plan_sha256),
        place=leg.place,
        publics=publics,
        transcript=transcript,
        round_=plans.ROUND,
        input_sha256=plans.NO_INPUT,
    )


def void(leg: Leg, why: str) -> None:
    """Give back a leg that was not charged. Nothing happens if it was."""
    try:
        joint_charges.void(leg.line, by=User.objects.system())
    except Conflict:
        if LedgerLine.objects.filter(settles=leg.line_id, kind=LedgerLine.Kind.COMMIT).exists():
            return
    _close(leg, State.VOIDED, "leg.voided", why)


def lose(leg: Leg, why: str = "It was charged, and nothing was stored.") -> None:
    """Mark a leg as lost: its charge stands, also if it was not final yet, because its part may have been sent."""
    try:
        joint_charges.keep(leg.line, by=User.objects.system())
    except Conflict:  # it is settled
        if LedgerLine.objects.filter(settles=leg.line_id, kind=LedgerLine.Kind.VOID).exists():
            _close(leg, State.VOIDED, "leg.voided", "It was given back.")
            return
    _close(leg, State.LOST, "leg.lost", why)


def _close(leg: Leg, state: Leg.State, action: str, why: str) -> None:
    """Close an open leg, once, and delete its key."""
    with transaction.atomic():
        locked = rows.locked(leg)
        if locked.state in Leg.OPEN:
            locked.state, locked.reason = state, why[:500]
            locked.save(update_fields=["state", "reason"])
            record(locked, action, by=User.objects.system(), reason=why[:500])
            commit.after(keys.forget, locked.plan_sha256)
            live.changed("study", locked.participation.study_id)
    leg.refresh_from_db()
