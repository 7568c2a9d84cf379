"""Questions in the worker: what follows from the query and the declarations, before anything is charged."""

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import Q

from datasets.columns import ColumnPlan
from datasets.models import Table
from privacy.declarations import plans_for, row_of, spec_of
from privacy.engine.language.expressions import Node, columns_of
from privacy.engine.language.learning import MIN_STEPS, CategoryFeature, Choice, Fit, SyntheticTable
from privacy.engine.language.query import KeyCounts, Query
from privacy.engine.language.schema import QueryRefused, TableSpec
from privacy.engine.language.wire import decode
from privacy.engine.plan import deadlines
from privacy.engine.plan.caps import is_capped, rows_that_count
from privacy.engine.plan.designs import Design, design
from privacy.engine.release import measure
from privacy.ledgers import person_ledger
from privacy.models import Answer, LedgerLine, Promise

MUCH_NOISE = 2**35
"""Noise that is allowed however many releases are drawn as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What follows from an answer's query and the declarations of its revision: known before anything is charged."""

    query: Query
    table: Table
    spec: TableSpec
    design: Design
    plans: tuple[ColumnPlan, ...]
    wanted: frozenset[str]

    def seconds(self, promise: Promise) -> float:
        """Return the public time for its answer, in seconds."""
        return seconds_for(
            self.query, self.spec, self.design, table=self.table, own=self.spec, promise=promise
        )


def seconds_for(  # noqa: PLR0913 -- each is named at the call
    query: Query,
    spec: TableSpec,
    plan: Design,
    *,
    table: Table,
    own: TableSpec,
    promise: Promise,
    mapped: int = 0,
) -> float:
    """Return the public time to measure a query, in seconds. It is for all stored rows, whatever the cap on rows per
    person. A table's first question takes longer; whether it is the first follows from the charges, which are public.

    `table`: whose rows are read, as `own` declares them. `spec`: the declarations that the query is about, which are
    others if `mapped` columns of the rows are converted first.
    """
    people = promise.public_size
    each = deadlines.seconds(
        query,
        plan,
        people=people,
        rows_per_person=max(query.rows or 1, spec.max_rows, own.max_rows),
        base=settings.ANSWER_SECONDS,
        cut=is_capped(query, spec) and rows_that_count(query, spec) < own.max_rows,
        mapped=mapped,
    )
    return each if _was_asked(table, promise) else each + deadlines.places(people)


def _was_asked(table: Table, promise: Promise) -> bool:
    """Return whether people were charged for a question to this table before."""
    alone = Q(answer__revision=table.revision_id, purpose__query__table=table.name)
    jointly = Q(purpose__joint__revision=str(table.revision_id), purpose__joint__table=table.name)
    charged = LedgerLine.objects.filter(budget__promise=promise, settled_by__kind=LedgerLine.Kind.COMMIT)
    return charged.filter(alone | jointly).exists()


def seconds_after(plan: Design, spec: TableSpec, promise: Promise) -> float:
    """Return the public time from the charge of an answer to its release, in seconds; 0 if both are in its turn."""
    return deadlines.after_charge(
        plan,
        people=promise.public_size,
        rows_per_person=spec.max_rows,
        rows=promise.public_rows.get(spec.name, 0),
    )


def rehearse(question: Question, promise: Promise) -> None:
    """Compile the passes over rows by asking a table of one empty row, because compiling takes seconds and must not add
    to the time for the real rows."""
    table, query = row_of(question.spec), question.query
    if isinstance(query.measure, Fit):  # one step of training is like any other
        query = replace(query, measure=replace(query.measure, steps=MIN_STEPS))
    delta = promise.delta_each or 0.5
    for active in (None, np.ones(1, dtype=np.bool_)):
        measure(query, table, worst_case=1, threshold_delta=delta).release(MUCH_NOISE, active)
    person_ledger.rehearse()


def question_of(answer: Answer) -> Question:
    """Check an answer's query again before it is charged. Raises QueryRefused when it cannot be computed."""
    return question_for(decode(answer.query), answer)


def question_for(query: Query, answer: Answer) -> Question:
    """Return what follows from a query about the revision that an answer is about. Raises QueryRefused."""
    table = answer.revision.tables.prefetch_related("columns").filter(name=query.table).first()
    if table is None:
        raise QueryRefused(f"There is no table “{query.table[:100]}” in this revision.")
    spec = spec_of(table, answer.budget.promise.constants)
    designed, plans = design(query, spec), plans_for(spec)
    wanted = wanted_by(query, spec)
    if missing := sorted(wanted - {plan.name for plan in plans}):
        raise QueryRefused(f"Questions cannot read “{missing[0]}”.")
    return Question(query=query, table=table, spec=spec, design=designed, plans=plans, wanted=wanted)


def wanted_by(query: Query, spec: TableSpec) -> frozenset[str]:
    """Return the columns that a query reads."""
    names = set(query.by)
    if isinstance(query.measure, SyntheticTable):
        names |= set(query.measure.columns)
    for part in (query.where, query.measure):
        names |= _columns_in(part)
    return frozenset(names & set(spec.columns))


def _columns_in(part: Any) -> set[str]:
    """Return the columns that a part of a question names: in expressions, conditions and columns of a measure, and in
    the outcome and the features of a model."""
    if isinstance(part, Node):
        return set(columns_of(part))
    if isinstance(part, tuple):
        return set().union(*map(_columns_in, part))
    if not is_dataclass(part):
        return set()
    named = {part.column} if isinstance(part, KeyCounts | Choice | CategoryFeature) else set()
    return named.union(*(_columns_in(getattr(part, field.name)) for field in fields(part)))
