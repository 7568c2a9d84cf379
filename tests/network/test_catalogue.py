"""Catalogues of other portals: what they may read here, and what is kept of theirs, whatever they send."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from datasets import services
from network import entries, signatures, tasks
from network.models import Catalogue, Listing, Peer, RemoteDataset
from network.services import catalogue
from network.signatures import Answer
from tests import make
from tests.makers import catalogues
from tests.network.portals import Portal, send

pytestmark = pytest.mark.django_db
PATH = "/net/1/catalogue"
ONE, TWO = str(uuid4()), str(uuid4())


def tells(portal: Portal, *told: dict[str, Any], left_off: int = 0) -> None:
    """Let a portal answer with this catalogue."""
    portal.answers["GET", PATH] = lambda _: catalogues.told(*told, left_off=left_off)


def sends(portal: Portal, path: str, body: bytes, status: int = 200) -> None:
    """Let a portal answer with this file, signed."""

    def write(handler: Any) -> None:
        answer = Answer(status, body, portal.received[-1])
        signed = signatures.sign_answer(answer, portal.key_id, portal.private, portal.now())
        portal._write(handler, status, body, {"content-type": "application/octet-stream", **signed.headers})

    portal.raw["GET", path] = write


def titles() -> list[str]:
    rows = RemoteDataset.objects.visible_to(make.scientist())
    return sorted(rows.values_list("title", flat=True))


@pytest.fixture
def peer(other: Portal) -> Peer:
    return other.peer()


# What another portal reads here


def test_a_portal_reads_what_it_is_shown_and_then_only_changes(other: Portal, peer: Peer, client: Any):
    dataset = make.dataset()
    catalogues.listing(dataset, Listing.Audience.CHOSEN, peer)
    first = other.calls(client, "GET", PATH)
    assert (first.status, [each["name"] for each in first.document["datasets"]]) == (200, [dataset.name])
    tag = first.response["ETag"]
    assert tag == entries.tag_of(first.response.content)
    again = send(client, other.signed("GET", PATH), headers={"If-None-Match": f'"x", {tag}'})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", tag)
    services.update(dataset, by=dataset.owner, title="Another title")
    changed = send(client, other.signed("GET", PATH), headers={"If-None-Match": tag})
    assert (changed.status_code, changed["ETag"] != tag) == (200, True)


def test_each_portal_reads_its_own(portals: Callable[..., Portal], client: Any):
    a, b, c = portals("A"), portals("B"), portals("C")
    peers = {each.name: each.peer() for each in (a, b, c)}
    chosen, every, nobody = (make.dataset(name=f"wages_{name}") for name in ("chosen", "every", "nobody"))
    catalogues.listing(chosen, Listing.Audience.CHOSEN, peers["A"])
    catalogues.listing(every, Listing.Audience.EVERY)
    catalogues.listing(nobody, Listing.Audience.NOBODY)

    def read(portal: Portal) -> list[str]:
        return [each["name"] for each in portal.calls(client, "GET", PATH).document["datasets"]]

    assert [read(each) for each in (a, b, c)] == [
        ["wages_chosen", "wages_every"],
        ["wages_every"],
        ["wages_every"],
    ]
    services.freeze(every, by=every.owner, reason="Because.")
    assert [read(each) for each in (a, b, c)] == [["wages_chosen"], [], []]


@pytest.mark.parametrize("state", ["suspended", "removed", "waiting"])
def test_a_portal_that_is_not_active_reads_nothing(other: Portal, client: Any, state: str):
    dataset = make.dataset()
    catalogues.listing(dataset)
    other.peer(state=state)
    for path in (PATH, f"{PATH}/{dataset.pk}/mock/wages.parquet"):
        answer = send(client, other.signed("GET", path))
        assert (answer.status_code, "signature" in answer) == (404, False)
    assert client.get(PATH).status_code == 404


def test_mock_data_comes_as_a_file_to_those_who_see_the_dataset(
    other: Portal, peer: Peer, client: Any, monkeypatch
):
    dataset = make.dataset()
    path = f"{PATH}/{dataset.pk}/mock/wages.parquet"
    assert send(client, other.signed("GET", path)).status_code == 404
    catalogues.listing(dataset)
    answer = send(client, other.signed("GET", path))
    assert (answer.status_code, answer.content[:4]) == (200, b"PAR1")
    assert answer["Content-Type"] == "application/vnd.apache.parquet"
    assert "signature" in answer
    missing = other.calls(client, "GET", f"{PATH}/{dataset.pk}/mock/others.parquet")
    assert (missing.status, missing.document["code"]) == (404, "not_found")
    monkeypatch.setattr(entries, "MOST_MOCK_BYTES", 100)
    large = other.calls(client, "GET", path)
    assert (large.status, large.document["code"]) == (413, "too_large")
    assert "The mock data of wages is larger" in large.document["detail"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_the_catalogue_is_only_read(other: Portal, peer: Peer, client: Any, method: str):
    assert other.calls(client, method, PATH).status == 405


# What is kept of another portal's


def test_what_a_portal_tells_is_kept_as_it_is(other: Portal, peer: Peer):
    told = catalogues.entry(id=ONE)
    tells(other, told, left_off=2)
    catalogue.refresh(peer)
    kept = RemoteDataset.objects.get()
    assert (kept.peer, kept.remote_id, kept.name, kept.title) == (
        peer,
        UUID(ONE),
        "wages_north",
        told["title"],
    )
    assert kept.document == told
    assert (kept.revision, kept.institution, kept.terms) == (3, "Institute of the North", told["terms"])
    assert kept.promise == {"epsilon": 1.0, "delta": 1e-6}
    assert [column.name for column in kept.tables_declared[0].columns] == ["person", "wage"]
    read = Catalogue.objects.get(peer=peer)
    assert (read.left_off, read.trouble, read.fetched_at is None) == (2, "", False)


def test_both_ends_agree(other: Portal, peer: Peer, client: Any):
    """What this portal sends, another of its kind reads."""
    dataset = make.dataset(terms="Be kind.", tags=["labour"])
    catalogues.listing(dataset)
    document = other.calls(client, "GET", PATH).document
    other.answers["GET", PATH] = lambda _: document
    catalogue.refresh(peer)
    kept = RemoteDataset.objects.get()
    assert kept.tables_declared == make.current(dataset).tables_declared
    assert (kept.title, kept.remote_id, kept.tags) == (dataset.title, dataset.pk, ["labour"])


def test_an_unchanged_catalogue_is_not_sent_again(other: Portal, peer: Peer):
    tells(other, catalogues.entry(id=ONE))
    catalogue.refresh(peer)
    tag = Catalogue.objects.get().etag
    Catalogue.objects.update(fetched_at=None, trouble="It was away.")
    other.raw["GET", PATH] = lambda handler: other.reply(handler, other.received[-1], 304, b"")
    catalogue.refresh(peer)
    assert other.received[-1].headers["if-none-match"] == tag
    now = Catalogue.objects.get()
    assert (now.etag, now.trouble, now.fetched_at is None) == (tag, "", False)
    assert titles() == ["Wages in the north"]


def test_a_portal_that_calls_unchanged_what_nobody_has_read_is_not_believed(other: Portal, peer: Peer):
    other.raw["GET", PATH] = lambda handler: other.reply(handler, other.received[-1], 304, b"")
    catalogue.refresh(peer)
    now = Catalogue.objects.get()
    assert now.trouble == "It answered with the status 304 instead of its catalogue."
    assert now.fetched_at is None


def test_changes_are_taken_over_and_what_is_listed_no_more_is_gone(other: Portal, peer: Peer):
    tells(other, catalogues.entry(id=ONE), catalogues.entry(id=TWO, title="Hospitals"))
    catalogue.refresh(peer)
    first = RemoteDataset.objects.get(remote_id=ONE)
    tells(other, catalogues.entry(id=ONE, title="Wages, revised"))
    catalogue.refresh(peer)
    assert titles() == ["Wages, revised"]
    assert RemoteDataset.objects.get(remote_id=ONE).pk == first.pk
    gone = RemoteDataset.objects.get(remote_id=TWO)
    assert (gone.title, gone.name, gone.document, gone.summary, gone.words) == (
        "Hospitals",
        "wages_north",
        {},
        "",
        "",
    )
    assert gone.gone_at is not None
    tells(other, catalogues.entry(id=TWO, title="Hospitals"))
    catalogue.refresh(peer)
    assert titles() == ["Hospitals"]


FAILURES: dict[str, Callable[[Portal], None]] = {
    "away": lambda other: other.close(),
    "unsigned": lambda other: setattr(other, "signs", False),
    "other_key": lambda other: other.rotate(),
    "not_known_there": lambda other: other.answers.clear(),
    "refused": lambda other: other.answers.update({("GET", PATH): lambda _: (429, {"code": "too_many"})}),
    "failed": lambda other: other.answers.update({("GET", PATH): lambda _: (500, {})}),
    "not_a_catalogue": lambda other: other.answers.update({("GET", PATH): lambda _: {"x": 1}}),
    "an_unknown_field": lambda other: tells(other, {**catalogues.entry(), "more": 1}),
    "too_many": lambda other: tells(other, *(catalogues.entry() for _ in range(501))),
    "too_large": lambda other: sends(other, PATH, b" " * (entries.MOST_BYTES + 1)),
    "no_json": lambda other: sends(other, PATH, b"PAR1"),
    "clock": lambda other: setattr(other, "clock", 600.0),
}  # fmt: skip


@pytest.mark.parametrize("fails", FAILURES)
def test_a_failure_leaves_the_old_list_with_its_age(portals: Callable[..., Portal], fails: str):
    other = portals()
    peer = other.peer()
    tells(other, catalogues.entry(id=ONE))
    catalogue.refresh(peer)
    before = Catalogue.objects.get()
    FAILURES[fails](other)
    catalogue.refresh(Peer.objects.get())
    after = Catalogue.objects.get()
    assert titles() == ["Wages in the north"]
    assert after.fetched_at == before.fetched_at
    assert after.trouble != ""
    assert len(after.trouble) <= 300
    assert after.etag == before.etag


@pytest.mark.django_db(transaction=True)
def test_one_portals_failure_is_not_anothers(portals: Callable[..., Portal]):
    a, b = portals("A"), portals("B")
    a.answers["GET", PATH] = lambda _: {"x": 1}
    tells(b, catalogues.entry())
    a.peer(), b.peer(), portals("C").peer(state=Peer.State.SUSPENDED)
    tasks.refresh_catalogues()
    assert titles() == ["Wages in the north"]
    assert Catalogue.objects.count() == 2


def test_the_same_id_at_two_portals_is_two_datasets(portals: Callable[..., Portal]):
    for name in ("A", "B"):
        portal = portals(name)
        tells(portal, catalogues.entry(id=ONE, title=f"Wages of {name}"))
        catalogue.refresh(portal.peer())
    assert titles() == ["Wages of A", "Wages of B"]


def test_of_what_is_gone_a_limited_number_is_kept(other: Portal, peer: Peer, monkeypatch):
    monkeypatch.setattr(catalogue, "MOST_GONE", 2)
    for number in range(5):
        tells(other, catalogues.entry(title=f"Wages {number}"))
        catalogue.refresh(peer)
    kept = RemoteDataset.objects.order_by("title").values_list("title", flat=True)
    assert list(kept) == ["Wages 2", "Wages 3", "Wages 4"]
    assert titles() == ["Wages 4"]


def test_what_a_portal_tells_at_most_can_be_searched(other: Portal, peer: Peer, client: Any):
    """The longest texts with the most different words: Postgres limits what one row's search may hold."""
    words = (f"w{number:x}" for number in range(10**6))

    def text(length: int) -> str:
        found = ""
        while len(found) < length:
            found += f"{next(words)} "
        return found[:length]

    told = catalogues.entry(id=ONE, summary=text(400), description=text(20_000))
    column = told["schema"]["tables"][0]["columns"][1]
    told["schema"]["tables"][0]["columns"] = [
        {**column, "name": f"c{number}", "description": text(500)} for number in range(1000)
    ]
    tells(other, told)
    catalogue.refresh(peer)
    assert Catalogue.objects.get().trouble == ""
    client.force_login(make.scientist())
    answer = client.get(reverse("network:find"), {"text": "w1 north"})
    assert "Wages in the north" in answer.content.decode()


# Mock data of another portal


@pytest.fixture
def remote(other: Portal, peer: Peer) -> RemoteDataset:
    tells(other, catalogues.entry(id=ONE))
    catalogue.refresh(peer)
    return RemoteDataset.objects.get()


FILE = f"{PATH}/{ONE}/mock/wages.parquet"


def test_mock_data_is_passed_on_unopened_as_a_download(other: Portal, remote: RemoteDataset, client: Any):
    sends(other, FILE, b"PAR1 anything")
    client.force_login(make.scientist())
    for path in (
        reverse("network:remote_mock", args=[remote.pk, "wages"]),
        reverse("api:remote_mock", args=[remote.pk, "wages"]),
    ):
        answer = client.get(path)
        assert b"".join(answer.streaming_content) == b"PAR1 anything"
        assert answer["Content-Disposition"] == 'attachment; filename="wages_north-wages-mock.parquet"'
        assert answer["Content-Type"] == "application/octet-stream"
        assert "sandbox" in answer["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (b"{}", 404, "has no mock data of wages"),
        (b"<html>", 200, "has no mock data of wages"),
        (b"{}", 413, "larger than the 5 MB"),
        (b"PAR1" + b"x" * 5_000_000, 200, "longer than"),
    ],
)
def test_what_is_no_mock_data_is_refused(
    other: Portal, remote: RemoteDataset, client: Any, body, status, why
):
    sends(other, FILE, body, status)
    client.force_login(make.scientist())
    answer = client.get(reverse("api:remote_mock", args=[remote.pk, "wages"]))
    assert (answer.status_code, answer.json()["code"]) == (400, "refused")
    assert why in answer.json()["detail"]
    assert why in client.get(reverse("network:remote_mock", args=[remote.pk, "wages"])).content.decode()


def test_nothing_is_fetched_for_a_dataset_that_is_not_listed(
    other: Portal, remote: RemoteDataset, client: Any
):
    RemoteDataset.objects.update(gone_at=timezone.now())
    before = len(other.received)
    client.force_login(make.scientist())
    assert client.get(reverse("network:remote_mock", args=[remote.pk, "wages"])).status_code == 404
    assert client.get(reverse("api:remote_mock", args=[remote.pk, "wages"])).status_code == 404
    assert len(other.received) == before


# The REST API


def test_the_api_lists_and_reads_them(other: Portal, remote: RemoteDataset, client: Any):
    client.force_login(make.scientist())
    (listed,) = client.get("/api/v1/network/datasets/?text=wages").json()["items"]
    assert listed["portal"] == {"id": str(remote.peer_id), "name": "Hospital B", "url": other.url}
    assert (listed["name"], listed["dataset"]["id"], listed["institution"]) == (
        "wages_north",
        ONE,
        "Institute of the North",
    )
    detail = client.get(f"/api/v1/network/datasets/{remote.pk}/").json()
    assert (detail["revision"], detail["terms"]) == (3, {"number": 2, "text": "Be kind."})
    assert detail["automatic"] == {"epsilon": 1.0, "delta": 1e-6}
    person, wage = detail["tables"][0]["columns"]
    assert (person["is_person"], wage["lower"], wage["upper"], wage["unit"]) == (True, 0.0, 50_000.0, "EUR")
    assert detail["sampled_mocks"] == {}
    assert detail["read_at"] == listed["read_at"] is not None
    assert client.get(f"/api/v1/network/datasets/?portal={remote.peer_id}").json()["items"] == [listed]
    assert client.get(f"/api/v1/network/datasets/?portal={uuid4()}").json()["items"] == []
    assert client.get("/api/v1/network/datasets/?text=nothing").json()["items"] == []


def test_a_whole_list_takes_few_queries(peer: Peer, client: Any, django_assert_max_num_queries):
    for number in range(10):
        catalogues.remote_dataset(peer, title=f"Wages {number}")
    client.force_login(make.scientist())
    with django_assert_max_num_queries(12):
        answer = client.get(reverse("network:find"), {"text": "wages"})
    assert "Wages 9" in answer.content.decode()
