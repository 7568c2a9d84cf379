"""Questions and figures in words, for pages and files. No function here reads rows."""

import math
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, Context, Decimal

from privacy import dates
from privacy.engine.figures import BIN, UP_TO
from privacy.engine.language.expressions import Binary, Clip, Column, Expression, Unary
from privacy.engine.language.learning import Fit, SyntheticTable
from privacy.engine.language.query import (
    Correlation,
    Count,
    CountSubjects,
    Covariance,
    Distribution,
    Histogram,
    KeyCounts,
    Mean,
    Measure,
    PersonQuantiles,
    Quantiles,
    Query,
    Regression,
    StandardDeviation,
    Sum,
    Variance,
)
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.engine.plan.designs import design
from privacy.presentation import learning_in_words
from privacy.presentation.expressions_in_words import condition, expression, grouped, plain
from privacy.presentation.readable import FLAGS, readable

MAIN = {"count", "sum", "mean", "variance", "standard_deviation", "covariance", "quantile"}
"""Figures in the answer's own unit."""
FIGURES = {
    "count": "Count",
    "n": "Rows",
    "sum": "Sum",
    "mean": "Mean",
    "variance": "Variance",
    "standard_deviation": "Standard deviation",
    "covariance": "Covariance",
    "quantile": "Value",
    "share": "Share of rows up to here",
    "correlation": "Correlation",
    "intercept": "Intercept",
}


def say(query: Query, table: TableSpec | None = None) -> str:
    """Return a question in words: `Mean of wage by region where year ≥ 1985`.

    `table`: its declarations, so that conditions on yes/no columns say yes and no.
    """
    query = readable(query, table) if table else query
    text = measure(query.measure)
    if query.by:
        text += f" by {', '.join(query.by)}"
    if query.where is not None:
        text += f" where {condition(query.where)}"
    if query.rows is not None:
        text += f", at most {query.rows:,} row{'' if query.rows == 1 else 's'} per person"
    return text


def measure(item: Measure) -> str:  # noqa: C901, PLR0911, PLR0912 -- one case a kind
    match item:
        case Count():
            return "Number of rows"
        case CountSubjects():
            return "Number of people"
        case KeyCounts(column, keys):
            some = "one" if keys == 1 else f"up to {keys}"
            return f"People by {column}, each counted in {some} of their values"
        case Sum(of):
            return f"Sum of {expression(of)}"
        case Mean(of, per_subject):
            return f"Mean of {'each person’s mean ' if per_subject else ''}{expression(of)}"
        case Variance(of):
            return f"Variance of {expression(of)}"
        case StandardDeviation(of):
            return f"Standard deviation of {expression(of)}"
        case Quantiles(of, at):
            return f"{_quantiles(at)} of {expression(of)}{_at(at)}"
        case PersonQuantiles(of, at):
            what = f"sum of |{expression(of)}|" if of is not None else "number of rows"
            return f"{_quantiles(at)} of each person’s {what}{_at(at)}"
        case Distribution(of, bins):
            return f"Distribution of {expression(of)} in {bins} bins"
        case Histogram(of, edges):
            many = f"{len(edges) - 1} bin{'' if len(edges) == 2 else 's'}"
            return f"Histogram of {expression(of)} in {many} from {plain(edges[0])} to {plain(edges[-1])}"
        case Correlation(x, y) | Covariance(x, y):
            name = "Correlation" if isinstance(item, Correlation) else "Covariance"
            return f"{name} of {expression(x)} and {expression(y)}"
        case Regression(target, _, names):
            return f"Regression of {expression(target)} on {', '.join(names)}"
        case Fit() | SyntheticTable():
            return learning_in_words.title(item)


def _quantiles(at: Sequence[float]) -> str:
    return "Median" if tuple(at) == (0.5,) else "Quantiles"


def _at(at: Sequence[float]) -> str:
    return "" if tuple(at) == (0.5,) else f" at {', '.join(f'{share:.4g}' for share in at)}"


def label(column: str, value: str, table: TableSpec | None) -> str:
    """Return the display text of a declared value, or of an end of a bin."""
    columns: Mapping[str, object] = table.columns if table else {}
    if column in {UP_TO, *BIN} - set(columns):
        return grouped(float(value))
    is_flag = table is not None and column in columns and table.columns[column].kind == Kind.BOOLEAN
    return FLAGS.get(value, value) if is_flag else value


def group(by: Sequence[str], key: Sequence[str], table: TableSpec | None) -> str:
    """A group in one line: `north · 10 to 20`."""
    labels = [label(column, each, table) for column, each in zip(by, key, strict=True)]
    if tuple(by[-2:]) == BIN:
        labels[-2:] = [" to ".join(labels[-2:])]
    return " · ".join(labels)


def figure_name(name: str) -> str:
    return FIGURES.get(name, name)


def bounds(spec: ColumnSpec) -> str:
    """Return `0 to 50,000 EUR`; years have no comma."""
    write = plain if 1000 <= spec.lower <= spec.upper < 3000 else grouped
    return f"{write(spec.lower)} to {write(spec.upper)} {spec.unit}".rstrip()


def key_name(column: str, query: Query, table: TableSpec | None) -> str:
    """Return the heading of a column of groups; for the ends of bins, with their unit."""
    ends = {UP_TO: "up to", **dict(zip(BIN, ("from", "to"), strict=True))}
    if not isinstance(query.measure, Distribution | Histogram) or column not in ends or column in query.by:
        return column
    return with_unit(ends[column], unit_of(query.measure.of, table) if table else "")


def with_unit(name: str, unit_: str) -> str:
    return f"{name} ({unit_})" if unit_ else name


def unit(query: Query, table: TableSpec) -> str:
    """Return the unit of the answer's main figure."""
    match query.measure:
        case Count() | Histogram() | PersonQuantiles(None):
            return "rows"
        case CountSubjects() | KeyCounts():
            return "people"
        case Quantiles() if dates.is_in_dates(query, table):
            return ""
        case Sum(of) | PersonQuantiles(of) | Mean(of) | StandardDeviation(of) | Quantiles(of) if (
            of is not None
        ):
            return unit_of(of, table)
        case Variance(of):
            return _squared(unit_of(of, table))
        case Covariance(x, y):
            return _multiplied(unit_of(x, table), unit_of(y, table))
        case _:
            return ""


def unit_of(node: Expression, table: TableSpec) -> str:
    """Return the unit of an expression when limits and signs have not changed it; empty where that is uncertain."""
    match node:
        case Column(name):
            return table.columns[name].unit if name in table.columns else ""
        case Clip(of) | Unary("-" | "abs", of):
            return unit_of(of, table)
        case Binary("+" | "-", left, right) if unit_of(left, table) == unit_of(right, table):
            return unit_of(left, table)
        case _:
            return ""


def _squared(unit_: str) -> str:
    """Return only for a unit of one word or sign that has no exponent yet."""
    return f"{unit_}²" if unit_ and " " not in unit_ and unit_[-1] not in "²³" else ""


def _multiplied(one: str, other: str) -> str:
    """Return the product of two units of one word or sign; empty where one of them is unknown."""
    if one == other:
        return _squared(one)
    return f"{one}·{other}" if one and other and " " not in one + other else ""


def figure_unit(name: str, query: Query, table: TableSpec) -> str:
    """Return the unit of one figure of an answer: `EUR`, or of a regression `EUR per year`."""
    if isinstance(query.measure, Regression):
        features = dict(zip(query.measure.names, query.measure.features, strict=True))
        target = unit_of(query.measure.target, table)
        per = unit_of(features[name], table) if name in features else ""
        return f"{target} per {per}".strip() if per else target
    return unit(query, table) if name in MAIN else ""


def error_text(query: Query, table: TableSpec, half_width: float) -> str:
    """Return `± 12 people`: half the 95 % interval, in the answer's own units."""
    if is_of_rank(query):
        return f"± {sized(min(100, half_width * 100))} percentage points of rank, apart from ties"
    return f"± {sized(half_width)} {unit(query, table)}".rstrip()


def rank_note(query: Query, half_width: float | None) -> str:
    """Return how a quantile's interval relates to the error of its rank; empty for other figures. `half_width`: that
    error, where it is known."""
    if not is_of_rank(query):
        return ""
    bound = "on one side up to the declared bound"
    if half_width is None:
        return f"The interval can be wider than the error of the rank, {bound}."
    points = sized(min(100, half_width * 100))
    return (
        f"The value lies within ± {points} points of rank. The interval shown with it can be wider, {bound}."
    )


def read_to(query: Query, table: TableSpec) -> str:
    """Return `± 0.012 dollars`: how far a quantile may lie from the value released because its search moves in steps;
    empty where the search distinguishes every value that the column can have."""
    grid = design(query, table).grid
    half = grid.half_cell if grid else 0.0
    days = "day" if half == 1 else "days"
    each = days if dates.is_in_dates(query, table) else unit(query, table)
    return f"± {sized(half, 2, up=True)} {each}".rstrip() if half else ""


def decimals(query: Query, table: TableSpec) -> int | None:
    """Return the number of decimals of a quantile: as many as its column's values have, where the search distinguishes
    these; None otherwise."""
    grid = design(query, table).grid
    return grid.decimals if grid and not grid.half_cell else None


def error_unit(query: Query, table: TableSpec) -> str:
    """Return the unit of an error on pages; a quantile's error is one of its rank."""
    return "percentage points of rank" if is_of_rank(query) else unit(query, table)


def is_of_rank(query: Query) -> bool:
    """Return whether its error is a fraction of the rows or people, which pages show in percentage points."""
    return isinstance(query.measure, Quantiles | PersonQuantiles)


def sized(value: float, digits: int = 3, *, up: bool = False) -> str:
    """Return a number with three significant figures, without an exponent if readable; `up`: never rounded down."""
    if not value or not math.isfinite(value):
        return f"{value:g}"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    value = rounded_up(value, places) if up else value
    if not -12 <= places <= 8:
        return f"{value:.{digits - 1}e}"
    text = f"{round(value, places):,.{max(0, places)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def rounded_up(value: float, places: int) -> float:
    """Round up to so many decimals, so that "at most" holds."""
    step = Decimal(1).scaleb(-places)
    return float(Decimal(repr(value)).quantize(step, ROUND_CEILING, Context(prec=400)))


def places(half_width: float | None) -> int | None:
    """Return the number of decimals that gives a value's error two figures; None when its error is unknown."""
    if not half_width or not math.isfinite(half_width):
        return None
    return min(10, max(0, 1 - math.floor(math.log10(half_width))))


def places_between(low: float, value: float, high: float) -> int | None:
    """Return the number of decimals for a value whose interval has these ends."""
    whole = all(float(each).is_integer() for each in (low, value, high))
    return 0 if whole else places((high - low) / 2)


def shown(value: float | str | None, decimals: int | None) -> str:
    """Return a number or date of an answer, or “lost in noise”."""
    if value is None or isinstance(value, str):
        return value or "lost in noise"
    text = f"{value:,.{decimals}f}" if decimals is not None else sized(value, 6)
    return text.replace("-", "\N{MINUS SIGN}", 1) if text.startswith("-") else text


def tiny(delta: float) -> str:
    """Return a delta, rounded up: `1e-6`."""
    text = f"{rounded_up(delta, 5 - math.floor(math.log10(delta))):g}" if delta > 0 else "0"
    return text.replace("e-0", "e-")


def many(number: int) -> str:
    """Return how many times something can be done, exact up to a thousand."""
    return f"{number:,}" if number <= 1000 else "more than 1,000"
