"""Code tried and answered through the real sandbox."""

from uuid import uuid4

import pytest

from common import code_environments
from privacy.engine.language.code import Ball, Box, CodeQuestion
from privacy.execution import code_answers as running
from privacy.execution import code_trials
from privacy.models import Answer, BlockReport, CodeTrial
from privacy.services import code_answers
from tests import make
from tests.makers import environment_folders, environments
from tests.makers import privacy as shares
from tests.makers.datasets import wage_rows

pytestmark = pytest.mark.django_db

PEOPLE = 900


@pytest.fixture
def budget():
    data, scientist = make.dataset(rows=wage_rows(people=PEOPLE, years=2)), make.scientist()
    make.grant(data, scientist)
    promise = shares.promise(data, epsilon=50.0)
    promise.public_size = PEOPLE
    promise.save()
    return shares.budget(promise, scientist, epsilon=40.0)


def tried(budget, question, epsilon=20.0):
    trial = code_answers.try_out(budget, question, by=budget.scientist, epsilon=epsilon)
    code_trials.run_trial(str(trial.pk))
    return CodeTrial.objects.select_related("budget__promise__dataset", "revision").get(pk=trial.pk)


def answered(trial):
    quote = code_answers.quote(trial, by=trial.budget.scientist)
    answer = code_answers.ask(quote, key=uuid4(), by=trial.budget.scientist)
    running.compute(str(answer.pk))
    answer.refresh_from_db()
    return answer


def test_a_box_is_tried_and_answered(budget):
    code = "def main(t):\n    assert str(t.region.dtype) == 'category'\n    return {}\n"
    code = code.format("[t.wage.mean(), t.groupby('person').size().mean()]")
    shape = Box(names=("wage", "rows"), lower=(0.0, 0.0), upper=(50_000.0, 4.0), method="mean")
    trial = tried(budget, CodeQuestion(table="wages", code=code, shape=shape))
    report = code_answers.report_of(trial)
    assert (trial.state, report.why, report.failed, report.late) == ("done", "", 0, 0), report.tracebacks
    assert len(report.whole) == len(report.bias) == len(report.error) == len(report.quartiles) == 2
    assert report.slot <= 1.0
    answer = answered(trial)
    assert answer.state == Answer.State.RELEASED
    wage, rows = (line["figures"][0] for line in answer.result["lines"])
    assert abs(wage["value"] - 7_300) < 2.5 * wage["half_width"] + 1_000
    assert abs(rows["value"] - 2) < 2.5 * rows["half_width"] + 0.3
    assert BlockReport.objects.get(answer=answer).ends == {"ok": trial.blocks}
    assert (answer.visible_at - answer.begun_at).total_seconds() >= trial.blocks * report.slot


def test_code_in_another_environment(budget, settings, tmp_path):
    default = code_environments.get().path
    (tmp_path / "default").symlink_to(default)
    environment_folders.beside(default, tmp_path)
    settings.ENVIRONMENTS = tmp_path
    environments.offered()
    code = f"from {environment_folders.PACKAGE} import VALUE\ndef main(t):\n    return VALUE\n"
    shape = Box(names=("value",), lower=(0.0,), upper=(1.0,), method="mean", halves=False)
    question = CodeQuestion(table="wages", code=code, shape=shape, environment=environment_folders.NAME)
    trial = tried(budget, question, epsilon=5.0)
    report = code_answers.report_of(trial)
    assert (report.why, report.failed, report.whole) == ("", 0, [0.75]), report.tracebacks
    assert report.environment_sha256 == environment_folders.SHA256


def test_a_model_in_rounds(budget):
    code = (
        "import numpy as np\n"
        "def main(t, state):\n"
        "    x = np.column_stack([np.ones(len(t)), (t.year - 1990) / 10])\n"
        "    y = t.wage.fillna(0) / 50_000\n"
        "    return -(x.T @ (x @ state - y)) / len(t)\n"
    )
    rounds = Ball(size=2, radius=1.0, rounds=2)
    trial = tried(budget, CodeQuestion(table="wages", code=code, shape=rounds), epsilon=30.0)
    assert trial.state == "done", trial.report
    answer = answered(trial)
    assert len(answer.result["lines"]) == 2


def test_code_that_fails_on_mock_data_shows_where_and_cannot_be_asked(budget):
    shape = Box(names=("x",), lower=(0.0,), upper=(1.0,))
    code = "def main(t):\n    return t.salary.mean()\n"
    trial = tried(budget, CodeQuestion(table="wages", code=code, shape=shape))
    report = code_answers.report_of(trial)
    assert trial.state == "failed"
    assert "salary" in report.tracebacks[0]
    assert "line 2" in report.tracebacks[0]
    rare = "def main(t):\n    assert len(t) > 300 or t.wage.max() < 45000\n    return 0.5\n"
    trial = tried(budget, CodeQuestion(table="wages", code=rare, shape=shape))
    assert trial.state == "done", trial.report
    assert "gave no answer" in code_answers.quote(trial, by=budget.scientist).refusal
