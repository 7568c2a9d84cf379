"""This portal's own identity, as admins set it up and change it."""

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from audit import log
from common.access import require
from common.errors import Conflict
from network import identity, rules
from network.models import Identity, IdentityKey, Peer


@transaction.atomic
def set_up(name: str, *, by: User) -> str:
    """Make this portal's identity; return the private recovery key as text. It is shown once and not stored.

    As long as nobody has confirmed that the recovery key is kept, and no portal is known, this begins again with new
    keys. Raises Conflict after that.
    """
    require(rules.may_manage, by)
    old = Identity.objects.select_for_update().first()
    if old is not None:
        if old.kept_at is not None or Peer.objects.known().exclude(state=Peer.State.WAITING).exists():
            raise Conflict("This portal has an identity already.")
        IdentityKey.objects.all().delete()
        old.delete()
    return identity.set_up(name, by=by)


@transaction.atomic
def keep_recovery_key(*, by: User) -> None:
    """Confirm that the recovery key is kept: from then on, portals can be introduced."""
    require(rules.may_manage, by)
    own = Identity.objects.select_for_update().first()
    if own is None or own.kept_at is not None:
        raise Conflict("There is no recovery key that waits to be kept.")
    own.kept_at = timezone.now()
    own.save(update_fields=["kept_at"])
    log.record("network.identity.keep", by=by, on=own)


def rename(name: str, *, by: User) -> None:
    """Change the name under which other portals show this one. Their admins accept it or refuse it."""
    require(rules.may_manage, by)
    identity.rename(name, by=by)


def be_directory(*, is_directory: bool, by: User) -> None:
    """Say whether this portal tells each portal that it works with of the others."""
    require(rules.may_manage, by)
    identity.be_directory(is_directory=is_directory, by=by)


def rotate(*, by: User) -> None:
    """Replace the key that this portal signs with. Other portals take it over by themselves."""
    require(rules.may_manage, by)
    identity.rotate(by=by)


def recover(recovery_key: str, *, by: User) -> None:
    """Replace a key that was lost or stolen, with the recovery key. The old key stops counting at once."""
    require(rules.may_manage, by)
    identity.recover(recovery_key, by=by)
