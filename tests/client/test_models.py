"""Models of the client beside the engine's: the question, predictions, training on mock rows, estimators."""

import json
import math
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from privacy.engine import held_out, release, training
from privacy.engine.language import learning, wire
from runner.host.selftest import default_environment
from tests.client import bridge
from tests.privacy import prediction
from weir import NotOffered, Question, Table, demo
from weir import grammar as g
from weir import learning as le
from weir.mock import answering, models
from weir.modelanswers import MockModelAnswer, ModelAnswer
from weir.scopes import Offline, Scope

SEEDED = (3, 120)
CLIENT = Path(g.__file__).parent.parent


def client_table():
    return Table(Scope(bridge.client_spec(), Offline(bridge.rows_of_both(*SEEDED)[1])))


T = client_table()
ON = {"hours": T.hours, "late": T.year > 1984, "region": T.region, "union": T.union}
BINS = {"hours": 4, "late": 0}
QUESTIONS = {
    "logistic": T.fit.logistic("wage > 40", on=ON, bins=BINS),
    "linear": T.fit.additive("wage", on=ON, bins=BINS),
    "poisson": T.fit.poisson(T.wage.clip(0, 60), on=ON, bins={"hours": [-10, 0, 20, 60], "late": 0}),
    "multinomial": T.fit.multinomial("sector", on=["hours", "region"], bins=0),
    "deep": T.fit.logistic(T.wage > 40, on=ON, bins=BINS, hidden=(5, 3)),
    "deep amount": T.fit.additive("wage", on=ON, bins=BINS, hidden=4),
    "deep events": T.fit.poisson("wage", on=ON, bins=BINS, hidden=[4]),
    "deep choice": T.fit.multinomial("sector", on=["hours", "region"], hidden=4, bins=8),
}
ROWS: dict[str, list[Any]] = {
    "hours": [-99.0, 0.0, 20.0, 59.5, math.nan, 1e9],
    "late": [1.0, 0.0, math.nan, 1.0, 0.0, 1.0],
    "region": ["north", "south", "nowhere", "east", "", "north"],
    "union": ["1", "0", "", "1", "0", "1"],
}
FRAME = pd.DataFrame(
    {
        "hours": ROWS["hours"],
        "late": pd.array([True, False, None, True, False, True], dtype="boolean"),
        "region": pd.Categorical(["north", "south", None, "east", None, "north"], categories=bridge.REGIONS),
        "union": [True, False, None, True, False, True],
    }
)


def released(question, sigma=2**28, table=None):
    query = wire.decode(question.to_wire())
    table = table or bridge.rows_of_both(*SEEDED)[0]
    digests = np.random.default_rng(5).integers(0, 256, (table.subjects, 16), dtype=np.uint8)
    answer = release.measure(query, replace(table, digests=digests)).release(sigma, None)
    return ModelAnswer(question.text, asdict(answer))


@pytest.fixture(params=list(QUESTIONS))
def question(request):
    return QUESTIONS[request.param]


# The question


def test_the_client_has_every_kind_that_the_engine_has():
    ours = {
        "measure": g.Measure.__args__,
        "expression": g.EXPRESSIONS,
        "filter": g.PREDICATES,
        "shape": g.Shape.__args__,
        "outcome": le.Outcome.__args__,
        "feature": le.Feature.__args__,
    }
    assert {family: {g.kind_of(each) for each in kinds} for family, kinds in ours.items()} == {
        family: set(kinds) for family, kinds in wire.FAMILIES.items()
    }


def test_the_limits_are_the_engines():
    names = [name for name in dir(le) if name.startswith(("MAX_", "MIN_")) and name != "MAX_TABLE_CELLS"]
    assert len(names) > 8
    assert {name: getattr(le, name) for name in names} == {name: getattr(learning, name) for name in names}


def test_the_question_is_read_as_it_was_written(question):
    as_json = question.to_wire()
    assert wire.encode(wire.decode(as_json)) == as_json


def test_what_the_parts_of_a_question_mean():
    t = demo.table()
    asked = t.fit.logistic(
        "region == north", on=["wage", "union"], bins=8, hidden=(4,), test_share=0.5, steps=30, people=90
    )
    region = g.In("region", ("north",))
    assert asked.measure == le.Fit(
        le.YesNo(region),
        (le.NumberFeature("wage", g.Column("wage"), 8), le.CategoryFeature("union")),
        (4,),
        0.5,
        30,
        90,
    )
    for written in (t.region == "north", "region = 'north'"):
        assert t.fit.logistic(written, on="wage").measure.outcome == le.YesNo(region)
    union = le.YesNo(g.In("union", ("1",)))
    for written in (t.union, "union", "union == yes"):
        assert t.fit.logistic(written, on="wage").measure.outcome == union
    assert t.fit.logistic("wage >= 20", on="year").text == "logistic model of wage >= 20 on year, in wages"
    cut = t.fit.additive("wage", on=t.year, bins={"year": [1980, 1984, 1987]}).measure.features
    assert cut == (le.NumberFeature("year", g.Column("year"), None, (1980.0, 1984.0, 1987.0)),)
    kept = t[t.year > 1984]
    assert kept.fit.additive("wage", on=["education"]).query.where == kept.scope.condition
    assert "epsilon=…" in asked._repr_html_()
    assert "16 and 8 hidden units" in t.fit.additive("wage", on="year", hidden=(16, 8)).text


# Predictions


def test_predictions_are_the_engines(question):
    answer = released(question)
    theirs = prediction.predict(answer.model, ROWS)
    assert answer.predict(FRAME) == pytest.approx(theirs, rel=1e-12)
    assert answer.predict(pa.table(ROWS)) == pytest.approx(theirs, rel=1e-12)
    assert answer.predict(ROWS) == pytest.approx(theirs, rel=1e-12)


def test_rows_that_do_not_fit_are_refused():
    answer = QUESTIONS["logistic"].mock()
    with pytest.raises(NotOffered, match=r"no column “hours”\. Did you mean “hour”"):
        answer.predict({**{name: ROWS[name] for name in ("late", "region", "union")}, "hour": [1.0]})
    with pytest.raises(NotOffered, match="“hours” must hold numbers"):
        answer.predict({**ROWS, "hours": ["a"] * 6})
    with pytest.raises(NotOffered, match="different numbers of rows"):
        answer.predict({**ROWS, "hours": [1.0]})
    with pytest.raises(NotOffered, match="one dimension"):
        answer.predict({**ROWS, "hours": [[1.0]] * 6})


# Answers


def test_an_answer_has_weights_and_says_how_well_it_predicts():
    answer = released(QUESTIONS["logistic"])
    weights = answer.weights.set_index(["feature", "value"]).weight
    assert weights["region", "north"] == answer.model["features"][2]["effects"][0]
    assert set(answer.held_out.measures) == {"accuracy", "auc", "base_rate"}
    low, high = answer.held_out.interval("accuracy")
    assert low is None or low <= answer.held_out["accuracy"] <= high
    assert answer.held_out.people == answer.model["held_out"]["people"]["value"]
    assert len(answer.held_out.calibration) == 20
    assert "accuracy" in repr(answer)
    assert "accuracy" in repr(answer.held_out)
    assert "people kept for the test" in answer.held_out._repr_html_()
    assert "north" in answer._repr_html_()
    answer.model["features"].clear()
    assert answer.model["features"]
    assert answer.held_out.confusion is None


def test_a_choice_says_what_was_taken_for_what():
    answer = released(QUESTIONS["multinomial"])
    assert answer.classes == ["1", "2", "10"]
    assert answer.held_out.confusion.shape == (3, 3)
    assert answer.to_pandas().index.names == ["outcome", "feature", "value"]


def test_without_people_left_out_or_additive_weights_an_answer_says_less():
    t = demo.table()
    answer = t.fit.logistic(t.wage > 20, on=["education"], hidden=(4,), test_share=0).mock()
    assert answer.held_out is None
    assert (len(answer.weights), len(answer.value), len(answer.error)) == (0, 0, 0)
    assert "4 hidden units" in repr(answer)
    assert "left out" not in answer._repr_html_()


# Training on mock rows


def test_the_rules_of_training_are_the_engines():
    assert {
        name: (rule.clip, rule.rate, rule.deep_rate) for name, rule in training.RULES.items()
    } == models.RULES


def test_mock_models_are_the_engines_without_noise(question, monkeypatch):
    for module in (training, held_out):
        monkeypatch.setattr(module, "add_noise", lambda total, sigma: total.copy())
    asked = Question(question.scope, replace(question.measure, test_share=0.0))
    there, here = bridge.a_row_each(3, 200)
    theirs, ours = released(asked, 1, there), answering.answer(asked, here)
    assert isinstance(ours, MockModelAnswer)
    assert ours.result["by"] == list(theirs.result["by"])
    assert [line["key"] for line in ours.result["lines"]] == [
        list(line["key"]) for line in theirs.result["lines"]
    ]
    assert ours.model.keys() == theirs.model.keys()
    assert [each.keys() for each in ours.model["features"]] == [
        each.keys() for each in theirs.model["features"]
    ]
    assert ours.model["training"]["people"] == pytest.approx(theirs.model["training"]["people"])
    assert ours.predict(FRAME) == pytest.approx(theirs.predict(FRAME), rel=1e-4)


def test_how_well_mock_models_predict_is_told_as_the_engine_tells_it(question):
    theirs, ours = (answer.model["held_out"] for answer in (released(question), question.mock()))
    assert [each["name"] for each in ours["measures"]] == [each["name"] for each in theirs["measures"]]
    assert ours["people"].keys() == theirs["people"].keys()
    assert [line.keys() for line in ours["calibration"]][:1] == [
        line.keys() for line in theirs["calibration"]
    ][:1]


def test_models_that_the_portal_refuses_have_no_mock():
    wide = demo.DECLARATIONS["columns"][5] | {"name": "code", "values": [f"v{k}" for k in range(2000)]}
    t = Table.offline(
        {**demo.DECLARATIONS, "columns": [*demo.DECLARATIONS["columns"], wide]},
        {**demo.mock(), "code": demo.mock()["region"]},
    )
    with pytest.raises(NotOffered, match=r"has 6,0\d\d weights"):
        t.fit.additive("wage", on=["code"], hidden=3).mock()
    with pytest.raises(NotOffered, match="between 2 and 50 values"):
        t.fit.multinomial("code", on=["wage"])
    with pytest.raises(NotOffered, match=r"at most 120,000 can be counted"):
        t.synthesize(["wage", "education", "experience", "year", "born", "code", "region"], bins=32).mock()


def test_mock_models_learn():
    t = demo.table()
    asked = t.fit.additive("wage", on=["education", "region"])
    answer = asked.mock()
    assert answer.held_out["r_squared"] > 0.4
    assert repr(answer).startswith(
        "mock: linear model of wage on education, region, in wages\n  linear model, trained"
    )
    with pytest.raises(NotOffered, match="nothing to learn from"):
        t[t.wage > 59.9].fit.additive("education", on=["year"]).mock()


# Estimators


def test_models_are_estimators_of_scikit_learn():
    there = [k for k in range(6) if not math.isnan(ROWS["hours"][k])]
    on = {name: [ROWS[name][k] for k in there] for name in ("hours", "region")}
    rows = list(zip(*on.values(), strict=True))
    asked = {
        "logistic": T.fit.logistic("wage > 40", on=["hours", "region"], bins=4).mock(),
        "linear": T.fit.additive("wage", on=["hours", "region"], bins=4).mock(),
        "multinomial": QUESTIONS["multinomial"].mock(),
    }
    packages = (
        default_environment() / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    )
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("sklearn_check.py")],
        input=json.dumps([{name: answer.model for name, answer in asked.items()}, rows]),
        env={**os.environ, "PYTHONPATH": f"{CLIENT}{os.pathsep}{packages}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for name, answer in asked.items():
        assert found[name]["names"] == ["hours", "region"]
        assert found[name]["score"] == 1
        assert "FrozenEstimator" in found[name]["fit"]
        told = answer.predict(on)
        if name == "linear":
            assert found[name]["kind"] == [False, True]
            assert found[name]["predict"] == told.tolist()
        elif name == "logistic":
            assert (found[name]["kind"], found[name]["classes"]) == ([True, False], [False, True])
            assert [each[1] for each in found[name]["proba"]] == told.tolist()
            assert found[name]["predict"] == (told > 0.5).tolist()
        else:
            assert (found[name]["proba"], found[name]["classes"]) == (told.tolist(), ["1", "2", "10"])


def test_without_scikit_learn_there_is_no_estimator(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    with pytest.raises(NotOffered, match="scikit-learn is not installed"):
        QUESTIONS["logistic"].mock().to_sklearn()
