"""Celery tasks for automatic answers."""

from celery import shared_task

from privacy.execution import code_answers, code_trials, learned_answers, lifecycle, preparation
from privacy.models import Answer


@shared_task(ignore_result=True, acks_late=True)
def compute_answer(pk: str) -> None:
    lifecycle.compute(pk)


@shared_task(ignore_result=True, acks_late=True)
def compute_learned_answer(pk: str) -> None:
    """Fit a model or make a synthetic table, in the queue for what takes long."""
    learned_answers.compute(pk)


@shared_task(ignore_result=True, acks_late=True)
def compute_code_answer(pk: str) -> None:
    """Run for minutes, in the queue of the workers that run blocks."""
    code_answers.compute(pk)


@shared_task(ignore_result=True, acks_late=True)
def try_code(pk: str) -> None:
    code_trials.run_trial(pk)


TASKS = {
    Answer.Kind.QUERY: compute_answer,
    Answer.Kind.FIT: compute_learned_answer,
    Answer.Kind.TABLE: compute_learned_answer,
    Answer.Kind.CODE: compute_code_answer,
}


def compute_later(answer: Answer) -> None:
    """Have a pending answer computed by a worker."""
    TASKS[Answer.Kind(answer.kind)].delay(str(answer.pk))


@shared_task(ignore_result=True)
def look_after_answers() -> None:
    for answer in lifecycle.sweep():
        compute_later(answer)
    for trial in code_trials.sweep():
        try_code.delay(trial)
    for promise in preparation.unprepared():
        prepare_columns.delay(promise)


@shared_task(ignore_result=True)
def prepare_columns(pk: str) -> None:
    preparation.prepare(pk)
