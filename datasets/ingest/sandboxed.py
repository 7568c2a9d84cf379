"""Opens owners' files: each time, our own parser runs in a sandbox on that one file.

Owners' files are hostile until proven otherwise, and so is whatever a parser has written after opening one: a sealed
table is opened in a sandbox too. The sandbox sees the file, our parsers and their packages, and nothing of the store,
of other uploads, of secrets or of the network.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from common import decimal_grid
from common.errors import Refused
from datasets.ingest import unsandboxed
from runner import parsing
from runner.contract import Limits, SandboxUnavailable
from runner.parsing import Broken, Parsing, Room, Stopped

__all__ = ["Broken", "CannotConfine", "Room", "Stopped", "run"]

logger = logging.getLogger(__name__)
HERE = Path(__file__).resolve().parents[1]
PACKAGES = ("duckdb", "narwhals", "numpy", "pyarrow", "pyreadstat", "python-calamine")
MODULES = {
    "common.decimal_grid": Path(decimal_grid.__file__),
    **{f"datasets.reading.{path.stem}": path for path in sorted((HERE / "reading").glob("[a-z]*.py"))},
    "datasets.columns": HERE / "columns.py",
}
LIMITS = Limits(wall_s=3600, cpu_s=7200, memory_mb=3072, pids=32, output_mb=parsing.ANSWER_MB, log_mb=0.1)
"""Limits of work that a worker does."""
LOOK = Limits(wall_s=30, cpu_s=30, memory_mb=1024, pids=32, output_mb=parsing.ANSWER_MB, log_mb=0.1)
"""Limits of work that a person waits for."""


class CannotConfine(Refused):
    """This host cannot make a sandbox, so no file is opened."""

    def __init__(self) -> None:
        super().__init__(
            "This portal cannot confine the program that reads your files, so it does not read them. "
            "Nothing is wrong with the file. Tell an admin: the server's log shows what is missing."
        )


def run(
    work: str,
    file: Path,
    *,
    parameters: Mapping[str, object],
    limits: Limits = LIMITS,
    room: Room | None = None,
    progress: Callable[[float], bool] = lambda share: True,
) -> dict[str, Any]:
    """Run one of the WORKS of datasets.reading.inside on `file` and return its answer, which is not validated yet.

    `progress` is called with the share that is done (0 to 1), and returns False to stop. Raises Broken, Stopped or
    CannotConfine.
    """
    piece = Parsing(
        modules=MODULES,
        call="datasets.reading.inside",
        packages=PACKAGES,
        file=file,
        limits=limits,
        parameters={**parameters, "work": work},
        room=room,
    )
    try:
        return parsing.parse(piece, progress)
    except SandboxUnavailable as why:
        if not settings.UPLOADS_UNCONFINED:
            logger.error("Owners' files cannot be read on this host: %s", why)  # noqa: TRY400 -- the reason is enough
            raise CannotConfine from why
        logger.warning("Reading an owner's file without a sandbox (WEIR_UPLOADS_UNCONFINED): %s", why)
    return unsandboxed.parse(piece, progress)
