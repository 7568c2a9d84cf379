"""The arguments of the submitted code's `main`, and how its return value becomes files."""

import inspect
import json
import math
import os
from collections.abc import Callable, Mapping
from typing import Any

DATA = "/data"


def arguments(
    main: Callable[..., object], tables: Mapping[str, str], parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the value of each argument that `main` names: a declared table or parameter. Raises TypeError."""
    return {
        name: _value(name, tables, parameters)
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


def _value(name: str, tables: Mapping[str, str], parameters: Mapping[str, Any]) -> Any:
    return frame(f"{DATA}/{name}", tables[name]) if name in tables else parameters[name]


def frame(path: str, kind: str) -> Any:
    """Read a table as a pandas DataFrame."""
    import pandas  # noqa: ICN001, PLC0415

    if kind == ".csv":
        return pandas.read_csv(path)
    import pyarrow  # noqa: ICN001, PLC0415

    if kind == ".arrow":
        with pyarrow.memory_map(path) as source:
            return pyarrow.ipc.open_file(source).read_all().to_pandas()
    from pyarrow import parquet  # noqa: PLC0415

    return parquet.ParquetFile(path).read().to_pandas()


def write(answer: object, folder: str) -> None:
    """Write what `main` returned: one file, or one for each entry if a dict or list contains tables or pictures."""
    if answer is None:
        return
    if isinstance(answer, Mapping) and any(_writer(value) for value in answer.values()):
        for name, value in answer.items():
            _write_one(value, folder, str(name))
    elif isinstance(answer, (list, tuple)) and any(_writer(value) for value in answer):
        for number, value in enumerate(answer, start=1):
            _write_one(value, folder, f"result-{number}")
    else:
        _write_one(answer, folder, "result")


def _write_one(value: object, folder: str, name: str) -> None:
    if not name or "/" in name or name.startswith("."):
        raise ValueError(f"{name!r} cannot be the name of an output file")
    writer = _writer(value)
    if writer:
        writer(value, os.path.join(folder, name))
    else:
        text = json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False)
        with open(os.path.join(folder, f"{name}.json"), "w", encoding="utf-8") as stream:
            stream.write(text + "\n")


def _writer(value: object) -> Callable[[Any, str], None] | None:
    """Return the function that writes a value to its own file, or None if it belongs into JSON."""
    kind = type(value)
    library = kind.__module__.partition(".")[0]
    if library == "numpy":
        return _write_array if getattr(value, "ndim", 0) else None
    known = {
        ("pandas", "DataFrame"): _write_frame,
        ("pandas", "Series"): _write_series,
        ("polars", "DataFrame"): _write_polars,
        ("polars", "LazyFrame"): _write_lazy,
        ("polars", "Series"): _write_polars_series,
        ("pyarrow", "Table"): _write_arrow,
    }
    if (library, kind.__name__) in known:
        return known[library, kind.__name__]
    if library in ("matplotlib", "seaborn"):
        return _write_picture
    return next((known["pandas", base.__name__] for base in kind.__mro__ if _is_pandas(base)), None)


def _is_pandas(base: type) -> bool:
    return base.__module__.startswith("pandas.") and base.__name__ in ("DataFrame", "Series")


def _write_frame(value: Any, path: str) -> None:
    table = value.copy(deep=False)
    table.columns = [
        str(name) if not isinstance(name, tuple) else " ".join(map(str, name)) for name in table.columns
    ]
    table.to_parquet(f"{path}.parquet")


def _write_series(value: Any, path: str) -> None:
    _write_frame(value.to_frame(name=value.name if value.name is not None else "value"), path)


def _write_array(value: Any, path: str) -> None:
    import pandas  # noqa: ICN001, PLC0415

    if value.ndim > 2:
        raise ValueError(
            f"an array with {value.ndim} dimensions is not a table; return one with one or two dimensions"
        )
    names = ["value"] if value.ndim == 1 else [f"c{number}" for number in range(value.shape[1])]
    _write_frame(pandas.DataFrame(value, columns=value.dtype.names or names), path)


def _write_polars(value: Any, path: str) -> None:
    value.write_parquet(f"{path}.parquet")


def _write_lazy(value: Any, path: str) -> None:
    _write_polars(value.collect(), path)


def _write_polars_series(value: Any, path: str) -> None:
    _write_polars(value.to_frame(), path)


def _write_arrow(value: Any, path: str) -> None:
    from pyarrow import parquet  # noqa: PLC0415

    parquet.write_table(value, f"{path}.parquet")


def _write_picture(value: Any, path: str) -> None:
    figure = value if hasattr(value, "savefig") else value.get_figure()
    figure.savefig(f"{path}.png", dpi=150, bbox_inches="tight")


def plain(value: Any) -> Any:
    """Return the value in JSON's types; NaN and infinities become null. Raises TypeError."""
    if isinstance(value, Mapping):
        return {_key(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, (str, bool, int)) or value is None:
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(
        f"main() returned a {type(value).__name__}, which cannot be written as JSON, Parquet or PNG"
    )


def _key(name: object) -> str:
    if isinstance(name, tuple):
        return " ".join(map(str, name))
    return str(plain(name)) if not isinstance(name, str) else name
