"""Trials: a question tried on mock data before it is charged. They use public facts alone and are free.

A trial needs compiled passes. `rehearse` compiles them when the web server starts, so that no page waits for them.
"""

from dataclasses import dataclass, field
from functools import partial

import numpy as np

from datasets import mock_columns, mock_files
from datasets.columns import ColumnStore, StoredColumn
from privacy.declarations import engine_table, plans_for
from privacy.engine.language.expressions import Column
from privacy.engine.language.query import Correlation, Mean, Query, Regression, Variance
from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.engine.measure.contributions import ONE
from privacy.engine.plan.caps import rows_that_count
from privacy.engine.trials import FEWEST_ROWS, TRIES, Trial, Tried, can_be_tried, people_with, trial
from privacy.execution import questions
from privacy.models import Promise
from privacy.presentation import words
from privacy.services.questions import Quote, digest_of

MOST_ROWS = 10_000
"""The number of mock rows that a trial uses, so that no page waits long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialInWords:
    """A trial in words. `widths`: (figure, half the width of its 95 % interval)."""

    heading: str
    widths: list[tuple[str, str]] = field(default_factory=list)
    helps: str = ""
    but: str = ""
    rows: str = ""
    """With how many rows per person it was tried."""


def tried(quote: Quote, promise: Promise) -> Trial | None:
    """Try the question as if the real rows looked like the mock rows, as many per person as the owner has published.

    None where its error is known, or where the mock data cannot show it.
    """
    if quote.half_width is not None or not can_be_tried(quote.query, quote.plan.cells):
        return None
    query, spec = quote.query, quote.spec
    wanted = questions.wanted_by(query, spec)
    plans = [plan for plan in plans_for(spec) if plan.name in wanted]
    path = mock_files.published(quote.revision, spec.name)
    seed = int(digest_of(query)[:16], 16)
    people, rows = promise.public_size, promise.public_rows.get(spec.name)
    people = min(people, rows or people)  # everybody in a table has a row there
    shared = partial(people_with, rows / people, most=spec.max_rows, seed=seed) if rows else None
    try:
        store = mock_columns.read(path, spec.subject, plans, most=MOST_ROWS, shared=shared)
    except (OSError, LookupError, ValueError):
        return None  # no mock data fits the declarations: the question can be asked without a trial
    return trial(query, engine_table(store, spec), sigma=quote.offer.sigma, people=people, seed=seed)


def rehearse() -> None:
    """Compile the passes of a trial by trying a question on a few empty rows."""
    spec = TableSpec(
        name="rows",
        subject="person",
        columns={"x": ColumnSpec(name="x", kind=Kind.NUMBER, upper=1.0)},
        max_rows=1,
    )
    x = StoredColumn(numbers=np.zeros(FEWEST_ROWS), valid=np.ones(FEWEST_ROWS, dtype=np.bool_))
    nobody = np.empty((0, 0), dtype=np.uint8)
    offsets = np.arange(FEWEST_ROWS + 1, dtype=np.int64)
    store = ColumnStore(offsets=offsets, digests=nobody, listing=b"", columns={"x": x}, texts={})
    query = Query(table=spec.name, measure=Variance(Column("x")))
    trial(query, engine_table(store, spec), sigma=ONE, people=FEWEST_ROWS, seed=0)


def in_words(found: Trial, quote: Quote, promise: Promise) -> TrialInWords:
    """Return a trial in words, for the price panel."""
    query, spec = quote.query, quote.spec
    if not found.figures:
        rows = f"only {found.rows} row{'' if found.rows == 1 else 's'}" if found.rows else "no rows"
        return TrialInWords(heading=f"The mock data has {rows} behind this question: too few for a trial.")
    out, rows = found.coming_out, _rows(found, quote, published=spec.name in promise.public_rows)
    if not out:
        heading = f"On the mock data this comes out lost in noise, {_often(found, query)}."
        return TrialInWords(heading=heading, helps=_helps(query), but=_but(query), rows=rows)
    heading = f"On the mock data this comes out, {_often(found, query)}."
    if not query.by:
        widths = [(words.figure_name(each.name), _width(each, query, spec)) for each in out]
        return TrialInWords(heading=heading, widths=widths, but=_but(query), rows=rows)
    middle = sorted(out, key=lambda each: each.half_width or 0.0)[len(out) // 2]
    widths = [("Middle group", _width(middle, query, spec))]
    return TrialInWords(heading=heading, widths=widths, but=_but(query), rows=rows)


def _rows(found: Trial, quote: Quote, *, published: bool) -> str:
    """Return the rows per person in a trial, where they matter: the published number, or that of the mock data."""
    query, spec = quote.query, quote.spec
    per_person = isinstance(query.measure, Mean) and query.measure.per_subject
    if spec.max_rows == 1 or per_person or rows_that_count(query, spec) == 1:
        return ""
    each = words.sized(found.rows_each, 2)
    about = f"about {each} row{'' if each == '1' else 's'}"
    if published:
        return f"Each person had {about}, according to the number of rows that the owner has published."
    return f"The mock data has {about} per person: real people may have fewer, and then the error is larger."


def _often(found: Trial, query: Query) -> str:
    """Return in how many tries a figure came out: the same for all figures, but not for all groups."""
    out = len(found.coming_out)
    if query.by:
        return f"in {out or len(found.figures)} of {len(found.figures)} groups"
    shown = found.figures[0].released
    return f"in {shown if out else TRIES - shown} of {TRIES} tries"


def _width(figure: Tried, query: Query, spec: TableSpec) -> str:
    return words.error_text(query, spec, figure.half_width or 0.0)


def _helps(query: Query) -> str:
    """Return what makes the noise smaller relative to the figures. A mean and a variance are lost where there are few
    rows, a fit also where values are close together."""
    several = isinstance(query.measure, Regression) and len(query.measure.features) > 1
    ways = [
        "a larger ε",
        *(["fewer groups"] if query.by else []),
        *(["less strict conditions"] if query.where is not None else []),
        *(["fewer explaining columns"] if several else []),
        *(["narrower bounds (GREATEST and LEAST in SQL)"] if _is_fit(query) else []),
    ]
    *others, last = ways
    return f"What helps: {', '.join(others)} or {last}." if others else f"What helps: {last}."


def _but(query: Query) -> str:
    """Return where the real rows may do worse than the mock rows."""
    if _is_fit(query):
        return "Mock values fill their bounds evenly: where real ones crowd together, more is lost."
    return "Where fewer real rows are in a group or meet the conditions, more is lost."


def _is_fit(query: Query) -> bool:
    return isinstance(query.measure, Regression | Correlation)
