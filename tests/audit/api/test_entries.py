"""The audit log in the API: everybody's part of it, searched and exported as on the page."""

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pgtrigger
import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.models import Role, User
from audit import log
from audit.models import Entry
from common.rest import rates
from tests import make
from tests.rest import bearer, problem

pytestmark = pytest.mark.django_db
LIST, EXPORT = "/api/v1/audit/", "/api/v1/audit/export/"


@pytest.fixture(autouse=True)
def _no_calls_yet() -> None:
    rates.counts.clear()


def entry(by: User, action: str = "workers.pause", **fields: Any) -> Entry:
    with transaction.atomic():
        return log.record(action, by=by, on=fields.pop("on", by), **fields)


def listed(client: Client, headers: dict[str, str], query: str = "") -> set[UUID]:
    items = client.get(f"{LIST}?limit=200&{query}", headers=headers).json()["items"]
    return {UUID(item["id"]) for item in items if item["action"].startswith(("workers.", "release."))}


def exported(client: Client, headers: dict[str, str], query: str = "") -> list[dict[str, str]]:
    answer: Any = client.post(f"{EXPORT}?{query}", headers=headers)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    text = b"".join(answer.streaming_content).decode()
    rows = csv.DictReader(io.StringIO(text))
    return [row for row in rows if row["action"].startswith(("workers.", "release."))]


@pytest.mark.parametrize("role", [*Role, None])
def test_each_role_reads_its_part(client: Client, role: Role | None):
    reader = make.user(role) if role else make.user()
    dataset = make.dataset(owner=reader if role == Role.OWNER else None)
    stranger = make.scientist()
    own = entry(reader).key
    on_dataset = entry(stranger, on=dataset, dataset_id=dataset.pk).key
    foreign = entry(stranger).key
    expected = {
        Role.ADMIN: {own, on_dataset, foreign},
        Role.AUDITOR: {own, on_dataset, foreign},
        Role.OWNER: {own, on_dataset},
    }.get(role, {own})  # type: ignore[arg-type]
    headers = bearer(reader, "audit")
    assert listed(client, headers) == expected
    assert {UUID(row["key"]) for row in exported(client, headers)} == expected


def test_an_entry_says_what_happened_and_no_running_number(client: Client):
    reader = make.auditor()
    made = entry(reader, changes={"limit": (1, 2)}, note="because")
    item = client.get(f"{LIST}?action=workers.", headers=bearer(reader, "audit")).json()["items"][0]
    assert item == {
        "id": str(made.key),
        "at": made.at.isoformat().replace("+00:00", "Z"),
        "action": "workers.pause",
        "words": "Paused all runs",
        "receiver": "",
        "actor": {"id": str(reader.pk), "name": reader.email},
        "object": {"id": str(reader.pk), "type": "user", "name": str(reader)},
        "dataset": None,
        "person": None,
        "changes": {"limit": [1, 2]},
        "detail": {"note": "because"},
        "hash": "",
    }


def test_an_entry_names_whom_it_concerns(client: Client, django_assert_max_num_queries: Callable[..., Any]):
    reader, known, silent = make.auditor(), make.scientist(), make.scientist()
    entry(known)
    for concerned in (known, known, silent):
        entry(reader, "workers.resume", person_id=concerned.pk)
    headers = bearer(reader, "audit")
    client.get(LIST, headers=headers)
    with django_assert_max_num_queries(4):  # the token, the roles, the entries, the addresses
        items = client.get(f"{LIST}?action=workers.resume", headers=headers).json()["items"]
    assert [item["person"] for item in items] == [
        {"id": str(silent.pk), "name": ""},
        *[{"id": str(known.pk), "name": known.email}] * 2,
    ]


@pytest.mark.django_db(transaction=True)
def test_one_entry_has_its_place_in_the_chain(client: Client):
    reader, person = make.auditor(), make.scientist()
    first, second = entry(person), entry(person)
    read = client.get(f"{LIST}{second.key}/", headers=bearer(reader, "audit")).json()
    line = client.get(f"{LIST}?action=workers.", headers=bearer(reader, "audit")).json()["items"][0]
    link: Any = Entry.objects.get(pk=second.pk).link
    assert read == {
        **line,
        "is_intact": True,
        "place": {"position": link.position, "previous": link.previous},
    }
    assert link.previous == Entry.objects.get(pk=first.pk).link.hash  # type: ignore[attr-defined]
    own = client.get(f"{LIST}{second.key}/", headers=bearer(person, "audit")).json()
    assert (own["is_intact"], own["place"]) == (True, None)
    problem(client.get(f"{LIST}{second.key}/", headers=bearer(make.owner(), "audit")), 404, "not_found")
    problem(client.get(f"{LIST}{second.key}/", headers=bearer(reader)), 403, "token_scope")


@pytest.mark.django_db(transaction=True)
def test_an_entry_that_was_changed_is_not_intact(client: Client):
    reader = make.auditor()
    made = entry(reader)
    with pgtrigger.ignore("audit.Entry:entry_is_append_only"):
        Entry.objects.filter(pk=made.pk).update(payload="{}")
    read = client.get(f"{LIST}{made.key}/", headers=bearer(reader, "audit")).json()
    assert read["is_intact"] is False


def test_an_entry_joins_the_chain_at_commit(client: Client):
    reader = make.auditor()
    read = client.get(f"{LIST}{entry(reader).key}/", headers=bearer(reader, "audit")).json()
    assert (read["hash"], read["is_intact"], read["place"]) == ("", None, None)


@pytest.mark.django_db(transaction=True)
def test_an_entry_has_the_hash_of_its_link(client: Client):
    reader = make.auditor()
    made = entry(reader)
    item = client.get(f"{LIST}?action=workers.", headers=bearer(reader, "audit")).json()["items"][0]
    assert item["hash"] == Entry.objects.get(pk=made.pk).link.hash  # type: ignore[attr-defined]


def test_a_token_for_some_datasets_reads_about_them_alone(client: Client):
    owner = make.owner()
    one, two = make.dataset(owner=owner), make.dataset(owner=owner)
    own = entry(owner, on=one, dataset_id=one.pk).key
    entry(owner, on=two, dataset_id=two.pk)
    entry(owner)
    headers = bearer(owner, "audit", dataset_ids=[one.pk])
    assert listed(client, headers) == {own}
    assert {UUID(row["key"]) for row in exported(client, headers)} == {own}


def test_the_filters_are_those_of_the_page(client: Client):
    reader, other = make.auditor(), make.scientist(email="mei@weir.example")
    dataset = make.dataset()
    by_other = entry(other, "workers.pause").key
    about = entry(reader, "workers.resume", person_id=other.pk).key
    on = entry(reader, "workers.resume", on=dataset, dataset_id=dataset.pk).key
    released = entry(reader, "release.release").key
    headers = bearer(reader, "audit")
    today, tomorrow = timezone.now().date(), timezone.now().date() + timedelta(days=1)
    found = {
        query: listed(client, headers, query)
        for query in (
            "person=mei@",
            f"person={other.pk}",
            f"dataset={dataset.pk}&action=workers.",
            f"object={dataset.pk}&action=workers.",
            "text=resume",
            "action=workers.pause",
            "received=true",
            f"since={tomorrow}",
            f"since={today}&until={today}",
        )
    }
    assert list(found.values()) == [
        {by_other},
        {by_other, about},
        {on},
        {on},
        {about, on},
        {by_other},
        {released},
        set(),
        {by_other, about, on, released},
    ]


@pytest.mark.parametrize(
    "query", ["received=1", "since=yesterday", "dataset=x", "object=1", "kind=run", "text=" + "x" * 101]
)
def test_a_filter_that_is_not_right_is_refused(client: Client, query: str):
    headers = bearer(make.auditor(), "audit")
    problem(client.get(f"{LIST}?{query}", headers=headers), 400, "invalid")
    problem(client.post(f"{EXPORT}?{query}", headers=headers), 400, "invalid")
    assert not Entry.objects.filter(action="audit.export").exists()


def test_pages_follow_each_other_though_entries_are_of_one_moment(client: Client):
    reader = make.auditor()
    with transaction.atomic():
        keys = {log.record("workers.pause", by=reader, on=reader).key for _ in range(7)}
    headers = bearer(reader, "audit")
    seen: list[UUID] = []
    path = f"{LIST}?limit=3&action=workers."
    while path:
        page = client.get(path, headers=headers).json()
        seen += [UUID(item["id"]) for item in page["items"]]
        path = page["next"]
    assert len(seen) == 7
    assert set(seen) == keys


def test_an_export_is_recorded_with_its_search(client: Client):
    reader = make.auditor()
    dataset = make.dataset()
    exported(client, bearer(reader, "audit"), f"dataset={dataset.pk}&received=true")
    made = Entry.objects.get(action="audit.export")
    assert (made.actor_id, made.dataset_id) == (str(reader.pk), str(dataset.pk))
    assert made.detail == {"search": {"dataset": str(dataset.pk), "received": "1"}}


def test_a_token_needs_the_scope(client: Client):
    headers = bearer(make.auditor())
    problem(client.get(LIST, headers=headers), 403, "token_scope")
    problem(client.post(EXPORT, headers=headers), 403, "token_scope")
    problem(client.get(EXPORT, headers=bearer(make.auditor(), "audit")), 405, "method_not_allowed")


def test_an_unknown_dataset_has_no_entries(client: Client):
    reader = make.owner()
    entry(reader)
    assert listed(client, bearer(reader, "audit"), f"dataset={uuid4()}") == set()
