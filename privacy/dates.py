"""Convert quantiles of dates: days since 1970 in the engine, ISO dates in answers, files and pages. Pure."""

from dataclasses import asdict
from typing import Any

from datasets.declarations.schema import bound_text
from privacy.engine.figures import Figures
from privacy.engine.language.expressions import Column
from privacy.engine.language.query import Quantiles, Query
from privacy.engine.language.schema import Kind, TableSpec


def is_in_dates(query: Query, table: TableSpec) -> bool:
    """Return whether the answer to a query consists of dates."""
    match query.measure:
        case Quantiles(Column(name)) if name in table.columns:
            return table.columns[name].kind == Kind.DATE
        case _:
            return False


def as_result(answer: Figures, query: Query, table: TableSpec) -> dict[str, Any]:
    """Return an answer as it is stored and shown: dates as `1990-12-31`."""
    result = asdict(answer)
    if is_in_dates(query, table):
        for line in result["lines"]:
            for figure in line["figures"]:
                figure |= {part: iso(figure[part]) for part in ("value", "low", "high")}
    return result


def iso(day: float | None) -> str | None:
    """Return the ISO date of a day since 1970; None where it was lost in noise."""
    return None if day is None else bound_text("date", day)
