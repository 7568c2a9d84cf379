"""Services for budgets: owners give, change and close them; scientists ask for larger ones."""

import math
from fractions import Fraction

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from common import rows
from common.access import require
from common.errors import Conflict, Refused
from common.reasons import note as written_note
from common.reasons import reason as written_reason
from privacy import notifications, queries, rules
from privacy.audit_entries import record
from privacy.engine.accounting import noise_mu
from privacy.execution import lifecycle
from privacy.ledgers import budget_ledger
from privacy.models import Budget, Promise, TopUp


class Changed(Conflict):
    """The size of a budget is another one than when it was read."""


def equal_share(promise: Promise) -> float:
    """Return the mu of one budget, of which every scientist of the promise gets an equal one.

    Once sampled mocks have taken a part, the rest is divided among the budgets that are not given yet.
    """
    budgets = list(promise.budgets.all())
    left = promise.mu_squared - sum((budget.mu_squared for budget in budgets), Fraction(0))
    seats = queries.not_given(promise, budgets)
    if any(budget.is_everybody for budget in budgets) and seats and left > 0:
        return math.sqrt(left / seats) * (1 - 1e-15)
    return float(promise.mu / promise.scientists**0.5) * (1 - 1e-15)


def give_budget(
    promise: Promise, scientist: User, *, by: User, epsilon: float | None = None, extended: bool = False
) -> Budget:
    """Give a scientist a budget: of this epsilon, or one of the equal budgets.

    Raises Denied, Conflict when they have one, and Refused when it does not fit into the promise.
    """
    require(rules.is_owner, by, promise)
    if scientist == by:
        raise Refused("Somebody else has to decide on your budget.")
    if not scientist.is_scientist:
        raise Refused("Only data scientists have budgets.")
    if extended and not promise.extended_allowed:
        raise Refused("This dataset gives complete answers only.")
    with lifecycle.agreed(promise), transaction.atomic():
        locked = rows.locked(promise)
        if locked.budgets.filter(scientist=scientist).exists():
            raise Conflict(f"{scientist} already has a budget. Change that one.")
        mu = equal_share(locked) if epsilon is None else mu_for(epsilon, locked.noise_delta)
        budget = create_budget(locked, scientist, mu, by=by, extended=extended)
        notifications.budget_given(budget, by=by)
    return budget


def create_budget(locked: Promise, scientist: User, mu: float, *, by: User, extended: bool = False) -> Budget:
    """Write a new budget. The caller holds `lifecycle.agreed` and the lock on the promise. Raises Refused."""
    budget_ledger.must_fit(locked, mu)
    budget = Budget.objects.create(promise=locked, scientist=scientist, mu=mu, extended=extended)
    record("budget.given", budget, by=by, on=budget, changes={"mu": (None, mu)}, extended=extended)
    return budget


def close_budget(budget: Budget, *, by: User, reason: str) -> Budget:
    """Close a scientist's budget. What was spent stays spent. Raises Conflict when it is already closed."""
    require(rules.may_manage_budget, by, budget)
    reason = written_reason(reason)
    with transaction.atomic():
        locked = rows.locked(budget)
        if locked.closed_at is not None:
            raise Conflict("This budget is already closed.")
        locked.closed_at = timezone.now()
        locked.save(update_fields=["closed_at"])
        record("budget.closed", locked, by=by, on=locked, reason=reason)
        notifications.budget_closed(locked, by=by)
    return locked


def change_budget(budget: Budget, *, by: User, epsilon: float, generation: int | None = None) -> Budget:
    """Change the size of a scientist's budget; what was used stays used.

    `generation`: raise Changed if the size is another one by now, for example by a top-up.
    """
    require(rules.may_enlarge, by, budget)

    def must_be_as_read(locked: Budget) -> None:
        if generation not in {None, locked.generation}:
            raise Changed("The size of this budget was changed in the meantime. Look at it again.")

    mu = mu_for(epsilon, budget.promise.noise_delta)
    return lifecycle.change_share(budget, mu, by=by, also=must_be_as_read)


def mu_for(epsilon: float, delta: float) -> float:
    """Return the mu of the noise for this epsilon and delta. Raises Refused when they are out of range."""
    try:
        return noise_mu(epsilon, delta)
    except ValueError as outside:
        raise Refused(str(outside)) from outside


def ask_top_up(budget: Budget, *, by: User, epsilon: float, reason: str) -> TopUp:
    """Ask the owner for a larger budget, with a reason."""
    require(rules.may_ask_top_up, by, budget)
    reason = written_reason(reason, limit=TopUp.TEXT_LIMIT, keep_lines=True)
    mu = mu_for(epsilon, budget.promise.noise_delta)
    if mu <= budget.mu:
        raise Refused("You already have that much. Ask for a larger ε.")
    with transaction.atomic():
        made = TopUp.objects.create(budget=budget, epsilon=epsilon, reason=reason)
        _record("top_up.asked", made, by=by)
        notifications.top_up_asked(made)
    return made


def decide_top_up(top_up: TopUp, *, by: User, grant: bool, note: str = "") -> TopUp:
    """Grant a larger budget, or decline it with a note that says why."""
    require(rules.may_decide_top_up, by, top_up)
    if not grant:
        note = written_reason(note, limit=TopUp.TEXT_LIMIT, keep_lines=True)
        with transaction.atomic():
            return _decide(top_up, by=by, grant=False, note=note)
    note = written_note(note, TopUp.TEXT_LIMIT)
    budget = top_up.budget
    require(rules.holder_is_scientist, by, budget)
    mu = mu_for(top_up.epsilon, budget.promise.noise_delta)
    lifecycle.change_share(budget, mu, by=by, also=lambda _: _decide(top_up, by=by, grant=True, note=note))
    return TopUp.objects.get(pk=top_up.pk)


def _decide(top_up: TopUp, *, by: User, grant: bool, note: str) -> TopUp:
    """Store the decision, in the caller's transaction: the budget grows with the decision or not at all."""
    locked = rows.locked(top_up)
    if locked.state != TopUp.State.PENDING:
        raise Conflict("This request has already been decided.")
    locked.state = TopUp.State.GRANTED if grant else TopUp.State.DENIED
    locked.decided_by, locked.decided_at, locked.decision_note = by, timezone.now(), note
    locked.save(update_fields=["state", "decided_by", "decided_at", "decision_note"])
    _record("top_up.granted" if grant else "top_up.denied", locked, by=by)
    notifications.top_up_decided(locked)
    return locked


def _record(action: str, top_up: TopUp, *, by: User) -> None:
    record(action, top_up.budget, by=by, on=top_up, epsilon=top_up.epsilon)
