"""Witnesses of this log: whose signatures it keeps, and what it does about checkpoints that it does not have."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import transaction
from django.test import Client
from django.utils import timezone

from audit import log, receipts, signing, witnesses
from audit.models import Checkpoint, Cosignature, Entry, LogKey, MissingCheckpoint
from common import sealing
from common.errors import Refused
from crypto import notes, tree
from tests import make
from tests.makers import privacy as budgets
from tests.makers.audit import checkpoint

pytestmark = pytest.mark.django_db
NOW = timezone.now()


class Witness:
    """Another portal's key, and what it signs."""

    def __init__(self, name: str = "b.example") -> None:
        self.name, self.private = name, Ed25519PrivateKey.generate()
        self.key = notes.public_key(name, self.private, notes.COSIGNATURE)

    def line(self, note: str) -> str:
        return notes.cosign(notes.opened(note)[0], self.name, self.private, 1_800_000_000)

    def signs(self, signed: Checkpoint) -> bool:
        return witnesses.add(signed, self.line(signed.note), self.key, NOW)


def write(count: int = 1) -> list[Entry]:
    user = make.user()
    with transaction.atomic():
        return [log.record("workers.pause", by=user, on=user, n=n) for n in range(count)]


def test_a_receipt_carries_the_signatures_of_witnesses():
    (entry,) = write()
    signed, one, other = checkpoint(), Witness(), Witness("c.example")
    assert (one.signs(signed), one.signs(signed), other.signs(signed)) == (True, False, True)
    receipt: Any = receipts.for_entries([entry], kind="entry")
    assert set(notes.signed_by(receipt["checkpoint"], [one.key, other.key])) == {one.key, other.key}
    assert notes.opened(receipt["checkpoint"])[0] == notes.opened(signed.note)[0]


def test_a_receipt_is_under_the_newest_checkpoint_that_most_witnesses_signed():
    (entry,) = write()
    signed, one, other = [checkpoint() for _ in range(4)], Witness(), Witness("c.example")
    for each in signed[:3]:
        one.signs(each)
    assert witnesses.best_over(0) == signed[2]
    other.signs(signed[1])
    assert witnesses.best_over(0) == signed[1]
    (later,) = write()
    receipt: Any = receipts.for_entries([entry, later], kind="entry")
    assert receipt is None  # the later one is under no checkpoint yet
    newest = checkpoint()
    receipt = receipts.for_entries([entry, later], kind="entry")
    assert receipt["checkpoint"] == newest.note


def test_a_signature_of_somebody_else_or_of_another_checkpoint_is_refused():
    first, second, witness = checkpoint(), checkpoint(), Witness()
    for line, key in [
        (witness.line(second.note), witness.key),
        (Witness().line(first.note), witness.key),
        (notes.sign(notes.opened(first.note)[0], "b.example", witness.private), witness.key),
        (
            notes.sign(notes.opened(first.note)[0], "b.example", witness.private),
            notes.public_key("b.example", witness.private),
        ),
        ("", witness.key),
        ("\n", witness.key),
        ("— b.example AAAA\n", witness.key),
    ]:
        with pytest.raises(ValueError, match=r"signed|signature|not"):
            witnesses.add(first, line, key, NOW)
    assert not Cosignature.objects.exists()


def test_a_proof_leads_from_what_a_witness_signed_to_the_newest():
    write(3)
    old = checkpoint()
    write(300)
    new = checkpoint()
    proof = witnesses.grown_since(old.size, new)
    assert tree.verify_consistency(old.size, bytes(old.root), new.size, bytes(new.root), proof)
    assert witnesses.grown_since(0, new) == witnesses.grown_since(new.size, new) == []
    for size in (-1, new.size + 1):
        with pytest.raises(ValueError, match="leaves, not"):
            witnesses.grown_since(size, new)


def signed_elsewhere(size: int, *, key: LogKey | None = None, root: bytes = b"r" * 32) -> str:
    """A checkpoint that this portal's key has signed, and that its database does not have."""
    key = key or LogKey.objects.get(retired_at=None)
    private = Ed25519PrivateKey.from_private_bytes(sealing.unseal(bytes(key.sealed), signing.PURPOSE))
    text = notes.Checkpoint(key.origin, size, root).text
    return f"{text}\n{notes.sign(text, key.origin, private)}"


@pytest.mark.parametrize("ahead", [0, 64])
def test_nothing_is_answered_while_a_checkpoint_is_missing(ahead: int):
    budget = budgets.budget()
    make.grant(budget.promise.dataset, budget.scientist)
    newest = checkpoint()
    note = signed_elsewhere(newest.size + ahead)
    found = witnesses.shown(note, by="b.example", now=NOW)
    assert found == witnesses.missing() == witnesses.shown(note, by="c.example", now=NOW)
    entry = Entry.objects.get(action="checkpoint.missing")
    assert entry.detail == {"witness": "b.example", "size": newest.size + ahead}
    with pytest.raises(Refused, match="part of its log is missing"):
        budgets.answer(budget, epsilon=0.2)

    assert signing.begin_key(NOW, without_old=False, after_restore=True) is not None
    assert LogKey.objects.get(retired_at=None).origin.endswith("/log/2")
    assert witnesses.missing() is None
    budgets.answer(budget, epsilon=0.2)
    assert MissingCheckpoint.objects.count() == 1  # what was lost stays on record


def test_what_the_log_has_is_not_missing():
    old, new = checkpoint(), checkpoint()
    for each in (old, new):
        assert witnesses.shown(each.note, by="b.example", now=NOW) is None
    assert witnesses.missing() is None


def test_a_witness_alone_cannot_stop_anybody():
    newest, forged = checkpoint(), Ed25519PrivateKey.generate()
    key = LogKey.objects.get(retired_at=None)
    text = notes.Checkpoint(key.origin, newest.size + 64, b"r" * 32).text
    unsigned = newest.note.replace(notes.opened(newest.note)[0], text)
    for note in (f"{text}\n{notes.sign(text, key.origin, forged)}", unsigned, text, "", "x" * 200_000):
        with pytest.raises(ValueError, match=r"signed|signature|not"):
            witnesses.shown(note, by="b.example", now=NOW)
    LogKey.objects.create(
        origin=f"{key.origin}x", public=forged.public_key().public_bytes_raw(), sealed=b"", created_at=NOW
    )
    with pytest.raises(
        ValueError, match="has not signed"
    ):  # a row in the database is not a key of this portal
        witnesses.shown(f"{text}\n{notes.sign(text, key.origin + 'x', forged)}", by="b.example", now=NOW)
    assert witnesses.missing() is None


def test_the_page_names_witnesses_and_warns_those_who_oversee():
    signed = checkpoint()
    Witness().signs(signed)
    witnesses.shown(signed_elsewhere(signed.size + 64), by="c.example", now=NOW)
    browser = Client()
    assert "b.example" in browser.get("/log/").content.decode()
    assert "Part of the log is missing" not in browser.get("/log/").content.decode()
    browser.force_login(make.admin())
    assert "Part of the log is missing" in browser.get("/log/").content.decode()
    assert "b.example" in Client().get("/log/1/checkpoint").content.decode()
