"""This portal's identity: its keys, and the card that it shows to other portals."""

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from accounts.rules import is_admin
from audit import log
from audit.models import LogKey
from common import sealing
from common.access import require
from common.errors import Conflict, Refused
from network import cards, wireguard
from network.cards import KEY_OVERLAP, Card, CardKey, Voucher
from network.models import Identity, IdentityKey

PURPOSE = "weir/network-key/1"
PROTOCOLS = ("weir-net/1",)
DIRECTORY = "directory"
"""The role of a portal that tells others of each other."""
SIGNED_AGAIN_AFTER = timedelta(days=cards.CARD_DAYS) / 3
KNOWN_AFTER = timedelta(hours=1)
"""A new key signs calls after this time: until then the one before it does, for other portals to see the card."""
MOST_AT_ONCE = 4
"""Keys that count at the same time."""
VOUCHERS_SHOWN = timedelta(days=366)
RECOVERY_LETTERS = 52
"""Letters and digits of a recovery key: 32 bytes in base32."""
MISREAD = str.maketrans("018", "OIB")
"""Digits that base32 does not have, and the letters that they were read from."""


class NotSetUp(Refused):
    """This portal has no identity yet."""

    def __init__(self) -> None:
        super().__init__("This portal has no identity yet. An admin sets it up on the page “Network”.")


def exists() -> bool:
    """Return whether an admin has set up this portal's identity."""
    return Identity.objects.exists()


def set_up(name: str, *, by: User) -> str:
    """Make this portal's keys, and return the private recovery key, to be shown once and printed.

    Raises Denied for those who are no admin; Conflict if there is an identity; Refused for a name that cannot be shown.
    """
    require(is_admin, by)
    if not cards.is_address(settings.BASE_URL):
        raise Refused(f"Other portals cannot call {settings.BASE_URL}. Its host has to change WEIR_BASE_URL.")
    recovery = Ed25519PrivateKey.generate()
    with transaction.atomic():
        identity, is_new = Identity.objects.get_or_create(
            pk=Identity.ONLY,
            defaults={"name": _name(name), "recovery": recovery.public_key().public_bytes_raw()},
        )
        if not is_new:
            raise Conflict("This portal has an identity already.")
        key = _begin(timezone.now())
        log.record("network.identity.set_up", by=by, on=identity, key=cards.key_id(bytes(key.public)))
        _sign(identity)
    return _grouped(recovery)


def own_card() -> Card:
    """Return this portal's card. Raises NotSetUp."""
    return cards.read(own_card_text())


def own_card_text() -> str:
    """Return the signed card, signed again if a third of its life is over or what it says has changed.

    Raises NotSetUp; Conflict if it has to be signed and the key cannot be opened.
    """
    identity = _identity()
    if _is_due(identity):
        with transaction.atomic():
            identity = Identity.objects.select_for_update().get()
            if _is_due(identity):
                _sign(identity)
    return identity.card


def fingerprint() -> str:
    """Return what admins compare with another portal's admin. Raises NotSetUp."""
    return cards.fingerprint(own_card())


def rename(name: str, *, by: User) -> None:
    """Change the institution's name. Other portals show the new one when one of their admins has confirmed it.

    Raises NotSetUp; Denied for those who are no admin; Refused for a name that cannot be shown.
    """
    with _changing(by) as identity:
        old, identity.name = identity.name, _name(name)
        identity.save(update_fields=["name"])
        log.record("network.identity.rename", by=by, on=identity, changes={"name": (old, identity.name)})
        _sign(identity)


def be_directory(*, is_directory: bool, by: User) -> None:
    """Say whether this portal is a directory. Raises NotSetUp; Denied for those who are no admin."""
    with _changing(by) as identity:
        old, identity.is_directory = identity.is_directory, is_directory
        identity.save(update_fields=["is_directory"])
        log.record(
            "network.identity.directory",
            by=by,
            on=identity,
            changes={"directory": (old, identity.is_directory)},
        )
        _sign(identity)


def rotate(*, by: User) -> None:
    """Begin a new key. The one before it signs for it, and counts for two more days.

    Raises NotSetUp; Denied for those who are no admin; Conflict if the key cannot be opened, or was changed too often.
    """
    with _changing(by) as identity:
        now = timezone.now()
        if len(_counting(now)) >= MOST_AT_ONCE:
            raise Conflict(
                f"The key was changed {MOST_AT_ONCE - 1} times within two days. Change it again later."
            )
        old = IdentityKey.objects.get(until=None)
        key = _begin(now, vouched_for_by=_opened(old), epoch=identity.epoch, overlap=KEY_OVERLAP)
        log.record("network.identity.rotate", by=by, on=identity, key=cards.key_id(bytes(key.public)))
        _sign(identity)


def recover(recovery_text: str, *, by: User) -> None:
    """Replace all keys with the recovery key, because one was stolen or lost. Earlier keys end now.

    Raises NotSetUp; Denied for those who are no admin; Refused for a text that is not this portal's recovery key.
    """
    with _changing(by) as identity:
        recovery = _recovery_key(recovery_text, bytes(identity.recovery))
        identity.epoch += 1
        identity.save(update_fields=["epoch"])
        now = timezone.now()
        IdentityKey.objects.filter(until__gt=now).update(until=now)
        key = _begin(now, vouched_for_by=recovery, epoch=identity.epoch, overlap=timedelta())
        log.record("network.identity.recover", by=by, on=identity, key=cards.key_id(bytes(key.public)))
        _sign(identity)


def signer() -> tuple[str, Ed25519PrivateKey]:
    """Return the name of the key that signs calls and answers (this portal’s address and the key’s id), and the key.

    Raises NotSetUp; Conflict if the key cannot be opened.
    """
    now = timezone.now()
    counting = _counting(now)
    if not counting:
        raise NotSetUp
    key = next((each for each in counting if each.since <= now - KNOWN_AFTER), counting[-1])
    return f"{settings.BASE_URL}#{cards.key_id(bytes(key.public))}", _opened(key)


def _identity() -> Identity:
    identity = Identity.objects.first()
    if identity is None:
        raise NotSetUp
    return identity


@contextmanager
def _changing(by: User) -> Iterator[Identity]:
    """Open a transaction in which an admin changes the identity, and lock it."""
    require(is_admin, by)
    with transaction.atomic():
        identity = Identity.objects.select_for_update().first()
        if identity is None:
            raise NotSetUp
        yield identity


def _begin(
    now: datetime,
    *,
    vouched_for_by: Ed25519PrivateKey | None = None,
    epoch: int = 1,
    overlap: timedelta = timedelta(),
) -> IdentityKey:
    """Store a new key in place of the present one, which counts for `overlap` from now."""
    now = now.replace(microsecond=0)
    IdentityKey.objects.filter(until=None).update(until=now + overlap)
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    key = IdentityKey(public=public, sealed=sealing.seal(private.private_bytes_raw(), PURPOSE), since=now)
    if vouched_for_by is not None:
        key.vouched_for_by = vouched_for_by.public_key().public_bytes_raw()
        key.voucher = vouched_for_by.sign(cards.voucher_text(public, epoch, settings.BASE_URL))
    key.save()
    return key


def _counting(now: datetime) -> list[IdentityKey]:
    """Return the keys that count, the present one first."""
    keys = IdentityKey.objects.filter(Q(until=None) | Q(until__gt=now))
    return sorted(keys, key=lambda key: (key.until is None, key.since), reverse=True)


def _opened(key: IdentityKey) -> Ed25519PrivateKey:
    """Open a key, and seal it again after a change of the secret key."""
    try:
        return Ed25519PrivateKey.from_private_bytes(sealing.opened(key, PURPOSE))
    except sealing.CannotOpen as lost:
        raise Conflict(
            "The key of this portal cannot be opened: WEIR_SECRET_KEY is not the one that it was sealed with. Give the "
            "earlier one in WEIR_OLD_SECRET_KEYS, or use the recovery key."
        ) from lost


def _is_due(identity: Identity) -> bool:
    """Whether the card has to be signed again."""
    if not identity.card:
        return True
    last = cards.read(identity.card)
    now = timezone.now()
    rest = last.expires - now.timestamp()
    if rest < (timedelta(days=cards.CARD_DAYS) - SIGNED_AGAIN_AFTER).total_seconds():
        return True
    return _card(identity, now, sequence=last.sequence, expires=last.expires) != last


def _sign(identity: Identity) -> None:
    """Sign a card with the next number. The identity is locked."""
    now = timezone.now()
    identity.sequence += 1
    IdentityKey.objects.filter(until__lt=now).update(sealed=b"")  # nothing is signed with them any more
    expires = int(now.timestamp()) + cards.CARD_SECONDS
    card = _card(identity, now, sequence=identity.sequence, expires=expires)
    identity.card = cards.signed(card, _opened(IdentityKey.objects.get(until=None)))
    identity.save(update_fields=["sequence", "card"])


def _card(identity: Identity, now: datetime, *, sequence: int, expires: int) -> Card:
    log_key = LogKey.objects.filter(retired_at=None).first()
    tunnel = wireguard.own()
    return Card(
        name=identity.name,
        url=settings.BASE_URL,
        keys=tuple(
            CardKey(bytes(key.public), _seconds(key.since), _seconds(key.until) if key.until else None)
            for key in _counting(now)
        ),
        recovery=bytes(identity.recovery),
        epoch=identity.epoch,
        sequence=sequence,
        expires=expires,
        protocols=PROTOCOLS,
        log_origin=log_key.origin if log_key else "",
        log_key=log_key.key.text if log_key else "",
        wireguard_public=tunnel.public if tunnel else None,
        wireguard_endpoint=str(tunnel.endpoint) if tunnel and tunnel.endpoint else "",
        roles=(DIRECTORY,) if identity.is_directory else (),
        vouchers=_vouchers(identity, now),
    )


def _vouchers(identity: Identity, now: datetime) -> tuple[Voucher, ...]:
    """Return the signatures for keys of this epoch: that of its beginning, and those of the last year."""
    vouched = IdentityKey.objects.filter(vouched_for_by__isnull=False).order_by("-since", "-created_at")
    found: list[Voucher] = []
    for key in vouched[: cards.MAX_VOUCHERS]:
        begins = bytes(key.vouched_for_by or b"") == bytes(identity.recovery)
        if begins or key.since > now - VOUCHERS_SHOWN:
            by, signature = bytes(key.vouched_for_by or b""), bytes(key.voucher or b"")
            found.append(Voucher(bytes(key.public), by, signature, identity.epoch))
        if begins:
            break
    return tuple(found)


def _name(typed: str) -> str:
    name = " ".join(typed.split())
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise Refused("Write the institution's name with 1 to 100 characters, all of them visible.")
    return name


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _grouped(recovery: Ed25519PrivateKey) -> str:
    """Return a recovery key as it is printed: groups of four letters and digits."""
    text = base64.b32encode(recovery.private_bytes_raw()).decode("ascii").rstrip("=")
    return " ".join(text[at : at + 4] for at in range(0, RECOVERY_LETTERS, 4))


def _recovery_key(typed: str, public: bytes) -> Ed25519PrivateKey:
    text = "".join(letter for letter in typed.upper() if letter.isalnum()).translate(MISREAD)
    if len(text) == RECOVERY_LETTERS:
        with suppress(binascii.Error, UnicodeEncodeError, ValueError):
            private = Ed25519PrivateKey.from_private_bytes(base64.b32decode(text + "===="))
            if private.public_key().public_bytes_raw() == public:
                return private
    raise Refused("This is not the recovery key of this portal. Compare it with the print, group by group.")
