"""What is told of people whom a model was not trained on: right, and with intervals that hold."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import rankdata

from privacy.engine.fit_rows import Chosen
from privacy.engine.held_out import SCORES, held_out, score_edges
from privacy.engine.measure.contributions import ONE
from privacy.engine.measure.fits import CHOICE, IDENTITY, LOG, LOGIT
from privacy.engine.plan.fits import plan_fit
from privacy.engine.training import Trained
from tests.privacy.make_fit import FITS, without_noise
from tests.privacy.make_table import SPEC

LINKS = {"logistic": LOGIT, "linear": IDENTITY, "poisson": LOG, "multinomial": CHOICE}
SIGMA = 5 * ONE
PEOPLE, TIMES = 1500, 120


def sample(family, rng, people, rows=1):
    """(plan, model, people) of a model with one slope, and outcomes that it predicts not quite rightly."""
    plan = plan_fit(FITS[family], SPEC)
    outputs = plan.outputs
    first = np.zeros((2, outputs))
    first[1] = np.linspace(1.2, -1.2, outputs) if outputs > 1 else 1.2
    x = np.repeat(rng.uniform(-1, 1, people), rows)
    lots = rng.random(people).repeat(rows)
    mean, spread, most = 0.5, 0.5, 1.0
    match family:
        case "logistic":
            first[0] = -1.0
            mean = 0.3
            y = (lots < expit(1.5 * x - 1)).astype(float)
        case "linear":
            first = first / 4
            mean, spread = 0.05, 0.3
            y = np.clip(0.35 * x + np.repeat(rng.normal(0, 0.25, people), rows), -1, 1)
        case "poisson":
            mean, spread, most = 0.03, 0.035, 1 / 0.03
            y = np.minimum(np.repeat(rng.poisson(np.exp(x[::rows])), rows) * mean, 1.0)
        case _:
            shares = np.cumsum(np.exp(np.outer(x, [1.0, 0.3, -1.0])), axis=1)
            y = (lots[:, None] * shares[:, [-1]] > shares).sum(axis=1).astype(float)
    model = Trained(
        people=1.0,
        mean=mean,
        spread=spread,
        first=first,
        rest=np.zeros(0),
        sizes=np.array([outputs]),
        link=LINKS[family],
        most=most,
    )
    n = people * rows
    cells, begins, decode = np.zeros((0, n), np.uint16), np.zeros(1, np.int64), np.zeros((0, 1), np.int32)
    places = (cells, x[None].astype(np.float32), begins, decode, np.ones(1, np.int32))
    return plan, model, Chosen(offsets=np.arange(0, n + 1, rows), places=places, y=y)


def truth(plan, model, chosen):
    """The figures of so many people, without noise and without parts."""
    found, y = model.predict(chosen), chosen.y
    match plan.family:
        case "logistic":
            many = int(y.sum())
            area = (rankdata(found[:, 0])[y > 0].sum() - many * (many + 1) / 2) / (many * (len(y) - many))
            return {
                "accuracy": float(((found[:, 0] >= 0.5) == y).mean()),
                "auc": area,
                "base_rate": float(y.mean()),
            }
        case "multinomial":
            largest = np.bincount(y.astype(int)).max() / len(y)
            return {"accuracy": float((found.argmax(axis=1) == y).mean()), "base_rate": largest}
        case "poisson":
            guess = np.minimum(found[:, 0] * model.mean, 1)
        case _:
            guess = np.clip(found[:, 0], -1, 1)
    limit = 4 * model.spread
    error = np.mean(np.clip(y - guess, -limit, limit) ** 2)
    apart = np.clip(y - model.mean, -limit, limit)
    return {"r_squared": 1 - error / apart.var(), "rmse": math.sqrt(error) * plan.half}


@pytest.mark.parametrize("family", LINKS)
def test_intervals_hold_over_people_and_noise(family):
    rng = np.random.default_rng(7)
    right = truth(*sample(family, rng, 400_000))
    held = dict.fromkeys(right, 0)
    for _ in range(TIMES):
        plan, model, chosen = sample(family, rng, PEOPLE)
        for figure in held_out(plan, model, chosen, SIGMA)["measures"]:
            held[figure["name"]] += abs(figure["value"] - right[figure["name"]]) <= figure["half_width"]
    assert min(held.values()) >= 0.88 * TIMES, held
    assert family == "logistic" or min(held.values()) < TIMES, "so wide that they say nothing"


@pytest.mark.parametrize("family", LINKS)
def test_without_noise_the_figures_are_right(family, monkeypatch):
    """Also of people with several rows each, who count once."""
    without_noise(monkeypatch)
    plan, model, chosen = sample(family, np.random.default_rng(1), 3000, rows=3)
    told = held_out(plan, model, chosen, SIGMA)
    right = truth(plan, model, chosen)
    for figure in told["measures"]:
        assert figure["value"] == pytest.approx(right[figure["name"]], abs=6e-3, rel=1e-3)
    assert told["people"]["value"] == pytest.approx(3000, rel=1e-6)
    if family == "multinomial":
        assert np.sum(told["confusion"]) == pytest.approx(3000)
        return
    lines = told["calibration"]
    assert sum(line["people"] for line in lines) == pytest.approx(3000, rel=1e-6)
    assert all(one["to"] == other["from"] for one, other in pairwise(lines))
    clear = [line for line in lines if line["observed"] is not None]
    assert len(clear) >= 3
    assert all(line["from"] <= line["predicted"] <= line["to"] for line in clear)


@pytest.mark.parametrize("family", LINKS)
def test_too_few_people_are_lost_in_the_noise(family):
    plan, model, chosen = sample(family, np.random.default_rng(2), 3)
    told = held_out(plan, model, chosen, SIGMA)
    assert {figure["value"] for figure in told["measures"]} == {None}
    assert {line["observed"] for line in told["calibration"]} <= {None}
    assert json.dumps(told, allow_nan=False)


def test_an_outcome_that_never_varies_has_no_r_squared(monkeypatch):
    without_noise(monkeypatch)
    plan, model, chosen = sample("linear", np.random.default_rng(2), 500)
    chosen.y[:] = model.mean
    assert held_out(plan, model, chosen, SIGMA)["measures"][0]["value"] is None


@pytest.mark.parametrize("mean", [1e-3, 0.02, 0.3, 0.5, 0.99, 0.999])
def test_parts_of_scores_lie_close_around_the_mean_with_one_half_among_them(mean):
    edges = score_edges(mean)
    assert len(edges) == SCORES + 1
    assert (edges[0], edges[-1]) == (0, 1)
    assert 0.5 in edges
    assert all(low < high for low, high in pairwise(edges))
    assert sum(edge < mean for edge in edges) in range(9, 13)
