"""Answers of questions on mock rows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from weir import grammar as g
from weir import learning as le
from weir.answers import MockAnswer
from weir.declarations import day_text
from weir.evaluation import holds
from weir.mock import figures, ranks
from weir.mock.designs import sums as design_of
from weir.mock.fits import fitted
from weir.mock.rows import MockRows
from weir.mock.sums import counted_rows, in_units_of_the_answer, people_of, total
from weir.mock.tables import synthetic
from weir.modelanswers import MockModelAnswer
from weir.tableanswers import MockTableAnswer

if TYPE_CHECKING:
    from weir.questions import Question

Json = dict[str, Any]


def answer(question: Question, data: MockRows) -> MockAnswer:
    """Answer a question on mock rows: as the portal would, without noise."""
    result, notes = result_of(question.query, data)
    if question.reading.dates:
        for line in result["lines"]:
            for figure in line["figures"]:
                figure["value"] = None if figure["value"] is None else day_text(figure["value"])
    kind = _KINDS.get(type(question.measure), MockAnswer)
    return kind(question.text, result, reading=question.reading, details={"notes": notes})


def result_of(query: g.Query, data: MockRows) -> tuple[Json, list[str]]:
    """Return the figures of a question as JSON, and sentences about them."""
    return _BY_MEASURE.get(type(query.measure), _sums)(query, data)


def _sums(query: g.Query, data: MockRows) -> tuple[Json, list[str]]:
    design = design_of(query, data.rows.table)
    found, shortened = total(query, design, data)
    sums = in_units_of_the_answer(found, design.clip)
    in_full = figures.of_sums(query, design, sums, data.rows.table, whole=not shortened)
    note = (
        f"{shortened} of {data.people} people in the mock rows have more than counts in full, and were scaled down. "
        "rows_of_a_person(n) lets more count."
    )
    return in_full, [note] if shortened else []


def _quantiles(query: g.Query, data: MockRows) -> tuple[Json, list[str]]:
    at: tuple[float, ...] = getattr(query.measure, "at", ())
    found = ranks.quantiles(query, data)
    keys = [(f"{share:g}",) for share in at]
    there = sorted(value for value in found if value is not None)
    ordered = dict(
        zip(
            sorted((k for k in range(len(at)) if found[k] is not None), key=lambda k: at[k]),
            there,
            strict=True,
        )
    )
    return figures.result(["share"], keys, [[("quantile", ordered.get(k))] for k in range(len(at))]), []


def _distribution(query: g.Query, data: MockRows) -> tuple[Json, list[str]]:
    edges, shares = ranks.distribution(query, data)
    lines: list[figures.Pairs] = [[("share", None if np.isnan(share) else float(share))] for share in shares]
    return figures.result(["at most"], [(f"{edge:.6g}",) for edge in edges], lines), []


def _histogram(query: g.Query, data: MockRows) -> tuple[Json, list[str]]:
    edges: tuple[float, ...] = getattr(query.measure, "edges", ())
    counts = ranks.histogram(query, data)
    keys = [(f"{low:.6g}", f"{high:.6g}") for low, high in pairwise(edges)]
    return figures.result(["from", "to"], keys, [[("count", float(count))] for count in counts]), []


def _keys(query: g.Query, data: MockRows) -> tuple[Json, list[str]]:
    """Count people by the texts of a column: each with the first `keys` of their values, by 1 / sqrt(values)."""
    measure = query.measure
    if not isinstance(measure, g.KeyCounts):
        raise TypeError(type(measure).__name__)
    column, texts = data.rows.columns[measure.column], data.rows.texts.get(measure.column, [])
    usable = counted_rows(data, holds(query.where, data.rows) & column.valid)
    counts = np.zeros(len(texts))
    people, codes = people_of(data)[usable], column.numbers[usable]
    for person in np.unique(people):
        own = list(dict.fromkeys(codes[people == person].tolist()))[: measure.keys]
        counts[own] += 1 / np.sqrt(len(own))
    order = sorted((k for k in range(len(texts)) if counts[k] > 0), key=lambda k: (-counts[k], texts[k]))
    lines: list[figures.Pairs] = [[("count", float(counts[k]))] for k in order]
    note = "Of the private rows, only values of enough people are released."
    return figures.result(["value"], [(texts[k],) for k in order], lines), [note]


_BY_MEASURE: dict[type, Callable[[g.Query, MockRows], tuple[Json, list[str]]]] = {
    g.Quantiles: _quantiles,
    g.PersonQuantiles: _quantiles,
    g.Distribution: _distribution,
    g.Histogram: _histogram,
    g.KeyCounts: _keys,
    le.Fit: fitted,
    le.SyntheticTable: synthetic,
}
_KINDS: dict[type, type[MockAnswer]] = {le.Fit: MockModelAnswer, le.SyntheticTable: MockTableAnswer}
