"""Celery tasks for automatic answers."""

from celery import shared_task

from privacy.execution import code_answers, code_trials, lifecycle, preparation
from privacy.models import Answer


@shared_task(ignore_result=True, acks_late=True)
def compute_answer(pk: str) -> None:
    lifecycle.compute(pk)


@shared_task(ignore_result=True, acks_late=True)
def compute_code_answer(pk: str) -> None:
    """Run for minutes, in the queue of the workers that run blocks."""
    code_answers.compute(pk)


@shared_task(ignore_result=True, acks_late=True)
def try_code(pk: str) -> None:
    code_trials.run_trial(pk)


@shared_task(ignore_result=True)
def look_after_answers() -> None:
    for answer in lifecycle.sweep():
        task = compute_code_answer if answer.kind == Answer.Kind.CODE else compute_answer
        task.delay(str(answer.pk))
    for trial in code_trials.sweep():
        try_code.delay(trial)
    for promise in preparation.unprepared():
        prepare_columns.delay(promise)


@shared_task(ignore_result=True)
def prepare_columns(pk: str) -> None:
    preparation.prepare(pk)
