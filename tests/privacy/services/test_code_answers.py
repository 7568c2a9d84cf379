"""Code that answers in blocks: what can be tried and asked, what is free, what is refused."""

from dataclasses import replace
from uuid import uuid4

import pytest

from common import code_environments
from common.errors import BudgetExceeded, Conflict, Denied, Refused
from privacy.declarations import specs_of
from privacy.engine.language.code import Ball, Box, CodeQuestion
from privacy.models import Answer, Budget, CodeTrial, LedgerLine
from privacy.services import code_answers
from requests_app.models import CodeEnvironment
from requests_app.services import remove_environment, retire_environment
from tests import make
from tests.makers import block_runner, environment_folders, environments
from tests.makers import blocks as make_code
from tests.makers import privacy as shares
from tests.makers.blocks import MEAN, PEOPLE, asked, computed, tried
from tests.makers.datasets import wage_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def budget(settings, monkeypatch):
    return make_code.budget(settings, monkeypatch)


def test_the_same_code_again_is_free_and_other_bounds_are_not(budget):
    first = computed(asked(budget))
    again = asked(budget)
    assert again.pk == first.pk
    cheaper = asked(budget, epsilon=5.0)
    assert cheaper.pk == first.pk
    other = CodeQuestion(
        table="wages",
        code=MEAN.code,
        shape=Box(names=("wage",), lower=(0.0,), upper=(40_000.0,), method="mean", halves=False),
    )
    assert asked(budget, other).pk != first.pk


def test_a_key_names_one_piece_of_code(budget):
    quote = code_answers.quote(tried(budget), by=budget.scientist)
    key = uuid4()
    first = code_answers.ask(quote, key=key, by=budget.scientist)
    assert code_answers.ask(quote, key=key, by=budget.scientist).pk == first.pk
    other = CodeQuestion(table="wages", code=MEAN.code + "\n", shape=MEAN.shape)
    with pytest.raises(Conflict):
        code_answers.ask(
            code_answers.quote(tried(budget, other), by=budget.scientist), key=key, by=budget.scientist
        )
    line = shares.answer(budget).line
    with pytest.raises(Conflict):
        code_answers.ask(quote, key=line.key, by=budget.scientist)


def test_withdrawn_code_is_given_back_and_charged_code_is_not(budget):
    answer = asked(budget)
    code_answers.cancel(answer, by=budget.scientist)
    answer.refresh_from_db()
    assert answer.state == Answer.State.VOIDED
    assert Budget.objects.get(pk=budget.pk).units_used == 0
    done = computed(asked(budget))
    with pytest.raises(Conflict):
        code_answers.cancel(done, by=budget.scientist)
    with pytest.raises(Denied):
        code_answers.cancel(done, by=make.scientist())
    with pytest.raises(Conflict, match="Only code"):
        code_answers.cancel(shares.answer(budget), by=budget.scientist)


def test_what_cannot_be_tried(budget):
    by = budget.scientist
    for question, price, words in (
        (MEAN, {}, "Give either the epsilon"),
        (MEAN, {"epsilon": 1.0, "share": 0.1}, "Give either the epsilon"),
        (MEAN, {"share": 1.5}, "share of the budget"),
        (MEAN, {"epsilon": -1.0}, "must be"),
        (CodeQuestion(table="none", code=MEAN.code, shape=MEAN.shape), {"epsilon": 1.0}, "no table"),
        (CodeQuestion(table="wages", code="def main(t:", shape=MEAN.shape), {"epsilon": 1.0}, "line 1"),
        (CodeQuestion(table="wages", code="x = 1", shape=MEAN.shape), {"epsilon": 1.0}, "function main"),
        (
            CodeQuestion(table="wages", code=f"import nothing\n{MEAN.code}", shape=MEAN.shape),
            {"epsilon": 1.0},
            "Line 1",
        ),
    ):
        with pytest.raises(Refused, match=words):
            code_answers.try_out(budget, question, by=by, **price)
    with pytest.raises(Denied):
        code_answers.try_out(budget, MEAN, by=make.scientist(), epsilon=1.0)
    for _ in range(code_answers.MOST_TRIALS):
        code_answers.try_out(budget, MEAN, by=by, epsilon=5.0)
    with pytest.raises(Refused, match="trials are not done"):
        code_answers.try_out(budget, MEAN, by=by, epsilon=5.0)
    assert not LedgerLine.objects.exists()


@pytest.fixture
def odd(budget, settings, tmp_path):
    """A question for a second environment, which has one package and is on offer."""
    sha256 = code_environments.get().sha256
    environment_folders.on_disk(tmp_path, "default", sha256=sha256, package="numpy")
    environment_folders.on_disk(tmp_path)
    settings.ENVIRONMENTS = tmp_path
    environments.offered()
    return replace(
        MEAN, code=f"import {environment_folders.PACKAGE}\n{MEAN.code}", environment=environment_folders.NAME
    )


def test_code_runs_in_the_environment_that_it_names(budget, odd, tmp_path):
    with pytest.raises(Refused, match="has no package odd_package"):
        tried(budget, replace(odd, environment="default"))
    answer = computed(asked(budget, odd))
    assert block_runner.calls[-1]["environment"] == tmp_path / environment_folders.NAME
    record = answer.record
    assert (record["environment"], record["environment_sha256"]) == (
        environment_folders.NAME,
        environment_folders.SHA256,
    )
    assert asked(budget, replace(MEAN, environment=environment_folders.NAME)).pk != asked(budget, MEAN).pk


@pytest.mark.parametrize("name", ["none", "../odd", "queued"])
def test_an_environment_that_is_not_on_offer_is_refused_before_anything_else(budget, odd, tmp_path, name):
    environments.offered("queued", state="queued")
    environment_folders.on_disk(tmp_path, "queued")
    with pytest.raises(Refused, match="There is no code environment named") as refused:
        tried(budget, replace(odd, environment=name))
    assert refused.value.__cause__.place == "question.environment"
    assert not CodeTrial.objects.exists()


def test_only_a_trial_with_the_same_packages_counts(budget, odd, tmp_path):
    trial = tried(budget, odd)
    (tmp_path / environment_folders.NAME / "weir-manifest.json").write_text(f'{{"sha256": "{"d" * 64}"}}')
    with pytest.raises(Conflict, match="has changed since this code was tried"):
        code_answers.quote(trial, by=budget.scientist)


def test_what_changes_before_its_turn_is_given_back(budget, odd, tmp_path):
    changed, retired = asked(budget, odd), asked(budget, replace(odd, code=odd.code + "#"))
    (tmp_path / environment_folders.NAME / "weir-manifest.json").write_text(f'{{"sha256": "{"d" * 64}"}}')
    assert computed(changed).state == Answer.State.VOIDED
    CodeEnvironment.objects.update(state="retired")
    assert computed(retired).state == Answer.State.VOIDED
    assert Budget.objects.get(pk=budget.pk).units_used == 0
    with pytest.raises(Refused, match="Choose another one"):
        tried(budget, odd)


def test_files_that_code_waits_for_are_kept(budget, odd, tmp_path, django_capture_on_commit_callbacks):
    admin = make.admin()
    code_answers.try_out(budget, odd, by=budget.scientist, epsilon=5.0)
    item = retire_environment(CodeEnvironment.objects.get(), by=admin)
    with pytest.raises(Conflict, match="Automatic code still uses"):
        remove_environment(item, by=admin)
    code_answers.stop_trial(CodeTrial.objects.get())
    with django_capture_on_commit_callbacks(execute=True):
        remove_environment(item, by=admin)
    assert not (tmp_path / environment_folders.NAME).exists()


def test_a_table_without_people_cannot_be_asked(budget, monkeypatch):
    def without_people(*args):
        return {name: replace(spec, subject="") for name, spec in specs_of(*args).items()}

    monkeypatch.setattr(code_answers, "specs_of", without_people)
    with pytest.raises(Refused, match="which person each row is about"):
        code_answers.try_out(budget, MEAN, by=budget.scientist, epsilon=5.0)


def test_what_cannot_be_asked(budget):
    by = budget.scientist
    waiting = code_answers.try_out(budget, MEAN, by=by, epsilon=5.0)
    with pytest.raises(Conflict, match="still being tried"):
        code_answers.quote(waiting, by=by)
    assert code_answers.quoted_if_tried(waiting) is None
    code_answers.stop_trial(waiting)
    waiting.refresh_from_db()
    with pytest.raises(Refused, match="stopped"):
        code_answers.quote(waiting, by=by)
    failing = tried(budget)
    CodeTrial.objects.filter(pk=failing.pk).update(report={**failing.report, "failed": 3})
    failing.refresh_from_db()
    quote = code_answers.quote(failing, by=by)
    assert "3 of 40 blocks" in quote.refusal
    with pytest.raises(Refused, match="3 of 40"):
        code_answers.ask(quote, key=uuid4(), by=by)
    code = "def main(t, state):\n    return [0]\n"
    ball = Ball(size=1, radius=1.0, rounds=30)
    rounds = tried(budget, CodeQuestion(table="wages", code=code, shape=ball), epsilon=30.0)
    CodeTrial.objects.filter(pk=rounds.pk).update(report={**rounds.report, "slot": 5.0})
    rounds.refresh_from_db()
    with pytest.raises(Refused, match="minutes"):
        code_answers.quote(rounds, by=by)


def test_what_the_budget_or_the_data_no_longer_allows(budget):
    by = budget.scientist
    poor = tried(budget, epsilon=39.0)
    computed(asked(budget, epsilon=30.0))
    quote = code_answers.quote(poor, by=by)
    assert quote.refusal
    with pytest.raises((Refused, BudgetExceeded)):
        code_answers.ask(quote, key=uuid4(), by=by)
    make.next_revision(budget.promise.dataset, rows=wage_rows(people=PEOPLE, years=2))
    with pytest.raises(Conflict, match="replaced"):
        code_answers.quote(tried_before(poor), by=by)


def tried_before(trial):
    return CodeTrial.objects.select_related("budget__promise__dataset", "revision").get(pk=trial.pk)


def test_another_number_of_people_needs_another_trial(budget):
    trial = tried(budget)
    budget.promise.public_size = PEOPLE * 4
    budget.promise.save()
    with pytest.raises(Conflict, match="number of people"):
        code_answers.quote(tried_before(trial), by=budget.scientist)


def test_at_most_a_few_pieces_of_code_wait(budget):
    for number in range(code_answers.MOST_WAITING):
        asked(
            budget, CodeQuestion(table="wages", code=MEAN.code + "\n" * number, shape=MEAN.shape), epsilon=2.0
        )
    with pytest.raises(Refused, match="wait for their answers"):
        asked(budget, CodeQuestion(table="wages", code=MEAN.code + "#", shape=MEAN.shape), epsilon=2.0)
