"""Automatic checks of a held file, in the terms of statistical disclosure control. Hints for a person, not proof.

They judge one file by its numbers and names, and compare it with earlier releases. A file without a warning may still
disclose something; a file with a warning may be safe.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from requests_app.outputs import count_rules
from requests_app.outputs.count_rules import Facts
from runner.contract import OutputFile

Check = dict[str, object]
"""One check: name, ok, value, threshold, text."""

TYPES = ("csv", "json", "txt", "md", "png", "parquet")
MAX_BYTES = 16 * 2**20
ROWS_TO_LOOK_AT = 1_000
DOMINANCE_SHARE = 0.9
"""The (2, 0.9) rule: the two largest contributors make up at most 90 % of a total."""
COLOURS_OF_A_CHART = 5_000


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
    if facts.get("kind") in ("table", "json", "text"):
        found += [_rows(facts), _identifiers(facts, subjects)]
        if facts.get("kind") == "table":
            found.append(_formulas(facts))
        found += [_dominance(facts), _small_counts(facts, threshold)]
        found.append(differences(count_rules.counts(facts), threshold, earlier))
    return found


def released(label: str, name: str, checked: Sequence[Facts]) -> Earlier:
    """Build what later files are compared with, from the checks stored with a released file."""
    kept: Mapping[str, int] = next(
        (c.get("counts", {}) for c in checked if c.get("name") == "differences"), {}
    )
    return Earlier(label, name, kept)


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


PLURALS = {"entry or key": "entries or keys"}


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {PLURALS.get(noun, f'{noun}s')}"


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
        "json": "JSON: checked below.",
        "text": "Text: the checks below cannot judge all of it. Read it.",
        "image": "A picture: no automatic check can judge it. Look for single points, labels and extremes.",
    }
    text = texts.get(
        kind, f"The file could not be opened for the checks: {facts.get('text', 'unknown reason')}"
    )
    prose = int(facts.get("prose", 0)) if kind in ("table", "json") else 0
    if prose:
        text = (
            f"It contains {_number(prose, 'longer text')}: the checks below cannot judge all of it. Read it."
        )
    return _check("content", kind in ("table", "json") and not prose, kind, "", text)


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


ROW_WORDS = {"json": ("The longest list has {}{}", "entry or key"), "text": ("{}{}", "line")}


def _rows(facts: Facts) -> Check:
    rows = int(facts.get("rows", 0))
    ok = rows <= ROWS_TO_LOOK_AT
    tail = "." if ok else ": is this one for each person or record?"
    sentence, noun = ROW_WORDS.get(str(facts["kind"]), ("{} and {}", "row"))
    if facts["kind"] == "table":
        tail = f"{_number(len(facts['columns']), 'column')}{tail}"
    return _check("rows", ok, rows, ROWS_TO_LOOK_AT, sentence.format(_number(rows, noun), tail))


def _identifiers(facts: Facts, subjects: Collection[str]) -> Check:
    """Flag columns, keys and words that may identify people."""
    found = count_rules.identifying(facts, subjects)
    if found:
        text = f"May identify people: {', '.join(map(_short, found[:5]))}."
    else:
        text = "Nothing is named like an identifier or has a different value in every one of many rows."
    return _check("identifiers", not found, len(found), 0, text)


def _formulas(facts: Facts) -> Check:
    cells = int(facts.get("formula_cells", 0))
    text = "No cell begins like a formula."
    if cells:
        text = f"A spreadsheet would run {_number(cells, 'cell')}. An apostrophe before each makes it plain text."
    return _check("formulas", not cells, cells, 0, text)


def _small_counts(facts: Facts, threshold: int) -> Check:
    """Flag counts from 1 to below the threshold, in columns or under keys that look like counts."""
    small = list(count_rules.small(facts, threshold))
    cells = sum(times for _, times in small)
    if not small:
        text = f"No number that looks like a count is between 1 and {threshold - 1}."
    else:
        where = ", ".join(dict.fromkeys(_short(place) for place, _ in small[:5]))
        text = (
            f"{_number(cells, 'count')} below {threshold}, in {where}: each may describe only a few people."
        )
    return _check("small counts", not small, cells, threshold, text)


def _dominance(facts: Facts) -> Check:
    """Flag columns whose two largest values make up more of the sum than the (n, k) rule allows."""
    shares = [
        (float(column["top_two_share"]), str(column["name"]))
        for column in facts.get("columns", ())
        if "top_two_share" in column and not count_rules.is_code(column, facts["columns"])
    ]
    largest, name = max(shares, default=(0.0, ""))
    if not shares:
        text = "No numeric column to add up."
    else:
        text = f"The two largest values of {_short(name) or 'a column'} make up {largest:.0%} of its sum"
        text += (
            "." if largest <= DOMINANCE_SHARE else ": from a total, one of them could learn about the other."
        )
    ok = largest <= DOMINANCE_SHARE
    return _check("dominance", ok, round(largest, 4), DOMINANCE_SHARE, text)
