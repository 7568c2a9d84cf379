"""Joint questions: priced before anything is asked, and asked once."""

from dataclasses import replace
from fractions import Fraction
from uuid import uuid4

import pytest
from django.utils import timezone

from common.admission import TooMuchAtOnce
from common.errors import BudgetExceeded, Conflict, Denied, Refused
from network.models import Peer, PeerKey
from privacy import services as privacy_services
from privacy.engine import joint_release
from privacy.engine.language.expressions import Column
from privacy.engine.language.query import CountSubjects, Mean, Query
from privacy.engine.measure.contributions import CAP
from privacy.models import Budget, LedgerLine
from studies.models import JointAnswer
from studies.services import answer_states, joint_answers, quotes
from studies.words import Allowance, Stand
from tests import make
from tests.makers import studies as makers
from tests.makers.datasets import PEOPLE
from tests.studies.scenes import COUNT, Scene, lead

pytestmark = pytest.mark.django_db
State = JointAnswer.State


@pytest.fixture
def scene(portals):
    return Scene(portals)


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


def test_an_error_that_depends_on_the_data_cannot_be_asked_for(scene):
    mean = Query(table="wages", measure=Mean(Column("wage")))
    with pytest.raises(Refused, match="which share of your budgets"):
        scene.quote(query=mean, error=0.5)
    assert scene.quote(query=mean, share=0.1).half_width is None


def test_portals_are_asked_how_the_scientist_stands(peer, other):
    dataset, scientist = makers.offered(), make.scientist()
    study = makers.study(peer, dataset=dataset)
    make.grant(dataset, scientist)
    privacy_services.give_budget(dataset.promise, scientist, by=dataset.owner, epsilon=3.0)
    told = Stand(
        takes_part=True, dataset=uuid4(), dataset_title="Pay", public_size=40, trouble="", relies_on=(),
        budget=Allowance(mu=1.0, left=CAP, delta=1e-6, noise_delta=1e-6),
    )  # fmt: skip
    other.answers["POST", f"/net/1/studies/{study.pk}/standing"] = lambda _: told.document
    quoted = quotes.quote(study, COUNT, by=scientist, error=60.0)
    assert [each.trouble for each in quoted.portals] == ["", ""]
    assert {each.public_size for each in quoted.portals} == {PEOPLE, 40}
    silent = replace(told, budget=None, trouble="Ask for a budget.")
    other.answers["POST", f"/net/1/studies/{study.pk}/standing"] = lambda _: silent.document
    assert "Ask for a budget" in quotes.quote(study, COUNT, by=scientist, error=60.0).unaffordable
    Budget.objects.update(closed_at=timezone.now())
    with pytest.raises(Refused, match="Ask for a budget"):
        quotes.quote(study, COUNT, by=scientist, error=60.0)


def test_at_most_ten_portals_take_part(scene):
    home, one, _ = scene.standings()
    many = [home, *(replace(one, url=f"https://p{k}.example.org") for k in range(10))]
    with pytest.raises(Refused, match="At most 10"):
        scene.quote(known=many)


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


def test_a_portal_without_a_key_that_counts_is_not_asked(scene):
    PeerKey.objects.update(until=timezone.now())
    with pytest.raises(Refused, match="No key of Hospital B counts"):
        scene.ask()


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
