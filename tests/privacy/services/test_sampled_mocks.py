"""Sampled mocks: one budget of everybody's, its limits, and what becomes of the mock data."""

import math
from uuid import uuid4

import pytest

from accounts.models import Notification, User
from common.errors import Conflict, Denied, Refused
from datasets import services as datasets
from datasets.queries import sampled_mocks
from datasets.services import mocks
from privacy import queries, rules, services
from privacy.engine.accounting import noise_epsilon
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.execution import learned_answers
from privacy.ledgers import verification
from privacy.models import EVERYBODY, Answer, Budget, LedgerLine, Promise
from privacy.presentation.exports import ledger_csv
from privacy.services import sampled_mocks as sampling
from tests import make
from tests.makers import privacy as shares

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _at_once(settings, monkeypatch):
    settings.ANSWER_SECONDS = 0.001
    monkeypatch.setattr("privacy.execution.questions.deadlines.after_charge", lambda *_, **__: 0.5)


@pytest.fixture
def promise():
    return services.protect(
        (data := make.dataset()), by=data.owner, epsilon=8, public_size=30, constants=["region"]
    )


def asked(promise, share=0.1, **more):
    wanted = {"table": "wages", "columns": ["region", "wage"], "share": share, "bins": 4, **more}
    return wanted | {"by": promise.dataset.owner} | more


def made(promise, share=0.1, **more):
    return sampling.make(promise, **({"key": uuid4()} | asked(promise, share, **more)))


def computed(answer):
    learned_answers.compute(str(answer.pk))
    return Answer.objects.get(pk=answer.pk)


def given(promise, **more) -> Budget:
    scientist = make.scientist()
    make.grant(promise.dataset, scientist)
    return services.give_budget(promise, scientist, by=promise.dataset.owner, **more)


def everybodys(promise) -> Budget:
    return promise.budgets.get(scientist=User.objects.system())


def test_mock_data_is_drawn_from_a_table_that_everybodys_budget_paid_for(promise):
    owner = promise.dataset.owner
    quoted = sampling.quote(promise, **asked(promise))
    assert [quoted.share, quoted.left] == pytest.approx([0.1, 0.2], rel=1e-5)
    assert quoted.epsilon == pytest.approx(
        noise_epsilon(promise.mu * math.sqrt(0.1), promise.noise_delta), rel=1e-6
    )
    assert quoted.people_off > 0
    assert quoted.seconds == 0.5
    answer = made(promise)
    with pytest.raises(Conflict, match="not released"):
        sampling.replace_mock(answer, by=owner)
    answer = computed(answer)
    assert (answer.kind, answer.state) == (Answer.Kind.TABLE, Answer.State.RELEASED)
    assert answer.record["scientist"] == EVERYBODY
    assert Notification.objects.filter(user=owner, text__contains="synthetic table").count() == 1
    assert not Notification.objects.filter(text__contains="is used").exists()
    preview = sampling.preview(answer)
    assert (preview.names, preview.made_up) == (["person", "year", "region", "wage"], ["person", "year"])
    assert (len(preview.rows), preview.off > 0) == (sampling.PREVIEWED, True)
    assert set(preview.kept) <= {("region", "wage")}
    mock = sampling.replace_mock(answer, by=owner)
    assert (mock.answer, mock.columns) == (answer.pk, ["region", "wage"])
    assert mock.epsilon == pytest.approx(quoted.epsilon, rel=1e-3)
    first = mocks.content(promise.dataset, "wages", "parquet")
    sampling.restore_mock(promise, "wages", by=owner)
    assert sampled_mocks(answer.revision) == {}
    with pytest.raises(Conflict, match="no sampled mock"):
        sampling.restore_mock(promise, "wages", by=owner)
    sampling.replace_mock(answer, by=owner)
    assert mocks.content(promise.dataset, "wages", "parquet") == first
    assert list(sampling.answers_of(promise)) == [answer]
    assert verification.faults(promise) == []


def test_all_sampled_mocks_together_take_a_fifth_of_the_promise(promise):
    computed(made(promise, 0.1))
    assert sampling.room(promise) == pytest.approx(0.1, rel=1e-4)
    computed(made(promise, 0.1, columns=["year", "region"]))  # as much as is left, to three digits
    budget = everybodys(promise)
    assert 0.2 * (1 - 1e-4) < float(budget.mu_squared / promise.mu_squared) <= 0.2
    assert [budget.generation, budget.share_used] == pytest.approx([1, 1], rel=1e-5)
    with pytest.raises(Refused, match="may take"):
        made(promise, 0.1, columns=["year"])
    with pytest.raises(Refused, match="above 0 %"):
        made(promise, 0)
    assert verification.faults(promise) == []
    Budget.objects.filter(pk=budget.pk).update(mu=promise.mu * 0.5)
    assert any("sampled mocks" in fault for fault in verification.faults(promise))


def test_the_rest_is_divided_among_the_budgets_that_are_left(promise):
    plain = given(promise)
    assert plain.mu == pytest.approx(promise.mu / math.sqrt(3))
    made(promise, 0.2)
    budgets = list(promise.budgets.all())
    assert (queries.not_given(promise, budgets), queries.given_to_scientists(budgets)) == (2, 1)
    assert queries.given_away(promise, budgets) == pytest.approx(1 / 3 + 0.2, rel=1e-4)
    each = math.sqrt((1 - 1 / 3 - 0.2) / 2) * promise.mu
    assert queries.left_for_each(promise, budgets) == pytest.approx(
        noise_epsilon(each, promise.noise_delta), rel=1e-4
    )
    assert [given(promise).mu for _ in range(2)] == [pytest.approx(each, rel=1e-4)] * 2
    with pytest.raises(Refused, match="exceed the promise"):
        given(promise)
    with pytest.raises(Refused, match="Nothing is left"):
        sampling.quote(promise, **asked(promise, 0.01, columns=["year"]))
    words = queries.promise_in_words_of(promise, list(promise.budgets.all()))
    alone = math.hypot(plain.mu, everybodys(promise).mu)
    assert (
        words.guesses_alone
        == queries.promise_in_words_of(promise, [Budget(mu=alone, scientist=plain.scientist)]).guesses_alone
    )
    assert words.share_mu < queries.promise_in_words_of(promise).share_mu


def test_nobody_spends_changes_or_closes_everybodys_budget(promise):
    owner = promise.dataset.owner
    made(promise)
    budget = everybodys(promise)
    assert (budget.holder, str(budget)) == (EVERYBODY, f"{EVERYBODY}: {promise.dataset}")
    assert not budget.is_low
    for act in (
        lambda: services.change_budget(budget, by=owner, epsilon=9),
        lambda: services.close_budget(budget, by=owner, reason="Because."),
    ):
        with pytest.raises(Denied, match="everybody's"):
            act()
    with pytest.raises(Denied):
        services.ask_top_up(budget, by=owner, epsilon=9, reason="More.")
    assert rules.may_ask(owner, budget)
    with pytest.raises(Refused, match="Only data scientists"):
        services.give_budget(promise, User.objects.system(), by=owner)
    assert EVERYBODY in list(ledger_csv(LedgerLine.objects.all()))[1]


def test_a_table_that_was_made_is_not_charged_again(promise):
    key = uuid4()
    first = made(promise, key=key)
    assert made(promise, key=key) == first
    assert made(promise, 0.05) == first  # less exact
    with pytest.raises(Conflict, match="idempotency key"):
        made(promise, key=key, focus="region")
    with pytest.raises(Conflict, match="being computed"):  # the budget would have to grow
        made(promise, columns=["year"])
    assert LedgerLine.objects.count() == 1


def test_what_was_given_back_pays_for_the_next_one(promise):
    owner = promise.dataset.owner
    answer = made(promise)
    datasets.freeze(promise.dataset, by=owner, reason="A check.")
    assert computed(answer).state == Answer.State.VOIDED
    assert "frozen" in Answer.objects.get().record["why"]
    datasets.unfreeze(promise.dataset, by=owner, reason="Done.")
    size = everybodys(promise).mu
    assert computed(made(promise, columns=["year"])).state == Answer.State.RELEASED
    assert everybodys(promise).mu == size
    assert verification.faults(promise) == []


def test_a_frozen_dataset_or_somebody_else_gets_no_sampled_mock(promise):
    with pytest.raises(Denied, match="Only the owner"):
        sampling.quote(promise, **asked(promise, by=make.owner()))
    datasets.freeze(promise.dataset, by=promise.dataset.owner, reason="A check.")
    with pytest.raises(Denied, match="frozen"):
        made(Promise.objects.get())


def test_columns_of_text_are_not_offered():
    columns = {
        "note": ColumnSpec(name="note", kind=Kind.TEXT),
        "age": ColumnSpec(name="age", kind=Kind.INTEGER, lower=0, upper=99),
    }
    spec = TableSpec(name="t", subject="person", columns=columns, max_rows=1)
    assert sampling.offered(spec) == ["age"]


def test_a_scientists_budget_is_answered_as_long_as_they_may_ask():
    budget = shares.budget()
    assert rules.may_be_answered(budget)  # no access
