"""Who can read which part of the log, how it is searched, and what an export contains."""

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections, transaction
from django.test import AsyncClient, Client
from django.utils import timezone

from accounts.models import Role, User
from audit import export, log, queries
from audit.actions import RECEIVED
from audit.models import Entry
from requests_app.models import Output
from requests_app.services import releases
from tests import make
from tests.makers.requests import WritesOutputs

pytestmark = pytest.mark.django_db
LIST, EXPORT = "/audit/", "/audit/export/"


def entry(by: User, action: str = "workers.pause", **fields: Any) -> Entry:
    with transaction.atomic():
        return log.record(action, by=by, on=fields.pop("on", by), **fields)


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def shown(client: Client, query: str = "") -> set[int]:
    page = client.get(LIST + query).context["page"]
    return {item.pk for item in page.entries if item.action.startswith(("workers.", "release."))}


def exported(client: Client, **search: str) -> list[dict[str, str]]:
    answer = client.post(EXPORT, search)
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("role", [*Role, None])
def test_each_role_reads_its_part(role: Role | None) -> None:
    reader = make.user(role) if role else make.user()
    dataset = make.dataset(owner=reader if role == Role.OWNER else None)
    stranger = make.scientist()
    own = entry(reader)
    on_dataset = entry(stranger, on=dataset, dataset_id=dataset.pk)
    foreign = entry(stranger)
    expected = {
        Role.ADMIN: {own.pk, on_dataset.pk, foreign.pk},
        Role.AUDITOR: {own.pk, on_dataset.pk, foreign.pk},
        Role.OWNER: {own.pk, on_dataset.pk},
    }.get(role, {own.pk})  # type: ignore[call-overload]
    client = signed_in(reader)
    assert shown(client) == expected
    keys = {str(item.key) for item in (own, on_dataset, foreign) if item.pk in expected}
    assert {row["key"] for row in exported(client) if row["action"] == "workers.pause"} == keys
    answers = {item.pk: client.get(f"/audit/{item.key}/").status_code for item in (own, on_dataset, foreign)}
    assert {pk for pk, status in answers.items() if status == 200} == expected
    assert set(answers.values()) <= {200, 404}


def test_the_log_is_searched() -> None:
    auditor, one, two = make.auditor(), make.user(), make.user()
    dataset = make.dataset()
    first = entry(one, "workers.pause", on=dataset, dataset_id=dataset.pk, person_id=two.pk)
    second = entry(two, "workers.resume")
    client = signed_in(auditor)
    today, yesterday = timezone.localdate(), timezone.localdate() - timedelta(days=1)
    for query, expected in (
        (f"?dataset={dataset.pk}", {first.pk}),
        (f"?person={two.pk}", {first.pk, second.pk}),
        (f"?person={one.email}", {first.pk}),
        ("?action=workers.", {first.pk, second.pk}),
        (f"?object={dataset.pk}", {first.pk}),
        (f"?text={two.email}", {second.pk}),
        (f"?action=workers.&since={today}&until={today}", {first.pk, second.pk}),
        (f"?action=workers.&until={yesterday}", set()),
        ("?action=workers.&since=nonsense&dataset=nonsense&object=1", {first.pk, second.pk}),
    ):
        assert shown(client, query) == expected, query


def test_who_received_anything_derived_from_a_dataset() -> None:
    auditor, scientist, dataset, other = make.auditor(), make.scientist(), make.dataset(), make.dataset()
    for action in RECEIVED:
        entry(scientist, action, on=dataset, dataset_id=dataset.pk)
    entry(scientist, "workers.resume", on=dataset, dataset_id=dataset.pk)
    entry(scientist, "release.release", on=other, dataset_id=other.pk)
    rows = exported(signed_in(auditor), dataset=str(dataset.pk), received="on")
    assert sorted(row["action"] for row in rows) == sorted(RECEIVED)


def test_an_export_names_who_received() -> None:
    scientist, dataset = make.scientist(), make.dataset()
    entry(scientist)
    entry(dataset.owner, "release.release", on=dataset, dataset_id=dataset.pk, person_id=scientist.pk)
    row = exported(signed_in(make.auditor()), received="on")[0]
    assert (row["actor"], row["person"]) == (dataset.owner.email, scientist.email)
    page = signed_in(make.auditor()).get(f"{LIST}?received=on").content.decode()
    assert scientist.email in page


@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR])
def test_the_log_does_not_name_held_files_or_their_sizes(role: Role) -> None:
    """An admin and an auditor read the whole log: no name, size or count of a held output may be in it."""
    make.code_request(at="ran", executor=WritesOutputs({"the_held_file.json": b'{"n": 987654321}'}))
    output = Output.objects.get(name="the_held_file.json")
    releases.set_verdict(output, by=output.run.request.dataset.owner, verdict="withhold")
    rows = exported(signed_in(make.user(role)))
    assert "output.verdict" in {row["action"] for row in rows}
    text = str(rows) + str(list(Entry.objects.values_list("payload", flat=True)))
    assert [word for word in ("the_held_file", "987654321", f'"bytes":{output.bytes}') if word in text] == []


def test_pages_are_cut_by_id_and_lead_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "PER_PAGE", 2)
    auditor, person = make.auditor(), make.user()
    ids = [entry(person).pk for _ in range(5)][::-1]
    wanted = queries.Search(action="workers.")
    first = queries.page(queries.readable(auditor), wanted, before=None, after=None)
    second = queries.page(queries.readable(auditor), wanted, before=first.older, after=None)
    third = queries.page(queries.readable(auditor), wanted, before=second.older, after=None)
    assert [[e.pk for e in page.entries] for page in (first, second, third)] == [ids[:2], ids[2:4], ids[4:]]
    assert (first.newer, third.older) == (None, None)
    again = queries.page(queries.readable(auditor), wanted, before=None, after=third.newer)
    assert ([e.pk for e in again.entries], again.older) == (ids[2:4], second.entries[-1].key)
    start = queries.page(queries.readable(auditor), wanted, before=None, after=again.newer)
    assert ([e.pk for e in start.entries], start.newer) == (ids[:2], None)


def test_no_page_tells_how_much_happened_in_between() -> None:
    """Consecutive numbers of readable entries would reveal how many others there are."""
    with connection.cursor() as cursor:
        for name, column, start in (("entry", "id", 870_000_000), ("link", "position", 650_000_000)):
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('audit_{name}', '{column}'), {start})")
    person = make.user()
    item = entry(person)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # it joins the chain
    told = []
    for reader in (person, make.auditor()):
        client = signed_in(reader)
        page = client.get(f"/audit/{item.key}/").content.decode()
        others = [client.get(LIST).content.decode(), str(exported(client))]
        assert ["Intact" in page, *(str(item.key) in text for text in others)] == [True] * 3
        told.append([number in text for text in (page, *others) for number in ("8700000", "6500000")])
    assert told == [[False] * 6, [False, True, *[False] * 4]], (
        "who reads everything sees the place in the chain"
    )


def test_nonsense_in_the_address_is_ignored() -> None:
    client = signed_in(make.auditor())
    for query in (
        "?before=nonsense",
        f"?after={'9' * 40}",
        f"?before={uuid4()}",
        f"?after={uuid4()}",
        "?before=-1",
        "?text=" + "x" * 5000,
        "?page=x",
    ):
        assert client.get(LIST + query).status_code == 200


def test_an_export_is_itself_recorded_with_its_filters() -> None:
    auditor = make.auditor()
    exported(signed_in(auditor), action="session.", text="in")
    recorded = Entry.objects.get(action="audit.export")
    assert (recorded.actor, recorded.detail) == (
        auditor.email,
        {"search": {"action": "session.", "text": "in"}},
    )


def test_nothing_is_exported_by_get() -> None:
    assert signed_in(make.auditor()).get(EXPORT).status_code == 405


def test_a_hostile_title_is_neutralised_in_the_export() -> None:
    person = make.user(name='=HYPERLINK("http://evil.example")')
    entry(person)
    row = next(row for row in exported(signed_in(make.auditor())) if row["action"] == "workers.pause")
    assert row["object_label"] == "'" + person.name


def test_an_export_comes_in_batches_and_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "BATCH", 2)
    person = make.user()
    keys = [str(entry(person).key) for _ in range(5)]
    pieces = list(export.pieces(Entry.objects.filter(action="workers.pause")))
    assert (
        len(pieces),
        [line.split(",")[0] for piece in pieces[1:] for line in piece.splitlines()],
    ) == (
        4,
        keys[::-1],
    )


@pytest.mark.django_db(transaction=True)
async def test_under_asgi_the_export_streams() -> None:
    auditor = await sync_to_async(make.auditor)()
    client = AsyncClient()
    await sync_to_async(client.force_login)(auditor)
    answer = await client.post(EXPORT)
    pieces = [piece async for piece in answer.streaming_content]  # type: ignore[attr-defined]
    await sync_to_async(connections.close_all)()
    assert (answer.is_async, pieces[0].startswith(b"key,at,action")) == (True, True)  # type: ignore[attr-defined]


def test_an_entry_shows_old_and_new_and_its_link() -> None:
    person = make.user()
    item = entry(person, changes={"roles": (["owner"], [])}, reason="Left <b>us</b>")
    page = signed_in(make.auditor()).get(f"/audit/{item.key}/").content.decode()
    assert ("Before" in page, "owner" in page, "Left &lt;b&gt;us" in page) == (True, True, True)


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ((["owner", "scientist"], []), ("owner, scientist", "nothing")),
        ((None, "x"), ("nothing", "x")),
        (("", True), ("nothing", "yes")),
        ((0, False), ("0", "no")),
    ],
)
def test_changes_are_put_into_words(pair: tuple[object, object], words: tuple[str, str]) -> None:
    item = entry(make.user(), changes={"field": pair})
    assert item.changes_in_words == [("field", *words)]


def test_states_are_written_as_words_and_names_as_they_are() -> None:
    item = entry(make.user(), changes={"state": ("in_review", "changes_requested"), "name": ("a_b", "c_d")})
    assert item.changes_in_words == [
        ("state", "in review", "changes requested"),
        ("name", "a_b", "c_d"),
    ]


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_costs_the_same_however_long(
    count: int, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    person = make.user()
    for _ in range(count):
        entry(person)
    client = signed_in(make.auditor())
    with django_assert_max_num_queries(10):
        client.get(LIST)
