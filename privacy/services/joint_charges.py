"""Charges for this portal's part of a joint question: reserved when the portals prepare it, given back when it ends."""

from collections.abc import Sequence
from uuid import UUID

import numpy as np

from accounts.models import User
from common.access import require
from common.errors import Conflict, Refused
from datasets.models import Table
from privacy import rules
from privacy.engine.joint_release import MIN_SHARE, units_of
from privacy.engine.language.query import Query
from privacy.engine.language.schema import QueryRefused
from privacy.engine.plan.pricing import TOO_EXACT
from privacy.ledgers import budget_ledger
from privacy.ledgers.joint_lines import JointPurpose
from privacy.models import Budget, LedgerLine

OTHER_CHARGE = "This idempotency key was used for another charge. Use a new key."
NOT_JOINT = "This line pays for no part of a joint question."


def reserve(  # noqa: PLR0913 -- a charge has this many parts, each named at the call
    budget: Budget,
    *,
    query: Query,
    share: int,
    h: int,
    plan_sha256: str,
    table: Table,
    keys: Sequence[UUID],
    by: User,
) -> list[LedgerLine]:
    """Reserve the charges of all rounds of a joint question, or none. Returns a line for each key, a round each.

    `query`: about the study's table; `table`: this portal's own, of the published revision. `share`: the noise that
    each portal adds, in units. `h`: how many portals the owner counts on, this one included. All public cells are
    charged, because the condition is about columns of the study. The same keys return the same lines.

    Raises Denied, Refused, BudgetExceeded or Conflict, as `budget_ledger.reserve_all` does, and QueryRefused for too
    little noise.
    """
    require(rules.may_ask_jointly, by, budget)
    if budget_ledger.rests_on_constants(budget):
        raise Refused(rules.MAY_LEAVE_OUT)
    if share < MIN_SHARE:
        raise QueryRefused(TOO_EXACT)
    purposes = [
        JointPurpose(
            plan_sha256=plan_sha256,
            round=number,
            share=share,
            h=h,
            revision=table.revision_id,
            table=table.name,
            query=query,
        ).written
        for number in range(len(keys))
    ]
    known = LedgerLine.objects.filter(budget=budget, key__in=keys)
    earlier = {line.key: line.purpose for line in known}
    if any(earlier.get(key, purpose) != purpose for key, purpose in zip(keys, purposes, strict=True)):
        raise Conflict(OTHER_CHARGE)
    wanted = [
        budget_ledger.Reservation(
            units=units_of(share, h, budget.mu_squared),
            cells=np.ones(budget.promise.cells.size, dtype=np.bool_),
            key=key,
            purpose=purpose,
            revision=table.revision,
        )
        for key, purpose in zip(keys, purposes, strict=True)
    ]
    return budget_ledger.reserve_all(budget, wanted, by=by)


def void(line: LedgerLine, *, by: User) -> LedgerLine:
    """Give back what a round has reserved, once no worker can open the data for it. `line`: the reservation.

    Raises Conflict when it is settled already, and Refused for a line that pays for no joint question.
    """
    if not line.is_joint:
        raise Refused(NOT_JOINT)
    return budget_ledger.void(line, by=by)


def keep(line: LedgerLine, *, by: User) -> LedgerLine:
    """Make the charge of a round final without computing it: before a restore, its part may have been sent.

    Raises Conflict when it is settled already, and Refused for a line that pays for no joint question.
    """
    if not line.is_joint:
        raise Refused(NOT_JOINT)
    return budget_ledger.commit(line, by=by, kept=True)
