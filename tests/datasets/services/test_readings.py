"""A file is read in another way without being sent again: its table keeps what was declared, or stays as it was."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from audit.models import Entry
from common.errors import Conflict, Refused
from datasets import execution, services, storage
from datasets.models import READING, Table, Upload
from datasets.services import inspection, uploads
from tests import make

pytestmark = pytest.mark.django_db
CONTENT = b"id,name ,wage\n1.0,NA,5\n2.0,b,6\n"


@pytest.fixture
def dataset():
    return make.dataset(published=False)


@pytest.fixture
def owner(client, dataset):
    client.force_login(dataset.owner)
    return client


@pytest.fixture
def upload(dataset) -> Upload:
    return arrived(dataset, CONTENT)


def arrived(dataset, content: bytes, name="study.csv") -> Upload:
    """An upload that was read."""
    item = uploads.begin(make.draft(dataset), by=dataset.owner, file_name=name, size=len(content))
    uploads.receive(item, by=dataset.owner, offset=0, chunk=content)
    return again(item)


def again(item: Upload) -> Upload:
    """The same upload after a worker has read it."""
    execution.read_upload(item.pk)
    return Upload.objects.get(pk=item.pk)


def columns(table: Table) -> dict[str, str]:
    return {each.name: each.stored for each in Table.objects.get(pk=table.pk).columns.all()}


def test_a_table_is_read_in_another_way_and_keeps_its_declarations(
    dataset, upload, django_capture_on_commit_callbacks
):
    table, before = upload.table, upload.table.stored_name
    declared = {
        "wage": {"lower": 0.0, "upper": 9.0, "unit": "$", "confirmed": True},
        "id": {"is_subject": True},
    }
    services.declare(table, by=dataset.owner, columns=declared)
    asked = {"columns": {"wage": {"name": "pay"}, "name": {"missing": []}}}
    with django_capture_on_commit_callbacks(execute=False):
        item = uploads.reread(upload, by=dataset.owner, reading=asked)
    assert columns(table) == {"id": "int64", "name": "string", "wage": "int64"}
    with django_capture_on_commit_callbacks(execute=True):
        item = again(item)
    assert (item.table, columns(table)) == (table, {"id": "int64", "name": "string", "pay": "int64"})
    pay = item.table.columns.get(name="pay")
    assert (pay.lower, pay.upper, pay.unit, pay.confirmed) == (0.0, 9.0, "$", True)
    assert item.table.subject is not None
    assert item.table.subject.name == "id"
    assert inspection.rows(item.table, by=dataset.owner, first=0).rows[0] == ["1", "NA", "5"]
    assert item.options == {READING: asked}
    assert not (storage.folder("tables") / before).exists()
    assert Entry.objects.filter(action="upload.reread").count() == 1


def test_columns_that_change_their_type_have_to_be_declared_again(dataset, upload):
    services.declare(
        upload.table, by=dataset.owner, columns={"wage": {"lower": 0.0, "upper": 9.0, "confirmed": True}}
    )
    item = again(uploads.reread(upload, by=dataset.owner, reading={"columns": {"wage": {"type": "string"}}}))
    wage = item.table.columns.get(name="wage")
    assert (wage.type, wage.lower, wage.confirmed) == ("category", None, False)


def test_the_portal_numbers_people_and_declares_the_numbers(dataset, upload):
    item = again(uploads.reread(upload, by=dataset.owner, reading={"number_people": True}))
    subject = item.table.subject
    assert subject is not None
    assert (subject.name, subject.confirmed, subject.nullable) == ("person_number", True, False)
    assert (item.table.rows_per_subject, item.table.about_people) == (1, True)
    assert inspection.check_fit(item.table, by=dataset.owner) == {}
    item = again(uploads.reread(item, by=dataset.owner, reading={}))
    assert columns(item.table) == {"id": "int64", "name": "string", "wage": "int64"}


def test_a_table_stays_as_it_was_if_its_file_cannot_be_read_in_another_way(owner, dataset, upload):
    item = again(uploads.reread(upload, by=dataset.owner, reading={"columns": {"nobody": {"name": "x"}}}))
    assert (item.state, item.error) == (Upload.State.FAILED, "There is no column named “nobody”.")
    assert columns(item.table) == {"id": "int64", "name": "string", "wage": "int64"}
    page = owner.get(reverse("datasets:content", args=[dataset.pk])).content.decode()
    assert "the table is as it was" in page
    owner.post(reverse("datasets:cancel_upload", args=[item.pk]))
    item.refresh_from_db()
    assert (item.state, item.error, item.options) == (Upload.State.DONE, "", {})
    assert uploads.is_stored(item)


def test_a_reading_can_be_cancelled_while_it_goes_on(dataset, upload):
    item = uploads.reread(upload, by=dataset.owner, reading={"trim": False})
    uploads.cancel(item, by=dataset.owner)
    execution.read_upload(item.pk)
    item.refresh_from_db()
    assert (item.state, item.options) == (Upload.State.DONE, {})
    assert uploads.is_stored(item)


def test_files_are_deleted_once_their_tables_are_published_removed_or_old(
    dataset, upload, django_capture_on_commit_callbacks
):
    other = arrived(dataset, CONTENT, "other.csv")
    assert uploads.is_stored(other)
    with django_capture_on_commit_callbacks(execute=True):
        uploads.remove_table(other.table, by=dataset.owner)
    assert [path.name for path in storage.folder("uploads").iterdir()] == [f"{upload.pk}.part"]
    Upload.objects.filter(pk=upload.pk).update(
        changed_at=timezone.now() - execution.KEPT_READ + timedelta(hours=1)
    )
    execution.sweep()
    assert uploads.is_stored(upload)
    Upload.objects.filter(pk=upload.pk).update(changed_at=timezone.now() - execution.KEPT_READ)
    execution.sweep()
    assert not uploads.is_stored(upload)
    with pytest.raises(Conflict, match="no longer stored"):
        uploads.reread(upload, by=dataset.owner, reading={})


def test_publishing_deletes_the_files(dataset, django_capture_on_commit_callbacks):
    kept = make.draft(dataset).tables.get()
    item = Upload.objects.create(
        revision=make.draft(dataset), user=dataset.owner, file_name="a.csv", size=3, state="done", table=kept
    )
    storage.upload_path(item).write_bytes(b"a\n1")
    with django_capture_on_commit_callbacks(execute=True):
        services.publish(dataset, by=dataset.owner)
    assert not storage.upload_path(item).exists()


def test_columns_keep_the_type_of_the_last_revision(django_capture_on_commit_callbacks):
    """Whole numbers in this year's file do not turn a column of numbers into another one."""
    dataset = make.dataset()
    services.new_revision(dataset, by=dataset.owner, note="")
    content = b"person,year,region,wage\n1,1990,east,5\n2,1990,east,6\n"
    assert columns(arrived(dataset, content, "wages.csv").table)["wage"] == "double"


# The page


def fields(answer) -> dict[str, object]:
    """The fields of the page as a browser would send them."""
    context = answer.context
    found = {"asked": context["asked"], "shown": context["shown"]}
    for form in (context["file"], *context["columns"]):
        for field in form:
            value = field.value()
            found[field.html_name] = "\n".join(value) if isinstance(value, list | tuple) else value
    return {name: value for name, value in found.items() if value is not None and value is not False}


def test_the_page_shows_what_was_guessed_with_the_first_rows(owner, upload):
    answer = owner.get(reverse("datasets:reading", args=[upload.pk]))
    page = answer.content.decode()
    assert "1.0,NA,5" in page
    assert [form.shown["source"] for form in answer.context["columns"]] == ["id", "name", "wage"]
    assert [form.examples for form in answer.context["columns"]] == [["1", "2"], ["", "b"], ["5", "6"]]
    assert Entry.objects.filter(action="upload.view").count() == 1


def test_a_page_that_is_sent_unchanged_asks_for_nothing(owner, upload):
    address = reverse("datasets:reading", args=[upload.pk])
    sent = fields(owner.get(address))
    answer = owner.post(address, {**sent, "then": "read"})
    assert answer["Location"] == reverse("datasets:declare", args=[upload.table.pk])
    upload.refresh_from_db()
    assert (upload.state, upload.options) == (Upload.State.DONE, {})


def test_what_is_changed_on_the_page_is_looked_at_and_then_read(owner, dataset, upload):
    address = reverse("datasets:reading", args=[upload.pk])
    sent = {**fields(owner.get(address)), "c2-name": "pay", "c0-leave_out": "on", "missing": "5\nNA"}
    looked = owner.post(address, {**sent, "then": "look"})
    assert [form.examples for form in looked.context["columns"]] == [["1", "2"], ["", "b"], ["", "6"]]
    upload.refresh_from_db()
    assert upload.state == Upload.State.DONE
    owner.post(address, {**fields(looked), "then": "read"})
    upload.refresh_from_db()
    assert upload.options[READING] == {
        "missing": ["5", "NA"],
        "columns": {"id": {"leave_out": True}, "wage": {"name": "pay"}},
    }
    assert columns(again(upload).table) == {"name": "string", "pay": "int64"}


def test_another_division_forgets_what_was_said_of_columns(owner, upload):
    address = reverse("datasets:reading", args=[upload.pk])
    sent = {**fields(owner.get(address)), "c2-name": "pay", "delimiter": ";"}
    looked = owner.post(address, {**sent, "then": "look"})
    assert [form.shown["source"] for form in looked.context["columns"]] == ["id,name ,wage"]
    assert looked.context["asked"] == '{"delimiter": ";"}'


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"skip": "many"}, "Enter a whole number."),
        ({"zone": "Atlantis"}, "This time zone is not known."),
        ({"c0-name": ""}, "This field is required."),
        ({"decimal": ",", "thousands": ","}, "have to differ"),
    ],
    ids=str,
)
def test_wrong_input_is_told_beside_what_was_entered(owner, upload, changed, told):
    address = reverse("datasets:reading", args=[upload.pk])
    answer = owner.post(address, {**fields(owner.get(address)), **changed, "then": "read"})
    assert (answer.status_code, told in answer.content.decode()) == (400, True)


def test_a_file_that_cannot_be_read_is_shown_with_the_reason(owner, dataset):
    item = arrived(dataset, b"id,x\n1,2\n2,3\n3,a\n")
    assert item.remedy == {"text": ["x"]}
    page = owner.get(reverse("datasets:reading", args=[item.pk])).content.decode()
    assert "Line 4, column “x”: text where the others are whole numbers." in page
    assert "⚠ a" in page


def test_a_page_whose_hidden_parts_were_changed_is_refused(owner, upload):
    address = reverse("datasets:reading", args=[upload.pk])
    sent = fields(owner.get(address))
    for part in (
        {"shown": "{}"},
        {"shown": '{"kind": "exe"}'},
        {"asked": "[]"},
        {"asked": "{" * 9},
        {"asked": ""},
    ):
        assert owner.post(address, {**sent, **part}, HTTP_ACCEPT="application/json").status_code == 400


def test_the_page_is_for_the_owner_and_for_files_that_are_stored(client, dataset, upload):
    address = reverse("datasets:reading", args=[upload.pk])
    for stranger in (make.owner(), make.scientist(), make.admin(), make.reviewer(dataset).user):
        client.force_login(stranger)
        assert client.get(address).status_code == 404
    storage.drop_upload(upload)
    client.force_login(dataset.owner)
    assert client.get(address)["Location"] == reverse("datasets:content", args=[dataset.pk])


def test_options_that_mean_nothing_are_refused_with_a_sentence(dataset, upload):
    with pytest.raises(Refused, match="There is no reading option “colour”"):
        uploads.reread(upload, by=dataset.owner, reading={"colour": "red"})


def test_a_column_that_stands_in_the_way_is_left_out(dataset, upload):
    Upload.objects.filter(pk=upload.pk).update(state=Upload.State.FAILED, remedy={"leave_out": ["name"]})
    item = again(uploads.retry(upload, by=dataset.owner))
    assert columns(item.table) == {"id": "int64", "wage": "int64"}


def test_a_file_that_is_gone_is_not_looked_at(dataset, upload):
    storage.drop_upload(upload)
    with pytest.raises(Conflict, match="no longer stored"):
        uploads.look(upload, by=dataset.owner, reading={})
    assert not Entry.objects.filter(action="upload.view").exists()
