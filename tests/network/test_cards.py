"""Cards: one form, one signature, and what may follow what."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from network import cards, documents
from network.cards import CardKey, Succession
from tests.network.making import NOON, card, private_key, public_key, voucher

VECTOR = Path(__file__).parent / "vectors" / "card.json"
PINNED: dict[str, Any] = {"recovery": public_key("recovery"), "epoch": 1, "sequence": 7}


def signed(*names: str, by: str = "first", **changes: Any) -> str:
    return cards.signed(card(*names, **changes), private_key(by))


def forged(by: str = "first", outer: dict[str, Any] | None = None, **changes: Any) -> str:
    """A card whose content was changed as nobody's software would, signed again."""
    content = json.loads(signed())["card"] | changes
    text = b"weir/card/1\n" + json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    signature = documents.encoded(private_key(by).sign(text))
    whole = {"card": content, "key": cards.key_id(public_key(by)), "signature": signature, **(outer or {})}
    return json.dumps(whole, sort_keys=True, separators=(",", ":"))


def test_a_card_is_read_as_it_was_written() -> None:
    whole = card(
        wireguard_public=public_key("tunnel"),
        wireguard_endpoint="b.example.org:51820",
        roles=("directory",),
        vouchers=(voucher("first", by="zeroth"),),
        name="Universitätsklinikum Ärzte",
    )
    assert cards.read(cards.signed(whole, private_key("first"))) == whole


def test_the_bytes_of_a_card_stay_what_they_were() -> None:
    """Another portal's software signs the same card to the same bytes."""
    vector = json.loads(VECTOR.read_text())
    assert signed() == vector["text"]
    assert cards.fingerprint(cards.read(vector["text"])) == vector["fingerprint"]
    assert voucher("second", by="first").signature.hex() == vector["voucher"]
    assert cards.key_id(public_key("first")) == vector["key"]


TEXTS = st.text(st.characters(codec="ascii"), min_size=1, max_size=20)


@given(place=st.integers(0, 5000), put=st.binary(min_size=1, max_size=3))
def test_no_byte_of_a_card_can_be_changed(place: int, put: bytes) -> None:
    text = signed().encode()
    at = place % len(text)
    changed = text[:at] + put + text[at + len(put) :]
    if changed != text:
        with pytest.raises(ValueError, match="not a portal's card"):
            cards.read(changed.decode(errors="surrogateescape"))


@given(
    name=st.text(max_size=120),
    sequence=st.integers(),
    expires=st.integers(),
    url=st.one_of(TEXTS, st.just("https://b.example.org:8443")),
)
def test_what_is_signed_can_be_read_and_nothing_else_is_signed(
    name: str, sequence: int, expires: int, url: str
) -> None:
    whole = card(name=name, sequence=sequence, expires=expires, url=url)
    try:
        text = cards.signed(whole, private_key("first"))
    except ValueError:
        return
    assert cards.read(text) == whole
    assert name.isprintable()
    assert 1 <= sequence <= documents.MOST
    assert url.startswith("http")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"name": "Line\nbreak"}, "characters that cannot be seen"),
        ({"name": "turned \u202e round"}, "characters that cannot be seen"),
        ({"name": " B"}, "characters that cannot be seen"),
        ({"name": ""}, "wrong length"),
        ({"name": 7}, "wrong type"),
        ({"v": 2}, "does not know its form"),
        ({"v": True}, "wrong type"),
        ({"surplus": 1}, "and no others"),
        ({"sequence": 1.0}, "only integers are read"),
        ({"sequence": 0}, "not between"),
        ({"sequence": 2**63}, "too large"),
        ({"epoch": -1}, "not between"),
        ({"expires": 5}, "not between"),
        ({"url": "https://B.example.org"}, "its address is not"),
        ({"url": "https://b.example.org/"}, "its address is not"),
        ({"url": "https://b.example.org:443"}, "its address is not"),
        ({"url": "https://b.example.org:70000"}, "its address is not"),
        ({"url": "https://u@b.example.org"}, "its address is not"),
        ({"url": "https://0x7f.1"}, "its address is not"),
        ({"url": "https://127.1"}, "its address is not"),
        ({"url": "https://[::0001]"}, "its address is not"),
        ({"url": "ftp://b.example.org"}, "its address is not"),
        ({"keys": []}, "not between 1 and 8 parts"),
        ({"recovery": "AAAA"}, "base64 of 32 bytes"),
        ({"recovery": "%"}, "not base64"),
        ({"protocols": ["weir net"]}, "not a word"),
        ({"roles": ["x"] * 17}, "not between 0 and 16 parts"),
        ({"vouchers": {}}, "wrong type"),
        ({"log": {"origin": ""}}, "and no others"),
        ({"wireguard": {"public": "", "endpoint": "b.example.org:1\nPostUp = sh"}}, "cannot be seen"),
        ({"wireguard": {"public": "", "endpoint": "b.example.org"}}, "not a host and a port"),
        ({"wireguard": {"public": "", "endpoint": "b.example.org:70000"}}, "not a host and a port"),
        ({"wireguard": {"public": "", "endpoint": "$(id):1"}}, "not a host and a port"),
    ],
)
def test_a_card_with_a_wrong_field_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        cards.read(forged(**changes))
    assert cards.read(forged()).name == "Hospital B"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a portal's card"),
        ("[]", "not an object"),
        ("[" * 60_000, "levels"),
        ('{"card":' * 50 + "1" + "}" * 50, "levels"),
        ('{"card":{},"card":{}}', "names something twice"),
        ('{"card":NaN}', "only integers"),
        ('{"card": {}}', "canonical form"),
        ('{"card":"\\ud800"}', "invalid character"),
        ('{"card":"\\u0000"}', "invalid character"),
        ('{"card":' + "9" * 5000 + "}", "not a portal's card"),
        ("x" * 65_537, "longer than 65,536"),
    ],
)
def test_what_is_no_card_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        cards.read(text)


def test_spaces_and_another_order_are_another_form() -> None:
    text = signed()
    document = json.loads(text)
    for other in (json.dumps(document), json.dumps(dict(reversed(document.items())), separators=(",", ":"))):
        with pytest.raises(ValueError, match="canonical form"):
            cards.read(other)


def test_only_the_present_key_signs_a_card() -> None:
    with pytest.raises(ValueError, match="a key that it does not name"):
        cards.read(forged(by="stranger"))
    with pytest.raises(ValueError, match="its signature does not fit"):
        cards.read(forged(outer={"signature": documents.encoded(bytes(64))}))
    for since, until in ((NOON + 1, None), (NOON - 10, NOON)):
        keys = (CardKey(public_key("first"), since, until), CardKey(public_key("other"), 0, NOON))
        keys = keys if until is None else (keys[0], CardKey(public_key("other"), 0, None))
        with pytest.raises(ValueError, match="not its present key, or was not"):
            signed(keys=keys)


def test_nobody_adds_a_key_to_a_card_that_shows_anothers_fingerprint() -> None:
    honest = card()
    thiefs = CardKey(public_key("thief"), NOON - 5000, NOON + 5000)
    forged_one = replace(honest, keys=(*honest.keys, thiefs))
    assert cards.fingerprint(forged_one) == cards.fingerprint(honest)
    with pytest.raises(ValueError, match="not its present key"):
        cards.signed(forged_one, private_key("thief"))


def test_a_card_has_one_present_key_and_each_key_once() -> None:
    key = CardKey(public_key("first"), 0, None)
    for keys in ((key, key), (key, CardKey(public_key("other"), 0, None)), (replace(key, until=5),)):
        with pytest.raises(ValueError, match="one present key"):
            signed(keys=keys)


def test_a_fingerprint_is_of_address_recovery_key_and_present_key() -> None:
    found = cards.fingerprint(card())
    assert len(found.split()) == 8
    others = [card(url="https://c.example.org"), card(recovery=public_key("x")), card("second")]
    assert len({found, *map(cards.fingerprint, others)}) == 4
    assert cards.fingerprint(card(sequence=9, name="Other", expires=NOON * 2)) == found


# What follows what


def following(new: cards.Card, **pinned: Any) -> Succession:
    return cards.follows(new, keys=[public_key("first")], **{**PINNED, **pinned})


def test_the_same_number_says_nothing_new() -> None:
    assert following(card("stranger")) is Succession.SAME


def test_a_newer_card_keeps_its_keys_or_has_them_vouched_for() -> None:
    assert following(card(sequence=8)) is Succession.NEWER
    chain = (voucher("third", by="second"), voucher("second", by="first"))
    assert following(card("first", "second", sequence=8, vouchers=chain)) is Succession.NEWER
    assert following(card("third", sequence=8, vouchers=chain)) is Succession.NEWER


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (card(sequence=6), "older than one that was here before"),
        (card(epoch=1, sequence=8, recovery=public_key("x")), "another recovery key"),
        (card(sequence=1008), "does not follow 7"),
        (card("second", sequence=8), "nobody vouches for"),
        (card("first", "second", sequence=8), "nobody vouches for"),
        (card("second", sequence=8, vouchers=(voucher("second", by="stranger"),)), "nobody vouches for"),
        (card("second", sequence=8, vouchers=(voucher("second", by="second"),)), "nobody vouches for"),
        (
            card(
                "second", sequence=8, vouchers=(voucher("second", by="first", url="https://c.example.org"),)
            ),
            "nobody vouches for",
        ),
        (
            card("second", sequence=8, vouchers=(voucher("second", by="first", epoch=2),)),
            "nobody vouches for",
        ),
        (card("third", sequence=8, vouchers=(voucher("third", by="second"),)), "nobody vouches for"),
        (card("first", epoch=2, sequence=8), "nobody vouches for"),
        (
            card("second", epoch=2, sequence=8, vouchers=(voucher("second", by="first", epoch=2),)),
            "nobody vouches for",
        ),
        (
            card("second", epoch=2, sequence=8, vouchers=(voucher("second", by="recovery", epoch=1),)),
            "nobody vouches for",
        ),
        (card("second", epoch=2, sequence=1008), "does not follow 7"),
        (card("recovery", epoch=2, sequence=8), "nobody vouches for"),
    ],
)
def test_what_does_not_follow_is_refused(new: cards.Card, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        following(new)


def test_the_largest_step_of_the_sequence_is_allowed() -> None:
    assert following(card(sequence=1007)) is Succession.NEWER


def test_the_recovery_key_alone_begins_an_epoch() -> None:
    begun = (voucher("second", by="recovery", epoch=2),)
    assert following(card("second", epoch=2, sequence=8, vouchers=begun)) is Succession.RECOVERED
    # Whoever stole the key before has made cards with high numbers.
    assert (
        following(card("second", epoch=2, sequence=8, vouchers=begun), sequence=5000) is Succession.RECOVERED
    )
    assert following(card("second", epoch=2, sequence=1, vouchers=begun)) is Succession.RECOVERED
    later = (*begun, voucher("third", by="second", epoch=2))
    assert following(card("third", epoch=2, sequence=8, vouchers=later)) is Succession.RECOVERED
    with pytest.raises(ValueError, match="nobody vouches for"):
        following(card("first", "second", epoch=2, sequence=8, vouchers=begun))


def test_an_earlier_epoch_is_older_whatever_its_number() -> None:
    with pytest.raises(ValueError, match="older"):
        following(card(sequence=9), epoch=2)
