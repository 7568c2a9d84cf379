"""How an owner wants a file to be read, and how it was read. Pure. What is not said is guessed from the file."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from datasets.reading.formats import FORMATS
from datasets.reading.inference import SQL_TYPES

ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "windows-1252": "Windows-1252 (Western Europe)",
    "latin-1": "Latin-1 (ISO 8859-1)",
    "windows-1250": "Windows-1250 (Central Europe)",
    "windows-1251": "Windows-1251 (Cyrillic)",
    "windows-1253": "Windows-1253 (Greek)",
    "windows-1254": "Windows-1254 (Turkish)",
    "mac-roman": "Mac Roman",
    "shift-jis": "Shift JIS (Japanese)",
    "gb18030": "GB 18030 (Chinese)",
}
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", " ": "blanks"}
QUOTES = {'"': 'double quote "', "'": "single quote '", "": "none"}
DECIMALS = {".": "point", ",": "comma"}
THOUSANDS = {"": "none", ",": "comma", ".": "point", "'": "apostrophe", " ": "blank"}
TYPES = tuple(SQL_TYPES)
MISSING = ("NA", "NaN", "nan", "NULL", "null", "#N/A", "\\N")
"""What means missing unless the owner says otherwise. Cells without text are always missing."""
MOST_MISSING = 50
LONGEST = 128
MOST_COLUMNS = 1000
MOST_SKIPPED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnOptions:
    """How one column is read."""

    name: str = ""
    leave_out: bool = False
    type: str = ""
    missing: tuple[str, ...] | None = None
    format: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a file is read. Empty or None: guessed. `columns` are by the names that the file gives them."""

    encoding: str = ""
    delimiter: str = ""
    quote: str | None = None
    skip: int | None = None
    header: bool | None = None
    decimal: str = ""
    thousands: str | None = None
    trim: bool | None = None
    missing: tuple[str, ...] | None = None
    zone: str = ""
    sheet: str = ""
    labels: bool = False
    number_people: bool = False
    columns: Mapping[str, ColumnOptions] = field(default_factory=dict)
    expected: Mapping[str, str] = field(default_factory=dict)
    """The types of columns in the last revision, which they keep if they can. Never said by owners."""

    def column(self, source: str) -> ColumnOptions:
        return self.columns.get(source, ColumnOptions())


SPLITS = ("encoding", "delimiter", "quote", "skip", "header", "sheet")
"""The options that decide which columns a file has."""


def to_json(options: Options) -> dict[str, Any]:
    """Return only what is said."""
    unsaid = asdict(Options())
    said = {name: value for name, value in asdict(options).items() if value != unsaid[name]}
    if "columns" in said:
        blank = asdict(ColumnOptions())
        said["columns"] = {
            source: {name: value for name, value in column.items() if value != blank[name]}
            for source, column in said["columns"].items()
        }
    return said


def from_json(value: Mapping[str, Any]) -> Options:
    """Validate options. Raises ValueError with a sentence for whoever gave them."""
    if not isinstance(value, Mapping):
        raise ValueError("Reading options are an object, such as {“decimal”: “,”}.")
    given = dict(value)
    columns = given.pop("columns", {})
    if not isinstance(columns, Mapping) or len(columns) > MOST_COLUMNS:
        raise ValueError(f"Give options for at most {MOST_COLUMNS:,} columns, by their names in the file.")
    options = Options(
        encoding=_one_of(given, "encoding", ENCODINGS),
        delimiter=_one_of(given, "delimiter", DELIMITERS),
        quote=None if given.get("quote") is None else _one_of(given, "quote", QUOTES),
        skip=_number(given.pop("skip", None)),
        header=_yes_or_no(given, "header", None),
        decimal=_one_of(given, "decimal", DECIMALS),
        thousands=None if given.get("thousands") is None else _one_of(given, "thousands", THOUSANDS),
        trim=_yes_or_no(given, "trim", None),
        missing=_texts(given.pop("missing", None)),
        zone=_text(given.pop("zone", ""), 64),
        sheet=_text(given.pop("sheet", ""), LONGEST),
        labels=bool(_yes_or_no(given, "labels", False)),  # noqa: FBT003
        number_people=bool(_yes_or_no(given, "number_people", False)),  # noqa: FBT003
        columns={_text(source, LONGEST): _column(each) for source, each in columns.items()},
    )
    known = {each.name for each in fields(Options)} - {"columns", "expected"}
    if unknown := sorted(set(given) - known):
        raise ValueError(f"There is no reading option “{unknown[0][:40]}”.")
    if options.decimal and options.decimal == options.thousands:
        raise ValueError("The decimal mark and the thousands mark have to differ.")
    return options


def _column(value: Any) -> ColumnOptions:
    if not isinstance(value, Mapping):
        raise ValueError("The options of a column are an object, such as {“name”: “pay”}.")
    if unknown := sorted(set(value) - {"name", "leave_out", "type", "missing", "format"}):
        raise ValueError(f"A column has no reading option “{unknown[0][:40]}”.")
    return ColumnOptions(
        name=_text(value.get("name", ""), LONGEST),
        leave_out=bool(_yes_or_no(value, "leave_out", False)),  # noqa: FBT003
        type=_one_of(value, "type", TYPES),
        missing=_texts(value.get("missing")),
        format=_one_of(value, "format", FORMATS),
    )


def _one_of(given: Mapping[str, Any], name: str, choices: Mapping[str, object] | tuple[str, ...]) -> str:
    value = given.get(name, "")
    if not isinstance(value, str) or (value and value not in choices):
        words = ", ".join(repr(each) for each in choices)
        raise ValueError(f"“{name}” has to be one of {words}.")
    return value


def _yes_or_no(given: Mapping[str, Any], name: str, otherwise: bool | None) -> bool | None:  # noqa: FBT001
    value = given.get(name, otherwise)
    if value is not None and not isinstance(value, bool):
        raise ValueError(f"“{name}” has to be true or false.")
    return otherwise if value is None else value


def _number(value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_SKIPPED:
        raise ValueError(f"“skip” has to be a whole number of lines, at most {MOST_SKIPPED:,}.")
    return value


def _texts(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or len(value) > MOST_MISSING:
        raise ValueError(f"List at most {MOST_MISSING} texts that mean missing.")
    return tuple(dict.fromkeys(_text(each, LONGEST).strip() for each in value))


def _text(value: Any, most: int) -> str:
    if not isinstance(value, str) or len(value) > most or "\0" in value:
        raise ValueError(f"Give a text of at most {most} characters.")
    return value
