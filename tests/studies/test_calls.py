"""Calls of other portals about studies, each signed, and the bodies that they may have."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from accounts.models import Notification
from audit.models import Entry
from common.errors import Refused
from network.models import Peer
from privacy import rules as privacy_rules
from studies import notifications, words
from studies.models import Member, Study
from studies.services import participations
from tests import make
from tests.makers import privacy
from tests.makers import studies as makers
from tests.network.portals import Portal, assert_is_nothing, send

pytestmark = pytest.mark.django_db
MEI = "mei-00000000000000001"


def word(**changes: Any) -> dict[str, Any]:
    return {
        "number": 1, "state": "joined", "dataset": str(uuid4()), "dataset_title": "Wages of B",
        "public_size": 300, **changes,
    }  # fmt: skip


def test_an_invitation_comes_by_a_signed_call(other: Portal, peer: Peer, client: Client):
    given = makers.document(peer)
    path = f"/net/1/studies/{given.id}"
    for _ in range(2):
        assert other.calls(client, "PUT", path, {"study": given.text}).status == 200
    assert Study.objects.get().document == given.text
    changed = makers.document(peer, id=given.id, title="Other")
    heard = other.calls(client, "PUT", path, {"study": changed.text})
    assert (heard.status, heard.document["code"]) == (409, "conflict")
    assert other.calls(client, "PUT", path, {"study": "x"}).status == 400


def test_strangers_find_nothing(other: Portal, client: Client):
    given = makers.document(Peer(url=other.url))
    call = other.signed("PUT", f"/net/1/studies/{given.id}", {"study": given.text})
    assert_is_nothing(client, send(client, call))
    assert not Study.objects.exists()


def test_the_founder_ends_its_study(other: Portal, peer: Peer, client: Client):
    study = makers.invited(peer)
    assert other.calls(client, "POST", f"/net/1/studies/{study.pk}/end", {"reason": "Done."}).status == 200
    study.refresh_from_db()
    assert study.end_reason == "Done."


@pytest.mark.parametrize(
    "call",
    [
        ("POST", "/end", {"reason": "x"}),
        ("PUT", "/participation", word()),
        ("POST", "/standing", {"person": MEI}),
    ],
)
def test_a_study_of_others_does_not_exist(other: Portal, peer: Peer, client: Client, call: Any):
    method, path, body = call
    study = makers.invited(Peer.objects.create(url="https://c.example.org"))
    assert other.calls(client, method, f"/net/1/studies/{study.pk}{path}", body).status == 404
    assert other.calls(client, method, f"/net/1/studies/{uuid4()}{path}", body).status == 404


def test_a_portal_tells_its_part_and_an_older_word_changes_nothing(other: Portal, peer: Peer, client: Client):
    study = makers.study(peer, joined=False)
    path = f"/net/1/studies/{study.pk}/participation"
    left = {"state": "left", "dataset": None, "dataset_title": "", "public_size": None}

    def told(**changes: Any) -> Member:
        assert other.calls(client, "PUT", path, word(**changes)).status == 200
        return study.members.get(url=peer.url)

    first = told(number=2)
    assert (first.state, first.number, first.dataset_title, first.public_size) == (
        "joined",
        2,
        "Wages of B",
        300,
    )
    assert told(number=1, **left).state == "joined"
    assert told(number=2, **left).state == "joined"
    assert told(number=3, dataset_title="Wages of B, again").dataset_title == "Wages of B, again"
    after = told(number=4, **left)
    assert (after.state, after.dataset, after.dataset_title, after.public_size) == ("left", None, "", None)
    assert [found.changes for found in Entry.objects.filter(action="study.member").order_by("id")] == [
        {"state": ["invited", "joined"]},
        {"state": ["joined", "left"]},
    ]
    texts = Notification.objects.filter(user=study.participation.dataset.owner).values_list("text", flat=True)
    assert sorted(texts) == [
        "Hospital B in the study “Wages in the north”: has left.",
        "Hospital B in the study “Wages in the north”: takes part.",
    ]


def test_who_changes_all_the_time_notifies_now_and_then(peer: Peer, monkeypatch: Any):
    monkeypatch.setattr(notifications, "MOST_TOLD", 2)
    study = makers.study(peer, joined=False)
    for number in range(1, 6):
        state = "joined" if number % 2 else "left"
        none = {"dataset": None, "dataset_title": "", "public_size": None}
        makers.join(study, peer, number=number, state=state, **({} if number % 2 else none))
    assert Notification.objects.filter(url=notifications.page(study)).count() == 2


def test_a_scientist_sees_a_study_once_somebody_takes_part(peer: Peer):
    study, scientist = makers.invited(peer), make.scientist()
    assert not Study.objects.visible_to(scientist).exists()
    makers.join(study, peer)
    assert Study.objects.visible_to(scientist).get() == study


def stand(other: Portal, client: Client, study: Study, person: str = MEI) -> words.Stand:
    heard = other.calls(client, "POST", f"/net/1/studies/{study.pk}/standing", {"person": person})
    assert heard.status == 200
    return words.stand(heard.document)


def test_a_guest_learns_step_by_step_what_is_missing(other: Portal, peer: Peer, client: Client):
    study = makers.invited(peer)
    assert stand(other, client, study) == words.Stand(
        takes_part=False, dataset=None, dataset_title="", public_size=None,
        trouble="It does not take part in this study.", budget=None, relies_on=(),
    )  # fmt: skip
    dataset = makers.offered()
    makers.take_part(study, dataset, relies_on=[peer.url])
    unknown = stand(other, client, study)
    assert (unknown.takes_part, unknown.dataset, unknown.public_size) == (True, dataset.pk, 30)
    assert "not known there" in unknown.trouble
    guest = make.guest(home=peer.pk, remote_id=MEI)
    assert "do not have access" in stand(other, client, study).trouble
    make.grant(dataset, guest)
    assert "not given you a budget" in stand(other, client, study).trouble
    budget = privacy.budget(dataset.promise, guest)
    found = stand(other, client, study)
    promise = dataset.promise
    assert (found.trouble, found.budget) == ("", words.Allowance(
        mu=budget.mu, left=2**32 - 1, delta=promise.delta, noise_delta=promise.noise_delta,
    ))  # fmt: skip
    budget.extended = True
    budget.save()
    assert stand(other, client, study).trouble == privacy_rules.MAY_LEAVE_OUT
    budget.extended, budget.closed_at = False, peer.confirmed_at
    budget.save()
    closed = stand(other, client, study)
    assert ("closed this budget" in closed.trouble, closed.budget) == (True, None)


def test_the_portals_that_count_are_told_without_the_askers_own(
    other: Portal, peer: Peer, client: Client, portals: Any
):
    third = portals("Hospital C").peer()
    study = makers.invited(peer, third.url)
    makers.take_part(study, relies_on=[peer.url, third.url])
    assert stand(other, client, study).relies_on == (third.url,)
    Peer.objects.filter(pk=third.pk).update(state=Peer.State.SUSPENDED, state_reason="x")
    assert stand(other, client, study).relies_on == ()


def test_a_dataset_that_changed_does_not_answer(other: Portal, peer: Peer, client: Client):
    study = makers.invited(peer)
    dataset = makers.offered()
    made = makers.take_part(study, dataset)
    guest = make.guest(home=peer.pk, remote_id=MEI)
    make.grant(dataset, guest)
    privacy.budget(dataset.promise, guest)
    made.mapping = {**made.mapping, "pay": {"column": "gone", "scale": "1.0", "offset": "0.0"}}
    made.save()
    assert "no longer fits" in stand(other, client, study).trouble
    participations.leave(study, by=dataset.owner, reason="Moved.")
    assert stand(other, client, study).takes_part is False
    Study.objects.update(ended_at=peer.confirmed_at)
    assert stand(other, client, study).trouble == "The study has ended there."


def body(**changes: Any) -> dict[str, Any]:
    """A standing as another portal would tell it."""
    budget = {
        "mu": (0.5).hex(),
        "left": 7,
        "delta": "1e-06",
        "noise_delta": "1e-06",
        **changes.pop("budget", {}),
    }
    return {
        "takes_part": True, "dataset": str(uuid4()), "dataset_title": "x", "public_size": 1, "trouble": "",
        "budget": budget, "relies_on": ["https://c.example.org"], **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("read", "document", "why"),
    [
        (words.study, {"study": 7}, "wrong type"),
        (words.study, {"study": "x", "more": 1}, "and no others"),
        (words.reason, {"reason": ""}, "wrong length"),
        (words.reason, {"reason": "x" * 501}, "wrong length"),
        (words.person, {"person": "short"}, "wrong length"),
        (words.word, word(number=0), "“number” is not between"),
        (words.word, word(number=True), "wrong type"),
        (words.word, word(state="invited"), "none that portals tell"),
        (words.word, word(state="left"), "exactly while it takes part"),
        (words.word, word(dataset=None), "without its id"),
        (words.word, word(dataset=None, dataset_title="", public_size=None), "exactly while it takes part"),
        (words.word, word(dataset="7"), "badly formed"),
        (words.word, word(dataset_title="a\nb"), "cannot be seen"),
        (words.word, word(public_size=0), "“public_size” is not between"),
        (words.stand, body(takes_part=False), "exactly while it takes part"),
        (words.stand, body(budget={"mu": "0x0.0p+0"}), "its budget has no size"),
        (words.stand, body(budget={"mu": "inf"}), "its budget has no size"),
        (words.stand, body(budget={"mu": "half"}), "hexadecimal"),
        (words.stand, body(budget={"left": -1}), "“left” is not between"),
        (words.stand, body(budget={"delta": "2.0"}), "not within a promise"),
        (words.stand, body(budget={"more": 1}), "and no others"),
        (words.stand, body(relies_on=["x"]), "no address of one"),
        (words.stand, body(relies_on=["https://c.example.org"] * 11), "not between 0 and 10 parts"),
        (words.stand, body(trouble="x" * 301), "wrong length"),
    ],
)
def test_other_bodies_are_refused(read: Any, document: Any, why: str):
    with pytest.raises(Refused, match=why):
        read(document)


def test_what_is_told_is_read_as_it_was_written():
    document = body()
    assert words.stand(document).document == document
    assert words.word(word(dataset="00000000-0000-4000-8000-000000000001")).dataset_title == "Wages of B"
