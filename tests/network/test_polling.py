"""Polling: newer cards are taken over, older ones are not, and no portal's trouble is another one's."""

import json
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.utils import timezone

from accounts.models import Notification
from audit.models import Entry
from network import calls, cards
from network.models import IdentityKey, Peer
from network.services import peers, polling, rounds
from network.tasks import poll_peer, poll_peers
from tests import make
from tests.makers import network as connected
from tests.network.portals import Portal

pytestmark = pytest.mark.django_db


def known(other: Portal, state: str = "active", **fields: Any) -> Peer:
    """A peer whose card was pinned, and that shows the same one again."""
    moment = timezone.now()
    fields = {"asked_at": moment, "proven_at": moment, **fields}
    peer = other.peer(state, **fields)
    other.shown = peer.card
    return peer


def show(other: Portal, **changes: Any) -> None:
    """Have it show a newer card."""
    if "sequence" not in changes:
        other.sequence += 1
    other.shown = other.card_text(**changes)


def polled(peer: Peer) -> Peer:
    polling.poll(peer.pk)
    return Peer.objects.get(pk=peer.pk)


def counting(peer: Peer) -> dict[bytes, bool]:
    """The pinned keys, and whether each counts."""
    return {bytes(key.public): key.counts(timezone.now()) for key in peer.keys.all()}


def paths(other: Portal) -> list[str]:
    return [call.url.removeprefix(other.url) for call in other.received]


def test_a_portal_that_answers_has_no_trouble(other):
    peer = polled(known(other, trouble="It was away.", card_trouble="Odd."))
    assert (peer.state, peer.trouble, peer.card_trouble, peer.version) == ("active", "", "", "9.9.9")
    assert peer.seen_at is not None
    assert abs(peer.clock_offset) < 2
    assert paths(other) == ["/.well-known/weir-card", "/net/1/state"]


def test_an_invited_portal_is_asked_once_and_becomes_active_by_its_signed_word(other):
    other.knows_us = False
    peer = polled(known(other, "invited", asked_at=None))
    assert (peer.state, peer.trouble, peer.asked_at is not None) == ("invited", "", True)
    assert json.loads(other.received[1].body) == {"url": settings.BASE_URL}
    peer = polled(peer)
    assert paths(other).count("/net/1/peers") == 1
    other.knows_us = True
    assert polled(peer).state == "active"


def test_a_rotated_key_is_pinned_and_the_old_one_ends_after_two_days(other):
    peer, old = known(other), other.public
    other.rotate()
    show(other)
    peer = polled(peer)
    assert (peer.sequence, peer.card) == (other.sequence, other.shown)
    assert counting(peer) == {old: True, other.public: True}
    ends = peer.keys.get(public=old).until
    assert ends is not None
    assert timedelta(hours=47) < ends - timezone.now() <= cards.KEY_OVERLAP
    assert polled(peer).trouble == ""


def test_a_key_that_a_card_drops_ends_within_the_overlap(other):
    peer, old = known(other), other.public
    other.rotate()
    other.earlier = []
    show(other)
    ends = polled(peer).keys.get(public=old).until
    assert ends is not None
    assert timedelta(hours=47) < ends - timezone.now() <= cards.KEY_OVERLAP


def test_after_a_recovery_old_keys_end_at_once_and_admins_are_alerted(other):
    admin = make.admin()
    peer, old = known(other, confirmed_by=admin), other.public
    other.recover()
    show(other)
    peer = polled(peer)
    assert (peer.state, peer.epoch, counting(peer)) == ("active", 2, {old: False, other.public: True})
    assert peer.recovered_at is not None
    assert peer.turn == "an admin of this portal"
    assert Notification.objects.get(user=admin).text == "Hospital B replaced its keys with its recovery key."
    assert Entry.objects.filter(object_id=str(peer.pk), action="network.peer.recovered").count() == 1


def test_whoever_stole_a_key_cannot_raise_the_number_out_of_reach_of_the_recovery_key(other):
    peer = known(other)
    for _ in range(3):
        show(other, sequence=polled(peer).sequence + 1000)
    assert polled(peer).sequence == 3001
    other.recover()
    show(other)
    assert (polled(peer).epoch, polled(peer).sequence, polled(peer).card_trouble) == (2, other.sequence, "")
    assert counting(peer)[other.public]


def test_keys_from_before_a_recovery_suspend(other):
    """Whoever shows them has them, and is not the portal."""
    admin = make.admin()
    peer = known(other, confirmed_by=admin)
    before = other.shown
    other.recover()
    show(other)
    polled(peer)
    good, other.shown = other.shown, before
    peer = polled(peer)
    assert (peer.state, peer.suspended_by) == ("suspended", None)
    assert peer.state_reason == "Its card is from before its keys were replaced."
    assert "older" in peer.card_trouble
    assert Notification.objects.filter(user=admin, text__contains="was suspended").count() == 1
    other.shown = good
    assert polled(peer).state == "active"


def test_a_card_by_unknown_keys_suspends_nobody(other):
    """A stranger who controls the address, and repeats the public recovery key."""
    peer, old = known(other, epoch=2), other.public
    other.private = Ed25519PrivateKey.generate()
    show(other)
    peer = polled(peer)
    assert (peer.state, peer.epoch, counting(peer)) == ("active", 2, {old: True})
    assert peer.card_trouble != ""


def test_an_older_card_is_ignored_and_told(other):
    peer = known(other)
    Peer.objects.filter(pk=peer.pk).update(sequence=9)  # one that came in the meantime
    peer = polled(peer)
    assert (peer.state, peer.sequence) == ("active", 9)
    assert peer.card_trouble == "The card of Hospital B is older than one that was here before."


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sequence": 5000}, "does not follow"),
        ({"sequence": 1}, "another card with the number"),
        ({"sequence": 2, "recovery": bytes(32)}, "another recovery key"),
    ],
)
def test_what_does_not_follow_is_not_taken(other, changes, says):
    peer = known(other)
    before = Peer.objects.get(pk=peer.pk).card
    show(other, name="Hospital X", **changes)
    peer = polled(peer)
    assert (peer.card, peer.name, peer.wished) == (before, "Hospital B", {})
    assert says in peer.card_trouble


def test_what_is_no_card_is_told(other):
    peer = known(other)
    other.shown = '{"card":1}'
    peer = polled(peer)
    assert "cannot be read" in peer.card_trouble
    assert (peer.state, peer.trouble) == ("active", "")


def test_another_name_waits_and_the_card_counts(other):
    peer = known(other)
    show(other, name="Hospital C")
    peer = polled(peer)
    assert (peer.name, peer.wished, peer.sequence) == ("Hospital B", {"name": "Hospital C"}, 2)


def test_another_address_waits_and_is_not_called_meanwhile(other):
    peer = known(other)
    show(other, url="https://moved.example.org")
    peer = polled(peer)
    assert (peer.url, peer.wished) == (other.url, {"url": "https://moved.example.org"})
    assert paths(other) == ["/.well-known/weir-card"]


def test_a_card_that_expired_too_long_ago_suspends_until_a_good_one_comes(other):
    peer = known(other)
    late = timezone.now() - polling.LATE - timedelta(minutes=1)
    Peer.objects.filter(pk=peer.pk).update(card_expires_at=late)
    before, other.shown = other.shown, ""
    peer = polled(peer)
    assert (peer.state, peer.suspended_by, peer.state_reason) == (
        "suspended", None, "Its card has expired, and no newer one came.",
    )  # fmt: skip
    assert polled(peer).state == "suspended"
    assert paths(other).count("/net/1/state") == 0
    show(other)
    peer = polled(peer)
    assert (peer.state, peer.state_reason, peer.card == before) == ("active", "Its card counts again.", False)


def test_what_an_admin_suspended_is_left_alone(other):
    peer = known(other)
    peers.suspend(peer, by=make.admin(), reason="Because.")
    assert polled(peer).state == "suspended"
    assert other.received == []


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
    peer = known(other)
    other.clock = 3600
    peer = polled(peer)
    assert "one of their clocks is wrong" in peer.trouble


def test_a_portal_that_forgot_us_is_told(other):
    other.knows_us = False
    assert "does not know this portal" in polled(known(other)).trouble


def test_an_unknown_portal_is_not_polled():
    poll_peer(str(connected.peer("waiting").pk))
    poll_peer("00000000-0000-0000-0000-000000000000")
    assert Peer.objects.get().tried_at is None


@pytest.mark.django_db(transaction=True)
def test_one_that_hangs_delays_no_other(portals, caplog):
    """The task itself, with threads that have connections of their own."""
    good, slow = portals(), portals("Hospital C")
    peer, hung = known(good), known(slow)
    let_go = threading.Event()
    slow.raw["GET", calls.CARD] = lambda handler: let_go.wait(20)
    threading.Timer(2, let_go.set).start()
    begun = time.monotonic()
    poll_peers()
    seen, last = (Peer.objects.get(pk=each.pk).tried_at for each in (peer, hung))
    assert time.monotonic() - begun >= 1.5
    assert seen is not None
    assert last is not None
    assert (last - seen).total_seconds() > 1
    assert Peer.objects.get(pk=peer.pk).trouble == ""
    assert caplog.records == []


def test_a_portal_without_keys_of_its_own_says_so(other):
    peer = known(other)
    IdentityKey.objects.all().delete()
    assert "no identity yet" in polled(peer).trouble


@pytest.mark.django_db(transaction=True)
def test_a_fault_with_one_portal_is_logged_and_stops_no_other(portals, caplog, monkeypatch):
    good, odd = portals(), portals("Hospital C")
    peer, bad = known(good), known(odd)
    fetch = calls.fetch_card

    def fetched(url: str, **given: bool) -> Any:
        if url == odd.url:
            raise RuntimeError("A fault of ours.")
        return fetch(url, **given)

    monkeypatch.setattr(calls, "fetch_card", fetched)
    poll_peers()
    assert Peer.objects.get(pk=peer.pk).seen_at is not None
    assert Peer.objects.get(pk=bad.pk).seen_at is None
    assert [record.message for record in caplog.records] == ["peer_not_called"]


@pytest.mark.django_db(transaction=True)
def test_one_round_runs_at_a_time(portals, monkeypatch):
    """Rounds that meet another one call nobody: a worker's threads are for answers."""
    peer = known(portals())
    met: list[Any] = []
    again: list[Any] = []
    monkeypatch.setattr(poll_peers, "apply_async", lambda **given: again.append(given))

    def act(each: Peer) -> None:
        met.append(rounds.of(Peer.objects.all(), act))
        poll_peers()

    assert rounds.of(Peer.objects.reachable(), act)
    assert (met, again) == ([False], [{"countdown": 20}])
    assert rounds.of(Peer.objects.filter(pk=peer.pk), met.append)
    assert met[1:] == [peer]
