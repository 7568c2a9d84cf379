"""The published test vectors are those that the portal's code makes, and the client finds what they say."""

from typing import Any

import pytest

from crypto import tree
from tests.crypto import making
from weir import pins, receipts, strict
from weir.checks import all_hold

PUBLISHED = making.vectors("receipts")


def test_the_vectors_are_what_the_code_makes():
    assert making.published() == PUBLISHED
    assert {case["holds"] for case in PUBLISHED["cases"]} == {True, False}


@pytest.mark.parametrize("case", PUBLISHED["cases"], ids=lambda case: case["name"])
def test_a_verifier_finds_what_the_vectors_say(case: dict[str, Any]):
    try:
        checks = receipts.Receipt(case["receipt"]).verify(pins.of(case["pins"]))
    except strict.Malformed:
        assert case["holds"] is False
        return
    assert all_hold(checks) is case["holds"], checks


def test_the_first_receipt_is_checked_by_the_portals_code_too():
    """So a mistake that both twins share would have to be in the vectors as well."""
    receipt = PUBLISHED["cases"][0]["receipt"]
    log = making.example()
    for entry in receipt["entries"]:
        leaf = tree.leaf_hash(bytes.fromhex(entry["salt"]), entry["payload"].encode())
        proof = [strict.decoded(step) for step in entry["proof"]]
        assert tree.verify_inclusion(leaf, entry["index"], log.size, proof, log.root())
