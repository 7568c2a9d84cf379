"""A processor core that is equally busy whatever runs on it: a filler takes the time that nobody else wants."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from runner.host.state import lock_one

IDLE = os.sched_param(0)
FILLER = "import os, sys\nwhile os.getppid() == int(sys.argv[1]):\n    for _ in range(10**6):\n        pass\n"
"""Ends by itself, within some milliseconds of processor time, when its parent has died."""


@dataclass(slots=True)
class Core:
    """A core with a filler, or the reason why there is none."""

    number: int = -1
    missing: str = ""

    @property
    def layer(self) -> str:
        return f"no-constant-load ({self.missing})" if self.missing else "constant-load"

    def check(self, pid: int) -> None:
        """Note if a process, which bound itself, is not on this core."""
        with contextlib.suppress(ProcessLookupError):
            if not self.missing and os.sched_getaffinity(pid) != {self.number}:
                self.missing = "the blocks could not be bound to a core"


@contextlib.contextmanager
def steady_core() -> Iterator[Core]:
    """Yield a core that no other caller has, kept busy until the end. If this host does not let us, or all cores are
    taken, the core says what is missing."""
    cores = sorted(os.sched_getaffinity(0), reverse=True)
    leased = lock_one("cores", cores)
    if leased is None:
        yield Core(missing="all cores are taken")
        return
    number, lock = leased
    try:
        with _filler() as filler:
            missing = _fill(number, filler)
            yield Core(missing=missing) if missing else Core(number)
    finally:
        os.close(lock)


@contextlib.contextmanager
def _filler() -> Iterator[int]:
    with subprocess.Popen(  # noqa: S603 our own text
        [sys.executable, "-I", "-S", "-c", FILLER, str(os.getpid())], stdin=subprocess.DEVNULL, cwd="/"
    ) as filler:
        try:
            yield filler.pid
        finally:
            filler.kill()


def _fill(number: int, filler: int) -> str:
    """Bind the filler to the core, behind everything else. Returns what is missing."""
    try:
        os.sched_setscheduler(filler, os.SCHED_IDLE, IDLE)
        os.sched_setaffinity(filler, {number})
    except OSError as bad:
        os.kill(filler, 9)
        return f"{bad.strerror}"
    return ""
