"""Answers as numbers, arrays and tables."""

import math

import numpy as np
import pytest

from weir import Answer, MockAnswer, NotOffered
from weir.readings import Reading


def answer(lines, by=(), **parts):
    return Answer("what was asked", {"by": list(by), "lines": lines}, **parts)


def line(name, value, half=None, key=(), **more):
    return {"key": list(key), "figures": [{"name": name, "value": value, "half_width": half, **more}]}


ONE = answer([line("mean", 24.1, 0.5)], details={"epsilon": 0.12, "record": {"query": {}}})
GROUPS = answer([line("count", 10.0, 2.0, ["north"]), line("count", None, None, ["south"])], by=["region"])
SHARES = answer([line("quantile", 5.0, None, ["0.5"], low=4.0, high=7.0)], by=["share"])
DATES = answer(
    [
        line("quantile", "1990-05-01", None, ["0.25"], low="1990-04-01", high="1990-05-05"),
        line("quantile", None, None, ["0.75"]),
    ],
    by=["share"],
    reading=Reading(single=False, dates=True),
)
FIT = answer(
    [
        {
            "key": [],
            "figures": [
                {"name": "intercept", "value": 1.0, "half_width": 0.5},
                {"name": "age", "value": 2.0, "half_width": 0.25},
            ],
        }
    ]
)
STD = answer([line("standard_deviation", 3.0, 0.5)], reading=Reading(name="std"))


def test_one_number():
    assert (float(ONE), int(ONE), round(ONE, 1), f"{ONE:.2f}") == (24.1, 24, 24.1, "24.10")
    assert ONE.value == 24.1
    assert ONE.interval == (23.6, 24.6)
    assert ONE.error == pytest.approx(0.5)
    assert (ONE.epsilon, ONE.record) == (0.12, {"query": {}})
    assert repr(ONE) == "24.1, 95 % interval 23.6 to 24.6 (what was asked)"


def test_arithmetic_is_that_of_numpy():
    assert float(np.sqrt(ONE)) == math.sqrt(24.1)
    assert (ONE + 1, 2 * ONE, ONE / ONE, -ONE) == (25.1, 48.2, 1.0, -24.1)
    assert bool(ONE > 20)
    assert (GROUPS * 2).tolist()[0] == 20
    assert np.sum([ONE, ONE]) == 48.2
    assert math.floor(float(ONE)) == 24


def test_groups():
    assert GROUPS.keys == [("north",), ("south",)]
    assert GROUPS["north"] == 10
    assert GROUPS["south"] is None
    assert GROUPS[0] == 10
    assert len(GROUPS) == 2
    assert [math.isnan(each) for each in GROUPS] == [False, True]
    assert GROUPS.interval.tolist()[0] == [8, 12]
    assert GROUPS.error.tolist()[0] == 2
    with pytest.raises(NotOffered, match="2 figures"):
        float(GROUPS)
    with pytest.raises(NotOffered, match="no line east"):
        GROUPS["east"]


def test_a_figure_lost_in_noise():
    lost = answer([line("mean", None)])
    assert lost.value is None
    assert math.isnan(float(lost))
    assert lost.interval == (None, None)
    assert repr(lost) == "lost in noise (what was asked)"


def test_intervals_that_are_not_symmetric():
    assert SHARES.value == 5
    assert SHARES.interval == (4, 7)


def test_dates():
    assert DATES.value.dtype == "datetime64[D]"
    assert np.isnat(DATES.value).tolist() == [False, True]
    assert str(DATES.interval[0][1]) == "1990-05-05"
    single = answer(
        [line("quantile", "1990-05-01", None, ["0.5"], low="1990-04-01", high="1990-05-05")], by=["share"]
    )
    assert single.value == "1990-05-01"
    assert single.error == 17
    with pytest.raises(NotOffered, match="date 1990-05-01"):
        float(single)


def test_a_regression():
    assert FIT.value == {"intercept": 1.0, "age": 2.0}
    assert FIT.interval["age"] == (1.75, 2.25)
    assert FIT.error == {"intercept": 0.5, "age": 0.25}
    assert FIT["age"] == 2
    assert "age  2  1.75 to 2.25" in repr(FIT)


def test_a_standard_deviation():
    assert STD.value == 3
    assert STD.interval == (2.5, 3.5)
    assert STD.to_arrow().column_names == ["std", "std_low", "std_high"]


def test_tables():
    found = GROUPS.to_arrow()
    assert found.column_names == ["region", "count", "count_low", "count_high"]
    assert found["count"].to_pylist() == [10, None]
    frame = GROUPS.to_pandas()
    assert frame.index.tolist() == ["north", "south"]
    assert frame.loc["north", "count_high"] == 12
    assert DATES.to_arrow()["quantile"].to_pylist() == ["1990-05-01", None]
    assert FIT.to_pandas().loc[0, "age"] == 2


def test_cards():
    card = ONE._repr_html_()
    assert "24.1" in card
    assert "ε = 0.12" in card
    many = answer([line("count", 1.0, 1.0, [f"g{k}"]) for k in range(200)], by=["g"])._repr_html_()
    assert "140 more" in many


def test_mock_answers_say_that_they_are():
    assert repr(MockAnswer("mean", {"by": [], "lines": [line("mean", 3.0)]})) == "mock: 3 (mean)"


def test_names_that_an_answer_does_not_have():
    with pytest.raises(AttributeError, match="Its numbers are in"):
        ONE.mean()
    assert not hasattr(ONE, "_secret")
