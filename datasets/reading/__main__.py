"""`python -m datasets.reading HOME ROOM BYTES`: do the same work without a sandbox, with limits on memory and time.

Used only if an admin has set WEIR_UPLOADS_UNCONFINED (see datasets/ingest/unsandboxed.py). A file that crashes the
parser crashes only this process; a file that takes it over can do whatever the portal can.
"""

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

MEMORY = 3 * 1024**3
CPU_SECONDS = 3600
PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38


def confine(most_bytes: int) -> None:
    """Set the limits and drop privileges, before any library opens the file."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for what, limit in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, most_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        bound = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (bound, bound))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def main(home: Path, room: str, most_bytes: int) -> None:
    confine(most_bytes)
    os.environ |= {
        "WEIR_DATA": str(home),
        "WEIR_OUT": str(home),
        "WEIR_ROOM": room,
        "WEIR_PARAMETERS": (home / "parameters").read_text(),
    }
    from datasets.reading import inside  # noqa: PLC0415 -- only once the limits are set

    inside.main()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
