"""What people here ask for at other portals, by service, over REST and on pages."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.http import Http404
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Notification, User
from audit.models import Entry
from common.errors import Conflict, Denied, Refused
from network import notifications
from network.models import AskedElsewhere, Peer
from network.services import elsewhere
from network.services.elsewhere import PortalUnreachable, Wish
from network.tasks import look_after_askings
from tests import make
from tests.network.askings import DATASET, WISH, asked, mei, peer, says, sent
from tests.network.portals import Portal
from tests.rest import bearer, problem

__all__ = ["asked", "mei", "peer"]
pytestmark = pytest.mark.django_db


# Asking


def test_the_other_portal_is_told_what_the_person_agreed_to(other: Portal, peer: Peer, mei: User):
    item = elsewhere.ask(peer, DATASET, WISH, by=mei)
    assert (item.state, item.title, item.checked_at is not None) == ("waiting", "Wages of B", True)
    (document,) = sent(other, "/net/1/guests")
    assert document["person"] == {
        "id": elsewhere.remote_id_of(mei, peer),
        "name": "Mei Lin",
        "mail": mei.email,
        "affiliation": "University of A",
    }
    assert str(mei.pk) not in json.dumps(document)
    entry = Entry.objects.get(action="network.guest.ask")
    assert (entry.actor, entry.detail["portal"]) == (mei.email, other.url)


def test_a_person_is_somebody_else_at_each_portal(portals: Callable[..., Portal], mei: User, settings: Any):
    first, second = (portals(name).peer() for name in ("B", "C"))
    names = {
        elsewhere.remote_id_of(person, peer) for person in (mei, make.scientist()) for peer in (first, second)
    }
    assert len(names) == 4
    known = elsewhere.remote_id_of(mei, first)
    AskedElsewhere.objects.create(
        user=mei, peer=first, remote_id=known, dataset=DATASET, title="x", key=uuid4()
    )
    settings.SECRET_KEY = "another key " * 10
    assert elsewhere.remote_id_of(mei, first) == known


@pytest.mark.parametrize("person", ["owner", "admin", "auditor", "guest"])
def test_only_scientists_of_this_portal_ask(peer: Peer, person: str):
    with pytest.raises(Denied):
        elsewhere.ask(peer, DATASET, WISH, by=getattr(make, person)())


def test_only_active_portals_are_asked(peer: Peer, mei: User):
    peer.state = Peer.State.SUSPENDED
    with pytest.raises(Denied, match="not active"):
        elsewhere.ask(peer, DATASET, WISH, by=mei)


def test_nothing_is_sent_without_agreement_or_with_other_terms(other: Portal, peer: Peer, mei: User):
    with pytest.raises(Refused, match="who you are"):
        elsewhere.ask(peer, DATASET, Wish("x", "y", None, agreed=False), by=mei)
    with pytest.raises(Conflict, match="terms have changed"):
        elsewhere.ask(peer, DATASET, Wish("x", "y", 3, agreed=True), by=mei)
    with pytest.raises(Refused):
        elsewhere.ask(peer, DATASET, Wish(" ", "y", None, agreed=True), by=mei)
    unknown = uuid4()
    other.answers["GET", f"/net/1/guests/datasets/{unknown}"] = lambda _: (404, {"code": "not_found"})
    with pytest.raises(Http404):
        elsewhere.ask(peer, unknown, WISH, by=mei)
    assert (sent(other, "/net/1/guests"), AskedElsewhere.objects.count()) == ([], 0)


def test_one_asks_once_until_it_is_decided(other: Portal, peer: Peer, mei: User):
    first = elsewhere.ask(peer, DATASET, WISH, by=mei)
    with pytest.raises(Conflict, match="already"):
        elsewhere.ask(peer, DATASET, WISH, by=mei)
    says(other, "declined", "Not for this.")
    assert elsewhere.refresh(first).state == "declined"
    says(other, "asked")
    again = elsewhere.ask(peer, DATASET, WISH, by=mei)
    assert (again.pk, again.state, again.key != first.key) == (first.pk, "asked", True)


def test_what_could_not_be_sent_is_sent_later(other: Portal, peer: Peer, mei: User):
    other.answers["POST", "/net/1/guests"] = lambda _: (503, {})
    item = elsewhere.ask(peer, DATASET, WISH, by=mei)
    assert (item.state, "cannot be reached" in item.state_reason) == ("unsent", True)
    says(other, "waiting")
    AskedElsewhere.objects.update(checked_at=timezone.now() - timedelta(minutes=2))
    look_after_askings()  # polling finds out first that the portal answers again
    assert len(sent(other, "/net/1/guests")) == 1
    Peer.objects.update(trouble="")
    look_after_askings()
    item.refresh_from_db()
    assert (item.state, item.state_reason) == ("waiting", "")
    assert len({each["key"] for each in sent(other, "/net/1/guests")}) == 1


def test_a_refusal_is_told_in_the_other_portals_words(other: Portal, peer: Peer, mei: User):
    other.answers["POST", "/net/1/guests"] = lambda _: (
        400,
        {"code": "refused", "detail": "20 people wait already."},
    )
    with pytest.raises(Refused, match="20 people wait already"):
        elsewhere.ask(peer, DATASET, WISH, by=mei)
    assert AskedElsewhere.objects.get().state == "refused"


@pytest.mark.parametrize(
    "answer", [{"state": "root", "reason": ""}, {"state": "waiting"}, {"state": 1, "reason": ""}, {}]
)
def test_an_answer_that_makes_no_sense(other: Portal, peer: Peer, mei: User, answer: dict[str, Any]):
    item = elsewhere.ask(peer, DATASET, WISH, by=mei)
    other.answers["POST", "/net/1/guests/state"] = lambda _: answer
    with pytest.raises(PortalUnreachable):
        elsewhere.refresh(item)
    item.refresh_from_db()
    assert item.state == "waiting"


def test_the_person_is_notified_of_what_is_new(other: Portal, peer: Peer, mei: User):
    elsewhere.ask(peer, DATASET, WISH, by=mei)
    for state in ("waiting", "asked", "granted"):
        says(other, state)
        AskedElsewhere.objects.update(checked_at=timezone.now() - timedelta(minutes=2))
        look_after_askings()
    texts = [each.text for each in Notification.objects.filter(user=mei).order_by("created_at")]
    assert texts == [
        "Wages of B at Hospital B: waiting for the owner.",
        "Wages of B at Hospital B: granted.",
    ]
    look_after_askings()
    assert len(sent(other, "/state")) == 3  # what is granted is looked after once an hour


def test_a_portal_that_changes_its_mind_all_the_time_fills_no_mailbox(
    other: Portal, peer: Peer, mei: User, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(notifications, "MOST_TOLD", 2)
    item = elsewhere.ask(peer, DATASET, WISH, by=mei)
    for state in ("asked", "waiting") * 3:
        says(other, state)
        assert elsewhere.refresh(item).state == state
    assert Notification.objects.filter(user=mei).count() == 2


def test_a_portal_that_fails_does_not_hold_up_the_others(
    portals: Callable[..., Portal], peer: Peer, mei: User
):
    elsewhere.ask(peer, DATASET, WISH, by=mei)
    silent = portals("Hospital C").peer()
    AskedElsewhere.objects.create(
        user=mei, peer=silent, remote_id="x" * 20, dataset=DATASET, title="x", key=uuid4(), state="waiting"
    )
    AskedElsewhere.objects.update(checked_at=None)
    assert elsewhere.look_after() == 1
    assert not AskedElsewhere.objects.filter(checked_at=None).exists()


# The REST API and the pages


def test_programs_ask_and_see_what_became_of_it(other: Portal, peer: Peer, mei: User, client: Client):
    portals = client.get("/api/v1/network/portals/", headers=bearer(mei)).json()["items"]
    assert [(each["id"], each["name"], each["url"]) for each in portals] == [
        (str(peer.pk), "Hospital B", other.url)
    ]
    body = {"portal": str(peer.pk), "dataset": str(DATASET), "purpose": "x", "outputs": "y", "agreed": True}
    send = {
        "content_type": "application/json",
        "headers": {**bearer(mei, "work"), "Idempotency-Key": str(uuid4())},
    }
    made = client.post("/api/v1/network/askings/", json.dumps(body), **send)
    assert (made.status_code, made.json()["state"]) == (201, "waiting")
    again = client.post("/api/v1/network/askings/", json.dumps(body), **send)
    assert (again.json()["id"], again["Idempotent-Replayed"]) == (made.json()["id"], "true")
    (item,) = client.get("/api/v1/network/askings/", headers=bearer(mei)).json()["items"]
    assert (item["portal"]["name"], item["dataset"]) == ("Hospital B", str(DATASET))
    assert client.get("/api/v1/network/askings/", headers=bearer(make.scientist())).json()["items"] == []
    path = f"/api/v1/network/askings/{item['id']}/"
    problem(client.get(path, headers=bearer(make.admin())), 404, "not_found")


def test_people_ask_on_the_page(other: Portal, peer: Peer, mei: User, client: Client):
    client.force_login(mei)
    ask = reverse("network:ask_elsewhere", args=[peer.pk, DATASET])
    text = client.get(ask).content.decode()
    assert ("Ask for access to Wages of B" in text, "University of A" in text, mei.email in text) == (
        True,
    ) * 3
    given = {"purpose": "x", "outputs": "y"}
    assert client.post(ask, given).status_code == 400
    assert client.post(ask, {**given, "agreed": "on"}).status_code == 302
    listed = client.get(reverse("network:elsewhere")).content.decode()
    assert ("Wages of B" in listed, "Waiting for an admin there" in listed) == (True, True)
    says(other, "refused", "Nobody knows you.")
    item = AskedElsewhere.objects.get()
    assert client.post(reverse("network:refresh_elsewhere", args=[item.pk])).status_code == 302
    listed = client.get(reverse("network:elsewhere")).content.decode()
    assert ("Nobody knows you." in listed, ask in listed) == (True, True)


def test_terms_are_shown_and_accepted_on_the_page(other: Portal, peer: Peer, mei: User, client: Client):
    other.answers["GET", f"/net/1/guests/datasets/{DATASET}"] = lambda _: {
        "title": "Wages of B",
        "terms": 2,
        "terms_text": "Do no harm. <script>alert(1)</script> [More](https://c.example/)",
    }
    client.force_login(mei)
    ask = reverse("network:ask_elsewhere", args=[peer.pk, DATASET])
    text = client.get(ask).content.decode()
    assert ("Do no harm." in text, "<script>alert" in text, 'href="https://c' in text) == (True, False, False)
    given = {"purpose": "x", "outputs": "y", "agreed": "on", "terms": "2"}
    assert client.post(ask, given).status_code == 400
    assert client.post(ask, {**given, "accepts": "on", "terms": "1"}).status_code == 400
    assert client.post(ask, {**given, "accepts": "on"}).status_code == 302
    assert sent(other, "/net/1/guests")[0]["terms"] == 2


def test_others_pages_are_closed(peer: Peer, mei: User, client: Client):
    item = elsewhere.ask(peer, DATASET, WISH, by=mei)
    client.force_login(make.scientist())
    assert client.post(reverse("network:refresh_elsewhere", args=[item.pk])).status_code == 404
    assert "Wages of B" not in client.get(reverse("network:elsewhere")).content.decode()
    client.force_login(make.owner())
    text = client.get(reverse("network:ask_elsewhere", args=[peer.pk, DATASET])).content.decode()
    assert "Only data scientists can do this" in text
