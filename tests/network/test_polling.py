"""Polling: newer cards are taken over, older ones are not, and no portal's trouble is another one's."""

import threading
import time
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import Notification
from audit.models import Entry
from network import cards
from network.models import Peer
from network.services import peers, polling
from network.tasks import poll_peer, poll_peers
from tests import make
from tests.makers import network as connected
from tests.network import making
from tests.network.fake import FakePortal, fake_portal

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loopback", "identity")]


@pytest.fixture
def identity(db):
    connected.set_up()


def known(other: FakePortal, state: str = "active", **fields) -> Peer:
    peer = connected.peer(state, url=other.url, **fields)
    Peer.objects.filter(pk=peer.pk).update(card=other.card)
    return peer


def polled(peer: Peer) -> Peer:
    polling.poll(peer.pk)
    return Peer.objects.get(pk=peer.pk)


def pinned(peer: Peer) -> dict[str, bool]:
    """The pinned keys by name, and whether each counts."""
    names = {making.public_key(name): name for name in ("first", "second", "third", "thief")}
    return {names[bytes(key.public)]: key.counts(timezone.now()) for key in peer.keys.all()}


def test_a_portal_that_answers_has_no_trouble(other):
    peer = polled(known(other, trouble="It was away.", card_trouble="Odd."))
    assert (peer.state, peer.trouble, peer.card_trouble, peer.version) == ("active", "", "", "0.1.0")
    assert peer.seen_at is not None
    assert abs(peer.clock_offset) < 2
    assert other.paths() == ["/.well-known/weir-card", "/net/1/state"]


def test_an_invited_portal_is_asked_once_and_becomes_active_by_its_signed_word(other):
    other.knows_us = False
    peer = polled(known(other, "invited", asked_at=None))
    assert (peer.state, peer.trouble, peer.asked_at is not None) == ("invited", "", True)
    assert (
        other.heard[1] == ("POST", "/net/1/peers", {"url": "http://testserver"}) or other.heard[1][2]["url"]
    )
    peer = polled(peer)
    assert other.paths().count("/net/1/peers") == 1
    other.knows_us = True
    assert polled(peer).state == "active"


def test_a_rotated_key_is_pinned_and_the_old_one_ends_after_two_days(other):
    peer = known(other)
    other.show("first", "second", sequence=8, vouchers=(making.voucher("second", by="first", url=other.url),))
    peer = polled(peer)
    assert (peer.sequence, peer.card, pinned(peer)) == (8, other.card, {"first": True, "second": True})
    ends = peer.keys.get(public=making.public_key("first")).until
    assert ends is not None
    assert ends <= timezone.now() + cards.KEY_OVERLAP
    other.show("second", sequence=9, vouchers=(making.voucher("second", by="first", url=other.url),))
    assert pinned(polled(peer)) == {"first": True, "second": True}


def test_a_key_that_a_card_drops_ends_within_the_overlap(other):
    peer = known(other)
    other.show("second", sequence=8, vouchers=(making.voucher("second", by="first", url=other.url),))
    peer = polled(peer)
    ends = peer.keys.get(public=making.public_key("first")).until
    assert timedelta(hours=47) < ends - timezone.now() <= cards.KEY_OVERLAP


def recovered(other: FakePortal, key: str = "second", *, sequence: int = 8) -> None:
    vouch = making.voucher(key, by="recovery", epoch=2, url=other.url)
    other.show(key, epoch=2, sequence=sequence, vouchers=(vouch,))


def test_after_a_recovery_old_keys_end_at_once_and_admins_are_alerted(other):
    admin, peer = make.admin(), known(other)
    recovered(other)
    peer = polled(peer)
    assert (peer.state, peer.epoch, pinned(peer)) == ("active", 2, {"first": False, "second": True})
    assert peer.recovered_at is not None
    assert peer.turn == "an admin of this portal"
    assert Notification.objects.get(user=admin).text == "Hospital B replaced its keys with its recovery key."
    assert Entry.objects.filter(object_id=str(peer.pk), action="network.peer.recovered").count() == 1


def test_keys_from_before_a_recovery_suspend(other):
    """Whoever shows them has them, and is not the portal."""
    admin = make.admin()
    old = other.card
    peer = known(other)
    recovered(other)
    polled(peer)
    other.card = old
    peer = polled(peer)
    assert (peer.state, peer.suspended_by) == ("suspended", None)
    assert peer.state_reason == "Its card is from before its keys were replaced."
    assert "older" in peer.card_trouble
    assert Notification.objects.filter(user=admin, text__contains="was suspended").count() == 1
    recovered(other, sequence=9)
    assert polled(peer).state == "active"


def test_a_card_by_unknown_keys_suspends_nobody(other):
    peer = known(other)
    Peer.objects.filter(pk=peer.pk).update(epoch=2)
    other.show("thief", sequence=9)
    peer = polled(peer)
    assert (peer.state, peer.epoch, pinned(peer)) == ("active", 2, {"first": True})
    assert peer.card_trouble != ""


def test_an_older_card_is_ignored_and_told(other):
    peer = known(other)
    Peer.objects.filter(pk=peer.pk).update(sequence=9)
    peer = polled(peer)
    assert (peer.state, peer.sequence) == ("active", 9)
    assert peer.card_trouble == "The card of Hospital B is older than one that was here before."


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sequence": 5000}, "does not follow"),
        ({"sequence": 7}, "another card with the number"),
        ({"sequence": 8, "recovery": making.public_key("thief")}, "another recovery key"),
    ],
)
def test_what_does_not_follow_is_not_taken(other, changes, says):
    peer = known(other)
    before = Peer.objects.get(pk=peer.pk).card
    other.show("first", name="Hospital X", **changes)
    peer = polled(peer)
    assert (peer.card, peer.name, peer.wished) == (before, "Hospital B", {})
    assert says in peer.card_trouble


def test_what_is_no_card_is_told(other):
    other.card = '{"card":1}'
    peer = polled(known(other))
    assert "cannot be read" in peer.card_trouble
    assert (peer.state, peer.trouble) == ("active", "")


def test_another_name_waits_and_the_card_counts(other):
    peer = known(other)
    other.show("first", name="Hospital C", sequence=8)
    peer = polled(peer)
    assert (peer.name, peer.wished, peer.sequence) == ("Hospital B", {"name": "Hospital C"}, 8)


def test_another_address_waits_and_is_not_called_meanwhile(other):
    peer = known(other)
    other.show("first", url="https://moved.example.org", sequence=8)
    peer = polled(peer)
    assert (peer.url, peer.wished) == (other.url, {"url": "https://moved.example.org"})
    assert other.paths() == ["/.well-known/weir-card"]


def test_a_card_that_expired_too_long_ago_suspends_until_a_good_one_comes(other):
    peer = known(other)
    late = timezone.now() - polling.LATE - timedelta(minutes=1)
    Peer.objects.filter(pk=peer.pk).update(card_expires_at=late)
    good, other.card = other.card, ""
    peer = polled(peer)
    assert (peer.state, peer.suspended_by, peer.state_reason) == (
        "suspended", None, "Its card has expired, and no newer one came.",
    )  # fmt: skip
    assert polled(peer).state == "suspended"
    assert other.paths().count("/net/1/state") == 0
    other.show("first", sequence=8)
    peer = polled(peer)
    assert (peer.state, peer.state_reason, peer.card == good) == ("active", "Its card counts again.", False)


def test_what_an_admin_suspended_is_left_alone(other):
    peer = known(other)
    peers.suspend(peer, by=make.admin(), reason="Because.")
    assert polled(peer).state == "suspended"
    assert other.heard == []


def test_what_an_admin_suspends_meanwhile_stays_so(other):
    """The admin's decision comes between the fetch and what follows from it."""
    peer = known(other, "suspended", suspended_by=None)
    stale = Peer.objects.get(pk=peer.pk)
    peers.suspend(peer, by=make.admin(), reason="Because.")
    polling._fetch(stale)
    assert Peer.objects.get(pk=peer.pk).state == "suspended"


def test_a_portal_that_is_away_is_noted_in_words(other):
    peer = known(other)
    Peer.objects.filter(pk=peer.pk).update(url="http://127.0.0.1:9")
    peer = polled(peer)
    assert (peer.state, peer.trouble) == (
        "active",
        "127.0.0.1:9 could not be reached (ConnectionRefusedError).",
    )
    assert peer.tried_at is not None


def test_a_wrong_clock_is_told(other):
    other.ahead = 3600
    peer = polled(known(other))
    assert "one of their clocks is wrong" in peer.trouble


def test_a_portal_that_forgot_us_is_told(other):
    other.knows_us = False
    assert "does not know this portal" in polled(known(other)).trouble


def test_an_unknown_portal_is_not_polled():
    poll_peer(str(connected.peer("waiting").pk))
    poll_peer("00000000-0000-0000-0000-000000000000")
    assert Peer.objects.get().tried_at is None


@pytest.mark.django_db(transaction=True)
def test_one_that_hangs_and_one_that_fails_delay_no_other(other, caplog):
    """The task itself, with threads and their own connections."""
    with fake_portal("Hospital C") as slow:
        slow.hangs = threading.Event()
        good, hung = known(other), known(slow)
        threading.Timer(3, slow.hangs.set).start()
        begun = time.monotonic()
        poll_peers()
        seen = Peer.objects.get(pk=good.pk).tried_at
        assert time.monotonic() - begun >= 2.5
        assert seen is not None
        assert (Peer.objects.get(pk=hung.pk).tried_at - seen).total_seconds() > 2
    assert caplog.records == []
