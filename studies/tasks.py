"""Celery tasks of studies: telling members, leading joint answers on, and computing this portal's legs."""

from uuid import UUID

from celery import shared_task

from network.services import rounds
from studies.services import joint_answers, leg_work, legs, members, passes

LONGEST = 60
"""Seconds between two passes over one answer; the sweep relies on it."""


@shared_task(ignore_result=True)
def advance(pk: str) -> None:
    """Make one pass over a joint answer, and queue the next one."""
    pause = passes.advance(UUID(pk))
    if pause is not None:
        advance.apply_async((pk,), countdown=min(LONGEST, max(1.0, pause)))


@shared_task(ignore_result=True, acks_late=True)
def compute_leg(pk: str) -> None:
    leg_work.compute(pk)


@shared_task(ignore_result=True)
def look_after_joints() -> None:
    """Settle legs that nobody computes any more, and take up what died. Celery beat calls it every minute."""
    for pk in legs.sweep():
        compute_leg.delay(pk)
    for pk in joint_answers.sweep():
        advance.delay(pk)


@shared_task(ignore_result=True)
def tell_members() -> None:
    """Tell other portals what this one decided in its studies. Celery beat calls it every minute."""
    rounds.alone(members.tell)
