"""Which run is next: the order of the queue and what holds a run back. Pure, so that pages and workers agree.

Two runs on one kernel can signal to each other, by load and by what the kernel counts for all. So a run on private
data never overlaps there with a run whose log somebody reads unchecked who could profit: see `could_hear`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, TypeVar

Id = TypeVar("Id")

AGEING = timedelta(minutes=10)
"""A run that has waited this long lets nothing pass any more that would make it wait longer."""


class Hold(StrEnum):
    """Why a run is not next although a worker is free."""

    PERSON = "person"
    DATASET = "dataset"
    RESERVED = "reserved"
    NEIGHBOUR = "neighbour"
    """Beside a run that is under way, one of the two could hear the other."""
    TURN = "turn"
    """A run that has waited longer would wait longer still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party(Generic[Id]):
    """A run, as far as the queue goes: whose, on what, and who could hear it or listen with it."""

    person: Id
    dataset: Id
    is_mock: bool
    author: Id | None = None
    """Who wrote the code, if that is not who asked for the run."""
    staff: frozenset[Id] = frozenset()
    """Who reads the log of a run on this dataset's private rows: its owner and reviewers."""
    people: frozenset[Id] = frozenset()
    """Everybody who has to do with the dataset, the staff included."""
    strict: bool = False
    """Runs on this dataset's private rows stay apart from everybody's trials."""

    @property
    def writer(self) -> Id:
        return self.person if self.author is None else self.author


_OF_A_PARTY = tuple(field.name for field in fields(Party))


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting(Party[Id]):
    """A queued run, and since when it waits."""

    run: Id
    since: datetime
    passed: bool = False
    """A trial: while it waited, a run has begun beside which it must not be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy(Party[Id]):
    """A run that has a place, on which kernel, and when it ends at the latest."""

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
        """One place of several is kept for mock runs, so that a long run never holds up a short one."""
        return max(1, self.slots - 1)


def fair_order(waiting: Iterable[Waiting[Id]], busy: Sequence[Busy[Id]], now: datetime) -> list[Waiting[Id]]:
    """Short mock runs first; then turn by turn between people, what they have in hand counting as turns taken."""
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
    """How long a run may wait, in coarse words: so many rounds of the workers at the time that runs usually take."""
    wait = typical * ((in_hand + ahead) // max(1, slots))
    return next((words for limit, words in STEPS if wait < limit), "several hours")


def could_hear(listener: Party[Id], secret: Party[Id]) -> bool:
    """Whether the log of `listener`, read unchecked, could bring to somebody what `secret` reads off private rows.

    The log of a trial is its author's at once; that of a run on another dataset is read by that dataset's staff. It
    takes code by one person and a reader of its log who both have to do with the secret's dataset; with strict
    isolation, any reader who does not read the secret's own log.
    """
    if secret.is_mock:
        return False
    if listener.is_mock:
        return secret.strict or listener.writer in secret.people
    readers = listener.staff - secret.staff
    if secret.strict:
        return bool(readers)
    return listener.writer in secret.people and bool(readers & secret.people)


def must_not_overlap(one: Party[Id], other: Party[Id]) -> bool:
    return could_hear(one, other) or could_hear(other, one)


def neighbours(run: Party[Id], busy: Iterable[Busy[Id]], kernel: str) -> list[Busy[Id]]:
    """The runs under way on this kernel beside which this one must not start. An unknown kernel may be any."""
    near = (other for other in busy if kernel == other.kernel or not kernel or not other.kernel)
    return [other for other in near if must_not_overlap(run, other)]


def startable(
    waiting: Sequence[Waiting[Id]], busy: Sequence[Busy[Id]], caps: Caps, now: datetime, kernel: str = ""
) -> list[Waiting[Id]]:
    """Those of the waiting runs that may start on this kernel now, in the order of their turn."""
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
    """What keeps this run from starting on this kernel now; None when nothing does.

    A run that has waited longer than AGEING, and waits for neighbours alone, counts for all whose turn is later as if
    it had begun: what is under way beside it ends within its limits, and nothing new comes in between. The turn is by
    age; but trials that have let a run on private data pass go before the next one, so that both kinds alternate.
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
    """What keeps this run from starting on this kernel now even if it were first; None when nothing does."""
    if (why := _limit(run, busy, caps)) is not None:
        return why
    return Hold.NEIGHBOUR if neighbours(run, busy, kernel) else None


def _limit(run: Waiting[Id], busy: Sequence[Busy[Id]], caps: Caps) -> Hold | None:
    """Which limit on how much may run at once keeps this run back."""
    if sum(other.person == run.person for other in busy) >= caps.per_person:
        return Hold.PERSON
    if run.is_mock:
        return None
    private = [other for other in busy if not other.is_mock]
    if sum(other.dataset == run.dataset for other in private) >= caps.per_dataset:
        return Hold.DATASET
    return Hold.RESERVED if len(private) >= caps.private_slots else None
