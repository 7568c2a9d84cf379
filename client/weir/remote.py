"""What remote columns and questions refuse: everything in Python that would need their rows or their value.

Python and its libraries turn objects into numbers, lists and arrays in many ways. Each of them ends here, with a
sentence that says what to write instead. Nothing is ever computed behind one's back.
"""

from __future__ import annotations

from typing import Any, NoReturn

from weir.errors import NoSuchName, NotOffered, NotPrivate

NUMBER_INSTEAD = (
    "is not a number: its values stay with the owner. Use np.sqrt and the like on it, or ask for an aggregate such as "
    ".mean() and release it"
)
ROWS_INSTEAD = (
    "has no rows here, and they have no order: they stay with the owner. Ask for an aggregate such as .mean(), or work "
    "with the mock rows"
)
TRUTH = (
    "One condition has a truth value in each row, not one altogether. Write a.between(1, 5) instead of 1 < a < 5; "
    "&, | and ~ with brackets, (a > 1) & (b < 2), instead of and, or and not; and clip instead of max(a, 0)."
)


class Remote:
    """A column of rows that are elsewhere, or a condition on them."""

    __slots__ = ()
    __array_priority__ = 1000.0

    @property
    def called(self) -> str:
        """What it is called in sentences."""
        return "This column"

    def __bool__(self) -> NoReturn:
        raise NotPrivate(TRUTH)

    def __len__(self) -> NoReturn:
        raise NotPrivate(f"{self.called} {ROWS_INSTEAD}. To count rows, release table.count().")

    def __iter__(self) -> NoReturn:
        raise NotPrivate(
            f"{self.called} {ROWS_INSTEAD}. Use .sum() instead of sum(a), .quantile(0.99) instead of max(a), "
            "and .clip(lower, upper) instead of max(a, 0) or min(a, 1)."
        )

    def __reversed__(self) -> NoReturn:
        raise NotPrivate(f"{self.called} {ROWS_INSTEAD}.")

    def __contains__(self, item: object) -> NoReturn:
        raise NotPrivate(
            "Whether a value occurs in some row is private. Count the rows: table[column == value].count()."
        )

    def __float__(self) -> NoReturn:
        raise NotPrivate(f"{self.called} {NUMBER_INSTEAD}.")

    def __int__(self) -> NoReturn:
        raise NotPrivate(f"{self.called} {NUMBER_INSTEAD}.")

    def __complex__(self) -> NoReturn:
        raise NotPrivate(f"{self.called} {NUMBER_INSTEAD}.")

    def __index__(self) -> NoReturn:
        raise NotPrivate(f"{self.called} {NUMBER_INSTEAD}.")

    def __round__(self, digits: int | None = None) -> NoReturn:
        raise NotOffered(
            "Rounding is not offered. Release the answer, then round it: round(float(answer), 1)."
        )

    def __format__(self, how: str) -> str:
        if how:
            raise NotPrivate(f"{self.called} {NUMBER_INSTEAD}, then format the answer.")
        return str(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        raise NotPrivate(
            f"{self.called} {ROWS_INSTEAD}. pandas, SciPy and scikit-learn need rows: give them the mock rows "
            "(table.mock_rows()), or submit code for review."
        )

    def __setitem__(self, key: object, value: object) -> NoReturn:
        raise NotOffered(
            "Private rows cannot be changed. Make a new column: np.where(condition, value, column)."
        )

    def __delitem__(self, key: object) -> NoReturn:
        raise NotOffered("Private rows cannot be changed. Filter them: table[condition].")

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: object) -> Any:
        return self

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise NotOffered(
            "Columns and questions cannot be pickled: they belong to a signed-in session. Keep question.to_wire(), "
            "which is JSON, and ask it with dataset.question(…)."
        )

    def __getattr__(self, name: str) -> Any:
        # Notebooks, pickle and test tools look for names with underscores on everything; they need a plain answer.
        if name.startswith("_"):
            raise AttributeError(name)
        if name in COLUMN_NAMES:
            raise NoSuchName(f".{name} is not offered. {COLUMN_NAMES[name]}")
        raise NoSuchName(f"There is no .{name} here. See dir() of it for what there is.")


_EXTREME = (
    "One person alone can decide it, so it can never be private. Ask for .quantile(0.99) or .quantile(0.01)."
)
_ORDER = "Rows have no order here. Filter them, table[condition], or ask for quantiles."
_ROWS = "It would show rows. Work with the mock rows, table.mock_rows(), or ask for an aggregate."
_CODE = "It would run on single rows. Write it with NumPy's functions, or submit code for review."
_TEXT = "Texts and dates have no parts here. Compare declared values, or submit code for review."

COLUMN_NAMES = {
    "max": _EXTREME, "min": _EXTREME, "ptp": _EXTREME, "argmax": _EXTREME, "argmin": _EXTREME, "idxmax": _EXTREME,
    "idxmin": _EXTREME, "nlargest": _EXTREME, "nsmallest": _EXTREME,
    "sort": _ORDER, "sort_values": _ORDER, "argsort": _ORDER, "cumsum": _ORDER, "cumprod": _ORDER, "diff": _ORDER,
    "shift": _ORDER, "rolling": _ORDER, "rank": _ORDER, "first": _ORDER, "last": _ORDER, "pct_change": _ORDER,
    "searchsorted": _ORDER, "reindex": _ORDER,
    "iloc": _ROWS, "loc": _ROWS, "iat": _ROWS, "at": _ROWS, "head": _ROWS, "tail": _ROWS, "sample": _ROWS,
    "values": _ROWS, "tolist": _ROWS, "to_list": _ROWS, "to_numpy": _ROWS, "to_pandas": _ROWS, "to_arrow": _ROWS,
    "item": _ROWS, "flat": _ROWS, "ravel": _ROWS, "reshape": _ROWS, "T": _ROWS, "index": _ROWS, "items": _ROWS,
    "apply": _CODE, "map": _CODE, "transform": _CODE, "pipe": _CODE, "resample": _CODE,
    "str": _TEXT, "dt": _TEXT, "cat": _TEXT,
    "astype": "Columns have one type, a number. Use them as they are.",
    "round": "Rounding is not offered. Release the answer, then round it.",
    "unique": "Which values occur is private. The declared ones are in .labels; a text column has .value_counts().",
    "nunique": "How many different values occur is not offered. Count people with count_people().",
    "dropna": "Missing values are left out anyway. To count only complete rows: table[~column.isna()].",
    "plot": "Release a histogram with np.histogram, and plot the answer.",
    "hist": "Release a histogram with np.histogram, and plot the answer.",
    "mode": "Ask how often each declared value occurs: .value_counts().",
    "sem": "The uncertainty of a mean is in its answer: answer.interval.",
    "skew": "Write it with powers: np.mean(((x - m) / s)**3), with m and s from answers.",
    "kurt": "Write it with powers: np.mean(((x - m) / s)**4), with m and s from answers.",
    "size": "How many rows there are is private. Release table.count().",
    "shape": "How many rows there are is private. Release table.count().",
    "all": "One person alone can decide it. Release the share, condition.mean().",
    "any": "One person alone can decide it. Release the count, condition.sum().",
    "prod": "A product over rows cannot be private. Sum logarithms: np.sum(np.log(x.clip(1, 100))).",
    "isnull": "It is called isna() here.", "notnull": "Write ~column.isna().", "notna": "Write ~column.isna().",
    "merge": "There are no joins. Submit code for review.", "join": "There are no joins. Submit code for review.",
}  # fmt: skip
"""Names that people know from pandas and NumPy, and what there is instead."""
