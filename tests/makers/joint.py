"""A study's table, and this portal's part of joint questions about it, for tests."""

from typing import Any
from uuid import UUID, uuid4

import numpy as np

from privacy.engine.language.query import CountSubjects, Query
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.engine.measure.contributions import ONE
from privacy.engine.measure.evaluate import Rows, Values
from privacy.engine.release import SortedTable
from privacy.execution.joint_legs import LegWork
from privacy.models import Budget, LedgerLine
from privacy.services import joint_charges

AREAS = ("coast", "hills", "plain")
STUDY = TableSpec(
    name="pay",
    subject="who",
    max_rows=4,
    columns={
        "thousands": ColumnSpec(name="thousands", kind=Kind.NUMBER, lower=0.0, upper=50.0),
        "area": ColumnSpec(name="area", kind=Kind.CATEGORY, labels=AREAS),
    },
)
BY_AREA = Query(table="pay", measure=CountSubjects(), by=("area",))
PLAN = "0123456789abcdef" * 4
SHARE = 20 * ONE
"""With h = 1, a small part of a budget of epsilon 40."""


def mapped(own: SortedTable) -> SortedTable:
    """East is the coast, north the hills, west the plain; wages in thousands."""
    wage, region = own.rows.columns["wage"], own.rows.columns["region"]
    columns = {
        "thousands": Values(np.asarray(wage.numbers, dtype=np.float64) / 1000, wage.valid),
        "area": region,
    }
    return SortedTable(rows=Rows(STUDY, columns, own.rows.length), offsets=own.offsets, digests=own.digests)


def reserved(
    budget: Budget, query: Query = BY_AREA, *, share: int = SHARE, h: int = 1, keys: list[UUID] | None = None
) -> list[LedgerLine]:
    """Reserve the rounds of a joint question in this portal: one, or one for each key."""
    revision = budget.promise.dataset.current
    assert revision is not None
    return joint_charges.reserve(
        Budget.objects.get(pk=budget.pk),
        query=query,
        share=share,
        h=h,
        plan_sha256=PLAN,
        table=revision.tables.get(),
        keys=keys or [uuid4()],
        by=budget.scientist,
    )


def leg(line: LedgerLine, query: Query = BY_AREA, **changed: Any) -> LegWork:
    """This portal's part of the round that a line has reserved."""
    revision = line.budget.promise.dataset.current
    assert revision is not None
    joint = line.purpose["joint"]
    work = {
        "budget": line.budget,
        "line": line,
        "revision": revision,
        "query": query,
        "spec": STUDY,
        "table": revision.tables.get(),
        "wanted": frozenset({"wage", "region"}),
        "mapped": mapped,
        "share": joint["share"],
        "h": joint["h"],
        "note": f"{joint['plan_sha256']}|{joint['round']}",
    }
    return LegWork(**{**work, **changed})
