"""Whole numbers with few values between their bounds are groups: in answers and charges exactly as categories."""

import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from datasets import columns as stored
from datasets.reading import subject_order
from privacy.declarations import engine_table, plans_for
from privacy.engine import release
from privacy.engine.figures import of_vector
from privacy.engine.language.expressions import Column
from privacy.engine.language.query import Count, CountSubjects, Histogram, Mean, Query, Sum, Variance
from privacy.engine.language.schema import ColumnSpec, Kind, QueryRefused, TableSpec
from privacy.engine.plan.designs import design

YEARS = tuple(map(str, range(1980, 1988)))
NUMBERS = ColumnSpec(name="year", kind=Kind.INTEGER, lower=1980.0, upper=1987.0)
OTHERS = {
    "score": ColumnSpec(name="score", kind=Kind.INTEGER, lower=-2.0, upper=2.0),
    "round": ColumnSpec(name="round", kind=Kind.NUMBER, lower=0.0, upper=3.0, decimals=0),
    "pay": ColumnSpec(name="pay", kind=Kind.NUMBER, lower=0.0, upper=100.0),
    "region": ColumnSpec(name="region", kind=Kind.CATEGORY, labels=("east", "west")),
}
RNG = np.random.default_rng(11)
SIZE = 900
ROWS = pa.table(
    {
        "person": RNG.integers(0, 150, SIZE),
        "year": pa.array(
            [None if k % 17 == 0 else int(y) for k, y in enumerate(RNG.integers(1977, 1991, SIZE))]
        ),
        "score": RNG.integers(-2, 3, SIZE),
        "round": RNG.integers(0, 4, SIZE).astype(float) + 0.25,
        "pay": RNG.uniform(0, 100, SIZE),
        "region": RNG.choice(["east", "west"], SIZE),
    }
)


def kept(year, rows):
    """The rows as workers store them, and as the engine reads them."""
    spec = TableSpec(name="wages", subject="person", columns={"year": year, **OTHERS}, max_rows=3)
    with tempfile.TemporaryDirectory() as folder:
        source, ready = Path(folder) / "rows.parquet", Path(folder) / "columns"
        ready.mkdir()
        pq.write_table(rows, source)
        subject_order.write(source, "person", plans_for(spec), b"k" * 32, ready)
        return engine_table(stored.read(ready, plans_for(spec)), spec)


@pytest.fixture(scope="module")
def numbers():
    return kept(NUMBERS, ROWS)


@pytest.fixture(scope="module")
def categories(numbers):
    """The same rows, in the same order, with the year as text within its bounds."""
    year = pc.cast(
        pc.max_element_wise(
            pc.min_element_wise(ROWS["year"], 1987, skip_nulls=False), 1980, skip_nulls=False
        ),
        pa.string(),
    )
    return kept(ColumnSpec(name="year", kind=Kind.CATEGORY, labels=YEARS), ROWS.set_column(1, "year", year))


PAY = Column("pay")
MEASURES = [
    Count(),
    CountSubjects(),
    Sum(PAY),
    Mean(PAY),
    Mean(PAY, per_subject=True),
    Variance(PAY),
    Histogram(PAY, (0.0, 40.0, 100.0)),
]


@pytest.mark.parametrize("by", [("year",), ("region", "year")], ids=len)
@pytest.mark.parametrize(
    "measure", MEASURES, ids=lambda m: type(m).__name__ + str(getattr(m, "per_subject", ""))
)
def test_numbers_answer_and_charge_as_a_category_does(measure, by, numbers, categories):
    query = Query(table="wages", measure=measure, by=by)
    number, category = design(query, numbers.rows.table), design(query, categories.rows.table)
    assert (number.clip, number.cells, number.mode) == (category.clip, category.cells, category.mode)
    assert (release.exact_sums(query, numbers) == release.exact_sums(query, categories)).all()
    of_numbers, of_categories = release.measure(query, numbers), release.measure(query, categories)
    assert sorted(of_numbers.squares) == sorted(of_categories.squares)


@pytest.mark.parametrize(
    ("name", "values"),
    [("year", YEARS), ("score", ("-2", "-1", "0", "1", "2")), ("round", ("0", "1", "2", "3"))],
)
def test_groups_are_the_whole_numbers_between_the_bounds(name, values, numbers):
    """A value beyond the bounds is in the group of the bound, as it counts in a mean; a missing one is in none."""
    low, high, there = int(values[0]), int(values[-1]), [v for v in ROWS[name].to_pylist() if v is not None]
    expected = Counter(str(round(min(max(value, low), high))) for value in there)
    most = max(Counter(ROWS["person"].to_pylist()).values())  # so that nobody is scaled down
    query = Query(table="wages", measure=Count(), by=(name,), rows=most)
    exact = of_vector(query, design(query, numbers.rows.table), release.exact_sums(query, numbers), 1)
    assert [line.key[0] for line in exact.lines] == list(values)
    assert {line.key[0]: round(line.figures[0].value, 3) for line in exact.lines} == expected


@pytest.mark.parametrize(
    ("spec", "groups"),
    [
        (ColumnSpec(name="x", kind=Kind.INTEGER, lower=0.0, upper=499.0), 500),
        (ColumnSpec(name="x", kind=Kind.INTEGER, lower=0.0, upper=500.0), 0),
        (ColumnSpec(name="x", kind=Kind.INTEGER, lower=0.5, upper=9.0), 0),
        (ColumnSpec(name="x", kind=Kind.INTEGER, lower=1e17, upper=1e17), 0),
        (ColumnSpec(name="x", kind=Kind.NUMBER, lower=0.0, upper=9.0), 0),
        (ColumnSpec(name="x", kind=Kind.NUMBER, lower=0.0, upper=9.0, decimals=1), 0),
        (ColumnSpec(name="x", kind=Kind.DATE, lower=0.0, upper=9.0), 0),
        (ColumnSpec(name="x", kind=Kind.TEXT), 0),
    ],
    ids=range(8),
)
def test_only_few_whole_numbers_are_groups(spec, groups):
    assert len(spec.groups) == groups
    if not groups:
        table = TableSpec(name="t", subject="person", columns={"x": spec}, max_rows=1)
        with pytest.raises(QueryRefused, match="“x”"):
            design(Query(table="t", measure=Count(), by=("x",)), table)
