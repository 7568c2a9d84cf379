"""What portals of a study tell each other about it, each with a closed list of fields. Pure."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar
from uuid import UUID

from common.errors import Refused
from network.documents import Fields
from privacy.engine.measure.contributions import CAP
from studies import documents

MOST_NUMBER = 2**31 - 1
MOST_PEOPLE = 10**10
LONGEST_TROUBLE = 300
JOINED = "joined"
STATES = (JOINED, "declined", "left")
PERSON = (16, 64)
"""The shortest and the longest id by which a portal names one of its people to another one."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A portal's part in a study. `number` grows with each word. Without a dataset unless it takes part."""

    number: int
    state: str
    dataset: UUID | None
    dataset_title: str
    public_size: int | None

    @property
    def document(self) -> dict[str, Any]:
        return {**asdict(self), "dataset": None if self.dataset is None else str(self.dataset)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """A person's budget at a portal. `left`: of CAP units; `mu` as floats write it in hexadecimal."""

    mu: float
    left: int
    delta: float
    noise_delta: float

    @property
    def document(self) -> dict[str, Any]:
        return {
            "mu": self.mu.hex(),
            "left": self.left,
            "delta": repr(self.delta),
            "noise_delta": repr(self.noise_delta),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """How a person stands at a portal of a study. `trouble`: why they cannot ask there, empty if they can.

    `relies_on`: addresses of the portals that its owner counts on and that count at present.
    """

    takes_part: bool
    dataset: UUID | None
    dataset_title: str
    public_size: int | None
    trouble: str
    budget: Allowance | None
    relies_on: tuple[str, ...]

    @property
    def document(self) -> dict[str, Any]:
        return {
            "takes_part": self.takes_part,
            "dataset": None if self.dataset is None else str(self.dataset),
            "dataset_title": self.dataset_title,
            "public_size": self.public_size,
            "trouble": self.trouble,
            "budget": None if self.budget is None else self.budget.document,
            "relies_on": list(self.relies_on),
        }


def study(document: Mapping[str, Any]) -> str:
    """Read an invitation: the text of a study's document, not read yet. Raises Refused."""
    return _read(lambda: str(Fields(document, ("study",)).take("study", str)))


def reason(document: Mapping[str, Any]) -> str:
    """Read why a study has ended. Raises Refused."""
    return _read(lambda: Fields(document, ("reason",)).text("reason", 1, 500))


def person(document: Mapping[str, Any]) -> str:
    """Read of which person the standing is asked. Raises Refused."""
    return _read(lambda: Fields(document, ("person",)).text("person", *PERSON))


def word(document: Mapping[str, Any]) -> Word:
    """Read a portal's part in a study. Raises Refused."""
    return _read(
        lambda: _word(Fields(document, ("number", "state", "dataset", "dataset_title", "public_size")))
    )


def stand(document: Mapping[str, Any]) -> Stand:
    """Read how a person stands at another portal. Raises Refused."""
    names = ("takes_part", "dataset", "dataset_title", "public_size", "trouble", "budget", "relies_on")
    return _read(lambda: _stand(Fields(document, names)))


def _word(fields: Fields) -> Word:
    state = fields.take("state", str)
    if state not in STATES:
        raise ValueError("its field “state” is none that portals tell")
    dataset, title, size = _dataset(fields)
    if (state == JOINED) != (dataset is not None):
        raise ValueError("a portal has a dataset in a study exactly while it takes part")
    number = fields.number("number", 1, MOST_NUMBER)
    return Word(number=number, state=state, dataset=dataset, dataset_title=title, public_size=size)


def _stand(fields: Fields) -> Stand:
    dataset, title, size = _dataset(fields)
    takes_part = bool(fields.take("takes_part", bool))
    budget = fields.take("budget", dict | None)
    if takes_part != (dataset is not None):
        raise ValueError("a portal has a dataset in a study exactly while it takes part")
    return Stand(
        takes_part=takes_part,
        dataset=dataset,
        dataset_title=title,
        public_size=size,
        trouble=fields.text("trouble", 0, LONGEST_TROUBLE),
        budget=None if budget is None else _allowance(Fields(budget, ("mu", "left", "delta", "noise_delta"))),
        relies_on=fields.many("relies_on", documents.address_of, 0, documents.MOST_PORTALS),
    )


def _dataset(fields: Fields) -> tuple[UUID | None, str, int | None]:
    """Return the id, title and public size of a dataset, or none of them."""
    if fields.take("dataset", str | None) is None:
        if fields.take("dataset_title", str) or fields.take("public_size", int | None) is not None:
            raise ValueError("it tells of a dataset without its id")
        return None, "", None
    found = documents.id_of(fields.take("dataset", str))
    return found, fields.text("dataset_title", 1, 200), fields.number("public_size", 1, MOST_PEOPLE)


def _allowance(fields: Fields) -> Allowance:
    mu = float.fromhex(fields.take("mu", str))
    delta, noise_delta = (documents.number(fields.take(name, str)) for name in ("delta", "noise_delta"))
    if not (math.isfinite(mu) and mu > 0 and 0 < noise_delta <= delta < 1):
        raise ValueError("its budget has no size, or is not within a promise")
    return Allowance(mu=mu, left=fields.number("left", 0, CAP), delta=delta, noise_delta=noise_delta)


def _read(build: Callable[[], T]) -> T:
    try:
        return build()
    except ValueError as bad:
        raise Refused(f"This cannot be read: {bad}.") from bad
