"""Write what the submitted code's `main` returns: tables as Parquet, pictures as PNG, texts, and JSON for the rest."""

import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any

tables: Any = __import__("answer_tables")
values: Any = __import__("answer_values")

Writer = Callable[[Any, str], None]
Part = tuple[str, Any, Writer, str]
"""A file to write: its name in the code's words, its value, how it is written, and its suffix."""
LONGEST = 64
"""Characters that the gate allows in a file's name."""
NAMES = "names"
"""The file that says which file is what, if names had to change."""


def write(answer: object, folder: str) -> None:
    """Write what `main` returned: one file, or one for each entry of a dict or list with tables, pictures or texts."""
    if answer is None:
        return
    taken, changed = {NAMES}, {}
    for name, value, writer, suffix in _parts("result", answer):
        stem = _file_name(name, LONGEST - len(suffix), taken)
        if stem != name:
            changed[f"{stem}{suffix}"] = tables.readable(name)
        writer(value, os.path.join(folder, f"{stem}{suffix}"))
    if changed:
        _write_json(changed, os.path.join(folder, f"{NAMES}.json"))


def _file_name(name: str, longest: int, taken: set[str]) -> str:
    """Return the name in the letters that files may have, different from all others also where case does not count."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", ascii_only).strip("-_.") or "result"
    stem = stem[: longest - 4].rstrip("-_.")
    tries = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
    found = next(each for each in tries if each.casefold() not in taken)
    taken.add(found.casefold())
    return found


# What is a file of its own


def _parts(name: str, value: Any) -> Iterator[Part]:
    value = values.as_mapping(value)
    figures = _figures(value)
    if figures is not None and not (isinstance(value, Mapping) and any(map(_is_picture, value.values()))):
        many = len(figures) > 1
        for number, figure in enumerate(figures, start=1):
            yield f"{name}-{number}" if many else name, figure, _write_figure, ".png"
    elif isinstance(value, Mapping) and any(_is_apart(item) for item in value.values()):
        for key, item in value.items():
            yield from _entry(tables.label(key), item)
    elif isinstance(value, (list, tuple)) and any(_is_apart(item) for item in value):
        for number, item in enumerate(value, start=1):
            yield from _entry(f"{name}-{number}", item)
    else:
        yield _one(name, value, texts=True)


def _entry(name: str, value: Any) -> Iterator[Part]:
    """Return the files of one entry. Pictures at any depth need files of their own; all else fits into JSON."""
    value = values.as_mapping(value)
    figures = _figures(value)
    if figures is not None:
        yield from _parts(name, list(figures))
    elif _has_picture(value):
        inside = value.items() if isinstance(value, Mapping) else enumerate(value, start=1)
        for key, item in inside:
            yield from _entry(f"{name}-{tables.label(key)}", item)
    else:
        yield _one(name, value, texts=True)


def _one(name: str, value: Any, *, texts: bool) -> Part:
    if values.is_table(value):
        return name, value, _write_table, ".parquet"
    if (text := values.document(value)) is not None:
        return name, text, _write_text, ".txt"
    if texts and isinstance(value, str) and value.strip():
        return name, value, _write_text, ".txt"
    return name, value, _write_json, ".json"


def _is_apart(value: Any) -> bool:
    """Whether this value makes its container one file for each entry."""
    several_lines = isinstance(value, str) and "\n" in value.strip()
    return (
        several_lines or _has_picture(value) or values.is_table(value) or values.document(value) is not None
    )


# Pictures


def _has_picture(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_picture, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_has_picture, value))
    return _figures(value) is not None


def _is_picture(value: Any) -> bool:
    return values.is_from(value, "matplotlib", "seaborn", "PIL") or hasattr(value, "gcf")


def _figures(value: Any) -> list[Any] | None:
    """Return the different figures of a picture, or of a collection of nothing but pictures; otherwise None.

    Lists in it may be empty, as in what matplotlib returns for a box plot.
    """
    if hasattr(value, "gcf"):
        return [value.gcf()]
    if _is_picture(value) and (hasattr(value, "savefig") or hasattr(value, "save")):
        return [value]
    if _is_picture(value) and hasattr(value, "get_figure"):
        return [value.get_figure(root=True)]
    found: list[Any] = []
    for item in _items(value):
        inner = [] if isinstance(item, list) and not item else _figures(item)
        if inner is None:
            return None
        found += (figure for figure in inner if not any(figure is other for other in found))
    return found or None


def _items(value: Any) -> list[Any]:
    """Return what a collection holds, if it can hold pictures."""
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, (list, tuple)):
        return list(value)
    if values.is_from(value, "numpy", "pandas") and str(getattr(value, "dtype", "")) == "object":
        return list(value.ravel() if hasattr(value, "ravel") else value)
    return []


def _write_figure(value: Any, path: str) -> None:
    if values.is_from(value, "PIL"):
        value.convert("RGB").save(path, format="PNG")
    elif hasattr(value, "savefig"):
        value.savefig(path, dpi=150, bbox_inches="tight")
    else:
        value.save(path, dpi=150, bbox_inches="tight")


# Other files


def _write_table(value: Any, path: str) -> None:
    tables.write(tables.columns_of(values.unstyled(value)), path, values.plain)


def _write_text(value: Any, path: str) -> None:
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(tables.readable(value) + "\n")


def _write_json(value: Any, path: str) -> None:
    text = json.dumps(values.plain(value), indent=2, ensure_ascii=False, allow_nan=False)
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text + "\n")
