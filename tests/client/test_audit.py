"""The audit log by the client: on the running portal, and page by page."""

import csv
import io
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from django.db import transaction
from django.utils import timezone

import weir
from audit import log
from audit.models import Entry
from audit.verification import verify
from tests import make
from tests.client.live import signed_in, token
from tests.client.portal_double import Double, Reply, double
from weir import audit as client_audit
from weir.command.shell import main
from weir.errors import NotFound, NotOffered
from weir.portal import Portal

READER = ("read", "audit")
ID = "11111111-1111-4111-8111-{:012d}"
LINE = {
    "at": "2026-11-29T12:00:00.123456Z",
    "action": "release.release",
    "actor": {"id": "o", "name": "olga@weir.example"},
    "object": {"id": "r", "type": "release", "name": "Wages <b>by</b> region"},
    "dataset": {"id": "d"},
    "person": {"id": "m", "name": "mei@weir.example"},
    "changes": {"state": ["held", "released"]},
    "detail": {"reason": "Checked."},
    "hash": "a" * 64,
    "words": "Released outputs",
    "receiver": "mei@weir.example",
}


@pytest.fixture
def cast(live: SimpleNamespace, transactional_db: None) -> SimpleNamespace:
    """A dataset from which somebody has received a release, and other entries."""
    owner, scientist, auditor = make.owner(), make.scientist(), make.auditor()
    dataset = make.dataset(owner=owner, name="wages")
    for action, person in (("release.release", scientist), ("workers.pause", owner)):
        with transaction.atomic():
            log.record(
                action,
                by=owner,
                on=dataset,
                dataset_id=dataset.pk,
                person_id=person.pk,
                changes={"n": (1, 2)},
            )
    with transaction.atomic():
        log.record("workers.resume", by=scientist, on=scientist)
    return SimpleNamespace(dataset=dataset, owner=owner, scientist=scientist, auditor=auditor, live=live)


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


@pytest.mark.slow
def test_an_auditor_finds_out_who_received_what(cast: SimpleNamespace, tmp_path: Path):
    today = timezone.now().date()
    with signed_in(cast.live, (cast.auditor, READER)) as (portal,):
        received = portal.audit.where(dataset="wages", received=True, since=today, until=today)
        (entry,) = received
        assert (entry.actor, entry.receiver, entry.changes) == (
            cast.owner.email,
            cast.scientist.email,
            {"n": (1, 2)},
        )
        assert list(received.where(until=today - timedelta(days=1))) == []
        assert [each.id for each in portal.audit.where(object=portal.datasets["wages"], action="rel")] == [
            entry.id
        ]
        assert {each.action for each in portal.audit.where(person=cast.scientist.email, text="resume")} == {
            "workers.resume"
        }
        saved = rows_of(received.save(tmp_path / "received.csv"))
        columns = received.to_arrow().to_pydict()
        assert [line["key"] for line in saved] == columns["key"] == [entry.id]
        assert list(saved[0]) == list(columns)
        assert {name: line for name, line in saved[0].items() if name != "at"} == {
            name: values[0] for name, values in columns.items() if name != "at"
        }
        assert columns["at"] == [entry.at]
        (export,) = portal.audit.where(action="audit.export")
        assert export.detail["search"]["received"] == "1"


@pytest.mark.slow
def test_an_auditor_notes_the_head_that_the_command_takes(cast: SimpleNamespace):
    with signed_in(cast.live, (cast.auditor, READER), (cast.scientist, READER)) as (
        auditor,
        scientist,
    ):
        newest = next(iter(auditor.audit))
        position, _, head = newest.head.partition(":")
        assert newest.is_intact is True
        assert auditor.audit[newest.id].head == newest.head
        own = next(iter(scientist.audit.where(action="workers.resume")))
        assert own.is_intact is True
        with pytest.raises(NotOffered, match="Only auditors and admins"):
            own.head  # noqa: B018 -- reading it is refused
    assert verify(position=int(position), head=head).fault == ""
    assert "does not contain" in verify(position=int(position) + 1, head=head).fault


@pytest.mark.slow
def test_an_auditor_reads_who_has_which_role(cast: SimpleNamespace):
    with signed_in(cast.live, (cast.auditor, READER), (cast.owner, READER)) as (auditor, owner):
        (found,) = auditor.people.where(role="auditor")
        assert (found.id, found.name, found.email, found.roles, found.state) == (
            str(cast.auditor.pk), cast.auditor.name, cast.auditor.email, ["auditor"], "active",
        )  # fmt: skip
        assert auditor.people[found.id].refresh().details == found.details
        assert all(word in found._repr_html_() for word in (found.name, found.email, "auditor"))
        with pytest.raises(NotFound):
            list(owner.people)


@pytest.mark.slow
def test_the_command_lists_and_exports(cast: SimpleNamespace, tmp_path: Path, monkeypatch: Any, capsys: Any):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("WEIR_PORTAL", cast.live.url)
    monkeypatch.setenv("WEIR_TOKEN", token(cast.auditor, *READER))
    assert main(["audit", "wages", "--received"]) == 0
    heads, line = capsys.readouterr().out.splitlines()
    assert heads.split() == ["at", "actor", "what", "object", "receiver"]
    assert line.split()[1:4] == [cast.owner.email, "Released", "outputs"]
    assert line.endswith(cast.scientist.email)
    assert main(["audit", "--since", "2999-01-01"]) == 0
    assert capsys.readouterr().out == "No entry matches.\n"
    path = tmp_path / "log.csv"
    assert main(["audit", "-o", str(path)]) == 0
    assert len(rows_of(path)) == Entry.objects.count()
    assert main(["audit", "--since", "yesterday"]) == 1


@pytest.fixture
def server() -> Iterator[Double]:
    with double() as found:
        yield found


@pytest.fixture
def portal(server: Double) -> Iterator[Portal]:
    server.say(Reply(body={"client": {}}), Reply(body={"id": "p", "name": "Ada"}), Reply(body={}))
    with weir.login(server.address, "weir_" + "a" * 49, quiet=True) as found:
        yield found


def pages(server: Double, *sizes: int) -> None:
    """The server has pages of these sizes."""
    numbers = iter(range(sum(sizes)))
    made = [[{"id": ID.format(next(numbers)), **LINE} for _ in range(size)] for size in sizes]
    following = [*(f"/api/v1/audit/?cursor={number}" for number in range(1, len(sizes))), None]
    server.say(
        *(Reply(body={"items": items, "next": path}) for items, path in zip(made, following, strict=True))
    )


def test_pages_are_read_as_they_are_needed(server: Double, portal: Portal):
    pages(server, 2, 2)
    chosen = portal.audit.where(received=True, since=date(2026, 11, 1), action="release.")
    assert server.asked == []
    assert [each.id for each in islice(chosen, 2)] == [ID.format(0), ID.format(1)]
    assert [each.path for each in server.asked] == [
        "/api/v1/audit/?action=release.&since=2026-11-01&received=true"
    ]
    pages(server, 2, 2, 1)
    assert len(list(chosen)) == len(server.asked) + 2 == 5


def test_filters_narrow_and_names_are_looked_up_once(server: Double, portal: Portal):
    server.say(Reply(body={"items": [{"id": ID.format(7), "name": "wages"}], "next": None}))
    found = portal.audit.where(dataset=ID.format(1)).where(person="mei@", object=ID.format(2))
    assert found.filters == {"dataset": ID.format(1), "person": "mei@", "object": ID.format(2)}
    assert server.asked == []
    assert repr(found.where(text="x")).startswith(f"AuditLog where dataset='{ID.format(1)}', person='mei@'")
    with pytest.raises(NotFound, match="not an id"):
        portal.audit.where(object="wages")


def test_an_entry_is_shown_without_a_call(server: Double, portal: Portal):
    pages(server, 1)
    (entry,) = portal.audit
    server.asked.clear()
    card = entry._repr_html_()
    assert "&lt;b&gt;by" in card
    assert all(
        word in card for word in ("held", "released", "Checked.", "2026-11-29 12:00 UTC", "mei@weir.example")
    )
    assert repr(entry) == (
        "Entry: 2026-11-29 12:00 UTC, olga@weir.example, release.release, Wages <b>by</b> region, "
        "for mei@weir.example"
    )
    assert repr(portal.audit) == "AuditLog: iterate over it, or .to_pandas(), .save(…)"
    assert server.asked == []


def test_a_table_is_as_large_as_memory_allows(
    server: Double, portal: Portal, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(client_audit, "MOST_ROWS", 3)
    pages(server, 2, 1)
    frame = portal.audit.to_pandas()
    assert (len(frame), str(frame["at"].dtype), frame["at"][0]) == (
        3,
        "datetime64[us, UTC]",
        pd.Timestamp("2026-11-29T12:00:00.123456Z"),
    )
    assert server.asked[0].path == "/api/v1/audit/?limit=200"
    pages(server, 2, 2)
    with pytest.raises(NotOffered, match="more than 3 entries"):
        portal.audit.to_arrow()
    pages(server, 0)
    assert str(portal.audit.to_arrow().schema.field("at").type) == "timestamp[us, tz=UTC]"


def test_an_export_is_asked_for_once(server: Double, portal: Portal, tmp_path: Path):
    server.say(Reply(drop=True))
    with pytest.raises(weir.Unreachable):
        portal.audit.save(tmp_path / "log.csv")
    assert [each.method for each in server.asked] == ["POST"]
    assert list(tmp_path.iterdir()) == []
