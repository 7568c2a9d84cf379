"""What the services of promises, budgets and questions refuse, and who may read what."""

from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest

from accounts import services as accounts
from accounts.models import Role
from audit.models import Entry
from common.errors import BudgetExceeded, Conflict, Denied, Refused
from datasets import services as datasets
from privacy import rules, services
from privacy.engine.language.expressions import Column
from privacy.engine.language.query import KeyCounts, Mean, Query
from privacy.engine.measure.contributions import CAP
from privacy.ledgers import budget_ledger
from privacy.ledgers.person_ledger import SubjectLedger
from privacy.models import THRESHOLD_ANSWERS, Answer, Budget, LedgerLine, TopUp
from privacy.services import questions
from tests import make
from tests.makers import privacy as made
from tests.makers.datasets import PEOPLE

pytestmark = pytest.mark.django_db


def protect(dataset, **fields):
    fields = {"epsilon": 50, "public_size": PEOPLE, "constants": ["region"], "scientists": 2, **fields}
    return services.protect(dataset, by=dataset.owner, **fields)


def give(promise, scientist=None, **fields):
    person = scientist or make.scientist()
    make.grant(promise.dataset, person)
    return services.give_budget(promise, person, by=promise.dataset.owner, **{"epsilon": 10, **fields})


# The promise


@pytest.mark.parametrize(
    "fields",
    [
        {"public_size": 0},
        {"public_size": 10**10 + 1},
        {"scientists": 0},
        {"scientists": 1001},
        {"constants": ["wage"]},
    ],
)
def test_a_promise_is_made_of_what_is_possible(fields):
    dataset = make.dataset()
    with pytest.raises(Refused):
        protect(dataset, **fields)
    dataset.refresh_from_db()
    assert not hasattr(dataset, "promise")


def test_a_promise_needs_a_published_revision():
    dataset = make.dataset()
    assert rules.has_people(dataset.owner, dataset) is None
    datasets.retire_revision(make.current(dataset), by=dataset.owner, reason="It is wrong.")
    assert "Publish a revision" in (rules.has_people(dataset.owner, dataset) or "")


# Budgets


def test_a_budget_is_given_once_to_somebody_else_who_is_a_scientist():
    promise = protect(make.dataset())
    owner, budget = promise.dataset.owner, give(promise)
    with pytest.raises(Refused, match="Somebody else"):
        services.give_budget(promise, owner, by=owner)
    with pytest.raises(Refused, match="scientists"):
        services.give_budget(promise, make.owner(), by=owner)
    with pytest.raises(Refused, match="complete answers only"):
        services.give_budget(promise, make.scientist(), by=owner, extended=True)
    with pytest.raises(Conflict, match="already"):
        services.give_budget(promise, budget.scientist, by=owner)
    assert Budget.objects.get() == budget


def test_a_budget_is_closed_once():
    budget = give(protect(make.dataset()))
    owner = budget.promise.dataset.owner
    services.close_budget(budget, by=owner, reason="It is enough.")
    closed = Budget.objects.get().closed_at
    with pytest.raises(Conflict, match="already closed"):
        services.close_budget(budget, by=owner, reason="It is enough.")
    assert Budget.objects.get().closed_at == closed
    assert Entry.objects.filter(action="budget.closed").count() == 1


def test_more_is_asked_for_with_a_reason_and_is_more():
    budget = give(protect(make.dataset()))
    with pytest.raises(Refused, match="Give a reason"):
        services.ask_top_up(budget, by=budget.scientist, epsilon=20, reason=" ")
    with pytest.raises(Refused, match="already have that much"):
        services.ask_top_up(budget, by=budget.scientist, epsilon=10, reason="To go on.")
    assert not TopUp.objects.exists()


def test_a_refusal_of_more_says_why_and_leaves_the_budget_as_it_is():
    budget = give(protect(make.dataset()))
    owner = budget.promise.dataset.owner
    top_up = services.ask_top_up(budget, by=budget.scientist, epsilon=20, reason="To go on.")
    with pytest.raises(Refused, match="Give a reason"):
        services.decide_top_up(top_up, by=owner, grant=False)
    refused = services.decide_top_up(top_up, by=owner, grant=False, note="Others wait.")
    assert (refused.state, refused.decision_note) == (TopUp.State.DENIED, "Others wait.")
    assert Budget.objects.get().mu == budget.mu
    with pytest.raises(Conflict, match="already been decided"):
        services.decide_top_up(top_up, by=owner, grant=False, note="Still not.")


def test_who_has_a_budget_cannot_come_to_oversee_until_it_is_closed():
    budget = give(protect(make.dataset()))
    assert rules.keeps_duties_apart(budget.scientist, Role.AUDITOR) is not None
    assert rules.keeps_duties_apart(budget.scientist, Role.OWNER) is None
    services.close_budget(budget, by=budget.promise.dataset.owner, reason="It is enough.")
    assert rules.keeps_duties_apart(budget.scientist, Role.AUDITOR) is None


# Who reads what


def test_who_reads_answers_ledger_and_people():
    budget = give(protect(make.dataset()))
    answer = made.answer(budget)
    cast = {
        "scientist": budget.scientist,
        "owner": budget.promise.dataset.owner,
        "auditor": make.auditor(),
        "admin": make.admin(),
        "other owner": make.owner(),
        "other scientist": make.scientist(),
    }

    def readers(rule, item):
        return {name for name, person in cast.items() if rule(person, item) is None}

    seen = {name for name, person in cast.items() if answer in Answer.objects.visible_to(person)}
    assert seen == {"scientist", "owner", "auditor"}
    assert readers(rules.may_read_ledger, budget.promise) == {"owner", "auditor"}
    assert readers(rules.may_read_subjects, budget.promise) == {"owner"}


def test_who_takes_the_ledger_home_is_recorded():
    promise = protect(make.dataset())
    with pytest.raises(Denied):
        services.note_export(promise, by=make.scientist(), wanted={})
    assert not Entry.objects.filter(action="ledger.exported").exists()
    services.note_export(promise, by=promise.dataset.owner, wanted={"scientist": "all"})
    assert Entry.objects.get(action="ledger.exported").dataset_id == str(promise.dataset_id)


# Questions


def test_undeclared_values_are_asked_for_where_the_promise_keeps_a_part_for_them():
    budget = give(protect(make.dataset()))
    query = Query(table="wages", measure=KeyCounts("region"))
    with pytest.raises(Refused, match="undeclared values"):
        questions.quote(budget, query, by=budget.scientist, epsilon=1)


@pytest.mark.parametrize("whose", ["own", "others"])
def test_undeclared_values_are_asked_for_so_often_and_no_more(whose):
    promise = protect(make.dataset(), undeclared_values=True, scientists=1)
    budget, other = give(promise), give(promise)
    payer = budget if whose == "own" else other
    Budget.objects.filter(pk=payer.pk).update(thresholds_used=THRESHOLD_ANSWERS)
    why = "You have used all 20" if whose == "own" else "that this dataset's promise allows have been used"
    with pytest.raises(BudgetExceeded, match=why):
        budget_ledger.reserve(
            budget,
            1,
            np.ones(promise.cells.size, dtype=bool),
            key=uuid4(),
            by=budget.scientist,
            purpose={},
            threshold=True,
        )
    assert not LedgerLine.objects.exists()


def test_a_line_that_was_paid_has_one_answer_however_often_it_is_asked_for(
    django_capture_on_commit_callbacks,
):
    budget, key = give(protect(make.dataset())), uuid4()
    quoted = questions.quote(
        budget, questions.read_sql(budget, made.PEOPLE_COUNTED).query, by=budget.scientist, epsilon=1
    )

    def charged():
        with django_capture_on_commit_callbacks() as queued:
            wanted = [questions.Asking(quote=quoted, key=key)]
            (answer,) = questions.charged(budget, wanted, budget.scientist)
        return answer, len(queued)

    (first, tasks), (second, tasks_again) = charged(), charged()
    assert first == second
    assert tasks > tasks_again
    assert (LedgerLine.objects.count(), Answer.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    ("half_width", "asked", "found"), [(5.0, 6.0, True), (5.0, 4.0, False), (None, 6.0, False)]
)
def test_an_interval_that_came_out_narrower_is_answer_enough(half_width, asked, found):
    """A mean that was told with more noise than is quoted now, in an interval that is narrow enough all the same."""
    budget = give(protect(make.dataset()))
    answer = made.answer(budget, "SELECT AVG(wage) FROM wages", epsilon=1)
    figures = [
        {"name": "mean", "value": half_width and 1500.0, "half_width": half_width},
        {"name": "n", "value": 100.0, "half_width": 1.0},
    ]
    Answer.objects.filter(pk=answer.pk).update(
        state=Answer.State.RELEASED,
        visible_at=answer.created_at,
        result={"lines": [{"key": [], "figures": figures}]},
    )
    query = questions.read_sql(budget, "SELECT AVG(wage) FROM wages").query
    assert isinstance(query.measure, Mean)
    quoted = questions.quote(budget, query, by=budget.scientist, epsilon=5)
    assert quoted.offer.sigma < answer.sigma
    assert questions.stored(budget, quoted) is None
    wished = replace(quoted, basis=object(), asked={"error": asked})
    assert (questions.stored(budget, wished) == answer) is found


# The ledgers


def test_a_new_budget_moves_what_newcomers_owe_to_it_alone():
    promise = protect(make.dataset())
    budget, other = give(promise), give(promise)
    promise.newcomers = [{"owe": {str(budget.pk): 1000}}, {"owe": {str(other.pk): 1000}}]
    promise.save(update_fields=["newcomers"])
    services.change_budget(budget, by=promise.dataset.owner, epsilon=20)
    promise.refresh_from_db()
    (mine,), (theirs,) = (list(each["owe"].values()) for each in promise.newcomers)
    assert 0 < mine < 1000
    assert theirs == 1000


def test_where_nobody_is_new_nobody_is_charged_for_being_new(tmp_path):
    book, budget = SubjectLedger(tmp_path / "people"), uuid4()
    digests = np.arange(4 * 16, dtype=np.uint8).reshape(4, 16)
    first = book.places(digests, owed={budget: 7})
    again = book.places(digests[::-1].copy(), owed={budget: CAP})
    assert first.tolist() == again[::-1].tolist()
    assert book.spent(budget).tolist() == [7] * 4
    book.close()


def test_who_is_suspended_keeps_a_budget_that_cannot_be_used():
    budget = give(protect(make.dataset()))
    accounts.suspend(budget.scientist, by=make.admin(), reason="They left.")
    budget.scientist.refresh_from_db()
    with pytest.raises(Denied):
        made.answer(budget)


def test_a_question_about_a_table_that_is_not_there_is_refused_with_those_that_are():
    budget = give(protect(make.dataset()))
    query = Query(table="wage", measure=Mean(Column("wage")))
    with pytest.raises(Refused, match=r"There is no table “wage” here.*wages"):
        questions.quote(budget, query, by=budget.scientist, epsilon=1.0)
