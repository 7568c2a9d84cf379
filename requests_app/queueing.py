"""Which run is next: the order of the queue and what holds a run back. Pure, so that pages and workers agree."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, TypeVar

Id = TypeVar("Id")

AGEING = timedelta(minutes=10)
"""A private run that has waited this long no longer lets mock runs pass."""


class Hold(StrEnum):
    """Why a run is not next although a worker is free."""

    PERSON = "person"
    DATASET = "dataset"
    RESERVED = "reserved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting(Generic[Id]):
    """A queued run: whose, on what, and since when."""

    run: Id
    person: Id
    dataset: Id
    is_mock: bool
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy(Generic[Id]):
    """A run that a worker has in hand."""

    person: Id
    dataset: Id
    is_mock: bool


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


def hold(run: Waiting[Id], busy: Sequence[Busy[Id]], caps: Caps) -> Hold | None:
    """What keeps this run from starting now even if it were first; None when nothing does."""
    if sum(other.person == run.person for other in busy) >= caps.per_person:
        return Hold.PERSON
    if run.is_mock:
        return None
    private = [other for other in busy if not other.is_mock]
    if sum(other.dataset == run.dataset for other in private) >= caps.per_dataset:
        return Hold.DATASET
    return Hold.RESERVED if len(private) >= caps.private_slots else None
