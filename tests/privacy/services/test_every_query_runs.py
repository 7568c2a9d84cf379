"""What the declarations allow can be computed: no question is paid for and then lost for a reason known before."""

import datetime as dt
import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from common.errors import Refused
from datasets import columns as stored
from datasets import services as datasets
from datasets.reading import subject_order
from privacy import dates, services
from privacy.declarations import engine_table, plans_for
from privacy.engine.language.expressions import (
    And,
    Binary,
    Clip,
    Column,
    Compare,
    Constant,
    In,
    IsNull,
    Not,
    Or,
    Power,
    Unary,
    Where,
)
from privacy.engine.language.learning import SyntheticTable
from privacy.engine.language.query import (
    Correlation,
    Count,
    CountSubjects,
    Covariance,
    Distribution,
    Histogram,
    KeyCounts,
    Mean,
    PersonQuantiles,
    Quantiles,
    Query,
    Regression,
    StandardDeviation,
    Sum,
    Variance,
)
from privacy.engine.language.schema import MAX_ROWS_PER_SUBJECT, ColumnSpec, Kind, QueryRefused, TableSpec
from privacy.engine.measure.contributions import ONE
from privacy.engine.plan.designs import design
from privacy.engine.release import measure
from privacy.engine.synthetic_rows import draw
from privacy.execution import lifecycle, questions
from privacy.models import Answer, LedgerLine
from privacy.services import questions as asking
from tests import make
from tests.makers import privacy as shares
from tests.makers.datasets import WAGE_COLUMNS, wage_rows

LABELS = ("east", "north", "it's")
CONTENT = {
    Kind.INTEGER: (pa.int64(), [3, None, -5, 2**40]),
    Kind.NUMBER: (pa.float64(), [1.5, None, float("nan"), -1e300]),
    Kind.BOOLEAN: (pa.bool_(), [True, None, False, True]),
    Kind.CATEGORY: (pa.string(), ["east", None, "mars", "it's"]),
    Kind.TEXT: (pa.string(), ["a", None, "\u00e9", "a"]),
    Kind.DATE: (pa.date32(), [dt.date(1970, 1, 5), None, dt.date(1, 1, 1), dt.date(9999, 12, 31)]),
    Kind.OTHER: (pa.timestamp("us"), [10**15, None, -1, None]),
}
NAMES = ("a", "b", "c", "d", "e")


@st.composite
def schemas(draw):
    columns = {}
    for name in NAMES:
        kind = draw(st.sampled_from(list(Kind)))
        boolean = kind == Kind.BOOLEAN
        lower = 0.0 if boolean else float(draw(st.integers(-10, 10)))
        columns[name] = ColumnSpec(
            name=name,
            kind=kind,
            lower=lower,
            upper=1.0 if boolean else lower + draw(st.sampled_from([0.0, 0.5, 1.0, 100.0])),
            labels=("0", "1") if boolean else LABELS if kind == Kind.CATEGORY else (),
            decimals=draw(st.sampled_from([None, 0, 2, 6])) if kind == Kind.NUMBER else None,
            constant=kind in {Kind.CATEGORY, Kind.BOOLEAN} and draw(st.booleans()),
        )
    subject = draw(st.sampled_from(["person", "person", "person", ""]))
    return TableSpec(name="t", subject=subject, columns=columns, max_rows=draw(st.integers(1, 5)))


names = st.sampled_from([*NAMES, *NAMES, "person", "nothing"])
leaves = st.builds(Column, names) | st.builds(Constant, st.integers(-3, 3).map(float))
expressions = st.recursive(
    leaves,
    lambda inner: (
        st.builds(Binary, st.sampled_from("+-*/"), inner, inner)
        | st.builds(Unary, st.sampled_from(["-", "abs", "exp", "log", "sqrt"]), inner)
        | st.builds(Power, inner, st.integers(2, 3))
        | st.builds(Clip, inner, st.just(0.5), st.just(20.0))
        | st.builds(Where, st.builds(IsNull, names), inner, inner)
    ),
    max_leaves=4,
)
atoms = (
    st.builds(Compare, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), expressions, expressions)
    | st.builds(In, names, st.lists(st.sampled_from([*LABELS, "0", "1"]), min_size=1, max_size=2).map(tuple))
    | st.builds(IsNull, names)
)
filters = st.recursive(
    atoms,
    lambda inner: (
        st.builds(Not, inner)
        | st.lists(inner, min_size=1, max_size=3)
        .map(tuple)
        .flatmap(lambda p: st.sampled_from([And(p), Or(p)]))
    ),
    max_leaves=4,
)
synthetic = st.lists(names, min_size=1, max_size=4).map(tuple)
measures = st.one_of(
    st.just(Count()),
    st.just(CountSubjects()),
    st.builds(Sum, expressions),
    st.builds(Mean, expressions, st.booleans()),
    st.builds(Variance, expressions),
    st.builds(StandardDeviation, expressions),
    st.builds(PersonQuantiles, st.none() | expressions, st.sampled_from([(0.98,), (0.1, 0.9)])),
    st.builds(Quantiles, expressions, st.sampled_from([(0.5,), (0.1, 0.9)])),
    st.builds(Quantiles, st.builds(Column, names), st.sampled_from([(0.5,), (0.1, 0.9)])),
    st.builds(Distribution, expressions, st.sampled_from([2, 9, 64])),
    st.builds(Histogram, expressions, st.sampled_from([(0.0, 1.0), (-5.0, 0.5, 3.0, 9.0)])),
    st.builds(Correlation, expressions, expressions),
    st.builds(Covariance, expressions, expressions),
    st.builds(Regression, expressions, st.tuples(expressions), st.just(("x",))),
    st.builds(KeyCounts, names, st.integers(1, 3)),
    st.builds(SyntheticTable, synthetic, st.integers(2, 4), st.none() | names),
)
queries = st.builds(
    Query,
    table=st.just("t"),
    measure=measures,
    where=st.none() | filters,
    by=st.lists(names, max_size=2).map(tuple),
    rows=st.none() | st.integers(1, 9) | st.just(MAX_ROWS_PER_SUBJECT),
)


def kept(spec: TableSpec) -> stored.ColumnStore:
    """A table of this schema with a few rows of each kind, stored as workers store it."""
    content = {name: pa.array(CONTENT[c.kind][1], CONTENT[c.kind][0]) for name, c in spec.columns.items()}
    with tempfile.TemporaryDirectory() as folder:
        source, ready = Path(folder) / "rows.parquet", Path(folder) / "columns"
        ready.mkdir()
        pq.write_table(pa.table({"person": pa.array([1, 1, 2, None]), **content}), source)
        subject_order.write(source, "person", plans_for(spec), b"k" * 32, ready)
        stored.check(ready, plans_for(spec), most_rows=4)
        return stored.read(ready, plans_for(spec))


@given(schemas(), queries)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_query_that_the_declarations_allow_runs(spec, query):
    try:
        design(query, spec)
    except QueryRefused:
        event("refused")
        return
    event(type(query.measure).__name__ + (" of dates" if dates.is_in_dates(query, spec) else ""))
    assert spec.subject
    assert questions.wanted_by(query, spec) <= {plan.name for plan in plans_for(spec)}
    measured = measure(query, engine_table(kept(spec), spec), threshold_delta=1e-6)
    result = dates.as_result(measured.release(5 * ONE, None), query, spec)
    assert json.loads(json.dumps(result, allow_nan=False)) is not None
    if isinstance(query.measure, SyntheticTable):
        assert set(draw(result["table"], 3)) == set(query.measure.columns)


# Through the real services


@pytest.fixture
def budget():
    rows = wage_rows()
    born = pa.array([dt.date(1960, 1, 1 + row % 28) for row in range(len(rows))], pa.date32())
    return _budget(rows.append_column("born", born))


def _budget(rows):
    data, scientist = make.dataset(published=False), make.scientist()
    draft = make.draft(data)
    days = {"lower": -9_000, "upper": 9_000, "confirmed": True}
    declared = {**WAGE_COLUMNS, "born": days}
    datasets.declare(make.table(draft, name="people", rows=rows), by=data.owner, columns=declared)
    datasets.publish(data, by=data.owner)
    data.refresh_from_db()
    make.grant(data, scientist)
    made = services.protect(data, by=data.owner, epsilon=4, public_size=30, constants=[], scientists=1)
    return services.give_budget(made, scientist, by=data.owner, epsilon=3)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "condition", ["born IS NULL", "born IS NOT NULL", "NOT (born IS NULL OR year > 1990)"]
)
def test_a_date_is_refused_before_anything_is_charged(budget, condition):
    text = f"SELECT COUNT(*) FROM people WHERE {condition}"  # noqa: S608 -- a question, not SQL of the database
    with pytest.raises(Refused, match=r"“born” holds dates\. Ask only for quantiles of the column"):
        asking.quote(budget, asking.read_sql(budget, text).query, by=budget.scientist, epsilon=1.0)
    assert not LedgerLine.objects.exists()


@pytest.mark.django_db
def test_what_cannot_be_computed_any_more_is_given_back(budget):
    """The question was checked when it was asked; declarations that it no longer fits cost nothing."""
    answer = shares.answer(budget, "SELECT COUNT(*) FROM people WHERE year > 1992", epsilon=1.0)
    Answer.objects.filter(pk=answer.pk).update(query={**answer.query, "table": "gone"})
    lifecycle.compute(str(answer.pk))
    answer.refresh_from_db()
    assert (answer.state, budget.lines.filter(kind=LedgerLine.Kind.COMMIT).exists()) == ("voided", False)
    budget.refresh_from_db()
    assert budget.units_used == 0


def test_a_table_that_is_about_nobody_is_refused_by_name():
    bare = TableSpec(name="places", subject="", columns={}, max_rows=1)
    with pytest.raises(QueryRefused, match="places does not declare which person"):
        design(Query(table="places", measure=Count()), bare)
