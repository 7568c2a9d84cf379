"""What the worker does for automatic answers."""

from celery import shared_task

from privacy import execution, preparing


@shared_task(ignore_result=True, acks_late=True)
def compute_answer(pk: str) -> None:
    execution.compute(pk)


@shared_task(ignore_result=True)
def look_after_answers() -> None:
    for pk in execution.look_after():
        compute_answer.delay(pk)
    for protected in preparing.unprepared():
        prepare_columns.delay(protected)


@shared_task(ignore_result=True)
def prepare_columns(pk: str) -> None:
    preparing.prepare(pk)
