"""Signing the log: what a checkpoint covers, when there is one, and what neither a crash nor a race can do."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test import override_settings
from django.utils import timezone

from accounts.models import User
from audit import log, receipts, signing, tasks
from audit.models import Checkpoint, Entry, Leaf, Link, LogKey, Tile, Wish
from audit.tiles import Tiles
from common.errors import Conflict
from crypto import notes, tree
from tests import make
from tests.makers.audit import checkpoint

pytestmark = pytest.mark.django_db
NOW = timezone.now().replace(minute=30, second=0, microsecond=0)


def write(count: int, *, by: User | None = None) -> list[Entry]:
    by = by or make.user()
    with transaction.atomic():
        return [log.record("workers.pause", by=by, on=by, n=n) for n in range(count)]


def leaf_hashes() -> list[bytes]:
    leaves = Leaf.objects.select_related("link__entry").order_by("index")
    return [
        tree.leaf_hash(bytes(leaf.salt), leaf.link.entry.payload.encode() if leaf.link else b"")
        for leaf in leaves
    ]


def root_of(hashes: list[bytes]) -> bytes:
    """The definition of RFC 9162, 2.1.1."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return tree.node_hash(root_of(hashes[:split]), root_of(hashes[split:]))


def test_a_checkpoint_is_signed_over_every_entry() -> None:
    written = write(5)
    signed = checkpoint(NOW)
    key = LogKey.objects.get()
    assert key.origin == "127.0.0.1:8000/log/1"
    assert notes.signed_by(signed.note, [key.key]) == {key.key: None}
    text, _ = notes.opened(signed.note)
    assert notes.checkpoint(text) == notes.Checkpoint(key.origin, 64, bytes(signed.root))
    assert bytes(signed.root) == root_of(leaf_hashes())
    assert {entry.pk for entry in written} <= set(
        Leaf.objects.exclude(link=None).values_list("link__entry", flat=True)
    )
    assert signed.public


def test_the_making_of_the_key_is_an_entry_under_the_next_checkpoint() -> None:
    checkpoint(NOW)
    made = Entry.objects.get(action="checkpoint.key")
    assert (made.who, made.detail["fingerprint"]) == ("Weir", LogKey.objects.get().key.fingerprint)
    assert not Leaf.objects.filter(link__entry=made).exists()
    checkpoint(NOW)
    assert Leaf.objects.filter(link__entry=made).exists()


def test_sizes_and_places_tell_nothing_of_how_much_was_written() -> None:
    sizes = []
    for count in (0, 1, 63, 64, 65):
        write(count)
        sizes.append(checkpoint(NOW).size)
    # 65 and 66 entries: the key's own entry is among the second.
    assert sizes == [64, 128, 192, 256, 384]
    own = list(
        Leaf.objects.exclude(link=None)
        .filter(index__gte=256)
        .order_by("index")
        .values_list("index", "link_id")
    )
    links = [link for _, link in own]
    assert links != sorted(links), "The order is random, so this fails once in 66! runs."


def test_roots_stay_consistent_over_many_signatures() -> None:
    signed = []
    for count in (300, 0, 17, 700):
        write(count)
        signed.append(checkpoint(NOW))
    new = signed[-1]
    for old in signed:
        proof = tree.consistency(Tiles(), old.size, new.size)
        assert tree.verify_consistency(old.size, bytes(old.root), new.size, bytes(new.root), proof)
    assert bytes(new.root) == root_of(leaf_hashes())


def test_at_most_so_many_entries_at_a_time_and_then_no_public_checkpoint(monkeypatch) -> None:
    monkeypatch.setattr(signing, "MOST", 100)
    write(150)
    first, second = checkpoint(NOW), checkpoint(NOW)
    assert (first.public, second.public) == (False, True)
    assert Leaf.objects.exclude(link=None).count() == 151  # and the key's


# When


def test_it_is_signed_once_an_hour_and_when_somebody_waits() -> None:
    assert signing.sign_if_due(NOW).public
    assert signing.sign_if_due(NOW + timedelta(minutes=1)) is None
    entry = write(1)[0]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert receipts.for_entries([entry], kind="entry") is None
    assert receipts.for_entries([entry], kind="entry") is None
    assert Wish.objects.count() == 1
    on_demand = signing.sign_if_due(NOW + timedelta(minutes=2))
    assert not on_demand.public
    assert signing.sign_if_due(NOW + timedelta(minutes=3)) is None
    receipt = receipts.for_entries([entry], kind="entry")
    assert receipt is not None
    assert receipt["checkpoint"] == on_demand.note
    assert signing.sign_if_due(NOW + timedelta(minutes=31)).public


def test_a_clock_that_is_put_back_does_not_stop_signatures() -> None:
    assert signing.sign_if_due(NOW + timedelta(days=400)).public
    assert signing.sign_if_due(NOW).public
    assert signing.sign_if_due(NOW) is None


def test_a_wish_for_more_is_not_lost_to_one_for_less() -> None:
    for position in (7, 5):
        signing.want(position)
    assert Wish.objects.get().position == 7


def test_a_receipt_is_promised_after_the_next_tick() -> None:
    assert signing.due(NOW) == NOW + timedelta(seconds=70)
    assert timezone.now() < receipts.due() <= timezone.now() + timedelta(seconds=70)


# Keys


def test_another_secret_key_does_not_open_the_key_until_it_is_told_the_earlier_one(settings, caplog) -> None:
    checkpoint(NOW)
    checkpoint(NOW)
    earlier = settings.SECRET_KEY
    with override_settings(SECRET_KEY="n" * 40):
        with pytest.raises(signing.KeyLost, match="WEIR_OLD_SECRET_KEYS"):
            signing.sign(NOW)
        Wish.objects.create(pk=1, position=10**9)
        tasks.sign_log()
        assert "was not signed: The key" in caplog.text
        assert Checkpoint.objects.count() == 2
        with override_settings(SECRET_KEY_FALLBACKS=[earlier]):
            signing.sign(NOW)
        assert signing.sign(NOW).size == 256  # sealed anew: the earlier one is not needed any more


def test_a_new_key_is_signed_for_by_the_old_one(settings) -> None:
    checkpoint(NOW)
    old = LogKey.objects.get()
    handed_over = signing.begin_key(NOW, without_old=False)
    new = LogKey.objects.get(retired_at=None)
    assert new.origin == old.origin
    assert set(notes.signed_by(handed_over.note, [old.key, new.key])) == {old.key, new.key}
    assert handed_over.public
    assert Entry.objects.filter(action="checkpoint.key")[0].detail["signed_by_the_old_key"] is True
    assert set(notes.signed_by(checkpoint(NOW).note, [old.key, new.key])) == {new.key}
    earlier = settings.SECRET_KEY
    with override_settings(SECRET_KEY="n" * 40):
        assert not signing.is_own(old)
        with override_settings(SECRET_KEY_FALLBACKS=[earlier]):
            signing.sign(NOW)
        assert all(map(signing.is_own, LogKey.objects.all())), "Sealed anew, the retired one too."


def test_a_lost_key_is_replaced_by_one_that_signs_alone() -> None:
    with pytest.raises(Conflict, match="no key yet"):
        signing.begin_key(NOW, without_old=False)
    checkpoint(NOW)
    old = LogKey.objects.get()
    with override_settings(SECRET_KEY="n" * 40):
        with pytest.raises(signing.KeyLost):
            signing.begin_key(NOW, without_old=False)
        handed_over = signing.begin_key(NOW, without_old=True)
    assert old.key not in notes.signed_by(handed_over.note, [old.key])
    assert Entry.objects.filter(action="checkpoint.key")[0].detail["signed_by_the_old_key"] is False


# Crashes and races


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("step", ["Leaf", "Tiles", "Checkpoint"])
def test_a_worker_that_dies_leaves_nothing_half_signed(step, monkeypatch) -> None:
    write(3)
    signing.sign(NOW)
    write(3)
    before = [Leaf.objects.count(), Tile.objects.get(level=0, number=0).data, Checkpoint.objects.count()]

    def dies(*args, **kwargs):
        raise SystemExit

    method = {"Leaf": "objects.bulk_create", "Tiles": "store", "Checkpoint": "objects.create"}[step]
    with monkeypatch.context() as patch:
        patch.setattr(f"audit.signing.{step}.{method}", dies)
        with pytest.raises(SystemExit):
            signing.sign(NOW)
    after = [Leaf.objects.count(), Tile.objects.get(level=0, number=0).data, Checkpoint.objects.count()]
    assert after == before
    assert signing.sign(NOW).size == 128


@pytest.mark.django_db(transaction=True)
def test_two_workers_sign_once_and_entries_are_written_meanwhile() -> None:
    user = make.user()
    write(2, by=user)
    signed, begun, done = [], threading.Event(), threading.Event()

    def work() -> None:
        try:
            with transaction.atomic():
                signed.append(signing.sign_if_due(NOW))
                begun.set()
                done.wait(20)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(20)
    assert signing.sign_if_due(NOW) is None
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '5s'")
    write(1, by=user)  # its commit does not wait for the signature
    with pytest.raises(Conflict):
        signing.begin_key(NOW, without_old=False)
    done.set()
    thread.join()
    assert signing.sign_if_due(NOW) is None
    assert (len(signed), Checkpoint.objects.count()) == (1, 1)
    assert Link.objects.filter(leaf=None).count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_leaf SET index = 999",
        "DELETE FROM audit_leaf",
        "UPDATE audit_checkpoint SET note = ''",
        "DELETE FROM audit_checkpoint",
        "UPDATE audit_tile SET data = ''",
        "DELETE FROM audit_tile",
        "UPDATE audit_logkey SET public = ''",
        "DELETE FROM audit_logkey",
    ],
)
def test_the_database_refuses_changes(statement: str) -> None:
    signing.sign(NOW)
    with connection.cursor() as cursor, pytest.raises(Exception, match=r"Cannot (update|delete)"):
        cursor.execute(statement)
