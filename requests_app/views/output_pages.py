"""Paging through a file: which part a reviewer sees, and the links to the others."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.http import QueryDict

from runner.gates.previews import Place

LONGEST_NUMBER = 9


@dataclass(frozen=True, slots=True)
class Pager:
    """One way to page through a file: its name, the current position, and links (label and query)."""

    name: str
    says: str
    links: list[tuple[str, str]]
    jump: "Page[int] | None" = None


def place(asked: QueryDict) -> Place:
    """Return the part that the query names; the first part for invalid values."""
    row = _number(asked, "row", least=0, otherwise=-1)
    return Place(
        rows=_number(asked, "rows"),
        columns=_number(asked, "columns"),
        part=_number(asked, "part", least=0, otherwise=0),
        cell=None if row < 0 else (row, _number(asked, "column")),
        contrast=asked.get("contrast") == "1",
    )


def _number(asked: QueryDict, name: str, *, least: int = 1, otherwise: int = 1) -> int:
    text = asked.get(name, "")
    return max(least, int(text)) if text.isdecimal() and len(text) <= LONGEST_NUMBER else otherwise


def context(at: Place, model: Mapping[str, Any]) -> dict[str, object]:
    """Return the context that the page needs to show this part and to link to the others."""
    match model["kind"]:
        case "table":
            rows = Paginator(range(model["total_rows"]), model["page_rows"]).get_page(at.rows)
            columns = Paginator(range(model["total_columns"]), model["page_columns"]).get_page(at.columns)
            rows.object_list = model["rows"]
            return {"page": rows, "columns_page": columns, "pagers": list(_of_table(rows, columns))}
        case "image":
            return {"pagers": [_of_picture(model)]}
        case "none":
            return {}
        case _:
            return {"pagers": list(_of_text(at, model))}


def _query(**numbers: int) -> str:
    return f"?{urlencode(numbers)}"


def _of_table(rows: "Page[int]", columns: "Page[int]") -> Iterator[Pager]:
    if rows.paginator.num_pages > 1:
        links = [
            (label, _query(rows=page, columns=columns.number))
            for label, page in _neighbours(rows.number, rows.paginator.num_pages, "Earlier rows", "More rows")
        ]
        yield Pager("Rows", _stretch("Rows", rows), links, jump=rows)
    if columns.paginator.num_pages > 1:
        links = [
            (label, _query(rows=rows.number, columns=page))
            for label, page in _neighbours(
                columns.number, columns.paginator.num_pages, "Earlier columns", "More columns"
            )
        ]
        yield Pager("Columns", _stretch("Columns", columns), links)


def _stretch(what: str, page: "Page[int]") -> str:
    return f"{what} {page.start_index():,}–{page.end_index():,} of {page.paginator.count:,}"


def _neighbours(at: int, last: int, before: str, after: str) -> Iterator[tuple[str, int]]:
    if at > 1:
        yield before, at - 1
    if at < last:
        yield after, at + 1


def _of_text(at: Place, model: Mapping[str, Any]) -> Iterator[Pager]:
    part, parts = model["part"], model["parts"]
    is_cell = model["kind"] == "cell"
    if parts == 1 and not is_cell:
        return
    where = {"row": model["row"], "column": model["column"]} if is_cell else {}
    back = {"rows": at.rows, "columns": at.columns} if is_cell else {}
    links = [("Back to the table", _query(**back))] if is_cell else []
    links += [
        (label, _query(**where, **back, part=page))
        for label, page in _neighbours(part, parts, "Earlier part", "Next part")
    ]
    says = f"Part {part:,} of {parts:,}; {model['characters']:,} characters in all"
    if is_cell:
        what = f"row {model['row']:,}" if model["row"] else "the name"
        says = f"Column {model['column']:,}, {what}: {says[0].lower()}{says[1:]}"
    yield Pager("Parts of the text", says, links)


def _of_picture(model: Mapping[str, Any]) -> Pager:
    part, parts, contrast = model["part"], model["parts"], int(model["contrast"])
    says = f"{model['width']:,} by {model['height']:,} pixels"
    if parts > 1:
        says += f": part {part} of {parts} in full size" if part else ", reduced"
    if contrast:
        says += "; small colour differences are exaggerated. Plain areas should stay plain"
    links = [("Whole picture", _query(part=0, contrast=contrast))] if part else []
    if parts > 1:
        first = "Next part" if part else "Parts in full size"
        links += [
            (label, _query(part=page, contrast=contrast))
            for label, page in _neighbours(part or 0, parts, "Earlier part", first)
        ]
    label = "Original colours" if contrast else "Show small differences"
    return Pager("Views of the picture", says, [*links, (label, _query(part=part, contrast=1 - contrast))])
