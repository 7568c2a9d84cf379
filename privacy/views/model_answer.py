"""The page of a model that was trained."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse

from common.http import UserRequest
from common.pages import show
from privacy import queries
from privacy.engine.language.expressions import Expression
from privacy.engine.language.learning import Amount, Fit
from privacy.engine.language.schema import TableSpec
from privacy.engine.language.wire import decode
from privacy.models import Answer
from privacy.presentation import learning_in_words, model_shown, words
from privacy.presentation.readable import readable
from privacy.views import programs
from privacy.views.shared import WIDTHS, about, late

MOST_WEIGHTS = 500
"""The most weights that the table shows. The files hold all."""


def page(request: UserRequest, item: Answer, *, is_own: bool) -> HttpResponse:
    """Show a model; before its deadline, the page counts down to it."""
    query, table = decode(item.query), queries.table_of(item)
    context = {
        **about(request, item, is_own=is_own),
        "question": words.say(query, table),
        **queries.counted(item),
        "late": late(item) if item.is_waiting else None,
        "test_share": query.measure.test_share if isinstance(query.measure, Fit) else 0,
    }
    if item.is_out and isinstance(query.measure, Fit):
        context |= _released(request, item, query.measure, table)
    return show(request, "privacy/model", context, parts={"model-live"})


def _released(request: UserRequest, item: Answer, asked: Fit, table: TableSpec | None) -> dict[str, Any]:
    result = item.result or {}
    model: Mapping[str, Any] = result["model"]
    classes = list(model["classes"])
    chosen = _class(request, classes)
    of = asked.outcome.of if isinstance(asked.outcome, Amount) else None
    weights = [_weight(line, result["by"], table) for line in result["lines"]]
    shown = [row for row in weights if not classes or row["class"] == chosen]
    return {
        "model": model,
        "outcome": learning_in_words.outcome(readable(asked.outcome, table) if table else asked.outcome),
        "measures": model_shown.measures(model),
        "tested": model_shown.people_tested(model),
        "most_error": model_shown.most_error(model),
        "confusion": model_shown.confusion(model),
        "calibration": model_shown.calibration(model, WIDTHS),
        "classes": classes,
        "chosen": chosen,
        "features": model_shown.features(
            model,
            classes.index(chosen) if classes else None,
            lambda name, label: words.label(name, label, table),
        ),
        "effect_unit": model_shown.unit(model, _unit(of, table)),
        "weights": shown[:MOST_WEIGHTS],
        "weights_left_out": max(0, len(shown) - MOST_WEIGHTS),
        "training": _training(model),
        "layers": [len(layer["bias"]) for layer in model.get("layers") or ()][:-1],
        "in_client": programs.in_client(item, _use(model)),
        "calls": programs.calls(item),
        "no_csv": not weights,
    }


def _class(request: UserRequest, classes: list[str]) -> str:
    """Return the class whose weights are shown: as the URL says, otherwise the first."""
    wanted = request.GET.get("class", "")
    return wanted if wanted in classes else next(iter(classes), "")


def _unit(of: Expression | None, table: TableSpec | None) -> str:
    return words.unit_of(of, table) if of is not None and table else ""


def _weight(line: Mapping[str, Any], by: list[str], table: TableSpec | None) -> dict[str, str]:
    keys = dict(zip(by, line["key"], strict=True))
    value = line["figures"][0]["value"]
    return {
        "class": keys.get("outcome", ""),
        "feature": keys["feature"],
        "value": words.label(keys["feature"], keys["value"], table),
        "weight": words.shown(value, None),
    }


def _training(model: Mapping[str, Any]) -> dict[str, str]:
    training = model["training"]
    ratio = training["noise_to_signal"]
    return {
        "people": f"{max(0.0, training['people']):,.0f}",
        "steps": f"{training['steps']:,}",
        "noise": learning_in_words.noise(ratio),
    }


def _use(model: Mapping[str, Any]) -> str:
    """Return code that predicts for one made-up row."""
    row = [f"    {feature['name']!r}: [{_example(feature)!r}],\n" for feature in model["features"]]
    return f"rows = {{  # or a DataFrame\n{''.join(row)}}}\nanswer.predict(rows)\nanswer.held_out"


def _example(feature: Mapping[str, Any]) -> object:
    match feature["kind"]:
        case "category":
            return feature["labels"][0]
        case "slope":
            value = float(feature["middle"])
        case _:
            value = float(feature["edges"][len(feature["edges"]) // 2])
    return int(value) if value.is_integer() else value
