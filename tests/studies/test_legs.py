"""This portal's legs: reserved, charged, computed and masked once, and sent as often as they are asked for."""

import base64
import json
import time
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from audit.models import Entry
from network.models import Peer
from privacy.engine import joint_release
from privacy.engine.language.query import CountSubjects, Query
from privacy.engine.measure.contributions import CAP
from privacy.models import Budget, LedgerLine
from studies import keys, plans
from studies.models import Leg
from studies.services import consents, leg_states, leg_work, legs, participations, rosters, studies
from tests import make
from tests.makers.datasets import PEOPLE
from tests.studies.asked import admitted, asks, computed, leg_of, with_portals
from tests.studies.players import exact

pytestmark = pytest.mark.django_db


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
    signed = plans.write_statement

    def says(*given):
        assert not keys.exists(leg.plan_sha256)
        return signed(*given)

    monkeypatch.setattr(plans, "write_statement", says)
    assert asker.collect(client).status == 200


def test_what_was_not_asked_for_is_given_back(client, asker, django_capture_on_commit_callbacks):
    asker.prepare(client)
    assert keys.exists(leg_of(asker).plan_sha256)
    with django_capture_on_commit_callbacks(execute=True):
        assert asker.end(client).status == 200
    leg = leg_of(asker)
    assert (leg.state, leg.line.settled_by.kind) == ("voided", "void")
    assert not keys.exists(leg.plan_sha256)
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


def test_a_part_that_was_not_sent_yet_stays_here_when_fewer_portals_count(client, portals, dataset):
    study = with_portals(portals, dataset, "Hospital C", relies_on=[1])
    guest = admitted(study, dataset)
    asker, sent = asks(study, guest), asks(study, guest)
    for each in (asker, sent):
        leg = computed(client, each)
        assert leg.h == 2
        Leg.objects.filter(pk=leg.pk).update(visible_at=timezone.now())
    before = sent.collect(client)
    assert before.status == 200
    Peer.objects.filter(url=study.portals[1].url).update(recovered_at=timezone.now())
    heard = asker.collect(client)
    assert heard.status == 400
    assert "must not be sent any more" in heard.document["detail"]
    assert sent.collect(client).document == before.document  # it is out already


def test_witnesses_are_asked_before_the_first_leg_and_daily(client, study, guest, monkeypatch):
    def asked():
        leg_work._ask_witnesses()
        return sum(call.url.endswith("/log/seen") for call in study.portals[1].received)

    monkeypatch.setattr(leg_work._Asked, "at", None)
    computed(client, asks(study, guest))
    assert asked() == 1
    monkeypatch.setattr(leg_work._Asked, "at", time.monotonic() - leg_work.ASKED_EVERY - 1)
    assert asked() == 2
    monkeypatch.setattr(leg_work._Asked, "at", None)
    monkeypatch.setattr(study.portals[1], "answers", {})
    monkeypatch.setattr(study.portals[0], "answers", {})
    asked()
    assert leg_work._Asked.at is None  # nobody has answered: they are asked again


def test_replaced_data_are_another_question(client, study, guest, dataset):
    computed(client, asks(study, guest))  # its people are known from now on
    asker = asks(study, guest)
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
