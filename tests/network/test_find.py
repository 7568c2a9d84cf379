"""The search across portals, and the pages of other portals' datasets."""

import pytest
from django.urls import reverse

from network import search
from network.models import Peer, RemoteDataset
from tests import make
from tests.makers import catalogues

pytestmark = pytest.mark.django_db
FIND = "/network/find/"


def found(text: str = "", portal: str = "", *, by=None) -> list[str]:
    rows = search.everywhere(by or make.scientist(), text=text, portal=portal)
    return [row["title"] for row in rows]


def page(client, path: str, by=None) -> str:
    client.force_login(by or make.scientist())
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.fixture
def north() -> Peer:
    return catalogues.peer("Institute of the North")


@pytest.fixture
def remote(north) -> RemoteDataset:
    return catalogues.remote_dataset(north)


# The search


@pytest.mark.parametrize(
    "text",
    [
        "wages", "WAG", "north", "wages_north", "panel", "comes from", "labour", "institute", "pay month",
        "person", "wages by year",
    ],
)  # fmt: skip
def test_words_of_everything_that_is_told_find_it(remote, text):
    assert found(text) == ["Wages in the north"]
    assert found(f"{text} elsewhere") == []


def test_both_kinds_are_found_together_and_by_portal(remote, north):
    make.dataset(title="Wages here")
    south = catalogues.remote_dataset(title="Wages in the south").peer
    assert found() == ["Wages here", "Wages in the north", "Wages in the south"]
    assert sorted(found("wages")) == found()
    assert found("wages here") == ["Wages here"]
    assert found(portal="here") == ["Wages here"]
    assert found(portal=str(north.pk)) == ["Wages in the north"]
    assert found("wages", portal=str(south.pk)) == ["Wages in the south"]


def test_what_matches_better_comes_first():
    catalogues.remote_dataset(title="Beds", name="beds", summary="", description="Nurses' pay too.")
    catalogues.remote_dataset(title="Nurses", name="nurses", summary="", description="")
    assert found("nurses") == ["Nurses", "Beds"]


@pytest.mark.parametrize("state", ["waiting", "invited", "suspended", "removed"])
def test_datasets_of_a_portal_that_is_not_active_vanish_at_once(client, remote, north, state):
    path = reverse("network:remote_dataset", args=[remote.pk])
    assert found() == ["Wages in the north"]
    Peer.objects.filter(pk=north.pk).update(state=state)
    assert found() == []
    client.force_login(make.scientist())
    assert client.get(path).status_code == 404
    assert "Institute of the North" not in client.get(FIND).content.decode()
    assert client.get(f"/api/v1/network/datasets/{remote.pk}/").status_code == 404


def test_own_datasets_are_found_by_whom_they_are_visible_to(client):
    dataset = make.dataset(title="Hidden wages", discoverable=False)
    assert found() == []
    assert found(by=dataset.owner) == ["Hidden wages"]


# Its page


def test_each_hit_names_its_portal(client, remote):
    dataset = make.dataset(title="Wages here")
    text = page(client, FIND)
    assert reverse("datasets:detail", args=[dataset.pk]) in text
    assert reverse("network:remote_dataset", args=[remote.pk]) in text
    assert "This portal" in text
    assert "Institute of the North" in text
    assert "read <time" in text


def test_the_age_of_a_list_is_told_and_that_it_could_not_be_read(client, remote, north):
    north.catalogue.trouble = "portal1.example could not be reached."
    north.catalogue.left_off = 3
    north.catalogue.save()
    catalogues.peer("South")
    text = page(client, FIND)
    assert "it could not be read again since" in text
    assert "3 more did not fit" in text
    assert "not read yet" in text
    assert "portal1.example could not" not in text  # words for an admin


def test_empty_states(client):
    assert "No datasets yet" in page(client, FIND)
    assert "not connected to others" in page(client, FIND)
    assert "No dataset matches" in page(client, f"{FIND}?text=nothing")


@pytest.mark.parametrize(
    "query",
    ["?text=%00", "?portal=nonsense", "?portal=here&page=99", "?page=x", f"?text={'x' * 200}", "?text=!"],
)
def test_filters_hold_whatever_is_asked(client, remote, query):
    page(client, FIND + query)


def test_pages_are_counted_over_both_kinds(client, north):
    for number in range(15):
        catalogues.remote_dataset(north, title=f"Remote {number:02}")
        make.dataset(title=f"Own {number:02}")
    text = page(client, f"{FIND}?page=2")
    assert "21–30 of 30 datasets" in text
    assert "Remote 05" in text


@pytest.mark.parametrize("who", ["scientist", "owner", "user"])
def test_the_menu_leads_here(client, who):
    assert f'href="{FIND}"' in page(client, reverse("inbox"), getattr(make, who)())


# A dataset of another portal


def test_it_shows_what_the_portal_tells(client, remote):
    text = page(client, reverse("network:remote_dataset", args=[remote.pk]))
    for words in (
        "is on another portal", "Wages in the north", "Institute of the North", "Where it comes from.",
        "Pay per month", "0 to 50,000", "identifies a person", "Be kind.", "Version 2", "400 rows",
        "drawn from the declarations", "ε 1", "read <time",
    ):  # fmt: skip
        assert words in text, words


def test_mock_data_from_a_synthetic_table_says_so(client, north):
    told = catalogues.entry()
    told["schema"]["sampled_mocks"] = [
        {"table": "wages", "answer": {"id": told["id"]}, "epsilon": "0.31", "delta": "1e-07", "columns": [],
         "created_at": "2026-11-30T12:00:00Z"}
    ]  # fmt: skip
    remote = catalogues.remote_dataset(north, **told)
    assert "ε 0.31" in page(client, reverse("network:remote_dataset", args=[remote.pk]))


def test_everything_is_text_and_no_link(client, north):
    evil = "<script>x</script> [a](https://evil.example) https://evil.example <a href='//evil'>"
    told = catalogues.entry(title=evil[:60], summary=evil, description=evil, institution=evil, tags=["<b>"])
    told["terms"]["text"] = evil
    told["schema"]["tables"][0]["description"] = evil
    told["schema"]["tables"][0]["columns"][1]["description"] = evil
    remote = catalogues.remote_dataset(north, **told)
    for path in (FIND, reverse("network:remote_dataset", args=[remote.pk])):
        text = page(client, path)
        assert "evil.example" in text
        assert 'href="https://evil' not in text
        assert "<script>x" not in text
        assert "<b>" not in text
        assert "<a href='//evil'" not in text


@pytest.mark.parametrize("gone", [True, False])
def test_what_is_not_listed_any_more_does_not_exist(client, north, gone):
    remote = catalogues.remote_dataset(north, gone=gone)
    client.force_login(make.scientist())
    expected = 404 if gone else 200
    assert client.get(reverse("network:remote_dataset", args=[remote.pk])).status_code == expected


# The owner's page


def test_the_owner_reads_what_others_see_and_chooses(client, north):
    dataset = make.dataset()
    path = reverse("network:listing", args=[dataset.pk])
    text = page(client, path, dataset.owner)
    assert "No rows leave this portal" in text
    assert "Institute of the North" in text
    answer = client.post(path, {"audience": "chosen", "portals": [str(north.pk)]})
    assert answer.status_code == 302
    assert dataset.listing.chosen == [north]
    assert "checked" in page(client, path, dataset.owner)
    assert f'href="{path}"' in page(client, reverse("datasets:detail", args=[dataset.pk]), dataset.owner)


@pytest.mark.parametrize(
    "given", [{"audience": "chosen"}, {"audience": "x"}, {"audience": "chosen", "portals": ["1"]}]
)
def test_what_makes_no_sense_is_told_on_the_page(client, north, given):
    dataset = make.dataset()
    client.force_login(dataset.owner)
    answer = client.post(reverse("network:listing", args=[dataset.pk]), given)
    assert answer.status_code == 400
    assert not hasattr(dataset, "listing")


def test_the_page_says_why_nobody_sees_it_at_present(client, north):
    dataset = make.dataset(discoverable=False)
    catalogues.listing(dataset)
    path = reverse("network:listing", args=[dataset.pk])
    assert "No other portal sees it at present. Its description says" in page(client, path, dataset.owner)


def test_without_other_portals_the_page_says_who_connects_them(client):
    dataset = make.dataset()
    assert "An admin connects it" in page(
        client, reverse("network:listing", args=[dataset.pk]), dataset.owner
    )


@pytest.mark.parametrize("who", ["scientist", "admin", "auditor", "owner", "reviewer"])
def test_the_owners_page_does_not_exist_for_others(client, who):
    dataset = make.dataset()
    client.force_login(make.reviewer(dataset).user if who == "reviewer" else getattr(make, who)())
    assert client.get(reverse("network:listing", args=[dataset.pk])).status_code == 404
