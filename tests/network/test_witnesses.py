"""Portals as witnesses: what is signed, what raises an alarm, and what a liar can do."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import Client
from django.utils import timezone

from accounts.models import Notification
from common.errors import Conflict, Denied, Refused
from crypto import notes
from crypto.tree import MAX_LEAVES
from network.models import LogAlarm, Peer, SignedCheckpoint, WitnessKey
from network.services import witnesses
from network.services.witnesses import Ahead, Alarmed
from tests import make
from tests.network.logs import ADD, SEEN, Log, alarm, known, request, sign
from tests.network.portals import Portal

pytestmark = pytest.mark.django_db


@pytest.fixture
def other(portals: Callable[..., Portal]) -> Portal:
    return portals("Hospital B")


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


def renamed(peer: Peer, log: Log) -> None:
    log.origin = log.origin.replace("/1", "/2")
    log.key = notes.public_key(log.origin, log.private)
    peer.card = log.portal.card_text(log_origin=log.origin, log_key=log.key.text)
    peer.save()


def test_those_who_oversee_are_told_of_a_log_with_another_name(other: Portal):
    log = Log(other, 64)
    peer = known(other, log)
    sign(peer, log, 0)
    note, auditor = log.note(), make.auditor()
    renamed(peer, log)
    assert sign(peer, log, 0)
    assert sign(peer, log.grow(1), 64)
    found = alarm("renamed")
    assert (found.known, found.origin) == (note, note.partition("\n")[0])
    assert Notification.objects.filter(user=auditor).count() == 1


def test_a_log_with_a_new_name_is_signed_after_an_alarm(other: Portal):
    log = Log(other, 64)
    peer = known(other, log)
    LogAlarm.objects.create(peer=peer, kind="shorter", origin=log.origin, known="", shown="", shown_by="")
    renamed(peer, log)
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
