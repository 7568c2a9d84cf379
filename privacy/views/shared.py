"""Lookups and context shared by the pages of automatic answers."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from common.http import UserRequest, found
from datasets.models import Dataset
from datasets.queries import waiting_access
from datasets.rules import is_dataset_owner
from privacy import rules
from privacy.engine.accounting import noise_epsilon
from privacy.execution.opening import last_moment, next_moment
from privacy.models import Answer, Budget
from privacy.presentation import words
from privacy.queries import budgets_of, share_of
from privacy.shares import percent

WIDTHS = {"wide": 760, "narrow": 350}
"""Of a chart, in its own units, for wide and for narrow windows."""


def the_budget(request: UserRequest, pk: UUID) -> Budget:
    """Return a budget that this person may see; 404 otherwise."""
    return found(budgets_of(request.user), pk=pk)


def tabs(request: UserRequest, dataset: Dataset) -> dict[str, object]:
    """Return the template context of the tabs on a dataset's pages."""
    owns = is_dataset_owner(request.user, dataset) is None
    return {
        "dataset": dataset,
        "owns": owns,
        "tab": "answers",
        "asking": waiting_access(dataset) if owns else 0,
    }


def the_answer(request: UserRequest, pk: UUID) -> Answer:
    """Return an answer that this person may see; 404 otherwise."""
    rows = Answer.objects.visible_to(request.user).select_related(
        "budget__promise__dataset__owner", "budget__scientist", "revision", "line"
    )
    return found(rows, pk=pk)


def cost(answer: Answer) -> str:
    """Return what an answer cost, as a percentage of the budget as it is now."""
    return percent(share_of(answer))


def late(item: Answer) -> datetime | None:
    """Return when an answer that was not told at its deadline may be told next; None before."""
    begun, deadline = item.begun_at, item.deadline
    if not begun or not deadline or deadline > timezone.now():
        return None
    return min(next_moment(begun, deadline)[0], last_moment(item.kind, begun, deadline))


def about(request: UserRequest, item: Answer, *, is_own: bool) -> dict[str, Any]:
    """Return the template context of an answer that does not depend on its kind."""
    promise = item.budget.promise
    return {
        "answer": item,
        "budget": item.budget,
        "dataset": promise.dataset,
        "cost": cost(item),
        "epsilon": words.sized(noise_epsilon(item.mu, promise.noise_delta), up=True),
        "delta": words.tiny(promise.delta),
        "mu": words.sized(item.mu, 4, up=True),
        "noise": words.sized(item.sigma / 2**30, 4),
        "is_own": is_own,
        "ask_refusal": rules.may_ask(request.user, item.budget) if is_own else None,
    }
