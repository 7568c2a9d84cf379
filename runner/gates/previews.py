"""A held file as a person may look at it, and the facts that its checks need. Safe for a page: plain values only.

Both read files that passed the gates; tables and large pictures are opened in a sandbox all the same.
"""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.contract import SandboxUnavailable
from runner.gates import png, strict_json
from runner.gates.decode import decode
from runner.gates.refusal import Refusal
from runner.host.selftest import default_environment
from runner.plain_text import SPELLED, look_alikes
from runner.text import neutral

ENVIRONMENT = default_environment()
MAX_BYTES = 64 * 2**20
PART = 200_000
"""Characters of a text that are shown at once (as `runner.inside.decode_tables` has for a cell)."""
SIDE = 1_600
"""Pixels a side of a picture that are shown at once (as `runner.inside.decode_images` has)."""
DIRECT_PICTURE = 2**20
MAX_NUMBERS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which part of a file to show; all numbers count from 1."""

    rows: int = 1
    columns: int = 1
    """Pages of a table."""
    part: int = 0
    """Of a text or a long cell, where 0 is the first as well; of a picture, where 0 is all of it, made smaller."""
    cell: tuple[int, int] | None = None
    """One cell in full: its row (0: the names of the columns) and its column."""
    contrast: bool = False
    """Draw the smallest differences of a picture's colours as the largest."""


def preview(
    path: Path, kind: str, environment: Path = ENVIRONMENT, place: Place | None = None
) -> dict[str, Any]:
    """A part of a file as a page may show it: of kind "table", "cell", "json", "text" or "image"; "none" with a text
    that says why not. All parts together are all of the file."""
    at = place or Place()
    try:
        data = _read(path)
        if kind in ("csv", "parquet"):
            return _cell_of(data, kind, at, environment) if at.cell else _table(data, kind, at, environment)
        if kind == "png":
            return _picture(data, at, environment)
        if kind == "json":
            return _part("json", strict_json.spelling(strict_json.parse(data), wide=True), at)
        return _part("text", neutral(data.decode("utf-8", "replace")), at)
    except (Refusal, SandboxUnavailable) as refusal:
        return {"kind": "none", "text": str(refusal)}


def facts(path: Path, kind: str, environment: Path = ENVIRONMENT) -> dict[str, Any]:
    """What the output checks need to know of a file. As private as the file."""
    try:
        data = _read(path)
        if kind in ("csv", "parquet"):
            return decode("table_facts", ["facts", kind], data, environment).header
        if kind == "png":
            size = png.size(data)
            found = decode("decode_images", ["facts", "0"], data, environment).header
            return {**found, "kind": "image", "width": size.width, "height": size.height}
        text = data.decode("utf-8", "replace")
        if kind == "json":
            return {**_json_facts(strict_json.parse(data)), **_deceptions(text, text.count("\\u"))}
        lines = len(text.splitlines())
        spelled = sum(1 for _ in SPELLED.finditer(text))
        return {"kind": "text", "lines": lines, "characters": len(text), **_deceptions(text, spelled)}
    except (Refusal, SandboxUnavailable) as refusal:
        return {"kind": "none", "text": str(refusal)}


def _deceptions(text: str, spelled: int) -> dict[str, Any]:
    return {"spelled": spelled, "look_alikes": look_alikes(text)}


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise Refusal("The file is too large for a preview.")
    return data


def _table(data: bytes, kind: str, at: Place, environment: Path) -> dict[str, Any]:
    """The sandbox's answer, taken for what it should be: names and types of columns, plain cells, four numbers."""
    answer = decode(
        "decode_tables", ["preview", kind, str(at.rows), str(at.columns)], data, environment
    ).header
    try:
        columns = [
            {"name": _cell(column["name"]), "type": str(column["type"]), "exact": str(column["exact"])}
            for column in answer["columns"]
        ]
        rows = [[_cell(cell) for cell in row] for row in answer["rows"]]
        counts = {
            name: int(answer[name]) for name in ("total_rows", "total_columns", "page_rows", "page_columns")
        }
    except (KeyError, TypeError, ValueError, OverflowError) as bad:
        raise Refusal("The table could not be read for a preview.") from bad
    return {"kind": "table", "columns": columns, "rows": rows, **counts}


def _cell(cell: object) -> object:
    """A plain value; of a long text the beginning and the number of its characters."""
    if isinstance(cell, dict):
        return {"text": str(cell["text"]), "characters": int(cell["characters"])}
    return cell if cell is None or isinstance(cell, bool | int | float) else str(cell)


def _cell_of(data: bytes, kind: str, at: Place, environment: Path) -> dict[str, Any]:
    row, column = at.cell or (1, 1)
    arguments = ["cell", kind, str(row), str(column), str(max(1, at.part))]
    answer = decode("decode_tables", arguments, data, environment).header
    try:
        text, characters = str(answer["text"]), int(answer["characters"])
    except (KeyError, TypeError, ValueError, OverflowError) as bad:
        raise Refusal("The cell could not be read.") from bad
    return {"kind": "cell", "row": row, "column": column, "text": text, **_parts(characters, at)}


def _part(kind: str, text: str, at: Place) -> dict[str, Any]:
    part = max(1, at.part)
    return {"kind": kind, "text": text[(part - 1) * PART : part * PART], **_parts(len(text), at)}


def _parts(characters: int, at: Place) -> dict[str, Any]:
    return {"characters": characters, "part": max(1, at.part), "parts": max(1, -(-characters // PART))}


def _picture(data: bytes, at: Place, environment: Path) -> dict[str, Any]:
    """The picture itself when it is small and plain, otherwise a part of it, or all of it made smaller."""
    size = png.size(data)
    parts = -(-size.width // SIDE) * -(-size.height // SIDE)
    part = 0 if parts == 1 or at.part > parts else at.part
    if at.contrast or parts > 1 or len(data) > DIRECT_PICTURE or not png.is_plain(data):
        arguments = ["contrast" if at.contrast else "show", str(part)]
        data = decode("decode_images", arguments, data, environment, limit=16 * 2**20).body
        if not png.is_plain(data):
            raise Refusal("The picture could not be decoded.")
    drawn = png.size(data)
    return {
        "kind": "image",
        "png_base64": base64.b64encode(data).decode("ascii"),
        "width": size.width,
        "height": size.height,
        "drawn_width": drawn.width,
        "drawn_height": drawn.height,
        "part": part,
        "parts": parts,
        "contrast": at.contrast,
    }


def _json_facts(value: object) -> dict[str, Any]:
    """The numbers by their path, and how long the longest list is (a long one may be one entry per row)."""
    numbers: list[list[object]] = []
    stack: list[tuple[str, object]] = [("", value)]
    longest = 0
    while stack:
        path, item = stack.pop()
        if isinstance(item, dict):
            stack.extend((f"{path}.{key}" if path else key, child) for key, child in reversed(item.items()))
            longest = max(longest, len(item))
        elif isinstance(item, list):
            stack.extend((f"{path}[{at}]", item[at]) for at in range(len(item) - 1, -1, -1))
            longest = max(longest, len(item))
        elif isinstance(item, int | float) and not isinstance(item, bool) and len(numbers) < MAX_NUMBERS:
            numbers.append([path, item])
    return {"kind": "json", "longest": longest, "numbers": numbers}
