"""This portal's part of a joint question: charged before rows are read, computed once, told at a public time."""

from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from uuid import uuid4

import numpy as np
import pytest
from django.utils import timezone

from audit.models import Entry
from common.errors import Conflict, Denied, Refused
from datasets import storage
from privacy import rules, services
from privacy.engine import joint_release
from privacy.engine.joint_release import MIN_SHARE, units_of
from privacy.engine.language.expressions import Column
from privacy.engine.language.query import Mean, Query
from privacy.engine.language.schema import QueryRefused
from privacy.engine.measure.contributions import CAP, ONE
from privacy.execution import joint_legs, lifecycle, settling
from privacy.execution.joint_legs import COMPUTED, LEFT_ALONE, Kind
from privacy.ledgers.person_ledger import SubjectLedger
from privacy.ledgers.verification import _Replay, faults
from privacy.models import Answer, LedgerLine, Promise
from privacy.services import joint_charges
from tests import make
from tests.makers import privacy as shares
from tests.makers.datasets import PEOPLE
from tests.makers.joint import BY_AREA, SHARE, leg, mapped, reserved

pytestmark = pytest.mark.django_db

MEAN = Query(table="pay", measure=Mean(Column("thousands")), by=("area",))


@pytest.fixture(autouse=True)
def _without_checks_of_apps_above(monkeypatch):
    """Legs are rows of studies, which these lines do not have."""
    monkeypatch.setattr("privacy.ledgers.verification.checks", [])


@pytest.fixture
def budget():
    return share_of()


def share_of(**parts):
    data, scientist = make.dataset(), make.scientist()
    make.grant(data, scientist)
    made = services.protect(
        data, by=data.owner, epsilon=50, public_size=PEOPLE, constants=["region"], scientists=1, **parts
    )
    return services.give_budget(made, scientist, by=data.owner, epsilon=40, extended=made.extended_allowed)


class Kept:
    """What is handed over, in place of masks and a row."""

    def __init__(self):
        self.vectors, self.times = [], []

    def __call__(self, vector, at):
        self.vectors.append(vector.view(np.int64))
        self.times.append(at)


def computed(work, still=lambda: True):
    kept = Kept()
    return joint_legs.compute(work, still=still, finish=kept), kept


def charged_to(budget):
    with closing(SubjectLedger(storage.ledger_folder(budget.promise.dataset_id))) as book:
        return book.spent(budget.pk)


def settled(line):
    found = LedgerLine.objects.filter(settles=line).first()
    return found and found.kind


def test_a_part_is_charged_noised_and_handed_over(budget):
    (line,) = reserved(budget, h=2, share=SHARE)
    before = timezone.now()
    ended, kept = computed(leg(line))
    assert (ended, settled(line)) == (COMPUTED, "commit")
    (vector,), (at,) = kept.vectors, kept.times
    assert np.abs(vector / ONE - PEOPLE / 3).max() < 6 * SHARE / ONE
    assert before < at <= timezone.now()
    assert line.units == units_of(SHARE, 2, budget.mu_squared)
    assert set(charged_to(budget).tolist()) == {
        line.units // 3
    }  # each is in one of the three areas all the time
    budget.promise.refresh_from_db()
    assert budget.promise.last_applied == LedgerLine.objects.get(settles=line).pk
    assert faults(budget.promise) == []


def test_own_rows_are_read_as_the_study_declares_them(budget):
    """The exact sums behind the noise are those of the mapped rows."""
    (line,) = reserved(budget, MEAN, share=MIN_SHARE * 16)
    _, kept = computed(leg(line, MEAN))
    plan = joint_release.check(MEAN, leg(line, MEAN).spec)
    sums = kept.vectors[0].reshape(3, 2) / ONE * plan.clip
    rows = 4 * PEOPLE / 3
    assert sums[:, 1] / np.sqrt(0.5) == pytest.approx([rows] * 3, abs=90)
    assert charged_to(budget).max() <= line.units


def test_a_part_leaves_nothing_behind_but_the_charge(budget):
    (line,) = reserved(budget)
    computed(leg(line))
    assert Answer.objects.count() == 0
    entries = Entry.objects.filter(object_type="ledgerline").values_list("action", flat=True)
    assert sorted(entries) == ["budget.commit", "budget.reserved"]


def test_a_round_that_does_not_wait_any_more_is_left_alone(budget):
    (line,) = reserved(budget)
    ended, kept = computed(leg(line), still=lambda: False)
    assert (ended, kept.vectors, settled(line)) == (LEFT_ALONE, [], None)
    refused = leg(line, replace(BY_AREA, by=("height",)))
    assert computed(refused, still=lambda: False)[0] == LEFT_ALONE
    assert len(charged_to(budget)) == 0


def given_back(line, **changed):
    ended, kept = computed(leg(line, **changed))
    assert (ended.kind, kept.vectors, settled(line)) == (Kind.GIVEN_BACK, [], "void")
    assert not charged_to(line.budget).any()
    return ended.reason


def test_a_query_that_cannot_be_computed_is_given_back(budget):
    (line,) = reserved(budget)
    assert "height" in given_back(line, query=replace(BY_AREA, by=("height",)))


@pytest.mark.parametrize(
    "changed", [{"share": SHARE + 1}, {"h": 2}, {"query": MEAN}], ids=["noise", "portals", "question"]
)
def test_what_was_not_charged_is_not_computed(budget, changed):
    (line,) = reserved(budget)
    assert given_back(line, **changed) == "What was prepared differs from what was charged. Ask again."


def test_the_rows_of_another_revision_are_not_opened(budget):
    computed(leg(*reserved(budget)))
    (line,) = reserved(budget)
    before = charged_to(budget).tolist()
    make.next_revision(budget.promise.dataset)
    ended, kept = computed(leg(line, note="another"))
    assert ended.reason == "What was prepared differs from what was charged. Ask again."
    assert (kept.vectors, charged_to(budget).tolist()) == ([], before)


def test_a_closed_budget_pays_for_no_part(budget):
    (line,) = reserved(budget)
    services.close_budget(budget, by=budget.promise.dataset.owner, reason="The study is over.")
    assert given_back(line) == "The owner has closed this budget."


def test_a_budget_of_another_size_pays_for_no_part(budget):
    (line,) = reserved(budget)
    type(budget).objects.filter(pk=budget.pk).update(mu=budget.mu / 2)
    assert given_back(line) == "The budget has changed since this was prepared. Ask again."


def test_people_are_never_charged_twice_for_a_round(budget):
    """A database that was restored to before the round: the per-person ledger knows better."""
    first, second = (*reserved(budget), *reserved(budget))
    computed(leg(first))
    before = charged_to(budget).tolist()
    ended, kept = computed(leg(second))
    assert (ended.kind, kept.vectors) == (Kind.GIVEN_BACK, [])
    assert ended.reason == "The people have been charged for this already. Nothing is released for it again."
    assert charged_to(budget).tolist() == before


def test_an_older_per_person_ledger_pays_for_no_part(budget):
    (line,) = reserved(budget)
    Promise.objects.filter(pk=budget.promise_id).update(last_applied=line.pk + 100)
    assert "older than what was released" in given_back(line)


def test_nobody_is_left_out_silently(budget):
    (line,) = reserved(budget)
    Promise.objects.filter(pk=budget.promise_id).update(incomplete_since=timezone.now())
    assert given_back(line) == rules.MAY_LEAVE_OUT
    with pytest.raises(Denied, match="leave people out"):
        reserved(budget)
    with pytest.raises(Denied, match="leave people out"):
        reserved(share_of(extended_allowed=True))


def test_a_budget_that_rests_on_constants_pays_for_no_part(budget, monkeypatch):
    (line,) = reserved(budget)
    monkeypatch.setattr("privacy.ledgers.budget_ledger.rests_on_constants", lambda _: True)
    assert given_back(line) == rules.MAY_LEAVE_OUT
    with pytest.raises(Refused, match="leave people out"):
        reserved(budget)


def test_nothing_is_computed_while_a_part_of_the_log_is_missing(budget, monkeypatch):
    (line,) = reserved(budget)
    monkeypatch.setattr("audit.witnesses.missing", lambda: True)
    with pytest.raises(Refused, match="part of its log is missing"):
        computed(leg(line))
    assert settled(line) is None


def fails(*_):
    raise OSError("The disk is full.")


def test_what_fails_after_the_charge_is_told_at_the_public_time(budget, monkeypatch):
    slept: list[datetime] = []
    monkeypatch.setattr(settling, "sleep_until", slept.append)
    (line,) = reserved(budget)
    begun = timezone.now()
    with pytest.raises(OSError, match="disk is full"):
        joint_legs.compute(leg(line), still=lambda: True, finish=fails)
    assert settled(line) == "commit"
    assert charged_to(budget).all()
    assert begun < slept[0]
    budget.promise.refresh_from_db()
    assert budget.promise.last_applied == 0
    (other,) = reserved(budget)
    lost = leg(other, note="another")
    monkeypatch.setattr(joint_legs, "engine_table", fails)
    with pytest.raises(OSError, match="disk is full"):
        computed(lost)
    assert (settled(other), len(slept)) == ("commit", 2)


def test_a_mapping_keeps_people_and_their_rows(budget):
    (line,) = reserved(budget)
    with pytest.raises(ValueError, match="keeps its people and rows"):
        computed(leg(line, mapped=lambda own: own))
    assert settled(line) is None

    def fewer(own):
        found = mapped(own)
        return found if own.subjects == 1 else replace(found, offsets=found.offsets[:-1])

    with pytest.raises(ValueError, match="keeps its people and rows"):
        computed(leg(line, mapped=fewer))
    assert settled(line) == "commit"


def test_a_time_that_was_too_short_is_doubled(budget, settings):
    settings.ANSWER_SECONDS = 0.0
    (line,) = reserved(budget)
    _, kept = computed(leg(line, mapped=slowly))
    budget.promise.refresh_from_db()
    assert budget.promise.doublings > 0
    assert budget.promise.doubled_at == kept.times[0]


def slowly(own):
    """Take longer than the public time, but for the rehearsal."""
    if own.subjects > 1:
        settling.sleep_until(timezone.now() + timedelta(seconds=0.3))
    return mapped(own)


def test_the_first_question_to_a_table_has_more_time_whoever_asks_it(budget, monkeypatch):
    """A part of a joint question looks people up, as an answer does."""
    Promise.objects.update(public_size=10**6)
    found: list[float] = []

    def noted(_, begun, seconds, **__):
        found.append(seconds)
        return begun, 0

    monkeypatch.setattr("privacy.execution.opening.due", noted)
    for number in range(2):
        computed(leg(*reserved(budget), note=str(number)))
    lifecycle.compute(str(shares.answer(budget, epsilon=1.0).pk))
    first, second, local = found[0], found[1], found[-1]
    assert first == pytest.approx(second + 5.0)
    assert local < second


# The ledger's lines


def test_all_rounds_are_reserved_or_none(budget):
    keys = [uuid4() for _ in range(3)]
    lines = reserved(budget, keys=keys)
    assert [line.purpose["joint"]["round"] for line in lines] == [0, 1, 2]
    assert [line.mask(budget.promise.cells.size).all() for line in lines] == [True] * 3
    assert reserved(budget, keys=keys) == lines
    with pytest.raises(Conflict, match="used for another charge"):
        reserved(budget, MEAN, keys=keys)
    dear = [uuid4() for _ in range(3)]
    half = int(ONE * (2 / float(budget.mu_squared)) ** 0.5)
    with pytest.raises(Refused, match="left"):
        reserved(budget, share=max(half, MIN_SHARE), keys=dear)
    assert LedgerLine.objects.filter(key__in=dear).count() == 0


def test_noise_that_is_not_gaussian_is_refused(budget):
    with pytest.raises(QueryRefused, match="precise"):
        reserved(budget, share=MIN_SHARE - 1)


def test_reservations_wait_for_other_portals_and_are_given_back_once(budget, settings):
    settings.ANSWER_GIVEN_UP = -timedelta(hours=1)
    first, second = reserved(budget, keys=[uuid4(), uuid4()])
    lifecycle.sweep()
    assert settled(first) is None
    with pytest.raises(Conflict, match="reserved for a joint question"):
        services.change_budget(budget, by=budget.promise.dataset.owner, epsilon=45)
    computed(leg(second))
    for line in (first, second):
        kind = settled(line)
        if kind is None:
            joint_charges.void(line, by=budget.scientist)
        else:
            with pytest.raises(Conflict, match="settled"):
                joint_charges.void(line, by=budget.scientist)
    answer = shares.answer(budget, epsilon=1.0)
    with pytest.raises(Refused, match="no part of a joint question"):
        joint_charges.void(answer.line, by=budget.scientist)
    budget.refresh_from_db()
    assert budget.units_used == second.units + answer.line.units
    answer.line.refresh_from_db()
    budget.promise.refresh_from_db()
    assert faults(budget.promise) == []


EDITS = {
    "less noise": ({"share": SHARE // 2}, "cost does not match its noise"),
    "more portals": ({"h": 3}, "cost does not match its noise"),
    "no noise": ({"share": 0}, "question cannot be read"),
    "noise in words": ({"share": "much"}, "question cannot be read"),
    "true portals": ({"h": True}, "question cannot be read"),
    "no revision": ({"revision": ""}, "question cannot be read"),
}


@pytest.mark.parametrize(("edit", "says"), EDITS.values(), ids=EDITS)
def test_an_edited_line_is_found(budget, edit, says):
    (line,) = reserved(budget)
    line.purpose["joint"] |= edit
    assert [each for each in _faults_of(line) if says in each] != []


def test_a_joint_line_without_its_part_or_for_some_people_is_found(budget):
    (line,) = reserved(budget)
    line.purpose["joint"] = "count"
    assert any("cannot be read" in each for each in _faults_of(line))
    (line,) = reserved(budget)
    some = np.zeros(budget.promise.cells.size, dtype=np.bool_)
    some[0] = True
    line.cells = np.packbits(some).tobytes()
    assert any("only some groups" in each for each in _faults_of(line))


def _faults_of(line):
    """Replay one line as if the database held it so."""
    replay = _Replay(line.budget, line.budget.promise.cells.size)
    replay.spent = np.zeros(replay.size, dtype=np.int64)
    return list(replay._reserve(line))


def test_an_answer_is_never_charged_by_a_joint_line(budget):
    (line,) = reserved(budget)
    answer = shares.answer(budget, epsilon=1.0)
    Answer.objects.filter(pk=answer.pk).update(line=line)
    assert any("by a line of a joint question" in each for each in faults(budget.promise))


def test_apps_above_add_their_own_checks(budget, monkeypatch):
    monkeypatch.setattr("privacy.ledgers.verification.checks", [lambda promise: iter([f"{promise} is odd."])])
    assert faults(budget.promise) == [f"{budget.promise} is odd."]


def test_the_worst_case_is_what_one_person_can_be_charged(budget):
    assert Fraction(CAP) * ONE * ONE / (SHARE * SHARE * budget.mu_squared) <= reserved(budget)[0].units
