"""The portal's side of reading a file: a child process with limits does it, this watches over the child."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings

from datasets.reading import outcome
from datasets.reading.outcome import Reading, Unreadable

WALL_SECONDS = 3600
SAID_BYTES = 16 * 1024 * 1024
BROKEN = (
    "Reading this file broke the limits on memory, time or size. It may be damaged or made to do harm. "
    "Nothing of it was kept."
)


class GivenUp(Exception):
    """The upload was cancelled while its file was being read."""


def read(
    source: Path,
    target: Path,
    *,
    options: dict[str, Any],
    progress: Callable[[float], bool] = lambda share: True,
) -> Reading:
    """Read `source` into `target`. Unreadable with a reason, GivenUp when `progress` says to stop.

    Whatever happens to the child, nothing is left at `target` unless a Reading is returned.
    """
    command = [
        sys.executable,
        "-m",
        "datasets.reading",
        str(source),
        str(target),
        json.dumps(_limits(options)),
    ]
    child = subprocess.Popen(  # noqa: S603 -- our own module; paths are made by storage
        command,
        cwd=settings.ROOT,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "ARROW_DEFAULT_MEMORY_POOL": "system"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    alarm = threading.Timer(WALL_SECONDS, child.kill)
    alarm.start()
    kept = False
    try:
        reading = _outcome(child, progress)
        kept = True
        return reading
    finally:
        alarm.cancel()
        child.kill()
        child.wait()
        if child.stdout:
            child.stdout.close()
        if not kept:
            target.unlink(missing_ok=True)


def _limits(options: dict[str, Any]) -> dict[str, Any]:
    """A sealed table may not be much larger than the largest upload."""
    return {**options, "target_bytes": 2 * settings.UPLOAD_LIMIT + 64 * 1024 * 1024}


def _outcome(child: subprocess.Popen[bytes], progress: Callable[[float], bool]) -> Reading:
    for line in _lines(child):
        if "read" in line:
            return outcome.from_json(line["read"])
        if "unreadable" in line:
            raise Unreadable(line["unreadable"], **line["remedy"])
        if not progress(float(line.get("share", 0.0))):
            raise GivenUp
    raise Unreadable(BROKEN)


def _lines(child: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """What the child says, as long as it is not too much and is what it should be."""
    assert child.stdout is not None  # noqa: S101 -- it was asked for
    deadline, said = time.monotonic() + WALL_SECONDS, 0
    while time.monotonic() < deadline:
        line = child.stdout.readline(SAID_BYTES)
        said += len(line)
        if not line.endswith(b"\n") or said > SAID_BYTES:
            return
        yield json.loads(line)
