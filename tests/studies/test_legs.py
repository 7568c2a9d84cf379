"""This portal's legs: what another portal's question is answered, and what it is not. Rules of docs/decisions."""

import base64
import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from audit.models import Entry
from datasets.models import Grant
from network.documents import canonical
from network.models import Peer
from privacy import services as privacy_services
from privacy.engine import joint_release
from privacy.engine.language.query import CountSubjects, KeyCounts, Query
from privacy.engine.measure.contributions import CAP
from privacy.models import Budget, LedgerLine
from studies import keys, plans
from studies.models import Leg
from studies.services import consents, leg_states, leg_work, legs, participations, rosters, studies
from tests import make
from tests.makers import studies as makers
from tests.makers.datasets import PEOPLE
from tests.studies.players import Asker, exact

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset(own):
    return makers.offered()


@pytest.fixture
def study(portals, dataset):
    """A study of another portal, with a third one, in which this portal takes part and counts on nobody."""
    return with_portals(portals, dataset)


def with_portals(portals, dataset, *names, relies_on=()):
    """`relies_on`: places among the other portals, the asking one being 0."""
    others = [portals("Hospital B"), *map(portals, names or ["Hospital C"])]
    peers = [other.peer() for other in others]
    for other in others:
        other.answers["GET", "/net/1/log/seen"] = lambda _: {"checkpoints": []}
    made = makers.invited(peers[0], *(other.url for other in others[1:]))
    makers.take_part(made, dataset, relies_on=[others[k].url for k in relies_on])
    for peer in peers:
        makers.join(made, peer)
    made.portals = others
    return made


@pytest.fixture
def guest(study, dataset):
    return admitted(study, dataset)


def admitted(study, dataset, *, epsilon=3.0):
    peer = Peer.objects.get(url=study.portals[0].url)
    person = make.guest(peer.pk)
    make.grant(dataset, person)
    privacy_services.give_budget(dataset.promise, person, by=dataset.owner, epsilon=epsilon)
    return person


@pytest.fixture
def asker(study, guest):
    return asks(study, guest)


def asks(study, guest, query=None, **changes):
    return Asker(study.portals[0], study, guest.remote_id, study.portals[1:], query, changes)


def leg_of(asker):
    return Leg.objects.get(plan_sha256=asker.plan.sha256)


def computed(client, asker):
    """Prepare, ask for the part, and compute it."""
    assert asker.prepare(client).status == 200
    assert asker.collect(client).status == 202
    leg_work.compute(str(leg_of(asker).pk))
    return leg_of(asker)


@pytest.fixture
def silent(monkeypatch):
    """No noise: what is under the masks is exact."""
    monkeypatch.setattr(joint_release, "add_noise", lambda zeros, _: zeros)


def rows_of(dataset):
    """The people of the dataset as the study has them."""
    return [
        [
            {
                "when": 1990 + year,
                "where": {"east": "s", "north": "n", "west": None}[("east", "north", "west")[person % 3]],
                "pay": round(
                    (31_337.0 if not person + year else 1_000.0 + 7 * (person * 4 + year)) * 0.001, 1
                ),
            }
            for year in range(4)
        ]
        for person in range(PEOPLE)
    ]


def test_a_leg_is_reserved_computed_and_sent_once(client, asker, dataset, silent):
    prepared = asker.prepare(client)
    assert prepared.status == 200
    leg = leg_of(asker)
    budget = leg.budget
    assert prepared.document == {"card": leg.card, "units": leg.line.units, "h": 1}
    assert leg.line.units == joint_release.units_of(asker.plan.share, 1, budget.mu_squared)
    assert asker.prepare(client).document == prepared.document  # once, however often it is asked
    assert budget.lines.count() == 1
    assert asker.collect(client).document == {"retry_after": 1}
    leg_work.compute(str(leg.pk))
    sent = asker.collect(client)
    assert sent.status == 200
    vector = base64.b64decode(sent.document["vector"])
    transcript = leg_of(asker).transcript
    plans.read_statement(
        sent.document["statement"], asker.plan, leg.place, transcript, vector, rosters.public_key
    )
    people = rows_of(dataset)
    assert asker.unmasked(sent.document).tolist() == exact(asker.asked, asker.spec, people).tolist()
    assert asker.collect(client).document == sent.document  # the same bytes
    leg_work.compute(str(leg.pk))  # a second delivery
    assert bytes(leg_of(asker).vector) == vector
    assert [line.kind for line in budget.lines.order_by("id")] == ["reserve", "commit"]
    actions = Entry.objects.filter(object_type="leg").order_by("id").values_list("action", flat=True)
    assert list(actions) == ["leg.reserved", "leg.begun", "leg.sent"]


def test_noise_is_added_before_masks_and_leaves_nothing_unmasked(client, asker, dataset, caplog):
    leg = computed(client, asker)
    sent = asker.collect(client)
    noisy, people = asker.unmasked(sent.document), rows_of(dataset)
    noise = (noisy - exact(asker.asked, asker.spec, people)) / asker.plan.share
    assert 0 < np.abs(noise).max() < 8
    stored = plans.unpacked(bytes(leg.vector), asker.plan.size)
    assert stored.tolist() != noisy.astype(np.uint64).tolist()
    said = caplog.text + json.dumps(list(Entry.objects.values_list("payload", flat=True))) + leg.card
    assert str(int(noisy[0])) not in said
    assert not dataset.promise.budgets.get(pk=leg.budget_id).answers.exists()  # a leg is no answer


def test_until_its_public_time_a_part_is_busy_also_when_it_is_ready(client, asker):
    leg = computed(client, asker)
    Leg.objects.filter(pk=leg.pk).update(visible_at=timezone.now() + timedelta(minutes=1))
    assert (asker.collect(client).status, asker.collect(client).document) == (202, {"retry_after": 1})
    Leg.objects.filter(pk=leg.pk).update(visible_at=timezone.now())
    assert asker.collect(client).status == 200
    assert leg.visible_at > Entry.objects.get(action="budget.commit", object_id=leg.line.settled_by.pk).at


def test_the_key_is_gone_before_the_first_byte_leaves(client, asker, monkeypatch):
    leg = computed(client, asker)
    assert keys.exists(leg.plan_sha256)  # on_commit does not run in this test: as after a crash
    seen = []
    monkeypatch.setattr(
        keys, "forget", lambda sha: seen.append(("forgotten", Leg.objects.get(plan_sha256=sha).state))
    )
    monkeypatch.setattr(plans, "write_statement", lambda *_: seen.append("sent") or "said")
    asker.collect(client)
    assert seen == [("forgotten", "ready"), "sent"]


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
    assert "extended" in asks(study, guest).prepare(client).document["detail"]
    Budget.objects.filter(scientist=guest).update(extended=False)
    Grant.objects.filter(user=guest).update(revoked_at=timezone.now())
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


def test_what_was_not_asked_for_is_given_back(client, asker):
    asker.prepare(client)
    assert asker.end(client).status == 200
    leg = leg_of(asker)
    assert (leg.state, leg.line.settled_by.kind) == ("voided", "void")
    assert not keys.exists(leg.plan_sha256) or Leg.objects.get(pk=leg.pk).state == "voided"
    assert asker.end(client).status == 200
    assert "Nothing was charged" in asker.collect(client).document["detail"]
    assert "was ended" in asker.prepare(client).document["detail"]
    assert leg.budget.units_used == 0


def test_what_was_asked_for_cannot_be_given_back_from_outside(client, asker):
    """Whether it was charged yet would tell how long this portal had to read its ledgers."""
    asker.prepare(client)
    asker.collect(client)
    assert asker.end(client).status == 200
    assert leg_of(asker).state == "computing"
    leg_work.compute(str(leg_of(asker).pk))
    assert asker.end(client).status == 200
    assert leg_of(asker).state == "ready"


@pytest.mark.parametrize("case", ["left", "ended", "expired", "suspended", "recovered"])
def test_a_leg_is_given_back_when_it_must_not_be_computed_any_more(client, asker, study, case):
    """At the first collect, by the worker, or by the sweep: whoever comes first."""
    asker.prepare(client)
    leg = leg_of(asker)
    if case == "left":
        participations.leave(study, by=study.participation.dataset.owner, reason="No more.")
    if case == "ended":
        studies.end_told(Peer.objects.get(url=asker.portal.url), study.pk, "Over.")
    if case == "expired":
        Leg.objects.filter(pk=leg.pk).update(expires_at=timezone.now())
    third = Peer.objects.filter(url=study.portals[1].url)
    if case == "suspended":
        third.update(state=Peer.State.SUSPENDED)
    if case == "recovered":
        third.update(recovered_at=timezone.now())
    if case in {"left", "suspended"}:
        assert asker.collect(client).status == 400
    elif case == "ended":
        legs.sweep()
    else:
        plan = plans.read_plan(leg.plan)
        leg_states.begin(leg, asker.cards(), plans.transcript_of(asker.cards()).hex())
        assert plan.sha256 == leg.plan_sha256
        leg_work.compute(str(leg.pk))
    leg.refresh_from_db()
    assert (leg.state, leg.line.settled_by.kind) == ("voided", "void")
    assert leg.reason


# On how many portals the owner counts


def test_h_is_in_the_price_and_never_counts_the_home(client, portals, dataset):
    study = with_portals(portals, dataset, "Hospital C", "Hospital D", "hospital  d", relies_on=[0, 1, 2, 3])
    guest = admitted(study, dataset)
    asker = asks(study, guest)
    heard = asker.prepare(client)
    assert heard.document["h"] == 3  # itself, C, and one of two that have the same name
    leg = leg_of(asker)
    assert leg.line.units == joint_release.units_of(asker.plan.share, 3, leg.budget.mu_squared)
    assert leg.line.purpose["joint"]["h"] == leg.h == 3


def test_h_that_became_smaller_gives_the_leg_back(client, portals, dataset):
    study = with_portals(portals, dataset, "Hospital C", "Hospital D", relies_on=[1, 2])
    asker = asks(study, admitted(study, dataset))
    assert asker.prepare(client).document["h"] == 3
    fewer = [study.portals[1].url]
    text = consents.consent_text(study, dataset, fewer)
    participations.change_reliance(study, fewer, by=dataset.owner, agreed_text=text)
    heard = asker.collect(client)
    assert (heard.status, leg_of(asker).state) == (400, "voided")
    assert "counts on fewer portals" in heard.document["detail"]


# Limits


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


def test_witnesses_are_asked_before_the_first_leg_and_daily(client, study, guest, monkeypatch):
    asked = []
    study.portals[1].answers["GET", "/net/1/log/seen"] = lambda _: asked.append(1) or {"checkpoints": []}
    monkeypatch.setattr(leg_work._Asked, "at", None)
    for _ in range(2):
        computed(client, asks(study, guest))
    assert asked == [1]
    monkeypatch.setattr(leg_work._Asked, "at", leg_work._Asked.at - leg_work.ASKED_EVERY - 1)
    computed(client, asks(study, guest))
    assert asked == [1, 1]


def test_replaced_data_are_another_question(client, asker, dataset):
    asker.prepare(client)
    asker.collect(client)
    make.next_revision(dataset)
    leg_work.compute(str(leg_of(asker).pk))
    assert (leg_of(asker).state, "replaced" in leg_of(asker).reason) == ("voided", True)


def test_stored_answers_serve_no_leg_and_legs_no_question(client, study, guest, dataset):
    """Both would hand out a sum twice for one charge, or without its noise."""
    query = Query(table="pay", measure=CountSubjects())
    first = computed(client, asks(study, guest, query))
    second = computed(client, asks(study, guest, query))
    assert bytes(first.vector) != bytes(second.vector)
    assert LedgerLine.objects.filter(kind="commit").count() == 2
    assert Budget.objects.get(pk=first.budget_id).units_used == 2 * first.line.units <= CAP
    assert first.line.pk != second.line.pk
