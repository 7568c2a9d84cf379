"""Trials of code on mock data: what they find, and how they end."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from privacy import tasks
from privacy.engine.language.code import Ball, CodeQuestion, Votes
from privacy.engine.language.expressions import Column, Compare, Constant
from privacy.execution import code_trials
from privacy.models import CodeTrial
from privacy.services import code_answers
from runner.contract import SandboxUnavailable
from tests.makers import block_runner
from tests.makers import blocks as make_code
from tests.makers.blocks import MEAN

pytestmark = pytest.mark.django_db

HALVED = replace(MEAN, shape=replace(MEAN.shape, halves=True, upper=(30_000.0,)))


@pytest.fixture
def budget(settings, monkeypatch):
    return make_code.budget(settings, monkeypatch)


def begun(budget, question=MEAN, **price):
    return code_answers.try_out(budget, question, by=budget.scientist, **(price or {"epsilon": 5.0}))


def ran(trial):
    code_trials.run_trial(str(trial.pk))
    trial.refresh_from_db()
    return trial, code_answers.report_of(trial)


def test_it_finds_spread_bias_error_and_time(budget):
    trial, report = ran(begun(budget))
    assert (trial.state, trial.progress, report.why) == ("done", 1.0, "")
    assert report.run == trial.blocks
    assert report.failing == 0
    low, middle, high = report.quartiles[0]
    assert 20_000 < low < middle < high < 30_000
    assert abs(report.bias[0]) < 1_000
    assert 500 < report.error[0] < 5_000
    assert [each.blocks < trial.blocks for each in report.curve] == [True] * len(report.curve)
    assert report.slot == 0.25
    assert block_runner.calls[0]["explain"]


def test_half_samples_are_switched_off_where_blocks_leave_the_box(budget):
    _, report = ran(begun(budget, HALVED))
    assert report.halves
    assert report.clamped == 0
    narrow = replace(HALVED, shape=replace(HALVED.shape, upper=(25_000.0,)))
    _, report = ran(begun(budget, narrow))
    assert not report.halves
    assert report.clamped > code_trials.CLAMPED


def test_vectors_and_votes(budget, monkeypatch):
    monkeypatch.setattr(block_runner, "answer", lambda block, number: [1.5, float(number % 2)])
    ball = CodeQuestion(table="wages", code=MEAN.code, shape=Ball(size=2, radius=2.0))
    _, report = ran(begun(budget, ball))
    assert (len(report.bias), len(report.error), report.curve) == (1, 1, [])
    assert report.bias[0] == pytest.approx(0.5, abs=0.1)
    monkeypatch.setattr(block_runner, "answer", lambda block, number: [float(number % 4 == 1)])
    votes = CodeQuestion(table="wages", code=MEAN.code, shape=Votes(labels=("a", "b")))
    _, report = ran(begun(budget, votes))
    assert report.bias[0] == pytest.approx(0.75, abs=0.1)
    assert report.error == [1.0]


def test_failing_code_says_so(budget, monkeypatch):
    monkeypatch.setattr(block_runner, "answer", lambda block, number: None)
    trial, report = ran(begun(budget))
    assert (trial.state, report.why) == ("failed", "The code fails on the whole mock table.")
    monkeypatch.setattr(
        block_runner, "answer", lambda block, number: None if len(block["wage"].values) < 200 else [0.5]
    )
    trial, report = ran(begun(budget))
    assert (trial.state, report.failing, report.bias) == ("done", 1.0, [])
    assert "gave no answer" in code_answers.quote(trial, by=budget.scientist).refusal


def test_what_is_too_slow_or_cannot_run(budget, monkeypatch):
    run = block_runner.run
    monkeypatch.setattr(block_runner, "run", lambda *args, **given: late_of(run, *args, **given))
    _, report = ran(begun(budget))
    assert "longer than 60 seconds" in report.why

    def unavailable(*args, **given):
        raise SandboxUnavailable("This host cannot confine code.")

    monkeypatch.setattr(block_runner, "run", unavailable)
    trial, report = ran(begun(budget))
    assert (trial.state, report.why) == ("failed", "This host cannot confine code.")


def late_of(run, *args, **given):
    answers, report = run(*args, **given)
    return answers * np.nan, replace(report, ends=("time",) * len(report.ends))


def test_mock_data_that_cannot_be_used(budget, monkeypatch):
    nowhere = replace(MEAN, where=Compare("<", Column("year"), Constant(1900.0)))
    trial, report = ran(begun(budget, nowhere))
    assert (trial.state, report.why[:30]) == ("failed", "No row of the mock data meets ")

    def missing(*args, **given):
        raise OSError

    monkeypatch.setattr("datasets.mock_columns.read", missing)
    _, report = ran(begun(budget))
    assert report.why == "The mock data of this table does not fit its declarations."
    trial = begun(budget)
    CodeTrial.objects.filter(pk=trial.pk).update(question={**trial.question, "table": "gone"})
    _, report = ran(trial)
    assert report.why.startswith("There is no table")


def test_a_trial_runs_once_and_is_swept_up(budget, monkeypatch):
    trial, _ = ran(begun(budget))
    calls = len(block_runner.calls)
    ran(trial)
    assert len(block_runner.calls) == calls
    dead, waiting = begun(budget), begun(budget)
    old = timezone.now() - timedelta(hours=1)
    CodeTrial.objects.filter(pk__in=[dead.pk, waiting.pk]).update(created_at=old)
    queued: list[str] = []
    monkeypatch.setattr(tasks.try_code, "delay", queued.append)
    CodeTrial.objects.filter(pk=dead.pk).update(state="running", begun_at=timezone.now())
    tasks.look_after_answers()
    assert queued == [], "it waits for the running one"
    CodeTrial.objects.filter(pk=dead.pk).update(begun_at=old)
    tasks.look_after_answers()
    dead.refresh_from_db()
    assert (dead.state, dead.report["why"]) == ("failed", "The worker ended before the trial did. Try again.")
    assert queued == [str(waiting.pk)]


def test_code_that_waits_is_queued_again_for_its_own_workers(budget, monkeypatch):
    answer = make_code.asked(budget)
    type(answer).objects.filter(pk=answer.pk).update(created_at=timezone.now() - timedelta(minutes=1))
    queued: list[str] = []
    monkeypatch.setattr(tasks.compute_code_answer, "delay", queued.append)
    tasks.look_after_answers()
    assert queued == [str(answer.pk)]
