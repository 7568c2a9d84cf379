"""The demo's automatic lane: promises for both datasets, budgets, and a few real answers.

The wage panel has too few people for code that answers in blocks; the health survey has enough.
"""

import uuid
from typing import Any

from accounts.models import User
from datasets.models import Dataset
from portal.demo import people
from privacy import services
from privacy.engine.language import sql_text
from privacy.engine.language.expressions import Column, Compare, Constant, In
from privacy.engine.language.query import CountSubjects, Mean, Query
from privacy.execution import lifecycle
from privacy.models import Answer, Budget, Promise
from privacy.services import questions

PANEL_SIZE, SURVEY_SIZE = 545, 1_600
NAMESPACE = uuid.UUID("6f7a52d4-3a1b-4a0e-9c55-0d2f4cf2b9a2")
IN_1987 = Compare("=", Column("year"), Constant(1987.0))
QUESTIONS = (
    (Query(table="wages", measure=CountSubjects(), where=In("union", ("1",))), 0.16),
    (Query(table="wages", measure=CountSubjects(), by=("occupation",)), 0.55),
    (Query(table="wages", measure=Mean(Column("lwage")), where=IN_1987, rows=1), 0.45),
    (Query(table="wages", measure=Mean(Column("educ"), per_subject=True)), 0.4),
)
"""What Mei-Ling asks, and the epsilon of each answer. In one year everybody has one row: stating so (rows=1) makes the
answer eight times as exact."""


def play(panel: Dataset, survey: Dataset) -> None:
    """Create everything that is still missing."""
    promise = promised(panel, epsilon=3.0, public_size=PANEL_SIZE, constants=["black", "hisp"], scientists=3)
    about_survey = promised(survey, epsilon=6.0, public_size=SURVEY_SIZE, constants=[], scientists=2)
    budgeted(about_survey, people.find(people.MEI))
    mei, yusuf = (budgeted(promise, people.find(one)) for one in (people.MEI, people.YUSUF))
    for query, epsilon in QUESTIONS:
        _answered(mei, query, epsilon)
    if not yusuf.top_ups.exists():
        services.ask_top_up(
            yusuf,
            by=yusuf.scientist,
            epsilon=2.0,
            reason="Four regions and eight years: with my budget, each mean would be off by a fifth.",
        )


def promised(dataset: Dataset, **made: Any) -> Promise:
    """Return the dataset's promise; make this one if there is none."""
    found = Promise.objects.filter(dataset=dataset).first()
    return services.protect(dataset, by=dataset.owner, **made) if found is None else found


def budgeted(promise: Promise, scientist: User) -> Budget:
    """Return the scientist's budget; give one if there is none."""
    found = promise.budgets.filter(scientist=scientist).first()
    if found is None:
        found = services.give_budget(promise, scientist, by=promise.dataset.owner)
    return found


def _answered(budget: Budget, query: Query, epsilon: float) -> Answer:
    """Ask a question and compute its answer here, unless a worker was quicker."""
    by = budget.scientist
    quoted = questions.quote(budget, query, by=by, epsilon=epsilon)
    key = uuid.uuid5(NAMESPACE, f"{budget.pk} {questions.digest_of(query)}")
    answer = questions.ask(budget, quoted, key=key, by=by, text=sql_text.write(query, quoted.spec))
    lifecycle.compute(str(answer.pk))
    return answer
