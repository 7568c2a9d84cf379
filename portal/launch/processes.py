"""Child processes that never outlive their parent."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from portal.launch.console import Trouble

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
POLL = 0.02


def die_with_parent(number: int, parent: int) -> None:
    """Have the kernel signal this process when its parent dies. Exit at once if the parent is already dead."""
    LIBC.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


@dataclass
class Child:
    """A child process: how to start and stop it."""

    name: str
    command: Sequence[str]
    log: Path
    env: Mapping[str, str] | None = None
    stop_signal: int = signal.SIGTERM
    death_signal: int = signal.SIGKILL
    grace: float = 10.0
    keeps: tuple[int, ...] = ()
    """File descriptors the child inherits, such as the lock on the state folder."""
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    def start(self) -> None:
        """Start it in its own session. Call from the main thread, to which the death signal is bound."""
        parent = os.getpid()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=None if self.env is None else dict(self.env),
                pass_fds=self.keeps,
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(self.death_signal, parent),  # noqa: PLW1509 -- one thread
            )

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal_stop(self) -> None:
        if self.process is not None and self.is_alive():
            self.process.send_signal(self.stop_signal)

    def finish(self) -> None:
        """Wait until it has stopped; kill it after the grace period."""
        if self.process is None:
            return
        try:
            self.process.wait(self.grace)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        self.signal_stop()
        self.finish()

    def tail(self, lines: int = 4) -> str:
        """Return the last lines of its log, for an error message."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def wait_until(ready: Callable[[], bool], child: Child, *, seconds: float) -> None:
    """Wait until `ready()`; raise Trouble if the child ends or the time is up."""
    deadline = time.monotonic() + seconds
    while not ready():
        if not child.is_alive():
            raise Trouble(f"{child.name} ended while starting. See {child.log}:\n{child.tail()}")
        if time.monotonic() > deadline:
            raise Trouble(
                f"{child.name} was not ready after {seconds:.0f} s. See {child.log}:\n{child.tail()}"
            )
        time.sleep(POLL)
