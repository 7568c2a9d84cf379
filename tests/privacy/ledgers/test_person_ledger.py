"""Each subject's charges: checked before they are added, exact, in order, and whole after a kill at any moment."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest

from common.errors import Conflict
from privacy.engine.measure.contributions import CAP
from privacy.ledgers.person_ledger import CHUNK, Share, SubjectLedger

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def book(tmp_path):
    book = SubjectLedger(tmp_path / "ledger")
    yield book
    book.close()


def test_a_subject_is_charged_up_to_its_cap_and_never_past_it(book):
    budget, places = uuid4(), np.arange(3)
    first = book.charge(budget, places, np.array([CAP, CAP - 1, 0]), line=1)
    second = book.charge(budget, places, np.array([1, 1, 5]), line=2)
    third = book.charge(budget, places, np.array([0, 1, CAP]), line=3)
    assert first.tolist() == [True, True, True]
    assert second.tolist() == [False, True, True]
    assert third.tolist() == [True, False, False]
    assert book.spent(budget).tolist() == [CAP, CAP, 5]


def test_nobody_is_charged_twice_for_what_has_a_note(book):
    """By whichever line and budget: the database that numbers lines may have been restored."""
    budget, places = uuid4(), np.arange(2)
    assert not book.has_noted(b"plan|0")
    book.charge(budget, places, np.array([5, 6]), line=1, note=b"plan|0")
    assert (book.has_noted(b"plan|0"), book.has_noted(b"plan|1")) == (True, False)
    for payer in (budget, uuid4()):
        with pytest.raises(Conflict, match="charged for this already"):
            book.charge(payer, places, np.array([1, 1]), line=2, note=b"plan|0")
        assert book.spent(payer).tolist() in ([5, 6], [])
    assert book.last_line() == 1
    book.charge(budget, places, np.array([1, 1]), line=2, note=b"plan|1")
    assert (book.spent(budget).tolist(), book.shares(), book.thresholds()) == ([6, 7], {}, {})


def test_a_note_is_short(book):
    with pytest.raises(ValueError, match="at most 200 bytes"):
        book.has_noted(bytes(201))


def test_budgets_do_not_touch_each_other(book):
    one, other = uuid4(), uuid4()
    book.charge(one, np.arange(2), np.array([5, 6]), line=1)
    assert book.charge(other, np.arange(2), np.array([CAP, CAP]), line=2).all()
    assert book.spent(one).tolist() == [5, 6]


def test_a_line_is_charged_once_and_in_order(book):
    budget = uuid4()
    book.charge(budget, np.arange(1), np.array([5]), line=7)
    for line in (7, 6):
        with pytest.raises(Conflict, match="already"):
            book.charge(budget, np.arange(1), np.array([5]), line=line)
    assert book.spent(budget).tolist() == [5]
    assert book.last_line() == 7


def test_subjects_keep_their_places_in_later_revisions(book):
    digests = np.arange(64, dtype=np.uint8).reshape(4, 16)
    assert book.places(digests[[0, 1]]).tolist() == [0, 1]
    assert book.places(digests[[3, 1, 0]]).tolist() == [2, 1, 0]
    assert book.places(digests[[0, 1]]).tolist() == [0, 1]


def test_many_subjects_span_chunks(book):
    n = 2 * CHUNK + 5
    budget, places = uuid4(), np.random.default_rng(1).permutation(n)
    charges = np.arange(n)
    book.charge(budget, places, charges, line=1)
    assert book.spent(budget)[places].tolist() == charges.tolist()


def test_a_changed_budget_scales_every_subject_rounded_up_and_once_however_often_it_is_told(book):
    budget = uuid4()
    book.keep(budget, Share(1.0, 0))
    book.charge(budget, np.arange(3), np.array([0, 1, 1001]), line=1)
    for _ in range(3):
        book.keep(budget, Share(2.0, 1))
        assert book.spent(budget).tolist() == [0, 1, 251]
    assert book.shares() == {budget: Share(2.0, 1)}


@pytest.mark.parametrize("share", [Share(1.0, 0), Share(3.0, 1)], ids=["an older one", "another one"])
def test_a_budget_that_a_later_one_followed_is_not_taken_over(book, share):
    budget = uuid4()
    book.keep(budget, Share(2.0, 1))
    with pytest.raises(Conflict, match="later change of this budget"):
        book.keep(budget, share)
    assert book.shares() == {budget: Share(2.0, 1)}


def test_a_budget_does_not_shrink_below_what_somebody_used(book):
    budget = uuid4()
    book.keep(budget, Share(1.0, 0))
    book.charge(budget, np.arange(2), np.array([1, CAP // 2]), line=1)
    with pytest.raises(Conflict, match="charged more"):
        book.keep(budget, Share(0.5, 1))
    assert (book.shares()[budget], book.spent(budget).tolist()) == (Share(1.0, 0), [1, CAP // 2])


def test_answers_over_undeclared_values_are_counted_with_their_charge(book):
    one, other = uuid4(), uuid4()
    book.charge(one, np.arange(1), np.array([5]), line=1, threshold=True)
    book.charge(one, np.arange(1), np.array([5]), line=2)
    book.charge(other, np.arange(1), np.array([5]), line=3, threshold=True)
    with pytest.raises(Conflict):
        book.charge(other, np.arange(1), np.array([5]), line=3, threshold=True)
    book.charge(one, np.arange(1), np.array([5]), line=4, threshold=True)
    assert book.thresholds() == {one: 2, other: 1}


CHARGER = """
import sys, numpy as np
from pathlib import Path
from uuid import UUID
from privacy.ledgers.person_ledger import SubjectLedger
book = SubjectLedger(Path(sys.argv[1]))
line = book.last_line()
print("ready", flush=True)
while True:
    line += 1
    book.charge(UUID(int=1), np.arange(200_000), np.full(200_000, 3), line=line)
    print(line, flush=True)
"""


def test_a_kill_at_any_moment_leaves_a_whole_ledger(tmp_path):
    """Whatever line was reported done is there; every subject stands at the same line; at most one more is charged."""
    folder, rng = tmp_path / "ledger", np.random.default_rng(3)
    for _ in range(8):
        command = [sys.executable, "-c", CHARGER, str(folder)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            time.sleep(float(rng.uniform(0.0, 0.25)))
            os.kill(child.pid, signal.SIGKILL)
            reported = [int(text) for text in child.stdout.read().split("\n")[:-1]]
        book = SubjectLedger(folder)
        last, spent = book.last_line(), book.spent(UUID(int=1))
        book.close()
        if reported:
            assert last in {reported[-1], reported[-1] + 1}
        assert set(spent.tolist()) <= {3 * last}


def test_people_in_order_and_in_any_other_are_charged_alike(book):
    """Also where a listing ends within a chunk, is longer than the one before it, or shorter."""
    draw = np.random.default_rng(7)
    one, other = uuid4(), uuid4()
    for line, count in enumerate((CHUNK // 2, 2 * CHUNK + 3, CHUNK + 1, 0), start=1):
        places, charges = np.arange(count, dtype=np.uint32), draw.integers(0, CAP, count)
        mixed = draw.permutation(count).astype(np.uint32)
        in_order = book.charge(one, places, charges, line=2 * line)
        in_disorder = book.charge(other, places[mixed], charges[mixed], line=2 * line + 1)
        assert in_order[mixed].tolist() == in_disorder.tolist()
        assert book.spent(one).tolist() == book.spent(other).tolist()
    assert len(book.spent(one)) == 2 * CHUNK + 3


def test_a_listing_has_the_same_places_by_its_name(book):
    digests = np.arange(64, dtype=np.uint8).reshape(4, 16)
    name = hashlib.sha256(digests.data).digest()
    assert book.places(digests).tolist() == book.places(digests, name=name).tolist() == [0, 1, 2, 3]
