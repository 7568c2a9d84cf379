"""Notebooks of the docs, each run whole in a kernel of its own that has nothing of whoever runs the tests."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent.parent
NOTEBOOKS = ROOT / "docs" / "notebooks"
CELL_SECONDS = 180


@dataclass(frozen=True)
class Executed:
    """A notebook after its run, and the folder in which it ran."""

    notebook: Any
    folder: Path

    def said(self, cell: str) -> str:
        """All that the cell with this id has printed or shown, as text."""
        (found,) = (each for each in self.notebook.cells if each.id == cell)
        shown = [each.get("text") or each.get("data", {}).get("text/plain", "") for each in found.outputs]
        return "".join(shown)


def execute(portal: str, folder: Path, tokens: dict[str, str]) -> dict[str, Executed]:
    """Run notebooks side by side: for each name, with this token. An error in a cell is raised here."""

    async def every() -> list[Executed]:
        return await asyncio.gather(
            *(_executed(name, folder / name, portal, token) for name, token in tokens.items())
        )

    return dict(zip(tokens, asyncio.run(every()), strict=True))


async def _executed(name: str, folder: Path, portal: str, token: str) -> Executed:
    """Run one notebook. Sockets are files in its folder: no port, and nobody else can reach the kernel."""
    folder.mkdir()
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    kernel = AsyncKernelManager(
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),  # this Python's own, none of the person's
        transport="ipc",
        connection_file=str(folder / "kernel.json"),
    )
    client = NotebookClient(
        notebook,
        km=kernel,
        timeout=CELL_SECONDS,
        shutdown_kernel="immediate",
        resources={"metadata": {"path": str(folder)}},
    )
    environment = {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "client"),
        "WEIR_PORTAL": portal,
        "WEIR_TOKEN": token,
    }
    await client.async_execute(env=environment, cleanup_kc=True)
    return Executed(notebook, folder)
