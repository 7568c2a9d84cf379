"""What goes wrong easily with objects that stand for remote rows, each once."""

import copy
import inspect
import pickle
import socket
import subprocess
import sys
import unittest.mock

import numpy as np
import pandas as pd
import pytest

from weir import Answer, Column, Condition, NotOffered, NotPrivate, Table, demo


@pytest.fixture
def t():
    return demo.table()


def test_pandas_asks_for_the_length_first_and_gets_the_sentence(t):
    with pytest.raises(NotPrivate, match="stay with the owner"):
        pd.Series(t.wage)


def test_adding_in_place_binds_the_name_again(t):
    x = wage = t.wage
    x += 1
    assert isinstance(x, Column)
    assert x is not wage
    assert (x.bounds, wage.bounds) == ((1.0, 61.0), (0.0, 60.0))
    local = np.zeros(3)
    with pytest.raises(NotOffered, match="Give the result a name"):
        local += wage
    assert local.tolist() == [0, 0, 0]


def test_columns_can_be_keys_although_comparing_them_makes_a_condition(t):
    wage, year = t.wage, t.year
    found = {wage: "wage", year: "year"}
    assert (found[wage], found[year]) == ("wage", "year")
    assert isinstance(wage == year, Condition)
    assert {t.wage.mean(), t.wage.mean(), t.year.mean()} == {t.wage.mean(), t.year.mean()}


def test_copies_are_the_same_although_pickling_is_refused(t):
    for each in (t, t.wage, t.wage > 5, t.wage.mean(), t.agg(n=t.count())):
        assert copy.copy(each) is each
        assert copy.deepcopy([each])[0] is each
        with pytest.raises(NotOffered, match="to_wire"):
            pickle.dumps(each)


def test_tools_that_look_for_names_with_underscores_get_a_plain_answer(t):
    for each in (t, t.wage, t.wage > 5, t.wage.mean(), t.groupby("region"), t.groupby("region").wage, t.fit):
        for name in (
            "_ipython_canary_method_should_not_exist_",
            "__arrow_c_stream__",
            "_repr_mimebundle_",
            "__dataframe__",
        ):
            assert not hasattr(each, name)
            with pytest.raises(AttributeError) as missing:
                getattr(each, name)
            assert str(missing.value) == name or "has no attribute" in str(missing.value)
    unittest.mock.create_autospec(t.wage)
    assert inspect.getmodule(type(t.wage)).__name__ == "weir.columns"


def test_a_column_called_like_a_method_is_there_in_brackets():
    declared = {
        **demo.DECLARATIONS,
        "columns": [
            {"name": "count", "kind": "number", "bounds": [0, 1]},
            {"name": "_x", "kind": "number", "bounds": [0, 1]},
        ],
    }
    table = Table.offline(declared)
    assert table["count"].mean().text == "mean of count, in wages"
    assert table.count().text == "number of rows, in wages"
    assert table["_x"].bounds == (0.0, 1.0)
    assert not hasattr(table, "_x")


def test_completion_and_cards_make_no_call(t, monkeypatch):
    def called(*_):
        raise AssertionError("a call")

    monkeypatch.setattr(socket.socket, "connect", called)
    monkeypatch.setattr(type(t.scope.source), "mock", called)
    for each in (t, t.wage, t.wage.mean(), t.agg(n=t.count())):
        assert dir(each)
        assert repr(each)
    cards = [t._repr_html_(), t.wage.mean()._repr_html_(), t.agg(n=t.count())._repr_html_()]
    assert all(card.startswith("<div") for card in cards)
    assert "wage" in dir(t)
    assert "wage" in t._ipython_key_completions_()


def test_a_card_shows_text_of_others_as_text():
    declared = {**demo.DECLARATIONS, "description": "<script>alert(1)</script>", "name": "a<b>"}
    card = Table.offline(declared)._repr_html_()
    assert "<script>" not in card
    assert "&lt;script&gt;" in card
    assert "a&lt;b&gt;" in card


def test_a_category_is_refused_when_an_expression_is_built(t):
    with pytest.raises(NotOffered, match="has categories, not numbers"):
        t.region * 2
    assert repr(t.region) == "Column: region, north, south, east, west, in wages"


def test_an_answer_is_an_array_and_a_question_is_not(t):
    question = t.wage.mean()
    with pytest.raises(NotPrivate):
        np.asarray(question)
    answer = question.mock()
    assert np.asarray(answer).shape == ()
    assert float(np.sqrt(answer)) == pytest.approx(float(answer) ** 0.5)


def test_numbers_of_numpy_on_the_left_make_columns_too(t):
    for made in (np.float64(2) * t.wage, np.int64(2) + t.wage, np.float32(2) - t.wage, 2 / (t.wage + 1)):
        assert isinstance(made, Column)
    assert isinstance(np.float64(5) < t.wage, Condition)
    assert (np.float64(5) < t.wage).text == "wage > 5"
    assert (np.array(5.0) + t.wage).bounds == (5.0, 65.0)


def test_a_released_answer_is_a_number_in_the_next_expression(t):
    mean = Answer(
        "mean",
        {"by": [], "lines": [{"key": [], "figures": [{"name": "mean", "value": 20.0, "half_width": 1.0}]}]},
    )
    assert (t.wage - mean).bounds == (-20.0, 40.0)
    assert (t.wage > mean).text == "wage > 20"


def test_importing_the_client_brings_neither_http_nor_arrow_nor_pandas():
    code = (
        "import sys, weir, weir.demo\n"
        "t = weir.Table.offline(weir.demo.DECLARATIONS)\n"
        "t.wage.mean().to_wire(), repr(t), t._repr_html_()\n"
        "print(sorted({'httpx', 'pyarrow', 'pandas', 'keyring', 'rich', 'django', 'scipy'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=demo.__file__.rsplit("/weir/", 1)[0],
    )
    assert done.stdout.strip() == "[]"
