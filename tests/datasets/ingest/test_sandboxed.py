"""Owners' files are opened in the sandbox or not at all, and everything that comes out is validated."""

import json
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from django.test import Client
from django.urls import reverse

from common.errors import Conflict
from datasets import columns, execution, storage
from datasets.columns import ColumnPlan
from datasets.ingest import reader, sandboxed, unsandboxed
from datasets.ingest.reader import Cancelled
from datasets.models import Upload
from datasets.reading import subject_order
from datasets.reading.outcome import Unreadable
from datasets.services import inspection, uploads
from portal.checks import uploads_are_confined
from runner.contract import SandboxUnavailable
from runner.host import bwrap_options, interpreter, selftest
from tests import make
from tests.datasets import files
from tests.makers.datasets import wage_rows

GOOD: dict[str, Any] = {
    "rows": 1,
    "columns": [
        {"name": "a", "stored": "int64", "empty": 0, "lowest": 1.0, "highest": 1.0, "distinct": 1, "values": [1],
         "formulas": 0, "first_formula": None, "label": ""}
    ],
    "notes": [],
    "found": {},
}  # fmt: skip


@pytest.fixture
def no_sandbox(monkeypatch):
    """A host that cannot make a sandbox: bubblewrap is not found."""

    def none_found():
        raise SandboxUnavailable("There is no bubblewrap on this host.")

    selftest.probe.cache_clear()
    monkeypatch.setattr(bwrap_options, "find", none_found)
    yield
    selftest.probe.cache_clear()


@pytest.fixture
def taken_over(monkeypatch, tmp_path):
    """Replace our parser by code that a hostile file might have turned it into."""

    def put(code: str) -> None:
        module = tmp_path / "taken_over.py"
        module.write_text(f"import os, json\nfrom pathlib import Path\n{code}\n")
        monkeypatch.setitem(sandboxed.MODULES, "datasets.reading.inside", module)

    return put


def answered(answer) -> str:
    return (
        "Path('/room/table').write_bytes(b'PAR1')\n"
        f"Path('/out/answer').write_text({json.dumps(json.dumps(answer))})"
    )


def column(**changed):
    return {**GOOD, "columns": [{**GOOD["columns"][0], **changed}]}


def test_a_good_answer_is_believed(tmp_path, taken_over):
    (tmp_path / "in").mkdir()
    source = files.write(tmp_path / "in", b"a\n1\n")
    taken_over(answered({"read": GOOD}))
    assert reader.read(source, tmp_path / "in" / "target", options={}).rows == 1


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"read": None},
        {"read": {**GOOD, "rows": 0}},
        {"read": {**GOOD, "rows": 10**12}},
        {"read": {**GOOD, "rows": True}},
        {"read": {**GOOD, "columns": []}},
        {"read": {**GOOD, "columns": GOOD["columns"] * 2}},
        {"read": {**GOOD, "notes": ["x" * 5000]}},
        {"read": column(name="<b>")},
        {"read": column(name="a\0")},
        {"read": column(name=7)},
        {"read": column(stored="object")},
        {"read": column(lowest="1")},
        {"read": column(values=["x"])},
        {"read": column(values=[1] * 501)},
        {"read": column(empty=2)},
        {"unreadable": 7, "remedy": {}, "final": True},
        {"unreadable": "why", "remedy": {"text": "all"}, "final": False},
        {"unreadable": "why", "remedy": {"again": []}, "final": False},
        {"unreadable": "why", "remedy": {}, "final": 1},
        {"read": {**GOOD, "found": None}},
        {"read": {**GOOD, "found": {"kind": "exe"}}},
        {"read": {**GOOD, "found": {"kind": "csv", "columns": [{"source": "a"}]}}},
    ],
    ids=str,
)
def test_an_answer_that_our_parser_would_not_give_is_none(tmp_path, taken_over, answer):
    (tmp_path / "in").mkdir()
    source = files.write(tmp_path / "in", b"a\n1\n")
    taken_over(answered(answer))
    with pytest.raises(Unreadable, match=r"^Reading this file exceeded the limits"):
        reader.read(source, tmp_path / "in" / "target", options={})
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["source.part"]


def test_a_fault_of_the_portals_is_not_told_as_one_of_the_file(tmp_path, taken_over):
    (tmp_path / "in").mkdir()
    source = files.write(tmp_path / "in", b"a\n1\n")
    taken_over("raise KeyError('a column of the file')")
    with pytest.raises(Unreadable) as caught:
        reader.read(source, tmp_path / "in" / "target", options={})
    assert str(caught.value) == reader.OUR_FAULT
    assert "damaged" not in reader.OUR_FAULT


# Where no sandbox can be made


def arrived(owner_of):
    upload = uploads.begin(make.draft(owner_of), by=owner_of.owner, file_name="a.csv", size=len(files.GOOD))
    uploads.receive(upload, by=owner_of.owner, offset=0, chunk=files.GOOD)
    execution.read_upload(upload.pk)
    upload.refresh_from_db()
    return upload


@pytest.mark.django_db
def test_without_a_sandbox_nothing_is_read_and_the_file_waits(no_sandbox):
    dataset = make.dataset(published=False)
    upload = arrived(dataset)
    assert (upload.state, upload.remedy) == (Upload.State.FAILED, {"again": True})
    assert upload.error.startswith("This portal cannot confine the program that reads your files")
    assert storage.received(upload) == len(files.GOOD)
    client = Client()
    client.force_login(dataset.owner)
    page = client.get(reverse("datasets:content", args=[dataset.pk])).content.decode()
    assert "Tell an admin" in page


@pytest.mark.django_db
def test_without_a_sandbox_an_owner_sees_no_rows_and_declarations_are_kept_uncounted(no_sandbox):
    dataset = make.dataset()
    table = make.current(dataset).tables.get()
    with pytest.raises(sandboxed.CannotConfine):
        inspection.rows(table, by=dataset.owner, first=0)
    with pytest.raises(sandboxed.CannotConfine):
        storage.write_columns(table, [ColumnPlan(name="wage")], b"k" * 32)


@pytest.mark.django_db
def test_an_admin_can_say_that_files_are_read_all_the_same(no_sandbox, settings):
    settings.UPLOADS_UNCONFINED = True
    dataset = make.dataset(published=False)
    upload = arrived(dataset)
    assert (upload.state, upload.error) == (Upload.State.DONE, "")
    assert upload.table.rows == 3
    page = inspection.rows(upload.table, by=dataset.owner, first=0)
    assert page.rows[0] == ["1", "1990", "10.5", "north"]
    assert [path.name for path in storage.folder("uploads").iterdir()] == [f"{upload.pk}.part"]


def test_unconfined_reading_can_be_given_up_and_leaves_nothing(no_sandbox, settings, tmp_path):
    settings.UPLOADS_UNCONFINED = True
    lines = b"".join(b"%d,%d,some text to make it longer\n" % (n, n) for n in range(1_000_000))
    source = files.write(tmp_path, b"id,age,note\n" + lines)
    with pytest.raises(Cancelled):
        reader.read(source, tmp_path / "target", options={}, progress=lambda share: False)
    assert [path.name for path in tmp_path.iterdir()] == ["source.part"]


def test_a_sandbox_is_used_where_there_is_one_whatever_the_setting(settings, tmp_path, monkeypatch):
    settings.UPLOADS_UNCONFINED = True
    monkeypatch.setattr(unsandboxed, "parse", lambda *given: pytest.fail("read without a sandbox"))
    assert reader.read(files.write(tmp_path, files.GOOD), tmp_path / "target", options={}).rows == 3


def test_the_check_says_that_files_are_read_unconfined(settings):
    assert uploads_are_confined(None) == []
    settings.UPLOADS_UNCONFINED = True
    assert [found.id for found in uploads_are_confined(None)] == ["weir.W001"]


def test_only_what_parsing_needs_of_the_portal_is_shown_inside():
    shown = {
        path.name
        for path, place in interpreter.own(sandboxed.PACKAGES).mounts
        if place.startswith("/environment")
    }
    assert {name.partition("-")[0] for name in shown} - {"adbc_driver_duckdb", "numpy.libs", "_duckdb"} <= {
        "duckdb", "narwhals", "numpy", "pyarrow", "pyreadstat", "python_calamine", "_duckdb.cpython",
    }  # fmt: skip


# What a sorted table is looked at for

PLANS = (
    ColumnPlan(name="wage", lower=0, upper=50_000),
    ColumnPlan(name="region", labels=("east", "north"), constant=True),
    ColumnPlan(name="year", lower=1990, upper=2000, decimals=0),
)


@pytest.fixture
def sorted_table(tmp_path):
    source, folder = tmp_path / "rows.parquet", tmp_path / "sorted"
    pq.write_table(wage_rows(), source)
    folder.mkdir()
    plans = (*PLANS, ColumnPlan(name="region", text=True))
    subject_order.write(source, "person", plans, b"k" * 32, folder)
    columns.check(folder, plans, most_rows=wage_rows().num_rows)
    return folder, plans


def spoil(path, value, kind, at=0):
    content = bytearray(path.read_bytes())
    value = np.array([value], dtype=kind).tobytes()
    start = len(columns.header(np.dtype(kind), (0,))) + at * len(value)
    content[start : start + len(value)] = value
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "value", "kind", "at"),
    [
        ("offsets.npy", 1, np.int64, 0),
        ("offsets.npy", 2**40, np.int64, 1),
        ("offsets.npy", -5, np.int64, 1),
        ("offsets.npy", 10**9, np.int64, -1),
        ("0.numbers.npy", float("nan"), np.float64, 3),
        ("0.numbers.npy", 1e300, np.float64, 3),
        ("1.numbers.npy", 2, np.int8, 3),
        ("1.numbers.npy", -1, np.int8, 3),
        ("1.valid.npy", 2, np.uint8, 3),
        ("3.numbers.npy", 3, np.int32, 3),
        ("3.numbers.npy", -1, np.int32, 3),
    ],
)
def test_values_that_compiled_code_would_stumble_over_are_found(sorted_table, name, value, kind, at):
    folder, plans = sorted_table
    path = folder / name
    place = at if at >= 0 else columns._count(path, np.dtype(kind)) - 1
    spoil(path, value, kind, place)
    with pytest.raises(ValueError, match=r"."):
        columns.check(folder, plans, most_rows=wage_rows().num_rows)


@pytest.mark.parametrize("name", ["offsets.npy", "digests.npy", "0.numbers.npy", "2.valid.npy"])
@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: content.replace(b"'descr'", b"'DESCR'"),
        lambda content: content[:10] + b"__import__('os').system('true')" + content[41:],
        lambda content: b"",
    ],
    ids=["shorter", "longer", "another header", "code", "empty"],
)
def test_files_of_another_form_are_found_and_not_interpreted(sorted_table, name, change):
    folder, plans = sorted_table
    path = folder / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=r"."):
        columns.check(folder, plans, most_rows=wage_rows().num_rows)


@pytest.mark.django_db
def test_a_sorter_that_was_taken_over_leaves_nothing(taken_over):
    table = make.current(make.dataset()).tables.get()
    taken_over("os.symlink('/etc/passwd', '/room/offsets.npy')\nPath('/out/answer').write_text('{}')")
    with pytest.raises(Conflict, match="could not be sorted by person"):
        storage.write_columns(table, PLANS, b"k" * 32)
    assert list(storage.folder("columns").iterdir()) == []


# What is left of killed ones


def test_rooms_of_killed_parsers_go_when_none_can_be_at_work_any_more(monkeypatch):
    rooms = [storage.folder("uploads") / "a.room", storage.folder("columns") / "b.part"]
    for room in rooms:
        (room / "spill").mkdir(parents=True)
        (room / "spill" / "rows").write_bytes(b"private")
    storage.sweep(uploads=set(), tables=set(), before=0)
    assert [room.exists() for room in rooms] == [True, True]
    monkeypatch.setattr(storage, "ROOM_GRACE", -sandboxed.LIMITS.wall_s - 60)
    storage.sweep(uploads=set(), tables=set(), before=0)
    assert [room.exists() for room in rooms] == [False, False]
