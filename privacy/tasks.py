"""Celery tasks for automatic answers."""

from celery import shared_task

from privacy.execution import lifecycle, preparation


@shared_task(ignore_result=True, acks_late=True)
def compute_answer(pk: str) -> None:
    lifecycle.compute(pk)


@shared_task(ignore_result=True)
def look_after_answers() -> None:
    for pk in lifecycle.sweep():
        compute_answer.delay(pk)
    for promise in preparation.unprepared():
        prepare_columns.delay(promise)


@shared_task(ignore_result=True)
def prepare_columns(pk: str) -> None:
    preparation.prepare(pk)
