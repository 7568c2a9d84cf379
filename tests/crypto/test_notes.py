"""Signed notes, keys and checkpoints: published ones, and whatever is not quite one, in both implementations."""

import base64
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from crypto import notes as portal_notes
from tests.crypto.making import ORIGIN, SECONDS, WITNESSES, example, private, signed, vectors
from weir import notes as client_notes

NOTES = vectors("notes")
LOG = portal_notes.public_key(ORIGIN, private(ORIGIN))
WITNESS = portal_notes.public_key(WITNESSES[0], private(WITNESSES[0]), portal_notes.COSIGNATURE)
NOTE = signed(example(64), witnesses=WITNESSES[:2])
TEXT, LINES = portal_notes.opened(NOTE)

both = pytest.mark.parametrize("notes", [portal_notes, client_notes], ids=["portal", "client"])


def own(notes: ModuleType, key: portal_notes.Key = LOG):
    return notes.key(key.text)


@both
@pytest.mark.parametrize("case", NOTES["valid"], ids=lambda case: case["from"])
def test_published_notes_are_signed_by_published_keys(notes: ModuleType, case: dict[str, Any]):
    key = notes.key(case["key"])
    assert key.text == case["key"]
    assert notes.signed_by(case["note"], [key]) == {key: None}
    for place, letter in enumerate(case["note"]):
        if letter.isalpha() and not case["note"][:place].endswith("— "):
            changed = f"{case['note'][:place]}{'x' if letter != 'x' else 'y'}{case['note'][place + 1 :]}"
            assert not _is_signed(notes, changed, key)


def _is_signed(notes: ModuleType, note: str, key: object) -> bool:
    try:
        return key in notes.signed_by(note, [key])
    except ValueError:
        return False


def test_a_published_note_is_signed_again_byte_for_byte():
    case = next(each for each in NOTES["valid"] if "private" in each)
    _, _, name, _, secret = case["private"].split("+", 4)
    seed = base64.b64decode(secret)[1:]
    text, _ = portal_notes.opened(case["note"])
    assert (
        f"{text}\n{portal_notes.sign(text, name, Ed25519PrivateKey.from_private_bytes(seed))}" == case["note"]
    )


@both
def test_the_published_checkpoint_is_read(notes: ModuleType):
    case = NOTES["checkpoint"]
    text, lines = notes.opened(case["note"])
    found = notes.checkpoint(text)
    assert (found.origin, found.size, found.root.hex()) == (case["origin"], case["size"], case["root"])
    assert len(lines) == 2
    assert notes.signed_by(case["note"], [own(notes)]) == {}


@both
def test_a_log_and_its_witnesses_sign_one_text(notes: ModuleType):
    log, witness = own(notes), own(notes, WITNESS)
    assert notes.signed_by(NOTE, [log, witness]) == {log: None, witness: SECONDS}
    assert notes.signed_by(NOTE, []) == {}
    assert (log.hash, log.fingerprint) == (LOG.hash, LOG.fingerprint)
    assert len(log.fingerprint.split()) == 16


@both
@pytest.mark.parametrize("text", [*NOTES["bad_keys"], "", "a", "a+b", "a+b+c", "a+00000000+", "a b+1+2"])
def test_damaged_keys_are_refused(notes: ModuleType, text: str):
    with pytest.raises(ValueError, match="This is not the text of a key"):
        notes.key(text)


@both
def test_parts_of_a_key_and_keys_with_another_letter_are_refused(notes: ModuleType):
    text = LOG.text
    parts = [text[begin:end] for begin in range(len(text)) for end in range(begin, len(text) + 1)]
    changed = [f"{text[:at]}{chr(ord(text[at]) + 1)}{text[at + 1 :]}" for at in range(len(text))]
    for bad in [*parts, *changed, text.upper(), f"{text}\n", f" {text}", text.replace("+", " ")]:
        if bad != text:
            with pytest.raises(ValueError, match="key"):
                notes.key(bad)


NO_SIGNATURES = (
    "more", "— name", "— name ", "— name AAAA", "— name AAAAAAA", "— name AAAAAAB=", "— name AAAAAAAA AAAA",
    "—name AAAAAAAA", "—  AAAAAAAA", "— a+b AAAAAAAA", "— na me AAAAAAAA", "- name AAAAAAAA", "x— name AAAAAAAA",
    "— name\u2028 AAAAAAAA", "— name AAAAAAAA\u2028— name AAAAAAAA",
)  # fmt: skip
NO_NOTES = (
    "", "\n", "\n\n", TEXT, f"{TEXT}\n", NOTE.rstrip("\n"), NOTE.replace("\n\n", "\n"), f"{NOTE}\n", f"\x01{NOTE}",
    NOTE.replace("\n", "\r\n"), NOTE.replace(" ", "\t"), f"\ud800{NOTE}", f"{'x' * 200_000}\n{NOTE}",
    TEXT + "\n" + f"{LINES[0]}\n" * 65, *(f"{NOTE}{line}\n" for line in NO_SIGNATURES),
)  # fmt: skip


@both
@pytest.mark.parametrize("note", NO_NOTES, ids=range(len(NO_NOTES)))
def test_what_is_no_note_is_refused(notes: ModuleType, note: str):
    with pytest.raises(ValueError, match=r"not a signed note|not a signature"):
        notes.signed_by(note, [own(notes)])


@both
def test_lines_of_unknown_keys_are_passed_over(notes: ModuleType):
    log = own(notes)
    found = f"{NOTE}— somebody AAAAAAAA\n— {ORIGIN} AAAAAAAA\n— müller.example AAAAAAAA\n"
    assert notes.signed_by(found, [log]) == {log: None}
    many = TEXT + "\n" + f"{LINES[0]}\n" * 64
    assert notes.signed_by(many, [log]) == {log: None}


@both
def test_a_wrong_signature_of_a_known_key_spoils_the_note(notes: ModuleType):
    log, witness = own(notes), own(notes, WITNESS)
    body = base64.b64decode(LINES[0].split()[-1])
    for bad in (body[:-1], body + b"\0", body[:4] + b"\0", body[:4] + b"\0" * 64, body[:-1] + b"\0"):
        line = f"— {ORIGIN} {base64.b64encode(bad).decode()}\n"
        for note in (f"{TEXT}\n{line}", NOTE + line):
            with pytest.raises(ValueError, match=f"The signature of {ORIGIN} is not valid"):
                notes.signed_by(note, [log])
    body = base64.b64decode(LINES[1].split()[-1])
    for bad in (body[:4] + b"\0", body[:11] + b"\0" + body[12:], body[:4] + b"\xff" * 8 + body[12:]):
        note = f"{TEXT}\n— {WITNESS.name} {base64.b64encode(bad).decode()}\n"
        with pytest.raises(ValueError, match=WITNESS.name):
            notes.signed_by(note, [witness])


@both
def test_a_signature_is_of_one_kind_alone(notes: ModuleType):
    """A key whose holder signs as a log is not a witness with the same name, even with the same bytes."""
    as_witness = notes.Key(LOG.name, notes.COSIGNATURE, LOG.public)
    assert notes.signed_by(NOTE, [as_witness]) == {}
    relabelled = base64.b64encode(as_witness.hash + base64.b64decode(LINES[0].split()[-1])[4:]).decode()
    # The signature would begin with its time: one that does not exist, or one that was not signed.
    with pytest.raises(ValueError, match=r"does not exist|is not valid"):
        notes.signed_by(f"{TEXT}\n— {ORIGIN} {relabelled}\n", [as_witness])


@both
@pytest.mark.parametrize("public", [b"\x00" * 32, b"\xff" * 32, b"\x01" + b"\x00" * 31])
def test_a_key_that_is_no_point_has_signed_nothing(notes: ModuleType, public: bytes):
    odd = notes.Key(ORIGIN, notes.SIGNATURE, public)
    line = f"— {ORIGIN} {base64.b64encode(odd.hash + bytes([7] * 64)).decode()}\n"
    with pytest.raises(ValueError, match="is not valid"):
        notes.signed_by(f"{TEXT}\n{line}", [odd])


ROOT = f"{'A' * 43}="
NO_CHECKPOINTS = (
    "", "a\n1\n", f"a\n1\n{ROOT}", "a\n1\n\n", f"\n1\n{ROOT}\n", f"a b\n1\n{ROOT}\n", f"a\n1\n{ROOT}\n\n",
    f"a\n1\n{ROOT}\n\nb\n", f"a\n1\n{'A' * 43}\n", f"a\n1\n{'A' * 42}B=\n", f"a\n1\n{'A' * 42}==\n", f"a\n1\n {ROOT}\n",
    *(f"a\n{size}\n{ROOT}\n" for size in ("", "01", "-1", "+1", "1.0", "1e3", "1_0", "٣", " 1", 2**62 + 1, 10**20)),
)  # fmt: skip


@both
@pytest.mark.parametrize("text", NO_CHECKPOINTS, ids=range(len(NO_CHECKPOINTS)))
def test_what_is_no_checkpoint_is_refused(notes: ModuleType, text: str):
    with pytest.raises(ValueError, match=r"not a checkpoint|is not read"):
        notes.checkpoint(text)


@both
def test_checkpoints_may_be_empty_large_and_have_more_lines(notes: ModuleType):
    assert notes.checkpoint(f"a\n0\n{'A' * 43}=\n").size == 0
    assert notes.checkpoint(f"a\n{2**62}\n{'A' * 43}=\nmore\n").size == 2**62


def test_what_cannot_be_read_back_is_not_signed():
    mine = private(ORIGIN)
    for text in ("", "no end", "tab\t\n", "\ud800\n"):
        with pytest.raises(ValueError, match="A note ends with a line break"):
            portal_notes.sign(text, ORIGIN, mine)
        with pytest.raises(ValueError, match="A note ends with a line break"):
            portal_notes.cosign(text, ORIGIN, mine, 1)
    for name in ("", "a b", "a+b", "a\x00", "a" * 201):
        with pytest.raises(ValueError, match="cannot be the name of a key"):
            portal_notes.sign(TEXT, name, mine)
    for seconds in (-1, 2**63):
        with pytest.raises(ValueError, match="is not a time"):
            portal_notes.cosign(TEXT, ORIGIN, mine, seconds)


texts = st.text(
    st.characters(
        exclude_categories=["Cs"], exclude_characters=[chr(code) for code in range(32) if code != 10]
    )
)


@given(texts, st.integers(0, 2**63 - 1))
def test_every_text_is_signed_and_read_back(text: str, seconds: int):
    text += "\n"
    by_log = portal_notes.sign(text, ORIGIN, private(ORIGIN))
    note = f"{text}\n{by_log}{portal_notes.cosign(text, WITNESSES[0], private(WITNESSES[0]), seconds)}"
    for notes in (portal_notes, client_notes):
        log, witness = own(notes), own(notes, WITNESS)
        assert notes.opened(note)[0] == text
        assert notes.signed_by(note, [log, witness]) == {log: None, witness: seconds}


@given(st.text())
def test_both_read_the_same_notes(text: str):
    def read(notes: ModuleType) -> object:
        try:
            return notes.opened(text + "\n" + NOTE), notes.checkpoint(text).size
        except ValueError:
            return None

    assert read(portal_notes) == read(client_notes)
