"""`python -m datasets.reading SOURCE TARGET OPTIONS`: read one file within limits and say how it went, in JSON lines.

Lines: {"share": 0.4} while it works, then one {"read": {...}} or {"unreadable": text, "remedy": {...}}.
A file that breaks the reader breaks this process alone; whoever started it says so and removes what is left.
"""

import ctypes
import json
import os
import resource
import signal
import sys
import threading
from pathlib import Path
from typing import Any

MEMORY = 3 * 1024**3
CPU_SECONDS = 3600
PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38


def confine(target_bytes: int) -> None:
    """Take away what reading a file does not need, before any library has touched it."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for what, limit in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, target_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        bound = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (bound, bound))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def say(**line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Meter(threading.Thread):
    """Says once a second how far the work is; that it speaks at all shows that the work goes on."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.share = 0.0
        self.done = threading.Event()

    def __call__(self, share: float) -> None:
        self.share = min(max(share, 0.0), 1.0)

    def run(self) -> None:
        say(share=0.0)
        while not self.done.wait(1.0):
            say(share=round(self.share, 3))

    def stop(self) -> None:
        self.done.set()
        self.join()


def main(source: Path, target: Path, options: dict[str, Any]) -> None:
    """Read, profile, tell."""
    from datasets.reading import files, outcome  # noqa: PLC0415 -- only after the limits stand

    meter = Meter()
    meter.start()
    last: dict[str, Any]
    try:
        last = {"read": outcome.to_json(files.read(source, target, options, meter))}
    except outcome.Unreadable as reason:
        last = {"unreadable": str(reason), "remedy": reason.remedy}
    except MemoryError:
        last = {"unreadable": "Reading this file needs more memory than it may have.", "remedy": {}}
    meter.stop()
    say(**last)


if __name__ == "__main__":
    given = json.loads(sys.argv[3])
    confine(int(given["target_bytes"]))
    threading.stack_size(1024 * 1024)
    main(Path(sys.argv[1]), Path(sys.argv[2]), given)
    sys.stdout.flush()
    os._exit(0)
