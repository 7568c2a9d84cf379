"""One step of a build: a script of ours, run by the host's own Python without any packages (-I -S)."""

import shutil
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from runner.build import CannotBuild
from runner.build.relay import Relay
from runner.text import neutral

INSIDE = Path(__file__).with_name("inside")
BASE = Path(sys.base_prefix)
OPTIONS = ("-I", "-S", "-B", "-X", "utf8", "-W", "ignore")
VARIABLES = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
LAST_CHARACTERS = 2000
RESERVE = 2**30
"""A build must leave this many bytes of the disk free."""


class Serve(Protocol):
    """Serves a listening socket of a step's own network while the context lasts."""

    def __call__(self, listener: socket.socket) -> AbstractContextManager[Relay]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A script of runner/build/inside and its named arguments. `failure` begins the message if it fails."""

    script: str
    failure: str
    deadline: float
    """On the clock of time.monotonic()."""
    reads: Mapping[str, Path] = field(default_factory=dict)
    writes: Mapping[str, Path] = field(default_factory=dict)
    """Folders that the host created for it."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    pip: Path | None = None
    """The folder of the package pip, for scripts that use it."""
    seen: Sequence[Path] = ()
    """Folders of the host that are visible under their own paths."""
    serve: Serve | None = None
    """Serves its network. Without it, the step has none."""

    @property
    def source(self) -> Path:
        return INSIDE / f"{self.script}.py"

    def check(self) -> None:
        """Raise CannotBuild if the time is up or the disk is full."""
        if time.monotonic() > self.deadline:
            raise CannotBuild(f"{self.failure}: it took too long.")
        for folder in self.writes.values():
            if shutil.disk_usage(folder).free < RESERVE:
                raise CannotBuild(f"{self.failure}: the disk is full. Free some space and build again.")

    def failed(self, output: str) -> CannotBuild:
        return CannotBuild(f"{self.failure}:\n{neutral(output).strip()[-LAST_CHARACTERS:]}")


class StepRunner(Protocol):
    """Somewhere that steps can run."""

    @property
    def missing(self) -> str:
        """Why this is not a sandbox; empty if it is one."""
        ...

    def run(self, step: Step) -> None:
        """Run a step to its end. Raises CannotBuild."""
        ...
