"""Which parts of a held file reviewers have viewed: shown before a release, and stored in its record."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from accounts.models import User
from requests_app.models import Look, Output
from runner.gates.previews import PART, Place

MOST_RANGES = 6
EXTENT = {
    "table": ("total_rows", "total_columns", "page_rows", "page_columns"),
    "text": ("characters",),
    "json": ("characters",),
    "image": ("parts",),
}
CONTRAST = "colour differences too small to see"


@dataclass(frozen=True, slots=True)
class Seen:
    """The parts of a file that have been viewed, and those that have not, in words."""

    shown: list[str]
    not_shown: list[str]


def note(output: Output, *, by: User, place: Place, model: Mapping[str, Any]) -> None:
    """Record that this person has viewed this part of the file."""
    if model["kind"] in EXTENT:
        extent = {name: model[name] for name in ("kind", *EXTENT[model["kind"]])}
        Output.objects.filter(pk=output.pk).exclude(extent=extent).update(extent=extent)
    part = _part(place, model)
    if part:
        look = Look(output=output, person=by, part=part, cut=_cut(place, model))
        Look.objects.bulk_create([look], ignore_conflicts=True)


def _part(place: Place, model: Mapping[str, Any]) -> str:
    match model["kind"]:
        case "table" if model["rows"] or not model["total_rows"]:
            return f"page {place.rows} {place.columns}"
        case "cell":
            return f"cell {model['row']} {model['column']} {model['part']}"
        case "text" | "json" if model["part"] <= model["parts"]:
            return f"part {model['part']}"
        case "image":
            return "contrast" if model["contrast"] else f"part {model['part']}"
        case _:
            return ""


def _cut(place: Place, model: Mapping[str, Any]) -> int:
    if model["kind"] == "cell":
        return int(model["parts"])
    if model["kind"] != "table":
        return 0
    names = [column["name"] for column in model["columns"]] if place.rows == 1 else []
    cells = [cell for row in model["rows"] for cell in row]
    return sum(isinstance(cell, dict) for cell in (*names, *cells))


def seen(output: Output) -> Seen:
    """Return what the owner and the reviewers have viewed of this file, taken together."""
    extent: dict[str, Any] = output.extent
    if not extent:
        return Seen([], ["all of it"])
    looks = {look.part: look.cut for look in output.looks.all()}
    match extent["kind"]:
        case "table":
            return _of_table(extent, looks)
        case "image":
            return _of_picture(int(extent["parts"]), looks)
        case _:
            return _of_pages("characters", _opened(looks), PART, int(extent["characters"]))


def _opened(looks: Iterable[str]) -> set[int]:
    """Return the numbers of the viewed parts of a text or a picture."""
    return {int(part.split()[1]) for part in looks if part.startswith("part ")}


def _of_pages(what: str, opened: set[int], size: int, total: int) -> Seen:
    every = range(1, max(1, -(-total // size)) + 1)
    return Seen(
        list(_ranges(what, (page for page in every if page in opened), size, total)),
        list(_ranges(what, (page for page in every if page not in opened), size, total)),
    )


def _ranges(what: str, pages: Iterable[int], size: int, total: int) -> Iterator[str]:
    """Yield pages in words, with neighbours merged: “rows 1–200 of 4,000”."""
    runs = [[page for _, page in run] for _, run in groupby(enumerate(pages), lambda each: each[1] - each[0])]
    if not runs:
        return
    ranges = [f"{(run[0] - 1) * size + 1:,}–{min(run[-1] * size, total):,}" for run in runs[:MOST_RANGES]]
    left = len(runs) - MOST_RANGES
    more = f" and {left:,} more range{'' if left == 1 else 's'}" if left > 0 else ""
    yield f"{what} {', '.join(ranges)}{more} of {total:,}" if total else f"all 0 {what}"


def _of_table(extent: Mapping[str, int], looks: Mapping[str, int]) -> Seen:
    pages = [tuple(map(int, part.split()[1:])) for part in looks if part.startswith("page ")]
    columns, width = extent["total_columns"], extent["page_columns"]
    shown: list[str] = []
    hidden: list[str] = []
    for number in range(1, -(-columns // width) + 1):
        opened = {row for row, column in pages if column == number}
        one = _of_pages("rows", opened, extent["page_rows"], extent["total_rows"])
        which = (
            f" in columns {(number - 1) * width + 1:,}–{min(number * width, columns):,}"
            if columns > width
            else ""
        )
        shown += [f"{words}{which}" for words in one.shown]
        hidden += [f"{words}{which}" for words in one.not_shown]
    unread = _unread_cells(looks)
    if unread:
        hidden.append(f"the end of {unread:,} long cell{'' if unread == 1 else 's'}")
    return Seen(shown, hidden)


def _unread_cells(looks: Mapping[str, int]) -> int:
    """Count the cells that were shown only in part."""
    cut = sum(count for part, count in looks.items() if part.startswith("page "))
    cells: dict[str, int] = {}
    for part, parts in looks.items():
        if part.startswith("cell "):
            place = part.rpartition(" ")[0]
            cells[place] = cells.get(place, parts) - 1
    return max(0, cut - sum(left == 0 for left in cells.values()))


def _of_picture(parts: int, looks: Mapping[str, int]) -> Seen:
    opened = _opened(looks)
    shown = ["the whole picture" if parts == 1 else "the whole picture, reduced"] if 0 in opened else []
    hidden = [] if shown else ["the picture"]
    if parts > 1:
        full = _of_pages("parts", opened, 1, parts)
        shown += [f"{words} in full size" for words in full.shown]
        hidden += [f"{words} in full size" for words in full.not_shown]
    (shown if "contrast" in looks else hidden).append(CONTRAST)
    return Seen(shown, hidden)
