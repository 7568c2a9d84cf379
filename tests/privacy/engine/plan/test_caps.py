"""How many rows of a person count: what pages say of it is what the engine does, lowered and raised."""

from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest

from privacy import services
from privacy.engine.accounting import gdp_mu
from privacy.engine.language.expressions import Column, Compare, Constant, In
from privacy.engine.language.learning import SyntheticTable
from privacy.engine.language.query import (
    Count,
    CountSubjects,
    KeyCounts,
    Mean,
    PersonQuantiles,
    Quantiles,
    Query,
    Sum,
    Variance,
)
from privacy.engine.language.schema import MAX_ROWS_PER_SUBJECT, ColumnSpec, Kind, QueryRefused
from privacy.engine.measure import contributions as co
from privacy.engine.measure.evaluate import Rows, Values
from privacy.engine.plan.designs import design
from privacy.engine.plan.pricing import error_per_sigma, offer_for_error
from privacy.engine.release import measure, table_from_columns
from privacy.execution import lifecycle
from privacy.execution.questions import question_of
from privacy.ledgers.verification import faults
from privacy.presentation import caps_in_words, exports
from privacy.presentation.suggestions import applied, kept_apart, proposals
from privacy.services import questions
from tests import make
from tests.makers import privacy as shares
from tests.makers.datasets import PEOPLE, YEARS
from tests.privacy.engine.test_engine import QUERIES
from tests.privacy.make_table import SPEC

WAGE = Column("wage")
SECTOR = ColumnSpec(name="sector", kind=Kind.CATEGORY, labels=tuple("abcdefghijkl"))
COUNT = Query(table="wages", measure=Count())
SUM = Query(table="wages", measure=Sum(WAGE))
ROWS_COUNT = [query for query in QUERIES if not isinstance(query.measure, PersonQuantiles | SyntheticTable)]
"""How many rows a person has is asked of all rows, whatever counts; in a synthetic table, one row counts."""


@pytest.fixture(scope="module")
def crowded():
    """People with up to 5,000 rows each, where 8 are declared."""
    rng = np.random.default_rng(3)
    sizes = np.array([1, 2, 7, 8, 9, 40, 400, 4096, 5000])
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    n = int(offsets[-1])
    everywhere = np.ones(n, dtype=bool)
    columns = {
        "wage": Values(rng.random(n) * 100, rng.random(n) > 0.1),
        "hours": Values(rng.integers(-10, 61, n).astype(float), everywhere),
        "union": Values(rng.integers(0, 2, n).astype(np.int8), everywhere),
        "region": Values(np.repeat(rng.integers(0, 3, len(sizes)), sizes).astype(np.int8), everywhere),
    }
    return table_from_columns(Rows(SPEC, columns, n), offsets)


# What the engine does


@pytest.mark.parametrize("rows", [1, 8, 20, 400, MAX_ROWS_PER_SUBJECT])
def test_a_count_takes_at_most_the_cap_of_each_person(crowded, rows):
    """What "counting at most n per person" says, below and above what is declared."""
    squares = measure(replace(COUNT, rows=rows), crowded).squares
    counted = np.sqrt(squares.astype(float)) / co.ONE * rows
    assert counted == pytest.approx(np.minimum(np.diff(crowded.offsets), rows), rel=1e-6)


@pytest.mark.parametrize("rows", [1, 20, 400])
def test_a_sum_takes_what_so_many_rows_can_hold(crowded, rows):
    squares = measure(replace(SUM, rows=rows), crowded).squares
    wage = crowded.rows.columns["wage"]
    numbers = np.where(wage.valid, wage.numbers, 0.0)
    first = crowded.offsets[:-1]
    true = [numbers[a : min(b, a + 4096)].sum() for a, b in zip(first, crowded.offsets[1:], strict=True)]
    added = np.sqrt(squares.astype(float)) / co.ONE * rows * 100
    assert added == pytest.approx(np.minimum(true, rows * 100), rel=1e-6, abs=0.01 * rows)
    assert (np.array(true) > rows * 100).any()


@pytest.mark.parametrize("rows", [1, 20, MAX_ROWS_PER_SUBJECT])
@pytest.mark.parametrize("query", ROWS_COUNT, ids=lambda q: type(q.measure).__name__)
def test_whoever_has_no_more_rows_than_the_cap_counts_in_full(query, rows, crowded):
    """And nobody adds more than the clip, which is what is charged: charges are squared norms of what is added."""
    asked = replace(query, rows=rows)
    plan, table = design(asked, SPEC), crowded
    capped, free = measure(asked, table).squares, measure(replace(query, rows=MAX_ROWS_PER_SUBJECT), table)
    assert capped.max() <= co.ONE**2
    wide = design(replace(query, rows=MAX_ROWS_PER_SUBJECT), SPEC).clip
    few = np.diff(table.offsets) <= rows
    length = np.sqrt(capped[few].astype(float)) * plan.clip
    assert length == pytest.approx(np.sqrt(free.squares[few].astype(float)) * wide, rel=1e-4, abs=40 * wide)


@pytest.mark.parametrize("rows", [0, -1, MAX_ROWS_PER_SUBJECT + 1])
def test_a_cap_that_is_none_is_refused(rows):
    with pytest.raises(QueryRefused, match=r"between 1 and 4,096. The table declares 8"):
        design(replace(COUNT, rows=rows), SPEC)


# What is said of it

SAID = {
    replace(COUNT, rows=1): "counting at most 1 per person",
    COUNT: "counting at most 8 per person",
    replace(COUNT, rows=4096): "counting at most 4,096 per person",
    SUM: "counting at most 800 per person, as much as 8 rows can hold",
    replace(SUM, rows=1): "counting at most 100 per person, as much as 1 row can hold",
    Query(table="wages", measure=Mean(WAGE)): "counting up to 8 rows per person in full",
    Query(table="wages", measure=Quantiles(WAGE, (0.5,)), rows=1): "counting up to 1 row per person in full",
    Query(table="wages", measure=CountSubjects()): "",
    Query(table="wages", measure=CountSubjects(), by=("region",), rows=1): "",
    Query(table="wages", measure=CountSubjects(), by=("union",)): "",
    Query(
        table="wages", measure=CountSubjects(), by=("union",), rows=1
    ): "counting each person in full in up to 1 group",
    Query(table="wages", measure=Mean(WAGE, per_subject=True)): "",
}


@pytest.mark.parametrize("query", SAID, ids=lambda q: SAID[q] or "nothing")
def test_what_counts_is_said(query):
    assert caps_in_words.counting(query, SPEC) == SAID[query]
    told = caps_in_words.facts(query, SPEC)
    assert bool(told["rows_per_person"]) == bool(told["beyond"]) == bool(SAID[query])


def test_where_no_cap_matters_none_is_told(crowded):
    """Where nothing is said, the cap changes no charge."""
    for query in (each for each, said in SAID.items() if not said):
        spent = [measure(replace(query, rows=rows), crowded).squares for rows in (query.rows or 8, 4096)]
        clips = [design(replace(query, rows=rows), SPEC).clip for rows in (query.rows or 8, 4096)]
        assert np.array_equal(*spent)
        assert clips[0] == clips[1]
    assert caps_in_words.facts(Query(table="wages", measure=KeyCounts("note")), SPEC)["counting"] == ""


# What makes it cheaper


@pytest.mark.parametrize("query", [*QUERIES, SUM], ids=lambda q: type(q.measure).__name__)
def test_a_proposal_saves_what_it_says(query):
    plan, budget = design(query, SPEC), gdp_mu(1, 1e-6)
    for each in proposals(query, plan, SPEC):
        other = design(each.query, SPEC)
        assert each.saves >= 2
        assert each.saves == pytest.approx((plan.clip / other.clip) ** 2)
        per = error_per_sigma(query, plan, 400)
        if per is not None:
            error = per * 2**42
            prices = [
                offer_for_error(q, d, error, budget, 400).units
                for q, d in ((query, plan), (each.query, other))
            ]
            assert prices[0] / prices[1] == pytest.approx(each.saves, rel=0.01)
        assert applied(each.name, query, SPEC) == each.query


def test_what_is_proposed():
    def names(query):
        return [each.name for each in proposals(query, design(query, SPEC), SPEC)]

    assert names(COUNT) == ["people"]
    assert names(replace(COUNT, by=("union",))) == ["rows", "people"]
    assert names(replace(COUNT, rows=1)) == []
    assert names(Query(table="wages", measure=Mean(WAGE))) == [], "fewer rows make a mean less exact, too"
    assert names(SUM) == ["rows", "limit"]
    assert names(Query(table="wages", measure=CountSubjects())) == []
    assert names(Query(table="wages", measure=CountSubjects(), by=("union",))) == []
    spread = replace(SPEC, columns={**SPEC.columns, "sector": SECTOR})
    by_sector = Query(table="wages", measure=CountSubjects(), by=("sector",))
    (one,) = proposals(by_sector, design(by_sector, spread), spread)
    assert one.words == "Count each person in one group"
    assert one.saves == pytest.approx(8)
    assert names(Query(table="wages", measure=Variance(WAGE), rows=1)) == []
    (limit,) = proposals(replace(SUM, rows=1), design(replace(SUM, rows=1), SPEC), SPEC)
    assert limit.words == "Limit wage to 50"
    assert applied("no such", SUM, SPEC) == SUM


def test_a_condition_is_proposed_where_it_would_charge_fewer_people():
    everybody, some = np.ones(4, dtype=bool), np.array([True, False, False, False])
    assert kept_apart(COUNT, everybody, SPEC) == "region"
    assert kept_apart(replace(COUNT, where=In("region", ("north",))), some, SPEC) == ""
    assert kept_apart(replace(COUNT, by=("region",)), everybody, SPEC) == ""


# Through the real services


@pytest.fixture
def budget():
    data, scientist = make.dataset(), make.scientist()
    make.grant(data, scientist)
    made = services.protect(
        data, by=data.owner, epsilon=50, public_size=PEOPLE, constants=["region"], scientists=1
    )
    return services.give_budget(made, scientist, by=data.owner, epsilon=40)


@pytest.mark.django_db
@pytest.mark.parametrize("rows", [2, 4, 50])
def test_a_cap_is_in_the_price_the_answer_its_record_and_its_file(budget, rows):
    """Four rows a person are there, and declared."""
    query = questions.read_sql(budget, f"SELECT COUNT(*) FROM wages LIMIT {rows} BY person").query  # noqa: S608
    quoted = questions.quote(budget, query, by=budget.scientist, epsilon=30)
    usual = questions.quote(budget, replace(query, rows=None), by=budget.scientist, epsilon=30)
    assert quoted.half_width == pytest.approx(usual.half_width * rows / YEARS)
    assert quoted.offer == usual.offer
    answer = questions.ask(budget, quoted, key=uuid4(), by=budget.scientist)
    lifecycle.compute(str(answer.pk))
    answer.refresh_from_db()
    assert answer.result is not None
    (figure,) = answer.result["lines"][0]["figures"]
    assert abs(figure["value"] - PEOPLE * min(rows, YEARS)) < 3 * figure["half_width"]
    assert answer.record["rows_per_person"] == rows
    assert answer.record["counting"] == f"counting at most {rows} per person"
    assert exports.answer_csv(answer).splitlines()[0].endswith(",rows_per_person_at_most")
    assert exports.answer_csv(answer).splitlines()[1].endswith(f",{rows}")
    assert faults(budget.promise) == []


@pytest.mark.django_db
def test_time_is_allowed_for_all_rows_however_few_count(budget):
    """A lower cap reads no row less."""
    budget.promise.public_size = 10**7
    texts = [
        "SELECT COUNT(*) FROM wages",
        "SELECT COUNT(*) FROM wages LIMIT 1 BY person",
        "SELECT COUNT(*) FROM wages LIMIT 4096 BY person",
    ]
    usual, fewer, more = [question_of(shares.answer(budget, text)).seconds(budget.promise) for text in texts]
    assert fewer > usual == more > 1


def test_a_filter_does_not_change_what_is_said():
    some = replace(COUNT, where=Compare(">", WAGE, Constant(3)))
    assert caps_in_words.counting(some, SPEC) == caps_in_words.counting(COUNT, SPEC)
