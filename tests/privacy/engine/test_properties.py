"""What holds for whatever is asked: caps, locality of a whole transcript, and that the order of rows means nothing."""

import os
from dataclasses import replace
from fractions import Fraction
from uuid import uuid4

import numpy as np
import pytest

from privacy.engine.language.expressions import Column, Compare, Constant, In
from privacy.engine.language.learning import SyntheticTable
from privacy.engine.language.query import PersonQuantiles
from privacy.engine.measure import contributions as co
from privacy.engine.measure.evaluate import Rows, Values
from privacy.engine.measure.mechanisms import MIN_SIGMA, add_noise
from privacy.engine.plan.designs import design
from privacy.engine.release import measure, table_from_columns
from privacy.ledgers.person_ledger import SubjectLedger
from tests.privacy.engine.test_engine import QUERIES
from tests.privacy.make_table import REGIONS, SPEC, table, without

pytestmark = pytest.mark.uncounted

ASKED = 10_000
MUS = (0.7, 1.0, 2.5)


def random_query(rng):
    """One of the kinds of question, about some people or all, of some rows or all."""
    query = QUERIES[rng.integers(len(QUERIES))]
    where = [
        None,
        query.where,
        Compare(">", Column("wage"), Constant(float(rng.integers(0, 60)))),
        In("region", (REGIONS[rng.integers(3)],)),
    ][rng.integers(4)]
    rows = [None, 1, 3][rng.integers(3)]
    return replace(
        query, where=where, rows=None if isinstance(query.measure, PersonQuantiles | SyntheticTable) else rows
    )


def each_release(query, sigma, mu):
    """(worst case of one release, number of releases), as a price has them."""
    releases = design(query, SPEC).releases
    return co.worst_case_units(sigma, Fraction(mu) ** 2), releases


@pytest.mark.slow
def test_ten_thousand_random_queries_pass_no_cap(tmp_path):
    """Neither in the units of the ledger nor in what was really added: sum ||c||^2 / sigma^2 <= mu^2 for everybody."""
    rng, data = np.random.default_rng(41), table(subjects=40)
    book = SubjectLedger(tmp_path / "ledger")
    budgets = [uuid4() for _ in MUS]
    real = np.zeros((len(MUS), data.subjects))
    everybody, stopped = np.arange(data.subjects, dtype=np.uint32), 0
    for line in range(1, ASKED + 1):
        query, who = random_query(rng), int(rng.integers(len(MUS)))
        sigma = int(co.ONE * 10 ** rng.uniform(0, 2.2) / MUS[who])
        worst, releases = each_release(query, sigma, MUS[who])
        if worst * releases > co.CAP:
            continue
        squares = measure(query, data, threshold_delta=1e-6).squares
        charged = measure(query, data, worst_case=worst, threshold_delta=1e-6).charges
        assert np.array_equal(charged, co.charges(squares, worst) * releases)
        active = book.charge(budgets[who], everybody, charged, line=line)
        real[who] += np.where(active, squares.astype(float) * releases / float(sigma) ** 2, 0.0)
        stopped += int((~active).sum())
    spent = [book.spent(budget) for budget in budgets]
    book.close()
    for who, mu in enumerate(MUS):
        assert int(spent[who].max()) <= co.CAP
        assert real[who].max() <= mu**2 * (1 + 1e-12)
        assert (real[who] <= spent[who] / co.CAP * mu**2 * (1 + 1e-12)).all()
        assert real[who].max() > 0.99 * mu**2
    assert stopped > 0


def transcript(data, folder, asked, ids):
    """Everybody's spent units after each question of a transcript that is already fixed."""
    book, budget, states = SubjectLedger(folder), uuid4(), []
    for line, (query, sigma) in enumerate(asked, start=1):
        worst, _ = each_release(query, sigma, 1.0)
        charged = measure(query, data, worst_case=worst, threshold_delta=1e-6).charges
        book.charge(budget, ids, charged, line=line)
        states.append(book.spent(budget)[ids])
    book.close()
    return states


def adaptive(data, rng):
    """A transcript whose every question follows from the noisy answers so far."""
    asked, told = [], 0.0
    for _ in range(60):
        query = random_query(rng)
        sigma = int(co.ONE * (12 + abs(told) % 30))
        answer = measure(query, data, threshold_delta=1e-6).release(sigma, None)
        told = float(answer.lines[0].figures[0].value or 0.0)
        asked.append((query, sigma))
    return asked


def test_without_a_person_the_same_transcript_charges_all_others_the_same_to_the_bit(tmp_path):
    data = table(subjects=120)
    asked = adaptive(data, np.random.default_rng(8))
    ids = np.arange(data.subjects, dtype=np.uint32)
    full = transcript(data, tmp_path / "full", asked, ids)
    assert int(full[-1].max()) > 0
    for person in (0, 7, 119):
        left = transcript(without(data, person), tmp_path / str(person), asked, np.delete(ids, person))
        for with_all, without_one in zip(full, left, strict=True):
            assert np.array_equal(np.delete(with_all, person), without_one)


def shuffled(data, rng):
    """The same people with the same rows in another order: (table, where each person has gone)."""
    people = rng.permutation(data.subjects)
    rows = [rng.permutation(np.arange(data.offsets[i], data.offsets[i + 1])) for i in people]
    order = np.concatenate(rows)
    columns = {
        name: Values(values.numbers[order], values.valid[order]) for name, values in data.rows.columns.items()
    }
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in rows])]).astype(np.int64)
    return table_from_columns(Rows(SPEC, columns, data.rows.length), offsets), people


@pytest.mark.parametrize("query", QUERIES, ids=lambda q: type(q.measure).__name__)
def test_the_order_of_rows_and_people_changes_no_bit_of_a_charge(
    query,
):
    data = table(subjects=200)
    other, people = shuffled(data, np.random.default_rng(3))
    assert np.array_equal(measure(query, data).squares[people], measure(query, other).squares)


def test_the_order_of_rows_and_people_changes_no_bit_of_a_sum():
    data, totals = table(subjects=200), []
    for each in (data, shuffled(data, np.random.default_rng(5))[0]):
        wages, regions = each.rows.columns["wage"], each.rows.columns["region"]
        cells = np.where(wages.valid, regions.numbers, -1).astype(np.int32)
        units = co.to_units(wages.numbers[:, None], 150.0)
        totals.append(co.contribute(each.offsets, cells, units, size=3, mode=co.SUM).total)
    assert np.array_equal(*totals)


# Noise


DRAWN = 20_000


@pytest.mark.statistical
@pytest.mark.parametrize("sigma", [MIN_SIGMA, 3 * co.ONE, 2**45])
def test_noise_fills_its_lattice_has_its_variance_and_the_shape_of_a_normal(sigma):
    noise = add_noise(np.zeros(DRAWN, dtype=np.int64), sigma)
    assert noise.dtype == np.int64
    for bits in (2, 3, 7, 16):  # every residue is as frequent as another: no coarser lattice shows
        found = np.bincount(noise % bits, minlength=bits)
        assert ((found - DRAWN / bits) ** 2 / (DRAWN / bits)).sum() < 3 * bits + 25
    scaled = noise / sigma
    assert abs(scaled.var() - 1) < 5 * np.sqrt(2 / DRAWN)
    assert abs((scaled**4).mean() - 3) < 5 * np.sqrt(96 / DRAWN)
    assert abs((scaled**3).mean()) < 5 * np.sqrt(15 / DRAWN)


@pytest.mark.statistical
def test_noise_of_one_number_tells_nothing_of_another():
    first, second = (add_noise(np.zeros(DRAWN, dtype=np.int64), co.ONE) / co.ONE for _ in range(2))
    for a, b in ((first[:-1], first[1:]), (first, second), (np.abs(first), np.abs(second))):
        assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(DRAWN)


def test_processes_of_one_parent_draw_noise_of_their_own():
    """A worker's processes are forks of one: none may start where another does."""
    add_noise(np.zeros(4, dtype=np.int64), co.ONE)
    drawn = []
    for _ in range(3):
        here, there = os.pipe()
        if (child := os.fork()) == 0:
            os.write(there, add_noise(np.zeros(4, dtype=np.int64), co.ONE).tobytes())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(there)
        drawn.append(os.read(here, 32))
        os.close(here)
    assert len(set(drawn)) == 3
    assert {len(each) for each in drawn} == {32}
