"""Joint answers of this portal's scientists: asked once, led through every delay and refusal, and added up."""

import base64
import json
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from fractions import Fraction
from uuid import uuid4

import numpy as np
import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Notification
from audit import documents
from audit.models import Entry
from common import locks
from common.admission import TooMuchAtOnce
from common.errors import BudgetExceeded, Conflict, Denied, Refused
from crypto import masks
from network.documents import encoded
from network.models import Peer
from privacy import services as privacy_services
from privacy.engine import joint_release
from privacy.engine.language.expressions import Column
from privacy.engine.language.query import Count, CountSubjects, Mean, Query, Regression
from privacy.engine.measure.contributions import CAP
from privacy.models import Budget, LedgerLine
from studies import documents as study_documents
from studies import plans, queries
from studies.models import JointAnswer, Leg, Part
from studies.services import answer_states, joint_answers, leg_work, passes, quotes, standings
from studies.services.standings import Standing
from tests import make
from tests.makers import studies as makers
from tests.makers.datasets import PEOPLE
from tests.studies.players import UNITS, Player, exact

pytestmark = pytest.mark.django_db
State = JointAnswer.State
COUNT = Query(table="wages", measure=Count(), by=("region",))


@pytest.fixture
def scene(portals):
    return Scene(portals)


class Scene:
    """A study of this portal with two others, and a scientist with a budget at each."""

    def __init__(self, portals, relies_on=()):
        dataset = makers.offered()
        others = [portals("Hospital B"), portals("Hospital C")]
        peers = [other.peer() for other in others]
        self.study = makers.study(*peers, dataset=dataset, relies_on=[others[k].url for k in relies_on])
        self.spec = study_documents.read_study(self.study.document).table
        self.players = [Player(other, self.spec, people(k + 1)) for k, other in enumerate(others)]
        self.dataset, self.scientist = dataset, make.scientist()
        make.grant(dataset, self.scientist)
        privacy_services.give_budget(dataset.promise, self.scientist, by=dataset.owner, epsilon=3.0)

    @property
    def budget(self):
        return Budget.objects.get(scientist=self.scientist)

    def standings(self, **changes):
        """`changes`: of what the other portals tell."""
        found = standings.own(self.study, self.scientist)
        home = Standing(
            url=queries.own_member(self.study).url, name="Hospital A", is_home=True, trouble=found.trouble,
            public_size=found.public_size, mu=found.budget.mu, left=found.budget.left, delta=found.budget.delta,
            noise_delta=found.budget.noise_delta, relies_on=found.relies_on,
        )  # fmt: skip
        fields = {"trouble": "", "public_size": PEOPLE, "mu": 1.0, "left": CAP, "delta": 1e-6, "noise_delta": 1e-6,
                  "is_home": False, **changes}  # fmt: skip
        others = [Standing(url=each.portal.url, name=each.portal.name, **fields) for each in self.players]
        return [home, *others]

    def quote(self, query=COUNT, *, known=None, **price):
        price = price or {"error": 60.0}
        return quotes.quote(self.study, query, by=self.scientist, known=known or self.standings(), **price)

    def ask(self, query=COUNT, *, key=None, **price):
        quoted = self.quote(query, **price)
        return joint_answers.ask(self.study, quoted, key=key or uuid4(), by=self.scientist)


def people(seed):
    """A few people of another portal, with the bounds of the study."""
    rng = np.random.default_rng(seed)
    return [
        [
            {
                "year": int(1990 + year),
                "region": ["east", "north", "west", None][int(rng.integers(4))],
                "wage": float(rng.integers(0, 50_000)),
            }
            for year in range(int(rng.integers(1, 4)))
        ]
        for _ in range(10 * seed)
    ]


def own_people():
    """The people of `makers.offered` as the study has them."""
    return [
        [
            {
                "year": 1990 + year,
                "region": ("east", "north", "west")[person % 3],
                "wage": 31_337.0 if not person + year else 1_000.0 + 7 * (person * 4 + year),
            }
            for year in range(4)
        ]
        for person in range(PEOPLE)
    ]


def lead(answer, most=12):
    """Make passes until nothing more is to do, with the worker between them; pauses are skipped."""
    for _ in range(most):
        Part.objects.filter(answer=answer).update(tried_at=None)
        if passes.advance(answer.pk) is None:
            break
        for leg in Leg.objects.filter(state=Leg.State.COMPUTING):
            leg_work.compute(str(leg.pk))
            Leg.objects.filter(pk=leg.pk, state=Leg.State.READY).update(visible_at=timezone.now())
    answer.refresh_from_db()
    return answer


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
    told = Notification.objects.filter(user=scene.scientist, text__contains="has been answered")
    assert told.count() == 1
    joint_answers.note_seen(answer)
    assert JointAnswer.objects.get().seen_at is not None


def test_a_quote_prices_each_portal_and_the_whole(scene):
    quoted = scene.quote(error=60.0)
    assert quoted.half_width == pytest.approx(60.0, rel=1e-6)
    assert quoted.half_width >= 60.0 * (1 - 1e-9)
    units = [joint_release.units_of(quoted.share, 1, Fraction(each.mu) ** 2) for each in scene.standings()]
    assert sorted(each.units for each in quoted.portals) == sorted(units)
    assert [each.url for each in quoted.portals] == sorted(each.url for each in quoted.portals)
    assert quoted.unaffordable == ""
    assert quoted.joint_factor > 1
    assert not LedgerLine.objects.exists()
    assert all(player.prepared == {} for player in scene.players)


def test_a_share_is_the_most_that_any_budget_is_charged(scene):
    quoted = scene.quote(share=0.1)
    parts = [each.part_of_budget for each in quoted.portals]
    assert max(parts) <= 0.1
    assert max(parts) > 0.0999


def test_portals_that_are_counted_on_make_it_cheaper(portals):
    scene = Scene(portals, relies_on=[0, 1])
    quoted = scene.quote(error=60.0)
    home = next(each for each in quoted.portals if each.name == "Hospital A")
    assert home.units == joint_release.units_of(quoted.share, 2, scene.budget.mu_squared)
    answer = lead(scene.ask(error=60.0))
    assert answer.state == State.RELEASED
    assert Leg.objects.get().h == 2


@pytest.mark.parametrize(
    ("changes", "price", "why"),
    [
        ({}, {"error": 60.0, "share": 0.1}, "one of them"),
        ({}, {"share": 2.0}, "above 0 and at most 1"),
        ({}, {"error": 1e-9}, "precise"),
        ({}, {"error": 1e300}, "nothing"),
        ({"public_size": 2**31}, {"error": 60.0}, "too many people"),
    ],
)
def test_prices_that_nobody_can_quote_are_refused(scene, changes, price, why):
    with pytest.raises(Refused, match=why):
        scene.quote(known=scene.standings(**changes), **price)


def test_at_least_two_portals_take_part(scene):
    urls = [player.portal.url for player in scene.players]
    told = scene.standings()
    found = quotes.quote(scene.study, COUNT, by=scene.scientist, error=60.0, without=urls[:1], known=told)
    assert len(found.portals) == 2
    with pytest.raises(Refused, match="At least two"):
        quotes.quote(scene.study, COUNT, by=scene.scientist, error=60.0, without=urls, known=told)


def test_what_a_portal_does_not_answer_is_said_before_anything_is_asked(scene):
    quoted = scene.quote(known=scene.standings(left=1))
    assert "Hospital B: it would cost" in quoted.unaffordable
    with pytest.raises(BudgetExceeded, match="Hospital C"):
        joint_answers.ask(scene.study, quoted, key=uuid4(), by=scene.scientist)
    quoted = scene.quote(known=scene.standings(trouble="No budget.", mu=None))
    with pytest.raises(Refused, match="Hospital B: No budget"):
        joint_answers.ask(scene.study, quoted, key=uuid4(), by=scene.scientist)
    Peer.objects.update(recovered_at=timezone.now())
    with pytest.raises(Refused, match="compare its fingerprint"):
        scene.ask()
    assert not JointAnswer.objects.exists()


def test_only_a_scientist_asks_and_only_who_asked_stops(scene):
    quoted = scene.quote()
    with pytest.raises(Denied):
        joint_answers.ask(scene.study, quoted, key=uuid4(), by=scene.dataset.owner)
    answer = scene.ask()
    with pytest.raises(Denied):
        joint_answers.stop(answer, by=make.scientist())


# Asking again


def test_the_same_key_and_the_same_question_cost_once(scene):
    key = uuid4()
    first = scene.ask(key=key)
    assert scene.ask(key=key) == first
    assert scene.ask() == first
    assert scene.ask(error=90.0) == first  # at least as exact
    lead(first)
    used = scene.budget.units_used
    assert scene.ask() == first
    assert scene.budget.units_used == used
    with pytest.raises(Conflict, match="another question"):
        scene.ask(Query(table="wages", measure=CountSubjects()), key=key)
    assert scene.ask(error=30.0) != first  # more exact


def test_other_portals_are_another_question(scene):
    first = scene.ask()
    left_out = scene.players[0].portal.url
    quoted = quotes.quote(
        scene.study, COUNT, by=scene.scientist, error=60.0, without=[left_out], known=scene.standings()
    )
    second = joint_answers.ask(scene.study, quoted, key=uuid4(), by=scene.scientist)
    assert second != first
    assert lead(second).state == State.RELEASED
    assert second.parts.count() == 2


def test_a_failed_answer_is_no_answer_to_the_same_question(scene):
    first = scene.ask()
    answer_states.close(first, State.FAILED, "It failed.", by=scene.scientist)
    assert scene.ask() != first


def test_a_scientist_has_a_number_of_open_answers(scene, monkeypatch):
    monkeypatch.setattr(joint_answers, "MOST_OPEN", 1)
    scene.ask()
    with pytest.raises(TooMuchAtOnce):
        scene.ask(Query(table="wages", measure=CountSubjects()))


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
    assert 1 < passes.advance(answer.pk) <= 2  # nothing is due before
    assert Part.objects.get(pk=part.pk).tries == 1
    c.portal.knows_us = True
    assert lead(answer).state == State.RELEASED
    part.refresh_from_db()
    assert (part.trouble, part.waiting_since) == ("", None)


def test_a_portal_that_answered_too_late_is_not_charged_twice(scene):
    """The answer to a call was lost: the same call again returns what was stored."""
    b = scene.players[0]
    prepare, lost = b.prepare, []

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
    assert Leg.objects.get().state == Leg.State.VOIDED
    assert scene.budget.units_used == 0
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
    assert (
        answer.parts.get(url=scene.players[1].portal.url).state == "asked"
    )  # it is told when it answers again
    scene.players[1].portal.knows_us = True
    lead(answer)
    assert answer.parts.get(url=scene.players[1].portal.url).state == "ended"
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
