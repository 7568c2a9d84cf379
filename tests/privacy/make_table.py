"""A small private table for the engine's tests, and the same facts by plain numpy."""

import numpy as np

from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from privacy.engine.measure.evaluate import Rows, Values
from privacy.engine.release import SortedTable, table_from_columns

REGIONS = ("north", "south", "east")

SPEC = TableSpec(
    name="wages",
    subject="person",
    max_rows=8,
    columns={
        "wage": ColumnSpec(name="wage", kind=Kind.NUMBER, lower=0.0, upper=100.0),
        "hours": ColumnSpec(name="hours", kind=Kind.INTEGER, lower=-10.0, upper=60.0),
        "union": ColumnSpec(name="union", kind=Kind.BOOLEAN, lower=0.0, upper=1.0, labels=("0", "1")),
        "region": ColumnSpec(name="region", kind=Kind.CATEGORY, labels=REGIONS, constant=True),
    },
)


def table(subjects: int = 400, seed: int = 5) -> SortedTable:
    """Subjects with 1 to 8 rows each; some wages are missing."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 9, subjects)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    n = int(offsets[-1])
    region = np.repeat(rng.integers(0, 3, subjects), sizes)
    wage = rng.gamma(4.0, 6.0, n).clip(0, 100) + region
    columns = {
        "wage": Values(wage.clip(0, 100), rng.random(n) > 0.05),
        "hours": Values(rng.integers(-10, 61, n).astype(float), np.ones(n, dtype=bool)),
        "union": Values(rng.integers(0, 2, n).astype(np.int8), np.ones(n, dtype=bool)),
        "region": Values(region.astype(np.int8), np.ones(n, dtype=bool)),
    }
    digests = np.random.default_rng(seed + 1).integers(0, 256, (subjects, 16)).astype(np.uint8)
    return table_from_columns(Rows(SPEC, columns, n), offsets, digests)


def without(table: SortedTable, subject: int) -> SortedTable:
    """The neighbouring table: one subject with all its rows taken out."""
    low, high = int(table.offsets[subject]), int(table.offsets[subject + 1])
    keep = np.ones(table.rows.length, dtype=bool)
    keep[low:high] = False
    columns = {
        name: Values(values.numbers[keep], values.valid[keep]) for name, values in table.rows.columns.items()
    }
    offsets = np.concatenate([table.offsets[: subject + 1], table.offsets[subject + 2 :] - (high - low)])
    digests = None if table.digests is None else np.delete(table.digests, subject, axis=0)
    return table_from_columns(Rows(SPEC, columns, int(keep.sum())), offsets.astype(np.int64), digests)
