"""How a peer makes a synthetic table: runs in the peer's own environment, as `draw_PEER.py JOB`.

JOB is JSON: `data` (an .npy of codes, shape (people, columns)), `sizes` (how many codes each column has), `mechanism`,
the promise as `epsilon` and `delta`, `rounds` (so many tables), and `found`: where the drawn codes go, shape (rounds,
people, columns). One line of JSON: wall and processor time of each round in ms.
"""

import json
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from asking import processor_seconds

Codes = Any
"""Shape (people, columns)."""


def run(draw: Callable[[dict[str, Any], Codes], Codes]) -> None:
    """Draw as many rows as there are people, so many times."""
    warnings.simplefilter("ignore")
    job = json.loads(sys.argv[1])
    people = np.load(job["data"])
    taken, found = [], []
    for _ in range(job["rounds"]):
        wall, used = time.perf_counter(), processor_seconds()
        found.append(draw(job, people))
        taken.append(((time.perf_counter() - wall) * 1e3, (processor_seconds() - used) * 1e3))
    np.save(job["found"], np.array(found))
    sys.stdout.write(json.dumps({"taken": taken}) + "\n")
