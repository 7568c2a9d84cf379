"""Limits on expensive views: a few at a time in the whole portal, fewer for each person.

A browser sends up to six requests at once, and pages with many fragments make use of that, so some requests may wait.
Fewer can wait than the server takes requests (portal.request_limits), so cheap pages always get through.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from django.db import connection
from django.http import HttpResponseBase

from common.admission import Turns
from common.http import UserRequest

if TYPE_CHECKING:
    from accounts.models import User

View = TypeVar("View", bound=Callable[..., HttpResponseBase])

COMPUTING = Turns(at_once=4, each=2, waiting=6, each_waiting=4)
"""Views that compare and highlight code, parse SQL, price questions, make mock data or export."""
SANDBOXED = Turns(
    at_once=2, each=1, waiting=6, each_waiting=5, busy="The portal is opening many other files at the moment."
)
"""Views that open a sandbox, to decode what a run wrote or to read private rows."""
WAIT_SECONDS = 15.0


class OfSomebody(Protocol):
    """A request of a page or a call of the API: whatever has a person."""

    @property
    def user(self) -> "User": ...


@contextmanager
def turn(turns: Turns, request: OfSomebody) -> Iterator[None]:
    """Wait for this person's turn and hold it. While waiting, the thread keeps no database connection."""
    with turns.turn(request.user.pk, seconds=WAIT_SECONDS, before_waiting=close_connection):
        yield


def computing(view: View) -> View:
    """Decorate a view that computes for long: it runs when this person's turn has come. Raises Busy if it does not."""

    @wraps(view)
    def in_turn(request: UserRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with turn(COMPUTING, request):
            return view(request, *args, **kwargs)

    return cast("View", in_turn)


def close_connection() -> None:
    """Close this thread's database connection; the next query opens another one."""
    if not connection.in_atomic_block:
        connection.close()
