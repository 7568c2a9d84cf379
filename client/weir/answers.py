"""Answers: figures with their 95 % intervals, and the record of what they cost. From here on everything is local."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from weir import cards, handed
from weir.errors import NoSuchName, NotOffered
from weir.frames import data_frame
from weir.readings import Reading

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd
    import pyarrow as pa

    from weir.receipts import Receipt
    from weir.transport import Transport

Figure: TypeAlias = float | str | None
Pair: TypeAlias = tuple[Figure, Figure]


class Answer(np.lib.mixins.NDArrayOperatorsMixin):
    """The figures that were released for a question.

    `value` is the number, an array of them (one for each group or quantile, NaN where a figure was lost in noise), or a
    dict for a regression. `interval` has the ends of the 95 % interval in the same form. Arithmetic on an answer is
    ordinary NumPy on its value: privacy is not affected by it.

    >>> from weir import demo
    >>> a = demo.table().wage.mean().mock()
    >>> round(float(a), 2)
    26.88
    >>> a.to_arrow().column_names
    ['mean', 'mean_low', 'mean_high', 'n', 'n_low', 'n_high']
    """

    __slots__ = ("details", "reading", "result", "text", "transport")

    def __init__(
        self,
        text: str,
        result: Mapping[str, Any],
        *,
        reading: Reading | None = None,
        details: Mapping[str, Any] | None = None,
        transport: Transport | None = None,
    ) -> None:
        self.text, self.result, self.transport = text, result, transport
        self.reading, self.details = reading or Reading(), dict(details or {})

    # What it says

    @property
    def value(self) -> Any:
        """The value, or an array of them; None for a single figure that was lost in noise."""
        return self._read("value")

    @property
    def interval(self) -> Any:
        """The 95 % interval as (low, high); for several figures, an array of shape (figures, 2)."""
        if self._is_fit:
            return {name: self._ends(figure) for name, figure in self._figures[0].items()}
        ends = [self._ends(each) for each in self._main]
        return ends[0] if self._is_single else _array(ends).reshape(-1, 2)

    @property
    def error(self) -> Any:
        """Half of the width of the 95 % interval."""
        ends = self.interval
        if isinstance(ends, dict):
            return {name: _half(*pair) for name, pair in ends.items()}
        return _half(*ends) if isinstance(ends, tuple) else (ends[:, 1] - ends[:, 0]) / 2

    @property
    def keys(self) -> list[tuple[str, ...]]:
        """What each line is about: the values of the groups, or the shares of quantiles."""
        return [tuple(str(part) for part in line["key"]) for line in self.result["lines"]]

    @property
    def epsilon(self) -> float | None:
        """What this answer alone amounts to, as an epsilon."""
        return self.details.get("epsilon")

    @property
    def record(self) -> dict[str, Any]:
        """The machine-readable record that comes with the answer: keep it beside the figures."""
        return dict(self.details.get("record") or {})

    @property
    def notes(self) -> list[str]:
        """What to know before the figures are used, in sentences."""
        return [str(each) for each in self.details.get("notes") or ()]

    def receipt(self, wait: float = 90) -> Receipt:
        """Return the receipt: these figures, their charge, and the proof that the portal's log holds both.

        answer.receipt().save("answer.receipt.json"). Waits at most `wait` seconds for the log to be signed, which
        takes up to a minute. Raises NotOffered if it is not there by then, and for mock answers.
        """
        if self.transport is None:
            raise NotOffered(
                "This answer does not come from a portal, or it was copied or stored. Get a receipt by its id: "
                "portal.answers.receipt(…)."
            )
        return handed.receipt(self.transport, f"answers/{self.details['id']}/", wait)

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        """Return what is stored and copied: everything but the connection."""
        names = ("details", "reading", "result", "text")
        return None, {**{name: getattr(self, name) for name in names}, "transport": None}

    # As a number or an array

    def __float__(self) -> float:
        if not self._is_single:
            raise NotOffered(
                f"This answer has {len(self._main)} figures. Use .value, an array, or .to_pandas()."
            )
        found = self.value
        if isinstance(found, str):
            raise NotOffered(f"This answer is the date {found}, not a number.")
        return math.nan if found is None else float(found)

    def __int__(self) -> int:
        return int(float(self))

    def __round__(self, digits: int | None = None) -> float:
        return round(float(self), digits)

    def __format__(self, how: str) -> str:
        return format(float(self), how) if how else str(self)

    def __len__(self) -> int:
        return len(self._main)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.value if isinstance(self.value, dict) else np.atleast_1d(np.asarray(self)))

    def __getitem__(self, key: Any) -> Any:
        """Return the figure of a group, by its value or values: answer["north"], answer["north", "1"]."""
        if isinstance(key, (int, slice)):
            return np.atleast_1d(np.asarray(self))[key]
        if self._is_fit:
            return self.value[key]
        wanted = tuple(str(part) for part in (key if isinstance(key, tuple) else (key,)))
        for line, figure in zip(self.keys, self._main, strict=True):
            if line == wanted:
                return figure.get("value")
        raise NotOffered(f"There is no line {', '.join(wanted)}. See .keys for what there is.")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        found = self.value
        values = list(found.values()) if isinstance(found, dict) else found
        array = np.asarray(math.nan if values is None else values)
        return array if dtype is None else array.astype(dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        plain = [np.asarray(each) if isinstance(each, Answer) else each for each in inputs]
        return getattr(ufunc, method)(*plain, **kwargs)

    # As a table

    def to_arrow(self) -> pa.Table:
        """Return a table with a row for each group, and for each figure its value and the ends of its interval."""
        import pyarrow as pa  # noqa: PLC0415 -- it takes a tenth of a second

        return pa.table(self._columns())

    def to_pandas(self) -> pd.DataFrame:
        """Return a DataFrame, indexed by the groups. Needs pandas."""
        frame = data_frame(self._columns())
        by = list(self.result["by"])
        return frame.set_index(by) if by else frame

    def __repr__(self) -> str:
        lines = self._lines()
        if self._is_single:
            return f"{self._prefix}{self._main_text} ({self.text})"
        return "\n".join(
            [f"{self._prefix}{self.text}", *("  " + "  ".join(map(str, line)) for line in lines), *self.notes]
        )

    def _repr_html_(self) -> str:
        figures = cards.table(self._names, self._lines())
        return cards.card(f"{self._prefix}{self.text}", figures, cards.sentences(self._below))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise NoSuchName(
            f"An answer has no .{name}. Its numbers are in .value and .interval; .to_pandas() has a table."
        )

    # How it is made up

    @property
    def _prefix(self) -> str:
        return ""

    @property
    def _figures(self) -> list[dict[str, Mapping[str, Any]]]:
        """The figures of each line, by name."""
        return [{figure["name"]: figure for figure in line["figures"]} for line in self.result["lines"]]

    @property
    def _main(self) -> list[Mapping[str, Any]]:
        """The first figure of each line; of a regression, all figures of its only line."""
        if self._is_fit:
            return list(self._figures[0].values())
        return [next(iter(line.values())) for line in self._figures]

    @property
    def _is_fit(self) -> bool:
        return len(self._figures) == 1 and "intercept" in self._figures[0]

    @property
    def _is_single(self) -> bool:
        if self._is_fit or len(self._figures) != 1:
            return False
        return not self.result["by"] or (self.reading.single and self.result["by"] == ["share"])

    def _read(self, part: str) -> Any:
        if self._is_fit:
            return {name: figure.get(part) for name, figure in self._figures[0].items()}
        found = [figure.get(part) for figure in self._main]
        return found[0] if self._is_single else _array(found)

    def _ends(self, figure: Mapping[str, Any]) -> Pair:
        value, half = figure.get("value"), figure.get("half_width")
        if figure.get("low") is not None or value is None:
            return figure.get("low"), figure.get("high")
        return (None, None) if half is None or isinstance(value, str) else (value - half, value + half)

    def _columns(self) -> dict[str, list[Any]]:
        """The table's columns, by name."""
        found: dict[str, list[Any]] = {
            name: [line["key"][place] for line in self.result["lines"]]
            for place, name in enumerate(self.result["by"])
        }
        for name in dict.fromkeys(name for line in self._figures for name in line):
            shown = self.reading.name or name if name == "standard_deviation" else name
            column = [line[name] for line in self._figures]
            found[shown] = [figure.get("value") for figure in column]
            found[f"{shown}_low"] = [self._ends(figure)[0] for figure in column]
            found[f"{shown}_high"] = [self._ends(figure)[1] for figure in column]
        return found

    @property
    def _names(self) -> list[str]:
        return [*self.result["by"], "figure", "95 % interval"]

    def _lines(self) -> list[list[object]]:
        keys: Sequence[Sequence[str]] = [(name,) for name in self._figures[0]] if self._is_fit else self.keys
        pairs = zip(keys, self._main, strict=True)
        return [[*key, _text(each.get("value")), _interval_text(self._ends(each))] for key, each in pairs]

    @property
    def _main_text(self) -> str:
        (figure,) = self._main
        interval = _interval_text(self._ends(figure))
        return _text(figure.get("value")) + (f", 95 % interval {interval}" if interval else "")

    @property
    def _below(self) -> list[str]:
        spent = f"It amounts to ε = {self.epsilon:.3g} by itself." if self.epsilon else ""
        return [*self.notes, *([spent] if spent else [])]


class MockAnswer(Answer):
    """What a question gives on the mock rows: no noise, no charge, and no statement about anybody."""

    __slots__ = ()

    @property
    def _prefix(self) -> str:
        return "mock: "


def _array(found: Sequence[Any]) -> npt.NDArray[Any]:
    """Return figures as an array: floats with NaN for those lost in noise, or dates."""
    flat = [part for each in found for part in (each if isinstance(each, tuple) else (each,))]
    if any(isinstance(part, str) for part in flat):
        return np.array(found, dtype="datetime64[D]")
    return np.array(found, dtype=np.float64)


def _half(low: Figure, high: Figure) -> float | None:
    if isinstance(low, str) and isinstance(high, str):
        return (date.fromisoformat(high) - date.fromisoformat(low)).days / 2
    return (
        None
        if low is None or high is None or isinstance(low, str) or isinstance(high, str)
        else (high - low) / 2
    )


def _text(value: Figure) -> str:
    if value is None:
        return "lost in noise"
    return (
        value if isinstance(value, str) else f"{value:,.0f}" if float(value).is_integer() else f"{value:.6g}"
    )


def _interval_text(pair: Pair) -> str:
    low, high = pair
    return "" if low is None or high is None or low == high else f"{_text(low)} to {_text(high)}"
