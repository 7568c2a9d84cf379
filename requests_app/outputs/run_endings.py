"""How much the endings of runs may have revealed to their author.

The state, close code, exception class, line and length of a run reach the author unchecked. Code can choose each of
them after it has read the rows. So the owner side sees how many different endings there were, and how many bits they
can carry.
"""

import builtins
import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from requests_app.models import Approval, CodeRequest, Run, Version
from runner.contract import CloseCode

MANY = 3
"""More different endings than this, of the same code on the same data, are a reason to read the logs."""
CLASSES = sum(isinstance(one, type) and issubclass(one, BaseException) for one in vars(builtins).values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Endings:
    """How the runs of one approval have ended, as announced to their author."""

    runs: int
    ways: list[tuple[str, int]]
    """Each way of ending with its count, the most frequent first."""
    lengths: int
    """How many different lengths were announced."""
    bits: float

    @property
    def are_many(self) -> bool:
        return len(self.ways) > MANY


def of(approval: Approval) -> Endings | None:
    """Return the endings of this approval's runs that opened the data; None before the first."""
    return among(approval.runs.all())


def among(listed: Iterable[Run]) -> Endings | None:
    """Return the endings of these runs, which belong to one approval and are already loaded."""
    runs = [run for run in listed if run.finished_at is not None and run.opened_at is not None]
    if not runs:
        return None
    ways = Counter(_way(run) for run in runs)
    lengths = {_steps(run) for run in runs}
    announced = {(_way(run), _steps(run)) for run in runs}
    return Endings(
        runs=len(runs),
        ways=ways.most_common(),
        lengths=len(lengths),
        bits=round(len(runs) * math.log2(len(announced)), 1),
    )


def earlier(item: CodeRequest, *, before: Version) -> Endings | None:
    """Return the endings of the approval before this version whose runs ended in the most ways."""
    approved: dict[UUID | None, list[Run]] = defaultdict(list)
    for run in Run.objects.filter(
        approval__version__request=item, approval__version__number__lt=before.number
    ):
        approved[run.approval_id].append(run)
    found = [ends for runs in approved.values() if (ends := among(runs)) is not None]
    return max(found, key=lambda ends: (len(ends.ways), ends.bits), default=None)


def one_run_can_tell(version: Version) -> int:
    """Return the most bits one run can reveal by its ending: its close code, or class and line, and its length."""
    dataset = version.request.dataset
    lines = version.code.count("\n") + 1
    ways = 2 + len(CloseCode) - 1 + CLASSES * (lines + 1)
    return math.ceil(math.log2(ways * math.ceil(dataset.wall_seconds / dataset.end_step_seconds)))


def _way(run: Run) -> str:
    if run.close_code != CloseCode.EXCEPTION:
        return run.close_code or run.state.upper()
    line = f" on line {run.error_line}" if run.error_line else ""
    return f"{run.close_code} {run.error_class}{line}"


def _steps(run: Run) -> int:
    if run.started_at is None or run.finished_at is None:
        return 0
    return round((run.finished_at - run.started_at).total_seconds() / max(1, run.end_step_seconds))
