"""Telling other portals: the invitation, this portal's part, and the end, each until it was taken."""

import json
from typing import Any

import pytest

from network.models import Peer
from studies import queries
from studies.models import Member, Study
from studies.services import members, participations, studies
from studies.tasks import tell_members
from tests.makers import studies as makers
from tests.network.portals import Portal

pytestmark = pytest.mark.django_db


def answers(portal: Portal, study: Study, **said: Any) -> None:
    """Have the other portal take what it is told of a study, or say this: invitation, end, participation."""
    path = f"/net/1/studies/{study.pk}"
    for kind, at in {
        "invitation": ("PUT", path),
        "end": ("POST", f"{path}/end"),
        "participation": ("PUT", f"{path}/participation"),
    }.items():
        portal.answers[at] = lambda _, kind=kind: said.get(kind, {})  # type: ignore[misc]


def told(portal: Portal) -> list[tuple[str, dict[str, Any]]]:
    """What the portal was told of studies: the last part of each address, and the body."""
    calls = [call for call in portal.received if "/studies/" in call.url]
    return [(call.url.rpartition("/")[2], json.loads(call.body)) for call in calls]


def member(study: Study, portal: Portal) -> Member:
    return study.members.get(url=portal.url)


def test_an_invited_portal_gets_the_study_and_who_founded_it(other: Portal, peer: Peer):
    study = makers.study(peer, joined=False)
    answers(other, study)
    assert members.tell() == 1
    (at, invitation), (_, word) = told(other)
    assert (at, invitation) == (str(study.pk), {"study": study.document})
    assert word == {
        "number": 1, "state": "joined", "dataset": str(study.participation.dataset_id),
        "dataset_title": study.participation.dataset.title, "public_size": 30,
    }  # fmt: skip
    assert member(study, other).sent_number == 1
    assert members.tell() == 0
    assert len(told(other)) == 2


def test_it_is_told_that_the_study_has_ended(other: Portal, peer: Peer):
    study = makers.study(peer, joined=False)
    answers(other, study)
    members.tell()
    studies.end(study, by=study.participation.dataset.owner, reason="Done.")
    assert members.tell() == 1
    assert told(other)[-1] == ("end", {"reason": "Done."})
    assert members.tell() == 0


def test_who_was_never_invited_is_not_told_of_the_end(other: Portal, peer: Peer):
    study = makers.study(peer, joined=False)
    studies.end(study, by=study.participation.dataset.owner, reason="Done.")
    answers(other, study)
    assert members.tell() == 0
    assert told(other) == []


def test_an_invited_portal_tells_its_part_when_it_has_decided(other: Portal, peer: Peer):
    study = makers.invited(peer)
    answers(other, study)
    assert members.tell() == 0
    made = makers.take_part(study)
    assert members.tell() == 1
    participations.leave(study, by=made.dataset.owner, reason="Moved.")
    tell_members()
    assert [(body["number"], body["state"]) for _, body in told(other)] == [(1, "joined"), (2, "left")]


def test_a_refusal_is_noted_and_tried_again_later(other: Portal, peer: Peer):
    study = makers.study(peer, joined=False)
    answers(other, study, invitation=(409, {"detail": "There is already a study with the name."}))
    assert members.tell() == 0
    assert member(study, other).trouble == "Hospital B says: There is already a study with the name."
    assert members.tell() == 0
    assert len(told(other)) == 1  # not again before its time
    Member.objects.update(tried_at=peer.confirmed_at)
    Member.objects.update(tried_at=queries.own_member(study).told_at - members.AGAIN * 2)  # type: ignore[operator]
    answers(other, study)
    assert members.tell() == 1
    assert member(study, other).trouble == ""


def test_a_word_that_is_refused_is_told_again(other: Portal, peer: Peer):
    study = makers.study(peer, joined=False)
    answers(other, study, participation=(404, {}))
    assert members.tell() == 0
    assert (member(study, other).sent_number, member(study, other).trouble) == (
        0, "Hospital B says: It refused without a reason.",
    )  # fmt: skip


def test_a_portal_that_does_not_answer_waits_until_it_does(other: Portal, peer: Peer):
    first = makers.study(peer, joined=False)
    second = makers.study(peer, joined=False, name="second", dataset=first.participation.dataset)
    for study in (first, second):
        answers(other, study)
    other.signs = False
    assert members.tell() == 0
    assert len(told(other)) == 1  # one that fails is left alone for this time
    assert Member.objects.exclude(trouble="").count() == 1
    assert members.tell() == 0
    assert len(told(other)) == 1  # until polling finds that it answers
    other.signs = True
    Peer.objects.update(trouble="")
    Member.objects.update(tried_at=None)
    assert members.tell() == 2


def test_the_rest_waits_for_the_next_minute(other: Portal, peer: Peer, monkeypatch: Any):
    study = makers.study(peer, joined=False)
    answers(other, study)
    monkeypatch.setattr(members, "SECONDS", -1)
    assert members.tell() == 0
    assert told(other) == []


def test_a_portal_that_becomes_known_is_told_then(other: Portal, peer: Peer, portals: Any):
    late = portals("Hospital C")
    study = makers.invited(peer, late.url)
    for portal in (other, late):
        answers(portal, study)
    makers.take_part(study)
    assert members.tell() == 1
    assert member(study, late).peer is None
    known = late.peer()
    assert members.tell() == 1
    assert (member(study, late).peer, member(study, late).sent_number) == (known, 1)
    Peer.objects.filter(pk=known.pk).update(state=Peer.State.REMOVED)
    assert members.tell() == 0
    assert member(study, late).peer is None
