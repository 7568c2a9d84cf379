"""Synthetic tables of the client beside the engine's: the question, the rows that are drawn, and mock tables."""

import sys
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from privacy.engine import release, synthetic_rows, table_release
from privacy.engine.language import wire
from privacy.engine.plan import tables
from tests.client import bridge
from weir import Table, demo
from weir import learning as le
from weir.mock.answering import result_of
from weir.scopes import Offline, Scope
from weir.synthetic_rows import MOST_ROWS, draw
from weir.tableanswers import MockTableAnswer, TableAnswer

SEEDED = (3, 120)


def client_table():
    return Table(Scope(bridge.client_spec(), Offline(bridge.rows_of_both(*SEEDED)[1])))


def engine_answer(question, sigma):
    query = wire.decode(question.to_wire())
    return asdict(release.measure(query, bridge.rows_of_both(*SEEDED)[0]).release(sigma, None))


@pytest.fixture
def question():
    t = client_table()
    return t[t.year > 1981].synthesize(focus="union", bins=8)


@pytest.fixture
def released(question):
    return TableAnswer(question.text, engine_answer(question, 2**29))


def test_the_question_is_read_as_it_was_written(question):
    as_json = question.to_wire()
    assert wire.encode(wire.decode(as_json)) == as_json
    assert as_json["measure"] == {
        "kind": "synthetic_table",
        "columns": [column.name for column in bridge.COLUMNS],
        "bins": 8,
        "focus": "union",
    }


def test_the_limits_are_the_engines():
    assert (le.MAX_TABLE_CELLS, MOST_ROWS) == (tables.MAX_TABLE_CELLS, synthetic_rows.MAX_SYNTHETIC_ROWS)


@pytest.mark.parametrize("seed", [0, 7])
def test_the_same_rows_are_drawn_to_the_last_bit(released, seed):
    table = released.result["table"]
    assert any(step["beside"] is not None for step in table["tree"])  # a column that follows two others
    theirs, ours = synthetic_rows.draw(table, 500, seed), draw(table, 500, seed)
    assert list(ours) == list(theirs)
    for name, there in theirs.items():
        assert ours[name].dtype == there.dtype, name
        assert np.array_equal(np.ma.getmaskarray(ours[name]), np.ma.getmaskarray(there)), name
        same = [np.ma.getdata(each) for each in (ours[name], there)]
        if there.dtype == object:
            assert same[0].tolist() == same[1].tolist(), name
        else:
            assert same[0].tobytes() == same[1].tobytes(), name


def test_rows_have_the_declared_types_whether_or_not_a_value_is_missing(released):
    rows = released.table(rows=400, seed=1)
    assert {name: str(kind) for name, kind in rows.dtypes.items()} == {
        "wage": "float64",
        "balance": "float64",
        "hours": "Int64",
        "year": "int64",
        "tiny": "float64",
        "union": "boolean",
        "region": "category",
        "sector": "category",
        "born": "datetime64[ms]",
    }
    assert rows.hours.isna().any()
    assert rows.union.dropna().isin([True, False]).all()
    assert rows.year.between(1980, 1987).all()
    assert rows.region.cat.categories.tolist() == list(bridge.REGIONS)
    assert rows.equals(released.table(rows=400, seed=1))
    assert not rows.equals(released.table(rows=400, seed=2))


def test_without_pandas_rows_are_arrays(released, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    rows = released.table(rows=5)
    assert isinstance(rows, dict)
    assert len(rows["wage"]) == 5
    assert len(released.pairs["in_tree"]) == 36


def test_pairs_say_what_is_kept(released):
    pairs = released.pairs
    assert len(pairs) == 36
    assert pairs.columns.tolist() == ["first", "second", "measured", "error", "kept", "in_tree"]
    assert 0 < pairs[pairs.in_tree].shape[0] <= 2 * 9 - 3
    assert pairs[["measured", "kept"]].stack().between(0, 1).all()


@pytest.mark.parametrize(("rows", "seed"), [(0, 0), (10**7, 0), (2.5, 0), (5, -1), (5, True)])
def test_wrong_numbers_of_rows_and_seeds_are_refused(released, rows, seed):
    with pytest.raises(Exception, match=r"table\(rows=1000"):
        released.table(rows=rows, seed=seed)


def test_an_answer_shows_its_strongest_pairs_and_its_shares(released):
    assert "association" in repr(released)
    card = released._repr_html_()
    assert "north" in card
    assert ".table(rows=1000)" in card
    assert released.to_pandas().loc[("region", "north"), "share"] == pytest.approx(0.4, abs=0.2)


def test_the_mock_table_has_the_engines_tree_without_noise(question, monkeypatch):
    monkeypatch.setattr(table_release, "add_noise", lambda total, sigma: total.copy())
    theirs = engine_answer(question, 1)
    ours, notes = result_of(question.query, bridge.rows_of_both(*SEEDED)[1])
    assert notes == []
    assert [line["key"] for line in ours["lines"]] == [list(line["key"]) for line in theirs["lines"]]
    shares = [[line["figures"][0]["value"] for line in each["lines"]] for each in (ours, theirs)]
    assert shares[0] == pytest.approx(shares[1], abs=1e-6)
    here, there = ours["table"], theirs["table"]
    assert here["columns"] == there["columns"]
    assert (here["root"], here["people"]) == (there["root"], pytest.approx(there["people"]))
    assert [(edge["parent"], edge["child"]) for edge in here["tree"]] == [
        (edge["parent"], edge["child"]) for edge in there["tree"]
    ]
    for mine, other in zip(here["pairs"], there["pairs"], strict=True):
        assert mine["columns"] == list(other["columns"])
        assert mine["measured"] == pytest.approx(other["measured"], abs=1e-5)
        assert not mine["in_tree"] or mine["kept"] == pytest.approx(mine["measured"])


def test_mock_tables():
    t = demo.table()
    mock = t[t.region == "north"].synthesize(["wage", "education", "region"]).mock()
    assert isinstance(mock, MockTableAnswer)
    assert repr(mock).startswith("mock: synthetic table of wage")
    rows = mock.table(rows=200)
    assert isinstance(rows, pd.DataFrame)
    assert rows.region.dropna().eq("north").all()
    with pytest.raises(Exception, match="No mock row passes"):
        t[t.wage > 59.9].synthesize(["wage"]).mock()
