"""Notebooks are committed as they are before they run: nothing of anybody's run or machine is in them."""

import json
import re
from typing import Any

import nbformat
import pytest

from tests.guards.test_docs_paths import LINK
from tests.guards.test_source import ROOT, tracked

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
PRINTED = [{"name": "stdout", "output_type": "stream", "text": ["1\n"]}]


def notebooks() -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in tracked() if path.suffix == ".ipynb"]


def faults(text: str) -> list[str]:
    """What is wrong with the text of a notebook. Clear all outputs in Jupyter, and undo its changes of metadata."""
    notebook = json.loads(text)
    found = (
        [] if notebook["metadata"] == METADATA else [f"the notebook's metadata are {notebook['metadata']}"]
    )
    parts = ("outputs", "execution_count", "metadata", "attachments")
    found += [
        f"the cell {cell['id']} has {part}" for cell in notebook["cells"] for part in parts if cell.get(part)
    ]
    read = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(read)
    if nbformat.writes(read) + "\n" != text:  # type: ignore[no-untyped-call]
        found.append("Jupyter would write the file in another way")
    return found


def test_there_is_a_notebook_for_each_role_that_uses_the_client_and_one_for_code():
    assert notebooks() == [
        f"docs/notebooks/{name}.ipynb" for name in ("auditor", "code", "owner", "reviewer", "scientist")
    ]


@pytest.mark.parametrize("name", notebooks())
def test_a_notebook_has_nothing_of_a_run_or_a_machine(name: str):
    assert faults((ROOT / name).read_text()) == []


@pytest.mark.parametrize("name", notebooks())
def test_links_lead_to_files_and_cells_have_names_of_their_own(name: str):
    path = ROOT / name
    cells = json.loads(path.read_text())["cells"]
    links = [
        link
        for cell in cells
        if cell["cell_type"] == "markdown"
        for link in LINK.findall("".join(cell["source"]))
    ]
    assert links != []
    assert [link for link in links if not (path.parent / link).exists()] == []
    assert [cell["id"] for cell in cells if not re.fullmatch(r"[a-z]+(-\d\d)?", cell["id"])] == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"outputs": PRINTED}, "the cell one has outputs"),
        ({"execution_count": 1}, "the cell one has execution_count"),
        ({"metadata": {"tags": ["mine"]}}, "the cell one has metadata"),
    ],
)
def test_what_a_run_leaves_behind_is_found(change: dict[str, Any], fault: str):
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "id": "one",
        "metadata": {},
        "outputs": [],
        "source": [],
    }
    plain = {"cells": [cell], "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    assert faults(text_of(plain)) == []
    assert faults(text_of({**plain, "cells": [{**cell, **change}]})) == [fault]
    moved = {**plain, "metadata": {**METADATA, "language_info": {"name": "python", "version": "3.11.7"}}}
    assert "3.11.7" in faults(text_of(moved))[0]
    assert faults(json.dumps(plain)) == ["Jupyter would write the file in another way"]


def text_of(notebook: dict[str, Any]) -> str:
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
