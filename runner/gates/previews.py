"""Previews of output files for reviewers and facts for the output checks, as plain values that are safe on a page.

Both read files that passed the gates; tables and large pictures are opened in a sandbox nevertheless.
"""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.contract import SandboxUnavailable
from runner.gates import png, strict_json, value_facts
from runner.gates.decode import decode
from runner.gates.refusal import Refusal
from runner.host.selftest import default_environment
from runner.plain_text import SPELLED, look_alikes
from runner.text import neutral

ENVIRONMENT = default_environment()
MAX_BYTES = 64 * 2**20
PART = 200_000
"""Characters of a text on one page (the same as PART in `runner.inside.decode_tables`)."""
SIDE = 1_600
"""Longest side, in pixels, of a picture that is shown whole (the same as SIDE in `runner.inside.decode_images`)."""
DIRECT_PICTURE = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The part of a file to show. All numbers count from 1."""

    rows: int = 1
    columns: int = 1
    """`rows` and `columns` are pages of a table."""
    part: int = 0
    """The part of a text or long cell (0 is the first, too) or of a picture (0 is the whole picture, scaled down)."""
    cell: tuple[int, int] | None = None
    """(row, column) of a cell to show in full; row 0 holds the column names."""
    contrast: bool = False
    """Amplify the smallest differences between a picture's colours."""


def preview(
    path: Path, kind: str, environment: Path = ENVIRONMENT, place: Place | None = None
) -> dict[str, Any]:
    """Return one part of a file for a page, of kind "table", "cell", "json", "text" or "image"; or of kind "none", with
    a text that says why it cannot be shown. All parts together show the whole file."""
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
    """Return what the output checks need to know about a file. As private as the file."""
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
            return {
                **value_facts.of_json(strict_json.parse(data)),
                **_deceptions(text, text.count("\\u")),
            }
        return {**value_facts.of_text(text), **_deceptions(text, sum(1 for _ in SPELLED.finditer(text)))}
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
    """Return one page of a table. Of the sandbox's answer only expected fields of the expected types are used."""
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
    """Return a plain value, or for a long text its beginning and length."""
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
    """Return the picture itself if it is small and plain, otherwise one part, or the whole picture scaled down."""
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
