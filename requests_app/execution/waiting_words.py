"""Why a queued run is waiting, in words for everybody who may see it.

Of other people's runs these words reveal only the kind and the latest possible end, which comes from public limits and
never from what the run does.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from requests_app.execution import queue_order
from requests_app.execution.claims import Queue
from requests_app.execution.queue_order import Busy, Hold, Waiting

MINUTE = timedelta(minutes=1)


def of(queue: Queue, run: Waiting[Any], kernels: Sequence[str]) -> str:
    """Return what this run is waiting for, on the kernels where it could start."""
    match queue.hold(run, kernels):
        case Hold.PERSON:
            return (
                f"Other runs of the same person are in progress: at most {settings.RUNS_PER_PERSON} at once."
            )
        case Hold.DATASET:
            return f"Other runs on this dataset are in progress: at most {settings.RUNS_PER_DATASET} at once."
        case Hold.RESERVED:
            return "All places for runs on private data are taken."
        case Hold.NEIGHBOUR:
            return _neighbour(run, queue_order.neighbours(run, queue.busy, kernels[0]), queue.now)
        case Hold.TURN:
            return "A run that has waited longer starts first: the two must not run at the same time."
        case None:
            return "It starts as soon as a worker is free."


def _neighbour(run: Waiting[Any], near: Sequence[Busy[Any]], now: datetime) -> str:
    latest = f"It starts {within(near, now)}."
    if not run.is_mock and all(other.is_mock for other in near):
        if run.strict:
            return f"Runs on this dataset must not overlap with anybody's mock runs, and one is in progress. {latest}"
        return f"Somebody who uses this dataset is running code on mock data. {latest}"
    if run.is_mock and any(run.person in other.people for other in near):
        what = "A run on private data is in progress on a dataset that you work with."
        return f"{what} Mock runs could observe it, so yours waits until it has ended. {latest}"
    if run.is_mock and all(other.strict for other in near):
        return f"A run on private data is in progress that must not overlap with any mock run. {latest}"
    return f"Another run is in progress that must not overlap with this one. {latest}"


def within(near: Sequence[Busy[Any]], now: datetime) -> str:
    """Return the latest time by which all of these will have ended, rounded up: “within 5 minutes”."""
    left = max((other.ends - now for other in near if other.ends is not None), default=timedelta())
    minutes = max(1, -(-left // MINUTE))
    if minutes < 120:
        return f"within {minutes} minute{'s' if minutes > 1 else ''}"
    return f"within {-(-minutes // 60)} hours"
