"""The order of the queue, and what holds a run back. Pure, so that pages and workers agree.

Two runs on one kernel can signal to each other, through load and through counters that the kernel shares. So a run on
private data never overlaps on a kernel with a run whose log is read, unchecked, by somebody who could profit: see
`could_hear`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, TypeVar

Id = TypeVar("Id")

AGEING = timedelta(minutes=10)
"""A run that has waited this long is overtaken by no run that would make it wait longer."""


class Hold(StrEnum):
    """Why a run is not next although a worker is free."""

    PERSON = "person"
    DATASET = "dataset"
    RESERVED = "reserved"
    NEIGHBOUR = "neighbour"
    """It would overlap with a run in progress, and one of the two could hear the other."""
    TURN = "turn"
    """A run that has waited longer would have to wait even longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party(Generic[Id]):
    """A run as the queue sees it: whose it is, on which dataset, and who could hear it or listen through it."""

    person: Id
    dataset: Id
    is_mock: bool
    author: Id | None = None
    """Who wrote the code, if that is not who asked for the run."""
    staff: frozenset[Id] = frozenset()
    """Who reads the log of a run on this dataset's private rows: its owner and reviewers."""
    people: frozenset[Id] = frozenset()
    """Everybody connected with the dataset, including the staff."""
    strict: bool = False
    """Runs on this dataset's private rows stay apart from everybody's mock runs."""

    @property
    def writer(self) -> Id:
        return self.person if self.author is None else self.author

    @property
    def steered_by(self) -> frozenset[Id]:
        """Who decides what a mock run does: the author of its code, and who chose its parameters."""
        return frozenset({self.person, self.writer})


_OF_A_PARTY = tuple(field.name for field in fields(Party))


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting(Party[Id]):
    """A queued run, and since when it has been waiting."""

    run: Id
    since: datetime
    passed: bool = False
    """For a mock run: while it waited, a run has started that it must not overlap with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy(Party[Id]):
    """A run that has a place: its kernel, and its latest possible end."""

    kernel: str = ""
    ends: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """How much may run at once."""

    per_person: int
    per_dataset: int
    slots: int

    @property
    def private_slots(self) -> int:
        """Of several places, one is reserved for mock runs, so that a long run never delays a short one."""
        return max(1, self.slots - 1)


def fair_order(waiting: Iterable[Waiting[Id]], busy: Sequence[Busy[Id]], now: datetime) -> list[Waiting[Id]]:
    """Return the runs in queue order: mock runs first, then people in turn. Runs in progress count as turns taken."""
    turns = Counter(run.person for run in busy)
    keyed = []
    for run in sorted(waiting, key=lambda one: (_rank(one, now), one.since)):
        turns[run.person] += 1
        keyed.append(((_rank(run, now), turns[run.person], run.since), run))
    return [run for _, run in sorted(keyed, key=lambda pair: pair[0])]


def _rank(run: Waiting[Id], now: datetime) -> int:
    return 0 if run.is_mock or now - run.since > AGEING else 1


STEPS = (
    (timedelta(minutes=1), "less than a minute"),
    (timedelta(minutes=5), "a few minutes"),
    (timedelta(minutes=15), "about ten minutes"),
    (timedelta(minutes=45), "about half an hour"),
    (timedelta(hours=2), "an hour or two"),
)


def estimate(*, ahead: int, in_hand: int, slots: int, typical: timedelta) -> str:
    """Return in coarse words how long a run may wait: the rounds ahead of it, at the usual length of a run."""
    wait = typical * ((in_hand + ahead) // max(1, slots))
    return next((words for limit, words in STEPS if wait < limit), "several hours")


def could_hear(listener: Party[Id], secret: Party[Id]) -> bool:
    """Return whether the log of `listener`, read unchecked, could give somebody what `secret` reads in private rows.

    Whoever asked for a mock run reads its log at once; the staff of a dataset read the logs of runs on it. A leak takes
    an author and a log reader of `listener` who are both connected with the dataset of `secret`; under strict
    isolation, any log reader who does not read the log of `secret` anyway.
    """
    if secret.is_mock:
        return False
    if listener.is_mock:
        return secret.strict or not listener.steered_by.isdisjoint(secret.people)
    readers = listener.staff - secret.staff
    if secret.strict:
        return bool(readers)
    return listener.writer in secret.people and bool(readers & secret.people)


def must_not_overlap(one: Party[Id], other: Party[Id]) -> bool:
    return could_hear(one, other) or could_hear(other, one)


def neighbours(run: Party[Id], busy: Iterable[Busy[Id]], kernel: str) -> list[Busy[Id]]:
    """Return the runs in progress on this kernel that this one must not overlap with. An unknown kernel may be any."""
    near = (other for other in busy if kernel == other.kernel or not kernel or not other.kernel)
    return [other for other in near if must_not_overlap(run, other)]


def startable(
    waiting: Sequence[Waiting[Id]], busy: Sequence[Busy[Id]], caps: Caps, now: datetime, kernel: str = ""
) -> list[Waiting[Id]]:
    """Return the waiting runs that may start on this kernel now, in queue order."""
    return [
        run
        for run in fair_order(waiting, busy, now)
        if hold_in_turn(run, waiting, busy, caps, now, kernel) is None
    ]


def hold_in_turn(
    run: Waiting[Id],
    waiting: Iterable[Waiting[Id]],
    busy: Sequence[Busy[Id]],
    caps: Caps,
    now: datetime,
    kernel: str = "",
) -> Hold | None:
    """Return what keeps this run from starting on this kernel now; None when nothing does.

    For all runs behind it, a run that has waited longer than AGEING, and only for neighbours, counts as started: its
    neighbours end within their limits, and no new ones start. The order is by age, except that mock runs that were
    passed by a run on private data go before the next such run, so that both kinds alternate.
    """
    if (why := hold(run, busy, caps, kernel)) is not None:
        return why
    owed = [
        Busy(**{name: getattr(other, name) for name in _OF_A_PARTY})
        for other in waiting
        if _age(other) < _age(run) and now - other.since > AGEING and _limit(other, busy, caps) is None
    ]
    return Hold.TURN if owed and hold(run, [*busy, *owed], caps, kernel) is not None else None


def _age(run: Waiting[Id]) -> tuple[bool, datetime]:
    return not run.passed, run.since


def hold(run: Waiting[Id], busy: Sequence[Busy[Id]], caps: Caps, kernel: str = "") -> Hold | None:
    """Return what keeps this run from starting on this kernel now, even if it were first; None when nothing does."""
    if (why := _limit(run, busy, caps)) is not None:
        return why
    return Hold.NEIGHBOUR if neighbours(run, busy, kernel) else None


def _limit(run: Waiting[Id], busy: Sequence[Busy[Id]], caps: Caps) -> Hold | None:
    """Return which limit on concurrent runs holds this run back."""
    if sum(other.person == run.person for other in busy) >= caps.per_person:
        return Hold.PERSON
    if run.is_mock:
        return None
    private = [other for other in busy if not other.is_mock]
    if sum(other.dataset == run.dataset for other in private) >= caps.per_dataset:
        return Hold.DATASET
    return Hold.RESERVED if len(private) >= caps.private_slots else None
