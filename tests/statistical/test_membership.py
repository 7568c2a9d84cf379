"""An attacker who guesses, from released answers, who is in the data is right as often as promised and no more.

Thousands of canaries stand in one table, each in a cell of its own and present by a coin toss, so that one answer is
thousands of independent games (Steinke, Nasr and Jagielski, Privacy auditing with one training run, NeurIPS 2023).
Under mu-GDP the best attacker is right with probability Phi(mu / 2); noise too small by a third shows.
"""

import math
from statistics import NormalDist
from uuid import uuid4

import numpy as np
import pytest

from privacy.engine.language.expressions import Column
from privacy.engine.language.query import Count, CountSubjects, Histogram, Query, Sum
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.engine.measure.contributions import CAP, ONE, charges
from privacy.engine.measure.evaluate import Rows, Values
from privacy.engine.plan.designs import design
from privacy.engine.plan.pricing import offer_for_mu
from privacy.engine.release import measure, table_from_columns
from privacy.ledgers.person_ledger import SubjectLedger

pytestmark = pytest.mark.statistical

CANARIES = 8000
SPEC = TableSpec(
    name="canaries",
    subject="person",
    max_rows=2,
    columns={
        "cell": ColumnSpec(name="cell", kind=Kind.CATEGORY, labels=tuple(map(str, range(CANARIES)))),
        "weight": ColumnSpec(name="weight", kind=Kind.NUMBER, lower=0.0, upper=10.0),
    },
)
QUERIES = {
    "people": CountSubjects(),
    "rows": Count(),
    "sum": Sum(Column("weight")),
    "bins": Histogram(Column("weight"), (5.0, 10.0)),
}


def game(seed):
    """(who is present, the table of those): everybody has two rows at the upper bound, the most that may count."""
    present = np.random.default_rng(seed).random(CANARIES) < 0.5
    cells = np.repeat(np.flatnonzero(present), 2)
    columns = {
        "cell": Values(cells.astype(np.int32), np.ones(len(cells), dtype=bool)),
        "weight": Values(np.full(len(cells), 10.0), np.ones(len(cells), dtype=bool)),
    }
    offsets = np.arange(0, len(cells) + 1, 2, dtype=np.int64)
    return present, table_from_columns(Rows(SPEC, columns, len(cells)), offsets)


def told(answer):
    return np.array([line.figures[0].value for line in answer.lines])


def right(guesses, present):
    return float((guesses == present).mean())


def expected(mu):
    return NormalDist().cdf(mu / 2)


SPREAD = 4.5 * 0.5 / math.sqrt(CANARIES)


@pytest.mark.parametrize("name", QUERIES)
def test_one_answer_gives_away_what_it_may_and_no_more(name):
    mu = 1.0
    query = Query(table="canaries", measure=QUERIES[name], by=("cell",))
    plan = design(query, SPEC)
    present, table = game(seed=len(name))
    answer = measure(query, table).release(offer_for_mu(plan, mu, 1.0).sigma, None)
    # A person may be in two cells: in one of them it moves the count by one, the clip being sqrt 2.
    reach = 1.0 if name == "people" else plan.clip
    accuracy = right(told(answer) > reach / 2, present)
    real = mu * reach / plan.clip
    assert abs(accuracy - expected(real)) < SPREAD


def test_two_answers_add_up_as_promised():
    query = Query(table="canaries", measure=Count(), by=("cell",))
    plan = design(query, SPEC)
    present, table = game(seed=11)
    measured = measure(query, table)
    one, two = 0.6, 0.8
    scores = sum(
        mu**2 * (told(measured.release(offer_for_mu(plan, mu, 1.0).sigma, None)) - plan.clip / 2)
        for mu in (one, two)
    )
    assert abs(right(scores > 0, present) - expected(math.hypot(one, two))) < SPREAD


def test_the_filter_stops_an_attacker_who_asks_on_and_on(tmp_path):
    """Ten answers of mu = 0.5 against a budget of mu = 1: four count, the rest leave the canaries out."""
    query = Query(table="canaries", measure=Count(), by=("cell",))
    plan = design(query, SPEC)
    present, table = game(seed=17)
    offer = offer_for_mu(plan, 0.5, 1.0)
    measured = measure(query, table)
    charged = charges(measured.squares, offer.units)
    book = SubjectLedger(tmp_path / "ledger")
    scores, budget = np.zeros(CANARIES), uuid4()
    took_part = []
    for line in range(1, 11):
        active = book.charge(budget, np.arange(table.subjects), charged, line=line)
        took_part.append(bool(active.all()))
        scores += told(measured.release(offer.sigma, active)) - plan.clip / 2 * (line <= 4)
    spent = book.spent(budget)
    book.close()
    assert took_part == [True] * 3 + [took_part[3]] + [False] * 6
    assert int(spent.max()) <= CAP
    mu = 0.5 * math.sqrt(sum(took_part))
    assert right(scores > 0, present) < expected(max(mu, 1.0)) + SPREAD


def test_noise_too_small_would_be_noticed():
    """The power of these tests: noise too small by a third is told from what was promised."""
    query = Query(table="canaries", measure=Count(), by=("cell",))
    plan = design(query, SPEC)
    present, table = game(seed=23)
    sigma = round(offer_for_mu(plan, 1.0, 1.0).sigma * 0.7)
    accuracy = right(told(measure(query, table).release(sigma, None)) > plan.clip / 2, present)
    assert accuracy > expected(1.0) + SPREAD
    assert sigma > ONE / 2
