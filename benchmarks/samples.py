"""Synthetic tables from a fixed seed for measuring errors, with the difficulties of real data.

`survey` resembles a census of adults: ages heap at multiples of five, and two in five people work exactly 40 hours.
`wages` is a panel of up to eight years per person in four regions: wages in cents, heaped at whole amounts. `claims`
has a long tail: half of the amounts are below 1 % of the declared bounds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.engine.measure.evaluate import Rows, Values
from privacy.engine.release import SortedTable, table_from_columns

Floats = npt.NDArray[np.float64]
REGIONS = ("north", "east", "south", "west")
SEED = 1994


def survey(people: int) -> SortedTable:
    """Return one row per person: age, schooling, hours."""
    draw = np.random.default_rng(SEED)
    age = np.clip(np.round(17 + draw.gamma(2.2, 10.0, people)), 17, 90)
    fives = draw.random(people) < 0.15
    age[fives] = np.clip(np.round(age[fives] / 5) * 5, 17, 90)
    schooling = np.clip(np.round(draw.normal(10, 2.6, people)), 1, 16)
    hours = np.clip(np.round(draw.normal(38, 14, people) + 0.1 * (age - 38)), 1, 99)
    hours[draw.random(people) < 0.4] = 40
    columns = [
        (ColumnSpec(name="age", kind=Kind.INTEGER, lower=17, upper=90), age),
        (ColumnSpec(name="schooling", kind=Kind.INTEGER, lower=1, upper=16), schooling),
        (ColumnSpec(name="hours", kind=Kind.INTEGER, lower=1, upper=99), hours),
    ]
    return _table(columns, rows_each=np.ones(people, dtype=np.int64), most=1)


def wages(people: int) -> SortedTable:
    """Return one to eight rows per person: hourly wage, years of experience, region (constant within a person)."""
    draw = np.random.default_rng(SEED + 1)
    each = draw.integers(1, 9, people)
    rows = int(each.sum())
    skill = np.repeat(draw.normal(0.0, 0.4, people), each)
    begun = np.repeat(draw.integers(0, 25, people), each)
    year = np.arange(rows) - np.repeat(np.cumsum(each) - each, each)
    experience = (begun + year).astype(np.float64)
    wage = np.exp(2.6 + 0.015 * experience + skill + draw.normal(0.0, 0.25, rows))
    whole = draw.random(rows) < 0.35
    wage = np.clip(np.where(whole, np.round(wage), np.round(wage, 2)), 0, 150)
    columns = [
        (ColumnSpec(name="wage", kind=Kind.NUMBER, lower=0, upper=150, decimals=2), wage),
        (ColumnSpec(name="experience", kind=Kind.INTEGER, lower=0, upper=50), experience),
        (
            ColumnSpec(name="region", kind=Kind.CATEGORY, labels=REGIONS, constant=True),
            np.repeat(draw.integers(0, len(REGIONS), people), each).astype(np.int8),
        ),
    ]
    return _table(columns, rows_each=each, most=8)


def claims(people: int) -> SortedTable:
    """Return one to twenty rows per person, mostly few: an amount with a long tail."""
    draw = np.random.default_rng(SEED + 2)
    each = np.minimum(1 + draw.geometric(0.4, people), 20)
    amount = np.clip(np.round(80 * (1 + draw.pareto(1.3, int(each.sum()))), 2), 0, 20_000)
    columns = [(ColumnSpec(name="amount", kind=Kind.NUMBER, lower=0, upper=20_000, decimals=2), amount)]
    return _table(columns, rows_each=each, most=20)


def numbers(table: SortedTable, name: str) -> Floats:
    """Return a column as plain numbers, for exact answers."""
    return np.asarray(table.rows.columns[name].numbers, dtype=np.float64)


def _table(
    columns: Sequence[tuple[ColumnSpec, npt.NDArray[Any]]], *, rows_each: npt.NDArray[np.int64], most: int
) -> SortedTable:
    specs: Mapping[str, ColumnSpec] = {spec.name: spec for spec, _ in columns}
    offsets = np.concatenate([[0], np.cumsum(rows_each)]).astype(np.int64)
    rows = int(offsets[-1])
    values = {spec.name: Values(found, np.ones(rows, dtype=np.bool_)) for spec, found in columns}
    spec = TableSpec(name="t", subject="person", max_rows=most, columns=specs)
    return table_from_columns(Rows(spec, values, rows), offsets)
