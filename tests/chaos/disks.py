"""Small disks in memory, to be filled."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, *options: str) -> Iterator[None]:
    """An empty disk with these options of tmpfs in the place of this folder.

    Skips the test only where the host lets us mount no disk at all: one that cannot be mounted elsewhere is a fault.
    """
    with tempfile.TemporaryDirectory() as other:
        if why := _mount(Path(other)):
            pytest.skip(f"No disk can be mounted here: {why}")
        _unmount(Path(other))
    why = _mount(folder, *options)
    assert why == ""
    try:
        yield
    finally:
        _unmount(folder)


def _mount(folder: Path, *options: str) -> str:
    """Why it was not mounted; empty when it was."""
    command = ["mount", "-t", "tmpfs", "-o", ",".join((*options, "mode=700")), "weir-test", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip() or f"mount ended with {done.returncode}"


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", "-l", str(folder)], check=True)
