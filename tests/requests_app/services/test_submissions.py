"""Submitting: what is frozen, once, and what it ends."""

from dataclasses import asdict
from uuid import uuid4

import pytest
from django.db import DatabaseError, transaction

from accounts.models import Notification
from common.errors import Conflict, Denied
from requests_app import services
from requests_app.models import CodeRequest, Version
from tests import make
from tests.makers import requests as made

pytestmark = pytest.mark.django_db


def test_a_submission_freezes_everything_its_answer_depends_on():
    item = make.code_request(parameters={"year": 1991})
    shown = services.snapshot(item)
    version = made.submission(item)
    assert (version.number, version.code, version.parameters) == (1, item.code, {"year": 1991})
    assert (version.revision, version.environment) == (item.dataset.current, "default")
    assert (version.sha256, version.environment_sha256) == (shown.sha256, shown.environment_sha256)
    item = made.fresh(item)
    assert (item.state, made.version(item)) == (CodeRequest.State.SUBMITTED, version)


def test_a_later_draft_does_not_touch_what_was_submitted():
    item = make.code_request(at="submitted")
    services.save_draft(item, by=item.author, number=item.draft_number, code="print('other')")
    assert made.version(made.fresh(item)).code == made.CODE


CHANGES = {
    "update": lambda: Version.objects.update(code="other"),
    "delete": lambda: Version.objects.all()._raw_delete("default"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_database_itself_keeps_versions_as_they_are(change):
    make.code_request(at="submitted")
    with pytest.raises(DatabaseError, match="versions_do_not_change"), transaction.atomic():
        CHANGES[change]()


def test_the_same_key_makes_one_version():
    item, key = make.code_request(), uuid4()
    assert made.submission(item, key=key) == made.submission(item, key=key)
    assert item.versions.count() == 1


def test_a_key_of_another_request_submits_nothing():
    key = uuid4()
    made.submission(make.code_request(), key=key)
    other = make.code_request()
    with pytest.raises(Conflict):
        made.submission(other, key=key)
    assert not other.versions.exists()


def test_the_same_again_is_not_a_new_version():
    item = make.code_request(at="submitted")
    with pytest.raises(Conflict, match="Nothing has changed"):
        made.submission(item)
    assert item.versions.count() == 1


@pytest.mark.parametrize(
    ("missing", "words"), [("title", "a title"), ("purpose", "the purpose"), ("context", "the context")]
)
def test_what_is_missing_is_named(missing, words):
    item = make.code_request()
    services.save_draft(item, by=item.author, number=item.draft_number, **{missing: " "})
    with pytest.raises(Denied, match=f"Still missing: {words}"):
        made.submission(item)
    assert not item.versions.exists()


def test_the_trial_of_exactly_this_becomes_part_of_the_review():
    item = make.code_request()
    run = made.trial(item)
    other = services.save_draft(item, by=item.author, number=item.draft_number, code="print('else')")
    stale = made.trial(other)
    services.save_draft(item, by=item.author, number=other.draft_number, code=made.CODE)
    version = made.submission(item)
    run.refresh_from_db()
    stale.refresh_from_db()
    assert (run.version, stale.version) == (version, None)


def test_a_newer_version_ends_the_approval_of_the_older():
    item = make.code_request(at="approved")
    approval = made.version(item).approval
    services.save_draft(item, by=item.author, number=item.draft_number, code="print('other')")
    made.submission(item)
    approval.refresh_from_db()
    assert approval.end_reason == "The author submitted a newer version."
    with pytest.raises(Denied, match="There is no approval"):
        made.start(made.fresh(item))


def test_nothing_is_submitted_while_a_run_is_under_way():
    item = make.code_request(at="approved")
    made.start(item)
    with pytest.raises(Denied, match="in progress"):
        made.submission(item)


def test_the_owner_and_the_reviewers_are_told_and_the_author_is_not():
    dataset = make.dataset()
    seat = make.reviewer(dataset)
    item = make.code_request(at="submitted", dataset=dataset)
    told = Notification.objects.filter(text__contains="is waiting for your review")
    assert set(told.values_list("user", flat=True)) == {dataset.owner.pk, seat.user.pk}
    assert item.author.pk not in set(told.values_list("user", flat=True))


def test_findings_are_kept_with_the_version():
    item = make.code_request(code="import socket\n\n\ndef main(wages):\n    return {}\n")
    version = made.submission(item)
    assert [finding["line"] for finding in version.findings if finding["line"] == 1] != []


def test_the_author_may_withdraw_before_a_decision():
    item = make.code_request(at="in_review")
    assert services.withdraw(item, by=item.author).state == CodeRequest.State.WITHDRAWN


def test_a_withdrawn_draft_stays_unknown_to_the_owner():
    item = make.code_request()
    services.withdraw(item, by=item.author)
    assert list(CodeRequest.objects.visible_to(item.dataset.owner)) == []
    assert not Notification.objects.filter(text__contains="withdrawn").exists()


def test_what_is_frozen_can_be_shown_before():
    item = make.code_request()
    assert set(asdict(services.snapshot(item))) >= {"sha256", "code_sha256", "environment", "parameters"}
