"""People signed in to the running portal by the client."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import weir
from accounts.models import User
from tests.rest import bearer
from weir.portal import Portal

AUTHOR = ("read", "ask", "work")
OWNER = ("read", "publish", "review")


def token(person: User, *scopes: str) -> str:
    return bearer(person, *scopes)["Authorization"].removeprefix("Bearer ")


@contextmanager
def signed_in(live: SimpleNamespace, *people: tuple[User, tuple[str, ...]]) -> Iterator[list[Portal]]:
    """Each of them at the portal, with a token of these scopes."""
    with ExitStack() as opened:
        yield [
            opened.enter_context(weir.login(live.url, token(person, *scopes), quiet=True))
            for person, scopes in people
        ]
