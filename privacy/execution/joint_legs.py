"""This portal's part of a joint question: commit, open, measure, charge people, draw noise, hand over. In that order.

It is charged as an answer is, under the same advisory lock, and takes a public time. What it computes is no answer: the
unmasked vector is in the memory of this one call and nowhere else. `finish` masks and stores it, so it never leaves
this portal unmasked. Nothing that is stored serves a second round, and noise is never drawn twice for one charge.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from common.locks import one_at_a_time
from datasets.models import Revision, Table
from privacy import rules
from privacy.declarations import engine_table, plans_for, row_of, spec_of
from privacy.engine import joint_release
from privacy.engine.joint_release import Vector
from privacy.engine.language.query import Query
from privacy.engine.language.schema import QueryRefused, TableSpec
from privacy.engine.measure.contributions import ONE
from privacy.engine.release import SortedTable, measure
from privacy.execution import opening, preparation, settling
from privacy.execution.questions import seconds_for
from privacy.ledgers import budget_ledger, person_ledger
from privacy.ledgers.joint_lines import purpose_of
from privacy.ledgers.person_ledger import SubjectLedger, open_ledger
from privacy.models import Budget, LedgerLine, Promise

FINISHING = 0.05
"""Seconds for masks, a signature and storing them, which is done before the public time has come."""
OTHER_ROWS = "A table that is mapped keeps its people and rows, in their order."


class Kind(StrEnum):
    """How a call ended."""

    COMPUTED = "computed"
    GIVEN_BACK = "given back"
    LEFT_ALONE = "left alone"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call ended. `reason`: why its charge was given back."""

    kind: Kind
    reason: str = ""


COMPUTED, LEFT_ALONE = Ended(Kind.COMPUTED), Ended(Kind.LEFT_ALONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegWork:
    """One round of a joint question, and the rows of this portal that it is about.

    `line`: its reservation (services.joint_charges). `query` and `spec`: of the study. `table`: the portal's own, of
    `revision`. `wanted`: the own columns that are read. `mapped`: converts own rows to rows of the study's table, each
    by itself, so that what a person adds depends on their own rows alone. `share`: noise to add, in units. `h`: how
    many portals the owner counts on. `note`: names the question and its round; nobody is charged twice for it.
    """

    budget: Budget
    line: LedgerLine
    revision: Revision
    query: Query
    spec: TableSpec
    table: Table
    wanted: frozenset[str]
    mapped: Callable[[SortedTable], SortedTable]
    share: int
    h: int
    note: str


def compute(work: LegWork, *, still: Callable[[], bool], finish: Callable[[Vector, datetime], None]) -> Ended:
    """Compute this portal's vector, once, and hand it to `finish` with the public time at which it may be told.

    `still`: whether it is still to be computed, asked under the lock: nobody else has begun. `finish` masks and stores
    the vector, in the transaction that notes the charge as applied. The call ends at the public time, also if it fails
    once the charge is final; then it raises, and the caller calls the round lost.
    """
    with one_at_a_time(work.budget.promise.dataset_id):
        try:
            prepared = _Prepared.of(work)
        except QueryRefused as refused:
            return _give_back(work, str(refused)) if still() else LEFT_ALONE
        begun = timezone.now()
        if not still():
            return LEFT_ALONE
        if why := rules.may_be_answered(prepared.budget):
            return _give_back(work, why)
        budget_ledger.must_be_whole()
        with open_ledger(opening.folder_of(prepared.budget.promise)) as ledger:
            if why := _refusal(work, prepared.budget, ledger):
                return _give_back(work, why)
            seconds = prepared.seconds(work) + FINISHING
            line = opening.final(work.line, begun=begun)
            return prepared.run(work, line, ledger, Turn(begun, seconds), finish)


@dataclass(frozen=True, slots=True)
class Turn:
    """When a turn began, and the public time for it in seconds."""

    begun: datetime
    seconds: float


def _refusal(work: LegWork, budget: Budget, ledger: SubjectLedger) -> str:
    """Return why the two ledgers do not allow the charge, or an empty string. The last chance to give it back."""
    if why := opening.disagreement(budget, ledger):
        return why
    if ledger.has_noted(work.note.encode()):
        return person_ledger.NOTED
    if not _is_charged_by(work):
        return "What was prepared differs from what was charged. Ask again."
    if work.line.units != joint_release.units_of(work.share, work.h, budget.mu_squared):
        return "The budget has changed since this was prepared. Ask again."
    opening.agree(budget, ledger)
    if budget.may_leave_out or budget_ledger.rests_on_constants(budget):
        return rules.MAY_LEAVE_OUT
    return ""


def _is_charged_by(work: LegWork) -> bool:
    """Return whether the line pays for this very work: people are charged for what is computed."""
    paid = purpose_of(work.line)
    asked = (work.query, work.share, work.h, work.revision.pk, work.table.name)
    is_paid = asked == (paid.query, paid.share, paid.h, paid.revision, paid.table)
    return is_paid and work.table.revision_id == work.revision.pk


def _give_back(work: LegWork, why: str) -> Ended:
    budget_ledger.void(work.line, by=User.objects.system())
    return Ended(Kind.GIVEN_BACK, why)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """What a turn needs, with the table sorted and the passes compiled."""

    budget: Budget
    own: TableSpec

    @staticmethod
    def of(work: LegWork) -> "_Prepared":
        """Check the question again, and do what is needed once per revision. Raises QueryRefused."""
        budget = Budget.objects.select_related("promise__dataset", "scientist").get(pk=work.budget.pk)
        joint_release.check(work.query, work.spec)
        own = spec_of(work.table, budget.promise.constants)
        preparation.sort(budget.promise, work.table, plans_for(own))
        rehearsed = measure(work.query, _mapped(work, row_of(own)), worst_case=1)
        for active in (None, np.ones(1, dtype=np.bool_)):
            joint_release.noisy_vector(rehearsed, ONE, active)
        person_ledger.rehearse()
        return _Prepared(budget=budget, own=own)

    def seconds(self, work: LegWork) -> float:
        """Return the public time of the turn, in seconds."""
        return seconds_for(
            work.query,
            work.spec,
            joint_release.check(work.query, work.spec),
            table=work.table,
            own=self.own,
            promise=self.budget.promise,
            mapped=len(work.wanted),
        )

    def run(
        self,
        work: LegWork,
        line: LedgerLine,
        ledger: SubjectLedger,
        turn: Turn,
        finish: Callable[[Vector, datetime], None],
    ) -> Ended:
        """Compute after the charge `line`, until the public time."""
        promise = self.budget.promise
        try:
            vector = self._vector(work, line, ledger)
            at, doublings = opening.due(promise, turn.begun, turn.seconds, ahead=FINISHING)
            with transaction.atomic():
                locked = Promise.objects.select_for_update().get(pk=promise.pk)
                settling.apply(locked, line)
                settling.double(locked, doublings, at)
                finish(vector, at)
        except BaseException:
            settling.sleep_until(opening.due(promise, turn.begun, turn.seconds)[0])
            raise
        settling.sleep_until(at)
        return COMPUTED

    def _vector(self, work: LegWork, line: LedgerLine, ledger: SubjectLedger) -> Vector:
        """Measure, charge each person, and draw noise."""
        budget = self.budget
        store = opening.open_columns(budget, line, work.table, plans_for(self.own), wanted=work.wanted)
        measured = measure(
            work.query, _mapped(work, engine_table(store, self.own)), worst_case=work.line.units
        )
        active = ledger.charge(
            budget.pk,
            ledger.places(store.digests, name=store.listing, owed=opening.owed(budget.promise)),
            measured.charges,
            line=line.pk,
            note=work.note.encode(),
        )
        return joint_release.noisy_vector(measured, work.share, None if active.all() else active)


def _mapped(work: LegWork, own: SortedTable) -> SortedTable:
    """Convert own rows to the study's. Raises ValueError if people or rows were not kept."""
    found = work.mapped(own)
    if found.rows.table != work.spec or not np.array_equal(found.offsets, own.offsets):
        raise ValueError(OTHER_ROWS)
    for values in found.rows.columns.values():  # as stored columns are: Numba compiles separately for others
        values.numbers.flags.writeable = values.valid.flags.writeable = False
    return found
