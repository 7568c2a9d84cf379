"""Services for the promise of a dataset: make it, publish row counts, note exports of its ledger."""

from django.db import transaction

from accounts.models import User
from audit import log
from common import commit
from common.access import require
from common.errors import Conflict, Refused
from common.rows import locked as locked_row
from datasets.models import Dataset
from datasets.queries import current_revision
from privacy import rules, tasks
from privacy.declarations import domain_for, specs_of
from privacy.models import Promise
from privacy.services.budgets import mu_for

MAX_ROWS = 10**12


def usual_delta(public_size: int) -> float:
    """Return a delta that is small compared with one person in the dataset: min(1e-6, 1 / (10 n))."""
    return min(1e-6, 1 / (10 * public_size))


def threshold_delta(delta: float) -> float:
    """Return the part of a promise's delta that is kept for undeclared values: half."""
    return delta / 2


def protect(  # noqa: PLR0913 -- a promise has this many parts, each named at the call
    dataset: Dataset,
    *,
    by: User,
    epsilon: float,
    public_size: int,
    constants: list[str],
    scientists: int = 3,
    extended_allowed: bool = False,
    undeclared_values: bool = False,
    public_rows: dict[str, int] | None = None,
) -> Promise:
    """Let a dataset answer automatically, within one promise for everybody together and for ever.

    Raises Denied, Conflict when it has a promise, and Refused when a part of it is out of range.
    """
    require(rules.may_protect, by, dataset)
    if hasattr(dataset, "promise"):
        raise Conflict("This dataset already has a promise. It cannot be weakened.")
    revision = current_revision(dataset)
    if not 1 <= public_size <= 10**10 or not 1 <= scientists <= 1000:
        raise Refused(
            "Enter about how many people the dataset holds, and how many scientists may share it (1 to 1,000)."
        )
    specs = specs_of(revision, [])
    keys = {name for spec in specs.values() for name, c in spec.columns.items() if c.is_key}
    if unknown := sorted(set(constants) - keys):
        raise Refused(
            f"“{unknown[0][:100]}” has no declared categories: it cannot tell groups of people apart."
        )
    delta = usual_delta(public_size)
    kept = threshold_delta(delta) if undeclared_values else 0.0
    domain = domain_for(revision, constants)
    with transaction.atomic():
        made = Promise.objects.create(
            dataset=dataset,
            epsilon=epsilon,
            delta=delta,
            mu=mu_for(epsilon, delta - kept),
            threshold_delta=kept,
            scientists=scientists,
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
            seats=scientists,  # as in older entries
        )
        commit.after(tasks.prepare_columns.delay, str(made.pk))
    return made


def publish_rows(promise: Promise, rows: dict[str, int], *, by: User) -> Promise:
    """Publish about how many rows each table holds. Errors are quoted from it; the promise does not depend on it."""
    require(rules.is_owner, by, promise)
    tables = set(specs_of(current_revision(promise.dataset), promise.constants))
    with transaction.atomic():
        locked = locked_row(promise)
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
    """Check public numbers of rows. Raises Refused for an unknown table or a number out of range."""
    if not set(rows) <= tables or not all(1 <= number <= MAX_ROWS for number in rows.values()):
        raise Refused("Enter about how many rows each table holds, or leave it empty.")
    return dict(rows)


def note_export(promise: Promise, *, by: User, wanted: dict[str, str]) -> None:
    """Record in the audit log that somebody exported the ledger."""
    require(rules.may_read_ledger, by, promise)
    with transaction.atomic():
        log.record("ledger.exported", by=by, on=promise, dataset_id=promise.dataset_id, wanted=wanted)
