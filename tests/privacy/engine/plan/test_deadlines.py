"""When an answer appears follows from what is public: not from rows, and not from the moment of asking."""

from datetime import datetime, timedelta
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pytest
from django.utils import timezone

from datasets import services as datasets
from datasets import storage
from privacy import services
from privacy.engine.language.expressions import Column
from privacy.engine.language.query import Distribution, PersonQuantiles, Quantiles, Query
from privacy.engine.language.schema import MAX_ROWS_PER_SUBJECT
from privacy.engine.measure import contributions, kernels, prefixes, ranks
from privacy.engine.plan import deadlines, persons
from privacy.engine.plan.designs import design
from privacy.execution import lifecycle, preparation, settling
from privacy.execution.questions import question_of
from privacy.ledgers import person_ledger
from privacy.models import DOUBLED_FOR, Answer, Promise
from privacy.services import questions
from tests import make
from tests.makers import privacy as shares
from tests.makers.datasets import WAGE_COLUMNS, wage_rows
from tests.privacy.engine.test_engine import QUERIES
from tests.privacy.make_table import SPEC


@pytest.mark.parametrize("query", QUERIES, ids=lambda q: type(q.measure).__name__)
def test_the_time_for_an_answer_grows_with_what_is_public(query):
    def seconds(people, rows=2):
        return deadlines.seconds(query, design(query, SPEC), people=people, rows_per_person=rows, base=0.15)

    assert seconds(1) == pytest.approx(0.15 + deadlines.STEP)
    assert seconds(10**6) <= seconds(10**7) / 3
    assert seconds(10**6, rows=4) == seconds(10**6, rows=MAX_ROWS_PER_SUBJECT) > seconds(10**6, rows=1)
    steps = (seconds(10**6) - 0.15) / deadlines.STEP
    assert steps == pytest.approx(round(steps))


def test_more_bins_of_a_distribution_take_more_time():
    """A person with a row in each bin takes bins x bins steps."""
    times = [
        deadlines.seconds(query, design(query, SPEC), people=10**6, rows_per_person=4, base=0.15)
        for query in (Query(table="wages", measure=Distribution(Column("wage"), bins)) for bins in (2, 256))
    ]
    assert times[1] - times[0] == pytest.approx(254 * deadlines.BIN * 4e6, abs=deadlines.STEP)


def test_people_with_more_rows_than_count_are_allowed_for_where_there_may_be_many():
    """They are looked at one by one: whether they are there must not be told by an answer that is late."""
    for measure in (Distribution(Column("wage"), 256), Quantiles(Column("wage"), (0.1, 0.5, 0.9))):
        query = Query(table="wages", measure=measure, rows=1)
        times = [
            deadlines.seconds(query, design(query, SPEC), people=10**6, rows_per_person=4, base=0.15, cut=cut)
            for cut in (False, True)
        ]
        assert times[1] > 3 * times[0]


def test_ordinary_questions_to_a_million_rows_take_little():
    for query in QUERIES[:8]:
        plan = design(query, SPEC)
        assert deadlines.seconds(query, plan, people=10**6, rows_per_person=1, base=0.15) <= 0.3


# Through the real services


@pytest.mark.django_db
def test_which_answer_is_the_first_follows_from_what_was_charged():
    """Not from who is in the table: a question that was given back is none, and another revision begins anew."""
    budget = shares.budget()
    make.grant(budget.promise.dataset, budget.scientist)
    type(budget.promise).objects.filter(pk=budget.promise_id).update(public_size=10**6)
    budget.refresh_from_db()

    def seconds(answer):
        return question_of(answer).seconds(budget.promise)

    given_back, first, second = (shares.answer(budget, epsilon=e) for e in (0.1, 0.2, 0.3))
    settling.give_back(given_back, "No worker took it.")
    longer = seconds(first)
    lifecycle.compute(str(first.pk))
    assert longer - seconds(second) == pytest.approx(10**6 * deadlines.PLACE) == deadlines.places(10**6)
    lifecycle.compute(str(second.pk))
    make.next_revision(budget.promise.dataset)
    assert seconds(shares.answer(budget, epsilon=0.2)) == longer


def waited(answer: Answer) -> timedelta:
    """From the start of its turn to its release."""
    assert answer.begun_at is not None
    assert answer.visible_at is not None
    return answer.visible_at - answer.begun_at


PUBLIC_SIZE = 1_000
ROWS = 10**6
ANSWERS = 100
QUESTIONS = (
    "SELECT COUNT(*) FROM wages WHERE wage > {}",
    "SELECT SUM(SQRT(wage + {})) FROM wages",
    "SELECT QUANTILE(wage + {}, 0.5) FROM wages",
    "SELECT CORR(wage, year + {}) FROM wages",
)
NOTES = "SELECT note, COUNT(DISTINCT person) FROM wages GROUP BY note"


def rows(adversary):
    """A few people; and one with a million rows and as many texts of their own as may count."""
    plain = wage_rows()
    plain = plain.append_column("note", pa.array(["the same"] * len(plain)))
    if not adversary:
        return plain
    own = np.arange(ROWS)
    return pa.concat_tables(
        [
            plain,
            pa.table(
                {
                    "person": pa.array(np.full(ROWS, 1), pa.int64()),
                    "year": pa.array(1990 + own % 10, pa.int64()),
                    "region": pa.array(["north"] * ROWS),
                    "wage": pa.array((own % 50_000).astype(float)),
                    "note": pa.array([f"note {k}" for k in own % MAX_ROWS_PER_SUBJECT]),
                }
            ),
        ]
    )


def budget_of(rows):
    data, scientist = make.dataset(published=False), make.scientist()
    table = make.table(data.draft, name="people", rows=rows)
    declared = WAGE_COLUMNS | {"note": {"type": "text", "confirmed": True}}
    datasets.declare(table, by=data.owner, columns=declared, rows_per_subject=MAX_ROWS_PER_SUBJECT)
    datasets.publish(data, by=data.owner)
    data.refresh_from_db()
    make.grant(data, scientist)
    promise = services.protect(
        data,
        by=data.owner,
        epsilon=50,
        public_size=PUBLIC_SIZE,
        constants=[],
        scientists=1,
        undeclared_values=True,
    )
    return services.give_budget(promise, scientist, by=data.owner, epsilon=45)


def waits(budget):
    """After its turn, when each answer came out; and how often the time was doubled."""
    preparation.prepare(str(budget.promise_id))
    texts = [QUESTIONS[k % len(QUESTIONS)].format(1 + k) for k in range(ANSWERS)] + [NOTES]
    found = []
    for text in texts:
        answer = shares.answer(budget, text.replace("FROM wages", "FROM people"), epsilon=0.2)
        lifecycle.compute(str(answer.pk))
        answer.refresh_from_db()
        found.append(
            (
                answer.state,
                waited(answer),
                answer.record["released_at"] == answer.visible_at.isoformat(),
            )
        )
    budget.promise.refresh_from_db()
    return found, budget.promise.doublings


@pytest.mark.slow
@pytest.mark.django_db
def test_somebody_with_a_million_rows_and_thousands_of_texts_moves_no_release(settings, monkeypatch):
    """With time enough for a busy machine; nobody waits for it here."""
    settings.ANSWER_SECONDS = 30
    monkeypatch.setattr(settling, "sleep_until", lambda at: None)
    without, doubled_without = waits(budget_of(rows(adversary=False)))
    with_them, doubled_with = waits(budget_of(rows(adversary=True)))
    assert {state for state, _, _ in without} == {Answer.State.RELEASED}
    assert with_them == without
    assert doubled_without == doubled_with == 0


FIRST, LATER = 0.09 + 2 * deadlines.STEP, 0.09 + deadlines.STEP
"""Over few rows: with the places of people, and without."""


@pytest.mark.django_db
def test_a_time_that_was_too_short_is_doubled_and_remembered_for_an_hour(monkeypatch):
    budget = shares.budget()
    make.grant(budget.promise.dataset, budget.scientist)
    compute = lifecycle._compute

    def slowly(attempt):
        attempt.begun -= timedelta(seconds=10)  # as if it had begun then
        return compute(attempt)

    monkeypatch.setattr(lifecycle, "_compute", slowly)
    monkeypatch.setattr(settling, "sleep_until", lambda at: None)
    times = []
    for text in ("SELECT COUNT(*) FROM wages", "SELECT SUM(wage) FROM wages"):
        answer = shares.answer(budget, text, epsilon=0.2)
        lifecycle.compute(str(answer.pk))
        monkeypatch.setattr(lifecycle, "_compute", compute)
        answer.refresh_from_db()
        times.append(waited(answer))
    assert times == [timedelta(seconds=seconds * 2**7) for seconds in (FIRST, LATER)]
    promise = Promise.objects.get()
    assert promise.doublings_now == 7
    promise.doubled_at = timezone.now() - DOUBLED_FOR
    assert promise.doublings_now == 0


@pytest.mark.django_db
def test_what_is_lost_is_lost_when_it_would_have_come_out(monkeypatch):
    budget = shares.budget()
    make.grant(budget.promise.dataset, budget.scientist)
    answer = shares.answer(budget, epsilon=0.2)
    until: list[datetime] = []
    monkeypatch.setattr(settling, "sleep_until", until.append)
    monkeypatch.setattr(lifecycle, "measure", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        lifecycle.compute(str(answer.pk))
    answer.refresh_from_db()
    assert answer.state == Answer.State.LOST
    assert [at - answer.begun_at for at in until] == [timedelta(seconds=FIRST)]  # type: ignore[operator]


PASSES = [
    each
    for module in (contributions, kernels, persons, prefixes, ranks, person_ledger)
    for each in vars(module).values()
    if hasattr(each, "signatures")
]


@pytest.mark.django_db
def test_nothing_is_compiled_once_the_turn_has_begun(monkeypatch):
    """The first sum of an installation takes seconds to compile: that must not count as slow."""
    budget, counted = budget_of(rows(adversary=False)), []
    compute = lifecycle._compute
    monkeypatch.setattr(settling, "sleep_until", lambda at: None)

    def counting(attempt):
        before = {each: list(each.signatures) for each in PASSES}
        figures = compute(attempt)
        counted.append([each.__name__ for each in PASSES if list(each.signatures) != before[each]])
        return figures

    monkeypatch.setattr(lifecycle, "_compute", counting)
    asked = (
        *QUESTIONS,
        NOTES,
        "SELECT COUNT(*) FROM wages",
        "SELECT COUNT(DISTINCT person) FROM wages",
        "SELECT region, COUNT(*) FROM wages GROUP BY region",
        "SELECT region, SUM(wage) FROM wages WHERE year > 1991 GROUP BY region",
        "SELECT region, AVG(wage) FROM wages GROUP BY region",
        "SELECT region, COUNT(DISTINCT person) FROM wages GROUP BY region",
        "SELECT VAR_POP(wage) FROM wages",
        "SELECT AVG(year) FROM wages",
    )
    for text in asked:
        answer = shares.answer(budget, text.format(7).replace("FROM wages", "FROM people"), epsilon=0.2)
        lifecycle.compute(str(answer.pk))
    measures = (Distribution(Column("wage"), 64), PersonQuantiles(), PersonQuantiles(Column("wage")))
    for query in (Query(table="people", measure=measure) for measure in measures):
        quoted = questions.quote(budget, query, by=budget.scientist, epsilon=0.2)
        lifecycle.compute(str(questions.ask(budget, quoted, key=uuid4(), by=budget.scientist).pk))
    assert counted == [[]] * (len(asked) + len(measures))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("asked_first", [True, False])
def test_a_question_to_a_new_revision_does_not_tell_how_long_its_rows_took_to_sort(
    settings, monkeypatch, asked_first
):
    """Neither to who asks before they are in order, nor to who waits while they are being put in order."""
    settings.PREPARE_SECONDS = 60.0
    order, slept, now = storage._write_columns, [], [0.0]
    expected: list[float] = []
    monkeypatch.setattr(preparation, "monotonic", lambda: now[0])
    monkeypatch.setattr(preparation, "sleep", lambda seconds: slept.append(now[0] + seconds))
    for took in (0.5, 50.0, 70.0):

        def slow(*given, took=took):
            now[0] += took
            order(*given)

        monkeypatch.setattr(storage, "_write_columns", slow)
        data, now[0] = make.dataset(), 0.0
        share = shares.budget(shares.promise(data))
        make.grant(data, share.scientist)
        if asked_first:
            preparation.prepare_for(shares.answer(share, epsilon=0.5))
        else:
            preparation.prepare(str(share.promise_id))
        table = make.current(data).tables.get()
        at_the_end = deadlines.preparation(
            people=share.promise.public_size, rows_per_person=table.rows_per_subject, base=60.0
        )
        expected.append(at_the_end if took < at_the_end else 2 * at_the_end)
    assert slept == pytest.approx(expected)
    assert len(set(expected)) == 2
