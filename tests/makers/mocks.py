"""Synthetic tables for mock data, for tests: asked for, or released with figures of their own."""

from typing import Any
from uuid import uuid4

from django.utils import timezone

from datasets.models import SampledMock
from privacy.ledgers import budget_ledger
from privacy.models import Answer, Promise
from privacy.services import sampled_mocks

RESULT: dict[str, Any] = {
    "by": ["column", "value"],
    "lines": [{"key": ["region", "west"], "figures": [{"name": "share", "value": 1.0, "half_width": 0.1}]}],
    "table": {
        "people": 30.0,
        "focus": None,
        "columns": [
            {
                "name": "region", "kind": "category", "edges": [], "labels": ["east", "north", "west"],
                "decimals": None, "missing": True, "unit": "",
            }
        ],
        "root": 0,
        "tree": [],
        "shares": [0.0, 0.0, 1.0, 0.0],
        "pairs": [],
    },
}  # fmt: skip


def waiting(promise: Promise) -> Answer:
    """A synthetic table of regions that no worker has taken yet."""
    return sampled_mocks.make(
        promise, by=promise.dataset.owner, key=uuid4(), table="wages", columns=["region"], bins=4, share=0.05
    )


def released(promise: Promise) -> Answer:
    """A synthetic table in which everybody is in the west."""
    made = waiting(promise)
    if made.state == Answer.State.PENDING:
        budget_ledger.commit(made.line, by=promise.dataset.owner)
    Answer.objects.filter(pk=made.pk).update(state="released", result=RESULT, visible_at=timezone.now())
    return Answer.objects.get(pk=made.pk)


def shown(promise: Promise) -> SampledMock:
    """Mock data that is drawn from it."""
    return sampled_mocks.replace_mock(released(promise), by=promise.dataset.owner)
