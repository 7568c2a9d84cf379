"""Tables of other libraries: theirs as Parquet files, and ours as theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weir.errors import NotOffered

if TYPE_CHECKING:
    import pandas as pd


def data_frame(columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Return a DataFrame of columns by name. Raises NotOffered without pandas."""
    frame: pd.DataFrame = pandas_or("use .to_arrow()").DataFrame(dict(columns))
    return frame


def pandas_or(instead: str) -> Any:
    """Return pandas. Raises NotOffered without it, saying what else to do."""
    try:
        import pandas as pd  # noqa: PLC0415 -- optional
    except ImportError as missing:
        raise NotOffered(f"pandas is not installed. Install it, or {instead}.") from missing
    return pd


def write_parquet(frame: Any, to: Path) -> None:
    """Write a table of pandas, Arrow or Polars, or of whatever else exports Arrow's streams, as Parquet."""
    import pyarrow.parquet as pq  # noqa: PLC0415 -- it takes a tenth of a second

    pq.write_table(as_arrow(frame), to)


def as_arrow(frame: Any) -> Any:
    """Return it as an Arrow table. Raises NotOffered for what is not a table."""
    import pyarrow as pa  # noqa: PLC0415

    if isinstance(frame, pa.Table):
        return frame
    try:
        if type(frame).__module__.partition(".")[0] == "pandas":
            # An index without names only counts rows; one with names is data.
            named = any(name is not None for name in getattr(frame, "index", frame).names)
            return pa.Table.from_pandas(frame, preserve_index=named)
        if hasattr(frame, "__arrow_c_stream__"):
            return pa.table(frame)
    except (pa.ArrowException, AttributeError, TypeError) as bad:
        raise NotOffered(
            f"This {type(frame).__name__} cannot be written as a table: {bad}. Give each column one type."
        ) from bad
    raise NotOffered(
        f"{type(frame).__name__} is not a table. Give the path of a .csv or .parquet file, or a data frame of pandas, "
        "Arrow or Polars."
    )


def frame_or_arrays(columns: Mapping[str, Any]) -> Any:
    """Return a DataFrame of columns by name; without pandas, the columns as they are."""
    try:
        import pandas as pd  # noqa: PLC0415 -- optional
    except ImportError:
        return dict(columns)
    return pd.DataFrame(dict(columns))
