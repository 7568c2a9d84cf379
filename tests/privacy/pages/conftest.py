"""What tests of the pages of automatic answers share."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from privacy import services
from privacy.execution import lifecycle
from privacy.models import Answer, Budget
from tests import make
from tests.makers import privacy as shares
from tests.makers.datasets import PEOPLE


@pytest.fixture
def as_() -> Callable[[User], Client]:
    """A client of one's own for each person, so that several can be signed in at once."""

    def signed_in(person: User) -> Client:
        client = Client()
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return signed_in


@pytest.fixture
def scientist(as_: Callable[[User], Client], budget: Budget) -> Client:
    """The client of who has the budget."""
    return as_(budget.scientist)


@pytest.fixture
def page(budget: Budget) -> str:
    """The address at which questions are asked of the budget."""
    return reverse("privacy:ask", args=[budget.pk])


@pytest.fixture(autouse=True)
def quick_ticks(settings: Any) -> None:
    settings.ANSWER_SECONDS = 0.001


@pytest.fixture
def budget() -> Budget:
    """A scientist's budget on a protected dataset, given by its owner."""
    data, scientist = make.dataset(), make.scientist(name="Sam Scientist")
    make.grant(data, scientist)
    made = services.protect(
        data, by=data.owner, epsilon=50, public_size=PEOPLE, constants=["region"], scientists=2
    )
    return services.give_budget(made, scientist, by=data.owner, epsilon=30)


@pytest.fixture
def ask() -> Callable[..., Answer]:
    return shares.answer


@pytest.fixture
def compute() -> Callable[[Answer], Answer]:
    def done(answer: Answer) -> Answer:
        lifecycle.compute(str(answer.pk))
        answer.refresh_from_db()
        return answer

    return done
