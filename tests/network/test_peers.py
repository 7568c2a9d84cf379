"""The standing of another portal: who may change it, what it becomes, and what is recorded."""

import pytest
from django.utils import timezone

from accounts.models import Notification
from audit.models import Entry
from common.errors import Conflict, Denied, Refused
from network import rules
from network.models import Peer
from network.services import changes, introductions, peers, pins
from tests import make
from tests.makers import network as connected
from tests.network import making

pytestmark = pytest.mark.django_db
REASON = "They asked for it."


def entries(peer: Peer) -> list[str]:
    found = Entry.objects.filter(object_id=str(peer.pk)).order_by("id")
    return [action.rpartition(".")[2] for action in found.values_list("action", flat=True)]


def fresh(peer: Peer) -> Peer:
    return Peer.objects.get(pk=peer.pk)


def test_a_suspended_portal_is_resumed_as_what_it_was():
    admin = make.admin()
    for before in ("active", "invited"):
        peer = connected.peer(before, url=f"https://{before}.example.org", by=admin)
        peers.suspend(peer, by=admin, reason=REASON)
        peer = fresh(peer)
        assert (peer.state, peer.suspended_by, peer.state_reason) == ("suspended", admin, REASON)
        peers.resume(peer, by=admin, reason="All is well.")
        peer = fresh(peer)
        assert (peer.state, peer.suspended_by, peer.state_reason) == (before, None, "All is well.")
        assert entries(peer) == ["suspend", "resume"]


def test_other_admins_are_told_and_whoever_acts_is_not():
    admin, other = make.admin(), make.admin()
    peers.suspend(connected.peer(by=admin), by=admin, reason=REASON)
    told = Notification.objects.get()
    assert (told.user, told.text) == (other, f"Hospital B was suspended: {REASON}")


def test_a_removed_portal_has_no_key_that_counts_and_can_be_introduced_again():
    admin, peer = make.admin(), connected.peer()
    peers.remove(peer, by=admin, reason=REASON)
    peer = fresh(peer)
    assert peer.state == "removed"
    assert [key.until is None for key in peer.keys.all()] == [False]
    connected.set_up()
    introductions.asked(peer.url)
    assert [each.state for each in Peer.objects.filter(url=peer.url).order_by("created_at")] == [
        "removed", "waiting",
    ]  # fmt: skip


@pytest.mark.parametrize("verb", [peers.suspend, peers.resume, peers.remove])
def test_a_reason_is_needed(verb):
    peer = connected.peer("suspended" if verb == peers.resume else "active", suspended_by=make.admin())
    with pytest.raises(Refused, match="Give a reason"):
        verb(peer, by=make.admin(), reason=" ")


def test_an_admin_may_hold_what_the_portal_suspended_by_itself():
    admin, peer = make.admin(), connected.peer("suspended", suspended_by=None)
    assert "resumed by itself" in (rules.may_resume(admin, peer) or "")
    peers.suspend(peer, by=admin, reason=REASON)
    assert fresh(peer).suspended_by == admin
    assert rules.may_suspend(admin, fresh(peer)) == "This portal is already suspended."
    peers.resume(peer, by=admin, reason=REASON)
    assert fresh(peer).state == "active"


def test_the_first_signed_word_makes_an_invited_portal_active():
    admin, peer = make.admin(), connected.peer("invited")
    peers.heard_from(peer)
    peers.heard_from(fresh(peer))
    peer = fresh(peer)
    assert (peer.state, peer.proven_at is not None) == ("active", True)
    assert entries(peer) == ["active"]
    assert Notification.objects.get(user=admin).text == "Hospital B and this portal now know each other."


@pytest.mark.parametrize("state", ["waiting", "suspended", "removed"])
def test_a_signed_word_changes_no_other_state(state):
    peer = connected.peer(state)
    stale = fresh(peer)
    stale.state = "invited"
    peers.heard_from(stale)
    assert fresh(peer).state == state


RULES = {
    "may_dismiss": ("waiting",),
    "may_suspend": ("invited", "active"),
    "may_resume": ("suspended",),
    "may_remove": ("invited", "active", "suspended"),
    "may_call": ("invited", "active"),
    "may_ask_again": ("invited",),
}


@pytest.mark.parametrize("name", sorted(RULES))
@pytest.mark.parametrize("state", Peer.State.values)
def test_what_an_admin_may_do_depends_on_the_state(name, state):
    admin = make.admin()
    peer = connected.peer(state, by=admin, **({"suspended_by": admin} if state == "suspended" else {}))
    rule = getattr(rules, name)
    assert (rule(admin, peer) is None) == (state in RULES[name])
    for other in (make.auditor(), make.scientist(), make.owner()):
        assert rule(other, peer) == "Only an admin can do this."


def test_only_those_who_oversee_read():
    assert [rules.may_read(who) is None for who in (make.admin(), make.auditor(), make.scientist())] == [
        True, True, False,
    ]  # fmt: skip


def test_nothing_is_introduced_before_set_up():
    admin = make.admin()
    assert "Set up this portal" in (rules.may_introduce(admin) or "")
    connected.set_up(by=admin)
    assert rules.may_introduce(admin) is None


# A stranger introduces itself


def test_a_stranger_waits_without_a_card_and_admins_are_told():
    admin = make.admin()
    connected.set_up(by=admin)
    introductions.asked(connected.URL)
    introductions.asked(connected.URL)
    peer = Peer.objects.get()
    assert (peer.state, peer.card, peer.name) == ("waiting", "", "")
    assert entries(peer) == ["ask"]
    told = Notification.objects.get(user=admin)
    assert (told.text, told.url) == (
        "Another portal introduces itself and waits for an admin.", f"/network/peers/{peer.pk}/",
    )  # fmt: skip


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "https://b.example.org/",
        "HTTPS://b.example.org",
        "http://b.example.org",
        "https://a@b.example.org",
    ],
)
def test_what_is_no_address_does_not_wait(url):
    connected.set_up()
    introductions.asked(url)
    assert Peer.objects.count() == 0


def test_this_portal_does_not_wait_for_itself(settings):
    settings.BASE_URL = "https://a.example.org"
    connected.set_up()
    introductions.asked("https://a.example.org")
    assert Peer.objects.count() == 0


def test_nobody_waits_at_a_portal_without_an_identity():
    introductions.asked(connected.URL)
    assert Peer.objects.count() == 0


def test_at_most_twenty_wait():
    connected.set_up()
    for number in range(25):
        introductions.asked(f"https://h{number}.example.org")
    assert Peer.objects.count() == 20
    introductions.dismiss(Peer.objects.all()[0], by=make.admin())
    introductions.asked("https://late.example.org")
    assert Peer.objects.filter(state="waiting").count() == 20


def test_a_dismissed_introduction_is_decided():
    admin, peer = make.admin(), connected.peer("waiting")
    introductions.dismiss(peer, by=admin)
    assert (fresh(peer).state, entries(peer)) == ("removed", ["remove"])
    with pytest.raises(Denied, match="already been decided"):
        introductions.dismiss(peer, by=admin)


def test_an_introduction_can_be_sent_again():
    admin, peer = make.admin(), connected.peer("invited")
    introductions.ask_again(peer, by=admin)
    assert fresh(peer).asked_at is None
    assert fresh(peer).turn == "this portal, which calls it again"


# Comparing again


def test_a_recovered_portal_is_compared_again():
    admin = make.admin()
    peer = connected.peer(recovered_at=timezone.now())
    seen = pins.fingerprint(peer)
    with pytest.raises(Refused, match="with whom"):
        introductions.compare_again(peer, by=admin, fingerprint=seen, compared_with=" ")
    with pytest.raises(Conflict, match="has changed since"):
        introductions.compare_again(peer, by=admin, fingerprint="0000", compared_with="Bo")
    introductions.compare_again(peer, by=admin, fingerprint=seen, compared_with="Bo  Boss")
    peer = fresh(peer)
    assert (peer.recovered_at, peer.confirmed_by, peer.confirmed_with) == (None, admin, "Bo Boss")
    assert entries(peer) == ["confirm"]
    with pytest.raises(Denied, match="nothing to compare"):
        introductions.compare_again(peer, by=admin, fingerprint=seen, compared_with="Bo")


# Another name or address


def wishing(**fields: str) -> Peer:
    peer = connected.peer()
    changes.note_wishes(peer, connected.card(**fields))
    peer.save()
    return fresh(peer)


def test_another_name_waits_for_an_admin_and_is_accepted():
    admin = make.admin()
    peer = wishing(name="Hospital C")
    assert (peer.name, peer.wished) == ("Hospital B", {"name": "Hospital C"})
    assert Notification.objects.get(user=admin).text == (
        "Hospital B has another name or address, which waits for an admin."
    )
    with pytest.raises(Conflict, match="something else by now"):
        changes.accept(peer, by=admin, seen={"name": "Hospital D"})
    changes.accept(peer, by=admin, seen={"name": "Hospital C"})
    peer = fresh(peer)
    assert (peer.name, peer.wished) == ("Hospital C", {})
    entry = Entry.objects.get(object_id=str(peer.pk), action="network.peer.change")
    assert entry.changes == {"name": ["Hospital B", "Hospital C"]}


def test_what_was_refused_is_not_asked_again_and_something_else_is():
    admin = make.admin()
    peer = wishing(name="Hospital C")
    changes.refuse(peer, by=admin, seen={"name": "Hospital C"})
    peer = fresh(peer)
    assert (peer.name, peer.wished, peer.refused) == ("Hospital B", {}, {"name": "Hospital C"})
    changes.note_wishes(peer, connected.card(name="Hospital C"))
    assert peer.wished == {}
    changes.note_wishes(peer, connected.card(name="Hospital D"))
    assert peer.wished == {"name": "Hospital D"}
    assert Notification.objects.filter(user=admin).count() == 2


def test_a_wish_that_was_taken_back_is_gone():
    peer = wishing(name="Hospital C")
    changes.note_wishes(peer, connected.card())
    assert peer.wished == {}


def test_two_portals_cannot_have_one_address():
    taken = connected.peer(url="https://c.example.org")
    peer = wishing(url=taken.url)
    with pytest.raises(Conflict, match="has this address"):
        changes.accept(peer, by=make.admin(), seen={"url": taken.url})
    peers.remove(taken, by=make.admin(), reason=REASON)
    changes.accept(peer, by=make.admin(), seen={"url": taken.url})
    assert fresh(peer).url == "https://c.example.org"


# Words


@pytest.mark.parametrize(
    ("fields", "turn"),
    [
        ({"state": "waiting"}, "an admin of this portal"),
        ({"state": "invited", "asked_at": None}, "this portal, which calls it again"),
        ({"state": "active"}, ""),
        ({"state": "active", "wished": {"name": "C"}}, "an admin of this portal"),
        ({"state": "suspended"}, "the other portal, with a card that counts"),
        ({"state": "removed", "wished": {"name": "C"}}, ""),
    ],
)
def test_whose_turn_it_is(fields, turn):
    assert Peer(**fields).turn == turn


@pytest.mark.parametrize(
    ("offset", "words", "wrong"),
    [
        (None, "", False),
        (0.4, "less than 1 s", False),
        (-12.2, "12 s behind", False),
        (61.0, "61 s ahead", True),
        (-61.0, "61 s behind", True),
    ],
)
def test_the_clock_in_words(offset, words, wrong):
    peer = Peer(clock_offset=offset)
    assert (peer.clock, peer.clock_is_wrong) == (words, wrong)


def test_a_pinned_key_never_comes_back():
    """A card that names an ended key without an end does not revive it."""
    peer = connected.peer()
    peers.remove(peer, by=make.admin(), reason=REASON)
    peer = fresh(peer)
    ended = peer.keys.get().until
    pins.pin(peer, "", connected.card("first", sequence=8))
    assert (peer.keys.get().until, bytes(peer.keys.get().public)) == (ended, making.public_key("first"))
