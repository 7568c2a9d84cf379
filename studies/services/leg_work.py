"""A leg in the worker: charge it, compute it once, and store it masked.

The unmasked totals are arguments of `leg_states.store` and of the engine, and nowhere else: no row, cache, message of
an exception or line of a log holds them.
"""

import logging
import time
from functools import partial

from audit import witnesses as own_log
from common.errors import Refused
from common.locks import if_free
from network.models import Peer
from network.services import witnesses
from privacy.engine.language.schema import QueryRefused
from privacy.execution import joint_legs
from privacy.execution.joint_legs import LegWork
from privacy.models import LedgerLine
from studies import documents, keys, mapping, plans, queries
from studies.models import Leg
from studies.services import leg_states, legs

logger = logging.getLogger(__name__)

ASKED_EVERY = 24 * 3600
MOST_ASKED = 20
"""Portals that are asked how long this one's log was."""
MISSING = "Part of this portal's log is missing, so it answers nothing automatically."


class _Asked:
    """When this process has last asked other portals for the log that they have signed."""

    at: float | None = None


def compute(pk: str) -> None:
    """Compute one leg, once. A second delivery of the task does nothing."""
    leg = Leg.objects.select_related(
        "line", "budget__promise__dataset", "participation__study", "coordinator"
    ).get(pk=pk)
    with if_free(leg.pk) as is_free:
        if is_free and leg.state == Leg.State.COMPUTING:
            _compute(leg)


def _compute(leg: Leg) -> None:
    try:
        _ask_witnesses()
        work = _work(leg)
    except (Refused, QueryRefused) as why:
        leg_states.void(leg, str(why))
        return
    try:
        ended = joint_legs.compute(work, still=partial(_still, leg), finish=partial(leg_states.store, leg))
    except Exception as why:
        if _is_charged(leg):
            leg_states.lose(leg)
            raise
        if not isinstance(why, Refused):
            raise
        leg_states.void(leg, str(why))  # also if it was given back by somebody else meanwhile
        return
    if ended.kind == joint_legs.Kind.GIVEN_BACK:
        leg_states.void(leg, ended.reason)
    elif ended.kind == joint_legs.Kind.LEFT_ALONE:
        _settle(leg)


def _is_charged(leg: Leg) -> bool:
    return LedgerLine.objects.filter(settles=leg.line_id, kind=LedgerLine.Kind.COMMIT).exists()


def _still(leg: Leg) -> bool:
    """Return whether a leg may be charged now. One that a worker charged before it died is left to the sweep."""
    leg.refresh_from_db()
    if leg.state != Leg.State.COMPUTING or LedgerLine.objects.filter(settles=leg.line_id).exists():
        return False
    return keys.exists(leg.plan_sha256) and not legs.why_not(leg)


def _settle(leg: Leg) -> None:
    """Settle a leg that must not be computed any more."""
    leg.refresh_from_db()
    if leg.state == Leg.State.COMPUTING and not keys.exists(leg.plan_sha256):
        leg_states.lose(leg)
    elif leg.state == Leg.State.COMPUTING and (why := legs.why_not(leg)):
        leg_states.void(leg, why)


def _work(leg: Leg) -> LegWork:
    """Return what the engine needs. Raises Refused if rows no longer fit, and QueryRefused."""
    plan, participation = plans.read_plan(leg.plan), leg.participation
    study = documents.read_study(participation.study.document).table
    own = queries.own_specs(participation.dataset).get(participation.table)
    joint = leg.line.purpose["joint"]
    revision = participation.dataset.revisions.get(pk=joint["revision"])
    if own is None or participation.dataset.current != revision:
        raise Refused("The data was replaced in the meantime. Ask again.")
    return LegWork(
        budget=leg.budget,
        line=leg.line,
        revision=revision,
        query=plan.query,
        spec=study,
        table=revision.tables.get(name=participation.table),
        wanted=mapping.wanted(participation.mapping, plan.query, study),
        mapped=mapping.mapped(participation.mapping, own, study),
        share=leg.share,
        h=leg.h,
        note=f"{leg.plan_sha256}|{plans.ROUND}",
    )


def _ask_witnesses() -> None:
    """Before the first leg after a start, and daily, ask other portals for the largest log of ours that they signed.

    A portal that was restored would otherwise not know yet what it has charged. If none answers, they are asked again
    before the next leg. Raises Refused if part of the log is missing.
    """
    now = time.monotonic()
    if _Asked.at is None or now - _Asked.at > ASKED_EVERY:
        for peer in Peer.objects.reachable().order_by("?")[:MOST_ASKED]:
            try:
                witnesses.compare(peer)
                _Asked.at = now
            except Refused as silent:
                logger.info("witness_silent", extra={"peer": str(peer.pk), "why": str(silent)})
    if own_log.missing():
        raise Refused(MISSING)
