"""Joint answers of this portal's scientists: led through every delay and refusal, and added up."""

import base64
import json
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from fractions import Fraction

import numpy as np
import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Notification, User
from audit import documents
from audit.models import Entry
from common import locks
from common.errors import Denied
from crypto import masks
from network.documents import encoded
from privacy.engine import joint_release
from privacy.engine.language.expressions import Column
from privacy.engine.language.query import Mean, Query, Regression
from privacy.engine.measure.contributions import CAP
from privacy.models import Budget
from studies import plans
from studies.models import JointAnswer, Leg, Part
from studies.services import answer_states, joint_answers, passes
from tests import make
from tests.studies.players import UNITS, exact
from tests.studies.scenes import COUNT, Scene, lead, own_people

pytestmark = pytest.mark.django_db
State = JointAnswer.State


@pytest.fixture
def scene(portals):
    return Scene(portals)


@pytest.fixture
def silent(monkeypatch):
    monkeypatch.setattr(joint_release, "add_noise", lambda zeros, _: zeros)


QUERIES = {
    "count": COUNT,
    "mean": Query(table="wages", measure=Mean(Column("wage")), by=("region",)),
    "regression": Query(table="wages", measure=Regression(Column("wage"), (Column("year"),), ("year",))),
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_the_sum_of_three_portals_is_the_central_total_bit_for_bit(scene, query, silent):
    answer = lead(scene.ask(query, share=0.5))
    assert answer.state == State.RELEASED, answer.reason
    everybody = own_people() + [person for player in scene.players for person in player.people]
    central = exact(query, scene.spec, everybody)
    size = plans.read_plan(answer.plan).size
    vectors = [plans.unpacked(bytes(part.vector), size) for part in answer.parts.all()]
    assert masks.total(vectors).tolist() == central.tolist()
    assert all(vector.astype(np.int64).tolist() != central.tolist() for vector in vectors)
    expected = joint_release.figures_of(query, scene.spec, central, answer.share, 3)
    assert json.loads(json.dumps(answer.result["lines"])) == json.loads(json.dumps(lines_of(expected)))


def lines_of(figures):
    return asdict(figures)["lines"]


def test_an_answer_says_how_it_was_made_and_anybody_can_add_it_up(scene):
    answer = lead(scene.ask())
    record, document = answer.record, json.loads(answer.document)
    assert record["plan_sha256"] == answer.plan_sha256
    assert [each["units"] for each in record["portals"] if each["url"] != record["home"]] == [UNITS, UNITS]
    assert Fraction(record["share_in_clips"]) == Fraction(answer.share, 2**30)
    plan = plans.read_plan(document["plan"])
    vectors = [
        np.frombuffer(base64.b64decode(part["vector"]), dtype="<u8").astype(np.uint64)
        for part in document["parts"]
    ]
    told = joint_release.figures_of(plan.query, scene.spec, masks.total(vectors), plan.share, 3)
    assert lines_of(told)[0]["figures"][0]["value"] == document["result"]["lines"][0]["figures"][0]["value"]
    released = Entry.objects.get(action="joint.released")
    assert documents.is_of(released.detail["document_sha256"], answer.document_salt, answer.document)
    assert released.person_id == str(scene.scientist.pk)
    assert Notification.objects.filter(user=scene.scientist, text__contains="has been answered").count() == 1
    joint_answers.note_seen(answer)
    assert JointAnswer.objects.get().seen_at is not None


def test_portals_that_are_counted_on_make_it_cheaper(portals):
    scene = Scene(portals, relies_on=[0, 1])
    quoted = scene.quote(error=60.0)
    home = next(each for each in quoted.portals if each.name == "Hospital A")
    assert home.units == joint_release.units_of(quoted.share, 2, scene.budget.mu_squared)
    answer = lead(scene.ask(error=60.0))
    assert answer.state == State.RELEASED
    assert Leg.objects.get().h == 2


def test_a_restored_portal_has_lost_its_own_leg(scene):
    answer = scene.ask()
    passes.advance(answer.pk)
    Leg.objects.all().delete()
    Part.objects.update(tried_at=None)
    lead(answer)
    assert (answer.state, "its database was restored" in answer.reason) == (State.FAILED, True)
    joint_part = answer.parts.get(peer=None)
    assert joint_part.state == "refused"


def test_only_fields_of_a_part_are_noted():
    with pytest.raises(ValueError, match="no fields of a part"):
        answer_states.note(Part(), other=1)


# What portals do


def test_busy_and_silent_portals_are_asked_again(scene):
    b, c = scene.players
    b.busy = 3
    c.portal.knows_us = False
    answer = scene.ask()
    passes.advance(answer.pk)
    part = answer.parts.get(url=c.portal.url)
    assert (part.state, part.trouble, part.tries) == (
        "asked",
        "Hospital C cannot be reached at the moment.",
        1,
    )
    assert part.waiting_since is not None
    assert 0 < (passes.advance(answer.pk) or 0) <= 2  # nothing is due before
    assert Part.objects.get(pk=part.pk).tries == 1
    c.portal.knows_us = True
    assert lead(answer).state == State.RELEASED
    part.refresh_from_db()
    assert (part.trouble, part.waiting_since) == ("", None)


def test_a_portal_that_answered_too_late_is_not_charged_twice(scene):
    """The answer to a call was lost: the same call again returns what was stored."""
    b = scene.players[0]
    prepare, lost = b.prepare, list[dict[str, str]]()

    def lose_once(document):
        said = prepare(document)
        if not lost:
            lost.append(said)
            return 503, {}
        return said

    b.portal.answers["POST", "/net/1/joints"] = lose_once
    answer = lead(scene.ask())
    assert answer.state == State.RELEASED
    assert answer.parts.get(url=b.portal.url).card == lost[0]["card"]


@pytest.mark.parametrize(
    "pause", [(1, False, 1), (4, False, 4), (40, False, 15), (1, True, 2), (40, True, 60)]
)
def test_pauses_grow_up_to_a_minute(pause):
    tries, is_silent, seconds = pause
    now = timezone.now()
    part = Part(tries=tries, trouble="Silent." if is_silent else "", tried_at=now)
    assert passes._due(part) == now + timedelta(seconds=seconds)


def test_a_refusal_ends_the_answer_and_all_get_their_price_back(scene):
    b, c = scene.players
    c.portal.answers["POST", "/net/1/joints"] = lambda _: (
        400,
        {"code": "refused", "detail": "The owner says no."},
    )
    answer = lead(scene.ask())
    assert (answer.state, answer.reason) == (State.FAILED, "Hospital C: The owner says no.")
    assert b.ended == [answer.plan_sha256]
    assert not Leg.objects.exists()  # this portal comes after that one
    states = dict(answer.parts.values_list("url", "state"))
    assert (states[b.portal.url], states[c.portal.url]) == ("ended", "refused")
    assert "Hospital C: The owner says no." in Entry.objects.get(action="joint.failed").detail["reason"]
    assert (
        Notification.objects.filter(user=scene.scientist, text__contains="could not be answered").count() == 1
    )


def test_own_refusals_end_it_as_well(scene):
    answer = scene.ask()
    Budget.objects.update(closed_at=timezone.now())
    assert lead(answer).state == State.FAILED
    assert "Hospital A: " in answer.reason


def test_a_portal_that_charges_more_than_quoted_is_not_used(scene):
    scene.players[0].units = CAP
    answer = lead(scene.ask())
    assert answer.state == State.FAILED
    assert "Hospital B would charge more than was shown" in answer.reason
    assert scene.players[0].ended == [answer.plan_sha256]
    assert Leg.objects.get().state == Leg.State.VOIDED


def test_a_lost_part_fails_the_answer(scene):
    b = scene.players[0]
    b.collect = lambda *_: (410, {"code": "gone", "detail": "It was lost."})
    answer = lead(scene.ask())
    assert (answer.state, answer.reason) == (State.FAILED, "Hospital B: It was lost.")
    assert answer.parts.get(url=b.portal.url).state == Part.State.LOST


LIES = {
    "another card": ("prepare", lambda said: {**said, "card": said["card"].replace('"place":', '"place": ')}),
    "no card": ("prepare", lambda said: {**said, "card": ""}),
    "more": ("prepare", lambda said: {**said, "more": 1}),
    "no units": ("prepare", lambda said: {**said, "units": 0}),
    "another vector": ("collect", lambda said: {**said, "vector": said["vector"][:-4] + "AAA="}),
    "a short vector": ("collect", lambda said: {**said, "vector": "AAAAAAAAAAA="}),
    "no statement": ("collect", lambda said: {**said, "statement": "x"}),
    "a long wait": ("collect", lambda _: (202, {"retry_after": 10**9})),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_is_not_signed_or_malformed_is_refused(scene, lie):
    what, change = LIES[lie]
    player = scene.players[0]
    honest = getattr(player, what)
    lying = lambda *said: change(honest(*said))  # noqa: E731
    if what == "prepare":
        player.portal.answers["POST", "/net/1/joints"] = lying
    else:
        player.collect = lying
    answer = lead(scene.ask())
    assert answer.state == State.FAILED
    assert "Hospital B" in answer.reason or player.portal.url in answer.reason


def test_masks_of_another_list_of_cards_do_not_cancel(scene):
    """A portal that was shown other cards than the rest sends what nobody can read."""
    player = scene.players[0]

    def misled(sha, texts):
        plan = player.prepared[sha][0]
        place = plan.place_of(player.portal.url)
        numbers = np.random.default_rng(1).integers(0, 2**63, plan.size, dtype=np.uint64)
        vector = plans.packed(numbers)
        statement = plans.write_statement(
            plan, place, plans.transcript_of(texts).hex(), vector, player.signer
        )
        return {"vector": encoded(vector), "statement": statement}

    player.computed = misled
    answer = lead(scene.ask(Query(table="wages", measure=Mean(Column("wage")), by=("region",)), share=0.5))
    assert (answer.state, "do not add up" in answer.reason) == (State.FAILED, True)
    assert answer.result is None


# Stopping and expiry


def test_a_stopped_answer_gives_back_what_was_not_asked_for(scene):
    answer = scene.ask()
    scene.players[1].portal.knows_us = False
    passes.advance(answer.pk)
    joint_answers.stop(answer, by=scene.scientist)
    with pytest.raises(Denied, match="already ended"):
        joint_answers.stop(answer, by=scene.scientist)
    assert lead(answer, most=1).state == State.STOPPED
    assert Leg.objects.get().state == Leg.State.VOIDED
    assert scene.players[0].ended == [answer.plan_sha256]
    silent, path = scene.players[1].portal, f"/net/1/joints/{answer.plan_sha256}/end"
    assert answer.parts.get(url=silent.url).state == "asked"  # it is told when it answers again
    silent.knows_us, silent.answers["POST", path] = True, lambda _: (404, {"code": "not_found"})
    lead(answer)
    assert answer.parts.get(url=silent.url).state == "ended"
    assert Entry.objects.get(action="joint.stopped").actor_id == str(scene.scientist.pk)


def test_an_answer_that_was_stopped_meanwhile_is_not_released(scene):
    answer = scene.ask()
    stale = JointAnswer.objects.get(pk=answer.pk)
    answer_states.close(answer, State.STOPPED, "Stopped.", by=scene.scientist)
    assert not answer_states.collecting(stale)
    assert not answer_states.close(stale, State.FAILED, "Late.", by=scene.scientist)
    assert JointAnswer.objects.get().reason == "Stopped."


def test_an_answer_expires_and_says_who_was_late(scene):
    scene.players[1].portal.knows_us = False
    answer = scene.ask()
    passes.advance(answer.pk)
    JointAnswer.objects.update(expires_at=timezone.now())
    assert passes.advance(answer.pk) is None
    answer.refresh_from_db()
    assert (answer.state, "expired" in answer.reason, "Hospital C" in answer.reason) == (
        State.FAILED,
        True,
        True,
    )


def test_nothing_is_asked_for_somebody_who_was_suspended_meanwhile(scene):
    answer = scene.ask()
    User.objects.filter(pk=scene.scientist.pk).update(state=User.State.SUSPENDED, is_active=False)
    assert (lead(answer).state, "not active" in answer.reason) == (State.FAILED, True)
    assert not any(each.prepared for each in scene.players)
    assert not Leg.objects.exists()


def test_one_pass_at_a_time_and_what_died_is_taken_up(scene):
    answer = scene.ask()
    assert joint_answers.sweep() == []  # somebody works on it
    JointAnswer.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    assert joint_answers.sweep() == [str(answer.pk)]
    passes.advance(answer.pk)
    assert joint_answers.sweep() == []
    Part.objects.update(tried_at=timezone.now() - timedelta(minutes=4))
    assert joint_answers.sweep() == [str(answer.pk)]
    with held(answer.pk):
        assert passes.advance(answer.pk) is None


@contextmanager
def held(pk):
    """Hold a lock on a connection of one's own, as another worker does."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [locks._number(pk)])
            yield
    finally:
        other.close()


def test_auditors_see_all_and_scientists_their_own(scene):
    answer = scene.ask()
    seen = JointAnswer.objects.visible_to
    assert list(seen(scene.scientist)) == list(seen(make.auditor())) == [answer]
    assert list(seen(make.scientist())) == list(seen(make.admin())) == list(seen(scene.dataset.owner)) == []
