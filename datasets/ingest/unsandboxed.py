"""Parsing in a child process with limits but without a sandbox: where none can be made, and only if an admin allows it.

A vulnerability in a parser then lets the owner of one dataset read all of them. `manage.py check --deploy` warns of it.
"""

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings

from runner.contract import CloseCode
from runner.parsing import ANSWER, ANSWER_MB, Broken, Parsing, Stopped, share_of, understood

PROGRESS_BYTES = 1024 * 1024
"""The most bytes of progress that a child may print."""
TICK_S = 1.0


def parse(work: Parsing, progress: Callable[[float], bool]) -> dict[str, Any]:
    """Do the same as runner.parsing.parse, with less between the file and the portal."""
    with tempfile.TemporaryDirectory(prefix="weir-reading-") as name:
        home = Path(name)
        (home / "file").symlink_to(work.file.resolve())
        (home / "parameters").write_text(json.dumps(dict(work.parameters)))
        command = [sys.executable, "-m", "datasets.reading", name, _room(work, home), str(_most(work))]
        child = subprocess.Popen(  # noqa: S603 -- our own module; paths are made by storage
            command,
            cwd=settings.ROOT,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            _follow(child, time.monotonic() + work.limits.wall_s, progress)
            if child.wait() != 0:
                raise Broken(CloseCode.EXCEPTION if child.returncode > 0 else CloseCode.MEMORY_LIMIT)
            return understood((home / ANSWER).read_bytes)
        finally:
            child.kill()
            child.wait()
            if child.stdout:
                child.stdout.close()


def _room(work: Parsing, home: Path) -> str:
    return str(work.room.path if work.room else home)


def _most(work: Parsing) -> int:
    return max(work.room.bytes if work.room else 0, ANSWER_MB * 2**20)


def _follow(child: "subprocess.Popen[bytes]", deadline: float, progress: Callable[[float], bool]) -> None:
    """Read the child's progress until it ends. Raises Stopped or Broken."""
    assert child.stdout is not None  # noqa: S101 -- it is a pipe
    received, share, lines = 0, 0.0, b""
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            if not progress(share):
                raise Stopped
            if time.monotonic() > deadline or received > PROGRESS_BYTES:
                raise Broken(CloseCode.TIME_LIMIT)
            if selector.select(TICK_S):
                data = os.read(child.stdout.fileno(), 4096)
                if not data:
                    return
                received += len(data)
                lines = (lines + data)[-4096:]
                share = share_of(lines.decode("latin-1")) or share
