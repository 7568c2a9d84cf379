"""Code that is answered in blocks: what is declared, and calls here on mock rows."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

import weir
from privacy.engine.language.code import Ball, Box, CodeQuestion, Votes, check_code
from privacy.engine.language.expressions import Column, Compare, Constant
from privacy.engine.language.wire import decode_code
from privacy.engine.measure.evaluate import kept_rows
from privacy.execution.people_blocks import PeopleBlocks, people_with_rows
from runner.executors.blocks import packed
from runner.inside import block_call
from tests.client import bridge
from weir import demo
from weir import grammar as g
from weir.mock.blocks import block_frame

LIMIT = 5


def box():
    @weir.code(answers={"mean": (0, 60), "gini": (0, 1)})
    def main(t):
        return [np.mean(t.wage), 0.5]

    return main


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        (
            {"answers": {"mean": (0, 60), "gini": (0, 1)}, "method": "median", "halves": False},
            Box(names=("mean", "gini"), lower=(0, 0), upper=(60, 1), method="median", halves=False),
        ),
        ({"votes": ["no", "yes"]}, Votes(labels=("no", "yes"))),
        ({"ball": 4, "size": 2}, Ball(size=2, radius=4.0)),
        (
            {"ball": 4.0, "rounds": 6, "start": np.ones(3)},
            Ball(size=3, radius=4.0, rounds=6, start=(1.0, 1.0, 1.0)),
        ),
    ],
)
def test_the_portal_reads_what_is_declared(given, shape):
    t = demo.table()
    made = weir.code("def main(t, state=None):\n    return 1\n", environment="torch", **given)
    asked = made.question("wages", t[t.year > 1984].scope.condition, people=150, blocks=40)
    found = decode_code(g.to_wire(asked))
    kept = Compare(">", Column("year"), Constant(1984.0))
    assert found == CodeQuestion(
        table="wages",
        code=made.source,
        shape=shape,
        where=kept,
        people=150,
        blocks=40,
        environment="torch",
    )
    check_code(found)


def test_a_function_is_sent_as_text_with_the_imports_that_it_uses(tmp_path):
    assert box().source.startswith("import numpy as np\n\n\ndef main(t):\n")
    assert "weir" not in box().source
    file = tmp_path / "main.py"
    file.write_text("def main(t):\n    return len(t)\n")
    made = weir.code(file, answers={"n": (0, 100)})
    assert (made.source, made(range(3))) == (file.read_text(), 3)
    assert "   1  def main(t):" in made._repr_html_()


def uses_a_constant():
    @weir.code(votes=["a", "b"])
    def main(t):
        return "a" if len(t) > LIMIT else "b"

    return main


def takes_a_state():
    @weir.code(answers={"a": (0, 1)})
    def main(t, state):
        return state

    return main


TEXT = "def main(t): return 1"


@pytest.mark.parametrize(
    ("declare", "instead"),
    [
        (lambda: weir.code(TEXT), "in one way"),
        (lambda: weir.code(TEXT, votes=["a", "b"], ball=1.0), "in one way"),
        (lambda: weir.code(TEXT, votes=["a", "b"], rounds=2), "give them with ball="),
        (lambda: weir.code(TEXT, ball=1.0, size=1, method="mean"), "give them with answers="),
        (lambda: weir.code(TEXT, answers=cast("Any", ["mean"])), "a name and its bounds"),
        (lambda: weir.code(TEXT, answers=cast("Any", {"mean": 60})), "“mean” needs two bounds"),
        (lambda: weir.code(TEXT, answers={"mean": (60, 0)}), "the lower one first"),
        (lambda: weir.code(TEXT, answers={"mean": (0, np.inf)}), "the lower one first"),
        (lambda: weir.code(TEXT, answers={"a": (0, 1)}, method="mode"), "Choose one of auto, mean"),
        (lambda: weir.code(TEXT, votes="ab"), "a list of texts"),
        (lambda: weir.code(TEXT, votes=["a", "a"]), "different"),
        (lambda: weir.code(TEXT, ball=1.0), "above 0"),
        (lambda: weir.code(TEXT, ball=-1.0, size=2), "above 0"),
        (lambda: weir.code(TEXT, ball=1.0, start=cast("Any", ["a"])), "above 0"),
        (lambda: weir.code(TEXT, ball=1.0, size=2, start=[1.0]), "2 finite numbers"),
        (lambda: weir.code(TEXT, ball=1.0, size=2, rounds=2), r"calls main\(t, state\)"),
        (takes_a_state, r"calls main\(t\).*It gets a state only with ball"),
        (uses_a_constant, r"“LIMIT” \(line \d+\) is defined outside of main"),
        (lambda: weir.code(TEXT, votes=["a", "b"], helpers=[box]), "into the text"),
        (lambda: weir.code("def main(t) 1", votes=["a", "b"]), "The text, line 1: "),
        (lambda: weir.code("\0", votes=["a", "b"]), "The text"),
        (lambda: weir.code("x = 1", votes=["a", "b"]), "defines no function main"),
        (lambda: weir.code(Path("/nowhere.py"), votes=["a", "b"]), "cannot be read"),
    ],
)
def test_what_is_declared_wrongly_is_refused_with_the_way_to_write_it(declare, instead):
    with pytest.raises(weir.NotOffered, match=instead):
        declare()


# Locally


@pytest.mark.parametrize("where", [None, g.Compare(">", g.Column("hours"), g.Constant(20.0))])
@pytest.mark.parametrize("max_rows", [2, 6])
def test_a_local_call_gets_what_a_block_of_the_portal_gets(where, max_rows):
    theirs, ours = bridge.rows_of_both(2, 40, max_rows)
    keeps = Compare(">", Column("hours"), Constant(20.0))
    kept = kept_rows(keeps if where else None, theirs.rows)
    people = np.flatnonzero(people_with_rows(theirs, kept))
    area = packed(PeopleBlocks(theirs, kept, [people])[0])
    expected = block_call.table(block_call._described(area), area)
    pd.testing.assert_frame_equal(block_frame(bridge.client_spec(max_rows), ours, where), expected)


def test_a_local_call_returns_what_is_declared():
    t = demo.table()
    found = box().run_locally(t[t.year > 1984])
    assert found == {"mean": pytest.approx(float(t.wage[t.year > 1984].mean().mock())), "gini": 0.5}
    vote = weir.code(
        "def main(t):\n    t.pop('union')\n    return t.region[0]\n", votes=list(t.region.labels)
    )
    mock = t.mock_block()
    assert vote.run_locally(mock) == vote.run_locally(mock) == str(mock.region[0])
    rounds = weir.code(
        "def main(t, state):\n    return [3.0, 4.0 - state[1]]\n", ball=1.0, rounds=2, start=[0.0, 4.0]
    )
    assert rounds.run_locally(mock).tolist() == [2.0, 4.0]
    assert rounds(mock, np.zeros(2)) == [3.0, 4.0]


@pytest.mark.parametrize(
    ("text", "given", "instead"),
    [
        ("{'mean': 1}", {"answers": {"mean": (0, 1)}}, "Return its numbers as a list"),
        ("[1, 2]", {"answers": {"mean": (0, 1)}}, "returned 2 values, but answers= names 1"),
        ("float('nan')", {"answers": {"mean": (0, 1)}}, "a finite number for every block"),
        ("['1']", {"answers": {"mean": (0, 1)}}, "a str instead of a number"),
        ("None", {"ball": 1.0, "size": 1}, "a NoneType instead"),
        ("'c'", {"votes": ["a", "b"]}, "'c', but votes= has the labels a, b"),
    ],
)
def test_what_a_block_could_not_answer_is_refused_here(text, given, instead):
    with pytest.raises(weir.NotOffered, match=instead):
        weir.code(f"def main(t):\n    return {text}\n", **given).run_locally({})


def test_a_table_about_nobody_has_no_blocks():
    declared = {**demo.DECLARATIONS, "person": ""}
    with pytest.raises(weir.NotOffered, match="Submit it for review"):
        weir.Table.offline(declared, demo.mock()).mock_block()
