"""Signing the log: new entries become leaves of a tree, and a checkpoint over the tree is signed.

Each signature adds a multiple of `BLOCK` leaves, those of the new entries and empty ones, in random order. So neither
the size of the log nor the places of two entries tell how much else was written. The chain keeps the order.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max

from audit import log
from audit.models import Checkpoint, Leaf, Link, LogKey, Wish
from audit.system import SYSTEM
from audit.tiles import Tiles
from common import sealing
from common.errors import Conflict
from crypto import notes, tree

BLOCK = 64
MOST = 100_000
"""Entries under one signature. The next one takes the others."""
AT_ONCE = 2_000
"""Rows that are read or written by one statement."""
PURPOSE = "weir/log-key/1"
LOCK = 7_236_102
"""One signature at a time. The chain's own lock is not taken: nobody who writes entries waits for a signature."""


class KeyLost(Conflict):
    """The log's key cannot be opened, because it was sealed with another secret key."""


Signer = tuple[LogKey, Ed25519PrivateKey]


def sign(now: datetime) -> Checkpoint | None:
    """Sign what was written since the last checkpoint. None if somebody else is signing at this moment.

    Raises KeyLost if the key cannot be opened.
    """
    with _turn() as is_ours:
        return _signed(now) if is_ours else None


def sign_if_due(now: datetime) -> Checkpoint | None:
    """Sign if somebody waits or a new hour has begun. Otherwise like `sign`."""
    with _turn() as is_ours:
        return _signed(now) if is_ours and _is_due(now) else None


def begin_key(now: datetime, *, without_old: bool, after_restore: bool = False) -> Checkpoint:
    """Retire the key, and sign with a new one. The old key signs this checkpoint too, unless it is lost.

    `after_restore`: the log has lost entries that witnesses have signed, so it continues under a new name.
    Raises KeyLost if the old key cannot be opened and `without_old` is false; Conflict if there is none, or if the log
    is being signed at this moment.
    """
    with _turn() as is_ours:
        old = LogKey.objects.filter(retired_at=None).first()
        if old is None or not is_ours:
            why = "It is being signed at the moment: try again." if old else "It has no key yet."
            raise Conflict(f"The log cannot get a new key. {why}")
        others = () if without_old else (_opened(old),)
        old.retired_at = now
        old.save(update_fields=["retired_at"])
        origin = _next_origin(old.origin) if after_restore else old.origin
        _made(now, origin, replaces=old, is_vouched_for=bool(others))
        return _signed(now, others=others, is_public=True)


def is_own(key: LogKey) -> bool:
    """Return whether this portal can sign with a key. With the database alone, nobody can make such a key."""
    try:
        private = _opened(key)[1]
    except KeyLost:
        return False
    return private.public_key().public_bytes_raw() == bytes(key.public)


def due(now: datetime) -> datetime:
    """Return when the next signature should be there."""
    return now.replace(second=10, microsecond=0) + timedelta(minutes=1)


def want(position: int) -> None:
    """Ask for a checkpoint over the links up to this one with the next tick."""
    Wish.objects.bulk_create([Wish(pk=Wish.ONLY, position=position)], ignore_conflicts=True)
    Wish.objects.filter(position__lt=position).update(position=position)


@contextmanager
def _turn() -> Iterator[bool]:
    """Open a transaction, and return whether nobody else is signing. All of a signature is stored, or nothing."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        yield bool(cursor.fetchone()[0])


def _is_due(now: datetime) -> bool:
    return _is_new_hour(now) or Wish.objects.filter(position__gt=_last_position()).exists()


def _is_new_hour(now: datetime) -> bool:
    """Whether the last public checkpoint is of another hour: also of a later one, if the clock was put back."""
    last = Checkpoint.objects.filter(public=True).newest()
    return last is None or _hour(last.at) != _hour(now)


def _hour(moment: datetime) -> int:
    return int(moment.timestamp() // 3600)


def _last_position() -> int:
    """Return the position of the last link that has a leaf; 0 if none has."""
    return Leaf.objects.aggregate(last=Max("link_id"))["last"] or 0


def _signed(now: datetime, *, others: Sequence[Signer] = (), is_public: bool = False) -> Checkpoint:
    """Append the new entries and sign. If there are more than `MOST`, the checkpoint is not the hour's public one."""
    signer = _signer(now)
    last = Checkpoint.objects.newest()
    size = last.size if last else 0
    fresh = _fresh_leaves()
    is_public = is_public or (len(fresh) < MOST and _is_new_hour(now))
    padding = BLOCK - (len(fresh) % BLOCK or BLOCK) if fresh else BLOCK
    fresh.extend(_leaf(None, b"") for _ in range(padding))
    secrets.SystemRandom().shuffle(fresh)
    Leaf.objects.bulk_create(
        (Leaf(index=size + n, link_id=position, salt=salt) for n, (position, salt, _) in enumerate(fresh)),
        batch_size=AT_ONCE,
    )
    tiles = Tiles()
    tiles.store(tree.append(tiles, size, [each for _, _, each in fresh]))
    size += len(fresh)
    found = notes.Checkpoint(signer[0].origin, size, tree.root(tiles, size))
    lines = [notes.sign(found.text, key.origin, private) for key, private in (signer, *others)]
    return Checkpoint.objects.create(
        size=size,
        root=found.root,
        note=f"{found.text}\n{''.join(lines)}",
        at=now,
        public=is_public,
        key=signer[0],
    )


def _fresh_leaves() -> list[tuple[int | None, bytes, bytes]]:
    """Return (position, salt, hash) of the first links without a leaf. Links are committed in order of position."""
    links = Link.objects.filter(position__gt=_last_position()).order_by("position")
    rows = links.values_list("position", "entry__payload")[:MOST].iterator(chunk_size=AT_ONCE)
    return [_leaf(position, payload.encode()) for position, payload in rows]


def _leaf(position: int | None, entry: bytes) -> tuple[int | None, bytes, bytes]:
    salt = secrets.token_bytes(tree.HASH)
    return position, salt, tree.leaf_hash(salt, entry)


def _next_origin(origin: str) -> str:
    name, _, number = origin.rpartition("/")
    return f"{name}/{int(number) + 1}"


def _signer(now: datetime) -> Signer:
    """Return the active key, made by the first signature. After a change of the secret key, seal all keys anew."""
    key = LogKey.objects.filter(retired_at=None).first()
    if key is None:
        return _made(now, f"{urlsplit(settings.BASE_URL).netloc}/log/1")
    signer = _opened(key)
    for each in LogKey.objects.all():  # earlier ones too: `is_own` has to know them
        _seal_anew(each)
    return signer


def _seal_anew(key: LogKey) -> None:
    """Seal a key with the present secret key, if only an earlier one opens it. A key that is lost stays as it is."""
    with suppress(sealing.CannotOpen):
        sealing.opened(key, PURPOSE)


def _opened(key: LogKey) -> Signer:
    try:
        return key, Ed25519PrivateKey.from_private_bytes(sealing.unseal(bytes(key.sealed), PURPOSE))
    except sealing.CannotOpen as lost:
        raise KeyLost(
            "The key of the signed log cannot be opened: WEIR_SECRET_KEY is not the one that it was sealed with. "
            "Give the earlier one in WEIR_OLD_SECRET_KEYS, or begin a new key: manage.py new_log_key --lost."
        ) from lost


def _made(
    now: datetime, origin: str, *, replaces: LogKey | None = None, is_vouched_for: bool = False
) -> Signer:
    private = Ed25519PrivateKey.generate()
    key = LogKey.objects.create(
        origin=origin,
        public=private.public_key().public_bytes_raw(),
        sealed=sealing.seal(private.private_bytes_raw(), PURPOSE),
        created_at=now,
    )
    detail: dict[str, Any] = {}
    if replaces:
        detail = {"replaces": replaces.key.text, "signed_by_the_old_key": is_vouched_for}
    log.record("checkpoint.key", by=SYSTEM, on=key, fingerprint=key.key.fingerprint, **detail)
    return key, private
