"""Guests at this portal: what other portals ask in the name of their people, and whom an admin admits."""

from typing import Any
from uuid import uuid4

import pytest
from django.http import Http404
from django.test import Client
from django.urls import reverse

from accounts.models import Notification, User
from audit.models import Entry
from common.errors import Conflict, Denied, Refused
from datasets import services as dataset_services
from datasets.models import AccessRequest, Dataset
from network import guest_documents
from network.models import Admission, Listing, Peer
from network.services import guests, peers
from tests import make
from tests.makers import catalogues
from tests.network.portals import Portal

pytestmark = pytest.mark.django_db
MEI = "mei-00000000000000001"


def asking(about: Dataset, **changes: Any) -> dict[str, Any]:
    """What a portal sends when one of its people asks."""
    person = {"id": MEI, "name": "Mei Lin", "mail": "mei@b.example", "affiliation": "University of B"}
    return {
        "person": {**person, **changes.pop("person", {})},
        "dataset": str(about.pk),
        "key": str(uuid4()),
        "purpose": "How wages grow.",
        "outputs": "Means by year.",
        "terms": None,
        **changes,
    }


def listed(**fields: Any) -> Dataset:
    """A dataset that every portal sees."""
    made = make.dataset(**fields)
    catalogues.listing(made)
    return made


@pytest.fixture
def dataset() -> Dataset:
    return listed()


@pytest.fixture
def peer(other: Portal) -> Peer:
    return other.peer()


@pytest.fixture
def waiting(other: Portal, peer: Peer, client: Client, dataset: Dataset) -> Admission:
    """Mei, who waits for an admin."""
    assert other.calls(client, "POST", "/net/1/guests", asking(dataset)).document["state"] == "waiting"
    return Admission.objects.get()


def state(other: Portal, client: Client, dataset: Dataset, person: str = MEI) -> dict[str, Any]:
    said = other.calls(client, "POST", "/net/1/guests/state", {"person": person, "dataset": str(dataset.pk)})
    assert said.status == 200
    return said.document


def test_somebody_asks_is_admitted_and_is_granted_access(
    other: Portal, client: Client, dataset: Dataset, waiting: Admission
):
    admin = make.admin()
    assert (waiting.name, waiting.told_email, waiting.affiliation) == (
        "Mei Lin",
        "mei@b.example",
        "University of B",
    )
    assert state(other, client, dataset) == {"state": "waiting", "reason": ""}
    guests.admit(waiting, by=admin)
    guest = User.objects.get(remote_id=MEI)
    assert (guest.home, guest.told_email, guest.home_name) == (waiting.peer_id, "mei@b.example", "127.0.0.1")
    assert state(other, client, dataset)["state"] == "asked"
    item = AccessRequest.objects.get()
    assert (item.scientist, item.purpose, item.outputs) == (guest, "How wages grow.", "Means by year.")
    dataset_services.decide_access(item, by=dataset.owner, grant=True)
    assert state(other, client, dataset)["state"] == "granted"
    grant = dataset.grants.get()
    dataset_services.revoke_access(grant, by=dataset.owner, reason="The study is over.")
    assert state(other, client, dataset) == {"state": "ended", "reason": "The study is over."}
    assert Entry.objects.get(action="network.guest.arrive").detail["portal"] == other.url


def test_the_same_call_sent_again_does_nothing(other: Portal, client: Client, dataset: Dataset, peer: Peer):
    document = asking(dataset)
    for _ in range(2):
        assert other.calls(client, "POST", "/net/1/guests", document).document["state"] == "waiting"
    assert Entry.objects.filter(action="network.guest.arrive").count() == 1
    item = Admission.objects.get()
    guests.refuse(item, by=make.admin(), reason="Nobody knows them.")
    answered = other.calls(client, "POST", "/net/1/guests", document).document
    assert answered == {"state": "refused", "reason": "Nobody knows them."}
    again = asking(dataset, purpose="As agreed with your director.")
    assert other.calls(client, "POST", "/net/1/guests", again).document["state"] == "waiting"
    item.refresh_from_db()
    assert (item.purpose, item.state_reason, item.decided_by) == ("As agreed with your director.", "", None)


def test_whom_an_admin_reads_of_is_not_exchanged_and_admins_are_told_once(
    other: Portal, client: Client, dataset: Dataset, waiting: Admission
):
    admin = make.admin()
    told = Notification.objects.count()
    for number in range(3):
        person = {"name": "Di Rector", "mail": f"d{number}@b.example"}
        said = other.calls(client, "POST", "/net/1/guests", asking(dataset, person=person, purpose="Else."))
        assert said.document == {"state": "waiting", "reason": ""}
    guests.admit(waiting, by=admin)
    assert User.objects.get(remote_id=MEI).name == "Mei Lin (127.0.0.1)"
    assert AccessRequest.objects.get().purpose == "How wages grow."
    asked = Notification.objects.filter(url=reverse("network:guests"))
    assert (asked.exclude(user=admin).count(), asked.filter(user=admin).count()) == (told, 0)


def test_a_portal_that_was_suspended_meanwhile_asks_nothing(peer: Peer, dataset: Dataset):
    document = guest_documents.read(guest_documents.Asking, asking(dataset))
    peers.suspend(Peer.objects.get(pk=peer.pk), by=make.admin(), reason="Because.")
    with pytest.raises(Http404):
        guests.ask(peer, document)
    assert not Admission.objects.exists()


def test_a_guest_asks_the_owner_of_another_dataset_at_once(other: Portal, client: Client, waiting: Admission):
    guests.admit(waiting, by=make.admin())
    second = listed()
    assert other.calls(client, "POST", "/net/1/guests", asking(second)).document["state"] == "asked"
    assert Admission.objects.get(dataset=second).decided_by is None
    assert AccessRequest.objects.filter(dataset=second).count() == 1


def test_the_owner_declines(other: Portal, client: Client, dataset: Dataset, waiting: Admission):
    guests.admit(waiting, by=make.admin())
    item = AccessRequest.objects.get()
    dataset_services.decide_access(item, by=dataset.owner, grant=False, note="Not for this purpose.")
    assert state(other, client, dataset) == {"state": "declined", "reason": "Not for this purpose."}
    assert other.calls(client, "POST", "/net/1/guests", asking(dataset)).document["state"] == "asked"


def test_terms_have_to_be_accepted(other: Portal, client: Client, dataset: Dataset, peer: Peer):
    terms = dataset_services.write_terms(dataset, by=dataset.owner, text="Do no harm.")
    offer = other.calls(client, "GET", f"/net/1/guests/datasets/{dataset.pk}").document
    assert offer == {"title": dataset.title, "terms": terms.number, "terms_text": "Do no harm."}
    other.calls(client, "POST", "/net/1/guests", asking(dataset, terms=terms.number))
    newer = dataset_services.write_terms(dataset, by=dataset.owner, text="Do some good.")
    item = guests.admit(Admission.objects.get(), by=make.admin())
    assert "terms have changed" in item.state_reason
    told = state(other, client, dataset)
    assert (told["state"], told["reason"]) == ("admitted", item.state_reason)
    again = other.calls(client, "POST", "/net/1/guests", asking(dataset, terms=newer.number))
    assert again.document["state"] == "asked"
    assert AccessRequest.objects.get().terms == newer


def test_admins_are_notified_and_only_they_decide(waiting: Admission):
    admin = User.objects.admins().first()
    assert Notification.objects.filter(user=admin, url=reverse("network:guests")).count() == 1
    for person in (make.owner(), make.scientist(), make.auditor(), make.guest()):
        with pytest.raises(Denied):
            guests.admit(waiting, by=person)
        with pytest.raises(Denied):
            guests.refuse(waiting, by=person, reason="x")
    guests.refuse(waiting, by=admin, reason="x")
    with pytest.raises(Denied, match="already"):
        guests.admit(waiting, by=admin)


def test_nobody_of_a_suspended_portal_is_admitted(waiting: Admission, peer: Peer):
    Peer.objects.update(state=Peer.State.SUSPENDED)
    with pytest.raises(Denied, match="not active"):
        guests.admit(Admission.objects.get(), by=make.admin())


def test_only_so_many_wait_at_a_time(
    other: Portal, client: Client, peer: Peer, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(guests, "MOST_WAITING", 2)
    said = [
        other.calls(client, "POST", "/net/1/guests", asking(dataset, person={"id": f"person-{n:012}"}))
        for n in range(3)
    ]
    assert [each.status for each in said] == [200, 200, 400]
    assert Admission.objects.count() == 2


def test_only_what_the_portal_shows_can_be_asked_for(other: Portal, client: Client, peer: Peer):
    hidden, draft = listed(discoverable=False), listed(published=False)
    nobodys, anothers, frozen = make.dataset(), make.dataset(), listed()
    catalogues.listing(anothers, Listing.Audience.CHOSEN, catalogues.peer())
    dataset_services.freeze(frozen, by=frozen.owner, reason="Because.")
    for dataset in (hidden, draft, nobodys, anothers, frozen):
        assert other.calls(client, "GET", f"/net/1/guests/datasets/{dataset.pk}").status == 404
        assert other.calls(client, "POST", "/net/1/guests", asking(dataset)).status == 404
    nothing = {"person": MEI, "dataset": str(hidden.pk)}
    assert other.calls(client, "POST", "/net/1/guests/state", nothing).status == 404
    assert not Admission.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"person": {"id": "short"}},
        {"person": {"id": "x" * 65}},
        {"person": {"id": "a b c d e f g h i j"}},
        {"person": {"name": "Weir"*30}},
        {"person": {"name": "b.example"}},
        {"person": {"name": "Mei\u202eLin"}},
        {"person": {"mail": "nobody"}},
        {"person": {"mail": "x@b.example.guests.invalid"}},
        {"person": {"role": "admin"}},
        {"person": {"affiliation": "a\nb"}},
        {"purpose": ""},
        {"purpose": "x" * 4001},
        {"purpose": "a\u0007b"},
        {"outputs": None},
        {"terms": -1},
        {"dataset": "x"},
        {"key": "x"},
        {"state": "admitted"},
    ],
)  # fmt: skip
def test_what_is_told_of_a_person_is_checked(
    other: Portal, client: Client, peer: Peer, dataset: Dataset, wrong: dict[str, Any]
):
    said = other.calls(client, "POST", "/net/1/guests", asking(dataset, **wrong))
    assert said.status == 400
    assert not Admission.objects.exists()


def test_the_guests_of_portals_are_apart(portals: Any, client: Client, dataset: Dataset, waiting: Admission):
    """The same id at another portal is somebody else, and the mail that is told finds nobody."""
    guests.admit(waiting, by=make.admin())
    third = portals("Hospital C")
    peer = third.peer()
    assert guests.find(peer, MEI) is None
    nothing = {"person": MEI, "dataset": str(dataset.pk)}
    assert third.calls(client, "POST", "/net/1/guests/state", nothing).status == 404
    local = make.scientist(email="mei@b.example")
    third.calls(client, "POST", "/net/1/guests", asking(dataset))
    guests.admit(Admission.objects.get(peer=peer), by=make.admin())
    assert User.objects.filter(remote_id=MEI).count() == 2
    local.refresh_from_db()
    assert (local.home, local.remote_id) == (None, "")


def test_a_removed_portal_takes_its_guests_along(
    other: Portal, client: Client, peer: Peer, dataset: Dataset, waiting: Admission
):
    admin = make.admin()
    guests.admit(waiting, by=admin)
    other.calls(client, "POST", "/net/1/guests", asking(dataset, person={"id": f"{MEI}-b"}))
    assert guests.shut_out(peer, by=admin, reason="The portal was removed.") == 1
    guest = User.objects.get(remote_id=MEI)
    assert (guest.state, guest.state_reason) == ("suspended", "The portal was removed.")
    assert Admission.objects.get(remote_id=f"{MEI}-b").state == "refused"
    assert state(other, client, dataset)["state"] == "ended"
    assert other.calls(client, "POST", "/net/1/guests", asking(dataset)).status == 400
    with pytest.raises(Refused):
        guests.ask(peer, {**asking(make.dataset()), "dataset": dataset.pk})
    item = Admission.objects.get(remote_id=MEI)
    Admission.objects.filter(pk=item.pk).update(state="waiting", decided_at=None)
    with pytest.raises(Conflict, match="ended"):
        guests.admit(Admission.objects.get(pk=item.pk), by=admin)
    assert guests.shut_out(peer, by=admin, reason="Again.") == 0


def test_strangers_and_invited_portals_get_nothing(other: Portal, client: Client, dataset: Dataset):
    peer = other.peer(state=Peer.State.SUSPENDED)
    from tests.network.portals import send  # noqa: PLC0415

    for path, document in (
        ("/net/1/guests", asking(dataset)),
        ("/net/1/guests/state", {"person": MEI, "dataset": str(dataset.pk)}),
        ("/net/1/api", {}),
    ):
        answer = send(client, other.signed("POST", path, document))
        assert (answer.status_code, "signature" in answer.headers) == (404, False)
    Peer.objects.filter(pk=peer.pk).update(state=Peer.State.REMOVED)
    assert send(client, other.signed("POST", "/net/1/guests", asking(dataset))).status_code == 404
    assert client.post("/net/1/guests", asking(dataset), content_type="application/json").status_code == 404


# The page


def test_admins_decide_on_the_page(client: Client, waiting: Admission):
    admin = make.admin()
    client.force_login(admin)
    page = client.get(reverse("network:guests"))
    text = page.content.decode()
    assert "Mei Lin, of Hospital B" in text
    assert "all guests of one portal count as one person where the rules ask for one scientist alone" in text
    assert client.post(reverse("network:refuse_guest", args=[waiting.pk]), {"reason": ""}).status_code == 422
    question = {"confirm-given": "1"}
    assert client.post(reverse("network:admit_guest", args=[waiting.pk]), question).status_code == 302
    waiting.refresh_from_db()
    assert (waiting.state, waiting.decided_by) == ("admitted", admin)
    text = client.get(reverse("network:guests")).content.decode()
    assert ("Guests of this portal" in text, "Mei Lin (127.0.0.1)" in text) == (True, True)


def test_others_do_not_see_the_page(client: Client, waiting: Admission):
    for person, status in ((make.scientist(), 404), (make.owner(), 404), (make.auditor(), 200)):
        client.force_login(person)
        assert client.get(reverse("network:guests")).status_code == status
        answer = client.post(reverse("network:admit_guest", args=[waiting.pk]), {"confirm-given": "1"})
        assert answer.status_code == (403 if status == 200 else 404)


def test_the_owner_sees_who_tells_of_a_guest(client: Client, dataset: Dataset, waiting: Admission):
    guests.admit(waiting, by=make.admin())
    client.force_login(dataset.owner)
    text = client.get(reverse("datasets:access", args=[AccessRequest.objects.get().pk])).content.decode()
    assert "as told by 127.0.0.1" in text
    assert "count as one person" in text
