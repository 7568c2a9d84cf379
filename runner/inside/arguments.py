"""The arguments of the submitted code's `main`: tables, with the types that are declared, and parameters."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

DATA = "/data"
Columns = Mapping[str, Mapping[str, Any]]
"""What is declared of a table's columns: whether a cell may be empty, and the categories if they are text."""


def collect(main: Callable[..., object], job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of each argument that `main` names: a declared table or parameter. Raises TypeError."""
    tables, parameters, declared = job["inputs"], job["parameters"], job["columns"]
    return {
        name: frame(f"{DATA}/{name}", tables[name], declared.get(name, {}))
        if name in tables
        else parameters[name]
        for name, wanted in _named(main, [*tables, *parameters]).items()
        if name in tables or name in parameters or wanted
    }


def _named(main: Callable[..., object], everything: list[str]) -> dict[str, bool]:
    """Return the names to pass and whether each is required. `**anything` receives all declared names."""
    kinds = inspect.Parameter
    asked: dict[str, bool] = {}
    for parameter in inspect.signature(main).parameters.values():
        if parameter.kind is kinds.VAR_KEYWORD:
            asked |= {name: False for name in everything if name not in asked}
        elif parameter.kind is kinds.POSITIONAL_ONLY:
            raise TypeError(
                f"main() takes {parameter.name!r} by position only; tables and parameters are passed by name"
            )
        elif parameter.kind is not kinds.VAR_POSITIONAL:
            asked[parameter.name] = parameter.default is kinds.empty
    missing = [name for name, required in asked.items() if required and name not in everything]
    if missing:
        there = ", ".join(sorted(everything)) or "none"
        raise TypeError(
            f"main() asks for {', '.join(missing)}, but no such table or parameter is declared (declared: {there})"
        )
    return asked


def frame(path: str, kind: str, declared: Columns) -> Any:
    """Read a table as a pandas DataFrame. Its types follow from the declarations, not from the rows, so that they are
    the same on mock and on private data."""
    import pandas  # noqa: ICN001, PLC0415

    if kind == ".csv":
        return pandas.read_csv(path)
    table = _table(path, kind)
    columns = {name: _column(table.column(name), declared.get(name, {})) for name in table.column_names}
    return pandas.DataFrame(columns, index=pandas.RangeIndex(table.num_rows), copy=False)


def _table(path: str, kind: str) -> Any:
    import pyarrow  # noqa: ICN001, PLC0415

    if kind == ".arrow":
        with pyarrow.memory_map(path) as source:
            return pyarrow.ipc.open_file(source).read_all()
    from pyarrow import parquet  # noqa: PLC0415

    return parquet.ParquetFile(path).read()


def _column(values: Any, declared: Mapping[str, Any]) -> Any:
    """Return a column as pandas keeps it: whole numbers and yes or no stay what they are beside empty cells."""
    import pandas  # noqa: ICN001, PLC0415

    kind = str(values.type)
    gaps = declared.get("nullable", False) or values.null_count > 0
    if "int" in kind and gaps:
        return values.to_pandas(types_mapper={values.type: _whole(kind)}.get)
    if kind == "bool" and gaps:
        return values.to_pandas(types_mapper={values.type: pandas.BooleanDtype()}.get)
    if "categories" in declared:
        return _categories(values, declared["categories"])
    return values.to_pandas(date_as_object=False)


def _whole(kind: str) -> Any:
    import pandas  # noqa: ICN001, PLC0415

    return pandas.api.types.pandas_dtype(kind.replace("uint", "UInt").replace("int", "Int"))


def _categories(values: Any, declared: list[str]) -> Any:
    """Return a categorical column. A value that nobody declared is kept, after the declared ones."""
    import pandas  # noqa: ICN001, PLC0415

    known = set(declared)
    others = sorted({value for value in values.unique().to_pylist() if value is not None} - known)
    return pandas.Series(pandas.Categorical(values.to_pandas(), categories=[*declared, *others]))
