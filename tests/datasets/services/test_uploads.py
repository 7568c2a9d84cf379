"""Uploads arrive in chunks, resume where they stopped, and become tables or leave nothing behind."""

import json
from datetime import timedelta
from io import BytesIO
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from audit.models import Entry
from common.errors import Conflict, Refused
from datasets import execution, services, storage
from datasets.models import Table, Upload
from datasets.services import inspection, uploads
from tests import make
from tests.datasets import files

pytestmark = pytest.mark.django_db
JSON = {"HTTP_ACCEPT": "application/json"}
CHUNK = "application/offset+octet-stream"


@pytest.fixture
def dataset():
    return make.dataset(published=False)


@pytest.fixture
def owner(client, dataset):
    client.force_login(dataset.owner)
    return client


def begin(client, dataset, size, name="people.csv"):
    url = reverse("datasets:begin_upload", args=[dataset.pk])
    body = json.dumps({"name": name, "size": size})
    return client.post(url, body, content_type="application/json", **JSON)


def patch(client, url, offset, chunk, **headers):
    headers = {"HTTP_UPLOAD_OFFSET": str(offset), **JSON, **headers}
    return client.patch(url, chunk, content_type=CHUNK, **headers)


def arrive(dataset, content, name="people.csv") -> Upload:
    """An upload that is complete and waiting to be read."""
    item = uploads.begin(make.draft(dataset), by=dataset.owner, file_name=name, size=len(content))
    return uploads.receive(item, by=dataset.owner, offset=0, chunk=content)


def left() -> list[str]:
    """The names of the files in the folder of uploads."""
    return sorted(path.name for path in storage.folder("uploads").iterdir())


def sealed() -> set[str]:
    return {path.name for path in storage.folder("tables").iterdir()}


def test_a_file_arrives_in_chunks_and_becomes_a_table(owner, dataset):
    answer = begin(owner, dataset, len(files.GOOD))
    assert answer.status_code == 201
    url = answer.json()["url"]
    assert patch(owner, url, 0, files.GOOD[:20])["Upload-Offset"] == "20"
    assert patch(owner, url, 20, files.GOOD[20:])["Upload-Offset"] == str(len(files.GOOD))
    item = Upload.objects.get(pk=answer.json()["id"])
    assert item.state == Upload.State.READING
    execution.read_upload(item.pk)
    item.refresh_from_db()
    assert item.state == Upload.State.DONE
    assert (item.table.name, item.table.rows) == ("people", 3)
    assert [(each.name, each.type) for each in item.table.columns.all()] == [
        ("person", "integer"),
        ("year", "integer"),
        ("wage", "number"),
        ("region", "category"),
    ]
    assert left() == [f"{item.pk}.part"]


def test_an_interrupted_upload_says_where_to_go_on(owner, dataset):
    url = begin(owner, dataset, len(files.GOOD)).json()["url"]
    patch(owner, url, 0, files.GOOD[:20])
    answer = owner.head(url)
    assert (answer.status_code, answer["Upload-Offset"], answer["Upload-Length"]) == (
        204,
        "20",
        str(len(files.GOOD)),
    )


@pytest.mark.parametrize("offset", [0, 10, 21, 10**17])
def test_a_chunk_elsewhere_than_at_the_end_is_a_conflict_and_changes_nothing(owner, dataset, offset):
    url = begin(owner, dataset, len(files.GOOD)).json()["url"]
    patch(owner, url, 0, files.GOOD[:20])
    assert patch(owner, url, offset, b"x").status_code == 409
    assert owner.head(url)["Upload-Offset"] == "20"


def test_the_length_of_the_file_counts_when_the_row_is_behind(owner, dataset):
    answer = begin(owner, dataset, len(files.GOOD)).json()
    patch(owner, answer["url"], 0, files.GOOD[:20])
    Upload.objects.filter(pk=answer["id"]).update(offset=0)
    assert owner.head(answer["url"])["Upload-Offset"] == "20"
    assert patch(owner, answer["url"], 20, files.GOOD[20:]).status_code == 204


def test_more_bytes_than_announced_are_refused(owner, dataset):
    url = begin(owner, dataset, 10).json()["url"]
    answer = patch(owner, url, 0, b"x" * 11)
    assert (answer.status_code, answer.json()["detail"]) == (
        400,
        "The upload was begun for 10 bytes, and this chunk exceeds them. Begin again.",
    )
    assert owner.head(url)["Upload-Offset"] == "0"


def test_a_chunk_has_a_limit(owner, dataset):
    url = begin(owner, dataset, 10 * settings.UPLOAD_CHUNK).json()["url"]
    assert patch(owner, url, 0, b"x" * (settings.UPLOAD_CHUNK + 1)).status_code == 400
    assert patch(owner, url, 0, b"x" * settings.UPLOAD_CHUNK).status_code == 204


@pytest.mark.parametrize(
    ("size", "status", "told"),
    [
        (0, 400, "This file is empty. Choose another one."),
        (-1, 400, "This file is empty. Choose another one."),
        (2**33, 413, "This file is 8,192 MB. The portal takes files of up to 2,048 MB."),
        ("12", 400, "Send the name (text) and the size (a whole number of bytes) of the file."),
        (True, 400, "Send the name (text) and the size (a whole number of bytes) of the file."),
        (1.5, 400, "Send the name (text) and the size (a whole number of bytes) of the file."),
    ],
)
def test_sizes_that_cannot_be_are_refused(owner, dataset, size, status, told):
    answer = begin(owner, dataset, size)
    assert (answer.status_code, answer.json()["detail"]) == (status, told)
    assert not Upload.objects.exists()


@pytest.mark.parametrize("headers", [{}, {"HTTP_UPLOAD_OFFSET": "x"}, {"HTTP_UPLOAD_OFFSET": "-1"}])
def test_a_chunk_without_an_offset_is_refused(owner, dataset, headers):
    url = begin(owner, dataset, 10).json()["url"]
    assert owner.patch(url, b"x", content_type=CHUNK, **JSON, **headers).status_code == 400


def test_a_full_disk_is_said_and_nothing_is_lost(owner, dataset, settings):
    url = begin(owner, dataset, len(files.GOOD)).json()["url"]
    patch(owner, url, 0, files.GOOD[:20])
    settings.DISK_RESERVE = 2**60
    answer = patch(owner, url, 20, files.GOOD[20:])
    assert answer.json()["detail"] == storage.DISK_FULL
    settings.DISK_RESERVE = 0
    assert patch(owner, url, 20, files.GOOD[20:]).status_code == 204


def test_the_number_of_uploads_at_once_has_a_limit(dataset):
    for _ in range(uploads.AT_ONCE):
        uploads.begin(make.draft(dataset), by=dataset.owner, file_name="a.csv", size=1)
    with pytest.raises(Refused, match="20 files are being uploaded already"):
        uploads.begin(make.draft(dataset), by=dataset.owner, file_name="a.csv", size=1)


@pytest.mark.parametrize("method", ["get", "head", "patch", "delete"])
def test_an_upload_does_not_exist_for_others(client, dataset, method):
    item = uploads.begin(make.draft(dataset), by=dataset.owner, file_name="a.csv", size=10)
    reviewer = make.reviewer(dataset).user
    for other in (make.owner(), make.scientist(), make.admin(), make.auditor(), reviewer):
        client.force_login(other)
        assert getattr(client, method)(reverse("datasets:upload", args=[item.pk])).status_code == 404
    assert Upload.objects.filter(pk=item.pk).exists()


@pytest.mark.parametrize("name", ["begin_upload", "plain_upload"])
def test_nobody_else_begins_an_upload(client, dataset, name):
    for other in (make.owner(), make.scientist(), make.admin()):
        client.force_login(other)
        assert client.post(reverse(f"datasets:{name}", args=[dataset.pk])).status_code == 404


def test_after_a_transfer_the_former_owner_has_no_uploads(client, dataset):
    item = uploads.begin(make.draft(dataset), by=dataset.owner, file_name="a.csv", size=10)
    former = dataset.owner
    services.transfer(dataset, by=former, to=make.owner(), reason="I leave.")
    client.force_login(former)
    assert client.head(reverse("datasets:upload", args=[item.pk])).status_code == 404


def test_a_small_file_arrives_in_one_piece_without_a_script(owner, dataset):
    file = SimpleUploadedFile("../../etc/My People.CSV", files.GOOD)
    answer = owner.post(reverse("datasets:plain_upload", args=[dataset.pk]), {"file": file})
    assert answer.status_code == 302
    item = Upload.objects.get()
    assert (item.file_name, item.state) == ("My People.CSV", Upload.State.READING)
    execution.read_upload(item.pk)
    assert Table.objects.filter(revision=make.draft(dataset), name="my_people").exists()


def test_cancelling_removes_the_bytes(owner, dataset, django_capture_on_commit_callbacks):
    url = begin(owner, dataset, len(files.GOOD)).json()["url"]
    patch(owner, url, 0, files.GOOD[:20])
    with django_capture_on_commit_callbacks(execute=True):
        assert owner.delete(url).status_code == 204
    assert left() == []
    assert owner.head(url).status_code == 404


BROKEN = {
    "ragged": b"id,age\n1,2,3\n",
    "mixed": b"id,age\n1,2\n2,x\n3,4\n",
    "header only": b"id,age\n",
    "a web page": b"<html>",
    "no csv": b"PK\x03\x04 and so on",
    "damaged parquet": b"PAR1 and so on PAR1",
}


@pytest.mark.parametrize("name", BROKEN)
def test_nothing_half_made_remains_of_a_broken_file(dataset, name):
    """A file that can be read with another option stays, whole, until its owner decides; nothing else does."""
    before = sealed(), set(Table.objects.values_list("pk", flat=True))
    item = arrive(dataset, BROKEN[name])
    execution.read_upload(item.pk)
    item.refresh_from_db()
    assert item.state == Upload.State.FAILED
    assert item.error
    assert left() == ([f"{item.pk}.part"] if item.remedy else [])
    assert (sealed(), set(Table.objects.values_list("pk", flat=True))) == before


def test_mixed_types_are_read_as_text_when_the_owner_says_so(owner, dataset):
    item = arrive(dataset, BROKEN["mixed"])
    execution.read_upload(item.pk)
    item.refresh_from_db()
    assert item.remedy == {"text": ["age"]}
    owner.post(reverse("datasets:retry_upload", args=[item.pk]))
    execution.read_upload(item.pk)
    item.refresh_from_db()
    assert item.state == Upload.State.DONE
    assert item.table.columns.get(name="age").stored == "string"
    assert left() == [f"{item.pk}.part"]


def test_what_is_in_a_broken_file_reaches_nobody_but_its_owner(client, dataset):
    item = arrive(dataset, b"id,secret_column\n1,2\n2,secret_value\n3,4\n")
    execution.read_upload(item.pk)
    item.refresh_from_db()
    assert "secret_column" in item.error
    logged = json.dumps(list(Entry.objects.values_list("detail", "changes", "object_label")))
    assert "secret_column" not in logged
    assert "people.csv" not in logged


def test_reading_twice_makes_one_table(dataset):
    item = arrive(dataset, files.GOOD)
    execution.read_upload(item.pk)
    execution.read_upload(item.pk)
    assert Table.objects.filter(revision=make.draft(dataset), source_name="people.csv").count() == 1


def test_an_upload_that_somebody_else_is_reading_is_left_alone(dataset):
    item = arrive(dataset, files.GOOD)
    Upload.objects.filter(pk=item.pk).update(lease=uuid4())
    execution.read_upload(item.pk)
    assert not Table.objects.filter(source_name="people.csv").exists()


def test_a_cancelled_upload_makes_no_table_even_when_it_is_being_read(dataset, monkeypatch):
    item = arrive(dataset, files.GOOD)
    before = sealed()
    beat = execution._heartbeat

    def gone_meanwhile(pk, lease, share):
        Upload.objects.filter(pk=pk).delete()
        return beat(pk, lease, share)

    monkeypatch.setattr(execution, "_heartbeat", gone_meanwhile)
    execution.read_upload(item.pk)
    assert not Table.objects.filter(source_name="people.csv").exists()
    assert (left(), sealed()) == ([], before)


def long_ago(item, **age):
    Upload.objects.filter(pk=item.pk).update(changed_at=timezone.now() - timedelta(**age))


def test_a_lost_worker_is_followed_by_one_more_try_and_then_by_a_word(dataset):
    item = arrive(dataset, files.GOOD)
    Upload.objects.filter(pk=item.pk).update(lease=uuid4())
    long_ago(item, seconds=61)
    assert execution.sweep() == [item.pk]
    Upload.objects.filter(pk=item.pk).update(lease=uuid4())
    long_ago(item, seconds=61)
    assert execution.sweep() == []
    item.refresh_from_db()
    assert item.state == Upload.State.FAILED
    assert item.error == "The portal was interrupted while reading this file. Try again."
    uploads.retry(item, by=dataset.owner)
    execution.read_upload(item.pk)
    item.refresh_from_db()
    assert item.state == Upload.State.DONE


def test_what_was_left_behind_is_cleared_away(dataset):
    begun = uploads.begin(make.draft(dataset), by=dataset.owner, file_name="a.csv", size=100)
    uploads.receive(begun, by=dataset.owner, offset=0, chunk=b"x")
    long_ago(begun, days=3)
    failed = arrive(dataset, BROKEN["mixed"])
    execution.read_upload(failed.pk)
    long_ago(failed, days=2)
    execution.sweep()
    assert left() == []
    failed.refresh_from_db()
    assert failed.remedy == {}


def test_tables_of_one_name_do_not_collide(dataset):
    for _ in range(2):
        execution.read_upload(arrive(dataset, files.GOOD, name="wages.csv").pk)
    assert sorted(make.draft(dataset).tables.values_list("name", flat=True)) == [
        "wages",
        "wages_2",
        "wages_3",
    ]


def test_a_removed_table_takes_its_file_along(dataset, django_capture_on_commit_callbacks):
    table = make.draft(dataset).tables.get()
    with django_capture_on_commit_callbacks(execute=True):
        uploads.remove_table(table, by=dataset.owner)
    assert table.stored_name not in sealed()


def test_declarations_are_carried_over_to_the_next_revision():
    dataset = make.dataset()
    services.new_revision(dataset, by=dataset.owner, note="More people.")
    execution.read_upload(
        arrive(dataset, b"person,year,region,wage\n9,1991,east,10.5\n", name="wages.csv").pk
    )
    table = make.draft(dataset).tables.get()
    assert table.declared == make.current(dataset).tables_declared[0]
    services.publish(dataset, by=dataset.owner)
    assert make.current(dataset).number == 2


def test_dates_beyond_every_calendar_can_be_looked_at(client):
    dataset = services.create(by=make.owner(), name="odd", title="Odd")
    odd = pa.table(
        {
            "day": pa.array([-(2**31) + 5, 0, 2**31 - 5], pa.int32()).cast(pa.date32()),
            "at": pa.array([-(2**62), 0, 2**62], pa.timestamp("us")),
            "x": pa.array([float("nan"), float("inf"), 1.0]),
            "text": pa.array(["a\0b", "\U0010ffff", ""]),
        }
    )
    content = BytesIO()
    pq.write_table(odd, content)
    execution.read_upload(arrive(dataset, content.getvalue(), name="odd.parquet").pk)
    table = make.draft(dataset).tables.get()
    client.force_login(dataset.owner)
    for name in ("declare", "rows"):
        assert client.get(reverse(f"datasets:{name}", args=[table.pk])).status_code == 200
    inspection.check_fit(table, by=dataset.owner)


def test_nothing_is_added_to_a_published_revision():
    dataset = make.dataset()
    with pytest.raises(Conflict, match="Only a draft revision can be changed"):
        uploads.begin(make.current(dataset), by=dataset.owner, file_name="a.csv", size=1)
    with pytest.raises(Conflict, match="Only a draft revision can be changed"):
        uploads.remove_table(make.current(dataset).tables.get(), by=dataset.owner)
