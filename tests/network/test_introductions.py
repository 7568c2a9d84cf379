"""Introducing another portal: nothing is trusted before the fingerprint was compared."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from accounts.models import User
from audit.models import Entry
from common.errors import Conflict, Denied, Refused
from network import calls, cards
from network.models import Identity, Peer
from network.services import introductions, peers, polling
from network.services import own as services
from tests import make
from tests.makers import network as connected
from tests.network.portals import Portal

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(own: str) -> User:
    person = make.admin()
    services.keep_recovery_key(by=person)
    return person


def paths(other: Portal) -> list[str]:
    return [call.url.removeprefix(other.url) for call in other.received]


def introduce(other, admin, *, whom: str = "Bo Boss", **changes: str) -> Peer:
    found = introductions.look_up(other.url, by=admin)
    given = {"fingerprint": found.fingerprint, "compared_with": whom, **changes}
    return introductions.introduce(found.url, by=admin, **given)


def test_looking_up_stores_nothing(other, admin):
    other.shown = other.card_text()
    found = introductions.look_up(f" {other.url}/ ", by=admin)
    assert (found.url, found.card.name, found.text) == (other.url, "Hospital B", other.shown)
    assert found.fingerprint == cards.fingerprint(found.card)
    assert Peer.objects.count() == 0
    assert paths(other) == ["/.well-known/weir-card"]


def test_an_introduction_pins_and_becomes_active_with_the_first_signed_word(other, admin):
    peer = introduce(other, admin, whom="Bo  Boss")
    assert (peer.state, peer.name, peer.confirmed_by, peer.confirmed_with) == (
        "invited", "Hospital B", admin, "Bo Boss",
    )  # fmt: skip
    assert [bytes(key.public) for key in peer.keys.all()] == [other.public]
    assert bytes(peer.recovery) == other.recovery.public_key().public_bytes_raw()
    entry = Entry.objects.get(object_id=str(peer.pk))
    assert (entry.action, entry.detail["compared_with"]) == ("network.peer.introduce", "Bo Boss")
    assert entry.detail["fingerprint"] == cards.fingerprint(cards.read(peer.card))
    polling.poll(peer.pk)
    assert Peer.objects.get().state == "active"
    assert paths(other).count("/net/1/peers") == 1


def test_confirming_one_that_asked_is_an_entry_of_its_own(other, admin):
    introductions.asked(other.url)
    peer = introduce(other, admin)
    assert [each.pk for each in Peer.objects.all()] == [peer.pk]
    found = Entry.objects.filter(object_id=str(peer.pk)).order_by("id").values_list("action", flat=True)
    assert list(found) == ["network.peer.ask", "network.peer.confirm"]


def test_a_card_that_changed_while_it_was_compared_is_not_pinned(other, admin):
    seen = introductions.look_up(other.url, by=admin).fingerprint
    other.private = Ed25519PrivateKey.generate()
    with pytest.raises(Conflict, match="has changed since you saw it"):
        introductions.introduce(other.url, by=admin, fingerprint=seen, compared_with="Bo")
    assert Peer.objects.count() == 0


def test_whom_it_was_compared_with_is_needed(other, admin):
    with pytest.raises(Refused, match="with whom"):
        introduce(other, admin, whom="  ")
    assert Peer.objects.count() == 0


@pytest.mark.parametrize("state", ["invited", "active", "suspended"])
def test_a_known_portal_is_not_introduced_again(other, admin, state):
    connected.peer(state, url=other.url, by=admin)
    with pytest.raises(Conflict, match="introduced already"):
        introductions.look_up(other.url, by=admin)
    assert other.received == []


def test_another_admin_may_be_quicker(other, admin, monkeypatch):
    """The second one finds the row that the first one confirmed while the card was fetched."""
    fetch = calls.fetch_card

    def fetched(url: str, **given: bool):
        answer = fetch(url, **given)
        if not Peer.objects.exists():
            connected.peer("invited", url=other.url, by=admin)
        return answer

    seen = introductions.look_up(other.url, by=admin).fingerprint
    monkeypatch.setattr(calls, "fetch_card", fetched)
    with pytest.raises(Conflict, match="introduced already"):
        introductions.introduce(other.url, by=admin, fingerprint=seen, compared_with="Bo")


def test_this_portal_is_not_introduced_to_itself(admin, settings):
    settings.BASE_URL = "https://a.example.org"
    with pytest.raises(Refused, match="address of this portal"):
        introductions.look_up(settings.BASE_URL, by=admin)


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"url": "https://c.example.org"}, "Use that address"), ({"expires": 1_700_000_000}, "out of date")],
)
def test_a_card_that_does_not_count_is_refused(other, admin, changes, says):
    if "expires" in changes:
        changes["keys"] = (cards.CardKey(other.public, 1_600_000_000, None),)
    other.shown = other.card_text(**changes)
    with pytest.raises(calls.Unreachable, match=says):
        introductions.look_up(other.url, by=admin)


def test_others_than_admins_introduce_nobody(other, admin):
    for person in (make.auditor(), make.scientist()):
        with pytest.raises(Denied, match="Only an admin"):
            introductions.look_up(other.url, by=person)
    assert other.received == []


# The call of a stranger


def post(client, body, kind="application/json"):
    return client.post("/net/1/peers", body, content_type=kind)


def test_a_stranger_learns_nothing(client, admin):
    connected.peer(url="https://known.example.org", by=admin)
    answers = {
        (answer.status_code, answer.content, answer["Content-Type"])
        for url in ("https://b.example.org", "https://known.example.org", "x")
        for answer in [post(client, f'{{"url":"{url}"}}')]
    }
    assert answers == {(202, b"{}", "application/json")}
    assert Peer.objects.filter(state="waiting").values_list("url", flat=True).get() == "https://b.example.org"


@pytest.mark.parametrize(
    ("body", "status"),
    [("no json", 400), ("{}", 400), ('{"url":1}', 400), ("x" * 5000, 413)],
)
def test_what_is_no_introduction_is_refused(client, admin, body, status):
    assert post(client, body).status_code == status
    assert Peer.objects.count() == 0


# This portal's own identity


def test_set_up_begins_again_until_the_recovery_key_is_kept():
    admin = make.admin()
    lost = services.set_up("Hospital A", by=admin)
    connected.peer("waiting")
    second = services.set_up("Hospital Z", by=admin)
    assert lost != second
    assert Identity.objects.get().name == "Hospital Z"
    with pytest.raises(Refused, match="not the recovery key"):
        services.recover(lost, by=admin)
    services.keep_recovery_key(by=admin)
    with pytest.raises(Conflict, match="an identity already"):
        services.set_up("Hospital Y", by=admin)
    with pytest.raises(Conflict, match="no recovery key that waits"):
        services.keep_recovery_key(by=admin)
    services.recover(second, by=admin)
    assert Identity.objects.get().epoch == 2


def test_nothing_is_introduced_before_the_recovery_key_is_kept(other):
    admin = make.admin()
    services.set_up("Hospital A", by=admin)
    with pytest.raises(Denied, match="recovery key is kept"):
        introductions.look_up(other.url, by=admin)


def test_renaming_and_replacing_the_key():
    admin = make.admin()
    connected.set_up(by=admin)
    services.rename("Hospital Z", by=admin)
    services.rotate(by=admin)
    actions = Entry.objects.filter(action__startswith="network.identity").order_by("id")
    assert [action.rpartition(".")[2] for action in actions.values_list("action", flat=True)] == [
        "set_up", "keep", "rename", "rotate",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "act",
    [
        lambda who: services.set_up("Hospital A", by=who),
        lambda who: services.keep_recovery_key(by=who),
        lambda who: services.rename("Hospital Z", by=who),
        lambda who: services.rotate(by=who),
        lambda who: services.recover("x", by=who),
    ],
)
def test_only_admins_change_the_identity(act):
    for person in (make.auditor(), make.owner()):
        with pytest.raises(Denied, match="Only an admin"):
            act(person)


@pytest.mark.parametrize("asks_first", [False, True])
def test_a_removed_portal_comes_back_as_the_same(other, admin, asks_first: bool):
    peer = introduce(other, admin)
    polling.poll(peer.pk)
    peers.remove(peer, by=admin, reason="A mistake.")
    if asks_first:
        introductions.asked(other.url)
    again = introduce(other, admin)
    assert [(each.pk, each.state) for each in Peer.objects.all()] == [(peer.pk, "invited")]
    assert [(bytes(key.public), key.until) for key in again.keys.all()] == [(other.public, None)]
    polling.poll(peer.pk)
    assert Peer.objects.get().state == "active"


def test_a_portal_with_another_recovery_key_is_another_one(other, admin):
    peer = introduce(other, admin)
    peers.remove(peer, by=admin, reason="A mistake.")
    other.recovery = Ed25519PrivateKey.generate()
    again = introduce(other, admin)
    assert again.pk != peer.pk
    assert {each.state for each in Peer.objects.all()} == {"removed", "invited"}
