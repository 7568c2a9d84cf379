"""Models and synthetic tables that look as if they had been released, without any training."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from django.utils import timezone

from privacy.engine.language import wire
from privacy.engine.language.expressions import Column, Compare, Constant
from privacy.engine.language.learning import (
    Amount,
    CategoryFeature,
    Choice,
    Fit,
    NumberFeature,
    Outcome,
    SyntheticTable,
    YesNo,
)
from privacy.engine.language.query import Query
from privacy.models import Answer, Budget
from privacy.services import questions
from tests.makers import privacy as shares

RICH = YesNo(Compare(">", Column("wage"), Constant(20_000.0)))
REGIONS = ("east", "north", "west")
EDGES = [1990.0, 1992.0, 1994.0, 1996.0, 1998.0]
UNASKED = "SELECT COUNT(*) FROM wages WHERE wage > 7"
"""A question that nobody else asks, so that its answer may be turned into another."""
FAMILIES = {YesNo: "logistic", Amount: "linear", Choice: "multinomial"}


def fit(outcome: Outcome = RICH, *, hidden: tuple[int, ...] = ()) -> Fit:
    """A question for a model over the table `wages`, with everything written out."""
    region = [] if outcome == Choice("region") else [CategoryFeature("region")]
    features = (NumberFeature("year", Column("year"), 4), *region)
    return Fit(outcome, features, hidden, 0.2, 60, 1000)


def model(budget: Budget, outcome: Outcome = RICH, *, hidden: tuple[int, ...] = (), **more: Any) -> Answer:
    """A released model. `more`: parts of `Answer.result["model"]` that are otherwise."""
    asked = fit(outcome, hidden=hidden)
    made = {**_model(asked), **more}
    result = {"by": _by(made), "lines": _weights(made), "model": made}
    return released(budget, asked, Answer.Kind.FIT, result)


def table(budget: Budget, columns: Sequence[str] = ("year", "region", "wage")) -> Answer:
    """A released synthetic table in which the region goes with the year, and nothing with the wage."""
    asked = SyntheticTable(tuple(columns), 4, None)
    parts = {
        "year": ["1990 to 1994", "1995 to 1999"],
        "region": [*REGIONS, "missing"],
        "wage": ["0 to 25000", "25000 to 50000"],
    }
    lines = [
        {"key": [name, part], "figures": [figure("share", 1 / len(parts[name]), 0.02)]}
        for name in columns
        for part in parts[name]
    ]
    result = {"by": ["column", "value"], "lines": lines, "table": _table()}
    return released(budget, asked, Answer.Kind.TABLE, result)


def released(budget: Budget, asked: Fit | SyntheticTable, kind: str, result: dict[str, Any]) -> Answer:
    """Turn a question that no worker has taken into a released answer with this result."""
    answer, query = shares.answer(budget, UNASKED, epsilon=0.2), Query(table="wages", measure=asked)
    Answer.objects.filter(pk=answer.pk).update(
        kind=kind,
        query=wire.encode(query),
        query_sha256=questions.digest_of(query),
        sql="",
        result=result,
        state=Answer.State.RELEASED,
        visible_at=timezone.now(),
    )
    return Answer.objects.get(pk=answer.pk)


def figure(name: str, value: float | None, half: float | None = None) -> dict[str, Any]:
    return {"name": name, "value": value, "half_width": half, "low": None, "high": None}


def _by(made: dict[str, Any]) -> list[str]:
    return ["outcome", "feature", "value"] if made["classes"] else ["feature", "value"]


def _weights(made: dict[str, Any]) -> list[dict[str, Any]]:
    if made.get("layers"):
        return []
    lines = []
    for k, chosen in enumerate(made["classes"] or [""]):
        first = [chosen] if made["classes"] else []
        intercept = made["intercept"][k] if first else made["intercept"]
        lines.append({"key": [*first, "intercept", ""], "figures": [figure("weight", intercept)]})
        for feature in made["features"]:
            for word, effect in _effects(feature):
                value = effect[k] if first else effect
                lines.append({"key": [*first, feature["name"], word], "figures": [figure("weight", value)]})
    return lines


def _effects(feature: dict[str, Any]) -> list[tuple[str, Any]]:
    if feature["kind"] == "slope":
        return [("slope", feature["effect"])]
    words = feature.get("labels") or [f"{low:g} to {high:g}" for low, high in pairwise(feature["edges"])]
    return list(zip(words, feature["effects"], strict=True))


def _model(asked: Fit) -> dict[str, Any]:
    several = isinstance(asked.outcome, Choice)

    def of(value: float) -> Any:
        return [value, -value, 0.0] if several else value

    features: list[dict[str, Any]] = [
        {
            "name": "year",
            "kind": "parts",
            "edges": EDGES,
            "effects": [of(v) for v in (-0.5, 0.1, 0.3, 0.7)],
            "missing": None,
        }
    ]
    if not several:
        effects = [0.4, -0.2, -0.1]
        features.append(
            {
                "name": "region",
                "kind": "category",
                "labels": list(REGIONS),
                "effects": effects,
                "missing": -0.05,
            }
        )
    measures = {
        "logistic": [("accuracy", 0.853, 0.006), ("auc", 0.905, 0.007), ("base_rate", 0.24, 0.006)],
        "linear": [("r_squared", 0.44, 0.02), ("rmse", 5400.0, 120.0)],
        "multinomial": [("accuracy", 0.61, 0.01), ("base_rate", 0.4, 0.01)],
    }
    family = FAMILIES[type(asked.outcome)]
    bins = [(k / 10, (k + 1) / 10) for k in range(10)]
    calibration = [
        {
            "from": low, "to": high, "people": 90.0, "predicted": (low + high) / 2,
            "observed": None if k == 9 else low + 0.05 + 0.03 * math.sin(k), "half_width": None if k == 9 else 0.04,
        }
        for k, (low, high) in enumerate(bins)
    ]  # fmt: skip
    made: dict[str, Any] = {
        "family": family,
        "outcome": "wage > 20000",
        "classes": list(REGIONS) if several else [],
        "features": features,
        "intercept": of(-1.2),
        "scale": None,
        "training": {"people": 812.4, "steps": 60, "noise_to_signal": 0.0021},
        "held_out": {
            **({"confusion": [[80.2, 12.0, -3.1], [9.0, 55.5, 4.0], [1.0, 7.0, 41.0]]} if several else {}),
            "people": figure("people", 203.1, 9.0),
            "measures": [figure(*each) for each in measures[family]],
            "calibration": calibration if family == "logistic" else [],
            **({"limit": 40_000.0} if family == "linear" else {}),
        },
    }
    if asked.hidden:
        names = ("effects", "missing")
        made["features"] = [{k: v for k, v in each.items() if k not in names} for each in features]
        made["layers"] = [
            {"weights": [[0.1] * asked.hidden[0]] * 9, "bias": [0.0] * asked.hidden[0]},
            {"weights": [[0.2]] * asked.hidden[0], "bias": [0.0]},
        ]
    return made


def _table() -> dict[str, Any]:
    third = 1 / 3
    return {
        "people": 987.6,
        "people_error": 31.0,
        "focus": None,
        "columns": [
            _column("year", "integer", edges=[1990, 1995, 1999], decimals=0),
            _column("region", "category", labels=list(REGIONS), missing=True),
            _column("wage", "number", edges=[0, 25_000, 50_000], unit="EUR"),
        ],
        "root": 0,
        "shares": [0.5, 0.5],
        "tree": [
            {"parent": 0, "beside": None, "child": 1, "shares": [[0.9, 0.1, 0.0, 0.0], [0.0, 0.2, 0.7, 0.1]]},
            {"parent": 1, "beside": None, "child": 2, "shares": [[0.5, 0.5]] * 3 + [[third, 2 * third]]},
        ],
        "pairs": [
            {"columns": [0, 1], "measured": 0.82, "kept": 0.81, "error": 0.02, "in_tree": True},
            {"columns": [0, 2], "measured": 0.35, "kept": 0.02, "error": 0.02, "in_tree": False},
            {"columns": [1, 2], "measured": 0.03, "kept": 0.03, "error": 0.02, "in_tree": True},
        ],
    }  # fmt: skip


def _column(name: str, kind: str, **more: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {"edges": [], "labels": [], "decimals": None, "missing": False, "unit": ""}
    return {"name": name, "kind": kind, **plain, **more}
