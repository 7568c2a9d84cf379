"""Why an answer was lost in noise, and what to ask instead. Based only on what was released."""

from collections.abc import Mapping
from typing import Any

from privacy.engine.language.query import (
    Correlation,
    Covariance,
    Query,
    Regression,
    StandardDeviation,
    Variance,
)
from privacy.engine.language.schema import TableSpec
from privacy.presentation.caps_in_words import rows_per_person


def sentence(result: Mapping[str, Any], query: Query, table: TableSpec | None, epsilon: str) -> str:
    """Return the explanation, or an empty string if nothing was lost. `epsilon`: what the answer cost, as text."""
    lines = result["lines"]
    lost = sum(any(figure["value"] is None for figure in line["figures"]) for line in lines)
    if not lost:
        return ""
    what = "groups" if query.by else "figures"
    behind = "this question" if lost == len(lines) else f"{lost:,} of {len(lines):,} {what}"
    *others, last = _ways(query, table)
    ways = f"{', '.join(others)} or {last}" if others else last
    return (
        f"There is too little data behind {behind} for the noise that ε {epsilon} needs. "
        f"It was charged all the same. Try {ways}."
    )


def _ways(query: Query, table: TableSpec | None) -> list[str]:
    """Return what makes the noise smaller relative to the figures. Narrower bounds help only where values are scaled
    by them: a mean or a quantile is lost only because there are too few rows."""
    measure = query.measure
    rows = rows_per_person(query, table) if table else None
    return [
        *(
            ["narrower bounds (LEAST and GREATEST)"]
            if isinstance(measure, Regression | Correlation | Variance | StandardDeviation | Covariance)
            else []
        ),
        *(
            ["fewer explaining columns"]
            if isinstance(measure, Regression) and len(measure.features) > 1
            else []
        ),
        *(["fewer rows per person"] if (rows or 1) > 1 else []),
        *(["fewer groups"] if query.by else []),
        *(["less strict conditions"] if query.where is not None else []),
        "more ε",
    ]
