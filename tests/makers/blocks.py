"""Code run over blocks in this process, for tests: a budget, trials, answers, charges."""

from uuid import uuid4

import numpy as np

from common import code_environments
from privacy.engine.language.code import Box, CodeQuestion
from privacy.execution import code_answers as running
from privacy.execution import code_trials, opening, settling
from privacy.execution.code_trials import Report
from privacy.ledgers.person_ledger import open_ledger
from privacy.models import Budget
from privacy.services import code_answers
from tests import make
from tests.makers import block_runner
from tests.makers import privacy as shares
from tests.makers.datasets import wage_rows

PEOPLE = 1500
MEAN = CodeQuestion(
    table="wages",
    code="def main(t):\n    return [t.wage.mean()]\n",
    shape=Box(names=("wage",), lower=(0.0,), upper=(50_000.0,), method="mean", halves=False),
)


def budget(settings, monkeypatch) -> Budget:
    """Give a budget for 1,500 people whose blocks run in this process, without waiting for public times."""
    settings.BLOCK_RUNNER = "tests.makers.block_runner.run"
    monkeypatch.setattr(
        block_runner, "answer", lambda block, number: [float(np.nanmean(block["wage"].values))]
    )
    monkeypatch.setattr(settling, "sleep_until", lambda at: None)
    block_runner.calls.clear()
    data, scientist = make.dataset(rows=wage_rows(people=PEOPLE, years=2)), make.scientist()
    make.grant(data, scientist)
    promise = shares.promise(data, epsilon=50.0)
    promise.public_size = PEOPLE
    promise.save()
    return shares.budget(promise, scientist, epsilon=40.0)


def tried(budget_, question=MEAN, **price):
    """A trial that has ended, with what it usually finds."""
    trial = code_answers.try_out(budget_, question, by=budget_.scientist, **(price or {"epsilon": 5.0}))
    sha256 = code_environments.get(question.environment).sha256
    code_trials.end(trial, Report(run=40, slot=0.35, start=0.1, people_each=30.0, environment_sha256=sha256))
    trial.refresh_from_db()
    return trial


def asked(budget_, question=MEAN, **price):
    quote = code_answers.quote(tried(budget_, question, **price), by=budget_.scientist)
    return code_answers.ask(quote, key=uuid4(), by=budget_.scientist)


def computed(answer):
    running.compute(str(answer.pk))
    answer.refresh_from_db()
    return answer


def spent(budget_):
    with open_ledger(opening.folder_of(budget_.promise)) as ledger:
        return ledger.spent(budget_.pk)
