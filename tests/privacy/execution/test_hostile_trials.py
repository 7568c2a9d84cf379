"""Trials of code that is hostile to them: what it answers and says, and whoever stops them."""

from dataclasses import replace

import pytest

from privacy.engine.language.code import Ball, CodeQuestion
from privacy.engine.language.schema import LARGEST_VALUE
from privacy.execution import code_trials
from privacy.models import CodeTrial
from privacy.services import code_answers
from tests.makers import block_runner
from tests.makers import blocks as make_code
from tests.makers.blocks import MEAN

pytestmark = pytest.mark.django_db


@pytest.fixture
def budget(settings, monkeypatch):
    return make_code.budget(settings, monkeypatch)


def tried(budget, question):
    trial = code_answers.try_out(budget, question, by=budget.scientist, epsilon=5.0)
    code_trials.run_trial(str(trial.pk))
    trial.refresh_from_db()
    return trial


def test_answers_whose_squares_no_float_can_hold_are_reported(budget, monkeypatch):
    monkeypatch.setattr(block_runner, "answer", lambda block, number: [-1e308])
    box = tried(budget, MEAN)
    assert box.state == CodeTrial.State.DONE
    assert box.report["whole"] == pytest.approx([-LARGEST_VALUE])
    assert box.report["error"] == pytest.approx([LARGEST_VALUE])
    monkeypatch.setattr(block_runner, "answer", lambda block, number: [1e308, 1e308])
    code = "def main(t):\n    return [1e308, 1e308]\n"
    ball = tried(budget, CodeQuestion(table="wages", code=code, shape=Ball(size=2, radius=1.0)))
    assert (ball.state, ball.report["clamped"]) == (CodeTrial.State.DONE, 1.0)


def test_tracebacks_are_stored_whatever_is_in_them(budget, monkeypatch):
    run = block_runner.run

    def saying(*given, **named):
        answers, report = run(*given, **named)
        return answers, replace(report, tracebacks=("ValueError: a\0b",))

    monkeypatch.setattr(block_runner, "run", saying)
    monkeypatch.setattr(block_runner, "answer", lambda block, number: [0.5])
    trial = tried(budget, MEAN)
    assert trial.state == CodeTrial.State.DONE
    assert trial.report["tracebacks"][0] == "ValueError: a\ufffdb"


def test_a_stopped_trial_gives_its_worker_back(budget, monkeypatch):
    def stopping(block, number):
        for trial in CodeTrial.objects.all():
            code_answers.stop_trial(trial)
        return [0.5]

    monkeypatch.setattr(block_runner, "answer", stopping)
    trial = tried(budget, MEAN)
    assert (trial.state, trial.report["why"]) == (CodeTrial.State.FAILED, "You have stopped this trial.")
    assert len(block_runner.calls) == 1
