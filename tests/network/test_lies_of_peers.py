"""What an active portal can do with what it says, although its signatures are good: nothing to others."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts.models import Notification, User
from audit import witnesses as own_log
from common.admission import Busy
from common.errors import Refused
from crypto import notes
from network import addresses, cards
from network.cards import CardKey
from network.models import AskedElsewhere, Catalogue, Peer, RemoteDataset, SignedCheckpoint
from network.services import catalogue, changes, elsewhere, guests, polling, witnesses
from tests import make
from tests.makers import catalogues
from tests.makers import network as connected
from tests.makers.audit import checkpoint
from tests.network.logs import SEEN, Log, forget, known, sign
from tests.network.portals import Portal

pytestmark = pytest.mark.django_db
LAST_YEAR = 253_402_300_799


# Its card


def test_a_key_counts_for_two_days_more_at_most_and_its_page_opens(other: Portal, client: Client):
    admin = make.admin(time_zone="Asia/Tokyo")
    peer = other.peer()
    other.rotate()
    other.earlier = [CardKey(key.public, key.since, LAST_YEAR) for key in other.earlier]
    fresh = Portal("A key of nobody's")
    other.earlier.append(CardKey(fresh.public, 0, LAST_YEAR))
    text = cards.voucher_text(fresh.public, 1, other.url)
    other.vouchers.append(cards.Voucher(fresh.public, other.public, other.private.sign(text), 1))
    fresh.close()
    polling.poll(peer.pk)
    latest = timezone.now() + cards.KEY_OVERLAP
    ends = {bytes(key.public): key.until for key in peer.keys.all()}
    assert ends.pop(other.public) is None
    assert len(ends) == 2
    assert all(until is not None and until <= latest for until in ends.values())
    client.force_login(admin)
    assert client.get(f"/network/peers/{peer.pk}/").status_code == 200


@pytest.mark.parametrize("url", ["http://b.example.org", settings.BASE_URL])
def test_an_address_that_no_admin_could_type_is_not_accepted(url: str):
    peer = connected.peer()
    changes.note_wishes(peer, connected.card(url=url))
    peer.save()
    with pytest.raises(Refused):
        changes.accept(peer, by=make.admin(), seen={"url": url})
    assert Peer.objects.get(pk=peer.pk).url == connected.URL


# Its catalogue


@pytest.mark.parametrize("spelt", [str.upper, lambda text: text.replace("-", ""), lambda _: 5])
def test_a_dataset_has_one_id_in_one_spelling(other: Portal, spelt: Callable[[str], Any]):
    peer, pk = other.peer(), f"{uuid4()}"[:-1] + "a"
    told = catalogues.told(catalogues.entry(id=pk), catalogues.entry(id=spelt(pk)))
    other.answers["GET", "/net/1/catalogue"] = lambda _: told
    catalogue.refresh(peer)
    assert "id" in Catalogue.objects.get().trouble
    assert not RemoteDataset.objects.exists()


def test_a_catalogue_leaves_off_no_more_than_can_be_counted(other: Portal):
    peer = other.peer()
    other.answers["GET", "/net/1/catalogue"] = lambda _: catalogues.told(left_off=2**31)
    catalogue.refresh(peer)
    assert "left_off" in Catalogue.objects.get().trouble


# Its log


def test_nobody_hides_a_missing_checkpoint_behind_a_log_of_the_same_name(portals: Callable[..., Portal]):
    liar, honest = portals("Hospital B"), portals("Hospital C")
    teller = honest.peer()
    newest = checkpoint()
    log = Log(liar, newest.size)
    log.origin, log.key = newest.key.origin, notes.public_key(newest.key.origin, log.private)
    sign(known(liar, log), log, 0)
    note = newest.note
    forget(newest)
    honest.answers["GET", SEEN] = lambda _: {"checkpoints": [note]}
    assert witnesses.compare(teller) == 1
    assert own_log.missing() is not None


def test_an_alarm_names_the_portal_whatever_its_log_is_called(other: Portal):
    auditor = make.user("auditor")
    log = Log(other, 64)
    log.origin = "c.example/log/1"
    log.key = notes.public_key(log.origin, log.private)
    peer = known(other, log)
    sign(peer, log, 0)
    log.size, log.tiles = 0, {}
    with pytest.raises(witnesses.Alarmed):
        sign(peer, log.grow(64, tint=b"!"), 64)
    (text,) = Notification.objects.filter(user=auditor).values_list("text", flat=True)
    assert text == "The log does not begin with what it was: c.example/log/1 of Hospital B."


def test_an_old_log_of_great_size_does_not_hide_the_present_one(other: Portal, client: Client):
    log = Log(other, 64)
    peer = known(other, log)
    for size in range(2**40, 2**40 + witnesses.TOLD):
        SignedCheckpoint.objects.create(
            peer=peer, origin="old", size=size, root=bytes(32), note=f"old {size}", at=timezone.now()
        )
    sign(peer, log, 0)
    assert log.note() in other.calls(client, "GET", SEEN).document["checkpoints"]


def test_a_portal_is_told_of_its_own_log_however_many_others_there_are(
    portals: Callable[..., Portal], client: Client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(witnesses, "LOGS_TOLD", 1)
    three = [portals(name) for name in "BCD"]
    logs = [Log(each, 64) for each in three]
    for portal, log in zip(three, logs, strict=True):
        sign(known(portal, log), log, 0)
    for portal, log in zip(three, logs, strict=True):
        assert portal.calls(client, "GET", SEEN).document == {"checkpoints": [log.note()]}


def test_a_portal_cannot_have_one_log_after_another_signed(other: Portal, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(witnesses, "MOST_LOGS", 1)
    log = Log(other, 64)
    peer = known(other, log)
    SignedCheckpoint.objects.create(
        peer=peer, origin="old", size=1, root=bytes(32), note="old", at=timezone.now()
    )
    with pytest.raises(Refused, match="signs no other"):
        sign(peer, log, 0)


# Its slowness


def test_one_portal_keeps_only_so_many_calls_in_progress(other: Portal):
    peer, mei = other.peer(), make.scientist()
    AskedElsewhere.objects.create(
        user=mei, peer=peer, remote_id="x" * 20, dataset=uuid4(), title="x", key=uuid4(), state="granted"
    )
    call: dict[str, Any] = {
        "scopes": frozenset({"read"}),
        "method": "GET",
        "path": "/api/v1/datasets/",
        "query": "",
    }
    with ExitStack() as in_progress:
        for _ in range(elsewhere.PASSING.each):
            in_progress.enter_context(elsewhere.PASSING.turn(peer.pk, seconds=1))
        with pytest.raises(Busy):
            elsewhere.pass_on(peer, by=mei, **call, headers={}, body=None)
        in_progress.enter_context(elsewhere.PASSING.turn(uuid4(), seconds=1))  # another portal's
    with pytest.raises(elsewhere.PortalUnreachable):
        elsewhere.pass_on(peer, by=mei, **call, headers={}, body=None)


def test_portals_that_answer_slowly_do_not_take_a_worker_for_long(
    other: Portal, monkeypatch: pytest.MonkeyPatch
):
    peer, mei = other.peer(), make.scientist()
    for _ in range(3):
        AskedElsewhere.objects.create(
            user=mei, peer=peer, remote_id="x" * 20, dataset=uuid4(), title="x", key=uuid4(), state="waiting"
        )
    monkeypatch.setattr(elsewhere, "LOOK_SECONDS", -1)
    elsewhere.look_after()
    assert other.received == []


def test_names_whose_servers_do_not_answer_leave_room_for_others(monkeypatch: pytest.MonkeyPatch):
    release = threading.Event()

    def lookup(host: str, *_: Any, **__: Any) -> Any:
        if host.startswith("slow"):
            release.wait(20)
        return [(2, 1, 6, "", ("93.184.215.14", 0))]

    monkeypatch.setattr("network.addresses.socket.getaddrinfo", lookup)
    waiting = [threading.Thread(target=_resolve, args=(f"https://slow{n}.example",)) for n in range(8)]
    try:
        for each in waiting:
            each.start()
        assert addresses.resolve("https://quick.example", seconds=3) == "93.184.215.14"
    finally:
        release.set()
        for each in waiting:
            each.join()


def _resolve(url: str) -> None:
    addresses.resolve(url, seconds=15)


# Its people


def test_long_names_of_people_and_portals_can_be_admitted(own: str):
    host = f"{'a' * 60}.{'b' * 30}.example"
    person = make.guest(home_name=host[:100], name="Mei " + "Lin" * 32)
    assert person.name.endswith(f"({host[:100]})")
    assert User.objects.get(pk=person.pk).is_guest
    with pytest.raises(Refused, match="100 characters"):
        make.guest(home_name="a" * 101)
    assert guests._host(Peer(url="https://b.example:8443")) == "b.example"
