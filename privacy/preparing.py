"""Putting rows in the order of their subjects before anybody asks.

It takes the longer the more rows there are: done for the first question, it would tell how many.
"""

from collections.abc import Iterator, Sequence

from datasets import storage
from datasets.columns import ColumnPlan
from datasets.models import Table
from privacy.declarations import plans_for, spec_of
from privacy.engine.schema import QueryRefused
from privacy.locks import one_at_a_time
from privacy.models import Answer, Protection
from privacy.questions import question_of, rehearse


def unprepared() -> list[str]:
    """Protections whose current revision is not in order yet."""
    found = Protection.objects.select_related("dataset")
    return [
        str(each.pk)
        for each in found
        if any(
            not storage.has_columns(table, plans, bytes(each.subject_key)) for table, plans in _tables(each)
        )
    ]


def prepare(pk: str) -> None:
    """Put the tables of one protection's current revision in order. Questions wait for it as they do for each other."""
    protection = Protection.objects.select_related("dataset").get(pk=pk)
    with one_at_a_time(protection.dataset_id):
        for table, plans in _tables(protection):
            storage.write_columns(table, plans, bytes(protection.subject_key))


def prepare_for(answer: Answer) -> None:
    """What is done once per revision, or once per installation, before an answer's turn begins: it would make this
    answer late, and all that follow it slow."""
    protection = answer.budget.protection
    try:
        question = question_of(answer)
    except QueryRefused:
        return  # its scientist is told when its turn has come
    storage.write_columns(question.table, question.plans, bytes(protection.subject_key))
    rehearse(question, protection)


def _tables(protection: Protection) -> Iterator[tuple[Table, Sequence[ColumnPlan]]]:
    revision = protection.dataset.current
    if revision is None:
        return
    for table in revision.tables.prefetch_related("columns"):
        if table.subject is not None:
            yield table, plans_for(spec_of(table, protection.constants))
