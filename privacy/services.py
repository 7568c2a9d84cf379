"""What owners decide: the promise for a dataset, and shares of it; and how scientists ask for more."""

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from audit import log
from common import commit
from common.access import require
from common.errors import Conflict, Refused
from datasets.models import Dataset
from privacy import execution, ledger, news, rules, tasks
from privacy.declarations import current_revision, domain_for, specs_of
from privacy.engine.accounting import noise_mu
from privacy.models import Budget, Protection, TopUp

MAX_ROWS = 10**12

# Owners: the promise, and shares of it


def usual_delta(public_size: int) -> float:
    """A delta that is small beside one person in the dataset: min(1e-6, 1 / (10 n))."""
    return min(1e-6, 1 / (10 * public_size))


def threshold_delta(delta: float) -> float:
    """The part of a promise's delta that is kept for values that nobody has declared: half."""
    return delta / 2


def protect(  # noqa: PLR0913 -- a promise has this many parts, each named at the call
    dataset: Dataset,
    *,
    by: User,
    epsilon: float,
    public_size: int,
    constants: list[str],
    seats: int = 3,
    extended_allowed: bool = False,
    undeclared_values: bool = False,
    public_rows: dict[str, int] | None = None,
) -> Protection:
    """Let a dataset answer automatically, within one promise for everybody together and for ever."""
    require(rules.protect, by, dataset)
    if hasattr(dataset, "protection"):
        raise Conflict("This dataset has its promise already. It cannot be weakened.")
    revision = current_revision(dataset)
    if not 1 <= public_size <= 10**10 or not 1 <= seats <= 1000:
        raise Refused(
            "Say about how many people the dataset holds, and how many scientists may share it (1 to 1,000)."
        )
    specs = specs_of(revision, [])
    known = {name for spec in specs.values() for name, c in spec.columns.items() if c.is_key}
    if unknown := sorted(set(constants) - known):
        raise Refused(
            f"“{unknown[0][:100]}” has no declared categories: it cannot tell groups of people apart."
        )
    delta = usual_delta(public_size)
    kept = threshold_delta(delta) if undeclared_values else 0.0
    domain = domain_for(revision, constants)
    with transaction.atomic():
        made = Protection.objects.create(
            dataset=dataset,
            epsilon=epsilon,
            delta=delta,
            mu=_mu(epsilon, delta - kept),
            threshold_delta=kept,
            seats=seats,
            public_size=public_size,
            public_rows=_rows_of(set(specs), public_rows or {}),
            constants=sorted(set(constants)),
            extended_allowed=extended_allowed,
            domain={"columns": domain.columns, "labels": domain.labels},
        )
        log.record(
            "protection.created",
            by=by,
            on=made,
            dataset_id=dataset.pk,
            epsilon=epsilon,
            delta=delta,
            seats=seats,
        )
        commit.after(tasks.prepare_columns.delay, str(made.pk))
    return made


def publish_rows(protection: Protection, rows: dict[str, int], *, by: User) -> Protection:
    """Tell everybody about how many rows tables hold. Errors are quoted from it; the promise does not rest on it."""
    require(rules.manage, by, protection)
    tables = set(specs_of(current_revision(protection.dataset), protection.constants))
    with transaction.atomic():
        locked = Protection.objects.select_for_update().get(pk=protection.pk)
        before, locked.public_rows = locked.public_rows, _rows_of(tables, rows)
        locked.save(update_fields=["public_rows"])
        log.record(
            "protection.rows_published",
            by=by,
            on=locked,
            dataset_id=locked.dataset_id,
            changes={"public_rows": (before, locked.public_rows)},
        )
    return locked


def _rows_of(tables: set[str], rows: dict[str, int]) -> dict[str, int]:
    """Public numbers of rows; Refused where there is no such table, or no such number."""
    if not set(rows) <= tables or not all(1 <= number <= MAX_ROWS for number in rows.values()):
        raise Refused("Say about how many rows each table holds, or nothing.")
    return dict(rows)


def equal_share(protection: Protection) -> float:
    """The mu of one of `seats` equal shares."""
    return float(protection.mu / protection.seats**0.5) * (1 - 1e-15)


def give_budget(
    protection: Protection, scientist: User, *, by: User, epsilon: float | None = None, extended: bool = False
) -> Budget:
    """Admit a scientist with a share: of this epsilon, or one of the equal shares."""
    require(rules.manage, by, protection)
    if scientist == by:
        raise Refused("Somebody else has to decide on your budget.")
    if not scientist.is_scientist:
        raise Refused("Only data scientists have budgets.")
    if extended and not protection.extended_allowed:
        raise Refused("This dataset gives complete answers only.")
    with execution.agreed(protection), transaction.atomic():
        locked = Protection.objects.select_for_update().get(pk=protection.pk)
        if locked.budgets.filter(scientist=scientist).exists():
            raise Conflict(f"{scientist} has a budget already. Change that one.")
        mu = equal_share(locked) if epsilon is None else _mu(epsilon, locked.noise_delta)
        ledger.must_fit(locked, mu)
        budget = Budget.objects.create(protection=locked, scientist=scientist, mu=mu, extended=extended)
        log.record(
            "budget.given",
            by=by,
            on=budget,
            dataset_id=locked.dataset_id,
            person_id=scientist.pk,
            changes={"mu": (None, mu)},
            extended=extended,
        )
        news.budget_given(budget, by=by)
    return budget


def close_budget(budget: Budget, *, by: User, reason: str) -> Budget:
    """End a scientist's share. What was spent stays spent."""
    require(rules.manage_budget, by, budget)
    with transaction.atomic():
        locked = Budget.objects.select_for_update().get(pk=budget.pk)
        if locked.closed_at is not None:
            raise Conflict("This budget is closed already.")
        locked.closed_at = timezone.now()
        locked.save(update_fields=["closed_at"])
        log.record(
            "budget.closed",
            by=by,
            on=locked,
            dataset_id=budget.protection.dataset_id,
            person_id=budget.scientist_id,
            reason=reason[:500],
        )
        news.budget_closed(locked, by=by)
    return locked


def change_budget(budget: Budget, *, by: User, epsilon: float) -> Budget:
    """Give a scientist another share of the same promise; what was used stays used."""
    require(rules.enlarge, by, budget)
    return execution.change_share(budget, _mu(epsilon, budget.protection.noise_delta), by=by)


def _mu(epsilon: float, delta: float) -> float:
    try:
        return noise_mu(epsilon, delta)
    except ValueError as outside:
        raise Refused(str(outside)) from outside


# More for a scientist


def ask_top_up(budget: Budget, *, by: User, epsilon: float, reason: str) -> TopUp:
    """Ask the owner for a larger share."""
    require(rules.ask_top_up, by, budget)
    if not reason.strip():
        raise Refused("Say what you need it for.")
    mu = _mu(epsilon, budget.protection.noise_delta)
    if mu <= budget.mu:
        raise Refused("That is not more than you have.")
    with transaction.atomic():
        made = TopUp.objects.create(budget=budget, epsilon=epsilon, reason=reason)
        _record("top_up.asked", made, by=by)
        news.top_up_asked(made)
    return made


def decide_top_up(top_up: TopUp, *, by: User, grant: bool, note: str = "") -> TopUp:
    """Grant a larger share or refuse it; a refusal says why."""
    require(rules.decides_top_up, by, top_up)
    if not grant:
        if not note.strip():
            raise Refused("Say why not.")
        with transaction.atomic():
            return _decide(top_up, by=by, grant=False, note=note)
    budget = top_up.budget
    require(rules.holder_is_scientist, by, budget)
    mu = _mu(top_up.epsilon, budget.protection.noise_delta)
    execution.change_share(budget, mu, by=by, also=lambda _: _decide(top_up, by=by, grant=True, note=note))
    return TopUp.objects.get(pk=top_up.pk)


def _decide(top_up: TopUp, *, by: User, grant: bool, note: str) -> TopUp:
    """Within a transaction: a share grows with the decision that grants it, or both do not happen."""
    locked = TopUp.objects.select_for_update().get(pk=top_up.pk)
    if locked.state != TopUp.State.PENDING:
        raise Conflict("This request has been decided already.")
    locked.state = TopUp.State.GRANTED if grant else TopUp.State.DENIED
    locked.decided_by, locked.decided_at, locked.decision_note = by, timezone.now(), note
    locked.save(update_fields=["state", "decided_by", "decided_at", "decision_note"])
    _record("top_up.granted" if grant else "top_up.denied", locked, by=by)
    news.top_up_decided(locked)
    return locked


def _record(action: str, top_up: TopUp, *, by: User) -> None:
    budget = top_up.budget
    log.record(
        action,
        by=by,
        on=top_up,
        dataset_id=budget.protection.dataset_id,
        person_id=budget.scientist_id,
        epsilon=top_up.epsilon,
    )


# The ledger leaves as a file


def note_export(protection: Protection, *, by: User, wanted: dict[str, str]) -> None:
    """Say in the log that somebody took the ledger with them."""
    require(rules.read_ledger, by, protection)
    with transaction.atomic():
        log.record("ledger.exported", by=by, on=protection, dataset_id=protection.dataset_id, wanted=wanted)
