"""This portal's identity: its keys, its card, and who changes them."""

from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.utils import timezone

from audit.models import Entry
from common.errors import Conflict, Denied, Refused
from network import cards, identity
from network.models import Identity, IdentityKey
from tests import make

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def admin() -> Any:
    return make.admin()


@pytest.fixture
def recovery(admin: Any) -> str:
    return identity.set_up("  Hospital   A ", by=admin)


class later:  # noqa: N801
    """The same portal after some time."""

    def __init__(self, passed: timedelta) -> None:
        now = timezone.now() + passed
        self._patch = mock.patch("django.utils.timezone.now", return_value=now)

    def __enter__(self) -> None:
        self._patch.start()

    def __exit__(self, *_: object) -> None:
        self._patch.stop()


def pinned(card: cards.Card) -> dict[str, Any]:
    """What another portal keeps of a card."""
    keys = [key.public for key in card.keys]
    return {"keys": keys, "recovery": card.recovery, "epoch": card.epoch, "sequence": card.sequence}


def actions() -> list[str]:
    entries = Entry.objects.filter(action__startswith="network.").order_by("pk")
    return list(entries.values_list("action", flat=True))


def test_a_portal_without_an_identity_shows_nothing() -> None:
    assert not identity.exists()
    for ask in (identity.own_card, identity.own_card_text, identity.fingerprint, identity.signer):
        with pytest.raises(identity.NotSetUp, match="no identity yet"):
            ask()


def test_an_admin_sets_the_identity_up_once(admin: Any, recovery: str, settings: Any) -> None:
    assert identity.exists()
    assert len(recovery.split()) == 13
    card = identity.own_card()
    assert (card.name, card.url, card.epoch, card.sequence) == ("Hospital A", settings.BASE_URL, 1, 1)
    assert card.protocols == ("weir-net/1",)
    assert identity.fingerprint() == cards.fingerprint(card)
    assert recovery not in str(Identity.objects.values()) + str(Entry.objects.values())
    with pytest.raises(Conflict, match="an identity already"):
        identity.set_up("Hospital B", by=admin)
    assert actions() == ["network.identity.set_up"]


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\u202eb", "a\x00b"])
def test_a_name_that_cannot_be_shown_is_refused(admin: Any, name: str) -> None:
    with pytest.raises(Refused, match="1 to 100 characters"):
        identity.set_up(name, by=admin)
    assert not identity.exists()


def test_a_portal_that_nobody_can_call_is_not_set_up(admin: Any, settings: Any) -> None:
    settings.BASE_URL = "https://weir_a.example.org"
    with pytest.raises(Refused, match="change WEIR_BASE_URL"):
        identity.set_up("Hospital A", by=admin)


@pytest.mark.parametrize("maker", [make.owner, make.scientist, make.auditor])
def test_only_admins_change_the_identity(recovery: str, maker: Any) -> None:
    person = maker()
    for change in (
        lambda: identity.set_up("X", by=person),
        lambda: identity.rename("X", by=person),
        lambda: identity.rotate(by=person),
        lambda: identity.recover(recovery, by=person),
    ):
        with pytest.raises(Denied):
            change()
    assert identity.own_card().sequence == 1


def test_changes_need_an_identity(admin: Any) -> None:
    for change in (lambda: identity.rename("X", by=admin), lambda: identity.rotate(by=admin)):
        with pytest.raises(identity.NotSetUp):
            change()


@pytest.mark.usefixtures("recovery")
def test_the_card_is_signed_again_when_a_third_of_its_life_is_over() -> None:
    first = identity.own_card_text()
    with later(timedelta(days=2)):
        assert identity.own_card_text() == first
    with later(timedelta(days=3)):
        second = identity.own_card()
    assert second.sequence == 2
    assert cards.follows(second, **pinned(cards.read(first))) is cards.Succession.NEWER


@pytest.mark.usefixtures("recovery")
def test_the_card_is_signed_again_when_something_changed(admin: Any, settings: Any) -> None:
    identity.rename("Hospital  B", by=admin)
    assert (identity.own_card().name, identity.own_card().sequence) == ("Hospital B", 2)
    settings.BASE_URL = "https://elsewhere.example.org"
    assert (identity.own_card().url, identity.own_card().sequence) == (settings.BASE_URL, 3)
    entry = Entry.objects.get(action="network.identity.rename")
    assert entry.changes == {"name": ["Hospital A", "Hospital B"]}


@pytest.mark.usefixtures("recovery")
def test_a_new_key_is_vouched_for_and_the_old_one_counts_for_two_days(admin: Any) -> None:
    before = identity.own_card()
    old = identity.signer()
    identity.rotate(by=admin)
    after = identity.own_card()
    assert after.present_key != before.present_key
    assert [key.public for key in after.keys] == [after.present_key, before.present_key]
    assert cards.follows(after, **pinned(before)) is cards.Succession.NEWER
    assert identity.signer()[0] == old[0], "calls are signed with the key that everybody knows"
    with later(timedelta(hours=2)):
        name, private = identity.signer()
        assert name.endswith(f"#{cards.key_id(after.present_key)}")
        assert private.public_key().public_bytes_raw() == after.present_key
    with later(timedelta(hours=47)):
        assert len(identity.own_card().keys) == 2
    with later(timedelta(hours=49)):
        last = identity.own_card()
    assert [key.public for key in last.keys] == [after.present_key]
    assert cards.follows(last, **pinned(before)) is cards.Succession.NEWER


@pytest.mark.usefixtures("recovery")
def test_several_new_keys_can_be_followed_from_the_first(admin: Any) -> None:
    before = identity.own_card()
    for days in (3, 6, 9):
        with later(days * DAY):
            identity.rotate(by=admin)
    with later(20 * DAY):
        last = identity.own_card()
    assert len(last.vouchers) == 3
    assert cards.follows(last, **pinned(before)) is cards.Succession.NEWER


@pytest.mark.usefixtures("recovery")
def test_a_key_is_not_changed_too_often(admin: Any) -> None:
    for _ in range(3):
        identity.rotate(by=admin)
    with pytest.raises(Conflict, match="changed 3 times within two days"):
        identity.rotate(by=admin)
    assert len(identity.own_card().keys) == 4


def test_the_recovery_key_replaces_all_keys(admin: Any, recovery: str) -> None:
    before = identity.own_card()
    identity.rotate(by=admin)
    middle = identity.own_card()
    identity.recover(recovery.lower().replace(" ", "-").replace("o", "0"), by=admin)
    after = identity.own_card()
    assert after.epoch == 2
    assert [key.public for key in after.keys] == [after.present_key]
    assert identity.signer()[0].endswith(cards.key_id(after.present_key))
    for earlier in (before, middle):
        assert cards.follows(after, **pinned(earlier)) is cards.Succession.RECOVERED
    with later(3 * DAY):
        identity.rotate(by=admin)
        rotated = identity.own_card()
    assert cards.follows(rotated, **pinned(after)) is cards.Succession.NEWER
    assert cards.follows(rotated, **pinned(before)) is cards.Succession.RECOVERED
    assert actions() == [
        "network.identity.set_up",
        "network.identity.rotate",
        "network.identity.recover",
        "network.identity.rotate",
    ]


@pytest.mark.parametrize("typed", ["", "abc", "é" * 52, "A" * 52, "A" * 51 + "!", "A" * 53])
def test_another_text_is_not_the_recovery_key(admin: Any, recovery: str, typed: str) -> None:
    with pytest.raises(Refused, match="not the recovery key"):
        identity.recover(typed, by=admin)
    assert identity.own_card().epoch == 1


def test_a_key_survives_a_new_secret_key(admin: Any, recovery: str, settings: Any) -> None:
    name, private = identity.signer()
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "y" * 50
    assert identity.signer()[0] == name
    settings.SECRET_KEY_FALLBACKS = []
    assert identity.signer()[1].private_bytes_raw() == private.private_bytes_raw()
    settings.SECRET_KEY = "z" * 50
    with pytest.raises(Conflict, match="WEIR_OLD_SECRET_KEYS, or use the recovery key"):
        identity.signer()
    assert identity.own_card().sequence == 1, "the card that was signed is still served"
    identity.recover(recovery, by=admin)
    assert identity.own_card().epoch == 2


@pytest.mark.usefixtures("recovery")
def test_the_database_alone_signs_nothing() -> None:
    key = IdentityKey.objects.get()
    Ed25519PublicKey.from_public_bytes(bytes(key.public))
    private = identity.signer()[1].private_bytes_raw()
    assert private not in bytes(key.sealed)
