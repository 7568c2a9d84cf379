"""Receipts prove what they say against the signed checkpoint alone."""

import base64
import json
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audit import log, receipts
from audit.models import Entry, LogKey
from crypto import notes, tree
from tests import make
from tests.makers.audit import checkpoint

pytestmark = pytest.mark.django_db


def entries(count: int) -> list[Entry]:
    user = make.user()
    with transaction.atomic():
        return [log.record("workers.pause", by=user, on=user, ü="ß", n=n) for n in range(count)]


def holds(receipt: Any) -> bool:
    """Verify a receipt as a stranger would, who has the key."""
    key = LogKey.objects.get(retired_at=None).key
    assert notes.signed_by(receipt["checkpoint"], [key]) == {key: None}
    signed = notes.checkpoint(notes.opened(receipt["checkpoint"])[0])
    return all(
        tree.verify_inclusion(
            tree.leaf_hash(bytes.fromhex(each["salt"]), each["payload"].encode()),
            each["index"],
            signed.size,
            [base64.b64decode(step) for step in each["proof"]],
            signed.root,
        )
        for each in receipt["entries"]
    )


def test_a_receipt_holds_through_json_and_only_for_its_own_text():
    written = entries(700)
    checkpoint()
    receipt = receipts.for_entries([written[3], written[650]], kind="answer", document="{}", salt="ab" * 32)
    receipt = json.loads(json.dumps(receipt))
    assert list(receipt) == ["format", "kind", "entries", "checkpoint", "document", "document_salt"]
    assert (receipt["format"], receipt["kind"]) == ("weir-receipt/1", "answer")
    assert [json.loads(each["payload"])["detail"]["n"] for each in receipt["entries"]] == [3, 650]
    assert holds(receipt)
    receipt["entries"][1]["payload"] += " "
    assert not holds(receipt)


def test_an_earlier_entry_is_proven_under_the_newest_checkpoint():
    written = entries(1)
    checkpoint()
    entries(300)
    newest = checkpoint()
    receipt: Any = receipts.for_entries(written, kind="entry")
    assert receipt["checkpoint"] == newest.note
    assert holds(receipt)


def test_a_receipt_takes_few_queries_however_long_the_log_is():
    written = entries(1200)
    for _ in range(2):
        checkpoint()
    with CaptureQueriesContext(connection) as asked:
        assert holds(receipts.for_entries([written[0], written[1100]], kind="answer"))
    assert len(asked) <= 6  # and one of `holds`


def test_there_is_none_before_all_of_its_entries_are_signed():
    first = entries(1)
    assert receipts.for_entries(first, kind="entry") is None
    checkpoint()
    assert receipts.for_entries([*first, *entries(1)], kind="answer") is None
    assert receipts.for_entries(first, kind="answer") is not None


@pytest.mark.parametrize(
    ("count", "fields"),
    [
        (1, {"kind": "nonsense"}),
        (0, {"kind": "entry"}),
        (1, {"kind": "answer", "document": "{}"}),
        (1, {"kind": "answer", "salt": "00" * 32}),
    ],
)
def test_what_is_no_receipt_is_refused(count, fields):
    with pytest.raises(ValueError, match="no receipt"):
        receipts.for_entries(entries(count), **fields)
