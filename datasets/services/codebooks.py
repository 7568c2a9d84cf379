"""Declaring columns by a codebook: what would be taken of it, what not and why; then taking it."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from accounts.models import User
from common.access import require
from datasets import rules
from datasets.codebooks import reader, writer
from datasets.codebooks.entries import NUMERIC, Codebook, ColumnEntry, at, listed
from datasets.declarations.schema import BOUNDED, COUNTED, OFFERED, TYPE_WORDS, TableSchema, bound_text
from datasets.forms import CATEGORIES, DESCRIPTION, ColumnForm
from datasets.models import Column, Dataset, Table
from datasets.services.revisions import READ_OFF, declare, require_draft

MOST_GUESSED = 20
"""Unknown names for which a similar one is looked for: the search is slow."""
LABELS = {
    "type": "type",
    "description": "description",
    "unit": "unit",
    "nullable": "may be empty",
    "lower": "lowest value",
    "upper": "highest value",
    "categories": "categories",
    "decimals": "decimals",
    "rows_per_value": "rows per value",
    "constant": "same in all of a person’s rows",
}
OF_TYPE = {
    "lower": BOUNDED,
    "upper": BOUNDED,
    "categories": frozenset({"category"}),
    "decimals": frozenset({"number"}),
    "rows_per_value": COUNTED,
}
"""The types that have a declaration, of those that not every type has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One declaration before and after, in words."""

    what: str
    before: str
    after: str


@dataclass(slots=True, kw_only=True)
class ColumnDraft:
    """What a codebook would change in the declarations of one column."""

    name: str
    line: int
    fields: dict[str, Any] = field(default_factory=dict)
    """The new declarations, as declare() takes them."""
    changes: list[Change] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """What was not taken, and why."""
    states_all: bool = False
    """Whether the codebook states everything that may otherwise be read off the data, and all of it was taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a codebook would change in the declarations of a table. Nothing is saved yet."""

    format: str
    columns: list[ColumnDraft]
    unknown: list[str]
    """Sentences about names that are no columns of the table."""
    absent: list[str]
    """Columns of the table that the codebook does not name."""
    notes: list[str]

    @property
    def declared(self) -> dict[str, dict[str, object]]:
        return {each.name: each.fields for each in self.columns if each.fields}

    @property
    def confirmable(self) -> list[str]:
        """The columns whose declarations the owner can call public together with the codebook."""
        return [each.name for each in self.columns if each.states_all]

    @property
    def changed(self) -> list[ColumnDraft]:
        return [each for each in self.columns if each.changes or each.remarks]

    @property
    def unchanged(self) -> list[str]:
        return [each.name for each in self.columns if not (each.changes or each.remarks)]


def look(table: Table, text: str, *, by: User) -> Draft:
    """Return what a codebook would change. Raises Refused if it cannot be read."""
    require(rules.may_prepare_revision, by, table.revision.dataset)
    require_draft(table.revision)
    return _drafted(table, text)


def take(table: Table, text: str, *, by: User, public: bool = False) -> Draft:
    """Declare what look() shows. A confirmation of what changes is withdrawn, as in any declaration.

    `public`: the owner says that what the codebook states may be public, which confirms the columns of which it states
    everything. Of the others something may still come from the data.
    """
    draft = _drafted(table, text)
    columns = draft.declared
    if public:
        columns |= {name: {**columns.get(name, {}), "confirmed": True} for name in draft.confirmable}
    declare(table, by=by, columns=columns)
    return draft


def _drafted(table: Table, text: str) -> Draft:
    found = reader.read(text, table=table.name)
    columns = list(table.columns.all())
    for column in columns:
        column.table = table
    matched, unknown = _matched(found, columns)
    drafts = [_draft(column, entry) for column, entry in matched]
    named = {column.name for column, _ in matched}
    return Draft(
        format=found.format,
        columns=drafts,
        unknown=unknown,
        absent=[column.name for column in columns if column.name not in named],
        notes=[*found.notes, *_missing(matched)],
    )


def published(dataset: Dataset, table: str) -> TableSchema | None:
    """Return what is declared of a published table, or None if there is none with this name."""
    tables = dataset.current.tables_declared if dataset.current else ()
    return next((each for each in tables if each.name == table), None)


@dataclass(frozen=True, slots=True)
class File:
    """A codebook to download."""

    content: str
    name: str


def as_file(dataset: Dataset, table: TableSchema) -> File:
    """Return the public declarations of a table as CSV."""
    return File(writer.as_csv(table), f"{dataset.name}-{table.name}-codebook.csv")


def _matched(found: Codebook, columns: list[Column]) -> tuple[list[tuple[Column, ColumnEntry]], list[str]]:
    """Return the columns that the codebook names, exactly or but for capitals, and sentences about other names."""
    exact = {column.name: column for column in columns}
    loose: dict[str, list[Column]] = {}
    for column in columns:
        loose.setdefault(column.name.casefold(), []).append(column)
    named = {entry.name for entry in found.entries}
    matched: dict[str, tuple[Column, ColumnEntry]] = {}
    unknown: list[str] = []
    for entry in found.entries:
        alike = loose.get(entry.name.casefold(), [])
        if entry.name in exact:
            matched[entry.name] = (exact[entry.name], entry)
        elif len(alike) == 1 and alike[0].name not in named and alike[0].name not in matched:
            matched[alike[0].name] = (alike[0], entry)
        else:
            unknown.append(_unknown(entry, exact, guess=len(unknown) < MOST_GUESSED))
    return list(matched.values()), unknown


def _unknown(entry: ColumnEntry, names: Iterable[str], *, guess: bool) -> str:
    close = difflib.get_close_matches(entry.name, names, 1, 0.7) if guess and len(entry.name) <= 128 else []
    hint = f" Did you mean “{close[0]}”?" if close else ""
    return f"{at(entry.line)}the table has no column “{entry.name[:128]}”.{hint}"


def _missing(matched: list[tuple[Column, ColumnEntry]]) -> list[str]:
    """Say which codes mean missing. Declarations have none: a file is read with them."""
    codes: dict[tuple[str, ...], list[str]] = {}
    for column, entry in matched:
        if entry.missing:
            codes.setdefault(entry.missing, []).append(column.name)
    return [
        f"The codebook says that {listed(each)} means missing in {listed(names)}. Such codes are no categories: if the "
        "file has them, name them under “How the file is read”."
        for each, names in codes.items()
    ]


def _draft(column: Column, entry: ColumnEntry) -> ColumnDraft:
    draft = ColumnDraft(name=column.name, line=entry.line, remarks=list(entry.notes))
    typed = _typed(column, entry, draft.remarks)
    clean = _clean(column, typed, draft.remarks)
    names = [*typed, *(name for name in OF_TYPE if "type" in typed and name not in typed)]
    for name in names:
        if clean[name] != getattr(column, name):
            draft.fields[name] = clean[name]
            draft.changes.append(_change(column, name, clean))
    draft.states_all = {name for name in READ_OFF if _belongs(name, clean["type"])} <= set(typed)
    return draft


def _change(column: Column, name: str, clean: dict[str, Any]) -> Change:
    before = _words(column.type, name, getattr(column, name))
    return Change(what=LABELS[name], before=before, after=_words(clean["type"], name, clean[name]))


def _words(type_: str, name: str, value: Any) -> str:
    if value in (None, "", []):
        return ""
    if name in {"lower", "upper"}:
        return bound_text(type_, value)
    if name == "type":
        return TYPE_WORDS[value]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _typed(column: Column, entry: ColumnEntry, remarks: list[str]) -> dict[str, Any]:
    """Return what somebody would type into the column's form who believes the codebook."""
    type_, is_stated = _type(column, entry, remarks)
    typed: dict[str, Any] = {"type": type_} if is_stated else {}
    if entry.unit:
        typed["unit"] = entry.unit
    if entry.nullable is not None:
        typed["nullable"] = entry.nullable
    if entry.constant is not None:
        typed["constant"] = entry.constant
    typed |= _numbers(entry, type_, remarks)
    values, meaning = _categories(column, entry, type_, remarks)
    if values:
        typed["categories"] = "\n".join(values)
    if description := _description(column, entry, meaning, remarks):
        typed["description"] = description
    return typed


def _numbers(entry: ColumnEntry, type_: str, remarks: list[str]) -> dict[str, str]:
    """Return bounds and limits as far as a column of this type has them."""
    typed: dict[str, str] = {}
    for name in ("lower", "upper", "decimals", "rows_per_value"):
        text = getattr(entry, name)
        if text and _belongs(name, type_):
            typed[name] = (
                _whole(text) if type_ == "integer" or name in {"decimals", "rows_per_value"} else text
            )
        elif text and (name, type_, text) != ("decimals", "integer", "0"):
            words = TYPE_WORDS[type_]
            remarks.append(
                f"The {LABELS[name]} “{text[:60]}” was not taken: a column of the type “{words}” has none."
            )
    return typed


def _belongs(name: str, type_: str) -> bool:
    return type_ in OF_TYPE.get(name, frozenset({type_}))


def _whole(text: str) -> str:
    """Return a whole number without the decimals that some programs write: 18.00."""
    whole, _, decimals = text.partition(".")
    return whole if decimals and not decimals.strip("0") else text


def _type(column: Column, entry: ColumnEntry, remarks: list[str]) -> tuple[str, bool]:
    """Return the type that the codebook means, if the stored values can have it; otherwise the declared one.

    Also, whether the codebook says so: it names the type, or has bounds or categories. Otherwise the type may still be
    what the portal proposed after counting the values of the data.
    """
    offered = OFFERED[column.stored]
    ends = bool(entry.lower or entry.upper)
    asked = entry.type if entry.type not in {"", NUMERIC} else _loose(column, bool(entry.type), ends)
    is_listed = bool(entry.categories) and "category" in offered and _are_storable(column, entry)
    if is_listed and not (ends and "number" in offered):
        if asked != "category" and entry.type == asked:
            remarks.append("It was taken as a category, because the codebook lists categories.")
        return "category", True
    if asked in offered:
        return asked, asked == entry.type or (ends and asked in BOUNDED)
    advice = " Choose under “How the file is read” how it is read." if column.stored == "string" else ""
    remarks.append(
        f"The type “{TYPE_WORDS[asked]}” was not taken: the column is stored as {column.get_stored_display()}.{advice}"
    )
    return str(column.type), False


def _are_storable(column: Column, entry: ColumnEntry) -> bool:
    """Whether the column can have these categories: if not, listing them does not make it a category."""
    codes = [code for code, _ in _valid(entry)]
    return len(codes) <= CATEGORIES and (column.stored != "int64" or all(map(_is_code, codes)))


def _valid(entry: ColumnEntry) -> list[tuple[str, str]]:
    """Return the categories that do not mean missing."""
    missing = frozenset(entry.missing)
    return [each for each in entry.categories if each[0] not in missing]


def _loose(column: Column, is_numeric: bool, ends: bool) -> str:  # noqa: FBT001 -- three facts about one column
    """Return the type of a column whose codebook does not say it, or says only that it has numbers."""
    numbers = next((each for each in ("integer", "number") if each in OFFERED[column.stored]), "")
    if column.type in BOUNDED:
        return str(column.type)
    if ends and numbers:
        return numbers
    return "number" if is_numeric and not numbers else str(column.type)


def _categories(column: Column, entry: ColumnEntry, type_: str, remarks: list[str]) -> tuple[list[str], str]:
    """Return the categories as the column stores them, and what its codes mean."""
    found = _valid(entry)
    if not found:
        return [], ""
    if type_ != "category":
        words = ", ".join(f"{code} = {label}" if label else code for code, label in found)[:200]
        remarks.append(
            f"The categories ({words}) were not taken: a column of the type “{TYPE_WORDS[type_]}” has none."
        )
        return [], ""
    if column.stored == "string" and all(label and _is_code(code) for code, label in found):
        remarks.append(
            "The labels of the categories were taken, not their codes: the column is stored as text."
        )
        return [label for _, label in found], ""
    pairs = [(_whole(code) if column.stored == "int64" else code, label) for code, label in found]
    labelled = [f"{code} = {label}" for code, label in pairs if label and label != code]
    meaning = ", ".join(labelled) if _are_storable(column, entry) else ""
    return [code for code, _ in pairs], meaning


def _is_code(text: str) -> bool:
    """Whether a text is a whole number as a column of numbers would store it: with a zero before it, it is none."""
    return bool(re.fullmatch(r"-?(?:0|[1-9]\d*)(?:\.0+)?", text))


def _description(column: Column, entry: ColumnEntry, meaning: str, remarks: list[str]) -> str:
    """Return the description, with what the codes of the categories mean. "" leaves it as it is."""
    text = " ".join(entry.description.split())
    if len(text) > DESCRIPTION:
        remarks.append(f"Of the description, the first {DESCRIPTION} of {len(text):,} characters were taken.")
        text = text[: DESCRIPTION - 1].rstrip() + "…"
    if text == " ".join(column.description.split()):
        text = ""
    base = text or column.description
    if not meaning or meaning in base:
        return text
    whole = f"{base} ({meaning})" if base else meaning
    if len(whole) <= DESCRIPTION:
        return whole
    remarks.append(
        f"The labels of the categories were not taken: the description would have more than {DESCRIPTION} characters."
    )
    return text


def _clean(column: Column, typed: dict[str, Any], remarks: list[str]) -> dict[str, Any]:
    """Return what the column's form makes of it. What it refuses is taken out of `typed`, and said."""
    start = dict(ColumnForm(column=column).initial)
    while True:
        prefix = f"c{column.position}-"
        given = {
            f"{prefix}{name}": "" if value is None else value for name, value in {**start, **typed}.items()
        }
        form = ColumnForm(given, column=column)
        if form.is_valid() or not typed:
            return form.cleaned_data
        wrong = set(form.errors) & set(typed)
        if "upper" in form.errors or not wrong:  # below the lowest value: either may be the wrong one
            wrong |= {"lower", "upper"} & set(typed)
        for name in sorted(wrong or set(typed)):
            why = " ".join(map(str, form.errors.get(name, ["It does not fit the rest."])))
            remarks.append(f"The {LABELS[name]} “{str(typed.pop(name))[:60]}” was not taken. {why}")
