"""What this portal does not answer another one, before anything is reserved or charged."""

import base64
import json
from dataclasses import replace

import pytest
from django.utils import timezone

from datasets.models import Grant
from network.documents import canonical
from network.models import Peer
from privacy.engine.language.query import KeyCounts, Query
from privacy.models import Budget, LedgerLine, Promise
from studies import keys, plans
from studies.models import Leg
from studies.services import leg_work, legs, standings
from tests import make
from tests.studies.asked import asks, leg_of
from tests.studies.players import Asker

pytestmark = pytest.mark.django_db


def test_other_cards_are_refused_and_change_nothing(client, asker):
    asker.prepare(client)
    texts = asker.cards()
    broken = {
        "too few": texts[:2],
        "in another order": texts[::-1],
        "not ours": [text if text != asker.own_card else texts[0] for text in texts],
        "an exchanged key": [exchanged(text) if text != asker.own_card else text for text in texts],
        "a point of small order": small_order(asker, texts),
    }
    for case, cards in broken.items():
        heard = asker.collect(client, cards)
        assert (heard.status, leg_of(asker).state) == (400, "reserved"), case
    assert asker.collect(client).status == 202
    asker.privates.clear()
    heard = asker.collect(client)
    assert (heard.status, heard.document["detail"]) == (
        409,
        "This part was asked for with other cards before.",
    )


def exchanged(text):
    document = json.loads(text)
    document["card"]["public"] = base64.b64encode(bytes([9]) + bytes(31)).decode()
    return canonical(document).decode()


def small_order(asker, texts):
    """The asking portal's card with a key for which everybody knows the secret."""
    place = asker.plan.place_of(asker.portal.url)
    card = plans.write_card(
        asker.plan.sha256, place, len(texts), bytes(32), (asker.portal.key_id, asker.portal.private)
    )
    return [card if k == place else text for k, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"expires": 1_000_000_000}, "has expired"),
        ({"expires": 4_000_000_000}, "expires too late"),
        ({"coordinator": "https://else.example.org"}, "another portal as the one that asks"),
        ({"study_sha256": "ab" * 32}, "another version"),
        ({"clip": (3.0).hex()}, "plans this question otherwise"),
        ({"cells": 2}, "plans this question otherwise"),
        ({"width": 2}, "plans this question otherwise"),
        ({"share": 2**60}, "say nothing"),
    ],
)  # fmt: skip
def test_plans_that_do_not_fit_are_refused_before_anything_is_reserved(client, study, guest, changes, why):
    heard = asks(study, guest, **changes).prepare(client)
    assert heard.status == 400
    assert why in heard.document["detail"]
    assert not LedgerLine.objects.exists()
    assert not Leg.objects.exists()


def test_a_share_that_no_budget_pays_for_reserves_nothing_and_keeps_no_key(client, study, guest):
    asker = asks(study, guest, share=2**27)
    heard = asker.prepare(client)
    assert (heard.status, heard.document["code"]) == (402, "budget_exceeded")
    assert not keys.exists(asker.plan.sha256)
    assert not Leg.objects.exists()


def test_unknown_keys_are_refused(client, study, guest):
    asker = asks(study, guest)
    asker.plan = replace(asker.plan, query=Query(table="pay", measure=KeyCounts("where")))
    assert "Undeclared values cannot be counted" in asker.prepare(client).document["detail"]


def test_nobody_without_a_grant_and_a_budget_is_answered(client, study, guest, dataset):
    stranger = Asker(study.portals[0], study, "nobody-1", study.portals[1:])
    assert "not known there" in stranger.prepare(client).document["detail"]
    other = make.guest(Peer.objects.get(url=study.portals[0].url).pk)
    without = asks(study, other)
    assert without.prepare(client).status == 400
    Budget.objects.filter(scientist=guest).update(closed_at=timezone.now())
    assert "closed" in asks(study, guest).prepare(client).document["detail"]
    Budget.objects.filter(scientist=guest).update(closed_at=None, extended=True)
    assert "leave people out" in asks(study, guest).prepare(client).document["detail"]
    Budget.objects.filter(scientist=guest).update(extended=False)
    Promise.objects.update(incomplete_since=timezone.now())
    assert (
        "leave people out"
        in standings.for_peer(Peer.objects.get(url=study.portals[0].url), study.pk, guest.remote_id).trouble
    )
    assert "leave people out" in asks(study, guest).prepare(client).document["detail"]
    Promise.objects.update(incomplete_since=None)
    Grant.objects.filter(user=guest).update(revoked_at=timezone.now(), revoked_by=dataset.owner)
    assert asks(study, guest).prepare(client).status == 400
    assert not LedgerLine.objects.exists()


def test_guests_of_another_portal_are_nobody_to_this_one(client, study, guest):
    asker = Asker(study.portals[1], study, guest.remote_id, [study.portals[0]])
    assert "not known there" in asker.prepare(client).document["detail"]


def test_all_portals_of_a_plan_must_be_connected_with_this_one(client, study, guest):
    third = Peer.objects.get(url=study.portals[1].url)
    asker = asks(study, guest)
    for fields, why in (
        ({"state": Peer.State.SUSPENDED}, "does not know"),
        ({"recovered_at": timezone.now()}, "compare its fingerprint"),
    ):
        Peer.objects.filter(pk=third.pk).update(**fields)
        assert why in asker.prepare(client).document["detail"]
        Peer.objects.filter(pk=third.pk).update(state=Peer.State.ACTIVE, recovered_at=None)
    study.portals[1].rotate()
    assert "key of" in asks(study, guest).prepare(client).document["detail"]


def test_a_plan_is_of_one_portal_and_person(client, study, guest, asker):
    asker.prepare(client)
    other = study.portals[1]
    assert other.calls(client, "POST", f"{asker.path}/collect", {"cards": asker.cards()}).status == 404
    assert other.calls(client, "POST", f"{asker.path}/end", {}).status == 404
    heard = asker.portal.calls(
        client, "POST", "/net/1/joints", {"plan": asker.plan.text, "person": "someone-else"}
    )
    assert heard.status == 409


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"plan": "x"},
        {"plan": "x", "person": 1},
        {"plan": "{}", "person": "a-person"},
        {"plan": "", "person": "a"},
    ],
)
def test_malformed_calls_are_refused(client, study, document):
    heard = study.portals[0].calls(client, "POST", "/net/1/joints", document)
    assert (heard.status, heard.document["code"]) == (400, "refused")
    for path, body in (("collect", {"cards": 1}), ("collect", {"cards": [1, 2]}), ("end", {"more": 1})):
        heard = study.portals[0].calls(client, "POST", f"/net/1/joints/{'ab' * 32}/{path}", body)
        assert heard.status == 400


def test_a_peer_has_a_number_of_open_legs(client, study, guest, monkeypatch):
    monkeypatch.setattr(legs, "MOST_OPEN", 1)
    first = asks(study, guest)
    assert first.prepare(client).status == 200
    assert "open here already" in asks(study, guest).prepare(client).document["detail"]
    first.end(client)
    assert asks(study, guest).prepare(client).status == 200


def test_sums_that_could_wrap_are_refused(client, study, guest):
    study.members.update(public_size=2**31)
    assert "too many people" in asks(study, guest).prepare(client).document["detail"]
    study.members.filter(url=study.portals[1].url).update(public_size=None)
    assert "does not know yet" in asks(study, guest).prepare(client).document["detail"]


def test_nothing_is_computed_while_part_of_the_log_is_missing(client, asker, monkeypatch):
    asker.prepare(client)
    asker.collect(client)
    monkeypatch.setattr("audit.witnesses.missing", lambda: True)
    leg_work.compute(str(leg_of(asker).pk))
    assert leg_of(asker).state == "voided"
    assert "log is missing" in leg_of(asker).reason
