"""An answer is called complete only where nobody can have been left out, and takes as long whoever is."""

import sys
from collections import Counter
from contextlib import closing

import numpy as np
import pyarrow as pa
import pytest

from datasets import storage
from privacy import services
from privacy.execution import lifecycle
from privacy.ledgers.person_ledger import SubjectLedger
from privacy.models import Answer
from tests import make
from tests.makers import privacy as shares
from tests.makers.datasets import PEOPLE, wage_rows

pytestmark = pytest.mark.django_db

EAST = "SELECT COUNT(*) FROM wages WHERE region = 'east'"
NORTH = "SELECT COUNT(*) FROM wages WHERE region = 'north'"
MOST, HALF = 30, 15
"""Two of the one do not fit into a budget, two of the other do."""


def share(**parts):
    data, scientist = make.dataset(), make.scientist()
    make.grant(data, scientist)
    made = services.protect(
        data, by=data.owner, epsilon=50, public_size=PEOPLE, constants=["region"], scientists=1, **parts
    )
    return services.give_budget(made, scientist, by=data.owner, epsilon=40, extended=made.extended_allowed)


def answered(budget, text, epsilon):
    answer = shares.answer(budget, text, epsilon=epsilon)
    lifecycle.compute(str(answer.pk))
    answer.refresh_from_db()
    assert answer.state == Answer.State.RELEASED
    return answer


def moved():
    """The same people, each in another region than before."""
    rows = wage_rows()
    other = {"east": "north", "north": "west", "west": "east"}
    regions = pa.array([other[region] for region in rows["region"].to_pylist()], pa.string())
    return rows.set_column(rows.schema.get_field_index("region"), "region", regions)


def test_people_who_moved_between_revisions_may_be_left_out_and_the_answer_says_so():
    budget = share()
    assert not answered(budget, EAST, MOST).extended
    make.next_revision(budget.promise.dataset, rows=moved())
    asked = shares.answer(budget, NORTH, epsilon=MOST)
    assert asked.extended
    answer = answered(budget, NORTH, MOST)
    assert (answer.extended, answer.record["mode"]) == (True, "extended: may silently leave people out")
    assert answer.result["lines"][0]["figures"][0]["value"] < PEOPLE


def test_within_one_table_each_person_is_in_one_cell_and_answers_are_complete():
    budget = share()
    assert [answered(budget, text, MOST).extended for text in (EAST, NORTH)] == [False, False]


def test_what_fits_into_a_budget_even_in_one_cell_is_complete_whoever_moved():
    budget = share()
    assert not answered(budget, EAST, HALF).extended
    make.next_revision(budget.promise.dataset, rows=moved())
    assert not answered(budget, NORTH, HALF).extended


def steps(answer):
    """How often each function of the engine is called for an answer, but for those that work on public prices."""
    calls: Counter[str] = Counter()

    def note(frame, event, _):
        path = frame.f_code.co_filename
        if event == "call" and "/privacy/engine/" in path and not path.endswith("accounting.py"):
            calls[frame.f_code.co_qualname] += 1

    sys.setprofile(note)
    try:
        lifecycle.compute(str(answer.pk))
    finally:
        sys.setprofile(None)
    answer.refresh_from_db()
    assert answer.state == Answer.State.RELEASED
    return calls


@pytest.mark.parametrize("text", ["SELECT COUNT(*) FROM wages", "SELECT MEDIAN(wage) FROM wages"])
def test_the_same_is_done_whether_somebody_is_left_out_or_nobody(text):
    budget = share(extended_allowed=True)
    lifecycle.compute(str(shares.answer(budget, text, epsilon=2).pk))  # the first one looks people up
    nobody = steps(shares.answer(budget, text, epsilon=3))
    with closing(SubjectLedger(storage.ledger_folder(budget.promise.dataset_id))) as book:
        line = book.last_line() + 1
        paid = 2**32 - 1 - book.spent(budget.pk)[:1].astype(np.int64)
        book.charge(budget.pk, np.arange(1, dtype=np.uint32), paid, line=line)
    somebody = steps(shares.answer(budget, text, epsilon=4))
    assert somebody == nobody
    assert sum(somebody.values()) > 0
