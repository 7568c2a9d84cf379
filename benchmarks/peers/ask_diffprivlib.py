"""diffprivlib, which knows rows only: for people, epsilon is divided by the most rows of a person (group privacy).

Its mean takes the number of rows (of a group, too) as public. The table is in memory before time is taken.
"""

from typing import Any

import numpy as np
import pyarrow.parquet as pq
from asking import Prepare, Release, run
from diffprivlib import tools

BOUNDS = (0.0, 1000.0)


def start(job: dict[str, Any]) -> Prepare:
    table = pq.read_table(job["data"], columns=["v", "g"])
    values, groups = table["v"].to_numpy(), job["groups"]
    place = {label: number for number, label in enumerate(groups)}
    codes = np.array([place[label] for label in table["g"].to_pylist()])
    epsilon = job["epsilon"] / job["rows_each"]

    def histogram() -> dict[str, float]:
        found, _ = tools.histogram(codes, epsilon=epsilon, bins=len(groups), range=(0, len(groups)))
        return dict(zip(groups, found.tolist(), strict=True))

    def group_means() -> dict[str, float]:
        order = np.argsort(codes, kind="stable")
        parts = np.split(values[order], np.searchsorted(codes[order], np.arange(1, len(groups))))
        return {
            label: float(tools.mean(part, epsilon=epsilon, bounds=BOUNDS))
            for label, part in zip(groups, parts, strict=True)
        }

    def count() -> dict[str, float]:
        """`count_nonzero` would take the number of rows as public, so one bin is counted."""
        found, _ = tools.histogram(values, epsilon=epsilon, bins=1, range=BOUNDS)
        return {"": float(found[0])}

    releases: dict[str, Release] = {
        "count": count,
        "sum": lambda: {"": float(tools.sum(values, epsilon=epsilon, bounds=BOUNDS))},
        "mean": lambda: {"": float(tools.mean(values, epsilon=epsilon, bounds=BOUNDS))},
        "histogram": histogram,
        "group means": group_means,
    }
    return releases.__getitem__


if __name__ == "__main__":
    run(start)
