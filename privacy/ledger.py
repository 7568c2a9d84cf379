"""The one writer of the ledger: reserve, then commit or void. Lines are added, never changed.

A line reserves worst-case units in the public cells a query can touch. spent + reserved stays within CAP in every
cell, at every commit: the budget's row is locked while a line is added. Each function is a transaction of its own
(`durable`): what it wrote can no longer be rolled back when it returns, so that no noise is ever drawn for a charge
that a later error undoes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from uuid import UUID

import numpy as np
from django.db import connection, transaction
from django.db.models import QuerySet, Sum

from accounts.models import User
from audit import log
from common.errors import BudgetExceeded, Conflict
from privacy.engine.cells import fits
from privacy.engine.contributions import CAP, Integers
from privacy.engine.evaluate import Bools
from privacy.models import THRESHOLD_ANSWERS, Budget, LedgerLine, Protection


@contextmanager
def _durably() -> Iterator[None]:
    """A transaction that is on disk when it has ended, however the server is set up."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = on")
        yield


def reserve(  # noqa: PLR0913 -- a charge has this many parts, each named at the call
    budget: Budget,
    units: int,
    cells: Bools,
    *,
    key: UUID,
    by: User,
    purpose: dict[str, object],
    threshold: bool = False,
) -> LedgerLine:
    """Set `units` aside in `cells` (a mask over the dataset's public cells). The same key again: the same line.

    Raises BudgetExceeded when a cell would pass its cap, Conflict when the key has reserved something else or what it
    had reserved was given back.
    """
    with _durably():
        locked = Budget.objects.select_for_update().get(pk=budget.pk)
        packed = np.packbits(cells).tobytes()
        if old := LedgerLine.objects.filter(key=key).first():
            if (old.budget_id, old.units, bytes(old.cells)) != (locked.pk, units, packed):
                raise Conflict("This key has reserved something else.")
            if LedgerLine.objects.filter(settles=old, kind=LedgerLine.Kind.VOID).exists():
                raise Conflict("What this key had reserved was given back. Ask with a new key.")
            return old
        spent = locked.worst_case(len(cells))
        if locked.closed_at is not None or not fits(spent, cells, units, locked.cap):
            raise BudgetExceeded(too_much(units, max(0, locked.cap - int(spent[cells].max(initial=0)))))
        if threshold:
            _use_threshold(locked)
        spent[cells] += units
        _write(locked, spent)
        line = LedgerLine.objects.create(
            budget=locked,
            kind=LedgerLine.Kind.RESERVE,
            key=key,
            units=units,
            generation=locked.generation,
            cells=packed,
            purpose=purpose,
        )
        _record("budget.reserved", line, by=by, units=units)
    return line


def _use_threshold(budget: Budget) -> None:
    """Answers over undeclared values share a delta of their own, of which nothing is ever given back."""
    protection = Protection.objects.select_for_update().get(pk=budget.protection_id)
    used = protection.budgets.aggregate(total=Sum("thresholds_used"))["total"] or 0
    if budget.thresholds_used >= THRESHOLD_ANSWERS or used >= THRESHOLD_ANSWERS * protection.seats:
        raise BudgetExceeded(f"Undeclared values can be asked for {THRESHOLD_ANSWERS} times. All are used.")
    budget.thresholds_used += 1
    budget.save(update_fields=["thresholds_used"])


def commit(line: LedgerLine, *, by: User) -> LedgerLine:
    """Make a reservation final, before any row is read. Conflict when it has been settled already."""
    with _durably():
        return _settle(line, LedgerLine.Kind.COMMIT, by=by)


def void(line: LedgerLine, *, by: User) -> LedgerLine:
    """Give a reservation back: only while no worker has opened the data for it. Conflict when settled already."""
    with _durably():
        return _settle(line, LedgerLine.Kind.VOID, by=by)


def rescale(budget: Budget, mu: float, *, by: User) -> Budget:
    """Change a share: every unit used so far is worth old mu^2 / new mu^2 new ones, rounded up.

    The caller holds the dataset's lock and rescales the subjects' ledger too. Conflict while a reservation is open;
    BudgetExceeded when more has been used than the new share holds.
    """
    with _durably():
        locked = Budget.objects.select_for_update().get(pk=budget.pk)
        if open_lines(locked).exists():
            raise Conflict("An answer is being computed. Try again in a moment.")
        ratio = locked.mu_squared / Fraction(mu) ** 2
        cells = [-(-int(n) * ratio.numerator // ratio.denominator) for n in locked.worst_case(1)]
        if max(cells, default=0) > CAP:
            raise BudgetExceeded("More than that has been used already.")
        old, locked.mu, locked.generation = locked.mu, mu, locked.generation + 1
        locked.earlier_mus = [*locked.earlier_mus, old]
        locked.save(update_fields=["mu", "generation", "earlier_mus"])
        _write(locked, np.array(cells, dtype=np.int64))
        log.record(
            "budget.changed",
            by=by,
            on=locked,
            dataset_id=locked.protection.dataset_id,
            person_id=locked.scientist_id,
            changes={"mu": (old, mu)},
        )
    return locked


def open_lines(budget: Budget) -> QuerySet[LedgerLine]:
    """Reservations that are neither committed nor voided."""
    return LedgerLine.objects.filter(budget=budget, kind=LedgerLine.Kind.RESERVE, settled_by=None)


def _settle(line: LedgerLine, kind: LedgerLine.Kind, *, by: User) -> LedgerLine:
    locked = Budget.objects.select_for_update().get(pk=line.budget_id)
    if LedgerLine.objects.filter(settles=line).exists():
        raise Conflict("This reservation has been settled already.")
    voided = kind == LedgerLine.Kind.VOID
    if voided:
        size = len(locked.worst_case(1))
        spent = locked.worst_case(size)
        spent[line.mask(size)] -= line.units
        _write(locked, spent)
    settled = LedgerLine.objects.create(
        budget=locked,
        kind=kind,
        units=-line.units if voided else 0,
        generation=locked.generation,
        cells=line.cells,
        settles=line,
    )
    _record(f"budget.{kind}", settled, by=by, units=settled.units)
    return settled


def _write(budget: Budget, cells: Integers) -> None:
    budget.cells = cells.astype("<i8").tobytes()
    budget.save(update_fields=["cells"])


def too_much(units: int, left: int) -> str:
    """Why an answer of this cost is not given when this much is left."""
    return (
        f"This answer would cost {units / CAP:.2%} of your budget, and {left / CAP:.2%} is left. "
        "Allow a larger error, ask about fewer people, or ask the owner for more."
    )


def _record(action: str, line: LedgerLine, *, by: User, units: int) -> None:
    budget = line.budget
    log.record(
        action,
        by=by,
        on=line,
        dataset_id=budget.protection.dataset_id,
        person_id=budget.scientist_id,
        units=units,
        share=f"{units / CAP:.6f}",
    )
