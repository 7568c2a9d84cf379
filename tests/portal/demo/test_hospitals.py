"""One portal of the network demo: its people, its third of the data, and what its people do with the other portals."""

import io
import json
import stat
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from audit.models import Entry
from common.errors import Refused
from datasets.models import Dataset, Grant
from network import cards
from network.models import AskedElsewhere, Identity, Listing, Peer, RemoteDataset
from network.services import guests
from portal.demo import data, hospitals, introducing, people
from portal.demo.hospitals import HOSPITALS, Hospital
from portal.launch import options
from privacy.models import Budget
from tests.makers import catalogues
from tests.network.askings import says
from tests.network.portals import Portal
from tests.network.test_guests import asking

pytestmark = pytest.mark.django_db


@pytest.fixture
def north(settings: Any, tmp_path: Path) -> Hospital:
    """North Hospital with its people and its keys, and no data yet."""
    settings.STATE, settings.NETWORK_PRIVATE = tmp_path, [ip_network("127.0.0.0/8")]
    hospital = HOSPITALS["north"]
    people.admit(hospital.admin, hospital.people[:2])
    hospitals.set_up_identity(hospital)
    return hospital


@pytest.fixture
def west(north: Hospital) -> Iterator[Portal]:
    portal = Portal("West Hospital")
    yield portal
    portal.close()


def read_out(portal: Portal, **changes: str) -> introducing.Told:
    """What the other portal's admin reads out."""
    said = {"url": portal.url, "fingerprint": cards.fingerprint(portal.card()), "admin": "Nadia Benali"}
    return {**said, **changes}


def test_the_launcher_and_the_demo_name_the_same_hospitals() -> None:
    assert tuple(HOSPITALS) == options.HOSPITALS


def test_every_person_of_the_survey_is_at_one_hospital() -> None:
    parts = [hospitals.third(hospital.part)["person"] for hospital in HOSPITALS.values()]
    together = sorted(person for part in parts for person in part)
    assert together == sorted(data.health_rows()["person"])
    assert [len(part) for part in parts] == [522, 522, 522]


def test_nobody_works_at_two_hospitals() -> None:
    everybody = [one.key for hospital in HOSPITALS.values() for one in hospital.people]
    assert len(everybody) == len(set(everybody))


def test_the_recovery_key_is_kept_in_a_file_and_made_once(north: Hospital, tmp_path: Path) -> None:
    file = tmp_path / hospitals.RECOVERY_KEY
    key = file.read_text()
    assert (len(key.split()), stat.S_IMODE(file.stat().st_mode)) == (13, 0o600)
    hospitals.set_up_identity(north)
    assert (file.read_text(), Identity.objects.get().kept_at is not None) == (key, True)


def test_a_portal_is_introduced_once_by_what_its_admin_reads_out(north: Hospital, west: Portal) -> None:
    introducing.introduce(north, others=[read_out(west)])
    peer = Peer.objects.get()
    assert (peer.url, peer.state, peer.confirmed_with) == (west.url, Peer.State.INVITED, "Nadia Benali")
    entries = Entry.objects.count()
    introducing.introduce(north, others=[read_out(west)])
    assert Entry.objects.count() == entries


def test_another_fingerprint_than_was_read_out_is_refused(north: Hospital, west: Portal) -> None:
    with pytest.raises(Refused, match="another fingerprint"):
        introducing.introduce(north, others=[read_out(west, fingerprint="0" * 32)])
    assert not Peer.objects.exists()


def test_what_is_read_out_is_what_others_find_in_the_card(north: Hospital, settings: Any) -> None:
    own = cards.read(Identity.objects.get().card)
    told = {"url": settings.BASE_URL, "fingerprint": cards.fingerprint(own), "admin": "Amara Okafor"}
    assert introducing.tell(north) == told


def test_portals_that_met_show_each_other_their_lists(north: Hospital, west: Portal) -> None:
    west.peer(Peer.State.INVITED)
    entry = catalogues.entry(name=hospitals.DATASET)
    west.answers["GET", "/net/1/state"] = lambda _: {"time": int(west.now()), "version": "0.1.0"}
    west.answers["GET", "/net/1/catalogue"] = lambda _: catalogues.told(entry)
    assert introducing.meet(north, portals=1) == {"active": 1}
    assert str(RemoteDataset.objects.get().remote_id) == entry["id"]


def test_waiting_for_other_portals_has_an_end(north: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(introducing, "PATIENCE_SECONDS", 0)
    with pytest.raises(Refused, match="does not see 2 active portals"):
        introducing.meet(north, portals=2)


def test_the_scientist_asks_once_and_looks_what_became_of_it(north: Hospital, west: Portal) -> None:
    remote = catalogues.remote_dataset(west.peer(), name=hospitals.DATASET)
    offer = {"title": "Smokers", "terms": 2, "terms_text": "Be careful."}
    west.answers["GET", f"/net/1/guests/datasets/{remote.remote_id}"] = lambda _: offer
    says(west, "waiting")
    assert [introducing.ask(north) for _ in range(2)] == [{"asked": 1}] * 2
    asked = AskedElsewhere.objects.get()
    assert (asked.user, asked.terms_number) == (people.find(people.MEI), 2)
    with pytest.raises(Refused, match="waiting"):
        introducing.look(north)
    says(west, "granted")
    assert introducing.look(north) == {"granted": 1}


def test_a_portal_that_was_away_is_called_again(north: Hospital, west: Portal) -> None:
    west.peer(trouble="It could not be reached.")
    west.answers["GET", "/net/1/state"] = lambda _: {"time": int(west.now()), "version": "0.1.0"}
    assert introducing.call(north) == {"trouble": []}


def acted(monkeypatch: pytest.MonkeyPatch, *steps: dict[str, Any]) -> list[dict[str, Any]]:
    """What the command answers to these lines."""
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(json.dumps(step) + "\n" for step in steps)))
    out = io.StringIO()
    call_command("play_hospital", "north", stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_the_command_answers_each_step_with_a_line(
    north: Hospital, west: Portal, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEMO = True
    wrong = read_out(west, fingerprint="0" * 32)
    told, refused = acted(monkeypatch, {"step": "tell"}, {"step": "introduce", "others": [wrong]})
    assert told["admin"] == "Amara Okafor"
    assert "another fingerprint" in refused["refused"]


def test_people_of_a_real_portal_act_for_themselves(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DEMO = False
    with pytest.raises(CommandError, match="not a demo"):
        acted(monkeypatch, {"step": "tell"})


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.django_db(transaction=True)
def test_a_hospital_is_made_once_and_takes_guests(settings: Any, tmp_path: Path) -> None:
    settings.STATE, settings.STORE = tmp_path, tmp_path / "store"
    settings.NETWORK_PRIVATE = [ip_network("127.0.0.0/8")]
    south = HOSPITALS["south"]
    call_command("seed_demo", hospital="south", stdout=io.StringIO())
    dataset = Dataset.objects.get()
    assert (dataset.state, dataset.promise.public_size) == (Dataset.State.PUBLISHED, 520)
    assert Listing.objects.get(dataset=dataset).audience == Listing.Audience.EVERY
    assert [one["email"] for one in people.listed()] == [one.email for one in south.people]
    entries = Entry.objects.count()
    call_command("seed_demo", hospital="south", stdout=io.StringIO())
    assert Entry.objects.count() == entries

    north = Portal("North Hospital")
    try:
        peer = north.peer(confirmed_by=people.find(south.admin))
        guests.ask(peer, asking(dataset, terms=1))
        introducing.admit(south)
        introducing.admit(south)
    finally:
        north.close()
    guest = User.objects.get(home=peer.pk)
    assert Grant.objects.live().filter(user=guest, dataset=dataset).count() == 1
    scientists = Budget.objects.filter(promise__dataset=dataset).values_list("scientist", flat=True)
    assert set(scientists) == {guest.pk, people.find(south.scientist).pk}
