"""Objects of the portal with an address of their own, and lists of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar
from uuid import UUID

from weir import cards
from weir.errors import NotFound
from weir.transport import Transport

MOST_LISTED = 10_000


class Thing:
    """An object of the portal. `details` is what was read of it last; `refresh()` reads it again."""

    path = ""
    """The address of its kind below the API's, such as runs/."""
    shown: tuple[str, ...] = ("state",)
    """What a notebook's card shows of its details."""

    def __init__(self, transport: Transport, details: Mapping[str, Any], *, quiet: bool = False) -> None:
        self._transport, self.details, self._quiet = transport, dict(details), quiet

    @property
    def id(self) -> str:
        return str(self.details["id"])

    @property
    def state(self) -> str:
        """What has become of it, as one word."""
        return str(self.details.get("state", ""))

    @property
    def _address(self) -> str:
        return f"{self.path}{self.id}/"

    def refresh(self: T) -> T:
        """Read it again from the portal."""
        self.details = dict(self._transport.get(self._address))
        return self

    def _detail(self, name: str) -> Any:
        """Return a detail. Lists leave some out: with these, the object is read when the first is needed."""
        if name not in self.details:
            self.refresh()
        return self.details.get(name)

    def _act(self: T, step: str, body: Mapping[str, Any] | None = None) -> T:
        """Take a step that answers with the object as it is now."""
        self.details = dict(self._transport.post(f"{self._address}{step}/", body).content)
        return self

    def __repr__(self) -> str:
        title = str(self.details.get("title") or self.details.get("name") or self.id)
        return f"{type(self).__name__}: {title}{', ' if self.state else ''}{self.state}"

    def _repr_html_(self) -> str:
        return cards.facts(repr(self), self._facts)

    @property
    def _facts(self) -> list[tuple[str, object]]:
        return [(name, self.details[name]) for name in self.shown if self.details.get(name)]


T = TypeVar("T", bound=Thing)


class Things(Generic[T]):
    """Objects of one kind, the newest first: iterate over them, or take one by its id."""

    def __init__(self, transport: Transport, path: str, make: Callable[[Mapping[str, Any]], T]) -> None:
        self._transport, self._path, self._make = transport, path, make

    def __iter__(self) -> Iterator[T]:
        return self._found({})

    def where(self, **filters: str) -> list[T]:
        """Return those that the portal finds, such as `portal.requests.where(state="approved")`."""
        return list(self._found(filters))

    def __getitem__(self, id: str) -> T:  # noqa: A002 -- its name everywhere
        """Return one by its id."""
        return self._make(self._transport.get(f"{self._path}{checked_id(id)}/"))

    def _found(self, filters: Mapping[str, str]) -> Iterator[T]:
        for number, each in enumerate(self._transport.items(self._path, **filters)):
            if number >= MOST_LISTED:
                return
            yield self._make(each)

    def __repr__(self) -> str:
        return f"{self._path.strip('/').capitalize()}: iterate over them, or take one by its id"


def checked_id(text: str) -> str:
    """Return an id as the API writes it. Raises NotFound for what cannot be one."""
    try:
        return str(UUID(str(text)))
    except ValueError:
        raise NotFound(
            f"“{str(text)[:80]}” is not an id. Ids look like 0a1b2c3d-… and are listed by iterating."
        ) from None
