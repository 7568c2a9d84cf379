"""Synthetic tables for mock data, for tests: asked for, or released with figures of their own."""

from typing import Any
from uuid import uuid4

from django.utils import timezone

from accounts.models import User
from datasets.models import SampledMock
from privacy.engine.language.learning import SyntheticTable
from privacy.engine.language.query import Query
from privacy.engine.language.wire import encode
from privacy.ledgers import budget_ledger
from privacy.models import Answer, Budget, LedgerLine, Promise
from privacy.services import sampled_mocks


def result(promise: Promise) -> dict[str, Any]:
    """A synthetic table of regions in which everybody is in the last one."""
    assert promise.dataset.current is not None
    (region,) = [each for each in promise.dataset.current.tables.get().columns.all() if each.name == "region"]
    labels = list(map(str, region.categories))
    last = {"name": "share", "value": 1.0, "half_width": 0.1}
    return {
        "by": ["column", "value"],
        "lines": [{"key": ["region", labels[-1]], "figures": [last]}],
        "table": {
            "people": 30.0,
            "focus": None,
            "columns": [
                {
                    "name": "region", "kind": "category", "edges": [], "labels": labels,
                    "decimals": None, "missing": True, "unit": "",
                }
            ],
            "root": 0,
            "tree": [],
            "shares": [*[0.0] * (len(labels) - 1), 1.0, 0.0],
            "pairs": [],
        },
    }  # fmt: skip


WANTED: dict[str, Any] = {"table": "wages", "columns": ["region"], "bins": 4, "share": 0.05}


def waiting(promise: Promise) -> Answer:
    """A synthetic table of regions that no worker has taken yet."""
    return sampled_mocks.make(promise, by=promise.dataset.owner, key=uuid4(), **WANTED)


def released(promise: Promise) -> Answer:
    """A synthetic table in which everybody is in the west."""
    made = waiting(promise)
    if made.state == Answer.State.PENDING:
        budget_ledger.commit(made.line, by=promise.dataset.owner)
    Answer.objects.filter(pk=made.pk).update(
        state="released", result=result(promise), visible_at=timezone.now()
    )
    return Answer.objects.get(pk=made.pk)


def shown(promise: Promise) -> SampledMock:
    """Mock data that is drawn from it."""
    return sampled_mocks.replace_mock(released(promise), by=promise.dataset.owner)


def written(promise: Promise) -> Answer:
    """Write a released synthetic table into the database, whoever owns the dataset by now."""
    budget = Budget.objects.create(promise=promise, scientist=User.objects.system(), mu=0.1)
    line = LedgerLine.objects.create(budget=budget, kind="reserve", units=1, generation=0, cells=b"\xe0")
    return Answer.objects.create(
        budget=budget,
        revision=promise.dataset.current,
        line=line,
        state="released",
        kind="table",
        query=encode(Query(table="wages", measure=SyntheticTable(columns=("region",), bins=4))),
        query_sha256="0" * 64,
        sigma=2**34,
        releases=20,
        mu=0.1,
        visible_at=timezone.now(),
        result=result(promise),
    )


def written_as_shown(promise: Promise) -> SampledMock:
    """Write into the database that mock data is drawn from a synthetic table."""
    return SampledMock.objects.create(
        table=promise.dataset.current.tables.get(), answer=uuid4(), epsilon=0.3, delta=1e-6,
        columns=["region"], by=User.objects.system(),
    )  # fmt: skip
