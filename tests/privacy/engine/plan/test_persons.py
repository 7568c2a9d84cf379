"""How many rows, and how much, a person has: right, local, and never more than one row's weight of a person."""

from dataclasses import replace

import numpy as np
import pytest

from privacy.engine.language.expressions import Binary, Column, Compare, Constant
from privacy.engine.language.query import PersonQuantiles, Quantiles, Query
from privacy.engine.language.schema import QueryRefused, TableSpec
from privacy.engine.measure.contributions import ONE
from privacy.engine.measure.evaluate import Rows, Values
from privacy.engine.measure.mechanisms import MIN_SIGMA
from privacy.engine.measure.ranks import Ranks
from privacy.engine.plan.designs import JUST_MORE, design
from privacy.engine.plan.persons import NUMBER, one_row_per_person, person_table
from privacy.engine.release import measure, table_from_columns
from tests.privacy.make_table import SPEC, table, without

WAGE = Column("wage")
WORST = 100_000
RICH = Compare(">", WAGE, Constant(30))
QUERIES = [
    Query(table="wages", measure=PersonQuantiles(None, (0.5, 0.98))),
    Query(table="wages", measure=PersonQuantiles(), where=RICH),
    Query(table="wages", measure=PersonQuantiles(WAGE, (0.9,))),
    Query(table="wages", measure=PersonQuantiles(Binary("-", WAGE, Column("hours"))), where=RICH),
]


def counted(data, where=None):
    """How many rows, and how much wage, each person has, by plain numpy; None where there is no row."""
    found = []
    for low, high in zip(data.offsets[:-1], data.offsets[1:], strict=True):
        wage = data.rows.columns["wage"]
        kept = wage.valid[low:high] & (wage.numbers[low:high] > 30) if where else np.ones(high - low, bool)
        there = kept & wage.valid[low:high]
        found.append((int(kept.sum()), float(wage.numbers[low:high][there].sum()), bool(there.any())))
    return found


def numbers(query, data):
    kept = np.empty(0, bool)
    if query.where:
        wage = data.rows.columns["wage"]
        kept = wage.valid & (wage.numbers > 30)
    found = one_row_per_person(query.measure, data.rows, data.offsets, kept)
    return found.columns[NUMBER]


def test_each_person_s_rows_are_counted_and_added_up():
    data = table()
    rows = numbers(QUERIES[1], data)
    assert rows.numbers.tolist() == [n for n, _, _ in counted(data, where=True)]
    assert rows.valid.tolist() == [n > 0 for n, _, _ in counted(data, where=True)]
    sums = numbers(QUERIES[2], data)
    assert sums.numbers == pytest.approx([wage for _, wage, _ in counted(data)], abs=1e-5)
    assert sums.valid.tolist() == [there for _, _, there in counted(data)]


@pytest.mark.parametrize("query", QUERIES)
def test_a_person_s_number_is_the_same_bits_wherever_the_rows_stand(query):
    data = table(subjects=5000)
    alone = [numbers(query, _only(data, k)) for k in (0, 1, 7, data.subjects - 1)]
    together = numbers(query, data)
    for k, found in zip((0, 1, 7, data.subjects - 1), alone, strict=True):
        assert (found.numbers[0], found.valid[0]) == (together.numbers[k], together.valid[k])


def _only(data, subject):
    low, high = int(data.offsets[subject]), int(data.offsets[subject + 1])
    columns = {name: Values(v.numbers[low:high], v.valid[low:high]) for name, v in data.rows.columns.items()}
    return table_from_columns(Rows(SPEC, columns, high - low), np.array([0, high - low]))


@pytest.mark.parametrize("query", QUERIES)
def test_taking_a_person_out_leaves_all_other_charges_bit_for_bit(query):
    data = table(subjects=120)
    charges = measure(query, data, worst_case=WORST).charges
    for subject in range(data.subjects):
        rest = measure(query, without(data, subject), worst_case=WORST).charges
        assert rest.tolist() == np.delete(charges, subject).tolist()


@pytest.mark.parametrize("query", QUERIES)
def test_who_has_a_row_pays_for_every_step_and_nobody_else_for_any(query):
    data = table(subjects=200)
    there = numbers(query, data).valid
    assert there.any()
    charges = measure(query, data, worst_case=WORST).charges
    assert (charges[~there] == 0).all()
    most = WORST * design(query, SPEC).releases
    assert charges.max() <= most
    assert charges[there].min() >= most * (1 - 1e-6)


@pytest.mark.parametrize("query", QUERIES)
def test_a_step_moves_by_no_more_than_a_person_pays_for(query):
    """The signed count of every threshold, for a table and each of its neighbours, without noise."""
    data, plan = table(subjects=60), design(query, SPEC)
    weight = plan.coordinates[0].value
    stops, share = plan.grid.stops[:64], query.measure.at[-1]
    below, above = (int(v * ONE / plan.clip) for v in (1 - share, -share))

    def signed(data):
        values, empty = numbers(query, data), np.empty(0, bool)
        offsets = np.arange(data.subjects + 1, dtype=np.int64)
        ranks = Ranks(offsets, empty, values, stops, int(np.ceil(weight * ONE / plan.clip)), empty)
        return np.array([ranks.signed_count(stop, below, above) for stop in range(len(stops))])

    whole = signed(data)
    moved = [np.abs(whole - signed(without(data, k))).max() for k in range(data.subjects)]
    assert 0 < max(moved) <= ONE


def test_quantiles_over_people_are_right():
    data = table(subjects=20_000)
    sizes = np.diff(data.offsets)
    (half, most) = measure(QUERIES[0], data).release(MIN_SIGMA * 40, None).lines
    assert round(half.figures[0].value) in np.quantile(sizes, [0.48, 0.52]).round()
    assert round(most.figures[0].value) == 8
    (tenth,) = measure(QUERIES[2], data).release(MIN_SIGMA * 40, None).lines
    low, high = np.quantile([wage for _, wage, there in counted(data) if there], [0.88, 0.92])
    assert low <= tenth.figures[0].value <= high


def test_people_who_take_no_part_do_not_count():
    data = table(subjects=4000)
    sizes = np.diff(data.offsets)
    (_, most) = measure(QUERIES[0], data).release(MIN_SIGMA * 20, sizes <= 3).lines
    assert round(most.figures[0].value) == 3


def test_it_costs_what_a_quantile_of_one_row_a_person_costs():
    plan = design(QUERIES[1], SPEC)
    one_row = person_table(PersonQuantiles(), SPEC)
    like = design(Query(table="wages", measure=Quantiles(Column(NUMBER), (0.98,))), one_row)
    assert plan == replace(like, clip=like.clip * JUST_MORE)
    assert (like.clip, like.releases) == (0.98, 3), "one of eight numbers of rows"


def test_what_is_not_asked_of_people():
    for query, why in (
        (Query(table="wages", measure=PersonQuantiles(), rows=2), "all rows of each person"),
        (Query(table="wages", measure=PersonQuantiles(), by=("region",)), "cannot be grouped"),
        (Query(table="wages", measure=PersonQuantiles(None, (1.0,))), "each above 0 and below 1"),
        (Query(table="wages", measure=PersonQuantiles(Column("region"))), "not a number"),
    ):
        with pytest.raises(QueryRefused, match=why):
            design(query, SPEC)
    single = TableSpec(name="wages", subject="person", columns=SPEC.columns, max_rows=1)
    with pytest.raises(QueryRefused, match="at most one row"):
        design(QUERIES[1], single)
