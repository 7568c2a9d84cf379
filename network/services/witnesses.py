"""Witnesses: portals sign each other's checkpoints, and tell each other which ones they have signed.

A witness signs a checkpoint only if its log begins with all that the witness has signed of that log before. So an
owner who rewrites a log, or cuts it short, is found out by the next portal that looks. Wherever a note of another
portal's log is believed, the key in that portal's card has signed it.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import Role, User
from accounts.notifications import notify
from accounts.topics import Topic
from audit import log
from audit import witnesses as own_log
from audit.models import Checkpoint, Cosignature
from audit.system import SYSTEM
from common import rows, sealing
from common.access import require
from common.errors import Conflict, Refused
from crypto import notes, tree
from network import calls, cards, rules
from network.models import LogAlarm, Peer, SignedCheckpoint, WitnessKey

PURPOSE = "weir/witness-key/1"
RETRY = timedelta(minutes=10)
"""How long a smaller checkpoint than the last may still be a call that was late."""
KEPT = 200
"""Checkpoints of a log that are kept, to compare them with what other witnesses have signed."""
MOST_LOGS = 20
"""Logs of one portal that are signed, one after another: each restore begins one."""
TOLD, LOGS_TOLD = 12, 16
"""Checkpoints of each log, and logs, that are told to another portal."""
MISSING = "Part of this portal's log is missing. Nothing is answered automatically."
MOST_NOTE = 1_200
"""Characters of a note. So all that is told to another portal fits into an answer."""
MOST_STEPS = 64
"""Of a proof: one for each level of the largest tree."""


class Ahead(Exception):
    """Another checkpoint was signed last than the caller believes. `last`: which one; None if none was."""

    def __init__(self, last: SignedCheckpoint | None) -> None:
        self.last = last
        super().__init__()


class Alarmed(Refused):
    """The log is not signed any more, because it has been found to have another history."""


# This portal as a witness


def cosign(peer: Peer, old: int, proof: Sequence[bytes], note: str) -> tuple[notes.Key, str]:
    """Sign a checkpoint of a peer's log, and return this portal's key and its line.

    `old` is the size that was signed last, 0 if none was; `proof` leads from there. Raises Ahead if another size was
    signed last; Refused for a note that the log in the peer's card has not signed; Alarmed if the log has another
    history than before. Calls about one log wait for each other.
    """
    with transaction.atomic():
        locked = rows.locked(peer)
        found = _checkpoint(locked, note)
        last = SignedCheckpoint.objects.filter(peer=locked, origin=found.origin).first()
        if last and (kind := _fault(last, found, proof, claims=old)):
            _raise_alarm(locked, kind, last, note, shown_by=str(locked))
        is_alarmed = _is_alarmed(locked, found.origin)
        if last is None:
            _take_up(locked, found, note)
        if not is_alarmed and old == (last.size if last else 0) <= found.size:
            return _signed(locked, found, note)
    if is_alarmed:
        raise Alarmed(
            "This portal signs nothing of your log: it has another history than it had. Ask its admin."
        )
    raise Ahead(last)


def told(to: Peer) -> list[str]:
    """Return the notes that this portal has signed of its peers' logs, the last of each, those of the asker first."""
    others = Peer.objects.active().exclude(pk=to.pk).order_by("?")  # in time, each hears of all
    notes_told: list[str] = []
    for each in (to, *others[: LOGS_TOLD - 1]):
        signed = SignedCheckpoint.objects.filter(peer=each).order_by("-at", "-size")
        notes_told.extend(signed.values_list("note", flat=True)[:TOLD])
    return notes_told


def _take_up(peer: Peer, found: notes.Checkpoint, note: str) -> None:
    """Begin to sign another log of a locked peer. If it had one before, those who oversee are told.

    Raises Refused if it has had too many.
    """
    signed = SignedCheckpoint.objects.filter(peer=peer)
    if signed.values("origin").distinct().count() >= MOST_LOGS:
        raise Refused(f"This portal has signed {MOST_LOGS} logs of yours, and signs no other one.")
    before = signed.exclude(origin=found.origin).order_by("-at").first()
    if before:
        _raise_alarm(peer, LogAlarm.Kind.RENAMED, before, note, shown_by=str(peer))


def own_key() -> notes.Key | None:
    """Return this portal's key as a witness; None before it has signed anything."""
    row = WitnessKey.objects.first()
    return row.key if row else None


def _checkpoint(peer: Peer, note: str) -> notes.Checkpoint:
    """Return the checkpoint of a note that a peer's log has signed. Raises Refused for any other."""
    if len(note) > MOST_NOTE:
        raise Refused(f"A checkpoint of more than {MOST_NOTE} characters is not signed.")
    try:
        key = log_key(peer)
        found = notes.checkpoint(notes.opened(note)[0])
        if found.origin == key.name and key in notes.signed_by(note, [key]):
            return found
    except ValueError as bad:
        raise Refused(f"This checkpoint cannot be signed: {bad}") from bad
    raise Refused("The key of the log in your card has not signed this checkpoint.")


def log_key(peer: Peer) -> notes.Key:
    """Return the key of a peer's log, as its card says. Raises ValueError if the card names none."""
    key = notes.key(cards.read(peer.card).log_key)
    if key.kind != notes.SIGNATURE:
        raise ValueError("The key of the log in the card is a witness's key.")
    return key


def _fault(
    last: SignedCheckpoint, found: notes.Checkpoint, proof: Sequence[bytes], *, claims: int
) -> LogAlarm.Kind | None:
    """Return what is wrong with a checkpoint that the log has signed, after the one that was signed last."""
    if found.size < last.size:
        known = SignedCheckpoint.objects.filter(peer=last.peer, origin=last.origin, size=found.size).first()
        if known and bytes(known.root) != found.root:
            return LogAlarm.Kind.REWRITTEN
        is_late = timezone.now() - last.at < RETRY
        return None if is_late else LogAlarm.Kind.SHORTER
    if found.size == last.size:
        return None if bytes(last.root) == found.root else LogAlarm.Kind.REWRITTEN
    if claims != last.size:
        return None  # it is told from where, and tries again
    follows = tree.verify_consistency(last.size, bytes(last.root), found.size, found.root, proof)
    return None if follows else LogAlarm.Kind.REWRITTEN


def _signed(peer: Peer, found: notes.Checkpoint, note: str) -> tuple[notes.Key, str]:
    """Write down which checkpoint is signed, and sign it."""
    key, private = _signer()
    now = timezone.now()
    SignedCheckpoint.objects.get_or_create(
        peer=peer,
        origin=found.origin,
        size=found.size,
        defaults={"root": found.root, "note": note, "at": now},
    )
    old = SignedCheckpoint.objects.filter(peer=peer, origin=found.origin)[KEPT:].values_list("pk", flat=True)
    SignedCheckpoint.objects.filter(pk__in=list(old)).delete()
    return key, notes.cosign(found.text, key.name, private, int(now.timestamp()))


def _signer() -> tuple[notes.Key, Ed25519PrivateKey]:
    """Return this portal's key as a witness, made when it is first needed. Raises Refused if it cannot be opened."""
    row = WitnessKey.objects.first()
    if row is None:
        private = Ed25519PrivateKey.generate()
        WitnessKey.objects.bulk_create(
            [
                WitnessKey(
                    name=settings.BASE_URL.partition("://")[2],
                    public=private.public_key().public_bytes_raw(),
                    sealed=sealing.seal(private.private_bytes_raw(), PURPOSE),
                )
            ],
            ignore_conflicts=True,
        )
        row = WitnessKey.objects.get()
    try:
        return row.key, Ed25519PrivateKey.from_private_bytes(sealing.opened(row, PURPOSE))
    except sealing.CannotOpen as lost:
        raise Refused(
            "This portal cannot open its key as a witness. Its host has to restore the secret key."
        ) from lost


# This portal's log before its witnesses


def submit(peer: Peer) -> bool:
    """Have a peer sign the newest checkpoint of this portal's log. Returns whether it has signed one that is new.

    Raises Unreachable; Refused if the peer does not sign, with its reason.
    """
    newest = Checkpoint.objects.newest()
    if newest is None:
        return False
    old = _signed_by(peer, newest.key.origin)
    for _ in range(2):
        if old >= newest.size:
            return False
        reply = calls.call(peer, "POST", "/net/1/log/add-checkpoint", _request(old, newest))
        if reply.status == 200:
            return own_log.add(newest, *_line(peer, reply.document), timezone.now())
        if reply.status != 409:
            raise Refused(f"{peer} does not sign this log: {str(reply.document.get('detail', ''))[:200]}")
        old = _told(peer, reply.document, newest)
    return False


def compare(peer: Peer) -> int:
    """Compare what a peer has signed with what this portal has. Returns how many checkpoints were compared.

    Of this portal's own log, checkpoints that it does not have are kept (audit.witnesses.shown). Of another portal's
    log, a second root for one size raises an alarm. Raises Unreachable.
    """
    reply = calls.call(peer, "GET", "/net/1/log/seen")
    told = reply.document.get("checkpoints")
    if reply.status != 200 or not isinstance(told, list):
        raise calls.Unreachable("failed", f"{peer} does not tell what it has signed.")
    texts = [each for each in told[: TOLD * LOGS_TOLD] if isinstance(each, str)]
    return sum(_compared(peer, text) for text in texts)


def _compared(teller: Peer, text: str) -> bool:
    try:
        found = notes.checkpoint(notes.opened(text)[0])
    except ValueError:
        return False
    same = SignedCheckpoint.objects.filter(
        origin=found.origin, size=found.size, peer__state=Peer.State.ACTIVE
    ).select_related("peer")
    for known in same:
        if bytes(known.root) != found.root and _is_of(known.peer, text):
            with transaction.atomic():
                _raise_alarm(known.peer, LogAlarm.Kind.SPLIT, known, text, shown_by=str(teller))
    return _own(teller, text) or bool(same)


def _own(teller: Peer, text: str) -> bool:
    """Look at a note of this portal's own log; any other is passed over."""
    try:
        missing = own_log.shown(text, by=str(teller), now=timezone.now())
    except ValueError:
        return False
    if missing:
        _tell_overseers(MISSING, "/log/")
    return True


def _is_of(peer: Peer, text: str) -> bool:
    try:
        _checkpoint(peer, text)
    except Refused:
        return False
    return True


def _signed_by(peer: Peer, origin: str) -> int:
    """Return the size of the largest checkpoint of this log that a peer has signed and this portal keeps, or 0."""
    lines = Cosignature.objects.filter(witness__startswith=f"{_host(peer)}+", checkpoint__key__origin=origin)
    last = lines.order_by("-checkpoint_id").first()
    return last.checkpoint_id if last else 0


def _host(peer: Peer) -> str:
    """Return the name that a peer has as a witness."""
    return peer.url.partition("://")[2]


def _request(old: int, newest: Checkpoint) -> Mapping[str, Any]:
    proof = own_log.grown_since(old, newest)
    return {
        "old": old,
        "proof": [base64.b64encode(each).decode("ascii") for each in proof],
        "checkpoint": newest.note,
    }


def _line(peer: Peer, document: Mapping[str, Any]) -> tuple[str, notes.Key]:
    """Return the signature line and the key in a witness's answer. Raises Refused."""
    line, text = document.get("line"), document.get("key")
    try:
        if isinstance(line, str) and isinstance(text, str) and len(line) <= 400 and len(text) <= 300:
            key = notes.key(text)
            if key.name == _host(peer):
                return line, key
    except ValueError as bad:
        raise Refused(f"{peer} answered with something that is no signature: {bad}") from bad
    raise Refused(f"{peer} answered with something that is no signature of its own.")


def _told(peer: Peer, document: Mapping[str, Any], newest: Checkpoint) -> int:
    """Return the size that a witness says it has signed last, if this log has it. Raises Refused if it is missing."""
    note = document.get("note")
    if note == "":
        return 0
    try:
        text = note if isinstance(note, str) else "nothing"
        missing = own_log.shown(text, by=str(peer), now=timezone.now())
        size = notes.checkpoint(notes.opened(text)[0]).size
    except ValueError as bad:
        raise Refused(f"{peer} shows a checkpoint that is none of this log: {bad}") from bad
    if missing:
        _tell_overseers(MISSING, "/log/")
        raise Refused(f"{peer} has signed {size} leaves of this log, which has {newest.size}.")
    return size


# Alarms


def mark_seen(alarm: LogAlarm, *, by: User) -> None:
    """Note that an admin has dealt with an alarm. The log stays unsigned. Raises Denied; Conflict if it was done."""
    require(rules.may_manage, by)
    with transaction.atomic():
        locked = rows.locked(alarm)
        if locked.seen_at is not None:
            raise Conflict("Somebody has marked this alarm as dealt with.")
        locked.seen_by, locked.seen_at = by, timezone.now()
        locked.save(update_fields=["seen_by", "seen_at"])
        log.record("network.alarm.seen", by=by, on=locked)


def _is_alarmed(peer: Peer, origin: str) -> bool:
    return LogAlarm.objects.filter(peer=peer, origin=origin).exists()


def _raise_alarm(
    peer: Peer, kind: LogAlarm.Kind, known: SignedCheckpoint, note: str, *, shown_by: str
) -> None:
    """Keep both notes and tell those who oversee, once for each kind and log."""
    alarm, created = LogAlarm.objects.get_or_create(
        peer=peer,
        origin=known.origin,
        kind=kind,
        defaults={"known": known.note, "shown": note, "shown_by": shown_by[:200]},
    )
    if created:
        log.record("network.alarm.raised", by=SYSTEM, on=alarm, kind=kind, origin=known.origin)
        _tell_overseers(f"{alarm.get_kind_display()}: {known.origin} of {peer}.", "/network/alarms/")


def _tell_overseers(text: str, url: str) -> None:
    people = User.objects.filter(is_active=True, role_grants__role__in=[Role.ADMIN, Role.AUDITOR]).distinct()
    notify(people, text, about=Topic.WORK, url=url)


def hashes(texts: object) -> list[bytes]:
    """Return the steps of a proof from base64. Raises Refused for anything else."""
    if not isinstance(texts, list) or len(texts) > MOST_STEPS:
        raise Refused("The proof is not a list of hashes.")
    try:
        found = [base64.b64decode(each, validate=True) for each in texts]
    except (binascii.Error, TypeError, ValueError) as bad:
        raise Refused("The proof holds something that is not base64.") from bad
    if any(len(each) != tree.HASH for each in found):
        raise Refused("The proof holds something that is no hash.")
    return found
