"""Valid clicks on the pages about guests of other portals."""

from uuid import UUID, uuid4

from django.utils import timezone

from accounts.models import User
from datasets.models import Dataset
from network.models import Admission, AskedElsewhere, Peer
from tests import make


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
