"""Uploads by tus 1.0: begin, send, resume, cancel; sums, offsets, two writers; and their state as JSON."""

import gc
import hashlib
from base64 import b64encode

import pytest
from django.conf import settings
from django.db import transaction

from common.errors import Conflict
from datasets import execution, storage
from datasets.models import Dataset, Upload
from datasets.services import uploads
from tests import make
from tests.datasets import files
from tests.datasets.api.calls import ROOT, Caller
from tests.memory import holders
from tests.racing import at_once
from tests.rest import problem

pytestmark = pytest.mark.django_db
TUS = {"Tus_Resumable": "1.0.0"}
SIZE = len(files.GOOD)


@pytest.fixture
def dataset() -> Dataset:
    return make.dataset(published=False)


@pytest.fixture
def owner(dataset: Dataset) -> Caller:
    return Caller(dataset.owner, "read", "publish")


def metadata(**fields: str) -> str:
    return ",".join(f"{name} {b64encode(value.encode()).decode()}" for name, value in fields.items())


def begin(caller: Caller, dataset: Dataset, size: object = SIZE, **headers: str):
    headers = {
        "Upload_Length": str(size),
        "Upload_Metadata": metadata(filename="people.csv"),
        **TUS,
        **headers,
    }
    return caller.post(f"datasets/{dataset.pk}/uploads/", **headers)


def send(
    caller: Caller, path: str, offset: object, chunk: bytes, *, kind="application/offset+octet-stream", **more
):
    headers = {"Upload-Offset": str(offset), "Tus-Resumable": "1.0.0", **caller.headers, **more}
    return caller.client.patch(path, chunk, content_type=kind, headers=headers)


def checksum(chunk: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm} {b64encode(hashlib.new(algorithm, chunk).digest()).decode()}"


def head(caller: Caller, path: str):
    return caller.client.head(path, headers={**caller.headers, "Tus-Resumable": "1.0.0"})


def test_a_file_arrives_in_chunks_and_becomes_a_table(owner: Caller, dataset: Dataset):
    begun = begin(
        owner,
        dataset,
        Upload_Metadata=metadata(name="people.csv", sha256=hashlib.sha256(files.GOOD).hexdigest()),
    )
    assert (begun.status_code, begun["Tus-Resumable"]) == (201, "1.0.0")
    path = begun["Location"]
    assert path == f"/api/v1/uploads/{begun.json()['id']}/"
    first = send(owner, path, 0, files.GOOD[:20], **{"Upload-Checksum": checksum(files.GOOD[:20])})
    assert (first.status_code, first["Upload-Offset"], first.content) == (204, "20", b"")
    where = head(owner, path)
    assert (where.status_code, where["Upload-Offset"], where["Upload-Length"], where["Cache-Control"]) == (
        200, "20", str(SIZE), "no-store, private",
    )  # fmt: skip
    assert "filename cGVvcGxlLmNzdg==" in where["Upload-Metadata"]
    assert send(owner, path, 20, files.GOOD[20:])["Upload-Offset"] == str(SIZE)
    assert owner.get(path.removeprefix(ROOT)).json()["state"] == "reading"
    execution.read_upload(Upload.objects.get().pk)
    done = owner.get(path.removeprefix(ROOT)).json()
    assert (done["state"], done["offset"], done["error"]) == ("done", SIZE, "")
    assert owner.get(f"tables/{done['table']['id']}/").json()["rows"] == 3
    assert Upload.objects.get().options == {}
    problem(owner.delete(path.removeprefix(ROOT)), 409, "conflict")


def test_chunks_do_not_wait_for_the_garbage_collector(owner: Caller, dataset: Dataset):
    """Requests do: an upload of many chunks would keep the last ones in the memory of the web server."""
    size = 123_457
    path = begin(owner, dataset, 2 * size)["Location"]
    gc.collect()
    gc.disable()
    try:
        assert send(owner, path, 0, b"x" * size).status_code == 204
        assert holders(size) == []
    finally:
        gc.enable()


def test_a_key_begins_one_upload(owner: Caller, dataset: Dataset):
    key = {"Idempotency_Key": "5f0c3a5e-66e8-4cfb-9d5c-6f1b6d2a8f10"}
    first, again = begin(owner, dataset, **key), begin(owner, dataset, **key)
    assert (again["Location"], again["Idempotent-Replayed"]) == (first["Location"], "true")
    problem(begin(owner, dataset, SIZE + 1, **key), 409, "key_reused")
    assert Upload.objects.count() == 1


@pytest.mark.parametrize("offset", [0, 19, 21, 10**17])
def test_a_chunk_elsewhere_says_where_to_resume(owner: Caller, dataset: Dataset, offset: int):
    path = begin(owner, dataset)["Location"]
    send(owner, path, 0, files.GOOD[:20])
    answer = send(owner, path, offset, b"x")
    assert problem(answer, 409, "offset")["offset"] == 20
    assert (answer["Upload-Offset"], head(owner, path)["Upload-Offset"]) == ("20", "20")


def test_a_chunk_with_a_wrong_sum_is_not_stored(owner: Caller, dataset: Dataset):
    path = begin(owner, dataset)["Location"]
    for algorithm in ("sha1", "sha256"):
        answer = send(owner, path, 0, files.GOOD[:20], **{"Upload-Checksum": checksum(b"other", algorithm)})
        problem(answer, 460, "checksum")
        assert head(owner, path)["Upload-Offset"] == "0"
    assert (
        send(
            owner, path, 0, files.GOOD[:20], **{"Upload-Checksum": checksum(files.GOOD[:20], "sha1")}
        ).status_code
        == 204
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"Upload-Checksum": "md5 1B2M2Y8AsgTpgAmY7PhCfg=="},
        {"Upload-Checksum": "sha256 ***"},
        {"Upload-Checksum": "sha256 é"},
        {"Upload-Checksum": "sha256"},
        {"Upload-Offset": ""},
        {"Upload-Offset": "-1"},
        {"Upload-Offset": "1.0"},
        {"Upload-Offset": "٣"},
        {"Upload-Offset": "9" * 19},
    ],
)
def test_chunks_with_other_headers_are_refused(owner: Caller, dataset: Dataset, headers: dict[str, str]):
    path = begin(owner, dataset)["Location"]
    answer = send(owner, path, 0, b"x", **headers)
    assert answer.status_code in {400, 460}
    assert head(owner, path)["Upload-Offset"] == "0"


def test_a_chunk_has_a_limit_and_a_type(owner: Caller, dataset: Dataset):
    path = begin(owner, dataset, 10 * settings.UPLOAD_CHUNK)["Location"]
    problem(send(owner, path, 0, b"x" * (settings.UPLOAD_CHUNK + 1)), 413, "too_large")
    problem(send(owner, path, 0, b"x", kind="application/octet-stream"), 415, "unsupported_media_type")
    problem(send(owner, path, 0, b"{}", kind="application/json"), 415, "unsupported_media_type")
    assert send(owner, path, 0, b"x" * settings.UPLOAD_CHUNK).status_code == 204
    assert send(owner, path, settings.UPLOAD_CHUNK, b"")["Upload-Offset"] == str(settings.UPLOAD_CHUNK)


def test_more_bytes_than_announced_are_refused(owner: Caller, dataset: Dataset):
    path = begin(owner, dataset, 10)["Location"]
    problem(send(owner, path, 0, b"x" * 11), 400, "refused")


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Upload_Length": ""}, 400, "invalid"),
        ({"Upload_Length": "many"}, 400, "invalid"),
        ({"Upload_Length": "0"}, 400, "refused"),
        ({"Upload_Length": str(2**33)}, 413, "too_large"),
        ({"Upload_Metadata": "filename ***"}, 400, "invalid"),
        ({"Upload_Metadata": "filename a b"}, 400, "invalid"),
        ({"Upload_Metadata": "filename YQ==,filename Yg=="}, 400, "invalid"),
        ({"Upload_Metadata": f"filename {b64encode(bytes([255])).decode()}"}, 400, "invalid"),
        ({"Upload_Metadata": metadata(filename="a\nb")}, 400, "invalid"),
        ({"Upload_Metadata": metadata(filename="a" * 4000)}, 400, "invalid"),
        ({"Upload_Metadata": metadata(sha256="abc")}, 400, "invalid"),
        ({"Tus_Resumable": "0.2.2"}, 412, "tus_version"),
        ({"Tus_Resumable": ""}, 412, "tus_version"),
    ],
)
def test_uploads_that_cannot_begin(owner: Caller, dataset: Dataset, headers, status: int, code: str):
    answer = begin(owner, dataset, **headers)
    problem(answer, status, code)
    assert (answer["Tus-Version"], Upload.objects.count()) == ("1.0.0", 0)


def test_metadata_that_the_portal_does_not_use_is_ignored(owner: Caller, dataset: Dataset):
    begun = begin(
        owner, dataset, Upload_Metadata=metadata(filetype="text/csv", filename="../x/b.csv") + ", is_new"
    )
    assert begun.json()["file_name"] == "b.csv"
    assert begin(owner, dataset, Upload_Metadata="").json()["file_name"] == "table"


def test_without_a_draft_there_is_no_upload():
    dataset = make.dataset()
    problem(begin(Caller(dataset.owner, "publish"), dataset), 409, "conflict")


def test_options_say_what_the_portal_speaks(client, owner: Caller, dataset: Dataset):
    for path in (f"{ROOT}datasets/{dataset.pk}/uploads/", begin(owner, dataset)["Location"]):
        answer = client.options(path)
        assert (answer.status_code, answer.content) == (204, b"")
        assert (answer["Tus-Version"], answer["Tus-Extension"], answer["Tus-Checksum-Algorithm"]) == (
            "1.0.0", "creation,checksum,termination", "sha1,sha256",
        )  # fmt: skip
        assert answer["Tus-Max-Size"] == str(settings.UPLOAD_LIMIT)
        assert "OPTIONS" in answer["Allow"]


def test_a_post_can_stand_for_other_methods(owner: Caller, dataset: Dataset):
    path = begin(owner, dataset)["Location"]
    headers = {
        **owner.headers,
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": "0",
        "X-HTTP-Method-Override": "PATCH",
    }
    kind = "application/offset+octet-stream"
    answer = owner.client.post(path, files.GOOD[:20], content_type=kind, headers=headers)
    assert (answer.status_code, answer["Upload-Offset"]) == (204, "20")
    headers["X-HTTP-Method-Override"] = "GET"
    problem(owner.client.post(path, b"", content_type=kind, headers=headers), 405, "method_not_allowed")
    headers["X-HTTP-Method-Override"] = "DELETE"
    assert owner.client.post(path, b"", content_type=kind, headers=headers).status_code == 204
    assert not Upload.objects.exists()


def test_other_methods_are_refused_whatever_version_is_spoken(owner: Caller, dataset: Dataset):
    path = begin(owner, dataset)["Location"].removeprefix(ROOT)
    problem(owner.post(path), 405, "method_not_allowed")
    problem(owner.send("patch", f"datasets/{dataset.pk}/uploads/"), 405, "method_not_allowed")


def test_cancelling_deletes_what_has_arrived(
    owner: Caller, dataset: Dataset, django_capture_on_commit_callbacks
):
    path = begin(owner, dataset)["Location"]
    send(owner, path, 0, files.GOOD[:20])
    with django_capture_on_commit_callbacks(execute=True):
        answer = owner.delete(path.removeprefix(ROOT))
    assert (answer.status_code, answer["Tus-Resumable"]) == (204, "1.0.0")
    assert list(storage.folder("uploads").iterdir()) == []
    assert head(owner, path).status_code == 404


def test_a_file_with_another_sum_than_announced_is_not_read(owner: Caller, dataset: Dataset):
    path = begin(owner, dataset, Upload_Metadata=metadata(filename="a.csv", sha256="AB" * 32))["Location"]
    send(owner, path, 0, files.GOOD)
    execution.read_upload(Upload.objects.get().pk)
    found = owner.get(path.removeprefix(ROOT)).json()
    assert (found["state"], found["can_retry"]) == ("failed", False)
    assert found["error"].startswith("The file that arrived is not the one whose SHA-256 was given.")
    assert list(storage.folder("uploads").iterdir()) == []
    assert Upload.objects.get().options == {}
    problem(owner.post(f"{path.removeprefix(ROOT)}retry/"), 409, "conflict")


def test_a_sum_that_was_not_compared_is_kept_for_the_retry(dataset: Dataset):
    """Whoever began to read the file died before the comparison."""
    item = uploads.begin(
        make.draft(dataset), by=dataset.owner, file_name="a.csv", size=SIZE, sha256="ab" * 32
    )
    uploads.receive(item, by=dataset.owner, offset=0, chunk=files.GOOD)
    Upload.objects.filter(pk=item.pk).update(state="failed", remedy={"again": True})
    item = uploads.retry(item, by=dataset.owner)
    execution.read_upload(item.pk)
    item.refresh_from_db()
    assert item.error.startswith("The file that arrived is not the one")


def test_a_failed_file_is_read_again_as_its_remedy_says(owner: Caller, dataset: Dataset):
    mixed = b"id,age\n1,2\n2,x\n3,4\n"
    path = begin(owner, dataset, len(mixed))["Location"].removeprefix(ROOT)
    send(owner, ROOT + path, 0, mixed)
    execution.read_upload(Upload.objects.get().pk)
    found = owner.get(path).json()
    assert (found["state"], found["can_retry"], found["remedy"]) == ("failed", True, "Read as text: age.")
    assert "age" in found["error"]
    assert owner.post(f"{path}retry/").json()["state"] == "reading"
    execution.read_upload(Upload.objects.get().pk)
    assert owner.get(path).json()["state"] == "done"
    problem(send(owner, ROOT + path, len(mixed), b"x"), 409, "conflict")


def test_the_owner_lists_uploads(owner: Caller, dataset: Dataset):
    begun = begin(owner, dataset).json()
    assert owner.get(f"datasets/{dataset.pk}/uploads/").json()["items"] == [begun]


def test_a_caller_who_waits_hears_of_the_upload(owner: Caller, dataset: Dataset):
    path = begin(owner, dataset)["Location"].removeprefix(ROOT)
    assert owner.get(path, Prefer="wait=1")["Weir-Live"] == (
        f"user:{dataset.owner_id},upload:{Upload.objects.get().pk}"
    )
    send(owner, ROOT + path, 0, files.GOOD)
    execution.read_upload(Upload.objects.get().pk)
    assert "Weir-Live" not in owner.get(path, Prefer="wait=1")


def test_an_upload_does_not_exist_for_others(owner: Caller, dataset: Dataset):
    path = begin(owner, dataset)["Location"]
    short, other = path.removeprefix(ROOT), make.dataset(owner=dataset.owner)
    callers = [Caller(who, "read", "publish") for who in (make.owner(), make.scientist(), make.admin())]
    callers += [
        Caller(make.reviewer(dataset).user, "publish"),
        Caller(dataset.owner, "publish", dataset_ids=[other.pk]),
    ]
    for caller in callers:
        answers = [
            caller.get(short),
            caller.delete(short),
            caller.post(f"{short}retry/"),
            send(caller, path, 0, b"x"),
        ]
        answers += [begin(caller, dataset), caller.get(f"datasets/{dataset.pk}/uploads/")]
        for answer in answers:
            problem(answer, 404, "not_found")
    weak = Caller(dataset.owner, "read", "work")
    answers = [weak.get(short), weak.delete(short), weak.post(f"{short}retry/"), send(weak, path, 0, b"x")]
    for answer in [*answers, begin(weak, dataset), weak.get(f"datasets/{dataset.pk}/uploads/")]:
        problem(answer, 403, "token_scope")
    assert Upload.objects.get().offset == 0


@pytest.mark.django_db(transaction=True)
def test_of_two_writers_one_learns_that_the_upload_is_locked():
    dataset = make.dataset(published=False)
    owner = Caller(dataset.owner, "read", "publish")
    path = begin(owner, dataset)["Location"]
    with transaction.atomic():
        item = Upload.objects.select_for_update().get()
        uploads.receive(item, by=dataset.owner, offset=0, chunk=files.GOOD[:20])
        (second,) = at_once(lambda: send(owner, path, 0, files.GOOD[:20]))
    assert "resume there" in problem(second, 423, "locked")["detail"]
    assert head(owner, path)["Upload-Offset"] == "20"
    assert send(owner, path, 20, files.GOOD[20:]).status_code == 204


def test_a_chunk_for_an_upload_that_was_cancelled_meanwhile(dataset: Dataset):
    item = uploads.begin(make.draft(dataset), by=dataset.owner, file_name="a.csv", size=10)
    Upload.objects.all().delete()
    for waits in (True, False):
        with pytest.raises(Conflict, match="cancelled in the meantime"):
            uploads.receive(item, by=dataset.owner, offset=0, chunk=b"x", waits=waits)
