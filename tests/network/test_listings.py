"""Which portal sees which dataset, what it sees of it, and who says so."""

import json

import pytest

from audit.models import Entry
from common.errors import Denied, Refused, TooLarge
from datasets import services
from datasets.models import Dataset, Revision
from network import entries, rules
from network.models import Listing, Peer
from network.services import listings
from tests import make
from tests.makers import catalogues, mocks
from tests.makers import privacy as shares
from tests.makers.datasets import SECRET_WAGE

pytestmark = pytest.mark.django_db
Audience = Listing.Audience


def names(peer: Peer) -> list[str]:
    return [each["name"] for each in listings.offered(peer)["datasets"]]


@pytest.fixture
def portals() -> list[Peer]:
    return [catalogues.peer(name) for name in ("North", "South", "West")]


# Who sees what


@pytest.mark.parametrize(
    ("audience", "chosen", "seeing"),
    [
        ("nobody", [], []),
        ("chosen", ["South"], ["South"]),
        ("chosen", ["North", "West"], ["North", "West"]),
        ("every", [], ["North", "South", "West"]),
    ],
)
def test_each_audience_is_who_sees_it(portals, audience, chosen, seeing):
    dataset = make.dataset()
    catalogues.listing(dataset, audience, *(each for each in portals if each.name in chosen))
    assert [each.name for each in portals if names(each) == [dataset.name]] == seeing


def test_without_a_listing_no_portal_sees_it(portals):
    make.dataset()
    assert [names(each) for each in portals] == [[], [], []]


def frozen(dataset: Dataset) -> None:
    services.freeze(dataset, by=dataset.owner, reason="Because.")


def frozen_by_an_admin(dataset: Dataset) -> None:
    services.freeze(dataset, by=make.admin(), reason="Because.")


def retired(dataset: Dataset) -> None:
    services.retire(dataset, by=dataset.owner, reason="Because.")


def without_a_revision(dataset: Dataset) -> None:
    services.retire_revision(make.current(dataset), by=dataset.owner, reason="Because.")


def not_discoverable(dataset: Dataset) -> None:
    services.update(dataset, by=dataset.owner, discoverable=False)


@pytest.mark.parametrize(
    "become", [frozen, frozen_by_an_admin, retired, without_a_revision, not_discoverable]
)
def test_whatever_the_listing_says_only_what_is_open_and_in_use_is_shown(portals, become):
    dataset = make.dataset()
    catalogues.listing(dataset, Audience.EVERY)
    assert names(portals[0]) == [dataset.name]
    assert rules.is_shown(dataset.owner, dataset) is None
    become(dataset)
    dataset.refresh_from_db()
    assert [names(each) for each in portals] == [[], [], []]
    assert rules.is_shown(dataset.owner, dataset) is not None


def test_a_draft_is_shown_once_it_is_published(portals):
    dataset = make.dataset(published=False)
    catalogues.listing(dataset, Audience.EVERY)
    assert names(portals[0]) == []
    services.publish(dataset, by=dataset.owner)
    assert names(portals[0]) == [dataset.name]


def test_datasets_come_in_the_order_of_their_names_and_with_the_same_bytes(portals):
    for name in ("wages_c", "wages_a", "wages_b"):
        catalogues.listing(make.dataset(name=name), Audience.EVERY)
    assert names(portals[0]) == ["wages_a", "wages_b", "wages_c"]
    assert json.dumps(listings.offered(portals[0])) == json.dumps(listings.offered(portals[1]))


# What is seen


def test_a_portal_reads_what_is_public_here_and_nothing_of_people_or_rows(portals):
    owner = make.owner(name="Olga Owner", affiliation="Institute of\nLabour")
    dataset = make.dataset(
        owner=owner, title="Wage panel", summary="A survey.", description="Long.\r\nVery.", tags=["work"],
        terms="Be kind.",
    )  # fmt: skip
    promise = shares.promise(dataset)
    catalogues.listing(dataset, Audience.EVERY)
    (told,) = listings.offered(portals[0])["datasets"]
    assert {name: told[name] for name in told if name != "schema"} == {
        "id": str(dataset.pk),
        "name": dataset.name,
        "title": "Wage panel",
        "summary": "A survey.",
        "description": "Long.\nVery.",
        "tags": ["work"],
        "institution": "Institute of Labour",
        "terms": {"number": 1, "text": "Be kind."},
        "automatic": {"epsilon": repr(promise.epsilon), "delta": repr(promise.delta)},
    }
    text = json.dumps(told)
    assert "Olga" not in text
    assert owner.email not in text
    assert str(SECRET_WAGE) not in text
    assert "private_file" not in text


def test_the_schema_is_the_one_that_the_rest_api_tells(client, portals):
    dataset = make.dataset()
    mocks.shown(shares.promise(dataset))
    catalogues.listing(dataset, Audience.EVERY)
    client.force_login(make.scientist())
    here = client.get(f"/api/v1/datasets/{dataset.pk}/schema/").json()
    (told,) = listings.offered(portals[0])["datasets"]
    assert told["schema"] == entries.cleaned(here)
    assert told["schema"]["sampled_mocks"] != []


def test_other_portals_can_read_whatever_this_one_sends(portals):
    odd = "Tab\tbell\x07 and \u202eturned\u202c\r\nround \x85"
    dataset = make.dataset(title="Wages\n1990", summary="Sum\u2028mary", description=odd, terms=odd)
    mocks.shown(shares.promise(dataset))
    catalogues.listing(dataset, Audience.EVERY)
    document = listings.offered(portals[0])
    found = entries.read(document)
    assert found.entries == document["datasets"]
    assert found.entries[0]["title"] == "Wages 1990"
    assert found.entries[0]["description"] == "Tab\tbell  and  turned \nround  "
    assert entries.tables_of(found.entries[0]) == make.current(dataset).tables_declared


# Limits


def test_what_does_not_fit_is_left_off_and_counted(portals, monkeypatch):
    for name in ("wages_a", "wages_b", "wages_c"):
        long = "x" * 9000 if name == "wages_b" else ""
        catalogues.listing(make.dataset(name=name, description=long), Audience.EVERY)
    small = [each for each in listings.offered(portals[0])["datasets"] if each["name"] != "wages_b"]
    monkeypatch.setattr(entries, "MOST_BYTES", len(json.dumps(small)) + 1100)
    told = listings.offered(portals[0])
    assert [each["name"] for each in told["datasets"]] == ["wages_a", "wages_c"]
    assert told["left_off"] == 1
    monkeypatch.setattr(entries, "MOST_DATASETS", 1)
    told = listings.offered(portals[0])
    assert (len(told["datasets"]), told["left_off"]) == (1, 2)


def test_mock_data_goes_to_whom_the_dataset_is_shown(portals, monkeypatch):
    north, south, _ = portals
    dataset = make.dataset()
    catalogues.listing(dataset, Audience.CHOSEN, north)
    content = listings.mock_of(north, dataset.pk, "wages")
    assert content is not None
    assert content.startswith(b"PAR1")
    assert listings.mock_of(south, dataset.pk, "wages") is None
    assert listings.mock_of(north, dataset.pk, "other") is None
    assert listings.mock_of(north, make.dataset().pk, "wages") is None
    monkeypatch.setattr(entries, "MOST_MOCK_BYTES", len(content) - 1)
    with pytest.raises(TooLarge, match="larger than"):
        listings.mock_of(north, dataset.pk, "wages")


# Who says so


def test_the_owner_changes_it_and_the_log_says_what_changed(portals):
    dataset = make.dataset()
    catalogues.listing(dataset, Audience.CHOSEN, portals[0], portals[2])
    catalogues.listing(dataset, Audience.CHOSEN, portals[0], portals[2])  # nothing changes: no entry
    catalogues.listing(dataset, Audience.NOBODY, portals[0])
    first, last = Entry.objects.filter(action="network.listing.change").order_by("id")
    assert first.dataset_id == str(dataset.pk)
    assert first.changes == {
        "audience": ["nobody", "chosen"],
        "portals": [[], sorted([portals[0].url, portals[2].url])],
    }
    assert last.changes["audience"] == ["chosen", "nobody"]
    assert dataset.listing.chosen == []


@pytest.mark.parametrize("who", ["scientist", "owner", "admin", "auditor", "reviewer"])
def test_nobody_else_changes_it(who):
    dataset = make.dataset()
    person = make.reviewer(dataset).user if who == "reviewer" else getattr(make, who)()
    with pytest.raises(Denied, match="Only the owner"):
        listings.change(dataset, by=person, audience=Audience.EVERY)
    assert not Listing.objects.exists()


def test_a_retired_dataset_is_not_shown_again():
    dataset = make.dataset()
    retired(dataset)
    with pytest.raises(Denied, match="retired"):
        catalogues.listing(dataset, Audience.EVERY)


@pytest.mark.parametrize("state", ["waiting", "invited", "suspended", "removed"])
def test_only_active_portals_are_chosen(state):
    with pytest.raises(Refused, match="not connected at present"):
        catalogues.listing(make.dataset(), Audience.CHOSEN, catalogues.peer(state=state))


@pytest.mark.parametrize(
    ("audience", "why"), [("chosen", "at least one portal"), ("everybody", "who sees the dataset")]
)
def test_what_makes_no_sense_is_refused(audience, why):
    with pytest.raises(Refused, match=why):
        catalogues.listing(make.dataset(), audience)


def test_a_revision_that_is_retired_while_it_is_read_is_left_out(portals, monkeypatch):
    dataset = make.dataset()
    catalogues.listing(dataset, Audience.EVERY)
    before = listings.shown_to(portals[0])
    Revision.objects.filter(dataset=dataset, state="published").update(state="retired")
    monkeypatch.setattr(listings, "shown_to", lambda peer: before)
    assert listings.offered(portals[0]) == {"datasets": [], "left_off": 1}
