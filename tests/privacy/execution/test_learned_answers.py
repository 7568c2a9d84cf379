"""Models and synthetic tables in a worker: what is charged, when it is told, and what a dead worker costs."""

from datetime import datetime
from uuid import uuid4

import numpy as np
import pytest
from django.db import connections

from common.admission import TooMuchAtOnce
from common.errors import Refused
from privacy import dates
from privacy.engine.language.expressions import Column, Compare, Constant, In
from privacy.engine.language.learning import CategoryFeature, Fit, NumberFeature, SyntheticTable, YesNo
from privacy.engine.language.query import Query
from privacy.execution import learned_answers, lifecycle, opening, settling
from privacy.ledgers.person_ledger import open_ledger
from privacy.ledgers.verification import faults
from privacy.models import Answer, Budget
from privacy.services import questions
from tests import make
from tests.makers import privacy as shares
from tests.makers.datasets import wage_rows

pytestmark = pytest.mark.django_db

PEOPLE = 400
RICH = YesNo(Compare(">", Column("wage"), Constant(2_000.0)))
MODEL = Query(
    table="wages",
    measure=Fit(RICH, (NumberFeature("year", Column("year")), CategoryFeature("region")), steps=20),
)
TABLE = Query(table="wages", measure=SyntheticTable(("year", "region"), 4))
BOTH = pytest.mark.parametrize("query", [MODEL, TABLE], ids=["model", "table"])


@pytest.fixture
def budget(monkeypatch):
    monkeypatch.setattr(settling, "sleep_until", lambda at: None)
    data, scientist = make.dataset(rows=wage_rows(people=PEOPLE, years=2)), make.scientist()
    make.grant(data, scientist)
    promise = shares.promise(data, epsilon=50.0, public_size=PEOPLE)
    return shares.budget(promise, scientist, epsilon=40.0)


def asked(budget, query, epsilon=8.0):
    by = budget.scientist
    return questions.ask(budget, questions.quote(budget, query, by=by, epsilon=epsilon), key=uuid4(), by=by)


def computed(answer):
    learned_answers.compute(str(answer.pk))
    answer.refresh_from_db()
    return answer


def spent(budget):
    with open_ledger(opening.folder_of(budget.promise)) as ledger:
        return ledger.spent(budget.pk)


def test_a_model_is_trained_charged_recorded_and_stored_for_good(budget):
    answer = computed(asked(budget, MODEL))
    assert (answer.state, answer.kind) == (Answer.State.RELEASED, Answer.Kind.FIT)
    assert answer.result["model"]["family"] == "logistic"
    assert answer.result["model"]["training"]["steps"] == answer.releases - 1
    assert set(spent(budget).tolist()) == {answer.line.units}
    assert answer.visible_at == answer.deadline
    assert answer.record["query"] == answer.query
    assert faults(budget.promise) == []
    assert asked(budget, MODEL) == answer  # at no further cost
    assert set(spent(budget).tolist()) == {answer.line.units}


def test_a_synthetic_table_is_made_and_charged(budget):
    answer = computed(asked(budget, TABLE))
    assert (answer.state, answer.kind) == (Answer.State.RELEASED, Answer.Kind.TABLE)
    assert [column["name"] for column in answer.result["table"]["columns"]] == ["year", "region"]
    assert set(spent(budget).tolist()) == {answer.line.units}
    assert faults(budget.promise) == []


@BOTH
def test_verification_notices_an_edited_answer(budget, query):
    answer = computed(asked(budget, query))
    Answer.objects.filter(pk=answer.pk).update(kind=Answer.Kind.QUERY, deadline=None)
    assert any("answers another question" in fault for fault in faults(budget.promise))


def test_only_people_with_rows_are_charged(budget):
    some = Query(table="wages", measure=TABLE.measure, where=In("region", ("east",)))
    answer = computed(asked(budget, some))
    assert answer.state == Answer.State.RELEASED
    assert set(spent(budget).tolist()) == {0, answer.line.units}


@BOTH
def test_others_are_answered_while_it_is_computed(budget, monkeypatch, query):
    """The dataset's lock is not held once people have been charged."""
    seen = []
    real = lifecycle.charged

    def charged(*given):
        measured, active = real(*given)
        release = measured.release

        def watched(*args):
            with connections["default"].cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")
                seen.append(cursor.fetchone()[0])
            return release(*args)

        return Release(watched), active

    monkeypatch.setattr(lifecycle, "charged", charged)
    assert computed(asked(budget, query)).state == Answer.State.RELEASED
    assert seen == [0]


class Release:
    def __init__(self, release):
        self.release = release


@BOTH
def test_a_worker_that_dies_after_the_charge_has_charged_and_answers_nothing(budget, monkeypatch, query):
    answer = asked(budget, query)

    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as once:
        once.setattr(dates, "as_result", die)
        with pytest.raises(KeyboardInterrupt):
            learned_answers.compute(str(answer.pk))
    charged = spent(budget).copy()
    assert set(charged.tolist()) == {answer.line.units}
    assert computed(answer).state == Answer.State.LOST  # a second delivery does nothing
    assert np.array_equal(spent(budget), charged)
    assert faults(budget.promise) == []


def test_access_that_ended_meanwhile_gets_no_answer(budget, monkeypatch):
    answer = asked(budget, MODEL)
    real = dates.as_result

    def ended(*given, **named):
        Budget.objects.filter(pk=budget.pk).update(closed_at=answer.created_at)
        return real(*given, **named)

    monkeypatch.setattr(dates, "as_result", ended)
    assert computed(answer).state == Answer.State.LOST


def test_a_wrong_price_and_a_wrong_question_are_refused_before_any_cost(budget):
    by = budget.scientist
    with pytest.raises(Refused, match="error of a model or a synthetic table is not known"):
        questions.quote(budget, MODEL, by=by, error=0.1)
    nobody = Query(table="wages", measure=SyntheticTable(("year", "nobody")))
    with pytest.raises(Refused, match="nobody"):
        questions.quote(budget, nobody, by=by, epsilon=1.0)


def test_the_deadline_is_public_and_told_before(budget):
    quoted = questions.quote(budget, MODEL, by=budget.scientist, epsilon=8.0)
    assert quoted.seconds > 0
    assert quoted.query.measure.people == PEOPLE  # what was left open is written out
    assert questions.quote(budget, TABLE, by=budget.scientist, share=0.2).seconds > 0


@pytest.mark.parametrize(("times", "state"), [(1, "released"), (3, "released"), (4, "lost")])
def test_what_takes_longer_is_told_at_a_public_time_and_later_answers_have_more(
    budget, monkeypatch, times, state
):
    """Whether released or lost: the moment at which it happens to be ready would tell how many rows there are."""
    until: list[datetime] = []
    real = opening.next_moment
    monkeypatch.setattr(settling, "sleep_until", until.append)
    late = lambda begun, deadline: (begun + (deadline - begun) * 2**times, times)  # noqa: E731
    with monkeypatch.context() as slow:
        slow.setattr(opening, "next_moment", late)
        answer = computed(asked(budget, MODEL))
    assert answer.state == state
    assert until[-1] == late(answer.begun_at, answer.deadline)[0]
    budget.promise.refresh_from_db()
    assert budget.promise.doublings == times
    assert opening.next_moment is real
    again = computed(asked(budget, TABLE))
    assert again.visible_at == again.deadline
    first, second = (each.deadline - each.begun_at for each in (answer, again))
    assert second > first * 2**times / 2
    budget.promise.refresh_from_db()
    assert budget.promise.doublings == times


def test_models_of_one_budget_wait_in_a_short_line(budget, monkeypatch):
    monkeypatch.setattr(questions, "MOST_LONG", 1)
    asked(budget, MODEL)
    with pytest.raises(TooMuchAtOnce, match="1 of your models and synthetic tables"):
        asked(budget, TABLE)
