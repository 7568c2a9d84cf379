"""Synthetic tables: how far one person moves them, what they follow from, and what is drawn."""

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from privacy.engine import synthetic_rows, table_release
from privacy.engine.figures import TableFigures
from privacy.engine.language.expressions import Column, Compare, Constant
from privacy.engine.language.learning import SyntheticTable
from privacy.engine.language.query import Query
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.engine.measure.contributions import ONE
from privacy.engine.measure.evaluate import EVERYWHERE, Rows, Values
from privacy.engine.measure.mechanisms import MIN_SIGMA
from privacy.engine.measure.tables import first_rows
from privacy.engine.plan.designs import design
from privacy.engine.release import measure, table_from_columns
from privacy.engine.synthetic_rows import draw
from privacy.engine.table_model import (
    Step,
    association,
    fit,
    on_simplex,
    pair_of,
    pairs_of_tree,
    tree_of,
    triple_of,
)

QUIET = MIN_SIGMA * 4
SPEC = TableSpec(
    name="t",
    subject="person",
    max_rows=4,
    columns={
        each.name: each
        for each in (
            ColumnSpec(name="age", kind=Kind.INTEGER, lower=17, upper=90),
            ColumnSpec(name="price", kind=Kind.NUMBER, lower=0.25, upper=9.75, decimals=2, nullable=False),
            ColumnSpec(name="rate", kind=Kind.NUMBER, lower=-1.5, upper=2.5),
            ColumnSpec(name="born", kind=Kind.DATE, lower=-400, upper=400),
            ColumnSpec(name="region", kind=Kind.CATEGORY, labels=("a", "b", "c")),
            ColumnSpec(name="union", kind=Kind.BOOLEAN, lower=0, upper=1, labels=("0", "1")),
        )
    },
)
QUERY = Query(table="t", measure=SyntheticTable(columns=tuple(SPEC.columns), bins=5, focus="union"))
PLAN = design(QUERY, SPEC).tables


def table(people=60, seed=1, missing=0.2):
    """People with one to four rows. Ages at both bounds and between; the region mostly follows from the union."""
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(1, 5, people))]).astype(np.int64)
    n = int(offsets[-1])
    union = rng.integers(0, 2, n).astype(np.int8)
    numbers = {
        "age": rng.choice([17.0, 90.0, 41.0], n),
        "price": np.rint(rng.uniform(25, 975, n)) / 100,
        "rate": rng.uniform(-1.5, 2.5, n),
        "born": rng.integers(-400, 401, n).astype(float),
        "region": np.where(rng.random(n) < 0.8, union, 2).astype(np.int8),
        "union": union,
    }
    columns = {
        name: Values(each, rng.random(n) >= (missing if SPEC.columns[name].nullable else 0.0))
        for name, each in numbers.items()
    }
    return table_from_columns(Rows(SPEC, columns, n), offsets)


def released(query, data, sigma, active=None) -> TableFigures:
    told = measure(query, data).release(sigma, active)
    assert isinstance(told, TableFigures)
    return told


def neighbour(data, person):
    begin, end = data.offsets[person : person + 2]
    rest = np.delete(np.arange(data.rows.length), np.arange(begin, end))
    columns = {name: Values(v.numbers[rest], v.valid[rest]) for name, v in data.rows.columns.items()}
    sizes = np.delete(np.diff(data.offsets), person)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return table_from_columns(Rows(SPEC, columns, len(rest)), offsets)


def vector(data, tables, weights, people=None):
    """The exact vector of a pass, in units."""
    first = first_rows(data.offsets, EVERYWHERE)
    counts = table_release.counter(PLAN, data.rows, first if people is None else first[people])(tables)
    return np.concatenate([each.ravel() * weight for each, weight in zip(counts, weights, strict=True)])


PASSES = {
    "first": table_release.first_pass(PLAN),
    "second": table_release.second_pass(PLAN, [(0, 1), (1, 3), (2, 5), (4, 5)]),
    "second, no pair": table_release.second_pass(PLAN, []),
}


@pytest.mark.parametrize("name", PASSES)
def test_one_person_moves_a_pass_by_at_most_the_clip_and_nobody_else_by_anything(name):
    data = table()
    whole = vector(data, *PASSES[name])
    for person in range(data.subjects):
        others = vector(neighbour(data, person), *PASSES[name])
        moved = [int(each) for each in whole - others if each]
        assert ONE**2 * (1 - 1e-6) < sum(each**2 for each in moved) <= ONE**2
        assert np.array_equal(others, vector(data, *PASSES[name], np.arange(data.subjects) != person))


def test_whatever_else_a_person_has_only_the_first_kept_row_counts():
    offsets = np.array([0, 2, 3, 6], dtype=np.int64)
    assert first_rows(offsets, EVERYWHERE).tolist() == [0, 2, 3]
    assert first_rows(offsets, np.array([False, True, False, False, True, True])).tolist() == [1, -1, 4]


def test_everybody_with_a_kept_row_pays_for_the_clip_and_nobody_else():
    data = table()
    query = Query(table="t", measure=QUERY.measure, where=Compare("<", Column("rate"), Constant(0.0)))
    rate = data.rows.columns["rate"]
    kept = np.add.reduceat((rate.numbers < 0) & rate.valid, data.offsets[:-1]) > 0
    assert 0 < kept.sum() < data.subjects
    assert np.array_equal(measure(query, data).squares, np.where(kept, ONE**2, 0))
    assert np.array_equal(measure(query, data, worst_case=7).charges, np.where(kept, 7 * 20, 0))


def test_whoever_is_left_out_adds_nothing(monkeypatch):
    data, active = table(), np.arange(60) % 2 == 0
    monkeypatch.setattr(table_release, "add_noise", lambda total, _: total)
    half = released(QUERY, data, QUIET, active)
    assert half.table["people"] == pytest.approx(30)
    assert released(QUERY, data, QUIET, None).table["people"] == pytest.approx(60)


def noise_alone(total, sigma):
    """Numbers that do not follow from the rows, as if 4,000 people were spread evenly and then blurred: what is
    computed from them cannot follow from the rows either."""
    tables, weights = table_release.first_pass(PLAN)
    cells = [int(np.prod([PLAN.sizes[each] for each in columns if each is not None])) for columns in tables]
    evenly = np.repeat([4000 * weight / many for weight, many in zip(weights, cells, strict=True)], cells)
    return np.resize(evenly, total.size).astype(np.int64) + np.arange(total.size) % 7 * sigma


def follows_from_noisy_tables_alone(monkeypatch):
    monkeypatch.setattr(table_release, "add_noise", noise_alone)
    asked = (table(people=4000, seed=1), table(people=9000, seed=2, missing=0.7))
    answers = [released(QUERY, data, ONE, None) for data in asked]
    return json.dumps(asdict(answers[0])) == json.dumps(asdict(answers[1]))


def test_tree_and_rows_follow_from_noisy_tables_alone(monkeypatch):
    assert follows_from_noisy_tables_alone(monkeypatch)


def test_a_tree_that_is_chosen_from_clean_tables_is_caught(monkeypatch):
    counter = table_release.counter
    clean: dict[object, object] = {}

    def counting(plan, rows, people):
        count = counter(plan, rows, people)
        clean.update(zip(plan.pairs, count(plan.pairs), strict=True))
        return count

    def from_clean(plan, tables, *rest):
        return tree_of(
            plan, [replace(each, people=clean.get(each.columns, each.people)) for each in tables], *rest
        )

    monkeypatch.setattr(table_release, "counter", counting)
    monkeypatch.setattr(table_release, "tree_of", from_clean)
    assert not follows_from_noisy_tables_alone(monkeypatch)


@pytest.fixture(scope="module")
def answer():
    return released(QUERY, table(people=4000), QUIET, None)


def test_what_hangs_together_is_kept_and_what_does_not_is_left_apart(answer):
    pairs = {tuple(pair["columns"]): pair for pair in answer.table["pairs"]}
    assert len(pairs) == 15
    union = pairs[4, 5]
    assert union["in_tree"]
    assert union["measured"] > 0.5
    assert abs(union["measured"] - union["kept"]) < 0.05
    assert all(pair["kept"] < 0.1 for columns, pair in pairs.items() if columns != (4, 5))
    assert answer.table["root"] == 5
    assert answer.table["tree"][0]["parent"] == 5


def test_intervals_of_shares_and_people_hold():
    data, held = table(people=400), []
    first = first_rows(data.offsets, EVERYWHERE)
    truth = np.concatenate(table_release.counter(PLAN, data.rows, first)(PLAN.singles)) / 400
    for _ in range(12):
        told = released(QUERY, data, 30 * ONE, None)
        held += [abs(told.table["people"] - 400) <= told.table["people_error"]]
        held += [
            abs(line.figures[0].value - share) <= line.figures[0].half_width
            for line, share in zip(told.lines, truth, strict=True)
        ]
    assert np.mean(held) > 0.93


def test_every_drawn_value_is_declared_and_any_missing_one_allowed(answer):
    drawn: dict[str, Any] = draw(answer.table, 5000, seed=3)
    assert list(drawn) == list(SPEC.columns)
    age, price, rate, born = (drawn[name] for name in ("age", "price", "rate", "born"))
    assert age.dtype == np.int64
    assert (age.min(), age.max()) == (17, 90)
    assert 0.1 < age.mask.mean() < 0.3
    assert np.array_equal(price, np.rint(price * 100) / 100)
    assert 0.25 <= price.min() < price.max() <= 9.75
    assert 0.1 < np.isnan(rate).mean() < 0.3
    assert -1.5 <= np.nanmin(rate) < np.nanmax(rate) <= 2.5
    days = born[~np.isnat(born)].astype(np.int64)
    assert (born.dtype, days.min() >= -400, days.max() <= 400) == (np.dtype("datetime64[D]"), True, True)
    assert set(drawn["region"]) == {"a", "b", "c", None}
    assert set(drawn["union"]) == {True, False, None}


def test_rows_are_the_same_for_ever_from_what_was_released_and_the_seed(answer):
    told = json.loads(json.dumps(asdict(answer)))["table"]
    one, other, third = draw(answer.table, 100, 9), draw(told, 100, 9), draw(told, 100, 10)
    assert all(repr(one[name]) == repr(other[name]) for name in one)
    assert repr(one["price"]) != repr(third["price"])


@pytest.mark.parametrize(("rows", "seed"), [(-1, 0), (10**6 + 1, 0), (1, -1)])
def test_rows_and_seeds_outside_their_range_are_refused(answer, rows, seed):
    with pytest.raises(ValueError, match=r"rows|seed"):
        draw(answer.table, rows, seed)


def by_hand(shares, *tree):
    named = [
        {"name": name, "kind": "category", "labels": ["x", "y"], "edges": [], "decimals": None}
        for name in "abc"[: len(tree) + 1]
    ]
    edges = [
        {"parent": parent, "beside": None, "child": child, "shares": given} for parent, child, given in tree
    ]
    return {"columns": named, "root": 0, "shares": shares, "tree": edges}


def test_columns_that_are_independent_given_their_parent_do_not_move_together():
    """Exact numbers of each part handed out in the order of the rows would move them together by 1."""
    fork = by_hand([0.5, 0.5], (0, 1, [[0.7, 0.3], [0.1, 0.9]]), (0, 2, [[0.6, 0.4], [0.2, 0.8]]))
    drawn = {name: each == "y" for name, each in draw(fork, 40_000).items()}
    for part in (False, True):
        b, c = (drawn[name][drawn["a"] == part] for name in "bc")
        assert abs(np.corrcoef(b, c)[0, 1]) < 5 / np.sqrt(len(b))
        assert b.mean() == pytest.approx([0.3, 0.9][part], abs=0.02)
        assert c.mean() == pytest.approx([0.4, 0.8][part], abs=0.02)


def test_what_has_no_share_is_never_drawn(monkeypatch):
    monkeypatch.setattr(
        np.random,
        "default_rng",
        lambda seed: type("Ends", (), {"random": lambda self, n: np.linspace(0, 1, n)})(),
    )
    drawn = draw(by_hand([1.0, 0.0], (0, 1, [[0.0, 1.0], [0.5, 0.5]])), 11)
    assert (set(drawn["a"]), set(drawn["b"])) == ({"x"}, {"y"})
    assert synthetic_rows.MAX_SYNTHETIC_ROWS == 10**6


@pytest.mark.parametrize(("people", "missing"), [(0, 0.0), (1, 0.5), (5000, 1.0)])
@pytest.mark.parametrize("sigma", [QUIET, 10**4 * ONE])
def test_few_people_and_nothing_but_missing_values_make_a_table(people, missing, sigma):
    told = released(QUERY, table(people=people, missing=missing), sigma, None)
    json.dumps(asdict(told), allow_nan=False)
    assert told.table["people"] >= 1
    drawn: dict[str, Any] = draw(told.table, 20)
    assert all(len(each) == 20 for each in drawn.values())
    if (missing, sigma) == (1.0, QUIET):
        assert drawn["age"].mask.all()
        assert np.isnan(drawn["rate"]).all()


def test_one_column_and_one_value_make_a_table():
    declared = ColumnSpec(name="one", kind=Kind.CATEGORY, labels=("only",), nullable=False)
    spec = TableSpec(name="t", subject="person", max_rows=1, columns={"one": declared})
    columns = {"one": Values(np.zeros(9, dtype=np.int8), EVERYWHERE)}
    data = table_from_columns(Rows(spec, columns, 9), np.arange(10, dtype=np.int64))
    told = released(Query(table="t", measure=SyntheticTable(columns=("one",))), data, ONE, None)
    assert told.lines[0].figures[0].value == 1.0
    assert told.table["pairs"] == []
    assert set(draw(told.table, 5)["one"]) == {"only"}


def test_a_value_that_cannot_be_missing_but_is_counts_in_no_cell():
    data = table(people=30)
    price = data.rows.columns["price"]
    price.valid[:] = False
    found = table_release.counter(PLAN, data.rows, first_rows(data.offsets, EVERYWHERE))(
        [(1, None), (0, 1), (1, 2), (0, 2)]
    )
    assert [int(each.sum()) for each in found] == [0, 0, 0, 30]


# The model


def test_association_is_0_apart_1_in_step_and_phi_between():
    half, skewed = np.array([0.5, 0.5]), np.array([0.2, 0.8])
    assert association(np.outer(half, skewed), half, skewed)[0] == pytest.approx(0)
    assert association(np.diag(skewed), skewed, skewed)[0] == pytest.approx(1)
    pair = np.array([[0.2, 0.1], [0.15, 0.55]])
    above, below = pair.sum(axis=1), pair.sum(axis=0)
    phi = (pair[0, 0] - above[0] * below[0]) / np.sqrt(above.prod() * below.prod())
    assert association(pair, above, below)[0] == pytest.approx(phi)
    assert association(pair, above, np.array([1.0, 0.0])) == (0.0, 0.0)


def test_association_takes_off_what_noise_adds():
    rng, half = np.random.default_rng(2), np.full(8, 1 / 8)
    found = [
        association(np.outer(half, half) + 0.01 * rng.standard_normal((8, 8)), half, half, 0.01)
        for _ in range(40)
    ]
    assert np.mean([value <= error for value, error in found]) > 0.9


def test_shares_are_made_to_add_up_without_favour_for_rare_ones():
    assert on_simplex(np.array([0.7, 0.5, -0.2])).tolist() == pytest.approx([0.6, 0.4, 0.0])
    assert on_simplex(np.array([-5.0, -6.0])).tolist() == [1.0, 0.0]


def test_a_pair_is_fitted_to_both_columns_and_a_part_that_nobody_has_follows_the_column_alone():
    above, below = np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.75])
    noisy = np.array([[0.3, 0.3], [0.0, 0.4], [0.1, -0.1]])
    fitted = pair_of(noisy, above, below)
    assert np.allclose(fitted.sum(axis=1), above, atol=1e-6)
    assert np.allclose(fitted.sum(axis=0), below, atol=1e-6)
    (given,) = fit([Step(parent=0, child=1, counted=True)], {(0, 1): noisy}, [above, below])
    assert np.allclose(given.sum(axis=1), 1)
    assert given[2].tolist() == below.tolist()


def test_three_columns_have_their_three_pairs_and_nothing_more():
    """Of all tables with these pairs, the most even one: without an effect of two columns together."""
    rng = np.random.default_rng(4)
    factors = [np.exp(rng.standard_normal(shape)) for shape in ((3, 4, 1), (3, 1, 2), (1, 4, 2))]
    cells = factors[0] * factors[1] * factors[2]
    cells /= cells.sum()
    found = triple_of(cells.sum(axis=2), cells.sum(axis=1), cells.sum(axis=0))
    assert np.allclose(found, cells, atol=1e-6)


def test_pairs_of_a_tree_go_along_it():
    flip = np.array([[0.9, 0.1], [0.2, 0.8]])
    above = np.array([0.5, 0.5])
    shares = [above @ flip, above @ flip @ flip, above]
    tree = [Step(parent=2, child=0, counted=True), Step(parent=0, child=1, counted=True)]
    found = pairs_of_tree(tree, [flip, flip], shares)
    assert np.allclose(found[0, 2], (np.diag(above) @ flip).T)
    assert np.allclose(found[0, 1], np.diag(shares[0]) @ flip)
    assert np.allclose(found[1, 2], (np.diag(above) @ flip @ flip).T)


def test_a_second_column_is_kept_where_it_is_worth_its_noise():
    """A column that follows two others at once: a tree cannot keep both pairs."""
    names = ("a", "b", "sum")
    spec = TableSpec(
        name="t",
        subject="person",
        max_rows=1,
        columns={
            name: ColumnSpec(name=name, kind=Kind.INTEGER, lower=0, upper=4, nullable=False) for name in names
        },
    )
    rng, people = np.random.default_rng(5), 20_000
    a, b = rng.integers(0, 3, (2, people)).astype(float)
    columns = {name: Values(each, EVERYWHERE) for name, each in zip(names, (a, b, a + b), strict=True)}
    data = table_from_columns(Rows(spec, columns, people), np.arange(people + 1, dtype=np.int64))
    told = released(Query(table="t", measure=SyntheticTable(names)), data, 10 * ONE, None)
    assert sorted(step["beside"] is None for step in told.table["tree"]) == [False, True]
    assert all(abs(pair["kept"] - pair["measured"]) < 0.03 for pair in told.table["pairs"])
    drawn = draw(told.table, 4000)
    for name in "ab":
        assert np.corrcoef(drawn[name], drawn["sum"])[0, 1] == pytest.approx(np.sqrt(0.5), abs=0.05)
    assert draw(told.table, 1)["sum"].shape == (1,)
