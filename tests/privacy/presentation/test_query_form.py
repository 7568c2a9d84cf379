"""The form's fields for histograms and covariances, there and back."""

from typing import Any

import pytest

from privacy.engine.language.expressions import Binary, Column, Compare, Constant
from privacy.engine.language.query import MAX_EDGES, Covariance, Histogram, Query
from privacy.engine.language.schema import QueryRefused
from privacy.presentation.query_form import Line, fields_of, query_of
from tests.privacy.make_table import SPEC

EDGES = {
    "0, 10, 20.5": (0.0, 10.0, 20.5),
    "0; 1,000; 2,000": (0.0, 1000.0, 2000.0),
    "-5, 5": (-5.0, 5.0),
    "0 to 100 by 25": (0.0, 25.0, 50.0, 75.0, 100.0),
    " 0 to 1 by 0.1 ": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    "-1 to 1 by 0.75": (-1.0, -0.25, 0.5),
    "1,000 to 3,000 by 1,000": (1000.0, 2000.0, 3000.0),
}


def typed(text, **fields: Any):
    return query_of({"measure": "histogram", "column": "wage", "edges": text, **fields}, [], SPEC)


@pytest.mark.parametrize("text", EDGES)
def test_edges_are_a_list_or_even_steps(text):
    assert typed(text).measure == Histogram(Column("wage"), EDGES[text])


def test_as_many_even_steps_as_there_may_be_edges_and_no_more():
    assert len(typed("0 to 256 by 1").measure.edges) == MAX_EDGES
    for text in ("0 to 257 by 1", "0 to 1e9 by 1", "0 to 1 by 1e-300"):
        with pytest.raises(QueryRefused, match="does not make 2 to 257 edges"):
            typed(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Enter the edges of the bins, such as 0, 10, 20 or 0 to 100 by 5"),
        ("  ", "Enter the edges"),
        ("zero, one", "“zero” is not a number. Enter one for an edge"),
        ("0 to ten by 1", "“ten” is not a number"),
        ("0 to 10 by 0", "Choose another step"),
        ("0 to 10 by -1", "Choose another step"),
        ("10 to 0 by 1", "Choose another step"),
        ("0 to inf by 1", "Choose another step"),
        ("nan to 1 by 1", "Choose another step"),
        ("0 to 1 by nan", "Choose another step"),
    ],
)
def test_edges_that_cannot_be_read_are_refused(text, told):
    with pytest.raises(QueryRefused, match=told):
        typed(text)


@pytest.mark.parametrize(
    "query",
    [
        Query(table="wages", measure=Histogram(Column("wage"), (0.0, 0.5, 1e6)), by=("region",), rows=2),
        Query(table="wages", measure=Histogram(Column("wage"), tuple(map(float, range(257))))),
        Query(table="wages", measure=Covariance(Column("wage"), Column("hours")), by=("union",)),
    ],
    ids=["histogram", "many bins", "covariance"],
)
def test_fields_ask_the_query_that_they_were_made_from(query):
    fields, lines = fields_of(query, SPEC) or ({}, [])
    assert fields["measure"] in {"histogram", "covariance"}
    assert query_of(fields, lines, SPEC) == query


def test_conditions_go_with_both():
    fields = {"measure": "covariance", "column": "wage", "other": "hours"}
    query = query_of(fields, [Line("hours", ">", "9")], SPEC)
    where = Compare(">", Column("hours"), Constant(9.0))
    assert query == Query(table="wages", measure=Covariance(Column("wage"), Column("hours")), where=where)


@pytest.mark.parametrize("measure", ["covariance", "correlation"])
def test_a_second_column_is_needed(measure):
    with pytest.raises(QueryRefused, match="Choose the second column"):
        query_of({"measure": measure, "column": "wage"}, [], SPEC)


@pytest.mark.parametrize(
    "measure",
    [
        Histogram(Binary("+", Column("wage"), Constant(1.0)), (0.0, 1.0)),
        Covariance(Column("wage"), Binary("*", Column("hours"), Constant(2.0))),
    ],
)
def test_expressions_have_no_fields(measure):
    assert fields_of(Query(table="wages", measure=measure), SPEC) is None
