"""A held file as a person may look at it, and the facts that its checks need. Safe for a page: plain values only.

Both read files that passed the gates; tables and large pictures are opened in a sandbox all the same.
"""

import base64
import json
from pathlib import Path
from typing import Any

from runner import environments, png, strict_json
from runner.contract import SandboxUnavailable
from runner.decode import decode
from runner.hostile import Refusal, neutral

ENVIRONMENT = environments.default_root() / "default"
MAX_BYTES = 64 * 2**20
SHOWN_CHARACTERS = 200_000
SHOWN_SIDE = 1_600
DIRECT_PICTURE = 2**20
MAX_NUMBERS = 5_000


def preview(path: Path, kind: str, environment: Path = ENVIRONMENT, *, start: int = 0) -> dict[str, Any]:
    """What to show of a file: of kind "table" (up to 500 rows from `start` on), "json", "text" or "image";
    "none" with a text that says why not."""
    try:
        data = _read(path)
        if kind in ("csv", "parquet"):
            return _table(decode("tables", ["preview", kind, str(max(0, start))], data, environment).header)
        if kind == "png":
            return _picture(data, environment)
        if kind == "json":
            return _shown("json", json.dumps(strict_json.parse(data), indent=2, ensure_ascii=False))
        return _shown("text", neutral(data.decode("utf-8", "replace")))
    except (Refusal, SandboxUnavailable) as refusal:
        return {"kind": "none", "text": str(refusal)}


def facts(path: Path, kind: str, environment: Path = ENVIRONMENT) -> dict[str, Any]:
    """What the output checks need to know of a file. As private as the file."""
    try:
        data = _read(path)
        if kind in ("csv", "parquet"):
            return decode("tables", ["facts", kind, "0"], data, environment).header
        if kind == "png":
            size = png.size(data)
            return {"kind": "image", "width": size.width, "height": size.height}
        if kind == "json":
            return _json_facts(strict_json.parse(data))
        text = data.decode("utf-8", "replace")
        return {"kind": "text", "lines": len(text.splitlines()), "characters": len(text)}
    except (Refusal, SandboxUnavailable) as refusal:
        return {"kind": "none", "text": str(refusal)}


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise Refusal("The file is too large to look at.")
    return data


def _table(answer: dict[str, Any]) -> dict[str, Any]:
    """The sandbox's answer, taken for what it should be: names and types of columns, plain cells, two numbers."""
    try:
        columns = [{"name": str(column["name"]), "type": str(column["type"])} for column in answer["columns"]]
        rows = [[_cell(cell) for cell in row] for row in answer["rows"]]
        total_rows, total_columns = int(answer["total_rows"]), int(answer["total_columns"])
    except (KeyError, TypeError, ValueError) as bad:
        raise Refusal("The table could not be read for a preview.") from bad
    return {
        "kind": "table",
        "columns": columns,
        "rows": rows,
        "total_rows": total_rows,
        "total_columns": total_columns,
    }


def _cell(cell: object) -> object:
    return cell if cell is None or isinstance(cell, bool | int | float) else str(cell)


def _shown(kind: str, text: str) -> dict[str, Any]:
    safe = neutral(text)
    return {"kind": kind, "text": safe[:SHOWN_CHARACTERS], "cut": len(safe) > SHOWN_CHARACTERS}


def _picture(data: bytes, environment: Path) -> dict[str, Any]:
    """The picture itself when small and plain, otherwise one written anew no larger than a screen."""
    size = png.size(data)
    if len(data) > DIRECT_PICTURE or not png.is_plain(data):
        data = decode("images", [str(SHOWN_SIDE)], data, environment, limit=16 * 2**20).body
        if not png.is_plain(data):
            raise Refusal("The picture could not be decoded.")
    encoded = base64.b64encode(data).decode("ascii")
    return {"kind": "image", "png_base64": encoded, "width": size.width, "height": size.height}


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
