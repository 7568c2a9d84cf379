"""What admins send from the pages about other portals."""

from collections.abc import Callable

from django.utils import timezone

from network.services import own, pins
from tests import make
from tests.guards.click import Click
from tests.guards.everything import Cast
from tests.makers import network as connected

REASON = {"reason": "Because."}
NOBODY = "http://127.0.0.1:9"
"""An address at which no portal answers: the form says so."""


def _set_up() -> None:
    connected.set_up()


def _not_kept() -> None:
    own.set_up("Hospital A", by=make.admin())


def _of_peer(state: str, data: dict[str, str] | None = None, **fields: object) -> Click:
    return Click(make.admin(), connected.peer(state, **fields).pk, data or {})


def _recovered() -> Click:
    _set_up()
    peer = connected.peer(recovered_at=timezone.now())
    data = {"fingerprint": pins.fingerprint(peer), "compared_with": "Bo Boss", "compared": "on"}
    return Click(make.admin(), peer.pk, data)


def _own(prepare: Callable[[], None] = _set_up, *, done: int = 302, **data: str) -> Click:
    prepare()
    return Click(make.admin(), data=data, done=frozenset({done}))


def _recover() -> Click:
    key = connected.set_up()
    return Click(make.admin(), data={"recovery_key": key})


NETWORK: dict[str, Callable[[Cast], Click]] = {
    "network:set_up": lambda c: Click(make.admin(), data={"name": "Hospital A"}, done=frozenset({200})),
    "network:keep": lambda c: _own(_not_kept, kept="on"),
    "network:rename": lambda c: _own(name="Hospital Z"),
    "network:rotate": lambda c: _own(),
    "network:recover": lambda c: _recover(),
    "network:introduce": lambda c: _own(done=422, address=NOBODY),
    "network:confirm": lambda c: _own(
        done=400, address=NOBODY, fingerprint="0000", compared_with="Bo Boss", compared="on"
    ),
    "network:dismiss": lambda c: _of_peer("waiting"),
    "network:ask_again": lambda c: _of_peer("invited"),
    "network:call_now": lambda c: _of_peer("active"),
    "network:compare": lambda c: _recovered(),
    "network:change": lambda c: _of_peer(
        "active", {"verdict": "accept", "name": "Hospital C"}, wished={"name": "Hospital C"}
    ),
    "network:suspend": lambda c: _of_peer("active", REASON),
    "network:resume": lambda c: _of_peer("suspended", REASON, suspended_by=make.admin()),
    "network:remove": lambda c: _of_peer("active", REASON),
}
"""Two of them meet a portal that does not answer: they end after the rule, as they would if it answered."""
