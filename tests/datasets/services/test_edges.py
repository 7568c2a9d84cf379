"""What the actions on datasets refuse: at the wrong time, too much, or by the wrong person."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import services as accounts
from accounts.models import Role
from audit.models import Entry
from common.errors import Conflict, Denied, Refused
from datasets import rules, services, storage
from datasets.models import AccessRequest, Dataset, Grant, Revision, Upload
from datasets.services import uploads
from tests import make

pytestmark = pytest.mark.django_db
SIZE = 4


def received(revision: Revision, *, content: bytes = b"a\n1\n", **fields: object) -> Upload:
    upload = uploads.begin(revision, by=revision.dataset.owner, file_name="few.csv", size=len(content))
    Upload.objects.filter(pk=upload.pk).update(**fields)
    upload.refresh_from_db()
    return upload


# Datasets and revisions


def test_what_stays_as_it_is_leaves_no_entry():
    dataset = make.dataset()
    count = Entry.objects.count()
    services.update(dataset, by=dataset.owner, title=dataset.title)
    assert Entry.objects.count() == count
    services.update(dataset, by=dataset.owner, title="Another title")
    assert Entry.objects.count() == count + 1


def test_a_field_that_a_verb_does_not_change_is_a_mistake_of_the_caller():
    dataset = make.dataset()
    with pytest.raises(TypeError, match="owner"):
        services.update(dataset, by=dataset.owner, owner=make.owner())


def test_a_draft_that_is_discarded_takes_its_uploads_with_it(django_capture_on_commit_callbacks):
    dataset = make.dataset(published=False)
    draft = make.draft(dataset)
    upload = uploads.begin(draft, by=dataset.owner, file_name="few.csv", size=SIZE)
    uploads.receive(upload, by=dataset.owner, offset=0, chunk=b"a\n")
    assert storage.received(upload) == 2
    with django_capture_on_commit_callbacks(execute=True):
        services.discard(draft, by=dataset.owner)
    assert not Upload.objects.filter(pk=upload.pk).exists()
    assert storage.received(upload) == 0


def test_states_are_left_in_their_order():
    dataset, young = make.dataset(), make.dataset(published=False)
    with pytest.raises(Conflict, match="published"):
        services.retire_revision(make.draft(young), by=young.owner, reason="It is wrong.")
    with pytest.raises(Conflict, match="draft"):
        services.freeze(young, by=young.owner, reason="It is wrong.")
    with pytest.raises(Conflict, match="never published"):
        services.retire(young, by=young.owner, reason="It is wrong.")
    services.retire_revision(make.current(dataset), by=dataset.owner, reason="It is wrong.")
    assert dataset.current is None
    services.retire(dataset, by=dataset.owner, reason="It is wrong.")
    dataset.refresh_from_db()
    assert dataset.state == Dataset.State.RETIRED


# Uploads


def test_a_revision_has_so_many_tables_and_no_more(monkeypatch):
    dataset = make.dataset()
    kept = make.current(dataset).tables.get()
    draft = services.new_revision(dataset, by=dataset.owner, note="")
    monkeypatch.setattr(uploads, "TABLES", 0)
    with pytest.raises(Refused, match="tables"):
        uploads.begin(draft, by=dataset.owner, file_name="few.csv", size=SIZE)
    with pytest.raises(Refused, match="tables"):
        uploads.keep_table(kept, by=dataset.owner)
    assert draft.tables.count() == 0


def test_an_upload_takes_no_bytes_once_they_are_all_there():
    dataset = make.dataset(published=False)
    upload = received(make.draft(dataset), state=Upload.State.READING)
    with pytest.raises(Conflict):
        uploads.receive(upload, by=dataset.owner, offset=0, chunk=b"a")
    assert storage.received(upload) == 0


def test_an_upload_that_is_gone_takes_no_bytes():
    dataset = make.dataset(published=False)
    upload = uploads.begin(make.draft(dataset), by=dataset.owner, file_name="few.csv", size=SIZE)
    uploads.cancel(upload, by=dataset.owner)
    with pytest.raises(Conflict, match="was cancelled"):
        uploads.receive(upload, by=dataset.owner, offset=0, chunk=b"a")


@pytest.mark.parametrize(
    "fields",
    [
        {"state": Upload.State.RECEIVING},
        {"state": Upload.State.FAILED},
        {"state": Upload.State.FAILED, "remedy": {"text": ["a"]}},
    ],
    ids=["not failed", "no remedy", "bytes gone"],
)
def test_only_a_failed_file_that_is_still_there_is_read_again(fields):
    dataset = make.dataset(published=False)
    upload = received(make.draft(dataset), **fields)
    with pytest.raises(Conflict):
        uploads.retry(upload, by=dataset.owner)
    upload.refresh_from_db()
    assert upload.state == fields["state"]


def test_a_file_that_is_a_table_by_now_is_not_cancelled():
    dataset = make.dataset(published=False)
    upload = received(make.draft(dataset), state=Upload.State.DONE)
    with pytest.raises(Conflict, match="table"):
        uploads.cancel(upload, by=dataset.owner)
    assert Upload.objects.filter(pk=upload.pk).exists()


# Access


def test_a_dataset_is_not_transferred_to_where_too_few_would_review():
    dataset, to = make.dataset(), make.owner()
    make.reviewer(dataset, to)
    services.set_policy(dataset, by=dataset.owner, reviewers_needed=2)
    with pytest.raises(Refused, match="Too few"):
        services.transfer(dataset, by=dataset.owner, to=to, reason="I leave.")
    dataset.refresh_from_db()
    assert dataset.owner != to


def test_who_takes_over_a_dataset_no_longer_uses_it_or_asks_to():
    asked, used = make.dataset(), make.dataset()
    to = make.user(Role.OWNER, Role.SCIENTIST)
    waiting, given = make.access_request(asked, to), make.grant(used, to)
    for dataset in (asked, used):
        services.transfer(dataset, by=dataset.owner, to=to, reason="I leave.")
    waiting.refresh_from_db()
    given.refresh_from_db()
    assert waiting.state == AccessRequest.State.WITHDRAWN
    assert given.revoked_at is not None
    assert not Grant.objects.live().filter(user=to).exists()


@pytest.mark.parametrize("days", [0, 3651])
def test_access_lasts_some_days_and_not_too_many(days):
    item = make.access_request(make.dataset())
    with pytest.raises(Refused, match="days"):
        services.decide_access(item, by=item.dataset.owner, grant=True, days=days)
    assert not Grant.objects.exists()


def test_who_has_lost_the_role_since_they_asked_gets_no_access():
    item = make.access_request(make.dataset())
    accounts.take_role(item.scientist, by=make.admin(), role=Role.SCIENTIST, reason="They left.")
    with pytest.raises(Refused, match="no longer a data scientist"):
        services.decide_access(item, by=item.dataset.owner, grant=True)
    accounts.suspend(item.scientist, by=make.admin(), reason="They left.")
    with pytest.raises(Refused, match="no longer active"):
        services.decide_access(item, by=item.dataset.owner, grant=True)
    assert not Grant.objects.exists()


def test_only_who_asked_takes_the_request_back():
    item = make.access_request(make.dataset())
    with pytest.raises(Refused):
        services.withdraw_access(item, by=item.dataset.owner)
    item.refresh_from_db()
    assert item.state == AccessRequest.State.PENDING


# Rules


def test_an_owner_who_oversees_owns_in_name_alone():
    dataset = make.dataset()
    dataset.owner.roles = frozenset({Role.OWNER, Role.ADMIN})
    assert rules.is_dataset_owner(dataset.owner, dataset) is not None
    dataset.owner.roles = frozenset({Role.OWNER})
    assert rules.is_dataset_owner(dataset.owner, dataset) is None


def test_who_may_be_a_reviewer_or_become_the_owner():
    dataset = make.dataset()
    gone = make.owner()
    accounts.suspend(gone, by=make.admin(), reason="They left.")
    gone.refresh_from_db()
    seated = make.reviewer(dataset).user
    refused = {
        rules.may_be_reviewer(person, dataset) for person in (dataset.owner, gone, make.auditor(), seated)
    }
    assert None not in refused
    assert len(refused) == 4
    assert rules.may_be_reviewer(make.scientist(), dataset) is None
    refused = {
        rules.may_become_owner(person, dataset)
        for person in (dataset.owner, gone, make.auditor(), make.scientist())
    }
    assert None not in refused
    assert len(refused) == 4
    assert rules.may_become_owner(make.owner(), dataset) is None


def test_a_dataset_is_not_complete_without_its_reviewers():
    dataset = make.dataset(published=False)
    assert rules.may_publish(dataset.owner, dataset) is None
    Dataset.objects.filter(pk=dataset.pk).update(reviewers_needed=2)
    dataset.refresh_from_db()
    assert "reviewer" in (rules.may_publish(dataset.owner, dataset) or "")


def test_who_uses_data_or_asks_to_cannot_come_to_oversee():
    asking, using = make.access_request(make.dataset()).scientist, make.grant(make.dataset()).user
    assert "asking" in (rules.keeps_duties_apart(asking, Role.AUDITOR) or "")
    assert "has access" in (rules.keeps_duties_apart(using, Role.ADMIN) or "")
    assert rules.keeps_duties_apart(using, Role.OWNER) is None
    Grant.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert rules.keeps_duties_apart(using, Role.ADMIN) is None


def test_nobody_else_prepares_a_revision():
    dataset = make.dataset(published=False)
    with pytest.raises(Denied):
        uploads.begin(make.draft(dataset), by=make.owner(), file_name="few.csv", size=SIZE)
