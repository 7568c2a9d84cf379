"""What the verification of the signed log finds when somebody with the database has rewritten all else."""

from collections.abc import Callable
from io import StringIO

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import override_settings
from django.utils import timezone

from audit import chain, log, signing, tree_verification
from audit.models import Checkpoint, Entry, Leaf, Link, LogKey, Tile
from audit.tiles import Tiles
from audit.verification import COLUMNS, verify
from crypto import notes, tree
from tests import make
from tests.audit.test_chain import as_somebody_with_the_database, sql
from tests.makers.audit import checkpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch) -> list[Entry]:
    """Entries under three checkpoints: two, four and two."""
    monkeypatch.setattr(signing, "BLOCK", 256)
    user, written = make.user(), []
    for count in (2, 4, 2):
        with transaction.atomic():
            written += [log.record("workers.pause", by=user, on=user, n=n) for n in range(count)]
        checkpoint()
    return written


def rewrite(entry: Entry) -> None:
    """Change an entry, and make every later hash of the chain anew."""
    sql("UPDATE audit_entry SET object_label = 'x' WHERE id = %s", entry.pk)
    entry.refresh_from_db()
    fields = {name: getattr(entry, name) for name in COLUMNS}
    text = chain.payload({"at": entry.at.isoformat(), **fields})
    sql("UPDATE audit_entry SET payload = %s WHERE id = %s", text, entry.pk)
    previous = entry.link.previous
    for link in Link.objects.filter(position__gte=entry.link.position).select_related("entry"):
        new = chain.link(previous, link.entry.payload)
        sql(
            "UPDATE audit_link SET previous = %s, hash = %s WHERE position = %s", previous, new, link.position
        )
        previous = new


def with_roots(signs: bool) -> None:
    """Make all roots anew, and the notes: with the old signatures, or with the portal's key."""
    for item in Checkpoint.objects.all():
        found = notes.Checkpoint(item.key.origin, item.size, tree.root(Tiles(), item.size))
        line = f"{notes.opened(item.note)[1][0]}\n"
        if signs:
            line = notes.sign(found.text, found.origin, signing._opened(item.key)[1])
        Checkpoint.objects.filter(pk=item.pk).update(root=found.root, note=f"{found.text}\n{line}")


def with_tiles() -> None:
    Tile.objects.all().delete()
    leaves = Leaf.objects.order_by("index").values_list("salt", "link__entry__payload")
    hashes = [tree.leaf_hash(bytes(salt), (payload or "").encode()) for salt, payload in leaves]
    Tiles().store(tree.append(lambda level, number: b"", 0, hashes))


def rewrite_with_tiles(entry: Entry) -> None:
    rewrite(entry)
    with_tiles()


def rewrite_with_roots(entry: Entry) -> None:
    """All but the signatures, for which one needs the key."""
    rewrite_with_tiles(entry)
    with_roots(signs=False)


def empty_a_leaf(entry: Entry) -> None:
    Leaf.objects.filter(link__entry=entry).update(link=None)


def leave_out_with_the_key(entry: Entry) -> None:
    empty_a_leaf(entry)
    with_tiles()
    with_roots(signs=True)


def move_with_the_key(entry: Entry) -> None:
    last = Leaf.objects.filter(index__gte=512).exclude(link=None)[0]
    theirs, ours = last.link_id, entry.link.position
    empty_a_leaf(entry)
    last.link_id = ours
    last.save()
    free = Leaf.objects.filter(link=None, index__range=(256, 511))[0]
    free.link_id = theirs
    free.save()
    with_tiles()
    with_roots(signs=True)


def delete_a_leaf(entry: Entry) -> None:
    Leaf.objects.filter(link__entry=entry).delete()


def sign_something_else(entry: Entry) -> None:
    item = Checkpoint.objects.get(size=768)
    other = Checkpoint.objects.get(size=256)
    Checkpoint.objects.filter(pk=item.pk).update(note=other.note)


def sign_with_another_key(entry: Entry) -> None:
    item = Checkpoint.objects.get(size=768)
    other = LogKey.objects.create(
        origin=item.key.origin, public=bytes(32), sealed=b"", created_at=item.at, retired_at=item.at
    )
    Checkpoint.objects.filter(pk=item.pk).update(key=other)


def rewrite_with_a_key_of_their_own(entry: Entry) -> None:
    """All of it, signed anew. The portal goes on with its own key."""
    rewrite_with_tiles(entry)
    own, private = LogKey.objects.get(), Ed25519PrivateKey.generate()
    theirs = LogKey.objects.create(
        origin=own.origin,
        public=private.public_key().public_bytes_raw(),
        sealed=own.sealed,
        created_at=own.created_at,
        retired_at=own.created_at,
    )
    for item in Checkpoint.objects.all():
        found = notes.Checkpoint(own.origin, item.size, tree.root(Tiles(), item.size))
        note = f"{found.text}\n{notes.sign(found.text, own.origin, private)}"
        Checkpoint.objects.filter(pk=item.pk).update(root=found.root, note=note, key=theirs)


def spoil_a_note(entry: Entry) -> None:
    Checkpoint.objects.filter(size=768).update(note="nothing")


def spoil_a_tile(entry: Entry) -> None:
    Tile.objects.filter(level=1).update(data=bytes(32))


def test_a_sound_log_is_sound(signed: list[Entry]) -> None:
    result = tree_verification.verify()
    newest = Checkpoint.objects.newest()
    assert newest is not None
    assert (result.checkpoints, result.leaves, result.root) == (3, 768, bytes(newest.root).hex())
    assert (result.fault, result.bad_checkpoint) == ("", None)
    said = StringIO()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    call_command("verify_audit", stdout=said)
    assert f"All 3 checkpoints are valid. Newest: 768 leaves, root {result.root}." in said.getvalue()


def test_an_empty_log_is_sound() -> None:
    assert tree_verification.verify() == tree_verification.Result(0, 0, tree.EMPTY.hex())


@pytest.mark.parametrize(
    ("act", "bad", "words"),
    [
        (rewrite, 512, "is not the text that was signed"),
        (rewrite_with_tiles, 512, "its root is not that of the entries"),
        (rewrite_with_roots, 512, "is not valid"),
        (empty_a_leaf, 512, "an empty leaf"),
        (delete_a_leaf, 512, "leaves are missing"),
        (leave_out_with_the_key, 512, "before the last signed one has no leaf"),
        (move_with_the_key, 512, "before the last signed one has no leaf"),
        (sign_something_else, 768, "its note is about something else"),
        (sign_with_another_key, 768, "is not signed with its key"),
        (rewrite_with_a_key_of_their_own, 256, "cannot open the key that signed it"),
        (spoil_a_note, 768, "This is not a signed note"),
        (spoil_a_tile, 256, "tile 1/0 is not what was signed"),
    ],
)
def test_what_was_rewritten_is_found(
    signed: list[Entry], act: Callable[[Entry], None], bad: int, words: str
) -> None:
    with as_somebody_with_the_database():
        act(signed[3])
    assert verify().fault == "", "The chain alone does not see it."
    result = tree_verification.verify()
    assert (result.bad_checkpoint, words in result.fault) == (bad, True), result.fault
    with pytest.raises(CommandError, match=f"The checkpoint of {bad} leaves fails"):
        call_command("verify_audit")


def test_what_a_lost_key_signed_counts_once_it_is_named(signed: list[Entry]) -> None:
    with override_settings(SECRET_KEY="n" * 40):
        lost = LogKey.objects.get().key.text
        signing.begin_key(timezone.now(), without_old=True)
        assert lost in tree_verification.verify().fault
        assert tree_verification.verify([lost]).fault == ""


def test_leaves_without_a_checkpoint_are_found(signed: list[Entry]) -> None:
    Leaf.objects.create(index=768, salt=bytes(32))
    with pytest.raises(CommandError, match="leaves follow the last checkpoint"):
        call_command("verify_audit")
