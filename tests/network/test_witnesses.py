"""Portals as witnesses: what is signed, what raises an alarm, and what a liar can do."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pgtrigger
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import Client
from django.utils import timezone

from accounts.models import Notification
from audit import witnesses as own_log
from audit.models import Checkpoint, Cosignature, Entry, MissingCheckpoint
from common.errors import Conflict, Denied, Refused
from crypto import notes, tree
from crypto.tree import MAX_LEAVES
from network import calls
from network.models import LogAlarm, Peer, SignedCheckpoint, WitnessKey
from network.services import witnesses
from network.services.witnesses import Ahead, Alarmed
from tests import make
from tests.makers.audit import checkpoint
from tests.network.portals import Portal

pytestmark = pytest.mark.django_db
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


@pytest.fixture
def other(portals: Callable[..., Portal]) -> Portal:
    return portals("Hospital B")


def known(portal: Portal, log: Log, **fields: Any) -> Peer:
    """Make a portal and the key of its log known here."""
    return portal.peer(card=portal.card_text(log_origin=log.origin, log_key=log.key.text), **fields)


def sign(peer: Peer, log: Log, old: int) -> tuple[notes.Key, str]:
    return witnesses.cosign(peer, old, log.proof(old), log.note())


def test_a_log_that_grows_is_signed_each_time(other: Portal):
    log = Log(other, 64)
    peer = known(other, log)
    for old, more in ((0, 0), (64, 300), (364, 0), (364, 1)):
        key, line = sign(peer, log.grow(more), old)
        assert set(notes.signed_by(log.note() + line, [key])) == {key}
        assert key == witnesses.own_key()
    assert SignedCheckpoint.objects.count() == 3
    assert not LogAlarm.objects.exists()


def test_who_begins_elsewhere_is_told_from_where_to_go_on(other: Portal):
    log = Log(other, 64)
    peer = known(other, log)
    with pytest.raises(Ahead) as none:
        sign(peer, log.grow(10), 64)
    assert none.value.last is None
    sign(peer, log, 0)
    with pytest.raises(Ahead) as ahead:
        witnesses.cosign(peer, 0, [], log.grow(10).note())
    assert ahead.value.last is not None
    assert ahead.value.last.size == 74
    assert not LogAlarm.objects.exists()


def alarm(kind: str) -> LogAlarm:
    found = LogAlarm.objects.get()
    assert found.kind == kind
    assert Entry.objects.filter(action="network.alarm.raised", object_id=str(found.pk)).count() == 1
    return found


@pytest.mark.parametrize("more", [0, 1, 500])
def test_a_rewritten_log_is_found_out_and_never_signed_again(other: Portal, more: int):
    log = Log(other, 64)
    peer = known(other, log)
    sign(peer, log, 0)
    honest, rewritten = log.fork().grow(64), log.fork()
    rewritten.size, rewritten.tiles = 0, {}
    rewritten.grow(64 + more, tint=b"!")
    auditor = make.user("auditor")
    with pytest.raises(Alarmed):
        witnesses.cosign(peer, 64, rewritten.proof(64) if more else [], rewritten.note())
    found = alarm("rewritten")
    assert (found.known, found.shown) == (log.note(), rewritten.note())
    assert Notification.objects.filter(user=auditor, url="/network/alarms/").count() == 1
    with pytest.raises(Alarmed):
        sign(peer, honest, 64)
    alarm("rewritten")  # still one
    assert SignedCheckpoint.objects.count() == 1


def test_a_false_proof_is_an_alarm(other: Portal):
    log = Log(other, 64)
    peer = known(other, log)
    sign(peer, log, 0)
    with pytest.raises(Alarmed):
        witnesses.cosign(peer, 64, log.proof(64)[:-1], log.grow(64).note())
    alarm("rewritten")


def test_a_log_that_was_cut_short_is_found_out(other: Portal):
    log = Log(other, 64)
    peer = known(other, log)
    short = log.fork()
    sign(peer, log.grow(64), 0)
    with pytest.raises(Ahead):  # perhaps a call that was late
        witnesses.cosign(peer, 0, [], short.note())
    assert not LogAlarm.objects.exists()
    SignedCheckpoint.objects.all().delete()
    SignedCheckpoint.objects.create(
        peer=peer, origin=log.origin, size=128, root=notes.checkpoint(notes.opened(log.note())[0]).root,
        note=log.note(), at=timezone.now() - timedelta(minutes=11),
    )  # fmt: skip
    with pytest.raises(Alarmed):
        witnesses.cosign(peer, 0, [], short.note())
    assert alarm("shorter").shown == short.note()


def test_a_smaller_checkpoint_with_another_root_is_an_alarm_at_once(other: Portal):
    log = Log(other, 64)
    peer = known(other, log)
    sign(peer, log, 0)
    sign(peer, log.grow(64), 64)
    forged = log.fork()
    forged.size, forged.tiles = 0, {}
    with pytest.raises(Alarmed):
        witnesses.cosign(peer, 0, [], forged.grow(64, tint=b"!").note())
    alarm("rewritten")


def test_a_log_with_a_new_name_is_signed_after_an_alarm(other: Portal):
    log = Log(other, 64)
    peer = known(other, log)
    LogAlarm.objects.create(peer=peer, kind="shorter", origin=log.origin, known="", shown="", shown_by="")
    log.origin = log.origin.replace("/1", "/2")
    log.key = notes.public_key(log.origin, log.private)
    peer.card = other.card_text(log_origin=log.origin, log_key=log.key.text)
    peer.save()
    assert sign(peer, log, 0)


def test_only_the_key_in_the_card_counts(other: Portal):
    log = Log(other, 64)
    peer = known(other, log)
    stranger = Ed25519PrivateKey.generate()
    key = notes.public_key(log.origin, log.private)
    checkpoint_text = notes.opened(log.note())[0]
    as_witness = f"{checkpoint_text}\n{notes.cosign(checkpoint_text, log.origin, log.private, 1)}"
    for note in (
        log.note(by=stranger),
        log.note(origin="c.example/log/1"),
        as_witness,
        checkpoint_text,
        "",
        log.note() + "— x y\n",
        f"{checkpoint_text}more\n\n{notes.sign(checkpoint_text + 'more' + chr(10), log.origin, log.private)}"
        * 20,
    ):
        with pytest.raises(Refused):
            witnesses.cosign(peer, 0, [], note)
    assert key.kind == notes.SIGNATURE
    assert not SignedCheckpoint.objects.exists()
    peer.card = other.card_text()  # it names no key
    peer.save()
    with pytest.raises(Refused):
        sign(peer, log, 0)


def request(log: Log, old: Any = 0, **changes: Any) -> dict[str, Any]:
    proof = [
        base64.b64encode(each).decode() for each in log.proof(old if isinstance(old, int) and old > 0 else 0)
    ]
    return {"old": old, "proof": proof, "checkpoint": log.note(), **changes}


def test_a_peer_has_its_log_signed_by_a_call(other: Portal, client: Client):
    log = Log(other, 64)
    known(other, log)
    first = other.calls(client, "POST", ADD, request(log))
    assert first.status == 200
    key = notes.key(first.document["key"])
    assert set(notes.signed_by(log.note() + first.document["line"], [key])) == {key}
    again = other.calls(client, "POST", ADD, request(log.grow(9)))
    assert (again.status, again.document["size"]) == (409, 64)
    assert other.calls(client, "POST", ADD, request(log, 64)).status == 200
    assert other.calls(client, "GET", SEEN).document["checkpoints"][0] == log.note()
    published = client.get("/net/1/witness-key")
    assert published.content.decode() == f"{key.text}\n"


@pytest.mark.parametrize(
    "changes",
    [
        {"old": -1}, {"old": "0"}, {"old": True}, {"old": None}, {"old": MAX_LEAVES + 1},
        {"proof": None}, {"proof": "x"},
        {"proof": ["x"]}, {"proof": [""]}, {"proof": [5]}, {"proof": ["AAAA"] * 65}, {"checkpoint": None},
        {"checkpoint": 7}, {"checkpoint": ""}, {"checkpoint": "x" * 5000}, {"checkpoint": "\n\n\n"},
    ],
)  # fmt: skip
def test_what_is_no_checkpoint_is_refused(other: Portal, client: Client, changes: dict[str, Any]):
    log = Log(other, 64)
    known(other, log)
    assert (
        other.calls(
            client,
            "POST",
            ADD,
            request(log, **changes) if "old" not in changes else {**request(log), **changes},
        ).status
        == 400
    )
    assert not SignedCheckpoint.objects.exists()


def test_only_active_peers_are_served(other: Portal, client: Client):
    log = Log(other, 64)
    peer = known(other, log)
    for state in (Peer.State.SUSPENDED, Peer.State.REMOVED):
        Peer.objects.filter(pk=peer.pk).update(state=state)
        for method, path, document in (("POST", ADD, request(log)), ("GET", SEEN, None)):
            call = other.signed(method, path, document)
            answer = client.generic(
                method, path, call.body, content_type="application/json", headers=call.headers
            )
            assert (answer.status_code, "signature" in answer.headers) == (404, False)


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


def test_this_portals_log_is_signed_by_its_peers(other: Portal):
    peer, witness = other.peer(), Witness(other)
    first = checkpoint()
    assert witnesses.submit(peer)
    assert not witnesses.submit(peer)
    second = checkpoint()
    assert witnesses.submit(peer)
    assert list(Cosignature.objects.values_list("checkpoint_id", flat=True)) == [first.size, second.size]
    assert own_log.note(second).count("— ") == 2
    witness.last, witness.note = None, ""  # it was restored from an old backup
    third = checkpoint()
    assert witnesses.submit(peer)
    assert Cosignature.objects.filter(checkpoint=third).exists()


def forget(signed: Checkpoint) -> None:
    """Take a checkpoint out of the database, as a restore of an earlier backup would."""
    with pgtrigger.ignore():
        Cosignature.objects.filter(checkpoint=signed).delete()
        signed.delete()


def test_this_portal_finds_out_that_its_own_log_is_shorter(other: Portal):
    peer, witness = other.peer(), Witness(other)
    checkpoint()
    newest = checkpoint()
    assert witnesses.submit(peer)
    forget(newest)
    with pytest.raises(Refused, match="leaves of this log, which has"):
        witnesses.submit(peer)
    assert own_log.missing() == MissingCheckpoint.objects.get()
    assert witness.last is not None


@pytest.mark.parametrize(
    "answer",
    [
        {}, {"key": 5, "line": 5}, {"key": "", "line": ""}, {"key": "a+00000000+AAAA", "line": "x"},
        (409, {}), (409, {"size": 5, "note": 7}), (409, {"size": 5, "note": "no note"}), (403, {"detail": "No."}),
        (409, {"size": 0, "note": ""}),
    ],
)  # fmt: skip
def test_a_witness_that_answers_rubbish_changes_nothing(other: Portal, answer: Any):
    peer = other.peer()
    checkpoint()
    other.answers["POST", ADD] = lambda _: answer
    if answer == (409, {"size": 0, "note": ""}):
        assert not witnesses.submit(peer)
    else:
        with pytest.raises(Refused):
            witnesses.submit(peer)
    assert not Cosignature.objects.exists()
    assert own_log.missing() is None


def test_a_witness_cannot_sign_in_anothers_name(other: Portal):
    peer, witness = other.peer(), Witness(other)
    witness.name = "c.example"
    checkpoint()
    with pytest.raises(Refused, match="no signature of its own"):
        witnesses.submit(peer)


def test_two_histories_are_found_when_witnesses_compare(portals: Callable[..., Portal]):
    logged, teller = portals("Hospital B"), portals("Hospital C")
    log = Log(logged, 64)
    peer, third = known(logged, log), teller.peer()
    fork = log.fork().grow(64, tint=b"!")
    sign(peer, log.grow(64), 0)
    teller.answers["GET", SEEN] = lambda _: {
        "checkpoints": [fork.note(by=Ed25519PrivateKey.generate()), fork.note(), log.note()]
    }
    assert witnesses.compare(third) == 3
    found = alarm("split")
    assert (found.peer, found.known, found.shown, found.shown_by) == (
        peer,
        log.note(),
        fork.note(),
        "Hospital C",
    )
    with pytest.raises(Alarmed):
        sign(peer, log.grow(1), 128)


@pytest.mark.parametrize("told", [None, "x", [5, None, {}], ["x" * 3000], []])
def test_a_portal_that_tells_rubbish_raises_no_alarm(other: Portal, told: Any):
    peer = other.peer()
    other.answers["GET", SEEN] = lambda _: {"checkpoints": told}
    if isinstance(told, list):
        assert witnesses.compare(peer) == 0
    else:
        with pytest.raises(calls.Unreachable):
            witnesses.compare(peer)
    assert not LogAlarm.objects.exists()


def test_a_peer_that_holds_a_checkpoint_of_this_log_tells_it(other: Portal):
    peer = other.peer()
    Witness(other)
    newest = checkpoint()
    other.answers["GET", SEEN] = lambda _: {"checkpoints": [newest.note]}
    assert witnesses.compare(peer) == 1
    assert own_log.missing() is None
    forget(newest)
    assert witnesses.compare(peer) == 1
    assert own_log.missing() is not None


def test_an_admin_marks_an_alarm_and_the_log_stays_unsigned(other: Portal, client: Client):
    log = Log(other, 64)
    peer = known(other, log)
    found = LogAlarm.objects.create(
        peer=peer, kind="shorter", origin=log.origin, known="k", shown="s", shown_by="b"
    )
    auditor, admin = make.user("auditor"), make.admin()
    for person, status, may_act in (
        (make.scientist(), 404, False),
        (auditor, 200, False),
        (admin, 200, True),
    ):
        client.force_login(person)
        page = client.get("/network/alarms/")
        assert (page.status_code, "Mark as dealt with" in page.content.decode()) == (status, may_act)
    with pytest.raises(Denied):
        witnesses.mark_seen(found, by=auditor)
    client.post(f"/network/alarms/{found.pk}/seen/")
    found.refresh_from_db()
    assert found.seen_by == admin
    with pytest.raises(Conflict):
        witnesses.mark_seen(found, by=admin)
    with pytest.raises(Alarmed):
        witnesses.cosign(peer, 0, [], log.note())


def test_the_key_of_a_witness_is_made_once_and_sealed(other: Portal):
    log = Log(other, 64)
    peer = known(other, log)
    assert witnesses.own_key() is None
    key, _ = sign(peer, log, 0)
    again, _ = sign(peer, log.grow(1), 64)
    assert key == again
    row = WitnessKey.objects.get()
    assert key.public not in bytes(row.sealed)
    row.sealed = b"x" * 60
    row.save()
    with pytest.raises(Refused, match="cannot open its key"):
        sign(peer, log.grow(1), 65)
    assert SignedCheckpoint.objects.first().size == 65  # type: ignore[union-attr]
