"""Every look of the portal's into an owner's file goes through here: a parser of ours, in a sandbox, over that file.

Owners' files are hostile until proven otherwise, and so is what a parser makes of them once it has met one: a sealed
table is opened in a sandbox too. The sandbox sees the file, our parsers and their packages; nothing of the store, of
other uploads, of secrets or of the network.
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
PACKAGES = ("duckdb", "numpy", "pyarrow")
MODULES = {
    "common.decimal_grid": Path(decimal_grid.__file__),
    **{f"datasets.reading.{path.stem}": path for path in sorted((HERE / "reading").glob("[a-z]*.py"))},
    "datasets.columns": HERE / "columns.py",
}
LIMITS = Limits(wall_s=3600, cpu_s=7200, memory_mb=3072, pids=32, output_mb=parsing.ANSWER_MB, log_mb=0.1)
"""Of work that a worker does."""
LOOK = Limits(wall_s=30, cpu_s=30, memory_mb=1024, pids=32, output_mb=parsing.ANSWER_MB, log_mb=0.1)
"""Of work that a person waits for."""


class CannotConfine(Refused):
    """This host can make no sandbox, so nothing is opened."""

    def __init__(self) -> None:
        super().__init__(
            "This portal cannot confine the program that reads your files, so it does not read them. "
            "Nothing is wrong with the file. Tell an admin: the server's log says what is missing."
        )


def run(
    work: str,
    file: Path,
    *,
    parameters: Mapping[str, object],
    limits: Limits = LIMITS,
    room: Room | None = None,
    heard: Callable[[float], bool] = lambda share: True,
) -> dict[str, Any]:
    """The answer of one of the works of datasets.reading.inside. Raises Broken, Stopped or CannotConfine."""
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
        return parsing.parse(piece, heard)
    except SandboxUnavailable as why:
        if not settings.UPLOADS_UNCONFINED:
            logger.error("Owners' files are not read here: %s", why)  # noqa: TRY400 -- the reason says it all
            raise CannotConfine from why
        logger.warning("An owner's file is read without a sandbox (WEIR_UPLOADS_UNCONFINED): %s", why)
    return unsandboxed.parse(piece, heard)
