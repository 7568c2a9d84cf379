"""On mock rows the client computes what the engine computes: values bit for bit, answers as without noise."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, event, given, reject, settings
from hypothesis import strategies as st

from privacy.engine import release
from privacy.engine.figures import of_vector
from privacy.engine.language import pinned, wire
from privacy.engine.language.bounds import bounds, check_filter
from privacy.engine.language.expressions import Constant, Where
from privacy.engine.language.query import Count, Mean, Query
from privacy.engine.language.schema import QueryRefused
from privacy.engine.measure import evaluate as engine
from privacy.engine.plan import searches
from privacy.engine.plan.designs import design
from tests.client import bridge
from weir import bounds as client_bounds
from weir import evaluation
from weir import grammar as g
from weir.errors import CannotBeBounded
from weir.mock.answering import result_of
from weir.mock.caps import values_left

EXAMPLES = 400
seeds = st.sampled_from([(1, 7), (2, 40), (3, 120)])


def decoded(node):
    """A node as the engine reads it from the client's JSON."""
    query = Query(table="wages", measure=Mean(Constant(1.0)))
    as_json = wire.encode(query)
    if isinstance(node, g.PREDICATES):
        return wire.decode({**as_json, "where": g.to_wire(node)}).where
    return wire.decode({**as_json, "measure": {"kind": "sum", "of": g.to_wire(node)}}).measure.of


def outcome(compute):
    """The bounds, or that they are refused."""
    try:
        found = compute()
    except (QueryRefused, CannotBeBounded):
        return None
    return found.lower, found.upper


@settings(max_examples=EXAMPLES)
@given(bridge.expressions())
def test_bounds_are_the_engines_to_the_last_bit_and_the_same_is_refused(node):
    theirs = outcome(lambda: bounds(decoded(node), bridge.spec()))
    ours = outcome(lambda: client_bounds.bounds(node, bridge.client_spec()))
    event("refused" if theirs is None else "allowed")
    assert ours == theirs
    assert str(ours) == str(theirs)  # also the sign of 0


@settings(max_examples=EXAMPLES)
@given(bridge.expressions(), seeds)
def test_values_are_the_engines_to_the_last_bit(node, seed):
    theirs, ours = bridge.rows_of_both(*seed)
    expected = engine.evaluate(decoded(node), theirs.rows)
    found = evaluation.evaluate(node, ours.rows)
    assert found.numbers.tobytes() == expected.numbers.tobytes()
    assert np.array_equal(found.valid, expected.valid)


@settings(max_examples=EXAMPLES)
@given(bridge.conditions(), seeds)
def test_the_same_rows_pass_a_condition(node, seed):
    theirs, ours = bridge.rows_of_both(*seed)
    there = decoded(node)
    assert np.array_equal(evaluation.holds(node, ours.rows), engine.holds(there, theirs.rows))
    assume(outcome(lambda: bounds(Where(there, *[Constant(1.0)] * 2), bridge.spec())))
    check_filter(there, bridge.spec())


def test_the_rows_are_the_same():
    theirs, ours = bridge.rows_of_both(2, 40)
    assert np.array_equal(theirs.offsets, ours.offsets)
    for name, values in ours.rows.columns.items():
        there = theirs.rows.column(name)
        assert np.array_equal(values.valid, there.valid), name
        assert np.array_equal(values.numbers[values.valid], there.numbers[there.valid]), name


# Whole questions


@pytest.fixture
def quiet(monkeypatch):
    """The engine without noise."""
    for module in (release, searches):
        monkeypatch.setattr(module, "add_noise", lambda total, sigma: total.copy())


def without_noise(query, table):
    """The engine's figures of a question, by the general pass and with hardly any assumed noise."""
    if isinstance(query.measure, Count) or not query.measure.__class__.__name__.endswith(
        ("tiles", "Distribution")
    ):
        return of_vector(query, design(query, table.rows.table), release.exact_sums(query, table), 1)
    return release.measure(query, table).release(1, None)


def figures_of(answer):
    return [(tuple(line.key), figure.name, figure.value) for line in answer.lines for figure in line.figures]


def figures_in(result):
    return [
        (tuple(line["key"]), figure["name"], figure["value"])
        for line in result["lines"]
        for figure in line["figures"]
    ]


@settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
@given(bridge.questions(), seeds, st.sampled_from([1, 2, 6, 40]))
def test_answers_on_the_mock_rows_are_the_engines_without_noise(quiet, asked, seed, max_rows):
    theirs, ours = bridge.rows_of_both(*seed, max_rows)
    query = wire.decode(g.to_wire(asked))
    try:
        design(query, theirs.rows.table)
    except QueryRefused:
        reject()
    event(type(asked.measure).__name__)
    expected = without_noise(query, theirs)
    result, _ = result_of(asked, ours)
    assert result["by"] == list(expected.by)
    there, here = figures_of(expected), figures_in(result)
    assert [line[:2] for line in here] == [line[:2] for line in there]
    for (*key, ours_), (*_, theirs_) in zip(here, there, strict=True):
        assert_close(asked, key, ours_, theirs_)


def assert_close(asked, key, ours, theirs):
    if theirs is None or ours is None:
        lost = isinstance(
            asked.measure,
            g.Regression | g.Correlation | g.Mean | g.Variance | g.StandardDeviation | g.Distribution,
        )
        assert lost or (theirs is None and ours is None), (key, ours, theirs)
        return
    assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-9), key


@settings(max_examples=EXAMPLES)
@given(bridge.questions())
def test_questions_become_the_engines_json(asked):
    assert wire.encode(wire.decode(g.to_wire(asked))) == g.to_wire(asked)


@settings(max_examples=EXAMPLES)
@given(bridge.conditions(), st.sampled_from(["year", "union", "region", "sector", "hours", "wage"]))
def test_as_many_values_of_a_column_can_pass_a_condition_as_the_engine_says(node, name):
    found = values_left(node, bridge.client_spec().columns[name])
    assert found == pinned.values_left(decoded(node), bridge.spec().columns[name])
