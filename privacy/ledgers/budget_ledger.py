"""The one writer of the ledger: reserve, then commit or void. Lines are added, never changed.

A line reserves worst-case units in the public cells that a query can touch. spent + reserved stays within CAP in every
cell, at every commit, because the budget's row is locked while a line is added. Each function runs in a durable
transaction of its own: when it returns, what it wrote can no longer be rolled back. So noise is never drawn for a
charge that a later error undoes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from types import MappingProxyType
from uuid import UUID

import numpy as np
from django.db import connection, transaction
from django.db.models import QuerySet, Sum

from accounts.models import User
from audit import witnesses
from common import rows
from common.errors import BudgetExceeded, Conflict, Refused
from datasets.models import Revision
from privacy.audit_entries import record
from privacy.engine.measure.contributions import CAP, Integers, rescaled
from privacy.engine.measure.evaluate import Bools
from privacy.engine.plan.cells import fits
from privacy.models import THRESHOLD_ANSWERS, Budget, LedgerLine, Promise
from privacy.shares import of_budget, percent

BEING_COMPUTED = "An answer is being computed. Try again in a moment."
RESERVED_JOINTLY = "Part of this budget is reserved for a joint question. Try again when it has ended."
KEPT = "kept"
"""In the purpose of a line that made a charge final of which nobody was charged."""
CANNOT_SHRINK = "A budget that has been used cannot be made smaller. Close it instead."


@contextmanager
def _durably() -> Iterator[None]:
    """Open a transaction that is on disk when it ends, whatever the server's settings."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = on")
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Worst-case units to reserve in `cells`, a mask over the dataset's public cells.

    `key`: its idempotency key. `threshold`: it counts against the answers over undeclared values. `revision`: it has to
    be the published one.
    """

    units: int
    cells: Bools
    key: UUID
    purpose: dict[str, object]
    threshold: bool = False
    revision: Revision | None = None


def reserve(  # noqa: PLR0913 -- a charge has this many parts, each named at the call
    budget: Budget,
    units: int,
    cells: Bools,
    *,
    key: UUID,
    by: User,
    purpose: dict[str, object],
    threshold: bool = False,
    revision: Revision | None = None,
) -> LedgerLine:
    """Reserve one charge. The same as `reserve_all` for a list of one."""
    wanted = Reservation(
        units=units, cells=cells, key=key, purpose=purpose, threshold=threshold, revision=revision
    )
    (line,) = reserve_all(budget, [wanted], by=by)
    return line


def reserve_all(budget: Budget, wanted: Sequence[Reservation], *, by: User) -> list[LedgerLine]:
    """Reserve all of these charges, at least one, or none if one is refused; a known key returns its existing line.

    Raises BudgetExceeded when a cell would exceed its cap; Conflict when a key was used for another charge, when that
    charge was given back, or when a revision has been replaced; Refused while part of the log is missing.
    """
    must_be_whole()
    with _durably():
        promise = _lock_promise(budget) if any(each.threshold for each in wanted) else None
        locked = rows.locked(budget)
        known = [_known(locked, each) for each in wanted]
        new = [each for each, line in zip(wanted, known, strict=True) if line is None]
        _check_revisions(new)
        spent = locked.worst_case(len(wanted[0].cells))
        if new and locked.closed_at is not None:
            raise BudgetExceeded("The owner has closed this budget.")
        if short := shortage(spent, locked.cap, [(each.units, each.cells) for each in new]):
            raise BudgetExceeded(short.sentence, costs=short.units / CAP, left=short.left / CAP)
        for each in new:
            if each.threshold and promise is not None:
                _use_threshold(locked, promise)
            spent[each.cells] += each.units
        if new:
            _write(locked, spent)
        return [line or _add(locked, each, by=by) for each, line in zip(wanted, known, strict=True)]


def must_be_whole() -> None:
    """Raise Refused while witnesses hold a checkpoint of the log that it does not have: charges may be lost as well."""
    if witnesses.missing():
        raise Refused(
            "This portal answers nothing automatically at the moment: part of its log is missing, so charges may be "
            "missing too. Its admins have been told."
        )


def _known(locked: Budget, wanted: Reservation) -> LedgerLine | None:
    """The line of a key that was used before. Raises Conflict when it was used for another charge, or given back."""
    line = LedgerLine.objects.filter(budget=locked, key=wanted.key).first()
    if line is None:
        return None
    if (line.units, bytes(line.cells)) != (wanted.units, np.packbits(wanted.cells).tobytes()):
        raise Conflict("This idempotency key was used for another charge. Use a new key.")
    if LedgerLine.objects.filter(settles=line, kind=LedgerLine.Kind.VOID).exists():
        raise Conflict("The charge with this idempotency key was given back. Use a new key.")
    return line


def _check_revisions(wanted: Sequence[Reservation]) -> None:
    asked = {each.revision.pk for each in wanted if each.revision is not None}
    if Revision.objects.filter(pk__in=asked, state=Revision.State.PUBLISHED).count() < len(asked):
        raise Conflict("The data was replaced in the meantime. Check the price again.")


def _add(locked: Budget, wanted: Reservation, *, by: User) -> LedgerLine:
    line = LedgerLine.objects.create(
        budget=locked,
        kind=LedgerLine.Kind.RESERVE,
        key=wanted.key,
        units=wanted.units,
        generation=locked.generation,
        cells=np.packbits(wanted.cells).tobytes(),
        purpose=wanted.purpose,
    )
    _record("budget.reserved", line, by=by, of=line)
    return line


def _lock_promise(budget: Budget) -> Promise:
    """Lock the promise that a budget belongs to: always before the budget itself."""
    return Promise.objects.select_for_update().get(pk=budget.promise_id)


def no_threshold_left(promise: Promise, own: int, of_all: int) -> str:
    """Return why no more undeclared values can be asked for, or an empty string.

    `own` and `of_all` count the answers over undeclared values of this budget and of all budgets.
    """
    if own >= THRESHOLD_ANSWERS:
        return f"You have used all {THRESHOLD_ANSWERS} of your questions about undeclared values."
    if of_all >= promise.threshold_answers:
        return "All questions about undeclared values that this dataset's promise allows have been used."
    return ""


def _use_threshold(budget: Budget, promise: Promise) -> None:
    """Count one answer over undeclared values against the part of delta kept for them, which is never given back."""
    used = promise.budgets.aggregate(total=Sum("thresholds_used"))["total"] or 0
    if why := no_threshold_left(promise, budget.thresholds_used, used):
        raise BudgetExceeded(why)
    budget.thresholds_used += 1
    budget.save(update_fields=["thresholds_used"])


def commit(line: LedgerLine, *, by: User, at: datetime | None = None, kept: bool = False) -> LedgerLine:
    """Make a reservation final, before any row is read. Raises Conflict when it is already settled.

    `at`: what the log calls its time, now if None. `kept`: nobody is charged for this line, because a line that was
    lost may have charged them.
    """
    with _durably():
        return _settle(line, LedgerLine.Kind.COMMIT, by=by, at=at, purpose={KEPT: True} if kept else {})


def void(line: LedgerLine, *, by: User) -> LedgerLine:
    """Give a reservation back, which is allowed only while no worker has opened the data for it.

    Raises Conflict when it is already settled.
    """
    with _durably():
        return _settle(line, LedgerLine.Kind.VOID, by=by)


def rescale(
    budget: Budget, mu: float, *, by: User, also: Callable[[Budget], object] = lambda _: None
) -> Budget:
    """Change the size of a budget: every unit used so far becomes old mu^2 / new mu^2 new units, rounded up.

    Locks promise, then budget, and checks the locked rows; `also` runs in the same transaction, before any change. The
    caller holds the dataset's advisory lock and updates the per-person ledger. Raises Conflict while a reservation is
    open; Refused when the budgets would exceed the promise, or a budget that has been used would shrink.
    """
    with _durably():
        promise = _lock_promise(budget)
        locked = rows.locked(budget)
        also(locked)
        must_fit(promise, mu, instead_of=locked)
        if waiting := open_lines(locked).first():
            raise Conflict(RESERVED_JOINTLY if waiting.is_joint else BEING_COMPUTED)
        if mu < locked.mu and locked.units_used:
            raise Refused(CANNOT_SHRINK)
        cells = rescaled(locked.worst_case(promise.cells.size), locked.mu, mu)
        _rescale_newcomers(promise, locked, mu)
        old, locked.mu, locked.generation = locked.mu, mu, locked.generation + 1
        locked.earlier_mus = [*locked.earlier_mus, old]
        locked.save(update_fields=["mu", "generation", "earlier_mus"])
        _write(locked, np.array(cells, dtype=np.int64))
        record("budget.changed", locked, by=by, on=locked, changes={"mu": (old, mu)})
    return locked


def _rescale_newcomers(promise: Promise, budget: Budget, mu: float) -> None:
    for each in promise.newcomers:
        if units := each["owe"].get(str(budget.pk)):
            (each["owe"][str(budget.pk)],) = rescaled([units], budget.mu, mu)
    promise.save(update_fields=["newcomers"])


def must_fit(promise: Promise, mu: float, instead_of: Budget | None = None) -> None:
    """Check exactly that the sum of mu_a^2 over all budgets ever given stays <= mu_G^2: a closed one returns nothing.

    The caller holds the lock on the promise, which every change of a budget needs. Raises Refused.
    """
    others = promise.budgets.all()
    if instead_of is not None:
        others = others.exclude(pk=instead_of.pk)
    given = sum((Fraction(other.mu) ** 2 for other in others), Fraction(0))
    if given + Fraction(mu) ** 2 > promise.mu_squared:
        left = max(0.0, 1 - float(given / promise.mu_squared))
        raise Refused(
            f"The budgets would exceed the promise: {percent(left)} of it is left to give. Choose a smaller epsilon."
        )


def open_lines(budget: Budget) -> QuerySet[LedgerLine]:
    """Return reservations that are neither committed nor voided."""
    return LedgerLine.objects.filter(budget=budget, kind=LedgerLine.Kind.RESERVE, settled_by=None)


@dataclass(frozen=True, slots=True)
class Charge:
    """What a question would reserve, and the table and revision that it asks."""

    revision: UUID
    table: str
    units: int
    cells: Bools


def rests_on_constants(budget: Budget, *also: Charge) -> bool:
    """Return whether completeness relies on people staying in the same public cell across tables or revisions.

    `also`: what is about to be reserved.

    Within one table of one revision, a declared constant has one value per person. Another table or revision may
    disagree, so somebody may have been charged in two cells, neither of which is used up. Follows from public lines.
    """
    everywhere = np.packbits(np.ones(budget.promise.cells.size, dtype=np.bool_)).tobytes()
    # A joint question charges all cells, so none is among these.
    lines = budget.lines.filter(kind=LedgerLine.Kind.RESERVE).exclude(cells=everywhere)
    kept = lines.exclude(settled_by__kind=LedgerLine.Kind.VOID)
    tables = set(kept.order_by().values_list("answer__revision", "purpose__query__table").distinct())
    tables |= {(each.revision, each.table) for each in also if not each.cells.all()}
    if len(tables) < 2:
        return False
    total = budget.lines.aggregate(total=Sum("units"))["total"] or 0
    return int(total) + sum(each.units for each in also) > CAP


def _settle(
    line: LedgerLine,
    kind: LedgerLine.Kind,
    *,
    by: User,
    at: datetime | None = None,
    purpose: Mapping[str, object] = MappingProxyType({}),
) -> LedgerLine:
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
        purpose=dict(purpose),
    )
    _record(f"budget.{kind}", settled, by=by, of=line, at=at)
    return settled


def _write(budget: Budget, cells: Integers) -> None:
    budget.cells = cells.astype("<i8").tobytes()
    budget.save(update_fields=["cells"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """What answers cost, in units, when only `left` are left."""

    units: int
    left: int
    questions: int = 1

    @property
    def sentence(self) -> str:
        what = "This answer" if self.questions == 1 else f"These {self.questions} answers together"
        return (
            f"{what} would cost {of_budget(self.units / CAP)}, and {percent(self.left / CAP)} is left. "
            "Allow a larger error, ask about fewer people, or ask the owner for more."
        )


def shortage(spent: Integers, cap: int, charges: Sequence[tuple[int, Bools]]) -> Shortage | None:
    """Return what is short if these charges (units, cells) do not all fit on top of what is `spent`."""
    after = spent.copy()
    for units, cells in charges:
        if not fits(after, cells, units, cap):
            return _short(spent, cap, charges)
        after[cells] += units
    return None


def _short(spent: Integers, cap: int, charges: Sequence[tuple[int, Bools]]) -> Shortage:
    """Return what is short for charges that do not fit, in the cell that exceeds its cap by most."""
    units, cells = max(charges, key=lambda charge: charge[0])
    if units > CAP:
        return Shortage(units=units, left=min(CAP, max(0, cap - int(spent[cells].max(initial=0)))))
    added = np.zeros_like(spent)
    for units, cells in charges:
        added[cells] += units
    place = int(np.where(added > 0, spent + added, 0).argmax())
    left = min(CAP, max(0, cap - int(spent[place])))
    return Shortage(units=int(added[place]), left=left, questions=len(charges))


def _record(action: str, line: LedgerLine, *, by: User, of: LedgerLine, at: datetime | None = None) -> None:
    """Write an entry. `of`: the reservation, whose share of the budget was reserved, charged or given back."""
    share = percent(of.units / CAP)
    record(action, line.budget, by=by, on=line, at=at, units=line.units, share=share)
