"""The real sandbox, with a count of what it was given to run, and doors at which it can be held up."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from runner.contract import JobResult, JobSpec
from runner.executors.bubblewrap import BubblewrapExecutor

HOME = "WEIR_CHAOS_HOME"


def home() -> Path:
    return Path(os.environ[HOME])


def held(door: str) -> bool:
    """Whether the test holds this door shut."""
    return (home() / door).exists()


class Counted(BubblewrapExecutor):
    """Notes each execution (run, lease, process) where no database can lose it."""

    def run(
        self,
        spec: JobSpec,
        *,
        started: Callable[[], None] = lambda: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> JobResult:
        lease = spec.out.name.rpartition(".")[2]
        note = os.open(home() / "executions", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(note, f"{spec.run_id} {lease} {os.getpid()}\n".encode())
        os.close(note)
        while held("starting"):
            time.sleep(0.01)
        result = super().run(spec, started=started, cancelled=lambda: cancelled() and not held("cancelling"))
        while held("hung"):
            time.sleep(0.01)
        return result
