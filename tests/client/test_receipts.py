"""Receipts with the client: what holds, what does not, and that whatever comes from outside ends in a sentence."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.client.verified import TRUSTED, checks, fault
from tests.crypto import making
from weir import strict
from weir.checks import all_hold
from weir.errors import NotOffered
from weir.receipts import Receipt

ANSWER, RELEASE = making.receipt("answer"), making.receipt("release")
CLOCK = "at 2025-11-30T23:15:00.123456+00:00 by the log's own clock"
SENTENCES = """
The receipt has the form weir-receipt/1, of kind “answer”.
The pinned key of weir.example/log/1 has signed the checkpoint of 128 leaves.
No witness is pinned: whoever operates the log could show other people another history. \
Compare the checkpoint with theirs.
Entry 3, answer.released CLOCK, is the leaf of this number under the signed root.
Entry 5, budget.commit CLOCK, is the leaf of this number under the signed root.
The entries are of the same dataset and the same person.
The charge is the one that the entry of the answer names.
The document is the one that entry 3 records.
The document is about the answer that the entry names.
""".replace("CLOCK", CLOCK).strip()


def with_entry(**changes: Any) -> dict[str, Any]:
    return {**ANSWER, "entries": [{**ANSWER["entries"][0], **changes}, ANSWER["entries"][1]]}


def test_a_receipt_is_verified_in_one_sentence_a_check():
    found = checks(ANSWER)
    assert "\n".join(each.sentence for each in found) == SENTENCES
    assert [each.ok for each in found] == [True, True, None, True, True, True, True, True, True]


def test_an_answer_of_an_earlier_version_does_not_name_its_charge():
    older = making.entry("answer.released", "a1", facts={"mu": 0.1})
    found = checks(making.receipt_of("answer", older, making.ENTRIES[5]))
    assert all_hold(found)
    assert any(each.ok is None and "does not name its charge" in each.sentence for each in found)


def test_what_it_says_can_be_read_stored_and_read_again(tmp_path: Path):
    receipt = Receipt(RELEASE)
    assert Receipt.read(receipt.save(tmp_path / "r.json")).details == RELEASE
    assert (receipt.kind, receipt.document) == ("release", making.DOCUMENTS["release"])
    assert receipt.entries[0].facts["object_id"] == "r1"
    assert list(receipt.files.values()) == ["wages.csv"]
    assert Receipt(ANSWER).files == {}
    assert repr(receipt) == "Receipt: release, entries 100 of the log"


def test_released_files_are_compared_with_the_record(tmp_path: Path):
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_bytes(making.FILE)
    bad.write_bytes(making.FILE + b"\n")
    assert checks(RELEASE, files=[good])[-1].sentence == (
        "good.csv is the file that was released as wages.csv, byte for byte."
    )
    assert [each.sentence for each in checks(RELEASE, files=[good, bad]) if each.ok is False] == [
        "bad.csv is none of the files that the receipts record, and no answer's JSON either."
    ]
    damaged = {**RELEASE, "document": RELEASE["document"].replace("wages", "WAGES")}
    assert checks(damaged, files=[good])[-1].sentence == "The files are not compared: no receipt holds."
    assert not all_hold(checks(ANSWER, files=[good]))


def test_the_figures_in_an_answers_file_are_compared(tmp_path: Path):
    result = json.loads(making.DOCUMENTS["answer"])["result"]
    path = tmp_path / "answer.json"

    def holds(text: str) -> bool:
        path.write_text(text)
        return all_hold(checks(ANSWER, files=[path]))

    assert holds(json.dumps({"record": {}, "result": result}, indent=2))
    assert checks(ANSWER, files=[path])[-1].sentence == (
        "answer.json has the figures of the answer. What else it says is not compared."
    )
    for other in ({"lines": [[24.0625, 2e-07]]}, {"lines": [[24.0625]]}, {}, None, [], 24.0625):
        assert not holds(json.dumps({"result": other}))
    for text in ("", "{", "[]", "{}", '{"result": {}, "result": {}}', f"{' ' * 17_000_000}{{}}"):
        assert not holds(text)
    assert not all_hold(checks(RELEASE, files=[path]))
    salt, empty = making.digest("salt"), '{"answer":"a1"}'
    released = making.entry("answer.released", "a1", document_sha256=making.document_sha256(empty, salt))
    entries = (released, making.ENTRIES[5])
    for document in (empty, ""):
        without = making.receipt_of(
            "answer", *entries, document=document, salt_of_document=salt.hex() if document else ""
        )
        assert all_hold(checks(without))
        path.write_text("{}")
        assert not all_hold(checks(without, files=[path]))


def test_a_document_that_was_left_out_is_named():
    stripped = checks({**ANSWER, "document": "", "document_salt": ""})
    assert stripped[-1].sentence.startswith("There is no document, and the log has one: ")


# What does not hold


@pytest.mark.parametrize(
    ("kind", "payloads", "document", "sentence"),
    [
        ("answer", [making.ENTRIES[5], making.ENTRIES[3]], "", "is not answer.released"),
        ("release", [making.ENTRIES[127]], "", "is not release.recorded"),
        ("charge", [making.ENTRIES[3]], "", "is not budget.commit"),
        (
            "answer",
            [making.ENTRIES[3], making.ENTRIES[5].replace('"d1"', '"d2"')],
            "",
            "not of the same dataset",
        ),
        (
            "answer",
            [making.ENTRIES[3], making.ENTRIES[5].replace('"p1"', '"p2"')],
            "",
            "not of the same dataset",
        ),
        (
            "answer",
            [making.ENTRIES[3], making.ENTRIES[5].replace('"l1"', '"l2"')],
            "",
            "not the one that the entry of the answer names",
        ),
        (
            "release",
            [making.ENTRIES[100]],
            '{"release":"r2"}',
            "The document is not the one that entry 0 records.",
        ),
        (
            "release",
            [making.entry("release.recorded", "r1")],
            '{"release":"r1"}',
            "The document is not the one",
        ),
        ("entry", ["text"], "", "Entry 0 is not JSON"),
        ("entry", ["[]"], "", "Entry 0 is not an entry of an audit log"),
        ("entry", ['{"detail":[]}'], "", "Entry 0 is not an entry of an audit log"),
        ("entry", ['{"detail":{},"action":7}'], "", "“action” of entry 0 is not a text"),
        ("entry", ['{"detail":{},"action":"a"}'], "", "“at” of entry 0 is not a text"),
        ("entry", ['{"a":1,"a":2}'], "", "Entry 0 is not read: “a” occurs twice in one object."),
        ("entry", ["[" * 200_000], "", "Entry 0 is nested too deeply"),
    ],
)
def test_what_the_log_has_signed_may_not_be_what_the_receipt_is_for(
    kind: str, payloads: list[str], document: str, sentence: str
):
    salt = "00" * 32 if document else ""
    assert sentence in fault(making.receipt_of(kind, *payloads, document=document, salt_of_document=salt))


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ('{"release":"r2"}', "The document is not about the release that the entry names."),
        ("[]", "The document is not an object."),
        ("{", "The document is not JSON"),
        (
            '{"release":"r1","release":"r1"}',
            "The document is not read: “release” occurs twice in one object.",
        ),
    ],
)
def test_a_document_that_is_recorded_has_to_be_about_the_same(document: str, sentence: str):
    salt = making.digest("salt")
    recorded = making.entry("release.recorded", "r1", document_sha256=making.document_sha256(document, salt))
    found = making.receipt_of("release", recorded, document=document, salt_of_document=salt.hex())
    assert sentence in fault(found)


def test_a_record_without_files_names_none():
    for outputs in (None, 7, [7, None], [{}]):
        document = making.text_of({"release": "r1", "outputs": outputs})
        found = Receipt(making.receipt_of("release", "{}", document=document, salt_of_document="00" * 32))
        assert set(found.files) <= {"None"}


def test_what_the_log_has_not_signed_is_not_even_read():
    """Reading it would take a minute."""
    endless = f"[{'[],' * 3_000_000}[]]"
    began = time.process_time()
    assert (
        fault(with_entry(payload=endless)) == "Entry 3 is not the leaf of this number under the signed root."
    )
    assert fault({**ANSWER, "document": endless}) == "The document is not the one that entry 3 records."
    assert time.process_time() - began < 3


def test_what_a_terminal_would_obey_is_not_printed(tmp_path: Path):
    path = tmp_path / "a.csv\n\x1b[2K✓ All checks hold.\u202e"
    path.write_bytes(making.FILE)
    assert checks(RELEASE, files=[path])[-1].sentence.startswith("a.csv??[2K✓ All checks hold.? is the file")
    found = making.receipt_of("entry", making.entry("\x1b[2J\u202e" + "a" * 500, "x"))
    sentence = checks(found)[-1].sentence
    assert sentence.isprintable()
    assert "Entry 0, ?[2J?aaa" in sentence
    assert len(sentence) < 300


def test_without_the_package_for_signatures_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(NotOffered, match='pip install "cryptography>=42"'):
        checks(ANSWER)


# What is no receipt


HASH = making.base64_of(b"\x00" * 32)


@pytest.mark.parametrize(
    ("details", "sentence"),
    [
        (7, "The receipt is not an object"),
        ([], "The receipt is not an object"),
        ({}, "The receipt has no “checkpoint”"),
        ({**ANSWER, "more": 1}, "which this version does not know"),
        ({**ANSWER, "kind": "statement"}, "“statement” is no kind of receipt"),
        ({**ANSWER, "kind": []}, "The kind of the receipt is not a text"),
        ({**ANSWER, "kind": "charge"}, "A receipt of kind “charge” has 1 entries"),
        ({**ANSWER, "entries": {}}, "The list of entries is not a list"),
        ({**ANSWER, "entries": ANSWER["entries"] * 2}, "is not a list of at most 2"),
        ({**ANSWER, "entries": [1, 2]}, "An entry is not an object"),
        ({**ANSWER, "checkpoint": None}, "The checkpoint is not a text"),
        ({**ANSWER, "checkpoint": "x" * 200_000}, "The checkpoint is too long"),
        ({**ANSWER, "checkpoint": "\ud800"}, "The checkpoint is not a text"),
        ({**ANSWER, "document": ""}, "belong together"),
        ({**ANSWER, "document_salt": ""}, "belong together"),
        ({**ANSWER, "document_salt": "AB" * 32}, "The salt of the document is not 64 hex digits"),
        ({**making.receipt("charge"), "document": "{}", "document_salt": "00" * 32}, "has no document"),
        (with_entry(payload=""), "An entry has no text"),
        (with_entry(payload=7), "The text of an entry is not a text"),
        (with_entry(payload="\udfff"), "The text of an entry is not a text"),
        (with_entry(salt="00" * 31), "The salt of an entry is not 64 hex digits"),
        (with_entry(salt="0٣" * 32), "The salt of an entry is not 64 hex digits"),
        (with_entry(salt=7), "The salt of an entry is not 64 hex digits"),
        (with_entry(index=3.0), "The index of an entry is not a whole number"),
        (with_entry(index=True), "The index of an entry is not a whole number"),
        (with_entry(index="3"), "The index of an entry is not a whole number"),
        (with_entry(index=-1), "The index of an entry is not a whole number"),
        (with_entry(index=2**62), "The index of an entry is not a whole number"),
        (with_entry(proof=[HASH] * 125), "A proof is not a list of at most 124"),
        (with_entry(proof=[HASH[:-1]]), "A step of a proof is not a hash"),
        (with_entry(proof=[HASH.replace("=", "\n=")]), "A step of a proof is not a hash"),
        (with_entry(proof=[f"{HASH[:-2]}B="]), "A step of a proof is not a hash"),
        (with_entry(proof=[7]), "A step of a proof is not a hash"),
        (with_entry(note=7), "An entry has “note”"),
    ],
)  # fmt: skip
def test_what_has_another_form_is_refused_in_words(details: Any, sentence: str):
    with pytest.raises(strict.Malformed, match=sentence):
        Receipt(details)


TEXT = json.dumps(ANSWER)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The receipt is not JSON"),
        (b"\xff\xfe", "The receipt is not text in UTF-8"),
        (b"\xef\xbb\xbf" + TEXT.encode(), "The receipt is not JSON"),
        (b"[" * 10_000, "The receipt is nested too deeply"),
        (b"[" * 1_000_000, "The receipt has more parts"),
        (b'{"a":' * 1_000_000, "The receipt has more parts"),
        (TEXT.replace('"index": 3', '"index": NaN').encode(), "NaN is not a number"),
        (TEXT.replace('"index": 3', '"index": -Infinity').encode(), "-Infinity is not a number"),
        (TEXT.replace('"index": 3', '"index": 1e999').encode(), "A number is too large"),
        (TEXT.replace('"index": 3', f'"index": {"9" * 5_000}').encode(), "more than 400 digits"),
        (TEXT.replace('"index": 3', f'"index": 0.{"9" * 5_000}').encode(), "more than 400 digits"),
        (TEXT.replace('"index": 3', '"index": 3, "index": 3').encode(), "“index” occurs twice in one object"),
        (TEXT.encode() + b"{}", "The receipt is not JSON"),
        (b" " * (16 * 2**20) + TEXT.encode(), "The receipt has more than 16 MB"),
        (b'{"a":[' + b"[]," * 3_000_000 + b"[]]}", "The receipt has more parts"),
        (b"{" + b",".join(b'"%d":0' % at for at in range(1_000_000)) + b"}", "The receipt has more parts"),
    ],
    ids=range(16),
)  # fmt: skip
def test_hostile_files_end_in_a_sentence_and_soon(content: bytes, sentence: str, tmp_path: Path):
    path = tmp_path / "receipt.json"
    path.write_bytes(content)
    began = time.process_time()
    with pytest.raises(strict.Malformed, match=sentence):
        Receipt.read(path)
    assert time.process_time() - began < 3


@given(st.data())
@settings(max_examples=300)
def test_a_changed_letter_changes_nothing_or_is_refused(data: st.DataObject):
    text = json.dumps(data.draw(st.sampled_from([ANSWER, RELEASE])))
    at = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from('\x00 09aAfz"\\{}[],:+-=/é\ud800'))
    changed = f"{text[:at]}{letter}{text[at + 1 :]}"
    try:
        receipt = Receipt(strict.parsed(changed, "The receipt"))
    except strict.Malformed:
        return
    assert receipt.details == json.loads(text) or not all_hold(receipt.verify(TRUSTED))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda each: st.lists(each, max_size=3)
)  # fmt: skip


@given(st.sampled_from(sorted(ANSWER)), st.sampled_from(sorted(ANSWER["entries"][0])), anything)
def test_anything_in_any_field_is_refused(field: str, part: str, value: Any):
    for details in ({**ANSWER, field: value}, with_entry(**{part: value})):
        try:
            found = checks(details)
        except strict.Malformed:
            continue
        assert details == ANSWER or not all_hold(found)
