"""Mock rows in the order of the people that they are about, as the portal stores rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from weir.declarations import ColumnSpec, Kind, TableSpec
from weir.errors import NotOffered
from weir.evaluation import Bools, Rows, Values

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class MockRows:
    """Rows sorted by person: those of person i are offsets[i]:offsets[i + 1]. `arrow`: the rows as they came."""

    rows: Rows
    offsets: Integers
    arrow: pa.Table

    @property
    def people(self) -> int:
        return len(self.offsets) - 1


def mock_rows(spec: TableSpec, data: Any) -> MockRows:
    """Sort rows by person, move values into their bounds and turn labels into codes.

    `data`: an Arrow table, a pandas DataFrame, or a dict of arrays. Raises NotOffered if a declared column is missing.
    """
    arrow = as_arrow(data)
    wanted = [spec.subject, *spec.columns] if spec.subject else list(spec.columns)
    missing = [name for name in wanted if name not in arrow.column_names]
    if missing:
        raise NotOffered(
            f"The mock rows have no column “{missing[0]}”, which {spec.name} declares. Download them again."
        )
    order, offsets = _by_person(arrow, spec.subject)
    leads = np.repeat(offsets[:-1], np.diff(offsets))
    columns, texts = {}, {}
    for column in spec.columns.values():
        numbers, valid, found = _values(_whole(arrow[column.name]), column)
        place = order[leads] if column.constant else order
        columns[column.name] = Values(numbers[place], valid[place])
        if found:
            texts[column.name] = found
    return MockRows(Rows(spec, columns, len(order), texts), offsets, arrow)


def as_arrow(data: Any) -> pa.Table:
    """Return rows as an Arrow table."""
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, Mapping):
        return pa.table({name: pa.array(values, from_pandas=True) for name, values in data.items()})
    if hasattr(data, "__arrow_c_stream__"):
        return pa.table(data)
    if hasattr(data, "columns"):
        return pa.Table.from_pandas(data, preserve_index=False)
    raise NotOffered("Give mock rows as an Arrow table, a DataFrame or a dict of arrays.")


def _whole(column: Any) -> pa.Array:
    found = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    found = pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found
    return found.dictionary_decode() if isinstance(found, pa.DictionaryArray) else found


def _by_person(arrow: pa.Table, subject: str) -> tuple[Integers, Integers]:
    """Return (row numbers in the order of people, offset of each person). Rows about nobody are left out."""
    if not subject:
        return np.arange(arrow.num_rows), np.arange(arrow.num_rows + 1)
    indices = _whole(arrow[subject]).dictionary_encode().indices
    codes = np.asarray(indices.fill_null(-1)).astype(np.int64)
    order = np.argsort(codes, kind="stable")[np.count_nonzero(codes < 0) :]
    sizes = np.bincount(codes[order]) if len(order) else np.zeros(0, dtype=np.int64)
    return order, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _values(values: pa.Array, spec: ColumnSpec) -> tuple[npt.NDArray[Any], Bools, list[str]]:
    """Return a column's numbers, whether each is there, and the texts that codes stand for."""
    valid = np.asarray(values.is_valid())
    if spec.kind == Kind.TEXT:
        encoded = values.cast(pa.string()).dictionary_encode()
        return np.asarray(encoded.indices.fill_null(0)), valid, encoded.dictionary.to_pylist()
    if spec.kind == Kind.CATEGORY:
        places = pc.index_in(values.cast(pa.string()), value_set=pa.array(spec.labels, pa.string()))
        return np.asarray(places.fill_null(0)), np.asarray(places.is_valid()), []
    if spec.kind == Kind.OTHER:
        return np.zeros(len(values)), valid, []
    if spec.kind == Kind.DATE:
        values = values.cast(pa.date32()).cast(pa.int32())
    found = np.asarray(values.cast(pa.float64(), safe=False).fill_null(0.0))
    valid = valid & np.isfinite(found)
    numbers = np.clip(np.where(valid, found, 0.0), spec.lower, spec.upper)
    places = spec.lattice
    if places is not None:
        numbers = np.rint(numbers * 10.0**places) / 10.0**places + 0.0
    return numbers, valid, []
