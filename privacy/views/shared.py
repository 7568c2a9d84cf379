"""Lookups and context shared by the pages of automatic answers."""

from uuid import UUID

from common.http import UserRequest, found
from datasets.models import Dataset
from datasets.queries import waiting_access
from datasets.rules import is_dataset_owner
from privacy.models import Budget
from privacy.queries import budgets_of


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
