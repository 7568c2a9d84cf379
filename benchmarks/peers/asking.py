"""How a peer is asked: runs in the peer's own environment, as `ask_PEER.py JOB`.

JOB is JSON: `data` (a Parquet file of `rows` rows with the columns person, v in [0, 1000] and g, one of `groups`),
`queries`, `draws` (so many answers to each), `rows_each` (the most rows of a person, told to every
tool), and the promise as `epsilon`, `delta` and `rho` (zCDP). One line of JSON a query.
"""

import json
import resource
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

Release = Callable[[], dict[str, float]]
"""Draws answers, by group ("" without groups)."""
Prepare = Callable[[str], Release]
"""Plans a query by its name."""


def processor_seconds() -> float:
    parts = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in parts)


def run(start: Callable[[dict[str, Any]], Prepare]) -> None:
    warnings.simplefilter("ignore")
    job = json.loads(sys.argv[1])
    prepare = start(job)
    for query in job["queries"]:
        used = processor_seconds()
        release = prepare(query)
        planning = (processor_seconds() - used) * 1e3
        taken, answers = [], []
        for _ in range(job["draws"]):
            wall, used = time.perf_counter(), processor_seconds()
            answers.append(release())
            taken.append(((time.perf_counter() - wall) * 1e3, (processor_seconds() - used) * 1e3))
        sys.stdout.write(
            json.dumps({"query": query, "planning": planning, "taken": taken, "answers": answers}) + "\n"
        )
        sys.stdout.flush()
