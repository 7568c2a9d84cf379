"""Every edited line, balance, budget or charge is found."""

import json
import shutil
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from datasets import services as datasets
from datasets import storage
from privacy import services
from privacy.engine.language.expressions import Column
from privacy.engine.language.query import Distribution, Query
from privacy.engine.language.wire import encode, encode_code
from privacy.engine.measure.contributions import CAP, worst_case_units
from privacy.engine.plan import joint
from privacy.engine.plan.searches import MOST_STEPS
from privacy.execution import lifecycle, settling
from privacy.ledgers import budget_ledger
from privacy.ledgers.person_ledger import SubjectLedger
from privacy.ledgers.verification import faults
from privacy.models import Answer, Budget, LedgerLine
from privacy.services import questions
from tests import make
from tests.makers import blocks as make_code
from tests.makers import privacy as shares
from tests.makers.datasets import PEOPLE, WAGE_COLUMNS, wage_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def budget():
    """A budget with a history: asked, given back, grown, asked again."""
    data, scientist = make.dataset(), make.scientist()
    make.grant(data, scientist)
    made = services.protect(
        data, by=data.owner, epsilon=50, public_size=PEOPLE, constants=["region"], scientists=1
    )
    share = services.give_budget(made, scientist, by=data.owner, epsilon=30)
    lifecycle.compute(str(shares.answer(share).pk))
    budget_ledger.void(shares.answer(share, epsilon=6.0).line, by=scientist)
    Answer.objects.filter(state="pending").update(state="voided")
    services.change_budget(share, by=data.owner, epsilon=40)
    share.refresh_from_db()
    where = "SELECT COUNT(*) FROM wages WHERE region = 'east'"
    lifecycle.compute(str(shares.answer(share, where, epsilon=7.0).pk))
    share.refresh_from_db()
    share.promise.refresh_from_db()
    return share


def by_hand(sql, *values):
    """Edit a row as somebody could who may disable triggers."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql, values)
        assert cursor.rowcount == 1
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_ledgers_that_nobody_touched_are_sound(budget, capsys):
    assert faults(budget.promise) == []
    call_command("verify_ledger")
    assert capsys.readouterr().out == "6 lines and 3 answers of 1 datasets are sound.\n"


def test_distributions_say_how_they_were_made_and_are_sound(budget):
    """With few bins and with many: another mechanism at the same price."""
    records = []
    for bins in (4, 64):
        query = Query(table="wages", measure=Distribution(Column("wage"), bins))
        quoted = questions.quote(budget, query, by=budget.scientist, epsilon=5.0)
        answer = questions.ask(budget, quoted, key=uuid4(), by=budget.scientist)
        lifecycle.compute(str(answer.pk))
        answer.refresh_from_db()
        assert answer.result is not None
        assert answer.record is not None
        assert [len(line["figures"]) for line in answer.result["lines"]] == [1] * bins
        records.append((answer.record["mechanism"], answer.record["joint_factor"], answer.line.units))
    (few, factor, units), (many, wider, same) = records
    assert ("square-root" in few, "square-root" in many, units) == (False, True, same)
    assert (factor, wider) == (joint.factor(4), joint.factor(64))
    budget.promise.refresh_from_db()
    assert faults(budget.promise) == []


EDITS = {
    "a cheaper line": ("UPDATE privacy_ledgerline SET units = units - 1 WHERE id = %s", "audit log"),
    "a line of no groups": ("UPDATE privacy_ledgerline SET cells = '\\x00' WHERE id = %s", "other groups of people"),
    "a line of another size": ("UPDATE privacy_ledgerline SET generation = 1 WHERE id = %s", "another size"),
    "another noise": (
        """UPDATE privacy_ledgerline SET purpose = jsonb_set(purpose, '{sigma}', '1073741824') WHERE id = %s""",
        "cost does not match its noise",
    ),
    "a question of more releases": (
        """UPDATE privacy_ledgerline SET purpose = jsonb_set(purpose, '{query,measure}', '{"kind": "quantiles",
        "of": {"kind": "column", "name": "wage"}, "at": [0.5]}') WHERE id = %s""",
        "cost does not match its noise",
    ),
    "no question": (
        """UPDATE privacy_ledgerline SET purpose = jsonb_set(purpose, '{query}', '"a count"') WHERE id = %s""",
        "question cannot be read",
    ),
    "no line": ("DELETE FROM privacy_ledgerline WHERE id = %s", "is missing"),
    "a commit of no reservation": (
        "UPDATE privacy_ledgerline SET settles_id = id + 1000000 WHERE id = %s",
        "settles no open reservation",
    ),
    "more given back": ("UPDATE privacy_ledgerline SET units = units - 1 WHERE id = %s", "another amount"),
}  # fmt: skip


PLACES = {"no line": 5, "a commit of no reservation": 1, "more given back": 3}
"""Which line is edited: a commit or the void; otherwise the first, a reservation."""


@pytest.mark.parametrize("edit", EDITS)
def test_one_edited_line_is_found(edit, budget):
    sql, fault = EDITS[edit]
    line = LedgerLine.objects.order_by("id")[PLACES.get(edit, 0)]
    by_hand(sql, line.pk)
    assert any(fault in each for each in faults(budget.promise))
    with pytest.raises(CommandError, match=fault):
        call_command("verify_ledger")


@pytest.mark.parametrize(("units", "exceeds"), [(CAP, False), (CAP + 1, True)])
def test_a_line_past_the_limit_is_found(units, exceeds, budget):
    line = LedgerLine.objects.order_by("id")[0]
    by_hand("UPDATE privacy_ledgerline SET units = %s WHERE id = %s", units, line.pk)
    assert (f"Line {line.pk} of {budget}: it exceeds the limit." in faults(budget.promise)) is exceeds


def reserve(budget, units, purpose):
    """Reserve units for everybody, without an answer: its process died before it stored one."""
    everybody = np.ones(budget.promise.cells.size, dtype=np.bool_)
    by = budget.scientist
    return budget_ledger.reserve(budget, units, everybody, key=uuid4(), by=by, purpose=purpose)


@pytest.mark.parametrize(
    "left", [{}, {"sigma": 1000}, {"sigma": 0, "query": {}}, {"sigma": "1000", "query": {}}]
)
def test_a_line_that_states_no_question_or_no_noise_costs_what_it_says(left, budget):
    reserve(budget, 7, left)
    assert faults(budget.promise) == []


@pytest.mark.parametrize(
    ("stated", "releases"), [(-1, 1), (0, 1), (3, 3), (99, MOST_STEPS), (None, MOST_STEPS)]
)
def test_a_search_without_an_answer_costs_the_releases_that_it_states(stated, releases, budget):
    """At least one, and at most what a search can need."""
    sigma, query = 2**34, questions.read_sql(budget, "SELECT MEDIAN(wage) FROM wages").query
    purpose = {"sigma": sigma, "query": encode(query), "releases": stated}
    price = worst_case_units(sigma, Fraction(budget.mu) ** 2) * releases
    reserve(budget, price, purpose)
    assert faults(budget.promise) == []
    line = reserve(budget, price - 1, purpose)
    assert faults(budget.promise) == [f"Line {line.pk} of {budget}: its cost does not match its noise."]


def test_a_search_of_a_table_that_its_revision_does_not_have_is_found(budget):
    line = shares.answer(budget, "SELECT MEDIAN(year) FROM wages").line
    assert faults(budget.promise) == []
    by_hand(
        """UPDATE privacy_ledgerline SET purpose = jsonb_set(purpose, '{query,table}', '"visits"') WHERE id = %s""",
        line.pk,
    )
    assert f"Line {line.pk} of {budget}: its question cannot be read." in faults(budget.promise)


def test_a_line_and_its_balance_edited_together_are_found(budget):
    """Both agree then; the audit log, and the price of the noise, do not."""
    line = LedgerLine.objects.filter(kind="reserve").last()
    by_hand("UPDATE privacy_ledgerline SET units = %s WHERE id = %s", line.units // 2, line.pk)
    cells = budget.worst_case(budget.promise.cells.size)
    cells[line.mask(len(cells))] -= line.units - line.units // 2
    Budget.objects.filter(pk=budget.pk).update(cells=cells.astype("<i8").tobytes())
    found = faults(budget.promise)
    assert not any("sum of its lines" in each for each in found)
    assert [each.rpartition(": ")[2] for each in found[:2]] == [
        "it differs from the audit log.",
        "its cost does not match its noise.",
    ]


def test_a_balance_set_back_is_found(budget):
    Budget.objects.filter(pk=budget.pk).update(cells=b"")
    assert any("not the sum of its lines" in each for each in faults(budget.promise))


def test_a_budget_made_larger_is_found(budget):
    Budget.objects.filter(pk=budget.pk).update(mu=budget.mu * 100)
    assert any("exceed its promise" in each for each in faults(budget.promise))


def test_an_answer_without_a_charge_is_found(budget):
    line = shares.answer(budget, epsilon=8.0).line
    told = Answer.objects.filter(state="released").first()
    Answer.objects.filter(line=line).update(
        state="released", result=told.result, visible_at=told.visible_at, sigma=told.sigma + 1
    )
    found = faults(budget.promise)
    assert any("never committed" in each for each in found)
    assert any("other noise" in each for each in found)


def test_people_who_were_charged_by_hand_are_found(budget):
    with closing(SubjectLedger(storage.ledger_folder(budget.promise.dataset_id))) as book:
        everybody = np.arange(PEOPLE, dtype=np.uint32)
        book.charge(budget.pk, everybody, np.full(PEOPLE, CAP // 2), line=10**9)
        book.charge(uuid4(), everybody, np.full(PEOPLE, CAP // 2), line=10**9 + 1)
    found = faults(budget.promise)
    assert [each.partition(budget.promise.dataset.name)[0] for each in found[:1]] == [
        "The per-person ledger of "
    ]
    assert any("more for" in each for each in found)


def test_a_ledger_of_people_that_is_gone_is_found(budget):
    for file in storage.ledger_folder(budget.promise.dataset_id).iterdir():
        file.unlink()
    assert any("older than what was released" in each for each in faults(budget.promise))


def test_a_folder_of_a_ledger_that_is_gone_is_found(budget):
    shutil.rmtree(storage.ledger_folder(budget.promise.dataset_id))
    assert any("older than what was released" in each for each in faults(budget.promise))


def test_a_promise_that_was_never_asked_needs_no_ledger_of_people():
    promise = shares.promise()
    shutil.rmtree(storage.ledger_folder(promise.dataset_id))
    assert faults(promise) == []


def test_revisions_from_before_the_promise_may_name_people_otherwise():
    data = make.dataset()
    draft = datasets.new_revision(data, by=data.owner, note="Another id.")
    rows = wage_rows().append_column("alias", pa.array([f"p{k}" for k in range(len(wage_rows()))]))
    person = {"type": "integer", "lower": 0, "upper": 9_999, "confirmed": True}
    alias = {"type": "text", "is_subject": True, "confirmed": True}
    columns = WAGE_COLUMNS | {"person": person, "alias": alias}
    datasets.declare(make.table(draft, rows=rows), by=data.owner, columns=columns)
    datasets.publish(data, by=data.owner)
    promise = services.protect(data, by=data.owner, epsilon=1, public_size=PEOPLE, constants=[])
    assert faults(promise) == []


def test_answers_over_undeclared_values_that_the_database_knows_are_sound():
    rows = wage_rows()
    data = make.dataset(rows=rows.append_column("note", pa.array(["same"] * len(rows))))
    scientist = make.scientist()
    make.grant(data, scientist)
    promise = services.protect(
        data,
        by=data.owner,
        epsilon=50,
        public_size=PEOPLE,
        constants=[],
        undeclared_values=True,
        scientists=1,
    )
    budget = services.give_budget(promise, scientist, by=data.owner, epsilon=30)
    answer = shares.answer(budget, "SELECT note, COUNT(DISTINCT person) FROM wages GROUP BY note")
    lifecycle.compute(str(answer.pk))
    budget.refresh_from_db()
    promise.refresh_from_db()
    with closing(SubjectLedger(storage.ledger_folder(data.pk))) as book:
        assert book.thresholds() == {budget.pk: 1}
    assert budget.thresholds_used == 1
    assert faults(promise) == []


def test_a_budget_and_answers_that_a_restored_database_has_forgotten_are_found(budget):
    Budget.objects.filter(pk=budget.pk).update(mu=budget.earlier_mus[0], generation=0, earlier_mus=[])
    with closing(SubjectLedger(storage.ledger_folder(budget.promise.dataset_id))) as book:
        line = book.last_line()
        book.charge(budget.pk, np.arange(1), np.array([0]), line=line + 1, threshold=True)
    found = faults(budget.promise)
    assert any("has a budget, or a change of one, that the database does not" in each for each in found)
    assert any("released more often than the database knows" in each for each in found)


def test_a_change_of_a_budget_that_has_yet_to_reach_the_people_is_no_fault(budget):
    budget_ledger.rescale(budget, budget.promise.mu, by=budget.promise.dataset.owner)
    assert faults(budget.promise) == []


def test_lines_and_answers_of_code_are_checked_too(settings, monkeypatch):
    share = make_code.budget(settings, monkeypatch)
    answer = make_code.computed(make_code.asked(share))
    median = replace(make_code.MEAN, shape=replace(make_code.MEAN.shape, method="median"))
    assert make_code.computed(make_code.asked(share, median)).releases == 9
    assert faults(share.promise) == []
    by_hand("UPDATE privacy_answer SET kind = 'query', deadline = NULL WHERE id = %s", answer.pk)
    assert any("another question" in each for each in faults(share.promise))
    by_hand("UPDATE privacy_answer SET kind = 'code' WHERE id = %s", answer.pk)
    purpose = {**answer.line.purpose, "query": encode_code(median)}
    by_hand("UPDATE privacy_ledgerline SET purpose = %s WHERE id = %s", json.dumps(purpose), answer.line_id)
    assert any("cost does not match" in each for each in faults(share.promise))


@pytest.mark.parametrize(
    "edit",
    [
        "result = jsonb_set(result, '{lines,0,figures,0,value}', '7')",
        'record = record || \'{"mode": "complete, they say"}\'',
        "document_salt = ''",
        "document_salt = 'x'",
    ],
)
def test_an_edited_answer_is_found(edit, budget):
    answer = Answer.objects.filter(budget=budget, state="released").first()
    by_hand(f"UPDATE privacy_answer SET {edit} WHERE id = %s", answer.pk)  # noqa: S608
    assert faults(budget.promise) == [
        f"Answer {answer.pk} differs from what the audit log says was released."
    ]


def test_figures_for_an_answer_that_was_lost_are_found(budget):
    """It was charged, and the log has no release of it: what is missing there is no sign of an earlier version."""
    told, lost = Answer.objects.filter(state="released").first(), shares.answer(budget, epsilon=8.0)
    budget_ledger.commit(lost.line, by=budget.scientist)
    settling.lose(lost)
    assert faults(budget.promise) == []
    Answer.objects.filter(pk=lost.pk).update(
        state="released", result=told.result, record=told.record, visible_at=told.visible_at
    )
    assert f"Answer {lost.pk} has figures, but the audit log does not say that it was released." in faults(
        budget.promise
    )


def test_a_released_answer_that_is_gone_is_found(budget):
    answer = Answer.objects.filter(budget=budget, state="released").first()
    by_hand("UPDATE privacy_answer SET state = 'lost', result = NULL WHERE id = %s", answer.pk)
    assert f"Answer {answer.pk} was released, as the audit log says, but it is missing." in faults(
        budget.promise
    )


def test_answers_of_versions_whose_entries_hold_no_hash_are_sound(budget):
    answer = Answer.objects.filter(budget=budget, state="released").first()
    by_hand("UPDATE privacy_answer SET document_salt = '' WHERE id = %s", answer.pk)
    by_hand(
        "UPDATE audit_entry SET detail = detail - 'document_sha256'"
        " WHERE action = 'answer.released' AND object_id = %s",
        str(answer.pk),
    )
    assert faults(budget.promise) == []
