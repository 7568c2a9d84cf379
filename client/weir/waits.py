"""Waiting for an object of the portal: the portal holds the first look back, then says when to look again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from weir.errors import PortalFailed, TooManyCalls, Unreachable, WeirError
from weir.progress import Progress
from weir.transport import LONGEST_WAIT, Transport

RECONNECT = 2.0
MOST_STREAMS = 10_000
"""How often one connects again. A stream lasts up to an hour."""


@dataclass(frozen=True)
class Wait:
    """What is waited for. `key`: its name among events, such as run:ID; `path`: where it is read.

    `again`: how to come back to it, as code. `is_held`: the portal can hold an answer back until it is over. `part`:
    which part of it is done, if that is known.
    """

    key: str
    path: str
    what: str
    again: str
    is_over: Callable[[Any], bool]
    says: Callable[[Any], str]
    is_held: bool = True
    part: Callable[[Any], float | None] = lambda _: None


def waited(transport: Transport, wait: Wait, found: Any, *, quiet: bool = False) -> Any:
    """Return the details of an object once they say that it is over. Ctrl-C leaves the object alone."""
    with Progress(wait.what, quiet=quiet) as progress:
        try:
            if wait.is_over(found):
                return found
            progress.show(wait.says(found), wait.part(found))
            for each in _looks(transport, wait):
                if wait.is_over(each):
                    return each
                progress.show(wait.says(each), wait.part(each))
        except KeyboardInterrupt:
            progress.stream.write(f"\nIt continues without you. Come back to it with {wait.again}\n")
            raise
    raise WeirError(f"{wait.what} takes too long to wait for here. Come back to it later: {wait.again}.")


def _looks(transport: Transport, wait: Wait) -> Iterator[Any]:
    if wait.is_held:
        yield transport.get(wait.path, wait=LONGEST_WAIT)
    for _ in _signs(transport, wait.key):
        yield transport.get(wait.path)


def _signs(transport: Transport, key: str) -> Iterator[None]:
    """Yield whenever it is worth looking: at each event and sign of life of the stream, and before a new stream."""
    for _ in range(MOST_STREAMS):
        with contextlib.suppress(Unreachable, TooManyCalls, PortalFailed):
            for _ in transport.events(key):
                yield
        transport.sleep(RECONNECT)
        yield
