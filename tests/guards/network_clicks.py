"""What admins send from the pages about other portals."""

from collections.abc import Callable
from uuid import UUID, uuid4

from django.utils import timezone

from accounts.models import User
from datasets.models import Dataset
from network.models import Admission, AskedElsewhere, LogAlarm, Peer
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


def _alarm() -> Click:
    peer = connected.peer("active")
    found = LogAlarm.objects.create(
        peer=peer, kind="split", origin="b.example/log/1", known="", shown="", shown_by="c.example"
    )
    return Click(make.admin(), found.pk)


NETWORK: dict[str, Callable[[Cast], Click]] = {
    "network:set_up": lambda c: Click(make.admin(), data={"name": "Hospital A"}, done=frozenset({200})),
    "network:keep": lambda c: _own(_not_kept, kept="on"),
    "network:rename": lambda c: _own(name="Hospital Z"),
    "network:be_directory": lambda c: _own(is_directory="on"),
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
    "network:mark_alarm": lambda c: _alarm(),
}
"""Two of them meet a portal that does not answer: they end after the rule, as they would if it answered."""


def peer(by: User, name: str = "Hospital B") -> Peer:
    """Another portal that is active."""
    known = {"confirmed_by": by, "confirmed_at": timezone.now(), "recovery": bytes(32)}
    return Peer.objects.create(url="https://b.example", name=name, state=Peer.State.ACTIVE, **known)


def admission(by: User, dataset: Dataset, portal: Peer | None = None, name: str = "Gala Guest") -> Admission:
    """Somebody of another portal who waits for an admin."""
    return Admission.objects.create(
        peer=portal or peer(by),
        remote_id="x" * 20,
        key=uuid4(),
        name=name,
        told_email="gala@b.example",
        dataset=dataset,
        purpose="To know.",
        outputs="Means.",
    )


def waiting(dataset: Dataset) -> tuple[User, UUID]:
    """An admin, and the id of somebody who waits for them."""
    admin = make.admin()
    return admin, admission(admin, dataset).pk


def asked_elsewhere(by: User, portal: Peer, title: str) -> AskedElsewhere:
    """What somebody here has asked another portal for."""
    told = {"remote_id": "y" * 20, "key": uuid4(), "purpose": "To know.", "outputs": "Means."}
    return AskedElsewhere.objects.create(user=by, peer=portal, dataset=uuid4(), title=title, **told)


def everything(dataset: Dataset, mark: str) -> None:
    """Another portal, somebody of it who waits, and what the owner of this dataset asked for there."""
    admin = make.admin()
    portal = peer(admin, f"{mark} Hospital")
    Peer.objects.update(state=Peer.State.SUSPENDED)  # those that are active are known to all
    admission(admin, dataset, portal, f"{mark} Guest")
    asked_elsewhere(dataset.owner, portal, f"{mark} there")
