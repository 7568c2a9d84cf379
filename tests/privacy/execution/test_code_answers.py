"""Code that answers in blocks: what is charged, when it is told, and what a dead worker costs."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from django.db import connections
from django.utils import timezone

from privacy.engine.language.code import Ball, CodeQuestion, Votes
from privacy.engine.language.expressions import Column, Compare, Constant, In
from privacy.engine.measure.contributions import CAP
from privacy.execution import code_answers as running
from privacy.execution import lifecycle, opening, settling
from privacy.ledgers.person_ledger import open_ledger
from privacy.ledgers.verification import faults
from privacy.models import Answer, BlockReport, Budget, LedgerLine, Promise
from tests import make
from tests.makers import block_runner
from tests.makers import blocks as make_code
from tests.makers.blocks import MEAN, PEOPLE, asked, computed, spent

pytestmark = pytest.mark.django_db


@pytest.fixture
def budget(settings, monkeypatch):
    return make_code.budget(settings, monkeypatch)


def only_figure(answer):
    (line,) = answer.result["lines"]
    (figure,) = line["figures"]
    return line["key"], figure


def test_a_mean_over_blocks_is_answered_charged_and_recorded(budget):
    answer = computed(asked(budget))
    assert answer.state == Answer.State.RELEASED
    key, figure = only_figure(answer)
    truth = float(np.mean([1_000 + 7 * row if row else 31_337 for row in range(PEOPLE * 2)]))
    assert key == ["wage"]
    assert figure["value"] == pytest.approx(truth, abs=3 * figure["half_width"] + 400)
    assert set(spent(budget).tolist()) == {answer.line.units}
    assert Budget.objects.get(pk=budget.pk).units_used == answer.line.units
    assert faults(budget.promise) == []
    assert answer.record["blocks"] == block_runner.calls[-1]["blocks"]
    assert answer.visible_at == answer.deadline
    assert answer.record["released_at"] == answer.deadline.isoformat()


def test_the_whole_price_is_charged_to_the_last_unit(budget):
    answer = computed(asked(budget, epsilon=20.0))
    assert answer.line.units > CAP // 4  # enough for the rounding of a count's clip to be seen
    assert set(spent(budget).tolist()) == {answer.line.units}


def test_everybody_is_in_one_block_and_whoever_leaves_changes_no_other(budget, monkeypatch):
    seen = {}

    def noting(block, number):
        seen[number] = sorted(block["wage"].values.tolist())
        return [0.5]

    monkeypatch.setattr(block_runner, "answer", noting)
    computed(asked(budget))
    before = dict(seen)
    assert sum(map(len, before.values())) == PEOPLE * 2
    with open_ledger(opening.folder_of(budget.promise)) as ledger:
        charged = ledger.spent(budget.pk)
        charged[7] = CAP  # this person has nothing left
        with ledger._env.begin(write=True, buffers=True) as txn:
            ledger._write(txn, budget.pk, charged)
    computed(asked(budget, CodeQuestion(table="wages", code=MEAN.code + "#", shape=MEAN.shape)))
    (changed,) = (number for number, wages in seen.items() if wages != before[number])
    assert set(seen[changed]) < set(before[changed])
    assert len(before[changed]) - len(seen[changed]) == 2


def test_only_people_with_rows_are_charged(budget):
    question = CodeQuestion(
        table="wages", code=MEAN.code, shape=MEAN.shape, where=In("region", ("east",)), blocks=20, people=600
    )
    answer = computed(asked(budget, question))
    assert answer.state == Answer.State.RELEASED
    charged = spent(budget)
    assert sorted(set(charged.tolist())) == [0, answer.line.units]
    assert int((charged > 0).sum()) == PEOPLE // 3
    assert block_runner.calls[-1]["blocks"] == 20


def test_rows_that_the_filter_leaves_out_are_in_no_block(budget, monkeypatch):
    years = set()

    def noting(block, number):
        years.update(block["year"].values.tolist())
        return [0.5]

    monkeypatch.setattr(block_runner, "answer", noting)
    where = Compare("<", Column("year"), Constant(1991.0))
    computed(asked(budget, CodeQuestion(table="wages", code=MEAN.code, shape=MEAN.shape, where=where)))
    assert years == {1990}


def test_rounds_hand_on_the_noisy_state_and_are_charged_together(budget, monkeypatch):
    monkeypatch.setattr(block_runner, "answer", lambda block, number: [0.5, 0.0])
    ball = Ball(size=2, radius=1.0, rounds=3)
    code = "def main(t, state):\n    return [0.5, 0]\n"
    answer = computed(asked(budget, CodeQuestion(table="wages", code=code, shape=ball), epsilon=30.0))
    assert answer.releases == 3
    states = [call["state"] for call in block_runner.calls]
    assert len(states) == 3
    assert states[0].tolist() == [0.0, 0.0]
    assert states[2][0] == pytest.approx(1.0, abs=0.5)
    values = [line["figures"][0]["value"] for line in answer.result["lines"]]
    assert values[0] == pytest.approx(1.5, abs=0.7)
    assert faults(budget.promise) == []


def test_votes_choose_a_label(budget, monkeypatch):
    monkeypatch.setattr(block_runner, "answer", lambda block, number: [1.0])
    votes = Votes(labels=("a", "b"))
    code = "def main(t):\n    return 'b'\n"
    answer = computed(asked(budget, CodeQuestion(table="wages", code=code, shape=votes)))
    found = {line["key"][0]: line["figures"][0]["value"] for line in answer.result["lines"]}
    assert found["b"] > 0.8
    assert found["a"] < 0.2
    assert block_runner.calls[-1]["labels"] == ("a", "b")


def test_failing_blocks_cost_the_same_and_only_the_owner_is_told(budget, monkeypatch):
    monkeypatch.setattr(block_runner, "answer", lambda block, number: None if number % 2 else [0.0])
    answer = computed(asked(budget))
    _, figure = only_figure(answer)
    assert figure["value"] == pytest.approx(12_500, abs=8_000)
    assert set(spent(budget).tolist()) == {answer.line.units}
    report = BlockReport.objects.get(answer=answer)
    assert report.ends["failed"] == report.ends["ok"] or abs(report.ends["failed"] - report.ends["ok"]) == 1
    owner, auditor = budget.promise.dataset.owner, make.auditor()
    assert BlockReport.objects.visible_to(owner).count() == 1
    for other in (budget.scientist, auditor, make.admin(), make.owner()):
        assert not BlockReport.objects.visible_to(other).exists()
    told = str(answer.record) + str(answer.result)
    assert "failed" not in told


def test_a_worker_that_dies_while_blocks_run_has_charged_and_answers_nothing(budget, monkeypatch):
    def dying(block, number):
        raise KeyboardInterrupt

    monkeypatch.setattr(block_runner, "answer", dying)
    monkeypatch.setattr(settling, "lose", lambda answer: None)  # as if it had been killed
    answer = asked(budget)
    with pytest.raises(KeyboardInterrupt):
        running.compute(str(answer.pk))
    monkeypatch.undo()
    answer.refresh_from_db()
    assert answer.state == Answer.State.PENDING
    assert set(spent(budget).tolist()) == {answer.line.units}
    calls = len(block_runner.calls)
    running.compute(str(answer.pk))
    assert len(block_runner.calls) == calls, "its blocks were run twice"
    lifecycle.sweep()
    answer.refresh_from_db()
    assert answer.state == Answer.State.PENDING, "called lost before its last moment"
    long_ago = timezone.now() - timedelta(hours=1)
    Answer.objects.filter(pk=answer.pk).update(begun_at=long_ago, deadline=long_ago + timedelta(minutes=1))
    with_old_commit(answer)
    lifecycle.sweep()
    answer.refresh_from_db()
    assert answer.state == Answer.State.LOST


def with_old_commit(answer):
    """Date its commit an hour back."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "UPDATE privacy_ledgerline SET at = at - interval '1 hour' WHERE settles_id = %s",
            [answer.line_id],
        )
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_what_fails_after_the_charge_is_lost_at_the_deadline(budget, monkeypatch):
    until: list[datetime] = []
    monkeypatch.setattr(settling, "sleep_until", until.append)
    monkeypatch.setattr(block_runner, "answer", lambda block, number: 1 / 0)
    answer = asked(budget)
    with pytest.raises(ZeroDivisionError):
        running.compute(str(answer.pk))
    answer.refresh_from_db()
    assert answer.state == Answer.State.LOST
    assert until[-1] == answer.deadline
    assert set(spent(budget).tolist()) == {answer.line.units}


def test_a_late_answer_is_told_after_twice_its_time_or_lost(budget, monkeypatch):
    now, minute = timezone.now(), timedelta(minutes=1)
    attempt = opening.Attempt(asked(budget), begun=now - minute)
    for deadline, told in ((minute, minute), (-minute / 4, minute / 2), (-3 * minute / 4, minute)):
        attempt.deadline = now + deadline
        assert attempt.told_at() == now + told
    monkeypatch.setattr(opening, "next_moment", lambda begun, deadline: (begun + 4 * (deadline - begun), 2))
    late = computed(attempt.answer)
    assert (late.state, late.result) == (Answer.State.LOST, None)
    assert set(spent(budget).tolist()) == {late.line.units}
    assert Promise.objects.get().doublings == 0  # blocks have times of their own


def test_blocks_that_run_for_longer_than_the_turn_double_no_public_time(budget, monkeypatch, settings):
    settings.ANSWER_SECONDS, clock = 0.3, [timezone.now()]
    monkeypatch.setattr(timezone, "now", lambda: clock[0])
    monkeypatch.setattr(settling, "sleep_until", lambda at: clock.insert(0, max(clock[0], at)))
    answer = computed(asked(budget))
    assert answer.visible_at == answer.deadline > answer.begun_at + timedelta(seconds=5)
    budget.promise.refresh_from_db()
    assert (budget.promise.doublings, budget.promise.doubled_at) == (0, None)
    charge = running._charged

    def slow(*given):
        clock.insert(0, clock[0] + timedelta(seconds=1))
        return charge(*given)

    monkeypatch.setattr(running, "_charged", slow)
    late = computed(asked(budget, CodeQuestion(table="wages", code=MEAN.code + "#", shape=MEAN.shape)))
    budget.promise.refresh_from_db()
    assert budget.promise.doublings == 2
    assert late.begun_at < budget.promise.doubled_at < late.deadline


def test_the_dataset_answers_others_while_blocks_run(budget, monkeypatch):
    def looking(block, number):
        if number == 0:
            with connections["default"].cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
                held.append(cursor.fetchone()[0])
        return [0.5]

    held: list[int] = []
    monkeypatch.setattr(block_runner, "answer", looking)
    computed(asked(budget))
    assert held == [0]


def test_access_that_ended_meanwhile_gets_no_answer(budget, monkeypatch):
    def withdrawn(block, number):
        Budget.objects.filter(pk=budget.pk).update(closed_at=timezone.now())
        return [0.5]

    monkeypatch.setattr(block_runner, "answer", withdrawn)
    answer = computed(asked(budget))
    assert (answer.state, answer.result) == (Answer.State.LOST, None)


def test_code_that_nobody_may_ask_any_more_is_given_back(budget):
    answer = asked(budget)
    Budget.objects.filter(pk=budget.pk).update(closed_at=timezone.now())
    assert computed(answer).state == Answer.State.VOIDED
    assert not len(spent(budget))


def test_code_whose_declarations_have_changed_is_given_back(budget):
    answer = asked(budget)
    purpose = {**answer.line.purpose, "blocks": 21}
    with connections["default"].cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        LedgerLine.objects.filter(pk=answer.line_id).update(purpose=purpose)
        cursor.execute("SET LOCAL session_replication_role = origin")
    assert computed(answer).state == Answer.State.VOIDED


def test_code_waits_longer_for_a_worker_than_a_query_does(budget):
    answer = asked(budget)
    Answer.objects.filter(pk=answer.pk).update(created_at=timezone.now() - timedelta(minutes=30))
    assert lifecycle.sweep() == [answer]
    Answer.objects.filter(pk=answer.pk).update(created_at=timezone.now() - timedelta(hours=3))
    lifecycle.sweep()
    answer.refresh_from_db()
    assert answer.state == Answer.State.VOIDED
