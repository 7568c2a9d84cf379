"""Keep people's identity across revisions: the same id means the same person. Checked when a revision is published.

What a person was charged is stored under a keyed digest (HMAC) of the id's text. If the next revision identified
people in another way, everybody would start from zero, and a promise that was used up would be given a second time.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from django.utils import timezone

from accounts.models import User
from audit import log
from common.errors import Refused
from datasets import storage
from datasets.hooks import Remark
from datasets.models import Column, Revision
from privacy.engine.measure.contributions import CAP
from privacy.ledgers.person_ledger import open_ledger
from privacy.models import Budget, Promise
from privacy.shares import percent

ENOUGH = 0.5
"""Below this share of known people, a delivery holds either other people or the same people under new ids, and nobody
can tell which. Above it, the ids are clearly the same as before, and new ids are trusted to be new people."""
SAMPLE = 20_000
"""The number of ids looked up per table: enough to know the share to a percentage point."""


def objections(revision: Revision) -> list[str]:
    """Return why the draft revision would not identify people as its dataset's promise needs it; empty if it does."""
    dataset = revision.dataset
    if not hasattr(dataset, "promise") or (last := dataset.last_published) is None:
        return []
    return list(differences(revision, last))


def differences(revision: Revision, last: Revision) -> Iterator[str]:
    """Yield where a revision identifies people differently from the one before it."""
    before, now = _subjects(last), _subjects(revision)
    columns_before = {(column.name, column.stored): column for column in before.values()}
    for name, subject in now.items():
        if name in before and (subject.name, subject.stored) != (before[name].name, before[name].stored):
            yield _differs(name, subject, before[name])
        elif columns_before and (subject.name, subject.stored) not in columns_before:
            yield _differs(name, subject, next(iter(columns_before.values())))
    for table in revision.tables.all():
        if table.name not in now:
            yield (
                f"Table {table.name} has no column that identifies a person. This dataset answers automatically, "
                "so each of its tables needs one. Put other tables into a dataset of their own."
            )


def _subjects(revision: Revision) -> dict[str, Column]:
    """Return the column that identifies a person, by table name."""
    columns = Column.objects.filter(table__revision=revision, is_subject=True).select_related("table")
    return {column.table.name: column for column in columns.order_by("table__name")}


def _differs(table: str, now: Column, before: Column) -> str:
    if now.name != before.name:
        what = f"identifies people by “{now.name}”, up to now by “{before.name}”"
    else:
        what = f"holds “{now.name}” as {now.stored}, up to now as {before.stored}"
    return (
        f"Table {table} {what}. The same id means the same person: under other ids, the promise would start again for "
        "people who have used it up. Identify people as before, or make a new dataset with a promise of its own."
    )


# How many of them are known


@dataclass(frozen=True, slots=True)
class Delivery:
    """The people of a draft revision, or a sample of them. Only the owner may see it: it follows from rows."""

    people: int
    known: int

    @property
    def is_doubtful(self) -> bool:
        return self.known < ENOUGH * self.people

    @property
    def share(self) -> str:
        return percent(self.known / self.people) if self.people else "none"


def delivery(revision: Revision) -> Delivery | None:
    """Return the people that a revision brings, or None while nothing has been charged that new ids could undo."""
    promise: Promise | None = getattr(revision.dataset, "promise", None)
    if promise is None or not any(budget.units_used for budget in promise.budgets.all()):
        return None
    key = bytes(promise.subject_key)
    tables = revision.tables.prefetch_related("columns")
    found = set[bytes]().union(*(storage.some_people(table, key, most=SAMPLE) for table in tables))
    with open_ledger(storage.ledger_folder(promise.dataset_id)) as ledger:
        return Delivery(len(found), ledger.count_known(found))


def remarks(revision: Revision) -> list[Remark]:
    """Return the remarks that the owner sees before publishing."""
    found = delivery(revision)
    if found is None or not found.people:
        return []
    text = f"{found.share} of the people in this draft have ids that are known from earlier answers."
    if not found.is_doubtful:
        return [Remark(words=text, asks=False)]
    return [Remark(words=f"{text} {CONSEQUENCE}", asks=True)]


CONSEQUENCE = (
    "If they are the same people under new ids, the promise would start again for people who have used it up. So "
    "everybody new will begin with as much charged as anybody can have been charged up to now. If these are other "
    "people, put them into a new dataset with a promise of its own instead."
)


def publishing(revision: Revision, by: User, agreed: bool) -> None:  # noqa: FBT001 -- called as a hook
    """Charge newcomers for what may have been spent on them under other ids. Raises Refused until the owner agrees."""
    found = delivery(revision)
    if found is None or not found.people or not found.is_doubtful:
        return
    if not agreed:
        raise Refused(f"Only {found.share} of the people in this draft have known ids. {CONSEQUENCE}")
    promise = Promise.objects.select_for_update().get(dataset=revision.dataset_id)
    # Locked, so that no question to the old revision is charged after this sum: see budget_ledger.reserve.
    budgets = list(promise.budgets.select_for_update().order_by("pk"))
    owe = {str(budget.pk): min(CAP, budget.units_used) for budget in budgets if budget.units_used}
    with open_ledger(storage.ledger_folder(promise.dataset_id)) as ledger:
        promise.newcomers = [*promise.newcomers, {"places": ledger.count(), "owe": owe}]
    if any(_differs_by_cell(budget) for budget in budgets):
        promise.incomplete_since = promise.incomplete_since or timezone.now()
    promise.save(update_fields=["newcomers", "incomplete_since"])
    log.record(
        "protection.newcomers",
        by=by,
        on=promise,
        dataset_id=promise.dataset_id,
        revision=revision.number,
        owe={pk: f"{units / CAP:.6f}" for pk, units in owe.items()},
    )


def _differs_by_cell(budget: Budget) -> bool:
    """Return whether a newcomer may start with more than the worst case of their own cell, and so be left out
    early."""
    return len(np.unique(budget.worst_case(budget.promise.cells.size))) > 1
