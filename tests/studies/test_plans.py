"""Plans, key cards and statements: one spelling each, signed, and refused in words."""

import json
from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import masks
from network import cards
from network.documents import canonical
from privacy.engine.language.query import Count, Query
from studies import plans
from studies.plans import Plan, Seat

URLS = ("https://a.example.org", "https://b.example.org", "https://c.example.org")
IDENTITIES = {url: Ed25519PrivateKey.from_private_bytes(bytes([k + 1]) * 32) for k, url in enumerate(URLS)}
PRIVATE = [bytes([k + 9]) * 32 for k in range(3)]


def public(url):
    return IDENTITIES[url].public_key().public_bytes_raw()


def keys(url, key_id):
    known = public(url) if url in URLS else None
    return known if known and cards.key_id(known) == key_id else None


def signer(url):
    return f"{url}#{cards.key_id(public(url))}", IDENTITIES[url]


def plan(**changes):
    fields = {
        "joint": UUID(int=1),
        "study": UUID(int=2),
        "study_sha256": "ab" * 32,
        "query": Query(table="wages", measure=Count()),
        "clip": (4.0).hex(),
        "cells": 2,
        "width": 3,
        "share": 2**30,
        "portals": tuple(Seat(url, cards.key_id(public(url))) for url in URLS),
        "coordinator": URLS[0],
        "expires": 2_000_000_000,
    }
    return Plan(**{**fields, **changes})


def card_texts(made):
    return [
        plans.write_card(made.sha256, place, 3, masks.public_of(PRIVATE[place]), signer(url))
        for place, url in enumerate(URLS)
    ]


def test_a_plan_is_read_as_it_was_written():
    made = plan()
    found = plans.read_plan(plans.write_plan(made))
    assert found == made
    assert found.sha256 == made.sha256
    assert (found.size, found.place_of(URLS[1])) == (6, 1)
    with pytest.raises(ValueError, match=r"elsewhere\.org is not in this plan"):
        found.place_of("https://elsewhere.org")


@pytest.mark.parametrize("name", ["joint", "study", "study_sha256", "query", "clip", "cells", "width", "share",
                                  "portals", "coordinator", "expires"])  # fmt: skip
def test_every_field_is_in_the_hash(name):
    other = {
        "joint": UUID(int=3), "study": UUID(int=3), "study_sha256": "ac" * 32, "clip": (2.0).hex(), "cells": 1,
        "width": 1, "share": 2**31, "portals": plan().portals[:2], "coordinator": URLS[1], "expires": 1,
        "query": Query(table="wages", measure=Count(), by=("region",)),
    }  # fmt: skip
    assert plan(**{name: other[name]}).sha256 != plan().sha256


def changed(**changes):
    return canonical({**json.loads(plan().text), **changes}).decode()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "cannot be read"),
        (plan().text.replace(",", ", "), "canonical form"),
        (changed(more=1), "no others"),
        (changed(v=2), "between 1 and 1"),
        (changed(rounds=2), "between 1 and 1"),
        (changed(kind="training"), "not about a question"),
        (changed(joint="1"), "badly formed"),
        (changed(study=str(UUID(int=10)).upper().replace("A", "A")), "not written as ids are"),
        (changed(study_sha256="AB" * 32), "64 hex digits"),
        (changed(query="{}"), "cannot be read"),
        (changed(query=json.dumps(json.loads(json.loads(plan().text)["query"]))), "canonical form"),
        (changed(clip="1.0"), "one spelling"),
        (changed(clip="inf"), "one spelling"),
        (changed(clip="x"), "hex digits"),
        (changed(cells=10_001), "between 1 and"),
        (changed(cells=10_000, width=1000), "more than 8,000,000 bytes"),
        (changed(share=2**27 - 1), "between"),
        (changed(share=2**60 + 1), "between"),
        (changed(portals=json.loads(plan().text)["portals"][:1]), "between 2 and 10"),
        (changed(portals=json.loads(plan().text)["portals"][::-1]), "not in order"),
        (changed(portals=[{"url": URLS[0], "key": "x"}] * 2), "no id of a key"),
        (changed(portals=[{"url": "ftp://a", "key": "0" * 16}] * 2), "no address"),
        (changed(coordinator="https://a.example.org/"), "no address"),
        (changed(expires=-1), "between"),
    ],
)  # fmt: skip
def test_other_plans_are_refused_in_words(text, why):
    with pytest.raises(ValueError, match="The plan cannot be read: ") as raised:
        plans.read_plan(text)
    assert why in str(raised.value)


def test_cards_are_read_and_bound_to_plan_place_and_key():
    made = plan()
    texts = card_texts(made)
    found = plans.read_cards(texts, made, keys)
    assert [card.public for card in found] == [masks.public_of(each) for each in PRIVATE]
    assert plans.transcript_of(texts) != plans.transcript_of(texts[::-1])
    wrong = {
        "another plan": (texts[0], plan(share=2**31), 0, keys),
        "another place": (texts[0], made, 1, keys),
        "fewer portals": (texts[0], plan(portals=made.portals[:2]), 0, keys),
        "a key that does not count": (texts[0], made, 0, lambda *_: None),
        "another key": (texts[0], made, 0, lambda *_: public(URLS[1])),
        "a long text": (texts[0] + " " * 2000, made, 0, keys),
        "an exchanged key": (exchanged(texts[0]), made, 0, keys),
    }
    for text, of, place, known in wrong.values():
        with pytest.raises(ValueError, match=r"The card of https://.* does not count"):
            plans.read_card(text, of, place, known)
    with pytest.raises(ValueError, match="2 cards are here"):
        plans.read_cards(texts[:2], made, keys)


def exchanged(text):
    """The card with another public key under the signature of the first."""
    document = json.loads(text)
    document["card"]["public"] = "A" * 43 + "="
    return canonical(document).decode()


def test_two_portals_cannot_have_one_key():
    made = plan()
    public_key = masks.public_of(PRIVATE[0])
    texts = [plans.write_card(made.sha256, k, 3, public_key, signer(url)) for k, url in enumerate(URLS)]
    with pytest.raises(ValueError, match="same key"):
        plans.read_cards(texts, made, keys)


def test_a_statement_is_about_one_vector_for_one_list_of_cards():
    made, vector = plan(), plans.packed(np.arange(6, dtype=np.uint64))
    text = plans.write_statement(made, 1, "cd" * 32, vector, signer(URLS[1]))
    plans.read_statement(text, made, 1, "cd" * 32, vector, keys)
    by_another = plans.write_statement(made, 1, "cd" * 32, vector, signer(URLS[2]))
    for said in (
        (text, made, 1, "cd" * 32, vector[::-1], keys),
        (text, made, 1, "ce" * 32, vector, keys),
        (text, made, 2, "cd" * 32, vector, keys),
        (text, plan(share=2**31), 1, "cd" * 32, vector, keys),
        (text, made, 1, "cd" * 32, vector, lambda *_: None),
        (text, made, 1, "cd" * 32, vector, lambda *_: public(URLS[0])),
        (text + " " * 2000, made, 1, "cd" * 32, vector, keys),
        (by_another, made, 1, "cd" * 32, vector, keys),
    ):
        with pytest.raises(ValueError, match="has signed does not count"):
            plans.read_statement(*said)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=5))
def test_vectors_are_little_endian(numbers):
    data = plans.packed(np.array(numbers, dtype=np.uint64))
    assert data == b"".join(number.to_bytes(8, "little") for number in numbers)
    assert plans.unpacked(data, len(numbers)).tolist() == numbers
    with pytest.raises(ValueError, match="bytes, not"):
        plans.unpacked(data, len(numbers) + 1)


def test_masks_of_other_cards_do_not_cancel():
    made = plan()
    texts = card_texts(made)
    found = plans.read_cards(texts, made, keys)
    publics, vector = [card.public for card in found], np.arange(6, dtype=np.uint64)

    def sent(place, transcript):
        return masks.masked(
            vector, private=PRIVATE[place], place=place, publics=publics, transcript=transcript,
            round_=plans.ROUND, input_sha256=plans.NO_INPUT,
        )  # fmt: skip

    agreed, other = plans.transcript_of(texts), plans.transcript_of(texts[::-1])
    assert masks.total([sent(k, agreed) for k in range(3)]).tolist() == [3 * k for k in range(6)]
    assert masks.total([sent(0, agreed), sent(1, agreed), sent(2, other)]).tolist() != [
        3 * k for k in range(6)
    ]
    assert replace(found[0], place=1) != found[0]
