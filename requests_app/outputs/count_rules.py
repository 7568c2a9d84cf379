"""Tell which numbers of a file are counts of people, and which of its names and words name a person.

The same rules for tables, JSON and texts: a key is judged as a column's name is, and so is a word beside a number.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

Facts = Mapping[str, Any]
"""What runner.gates.previews.facts returns for a file."""
Column = Mapping[str, Any]

PEOPLE = r"people|persons|subjects|patients|respondents|households|members|cases|obs|observations|records"
SAID_PEOPLE = rf"{PEOPLE}|participants|individuals|women|men|children|students|pupils|workers|employees"
PERSON = (
    r"person|subject|patient|respondent|household|member|case|observation|record|participant|individual|woman|man|child"
    r"|student|pupil|worker|employee"
)
COUNT_NAME = re.compile(
    rf"(?:^|[^a-z])(?:n|nobs|nr|no|num|number|count|counts|freq|frequency|size|sample|support|total|{PEOPLE})(?:$|[^a-z])"
)
SAID_COUNT = re.compile(rf"n|nobs|count|counts|freq|frequency|{SAID_PEOPLE}")
"""Words before a number in a text that make it a count. "Number 3" and "size 3" are no counts there."""
COUNT_ROW = re.compile(r"n|nobs|count|counts|freq|obs|observations|no\. observations:?", re.IGNORECASE)
"""Labels of rows of counts, as `describe` and summaries write them."""
NOT_A_COUNT = re.compile(
    r"(?:^|[^a-z])(?:ids?|codes?|index|year|yr|month|day|week|hour|ages?|rank|level|group|bins?|edges?|decile|quantile"
    r"|quartile|zip|postcode|grade|lag|order|step|educ|education|seed|threshold|unnamed|df|dof|iterations?|version|folds?"
    r"|degrees?|clusters?|components?|lower|upper|bounds?|unique)(?:$|[^a-z])"
)
STATISTIC = re.compile(
    r"(?:^|[^a-z])(?:mean|average|avg|median|std|sd|var|variance|min|max|minimum|maximum|share|ratio|rate|percent|pct|coef"
    r"|params?|score|median|quantiles?|percentiles?)(?:$|[^a-z])"
)
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
NAME_OF_PEOPLE = re.compile(
    r"(?:^|[^a-z])(?:id|ids|uid|uuid|ssn|nin|nhs|mrn|email|mail|phone|address|surname|passport|iban|ip)(?:$|[^a-z])"
)
MAX_COUNTS = 500
MANY_ROWS = 50
MOST_CODES = 100
FEW_ROWS = 3
"""Fewer rows than this are never taken for numbered ones: 1 and 2 may well be counts."""


# Counts


def small(facts: Facts, threshold: int) -> Iterator[tuple[str, int]]:
    """Yield each place with counts from 1 to below the threshold, and how many."""
    for column in facts.get("columns", ()):
        times = sum(times for value, times in column.get("small", ()) if value < threshold)
        if times and is_count_column(column, facts):
            yield str(column["name"]) or "a column without a name", times
    yield from _small_rows(facts, threshold)
    yield from _small_said(facts, threshold)


def _small_rows(facts: Facts, threshold: int) -> Iterator[tuple[str, int]]:
    """Yield small counts in rows that are labelled as counts, unless their column is one of counts anyway."""
    columns = facts.get("columns", ())
    counted = {at for at, column in enumerate(columns) if is_count_column(column, facts)}
    for row in facts.get("cells", ()):
        if row and COUNT_ROW.fullmatch(str(row[0]).strip()):
            values = (whole(cell) for at, cell in enumerate(row) if at and at not in counted)
            times = sum(value is not None and 0 < value < threshold for value in values)
            if times:
                yield f"the row {row[0]}", times


def _small_said(facts: Facts, threshold: int) -> Iterator[tuple[str, int]]:
    said = facts.get("said", {})
    for value, words, few in said.get("quantities", ()):
        if 0 < value < threshold and (few or re.search(rf"\b(?:{SAID_PEOPLE}|{PERSON})\b", words)):
            yield f"“{value} {words}”", 1
    for word, code, _ in said.get("pairs", ()):
        value = whole(code.replace(",", ""))
        if SAID_COUNT.fullmatch(word) and value is not None and 0 < value < threshold:
            yield f"“{word} {code}”", 1


def words_of(name: str) -> str:
    return CAMEL.sub("_", name).lower()


def last_key(path: str) -> str:
    """Return the key that a value or list is under, in words; a column's name is its own key."""
    return words_of(re.sub(r"\[\](\.\d+)?$", "", path).rpartition(".")[2])


def is_count_column(column: Column, facts: Facts) -> bool:
    """Return whether a column holds counts: named so, or whole, never negative, and no key, year or row number."""
    if not column.get("whole") or column.get("min", -1) < 0:
        return False
    name = words_of(str(column["name"]))
    if COUNT_NAME.search(name):
        return True
    years = column["min"] >= 1800 and column["max"] <= 2200
    return column["type"] == "integer" and not years and not names_groups(column, facts)


def names_groups(column: Column, facts: Facts) -> bool:
    """Return whether the numbers of a column name groups or are statistics, so that nobody counts or adds them up."""
    name = words_of(str(column["name"]))
    if NOT_A_COUNT.search(last_key(name)) or STATISTIC.search(name) or name.endswith("[keys]"):
        return True
    return is_row_number(column, facts) or is_key(column, facts["columns"])


def is_key(column: Column, columns: Sequence[Column]) -> bool:
    """Return whether this column names the groups: the first of several, where none holds text."""
    together = [other for other in columns if other.get("table") == column.get("table")]
    first = column is together[0] and len(together) > 1
    return first and all(other["type"] in ("integer", "number") for other in together)


def is_code(column: Column, columns: Sequence[Column]) -> bool:
    """Return whether this column names the groups by small whole numbers, which nobody adds up."""
    return is_key(column, columns) and bool(column.get("whole")) and column["max"] <= MOST_CODES


def is_row_number(column: Column, facts: Facts) -> bool:
    rows = int(column.get("rows", facts.get("rows", 0)))
    numbered = column.get("min") in (0.0, 1.0) and column.get("max") == column["min"] + rows - 1
    return numbered and rows >= FEW_ROWS


def counts(facts: Facts) -> dict[str, int]:
    """Return the whole numbers that look like counts of people, by cell or path; at most MAX_COUNTS."""
    if facts.get("kind") == "json":
        wanted = {at for at, column in enumerate(facts["columns"]) if is_count_column(column, facts)}
        found = {path: int(value) for path, value, at in facts.get("numbers", ()) if at in wanted}
    else:
        found = dict(_count_cells(facts)) if facts.get("kind") == "table" else {}
    return dict(list(found.items())[:MAX_COUNTS])


def _count_cells(facts: Facts) -> Iterator[tuple[str, int]]:
    """Yield each count of a table, labelled by its column and the cells of its row that name a group."""
    columns = facts.get("columns", ())
    wanted = [at for at, column in enumerate(columns) if is_count_column(column, facts)]
    naming = [at for at, column in enumerate(columns) if at not in wanted and column["type"] != "number"]
    for number, row in enumerate(facts.get("cells", ()), start=1):
        group = " · ".join(str(row[at]) for at in naming if at < len(row)) or f"row {number}"
        for at in wanted:
            value = whole(row[at]) if at < len(row) else None
            if value is not None:
                yield f"{group[:100]} | {columns[at]['name']}", value


def whole(cell: object) -> int | None:
    try:
        number = float(str(cell))
    except ValueError:
        return None
    return int(number) if number.is_integer() else None


# People


def identifying(facts: Facts, subjects: Collection[str]) -> list[str]:
    """Return the columns, keys and words that may identify people: the subject column, telling names, or a different
    value in every row; and people that a text names."""
    names = {name.lower() for name in subjects}
    columns = facts.get("columns", ())
    found = [str(column["name"]) for column in columns if _identifies(column, facts, names)]
    return list(dict.fromkeys([*found, *_named(facts, names)]))


def _named(facts: Facts, subjects: Collection[str]) -> Iterator[str]:
    said = facts.get("said", {})
    for word, code, extreme in said.get("pairs", ()):
        if re.fullmatch(PERSON, word) or word in subjects or NAME_OF_PEOPLE.search(words_of(word)):
            yield f"“{word} {code}”" + (" with an extreme value" if extreme else "")
    yield from (f"“{address}”" for (address,) in said.get("addresses", ()))


def _identifies(column: Column, facts: Facts, subjects: Collection[str]) -> bool:
    name = str(column["name"])
    key = re.sub(r"\[\](\.\d+)?$", "", name.lower()).rpartition(".")[2]
    if name.lower() in subjects or key in subjects or NAME_OF_PEOPLE.search(last_key(name)):
        return True
    rows = int(column.get("rows", facts.get("rows", 0)))
    unique = rows >= MANY_ROWS and int(column["distinct"]) == rows
    return unique and column["type"] in ("integer", "text") and not is_row_number(column, facts)
