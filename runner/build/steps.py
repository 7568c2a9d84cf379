"""One step of a build: a script of ours, under the host's own Python without any packages (-I -S), and its things."""

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
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
OPTIONS = ("-I", "-S", "-B", "-X", "utf8", "-W", "ignore")
VARIABLES = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
LAST_CHARACTERS = 2000
RESERVE = 2**30
"""A build leaves so many bytes of the disk free, or ends."""


class Serve(Protocol):
    """Answers on a listening socket of a step's own network while the context lasts."""

    def __call__(self, listener: socket.socket) -> AbstractContextManager[Relay]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A script of runner/build/inside and, by name, what it is given. `failure` says what has failed if it does."""

    script: str
    failure: str
    deadline: float
    """By time.monotonic()."""
    reads: Mapping[str, Path] = field(default_factory=dict)
    writes: Mapping[str, Path] = field(default_factory=dict)
    """Folders that the host made for it."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    pip: Path | None = None
    """The package pip itself, for scripts that use it."""
    seen: Sequence[Path] = ()
    """Places of the host that it finds under their own names."""
    serve: Serve | None = None
    """Who answers its calls. Without, it makes none."""

    @property
    def source(self) -> Path:
        return INSIDE / f"{self.script}.py"

    def check(self) -> None:
        """Raises CannotBuild when time or the disk is used up."""
        if time.monotonic() > self.deadline:
            raise CannotBuild(f"{self.failure}: it took too long.")
        for folder in self.writes.values():
            if shutil.disk_usage(folder).free < RESERVE:
                raise CannotBuild(f"{self.failure}: the disk is full. Free some space and build again.")

    def failed(self, said: str) -> CannotBuild:
        return CannotBuild(f"{self.failure}:\n{neutral(said).strip()[-LAST_CHARACTERS:]}")


class Place(Protocol):
    """Where steps run."""

    @property
    def missing(self) -> str:
        """Why it is no sandbox; empty when it is one."""
        ...

    def run(self, step: Step) -> None:
        """Run a step to its end. Raises CannotBuild."""
        ...
