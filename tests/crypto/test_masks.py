"""Masks cancel in the whole and in nothing less, and are bound to all that a round is about."""

import hashlib

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import masks
from tests.crypto.making import digest, vectors

FIXED = vectors("masks")
INPUT = digest("input")
ZERO = bytes(32)
PLAN = digest("plan").hex()


def keys(many):
    private = [digest(f"key {k}") for k in range(many)]
    return private, [masks.public_of(each) for each in private]


def cards(publics, plan=PLAN):
    return [
        masks.card_text(plan_sha256=plan, place=k, portals=len(publics), public=public) + b"signature"
        for k, public in enumerate(publics)
    ]


def under_masks(parts, **changed):
    private, publics = keys(len(parts))
    terms = {"transcript": masks.transcript(cards(publics)), "round_": 0, "input_sha256": INPUT, **changed}
    return [
        masks.masked(part, private=private[k], place=k, publics=publics, **terms)
        for k, part in enumerate(parts)
    ]


def one(**changed):
    """Mask a vector of portal 0 of three, with something changed."""
    private, publics = keys(3)
    asked = {
        "private": private[0],
        "place": 0,
        "publics": publics,
        "transcript": digest("transcript"),
        "round_": 0,
        "input_sha256": INPUT,
    }
    return masks.masked(changed.pop("vector", np.arange(4, dtype=np.uint64)), **{**asked, **changed})


def test_fixed_vectors():
    """What another implementation has to give as well."""
    private = [bytes.fromhex(each) for each in FIXED["private"]]
    publics = [masks.public_of(each) for each in private]
    texts = [
        masks.card_text(plan_sha256=FIXED["plan_sha256"], place=k, portals=3, public=public)
        for k, public in enumerate(publics)
    ]
    found = masks.transcript(texts)
    parts = [
        masks.masked(
            np.array(part, dtype=np.uint64),
            private=private[k],
            place=k,
            publics=publics,
            transcript=found,
            round_=FIXED["round"],
            input_sha256=bytes.fromhex(FIXED["input_sha256"]),
        )
        for k, part in enumerate(FIXED["vectors"])
    ]
    assert [each.hex() for each in publics] == FIXED["public"]
    assert [text.decode() for text in texts] == FIXED["cards"]
    assert found.hex() == FIXED["transcript"]
    assert [part.tolist() for part in parts] == FIXED["masked"]
    assert masks.total(parts).tolist() == FIXED["total"]


def test_a_mask_is_the_documented_one():
    """Written again, step by step, from the definition."""
    private, publics = keys(2)
    secret = X25519PrivateKey.from_private_bytes(private[0]).exchange(
        X25519PublicKey.from_public_bytes(publics[1])
    )
    info = b"weir/mask/1|7|" + INPUT.hex().encode() + b"|0|1"
    key = HKDF(algorithm=SHA256(), length=32, salt=digest("salt"), info=info).derive(secret)
    stream = Cipher(algorithms.AES(key), modes.CTR(ZERO[:16])).encryptor().update(bytes(24))
    expected = np.frombuffer(stream, dtype="<u8")
    terms = {"publics": publics, "transcript": digest("salt"), "round_": 7, "input_sha256": INPUT}
    nothing = np.zeros(3, dtype=np.uint64)
    low, high = (masks.masked(nothing, private=private[k], place=k, **terms) for k in (0, 1))
    assert low.tolist() == expected.tolist()
    assert high.tolist() == (nothing - expected).tolist()


@settings(max_examples=30)
@given(st.integers(2, 5), st.integers(1, 6), st.data())
def test_masks_cancel_only_in_the_whole(many, length, data):
    numbers = st.lists(st.integers(-(2**60), 2**60), min_size=length, max_size=length)
    parts = [np.array(data.draw(numbers), dtype=np.int64) for _ in range(many)]
    hidden = under_masks([part.view(np.uint64) for part in parts])
    assert masks.total(hidden).tolist() == sum(parts).tolist()
    some = data.draw(st.sets(st.integers(0, many - 1), min_size=1, max_size=many - 1))
    assert masks.total([hidden[k] for k in some]).tolist() != sum(parts[k] for k in some).tolist()


def test_sums_are_read_as_signed_numbers_modulo_2_to_the_64():
    minus_one = np.array([2**64 - 1], dtype=np.uint64)
    assert masks.total([minus_one, minus_one]).tolist() == [-2]
    assert masks.total(under_masks([minus_one, minus_one])).tolist() == [-2]


@pytest.mark.parametrize(
    "changed", [{"transcript": digest("other cards")}, {"round_": 1}, {"input_sha256": digest("other")}]
)
def test_one_portal_on_other_terms_leaves_masks_behind(changed):
    parts = [np.zeros(4, dtype=np.uint64)] * 3
    mixed = [*under_masks(parts)[:2], under_masks(parts, **changed)[2]]
    assert 0 not in masks.total(mixed).tolist()


def test_a_transcript_binds_every_card_its_place_and_where_it_ends():
    _, publics = keys(3)
    texts = cards(publics)
    others = [
        cards(publics, plan=digest("another plan").hex()),
        cards(publics[:2]),
        texts[:2],
        [texts[1], texts[0], texts[2]],
        [texts[0] + texts[1], b"", texts[2]],
    ]
    found = {masks.transcript(each) for each in [texts, *others]}
    assert len(found) == len(others) + 1
    assert masks.transcript(texts) == masks.transcript(list(texts))


SMALL_ORDER = [ZERO, (1).to_bytes(32, "little"), (2**255 - 20).to_bytes(32, "little")]


@pytest.mark.parametrize("point", SMALL_ORDER, ids=["0", "1", "-1"])
def test_a_key_that_gives_no_secret_is_refused(point):
    _, publics = keys(3)
    with pytest.raises(ValueError, match="place 2 gives no secret"):
        one(publics=[*publics[:2], point])


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"publics": keys(1)[1]}, "no place 0 among 1"),
        ({"place": 3}, "no place 3 among 3"),
        ({"place": -1}, "no place -1 among 3"),
        ({"place": 1}, "not at its place"),
        ({"private": digest("another")}, "not at its place"),
        ({"publics": [*keys(2)[1], keys(2)[1][1]]}, "same key"),
        ({"publics": [*keys(2)[1], b"short"]}, "32 bytes"),
        ({"publics": [*keys(2)[1], (2**255 - 19).to_bytes(32, "little")]}, "one spelling"),
        ({"transcript": b"short"}, "SHA-256"),
        ({"input_sha256": b"short"}, "SHA-256"),
        ({"round_": -1}, "Rounds"),
        ({"vector": np.zeros(2, dtype=np.int64)}, "unsigned"),
        ({"vector": np.zeros((2, 2), dtype=np.uint64)}, "unsigned"),
        ({"vector": np.zeros(0, dtype=np.uint64)}, "unsigned"),
    ],
)
def test_wrong_parts_are_refused(changed, says):
    with pytest.raises(ValueError, match=says):
        one(**changed)


@pytest.mark.parametrize("place", [-1, 2])
def test_a_card_is_of_a_place_in_the_roster(place):
    with pytest.raises(ValueError, match="no place"):
        masks.card_text(plan_sha256=digest("plan").hex(), place=place, portals=2, public=keys(1)[1][0])


@pytest.mark.parametrize("plan", ["", "0" * 63, "G" * 64, "A" * 64, "0" * 63 + "\n"])
def test_a_card_names_its_plan_in_one_way(plan):
    with pytest.raises(ValueError, match="64 lower-case hex digits"):
        masks.card_text(plan_sha256=plan, place=0, portals=2, public=keys(1)[1][0])


@pytest.mark.parametrize("parts", [[], [np.zeros(1, dtype=np.uint64), np.zeros(2, dtype=np.uint64)]])
def test_only_vectors_of_one_length_are_added(parts):
    with pytest.raises(ValueError, match="at least one vector"):
        masks.total(parts)


def test_keys_are_new_each_time_and_have_32_bytes():
    assert len({masks.new_key() for _ in range(3)}) == 3
    assert len(masks.new_key()) == len(masks.public_of(masks.new_key())) == hashlib.sha256().digest_size
