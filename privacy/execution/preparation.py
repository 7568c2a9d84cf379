"""Sort rows by person ahead of the first question.

Sorting takes longer the more rows there are, so its time would reveal their number. It is done in advance, and the
dataset's advisory lock is held for a public time, even if sorting ends early. Questions asked meanwhile wait.
"""

from collections.abc import Iterator, Sequence
from time import monotonic, sleep

from django.conf import settings

from common.locks import one_at_a_time
from datasets import storage
from datasets.columns import ColumnPlan
from datasets.models import Table
from privacy.declarations import plans_for, spec_of
from privacy.engine.language.schema import QueryRefused
from privacy.engine.plan import deadlines
from privacy.execution.questions import Question, question_of, rehearse
from privacy.models import Answer, Promise


def unprepared() -> list[str]:
    """Return the ids of promises whose current revision is not sorted yet."""
    found = Promise.objects.select_related("dataset")
    return [
        str(each.pk)
        for each in found
        if any(
            not storage.has_columns(table, plans, bytes(each.subject_key)) for table, plans in _tables(each)
        )
    ]


def prepare(pk: str) -> None:
    """Sort the tables of one promise's current revision. Questions wait for it as they do for each other."""
    promise = Promise.objects.select_related("dataset").get(pk=pk)
    with one_at_a_time(promise.dataset_id):
        for table, plans in _tables(promise):
            sort(promise, table, plans)


def sort(promise: Promise, table: Table, plans: Sequence[ColumnPlan]) -> None:
    """Sort a table, once, and take the public time for it; a time that was too short is doubled."""
    key = bytes(promise.subject_key)
    if storage.has_columns(table, plans, key):
        return
    begun, seconds = monotonic(), _seconds(promise, table)
    try:
        storage.write_columns(table, plans, key)
    finally:
        while 0 < seconds < monotonic() - begun:
            seconds *= 2
        sleep(max(0.0, begun + seconds - monotonic()))


def _seconds(promise: Promise, table: Table) -> float:
    base = settings.PREPARE_SECONDS
    if not base:
        return 0.0
    people, each = promise.public_size, table.rows_per_subject
    return deadlines.preparation(people=people, rows_per_person=each, base=base)


def prepare_for(answer: Answer) -> None:
    """Sort the table and compile the passes before an answer's turn begins. This work is needed once per revision or
    installation; inside the turn it would make this answer late and slow down all that follow."""
    promise = answer.budget.promise
    try:
        question = question_of(answer)
    except QueryRefused:
        return  # the refusal is stored when its turn comes
    prepare_table(question, promise)


def prepare_table(question: Question, promise: Promise) -> None:
    """Sort a question's table and compile its passes."""
    sort(promise, question.table, question.plans)
    rehearse(question, promise)


def _tables(promise: Promise) -> Iterator[tuple[Table, Sequence[ColumnPlan]]]:
    revision = promise.dataset.current
    if revision is None:
        return
    for table in revision.tables.prefetch_related("columns"):
        if table.subject is not None:
            yield table, plans_for(spec_of(table, promise.constants))
