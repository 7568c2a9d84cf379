"""Automatic checks of a held file, in the terms of statistical disclosure control. Hints for a person, not proof.

They judge one file by its numbers and names, and compare it with earlier releases. A file without a warning may still
disclose something; a file with a warning may be safe.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.contract import OutputFile

Check = dict[str, object]
"""One check: name, ok, value, threshold, text."""
Facts = Mapping[str, Any]
"""What runner.gates.previews.facts returns for a file."""

TYPES = ("csv", "json", "txt", "md", "png", "parquet")
MAX_BYTES = 16 * 2**20
ROWS_TO_LOOK_AT = 1_000
DOMINANCE_SHARE = 0.9
"""The (2, 0.9) rule: the two largest contributors make up at most 90 % of a total."""
MAX_COUNTS = 500
COLOURS_OF_A_CHART = 5_000

COUNT_NAME = re.compile(
    r"(?:^|[^a-z])(?:n|nobs|nr|no|num|number|count|counts|freq|frequency|size|cases|obs|observations|people|persons"
    r"|subjects|patients|records|respondents|households|members|sample|support|total)(?:$|[^a-z])"
)
NOT_A_COUNT = re.compile(
    r"(?:^|[^a-z])(?:id|code|index|year|yr|month|day|week|hour|age|rank|level|group|bin|decile|quantile|quartile|zip"
    r"|postcode|grade|lag|order|step|educ|education|seed|threshold|unnamed)(?:$|[^a-z])"
)
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
NAME_OF_PEOPLE = re.compile(
    r"(?:^|[^a-z])(?:id|ids|uid|uuid|ssn|nin|nhs|mrn|email|mail|phone|address|surname|passport|iban|ip)(?:$|[^a-z])"
)


@dataclass(frozen=True, slots=True)
class Earlier:
    """A file released earlier from the same dataset: its label, its name, and the counts in it."""

    label: str
    name: str
    counts: Mapping[str, int]


def check(
    facts: Facts,
    *,
    file: OutputFile,
    threshold: int,
    subjects: Collection[str] = (),
    earlier: Sequence[Earlier] = (),
) -> list[Check]:
    """Return every check of one file, computed from its facts.

    `threshold` is the smallest count that may be released from this dataset. `subjects` are the names of the columns
    that identify the person a row is about.
    """
    found = [_type(file.type), _size(file.bytes), _readable(facts)]
    if "spelled" in facts:
        found.append(_deceptions(facts))
    if "colours" in facts:
        found.append(_colours(facts))
    if facts.get("kind") == "table":
        found += [_rows(facts), _identifiers(facts, subjects), _formulas(facts), _dominance(facts)]
    if facts.get("kind") == "json":
        found.append(_long_lists(facts))
    if facts.get("kind") in ("table", "json"):
        found += [_small_counts(facts, threshold), differences(counts(facts), threshold, earlier)]
    return found


def released(label: str, name: str, checked: Sequence[Facts]) -> Earlier:
    """Build what later files are compared with, from the checks stored with a released file."""
    kept: Mapping[str, int] = next(
        (c.get("counts", {}) for c in checked if c.get("name") == "differences"), {}
    )
    return Earlier(label, name, kept)


def counts(facts: Facts) -> dict[str, int]:
    """Return the whole numbers that look like counts of people, by cell or path; at most MAX_COUNTS."""
    if facts.get("kind") == "json":
        found = {path: int(value) for path, value in facts.get("numbers", ()) if _is_count_path(path, value)}
    else:
        found = dict(_count_cells(facts))
    return dict(list(found.items())[:MAX_COUNTS])


def again(checked: Sequence[Check], threshold: int, before: Sequence[Earlier]) -> list[Check]:
    """Return the same checks with a fresh comparison: more may have been released since."""
    return [
        differences(c.get("counts", {}), threshold, before) if c.get("name") == "differences" else c  # type: ignore[arg-type]
        for c in checked
    ]


def differences(mine: Mapping[str, int], threshold: int, before: Sequence[Earlier]) -> Check:
    """Flag counts that differ from those of an earlier release by less than the threshold (differencing attacks)."""
    near = [
        (other, key, value)
        for other in before
        for key, value in mine.items()
        if key in other.counts and 0 < abs(value - other.counts[key]) < threshold
    ]
    if not before:
        text = "No earlier release of this dataset to compare with."
    elif not near:
        text = f"Compared with {_number(len(before), 'earlier release')}: no count differs by fewer than {threshold}."
    else:
        other, key, value = near[0]
        text = (
            f"{_number(len(near), 'pair')} of counts, here and released earlier, with a difference below {threshold}. "
            f"It may describe only a few people. First: {_short(key)} is {value:,} here and "
            f"{other.counts[key]:,} in {other.name} of {other.label}."
        )
    return {**_check("differences", not near, len(near), threshold, text), "counts": dict(mine)}


def fit_for_record(checked: Sequence[Check]) -> list[Check]:
    """Return the checks for a release's record, without what they reveal about other people's releases."""
    parts = ("name", "ok", "value", "threshold")
    return [{part: c.get(part) for part in parts} for c in checked if c.get("name") != "differences"]


def _check(name: str, ok: bool, value: object, threshold: object, text: str) -> Check:  # noqa: FBT001 a row of a table
    return {"name": name, "ok": ok, "value": value, "threshold": threshold, "text": text}


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _short(name: str) -> str:
    return name if len(name) <= 60 else name[:59] + "…"


def _type(kind: str) -> Check:
    text = f"A {kind} file." if kind in TYPES else f"Files of the type {kind} cannot be released."
    return _check("type", kind in TYPES, kind, ", ".join(TYPES), text)


def _size(size: int) -> Check:
    return _check("size", size <= MAX_BYTES, size, MAX_BYTES, f"{size:,} bytes; {MAX_BYTES:,} is the limit.")


def _readable(facts: Facts) -> Check:
    kind = str(facts.get("kind", "none"))
    texts = {
        "table": "A table: checked below.",
        "json": "JSON: its numbers are checked below.",
        "text": "Text: no automatic check can judge it. Read all of it.",
        "image": "A picture: no automatic check can judge it. Look for single points, labels and extremes.",
    }
    text = texts.get(
        kind, f"The file could not be opened for the checks: {facts.get('text', 'unknown reason')}"
    )
    return _check("content", kind in ("table", "json"), kind, "", text)


def _deceptions(facts: Facts) -> Check:
    """Flag invisible characters, which the gate has spelled out, and characters that look like others."""
    spelled, alike = int(facts["spelled"]), [str(word) for word in facts.get("look_alikes", ())]
    warnings = []
    if spelled:
        warnings.append(
            f"{_number(spelled, 'invisible character')} {_are(spelled)} spelled out in this file."
        )
    if alike:
        words = ", ".join(map(_short, alike))
        warnings.append(f"Characters that look like ordinary ones: {words}. They can carry a message.")
    text = " ".join(warnings) or "No character is invisible or looks like another one."
    return _check("characters", not warnings, spelled + len(alike), 0, text)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _colours(facts: Facts) -> Check:
    """Flag pictures with many colours: a chart has few; the rest may be a photograph or carry an invisible message."""
    colours = int(facts["colours"])
    text = f"{_number(colours, 'colour')}. Differences too small to see can carry a message: "
    text += "check “Show small differences”."
    return _check("colours", colours <= COLOURS_OF_A_CHART, colours, COLOURS_OF_A_CHART, text)


def _rows(facts: Facts) -> Check:
    rows = int(facts["rows"])
    ok = rows <= ROWS_TO_LOOK_AT
    tail = "." if ok else ": is this one row per person or record?"
    text = f"{_number(rows, 'row')} and {_number(len(facts['columns']), 'column')}{tail}"
    return _check("rows", ok, rows, ROWS_TO_LOOK_AT, text)


def _long_lists(facts: Facts) -> Check:
    longest = int(facts["longest"])
    ok = longest <= ROWS_TO_LOOK_AT
    tail = "." if ok else ": is this one entry per person or record?"
    entries = "1 entry" if longest == 1 else f"{longest:,} entries"
    return _check("rows", ok, longest, ROWS_TO_LOOK_AT, f"The longest list or object has {entries}{tail}")


def _identifiers(facts: Facts, subjects: Collection[str]) -> Check:
    """Flag columns that may identify people: the subject column, telling names, or a different value in every row."""
    names = {name.lower() for name in subjects}
    found = [
        str(column["name"]) for column in facts["columns"] if _identifies(column, int(facts["rows"]), names)
    ]
    if found:
        text = f"May identify people: {', '.join(map(_short, found[:5]))}."
    else:
        text = "No column is named like an identifier or has a different value in every one of many rows."
    return _check("identifiers", not found, len(found), 0, text)


MANY_ROWS = 50


def _identifies(column: Mapping[str, Any], rows: int, subjects: Collection[str]) -> bool:
    name = str(column["name"]).lower()
    if name in subjects or NAME_OF_PEOPLE.search(_words(name)):
        return True
    unique = rows >= MANY_ROWS and int(column["distinct"]) == rows
    return unique and column["type"] in ("integer", "text") and not _is_row_number(column, rows)


def _is_row_number(column: Mapping[str, Any], rows: int) -> bool:
    return column.get("min") in (0.0, 1.0) and column.get("max") == column["min"] + rows - 1


def _formulas(facts: Facts) -> Check:
    cells = int(facts.get("formula_cells", 0))
    text = "No cell begins like a formula."
    if cells:
        text = f"A spreadsheet would run {_number(cells, 'cell')}. An apostrophe before each makes it plain text."
    return _check("formulas", not cells, cells, 0, text)


def _small_counts(facts: Facts, threshold: int) -> Check:
    """Flag counts from 1 to below the threshold, in columns or under keys that look like counts."""
    small = list(_small(facts, threshold))
    cells = sum(times for _, times in small)
    if not small:
        text = f"No number that looks like a count is between 1 and {threshold - 1}."
    else:
        where = ", ".join(dict.fromkeys(_short(place) for place, _ in small[:5]))
        text = (
            f"{_number(cells, 'count')} below {threshold}, in {where}: each may describe only a few people."
        )
    return _check("small counts", not small, cells, threshold, text)


def _small(facts: Facts, threshold: int) -> Iterator[tuple[str, int]]:
    if facts.get("kind") == "json":
        for path, value in facts["numbers"]:
            if _is_count_path(path, value) and 0 < value < threshold:
                yield path, 1
        return
    for column in facts["columns"]:
        times = sum(times for value, times in column.get("small", ()) if value < threshold)
        if times and _is_count_column(column, facts):
            yield str(column["name"]), times


def _words(name: str) -> str:
    return CAMEL.sub("_", name).lower()


def _is_count_path(path: str, value: object) -> bool:
    """Return whether this is a whole number at or below a key that is named like a count."""
    if isinstance(value, float) and not value.is_integer():
        return False
    return isinstance(value, int | float) and value >= 0 and COUNT_NAME.search(_words(path)) is not None


def _is_count_column(column: Mapping[str, Any], facts: Facts) -> bool:
    """Return whether a column holds counts: named so, or whole, never negative, and no key, year or row number."""
    if not column.get("whole") or column.get("min", -1) < 0:
        return False
    name = _words(str(column["name"]))
    if COUNT_NAME.search(name):
        return True
    if NOT_A_COUNT.search(name) or _is_row_number(column, int(facts["rows"])):
        return False
    years = column["min"] >= 1800 and column["max"] <= 2200
    return not years and not _is_key(column, facts["columns"]) and column["type"] == "integer"


def _is_key(column: Mapping[str, Any], columns: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether this column names the groups: the first of several, where none holds text."""
    first = column is columns[0] and len(columns) > 1
    return first and all(other["type"] in ("integer", "number") for other in columns)


def _count_cells(facts: Facts) -> Iterator[tuple[str, int]]:
    """Yield each count of a table, labelled by its column and the cells of its row that name a group."""
    columns = facts.get("columns", ())
    wanted = [at for at, column in enumerate(columns) if _is_count_column(column, facts)]
    naming = [at for at, column in enumerate(columns) if at not in wanted and column["type"] != "number"]
    for number, row in enumerate(facts.get("cells", ()), start=1):
        group = " · ".join(str(row[at]) for at in naming if at < len(row)) or f"row {number}"
        for at in wanted:
            value = _whole(row[at]) if at < len(row) else None
            if value is not None:
                yield f"{group[:100]} | {columns[at]['name']}", value


def _whole(cell: object) -> int | None:
    try:
        number = float(str(cell))
    except ValueError:
        return None
    return int(number) if number.is_integer() else None


def _dominance(facts: Facts) -> Check:
    """Flag columns whose two largest values make up more of the sum than the (n, k) rule allows."""
    shares = [
        (float(column["top_two_share"]), str(column["name"]))
        for column in facts["columns"]
        if "top_two_share" in column
    ]
    largest, name = max(shares, default=(0.0, ""))
    if not shares:
        text = "No numeric column to add up."
    else:
        text = f"The two largest values of {_short(name)} make up {largest:.0%} of its sum"
        text += (
            "." if largest <= DOMINANCE_SHARE else ": from a total, one of them could learn about the other."
        )
    ok = largest <= DOMINANCE_SHARE
    return _check("dominance", ok, round(largest, 4), DOMINANCE_SHARE, text)
