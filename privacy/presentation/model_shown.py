"""What a page shows of a released model: figures, charts and facts, from the answer alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString, mark_safe

from privacy.presentation import model_charts, svg_charts, words
from privacy.presentation.model_charts import Calibrated, Effect, Point
from privacy.presentation.svg_charts import MOST_BARS, Bar

WIDTH = 380
"""Of the chart of one feature, in its own units: several stand side by side."""
MEASURES = {
    "accuracy": ("Accuracy", "how often the likelier answer is the right one"),
    "auc": (
        "AUC",
        "how often somebody for whom it is true scores above somebody for whom it is not; ½ is chance",
    ),
    "base_rate": ("Base rate", "how often it is true"),
    "r_squared": ("R²", "the part of the variance that the model explains"),
    "rmse": ("Root mean square error", "how far predictions are off, large errors counting more"),
}
"""Names and meanings of what is measured on people kept for the test."""
OF_A_CHOICE = {**MEASURES, "base_rate": ("Base rate", "how often the most frequent value is the right one")}
UNITS = {
    "logistic": "log-odds",
    "multinomial": "log-odds beside the other values",
    "poisson": "logarithm of the number",
    "linear": "",
}
Say = Callable[[str, str], str]
SHARES = {"logistic", "multinomial"}
"""Families whose predictions are probabilities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One figure from people kept for the test, as text."""

    name: str
    means: str
    value: str
    low: str
    high: str


def measures(model: Mapping[str, Any]) -> list[Measure]:
    """Return what was measured on people kept for the test; none if nobody was."""
    held_out = model["held_out"]
    known = OF_A_CHOICE if model["classes"] else MEASURES
    return [_measure(each, *known[each["name"]]) for each in held_out["measures"]] if held_out else []


def _measure(figure: Mapping[str, Any], name: str, means: str) -> Measure:
    value, (low, high) = figure["value"], ends(figure)
    places = None if low is None or high is None else words.places((high - low) / 2)
    return Measure(
        name=name,
        means=means,
        value=words.shown(value, places),
        low="" if low is None else words.shown(low, places),
        high="" if high is None else words.shown(high, places),
    )


def ends(figure: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return both ends of a figure's interval; (None, None) where there is none."""
    value, half = figure["value"], figure["half_width"]
    if figure.get("low") is not None:
        return figure["low"], figure["high"]
    return (None, None) if value is None or half is None else (value - half, value + half)


def people_tested(model: Mapping[str, Any]) -> str:
    """Return the noisy number of people kept for the test, as `about 9,770`."""
    held_out = model["held_out"]
    value = held_out and held_out["people"]["value"]
    return f"about {max(0.0, value):,.0f}" if value is not None else "an unknown number of"


def most_error(model: Mapping[str, Any]) -> str:
    """Return the largest error that counts as it is, for a model of numbers; empty for others."""
    limit = (model["held_out"] or {}).get("limit")
    return "" if limit is None else words.sized(limit)


def confusion(model: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Return, for each value of a choice, how many people with it were predicted to have each value; empty for others.

    Noisy numbers of people kept for the test.
    """
    counts = (model["held_out"] or {}).get("confusion") or []
    return [
        (label, [f"{max(0.0, count):,.0f}" for count in row])
        for label, row in zip(model["classes"], counts, strict=False)
    ]


def calibration(model: Mapping[str, Any], widths: Mapping[str, int]) -> dict[str, SafeString] | None:
    """Return the calibration chart, one for each width, or None where too few points are clear of the noise."""
    shares = model["family"] in SHARES
    points = [
        Calibrated(predicted=each["predicted"], observed=each["observed"], half_width=each["half_width"])
        for each in (model["held_out"] or {}).get("calibration") or ()
        if each["observed"] is not None and each["predicted"] is not None
    ]
    if len(points) < 2:
        return None
    title = "What happened over what was predicted, with 95 % intervals. On the line, both are the same."
    return {
        name: _safe(model_charts.calibration(points, min(width, 520), title, shares=shares))
        for name, width in widths.items()
    }


def unit(model: Mapping[str, Any], outcome_unit: str) -> str:
    """Return what the effects are measured in."""
    return UNITS.get(model["family"], "") or outcome_unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The chart of one feature, and how far its effects lie apart."""

    name: str
    chart: SafeString | None
    note: str
    reach: float


def features(model: Mapping[str, Any], which: int | None, say: Say) -> list[Shown]:
    """Return the chart of each feature, the strongest first. `which`: the class, where there are several.
    `say`: from a feature and a declared value to its text.

    Empty for a model with hidden layers, in which no feature has an effect of its own.
    """
    if model.get("layers"):
        return []
    found = [(each, _effects(each, which)) for each in model["features"]]
    span = model_charts.span_of([value for _, effects in found for value in effects.all])
    shown = [_shown(each, effects, span, say) for each, effects in found]
    return sorted(shown, key=lambda each: -each.reach)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What the values of a feature add to the prediction. `slope`: per unit of the number."""

    values: tuple[float, ...]
    missing: float | None
    slope: float | None = None

    @property
    def all(self) -> list[float]:
        return [*self.values, *([] if self.missing is None else [self.missing])]


def _effects(feature: Mapping[str, Any], which: int | None) -> Effects:
    def one(value: Any) -> float:
        return float(value if which is None else value[which])

    missing = None if feature["missing"] is None else one(feature["missing"])
    if feature["kind"] == "slope":
        slope = one(feature["effect"])
        return Effects(
            values=(-slope * feature["half"], slope * feature["half"]), missing=missing, slope=slope
        )
    return Effects(values=tuple(map(one, feature["effects"])), missing=missing)


def _shown(feature: Mapping[str, Any], effects: Effects, span: model_charts.Span, say: Say) -> Shown:
    name = feature["name"]
    reach = max(effects.all) - min(effects.all)
    title = f"What {name} adds to the prediction. The table of weights holds the same numbers."
    if feature["kind"] != "category":
        item = Effect(corners=list(_corners(feature, effects)), missing=effects.missing)
        chart = _safe(model_charts.effect(item, span, WIDTH, title))
        note = "" if effects.slope is None else f"{words.sized(effects.slope)} for each 1 more"
        return Shown(name=name, chart=chart, note=note.replace("-", "\N{MINUS SIGN}"), reach=reach)
    labels = [say(name, label) for label in feature["labels"]]
    bars = [Bar(label, value, None, None) for label, value in zip(labels, effects.values, strict=True)]
    if effects.missing is not None:
        bars.append(Bar("missing", effects.missing, None, None))
    if len(bars) > MOST_BARS:
        note = f"{len(bars):,} values: see the table of weights."
        return Shown(name=name, chart=None, note=note, reach=reach)
    return Shown(name=name, chart=_safe(svg_charts.bars(bars, WIDTH, title, span)), note="", reach=reach)


def _corners(feature: Mapping[str, Any], effects: Effects) -> Iterator[Point]:
    if feature["kind"] == "slope":
        low, high = feature["middle"] - feature["half"], feature["middle"] + feature["half"]
        yield from zip((low, high), effects.values, strict=True)
        return
    edges: Sequence[float] = feature["edges"]
    for low, high, value in zip(edges, edges[1:], effects.values, strict=False):
        yield low, value
        yield high, value


def _safe(chart: str) -> SafeString:
    return mark_safe(chart)  # noqa: S308 -- drawn here, texts escaped
