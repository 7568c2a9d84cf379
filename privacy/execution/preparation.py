"""Putting rows in the order of their subjects before anybody asks.

It takes the longer the more rows there are: done for the first question, it would tell how many. Whoever asks before
it is done waits for it. So the dataset's place in line is held for a public time, however early the rows are in order.
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
from privacy.execution.questions import question_of, rehearse
from privacy.models import Answer, Promise


def unprepared() -> list[str]:
    """Protections whose current revision is not in order yet."""
    found = Promise.objects.select_related("dataset")
    return [
        str(each.pk)
        for each in found
        if any(
            not storage.has_columns(table, plans, bytes(each.subject_key)) for table, plans in _tables(each)
        )
    ]


def prepare(pk: str) -> None:
    """Put the tables of one protection's current revision in order. Questions wait for it as they do for each other."""
    promise = Promise.objects.select_related("dataset").get(pk=pk)
    with one_at_a_time(promise.dataset_id):
        for table, plans in _tables(promise):
            _write(promise, table, plans)


def _write(promise: Promise, table: Table, plans: Sequence[ColumnPlan]) -> None:
    """Put a table in order, once, and take the public time for it; one that was too short is doubled."""
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
    """What is done once per revision, or once per installation, before an answer's turn begins: it would make this
    answer late, and all that follow it slow."""
    promise = answer.budget.promise
    try:
        question = question_of(answer)
    except QueryRefused:
        return  # its scientist is told when its turn has come
    _write(promise, question.table, question.plans)
    rehearse(question, promise)


def _tables(promise: Promise) -> Iterator[tuple[Table, Sequence[ColumnPlan]]]:
    revision = promise.dataset.current
    if revision is None:
        return
    for table in revision.tables.prefetch_related("columns"):
        if table.subject is not None:
            yield table, plans_for(spec_of(table, promise.constants))
