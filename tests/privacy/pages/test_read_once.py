"""To price and to ask a question, its dataset's declarations are read once."""

import re
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from privacy.models import Budget
from privacy.services import questions
from privacy.views import price_panel
from tests import make
from tests.makers import privacy as shares

pytestmark = pytest.mark.django_db
QUESTION = {"source": "sql", "sql": shares.PEOPLE_COUNTED, "goal": "epsilon", "epsilon": "0.3"}
DECLARED = ("datasets_table", "datasets_column")


@pytest.fixture
def budget() -> Budget:
    made = shares.budget()
    make.grant(made.promise.dataset, made.scientist)
    return made


@pytest.fixture
def agreed(budget: Budget) -> str:
    quoted = questions.quote(
        budget, questions.read_sql(budget, shares.PEOPLE_COUNTED).query, by=budget.scientist, epsilon=0.3
    )
    return price_panel.agreement(quoted)


def reads(
    client: Client, name: str, budget: Budget, data: dict[str, Any] | None, status: int
) -> Counter[str]:
    """How often a page reads the published revision, and each table of declarations."""
    client.force_login(budget.scientist, backend="django.contrib.auth.backends.ModelBackend")
    path = reverse(name, args=[budget.pk])
    with CaptureQueriesContext(
        connection,
    ) as caught:
        answer = client.get(path) if data is None else client.post(path, data)
    assert answer.status_code == status
    tables = [re.match(r'SELECT "(\w+)"\."id"', query["sql"]) for query in caught]
    return Counter(table[1] for table in tables if table and table[1].startswith("datasets_"))


ONCE = {"datasets_revision": 1, "datasets_table": 1, "datasets_column": 1}


def test_the_page_reads_them_once(client: Client, budget: Budget):
    assert reads(client, "privacy:ask", budget, None, 200) == ONCE


def test_a_price_reads_them_once(client: Client, budget: Budget):
    assert reads(client, "privacy:price", budget, QUESTION, 200) == ONCE


def test_a_question_reads_them_once(client: Client, budget: Budget, agreed: str):
    asked = {**QUESTION, "then": "ask", "agreed": agreed, "key": str(uuid4())}
    assert reads(client, "privacy:ask", budget, asked, 302) == ONCE
