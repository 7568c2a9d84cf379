"""What tests of the API of automatic answers share: the fixtures of the pages, and callers."""

import pytest

from privacy.models import Budget
from tests.privacy.api.calling import Caller
from tests.privacy.pages.conftest import as_, ask, budget, compute, quick_ticks

__all__ = ["as_", "ask", "budget", "compute", "quick_ticks"]


@pytest.fixture
def scientist(budget: Budget) -> Caller:
    """The budget's scientist, with a token that reads and asks."""
    return Caller(budget.scientist, "read", "ask")


@pytest.fixture
def owner(budget: Budget) -> Caller:
    """The dataset's owner, with a token that reads and changes budgets."""
    return Caller(budget.promise.dataset.owner, "read", "budgets")
