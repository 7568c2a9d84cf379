"""Logs of other portals, and portals that witness this one's, for tests."""

import base64
from typing import Any

import pgtrigger
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.models import Checkpoint, Cosignature, Entry
from crypto import notes, tree
from network.models import LogAlarm, Peer
from network.services import witnesses
from tests.network.portals import Portal

ADD, SEEN = "/net/1/log/add-checkpoint", "/net/1/log/seen"


class Log:
    """Another portal's log, which its tests can grow, fork and cut short."""

    def __init__(self, portal: Portal, leaves: int = 0) -> None:
        self.portal, self.private = portal, Ed25519PrivateKey.generate()
        self.origin = f"{portal.url.partition('://')[2]}/log/1"
        self.key = notes.public_key(self.origin, self.private)
        self.tiles: dict[tree.Place, bytes] = {}
        self.size = 0
        self.grow(leaves)

    def _read(self, level: int, number: int) -> bytes:
        return self.tiles.get((level, number), b"")

    def grow(self, leaves: int, tint: bytes = b"") -> "Log":
        fresh = [
            tree.leaf_hash(bytes(32), tint + bytes([n % 256])) for n in range(self.size, self.size + leaves)
        ]
        self.tiles |= tree.append(self._read, self.size, fresh)
        self.size += leaves
        return self

    def fork(self) -> "Log":
        """The same log with the same key, which goes on otherwise."""
        other = Log(self.portal)
        other.private, other.key, other.size, other.tiles = (
            self.private,
            self.key,
            self.size,
            dict(self.tiles),
        )
        return other

    def note(self, *, by: Ed25519PrivateKey | None = None, origin: str = "") -> str:
        found = notes.Checkpoint(origin or self.origin, self.size, tree.root(self._read, self.size))
        return f"{found.text}\n{notes.sign(found.text, origin or self.origin, by or self.private)}"

    def proof(self, old: int) -> list[bytes]:
        return [] if old in {0, self.size} else tree.consistency(self._read, old, self.size)


def known(portal: Portal, log: Log, **fields: Any) -> Peer:
    """Make a portal and the key of its log known here."""
    return portal.peer(card=portal.card_text(log_origin=log.origin, log_key=log.key.text), **fields)


def sign(peer: Peer, log: Log, old: int) -> tuple[notes.Key, str]:
    return witnesses.cosign(peer, old, log.proof(old), log.note())


def request(log: Log, old: Any = 0, **changes: Any) -> dict[str, Any]:
    proof = [
        base64.b64encode(each).decode() for each in log.proof(old if isinstance(old, int) and old > 0 else 0)
    ]
    return {"old": old, "proof": proof, "checkpoint": log.note(), **changes}


def alarm(kind: str) -> LogAlarm:
    found = LogAlarm.objects.get()
    assert found.kind == kind
    assert Entry.objects.filter(action="network.alarm.raised", object_id=str(found.pk)).count() == 1
    return found


class Witness:
    """Another portal that signs this one's log as this one signs others'."""

    def __init__(self, portal: Portal) -> None:
        self.portal, self.private = portal, Ed25519PrivateKey.generate()
        self.name = portal.url.partition("://")[2]
        self.last: notes.Checkpoint | None = None
        self.note = ""
        portal.answers["POST", ADD] = self.answer

    def answer(self, document: dict[str, Any]) -> Any:
        found = notes.checkpoint(notes.opened(document["checkpoint"])[0])
        if document["old"] != (self.last.size if self.last else 0):
            return 409, {"size": self.last.size if self.last else 0, "note": self.note}
        if self.last:
            steps = [base64.b64decode(each) for each in document["proof"]]
            assert tree.verify_consistency(self.last.size, self.last.root, found.size, found.root, steps)
        self.last, self.note = found, document["checkpoint"]
        key = notes.public_key(self.name, self.private, notes.COSIGNATURE)
        return {"key": key.text, "line": notes.cosign(found.text, self.name, self.private, 1_800_000_000)}


def forget(signed: Checkpoint) -> None:
    """Take a checkpoint out of the database, as a restore of an earlier backup would."""
    with pgtrigger.ignore():
        Cosignature.objects.filter(checkpoint=signed).delete()
        signed.delete()
