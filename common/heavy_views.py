"""Views that cost more than a page: a few at once for the whole portal, fewer for each person.

A browser asks for six things at once, and pages with many fragments do, so some of them may wait. Fewer wait than there
are places at the turnstile: cheap pages always get through.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar, cast

from django.db import connection
from django.http import HttpResponseBase

from common.admission import Turns
from common.http import UserRequest

View = TypeVar("View", bound=Callable[..., HttpResponseBase])

COMPUTING = Turns(at_once=4, each=2, waiting=6, each_waiting=4)
"""Comparing and colouring code, parsing SQL, pricing, drawing mock rows, exports."""
SANDBOXED = Turns(
    at_once=2, each=1, waiting=6, each_waiting=5, busy="Many files are being looked at just now."
)
"""Each opens a sandbox to decode what a run wrote."""
WAIT_SECONDS = 15.0


@contextmanager
def turn(turns: Turns, request: UserRequest) -> Iterator[None]:
    """This person's turn. Who has to wait for it gives their connection to the database back meanwhile."""
    with turns.turn(request.user.pk, seconds=WAIT_SECONDS, before_waiting=hang_up):
        yield


def computing(view: View) -> View:
    """A view that computes for long: it is called when this person's turn has come."""

    @wraps(view)
    def in_turn(request: UserRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with turn(COMPUTING, request):
            return view(request, *args, **kwargs)

    return cast("View", in_turn)


def hang_up() -> None:
    """Give this thread's connection to the database back; the next query opens another one."""
    if not connection.in_atomic_block:
        connection.close()
