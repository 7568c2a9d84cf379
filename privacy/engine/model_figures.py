"""A trained model as figures: the effect of each value in the outcome's own unit, and everything that predicts.

All of this is post-processing of released weights. Weights have no intervals: a model is for prediction.
"""

import math
from itertools import pairwise
from typing import Any

from privacy.engine.figures import Figure, FigureLine, ModelFigures
from privacy.engine.language.learning import Amount, Choice, Events, Fit, YesNo
from privacy.engine.language.schema import TableSpec
from privacy.engine.language.sql_text import plain
from privacy.engine.measure.contributions import ONE
from privacy.engine.measure.evaluate import Floats
from privacy.engine.plan.fits import LINEAR, MULTINOMIAL, POISSON, SLOPE, FitPlan, Places, noise_to_signal
from privacy.engine.training import Trained


def figures_of(
    measure: Fit,
    table: TableSpec,
    plan: FitPlan,
    model: Trained,
    *,
    sigma: int,
    held_out: dict[str, Any] | None,
) -> ModelFigures:
    """Return a released model as figures. `held_out`: what was released of people whom it was not trained on."""
    effects, intercept = _effects(plan, model)
    mu = ONE * math.sqrt(plan.releases) / sigma
    told: dict[str, Any] = {
        "family": plan.family,
        "outcome": _outcome(measure, table),
        "classes": list(plan.classes),
        "features": [_feature(plan, feature, effects) for feature in plan.features],
        "scale": _scale(plan),
        "training": {
            "people": model.people,
            "steps": plan.steps,
            "noise_to_signal": noise_to_signal(plan.weights, model.people, mu),
        },
        "held_out": held_out,
    }
    if plan.layers:
        told["layers"] = _layers(plan, model)
    else:
        told["intercept"] = _plain(plan, intercept)
    by = ("outcome", "feature", "value") if plan.classes else ("feature", "value")
    lines = () if plan.layers else tuple(_lines(plan, effects, intercept))
    return ModelFigures(by=by, lines=lines, model=told)


def _outcome(measure: Fit, table: TableSpec) -> str:
    match measure.outcome:
        case YesNo(asked):
            return plain(asked, table)
        case Amount(of) | Events(of):
            return plain(of, table)
        case Choice(column):
            return column


def _scale(plan: FitPlan) -> dict[str, float] | None:
    if plan.family == LINEAR:
        return {"middle": plan.middle, "half": plan.half}
    return {"most": plan.half} if plan.family == POISSON else None


def _effects(plan: FitPlan, model: Trained) -> tuple[Floats, Floats]:
    """Return the effect of each place of z (width, outputs) and the intercept (outputs,), in natural units.

    Those of a slope are per unit of the number. Without hidden layers only.
    """
    effects = model.first.copy()
    for feature in plan.features:
        if feature.kind == SLOPE:
            effects[feature.first] /= feature.half
    intercept = effects[0].copy()
    if plan.family == LINEAR:
        effects, intercept = effects * plan.half, intercept * plan.half + plan.middle
    if plan.family == POISSON:
        intercept += math.log(model.mean * plan.half)
    return effects, intercept


def _plain(plan: FitPlan, effect: Floats) -> float | list[float]:
    """Return one effect as a number, or for a choice as a list with one number for each class."""
    return [float(each) for each in effect] if plan.family == MULTINOMIAL else float(effect[0])


def _feature(plan: FitPlan, feature: Places, effects: Floats) -> dict[str, Any]:
    told: dict[str, Any] = {"name": feature.name, "kind": feature.kind}
    if feature.kind == SLOPE:
        told |= {"middle": feature.middle, "half": feature.half}
    elif feature.labels:
        told["labels"] = list(feature.labels)
    else:
        told["edges"] = list(feature.edges)
    if plan.layers:
        return told
    values = [_plain(plan, effects[k]) for k in range(feature.first, feature.missing)]
    told |= {"effect": values[0]} if feature.kind == SLOPE else {"effects": values}
    return told | {"missing": _plain(plan, effects[feature.missing]) if feature.can_be_missing else None}


def _lines(plan: FitPlan, effects: Floats, intercept: Floats) -> list[FigureLine]:
    lines = []
    for k, label in enumerate(plan.classes or ("",)):
        start = (label,) if plan.classes else ()
        found = [("intercept", "", float(intercept[k]))]
        for feature in plan.features:
            last = feature.first + len(feature.words)
            names = zip(feature.words, effects[feature.first : last, k], strict=True)
            found += [(feature.name, word, float(effect)) for word, effect in names]
        for name, word, effect in found:
            figure = Figure(name="weight", value=effect, half_width=None)
            lines.append(FigureLine(key=(*start, name, word), figures=(figure,)))
    return lines


def _layers(plan: FitPlan, model: Trained) -> list[dict[str, Any]]:
    """Return the layers with all scaling multiplied in: bias + weights x inputs, then tanh for hidden ones.

    The inputs of the first are 1 at the place of each feature's value (a slope: (value - middle) / half), without the
    constant at place 0, which is its bias. The last layer answers in the outcome's own unit: log-odds, the amount, the
    logarithm of the rate.
    """
    layers = [{"weights": model.first[1:].T.tolist(), "bias": model.first[0].tolist()}]
    at = 0
    for many, above in pairwise(map(int, model.sizes)):
        part = model.rest[at : at + (many + 1) * above].reshape(above, many + 1) / math.sqrt(many + 1.0)
        layers.append({"weights": part[:, :-1].tolist(), "bias": part[:, -1].tolist()})
        at += (many + 1) * above
    last = layers[-1]
    if plan.family == POISSON:
        last["bias"] = [last["bias"][0] + math.log(model.mean * plan.half)]
    if plan.family == LINEAR:
        last["weights"] = [[weight * plan.half for weight in last["weights"][0]]]
        last["bias"] = [last["bias"][0] * plan.half + plan.middle]
    return layers
