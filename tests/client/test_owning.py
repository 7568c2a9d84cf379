"""An owner's dataset from a file or a data frame to its publication, with the client alone, on the running portal."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import weir
from datasets.models import Table
from tests import make, serving
from tests.client.live import AUTHOR, OWNER, signed_in, token
from weir import uploads
from weir.uploads import Kept, Sent

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
PEOPLE = 300


@pytest.fixture(autouse=True)
def kept_here(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def frame():
    rows = np.arange(PEOPLE * 2)
    wages = pd.DataFrame({"id": rows // 2, "wage": 10 + rows % 40 / 2, "year": 1990 + rows % 2})
    return wages.assign(region=pd.Categorical(np.where(rows % 4 < 2, "east", "west")))


def test_from_a_frame_to_access(live: SimpleNamespace, transactional_db, tmp_path):
    with signed_in(live, (make.owner(), OWNER), (make.scientist(), AUTHOR)) as (owner, scientist):
        panel = owner.datasets.create("panel", frame(), title="Wages of a panel", summary="Made up.")
        table = panel.table("panel")
        assert (table.details["rows"], list(table.columns)) == (PEOPLE * 2, ["id", "wage", "year", "region"])
        table.declare(
            subject="id", rows_per_person=2, description="Wages.", wage={"lower": 0, "upper": 60, "unit": "$"},
            columns={"region": {"type": "category", "categories": ["east", "west"]}},
        )  # fmt: skip
        assert table.unconfirmed == ["year"]
        with pytest.raises(weir.Denied, match=r"panel.year: give a lower"):
            panel.publish()
        take_a_codebook(table, tmp_path / "codebook.csv")
        table.confirm("year")
        assert (table.unconfirmed, panel.draft["gaps"]) == ([], [])
        assert panel.write_terms("Cite us.")["number"] == 1
        assert panel.publish().details["state"] == "published"
        assert panel.change(discoverable=True, policy={"max_runs": 7}).details["policy"]["max_runs"] == 7
        asked = scientist.datasets["panel"]
        assert {"number": 1, "text": "Cite us."}.items() <= (asked.terms or {}).items()
        asked.ask_access("To study wages.", "Means by year.", terms=asked.terms)
        owner.inbox.of("access")[0].access.grant(days=30, note="Welcome.")
        assert [each.state for each in asked.access_requests] == ["granted"]
        (access,) = panel.grants
        assert "wage,,number,$,0,60" in asked.codebook("panel", tmp_path / "public.csv").read_text()
        assert set(asked.mock("panel").column_names) == {"id", "wage", "year", "region"}
        access.revoke("The project has ended.")
        assert access.details["revoke_reason"] == "The project has ended."
        assert panel.new_revision("More years.")["number"] == 2
        assert panel.table("panel").keep().details["revision"]["id"] == panel.draft["id"]


def take_a_codebook(table, path: Path) -> None:
    draft = table.codebook("name,label,min,max,type\nyear,Year,1980,2020,\nwage,,,,date\n")
    assert (list(draft.changes), table.columns["year"]["upper"]) == (["year"], None)
    assert draft.not_taken == ["wage: The type “date” was not taken: the column is stored as numbers."]
    assert "1 column would change" in draft._repr_html_()
    draft.take()
    assert table.columns["year"]["upper"] == 2020
    assert table.codebook(table.download_codebook(path)).changes == {}


def test_what_is_declared_wrongly_says_what_there_is(live: SimpleNamespace, transactional_db):
    with signed_in(live, (make.owner(), OWNER)) as (owner,):
        panel = owner.datasets.create("panel", pa.table({"id": [1, 2], "wage": [1.5, 2.5]}), title="Panel")
        table = panel.table("panel")
        with pytest.raises(weir.NotOffered, match=r"no column “wages”. Did you mean “wage”"):
            table.declare(wages={"lower": 0})
        with pytest.raises(weir.NotOffered, match="Declare a column by a dict"):
            table.declare(wage=5)
        with pytest.raises(weir.InvalidRequest, match="wage"):
            table.declare(wage={"lower": "a lot"})
        with pytest.raises(weir.NotOffered, match=r"no table “pannel”. Did you mean “panel”"):
            panel.table("pannel")
        with pytest.raises(weir.NotOffered, match="dict is not a table"):
            panel.upload({"id": [1]})
        table.remove()
        assert panel.draft["tables"] == []


class Interrupted(Exception):
    """Stands for the end of the process."""


def stop_after(monkeypatch, chunks: int) -> list[int]:
    """Count the chunks that are sent, and end the process after some."""
    sent = []
    send = weir.transport.Transport.send

    def counted(self, method, path, content, headers, *, is_safe):
        if len(sent) == chunks:
            raise Interrupted
        sent.append(len(content))
        return send(self, method, path, content, headers, is_safe=is_safe)

    monkeypatch.setattr(weir.transport.Transport, "send", counted)
    return sent


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(uploads, "CHUNK", 50_000)
    path = tmp_path / "wages.csv"
    path.write_text("id,wage\n" + "".join(f"{n},{n % 60}.5\n" for n in range(30_000)))
    return path


def test_an_upload_continues_after_both_sides_have_restarted(
    live: SimpleNamespace, transactional_db, tmp_path, file, monkeypatch
):
    owner = make.owner()
    dataset = str(make.dataset(owner=owner, published=False, name="wages").pk)
    given, port = token(owner, *OWNER), serving.free_port()
    with (
        monkeypatch.context() as patch,
        serving.web_server(port, tmp_path / "web.log", WEIR_BASE_URL=(url := f"http://127.0.0.1:{port}")),
    ):
        stop_after(patch, 3)
        with weir.login(url, given, quiet=True) as portal, pytest.raises(Interrupted):
            portal.datasets[dataset].upload(file)
        kept = Kept(url, dataset, Sent.of(file).digest).read()
        assert kept.startswith("uploads/")
    with serving.web_server(port, tmp_path / "web2.log", WEIR_BASE_URL=url):
        sent = stop_after(monkeypatch, 1000)
        with weir.login(url, given, quiet=True) as portal:
            table = portal.datasets[dataset].upload(file, "pay")
            assert (table.name, table.details["rows"]) == ("pay", 30_000)
            assert sum(sent) == file.stat().st_size - 150_000
            assert len(portal.datasets[dataset].uploads) == 1
        assert Kept(url, dataset, Sent.of(file).digest).read() is None


def test_dropped_connections_and_lost_answers_are_survived(
    live: SimpleNamespace, transactional_db, file, monkeypatch
):
    """Every third chunk arrives but its answer is lost, and every fourth is dropped on the way, more often than a call
    is repeated."""
    calls = []
    send = weir.transport.Transport.send

    def unreliable(self, *args, **options):
        calls.append(1)
        if len(calls) % 4 == 0:
            raise weir.Unreachable("dropped on the way")
        reply = send(self, *args, **options)
        if len(calls) % 3 == 0:
            raise weir.Unreachable("the answer was lost")
        return reply

    monkeypatch.setattr(weir.transport.Transport, "send", unreliable)
    owner = make.owner()
    dataset = str(make.dataset(owner=owner, published=False).pk)
    with signed_in(live, (owner, OWNER)) as (portal,):
        portal.transport.sleep = lambda _: None
        portal.datasets[dataset].upload(file, "pay")
    assert Table.objects.get(name="pay").rows == 30_000


def test_who_does_not_get_through_at_all_is_told(live: SimpleNamespace, transactional_db, file, monkeypatch):
    def unreachable(*_, **__):
        raise weir.Unreachable("dropped on the way")

    monkeypatch.setattr(weir.transport.Transport, "send", unreachable)
    owner, slept = make.owner(), []
    dataset = str(make.dataset(owner=owner, published=False).pk)
    with signed_in(live, (owner, OWNER)) as (portal,):
        portal.transport.sleep = slept.append
        with pytest.raises(weir.Unreachable):
            portal.datasets[dataset].upload(file)
        assert len(slept) == uploads.MOST_TRIES
        assert max(slept) == uploads.LONGEST_PAUSE


def test_a_file_that_cannot_be_read_says_why(live: SimpleNamespace, transactional_db, tmp_path):
    owner = make.owner()
    dataset = str(make.dataset(owner=owner, published=False).pk)
    (tmp_path / "bad.parquet").write_bytes(b"no parquet at all")
    with signed_in(live, (owner, OWNER)) as (portal,):
        data = portal.datasets[dataset]
        with pytest.raises(weir.Refused):
            data.upload(tmp_path / "bad.parquet")
        (failed,) = data.uploads
        assert failed.state == "failed"
        failed.cancel()
        assert data.uploads == []
        for path in (tmp_path / "x.xlsx", tmp_path / "gone.csv"):
            with pytest.raises(weir.NotOffered):
                data.upload(path)
