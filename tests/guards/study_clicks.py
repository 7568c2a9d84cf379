"""What owners and scientists send from the pages of studies."""

from collections.abc import Callable

from network.models import Peer
from studies.models import Study
from tests import make
from tests.guards.click import Click
from tests.guards.everything import Cast
from tests.makers import network as connected
from tests.makers import studies as makers

REASON = {"reason": "Because."}
ASKED = {"source": "form", "measure": "people", "goal": "share", "share": "5"}
URL = "https://b.example.org"


def _peer() -> Peer:
    connected.set_up()
    return Peer.objects.filter(url=URL).first() or connected.peer("active")


def _founded() -> Study:
    """A study of an owner here, which another portal has joined."""
    return makers.study(_peer())


def _of_founder(data: dict[str, str], *, done: int = 302) -> Click:
    study = _founded()
    return Click(study.participation.dataset.owner, study.pk, data, done=frozenset({done}))


def _invited(data: dict[str, str], *, done: int = 302) -> Click:
    return Click(make.owner(), makers.invited(_peer()).pk, data, done=frozenset({done}))


def _asking(data: dict[str, str], *, done: int) -> Click:
    """A scientist who asks a portal that does not answer: the page says so."""
    return Click(make.scientist(), _founded().pk, data, done=frozenset({done}))


def _stopped() -> Click:
    person = make.scientist()
    return Click(person, makers.joint_answer(_founded(), person).pk)


STUDIES: dict[str, Callable[[Cast], Click]] = {
    "studies:found": lambda c: Click(c.person, done=frozenset({200})),
    "studies:join": lambda c: _invited({}, done=200),
    "studies:rely": lambda c: _of_founder({"then": "review"}, done=200),
    "studies:decline": lambda c: _invited(REASON),
    "studies:leave": lambda c: _of_founder(REASON),
    "studies:end": lambda c: _of_founder(REASON),
    "studies:ask": lambda c: _asking(ASKED, done=200),
    "studies:price": lambda c: _asking(ASKED, done=200),
    "studies:stop": lambda c: _stopped(),
}
