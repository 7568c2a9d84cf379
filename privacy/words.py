"""Queries and figures in words, for pages and files. Nothing here reads rows."""

import math
from collections.abc import Mapping
from decimal import ROUND_CEILING, Context, Decimal

from privacy import dates
from privacy.engine.designs import design
from privacy.engine.expressions import (
    And,
    Column,
    Compare,
    Constant,
    Expression,
    In,
    IsNull,
    Not,
    Or,
    Predicate,
)
from privacy.engine.queries import (
    Correlation,
    Count,
    CountSubjects,
    Distribution,
    KeyCounts,
    Mean,
    Measure,
    PersonQuantiles,
    Quantiles,
    Query,
    Regression,
    Sum,
    Variance,
)
from privacy.engine.schema import Kind, TableSpec
from privacy.engine.sql_text import number

FLAGS = {"0": "no", "1": "yes"}
SIGNS = {"=": "is", "!=": "is not", "<": "<", "<=": "≤", ">": ">", ">=": "≥"}
FIGURES = {
    "count": "Count",
    "n": "Rows",
    "sum": "Sum",
    "mean": "Mean",
    "variance": "Variance",
    "quantile": "Value",
    "share": "Share",
    "correlation": "Correlation",
    "intercept": "Intercept",
}


def say(query: Query) -> str:
    """`Mean of wage by region where year ≥ 1985`."""
    text = measure(query.measure)
    if query.by:
        text += f" by {', '.join(query.by)}"
    if query.where is not None:
        text += f" where {condition(query.where)}"
    if query.rows is not None:
        text += f", at most {query.rows} row{'' if query.rows == 1 else 's'} of a person"
    return text


def measure(item: Measure) -> str:  # noqa: C901, PLR0911 -- one case a kind
    match item:
        case Count():
            return "Number of rows"
        case CountSubjects():
            return "Number of people"
        case KeyCounts(column, keys):
            some = "one" if keys == 1 else f"up to {keys}"
            return f"People by {column}, each counted once, in {some} of their values"
        case Sum(of):
            return f"Sum of {expression(of)}"
        case Mean(of, per_subject):
            return f"Mean of {'each person’s mean ' if per_subject else ''}{expression(of)}"
        case Variance(of):
            return f"Variance of {expression(of)}"
        case Quantiles(of, at):
            return f"Quantiles of {expression(of)} at {', '.join(f'{share:.4g}' for share in at)}"
        case PersonQuantiles(of, at):
            what = f"sum of |{expression(of)}|" if of is not None else "number of rows"
            return f"Quantiles of each person’s {what} at {', '.join(f'{share:.4g}' for share in at)}"
        case Distribution(of, bins):
            return f"Distribution of {expression(of)} in {bins} bins"
        case Correlation(x, y):
            return f"Correlation of {expression(x)} and {expression(y)}"
        case Regression(target, _, names):
            return f"Regression of {expression(target)} on {', '.join(names)}"


def expression(node: Expression) -> str:
    match node:
        case Column(name):
            return name
        case Constant(value):
            return number(value)
        case _:
            return "an expression"


def condition(node: Predicate) -> str:  # noqa: C901 -- one case a kind
    match node:
        case And(parts):
            return " and ".join(map(condition, parts))
        case Or(parts):
            return f"({' or '.join(map(condition, parts))})"
        case Not(In(column, values)):
            return f"{column} is not {' or '.join(values)}"
        case Not(IsNull(column)):
            return f"{column} is not missing"
        case Not(of):
            return f"not ({condition(of)})"
        case In(column, values):
            return f"{column} is {' or '.join(values)}"
        case IsNull(column):
            return f"{column} is missing"
        case Compare(op, left, right):
            return f"{expression(left)} {SIGNS[op]} {expression(right)}"


def label(column: str, value: str, table: TableSpec | None) -> str:
    """A declared value as people read it."""
    known: Mapping[str, object] = table.columns if table else {}
    is_flag = table is not None and column in known and table.columns[column].kind == Kind.BOOLEAN
    return FLAGS.get(value, value) if is_flag else value


def figure_name(name: str) -> str:
    return FIGURES.get(name, name)


def unit(query: Query, table: TableSpec) -> str:
    """What the answer's main figure is counted in."""
    match query.measure:
        case Count():
            return "rows"
        case CountSubjects() | KeyCounts():
            return "people"
        case PersonQuantiles(None):
            return "rows"
        case Quantiles() if dates.are_told(query, table):
            return ""
        case Sum(Column(name)) | PersonQuantiles(Column(name)) | Mean(Column(name)) | Quantiles(Column(name)):
            return table.columns[name].unit if name in table.columns else ""
        case _:
            return ""


def error_text(query: Query, table: TableSpec, half_width: float) -> str:
    """`± 12 people`: half the 95 % interval, in the answer's own units."""
    if is_of_rank(query):
        return f"± {sized(min(100, half_width * 100))} percentage points of rank, apart from ties"
    return f"± {sized(half_width)} {unit(query, table)}".rstrip()


def rank_note(query: Query, half_width: float | None) -> str:
    """How a quantile's interval goes with the error of its rank; nothing for other figures. `half_width`: that error,
    where it is known."""
    if not is_of_rank(query):
        return ""
    bound = "on one side as far as the declared bound"
    if half_width is None:
        return f"The interval can be wider than the error of the rank, {bound}."
    points = sized(min(100, half_width * 100))
    return (
        f"The value lies within ± {points} points of rank. The interval shown with it can be wider, {bound}."
    )


def read_to(query: Query, table: TableSpec) -> str:
    """`± 0.012 dollars`: how far a quantile may lie from the one told, for the steps of its search alone; nothing where
    every value that its column can have is told apart."""
    grid = design(query, table).grid
    half = grid.half_cell if grid else 0.0
    days = "day" if half == 1 else "days"
    each = days if dates.are_told(query, table) else unit(query, table)
    return f"± {sized(half, 2, up=True)} {each}".rstrip() if half else ""


def decimals(query: Query, table: TableSpec) -> int | None:
    """With how many decimals a quantile is shown: with as many as the values of its column have, where the search tells
    these apart; None otherwise."""
    grid = design(query, table).grid
    return grid.decimals if grid and not grid.half_cell else None


def error_unit(query: Query, table: TableSpec) -> str:
    """What an error is said in, on pages: a quantile's is one of its rank."""
    return "percentage points of rank" if is_of_rank(query) else unit(query, table)


def is_of_rank(query: Query) -> bool:
    """Whether its error is a share of the rows, or of the people: pages say it in percentage points."""
    return isinstance(query.measure, Quantiles | PersonQuantiles)


def sized(value: float, digits: int = 3, *, up: bool = False) -> str:
    """Three figures, without an exponent where one can read it; never less than the value when rounded `up`."""
    if not value or not math.isfinite(value):
        return f"{value:g}"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    value = rounded_up(value, places) if up else value
    if not -12 <= places <= 8:
        return f"{value:.{digits - 1}e}"
    text = f"{round(value, places):,.{max(0, places)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def rounded_up(value: float, places: int) -> float:
    """To so many decimals, never down: what is called "at most" is."""
    step = Decimal(1).scaleb(-places)
    return float(Decimal(repr(value)).quantize(step, ROUND_CEILING, Context(prec=400)))


def places(half_width: float | None) -> int | None:
    """To how many decimals a value is shown: its error has two figures then. None when nothing is known of it."""
    if not half_width or not math.isfinite(half_width):
        return None
    return min(10, max(0, 1 - math.floor(math.log10(half_width))))


def places_between(low: float, value: float, high: float) -> int | None:
    """To how many decimals a value is shown that has an interval of these ends."""
    whole = all(float(each).is_integer() for each in (low, value, high))
    return 0 if whole else places((high - low) / 2)


def shown(value: float | str | None, decimals: int | None) -> str:
    """A number or date of an answer; a word where the noise drowns it."""
    if value is None or isinstance(value, str):
        return value or "lost in noise"
    text = f"{value:,.{decimals}f}" if decimals is not None else sized(value, 6)
    return text.replace("-", "\N{MINUS SIGN}", 1) if text.startswith("-") else text


def tiny(delta: float) -> str:
    """A delta, rounded up: `1e-6`."""
    text = f"{rounded_up(delta, 5 - math.floor(math.log10(delta))):g}" if delta > 0 else "0"
    return text.replace("e-0", "e-")


def percent(share: float) -> str:
    """`12 %`, `3.4 %`, `0.05 %`."""
    value = share * 100
    if 0 < value < 0.01:
        return "less than 0.01 %"
    if value == 0 or value >= 9.95:
        return f"{value:,.0f} %"
    return f"{value:.1f} %" if value >= 0.95 else f"{sized(value, 2)} %"


def many(number: int) -> str:
    """How many times something can be done: nobody does it more than a thousand times."""
    return f"{number:,}" if number <= 1000 else "more than 1,000"
