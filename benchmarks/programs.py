"""What programs do with the client, each in a process of its own: `python benchmarks/programs.py send DATASET FILE`.

WEIR_PORTAL and WEIR_TOKEN say where and as whom. Each prints what it has measured, as a line of JSON.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import weir
from weir.portal import Portal
from weir.uploads import Sent
from weir.uploads import send as send_file
from weir.waits import Wait, waited


def send(portal: Portal, dataset: str, path: str) -> Iterator[object]:
    """Send a file: seconds, and the most memory in MB before and after."""
    owned, before, begun = portal.datasets[dataset], peak(), time.perf_counter()
    send_file(portal.transport, owned.id, Sent.of(Path(path)), quiet=True)
    yield {"seconds": time.perf_counter() - begun, "before": before, "peak": peak()}


def wait(portal: Portal) -> Iterator[object]:
    """Wait for each run that is named on a line: by a call that the portal holds back, or by the stream of events."""
    for line in sys.stdin:
        run, how = line.split()
        found = portal.runs[run]
        yield "waiting"
        if how == "held":
            found.wait()
        else:
            ends = Wait(f"run:{run}", f"runs/{run}/", "run", "", lambda each: each["state"] == "succeeded", str,
                        is_held=False)  # fmt: skip
            waited(portal.transport, ends, found.details, quiet=True)
        yield time.time()


def peak() -> float:
    """Return the most memory of this process so far. The kernel's ru_maxrss begins with that of whoever started it."""
    (line,) = (
        each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmHWM:")
    )
    return int(line.split()[1]) / 1024


def main() -> None:
    name, *arguments = sys.argv[1:]
    with weir.login(os.environ["WEIR_PORTAL"], quiet=True) as portal:
        for line in {"send": send, "wait": wait}[name](portal, *arguments):
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
