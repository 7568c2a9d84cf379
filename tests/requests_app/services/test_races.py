"""Two at once, on the real database: each race has exactly one winner."""

from uuid import uuid4

import pytest

from audit.models import Entry
from common.errors import Conflict, Refused
from datasets import services as datasets
from requests_app import services
from requests_app.execution import claims, lifecycle
from requests_app.models import Approval, Release, Run, Version
from requests_app.services import releases
from tests import make
from tests.makers import requests as made
from tests.makers.requests import WritesOutputs
from tests.racing import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_two_workers_get_two_runs_and_one_run_goes_to_one_worker():
    made.start(make.code_request(at="approved"))
    name = make.worker(slots=8).name
    got = at_once(*[lambda: claims.claim(name)] * 4)
    assert len([run for run in got if run]) == 1
    assert Entry.objects.filter(action="run.start").count() == 1


def test_workers_together_keep_the_limit_of_a_person():
    dataset, person = make.dataset(), make.scientist()
    for _ in range(4):
        made.start(make.code_request(at="approved", dataset=dataset, author=person))
    name = make.worker(slots=8).name
    got = at_once(*[lambda: claims.claim(name)] * 4)
    assert len([run for run in got if run]) == 2


def test_one_key_submits_once():
    item, key = make.code_request(), uuid4()
    got = at_once(*[lambda: made.submission(item, key=key)] * 3)
    assert len(set(got)) == Version.objects.count() == 1


def test_two_keys_submit_the_same_draft_once():
    item = make.code_request()
    got = at_once(*[lambda: made.submission(item)] * 2)
    assert sorted(type(one) is Version for one in got) == [False, True]
    assert Version.objects.count() == 1


def test_one_key_starts_once():
    item, key = make.code_request(at="approved"), uuid4()
    got = at_once(*[lambda: made.start(item, key=key)] * 3)
    assert len(set(got)) == Run.objects.count() == 1


def test_the_last_approved_run_is_started_once():
    item = make.code_request(at="submitted")
    made.approve(made.version(item), runs=1)
    got = at_once(*[lambda: made.start(item)] * 3)
    assert [type(one) for one in got].count(Run) == Run.objects.count() == 1


def test_two_approvals_at_once_make_one():
    dataset = make.dataset()
    seat = make.reviewer(dataset)
    datasets.set_policy(dataset, by=dataset.owner, reviewers_needed=2)
    version = made.version(make.code_request(at="submitted", dataset=dataset))
    at_once(
        lambda: made.approve(Version.objects.get(pk=version.pk), by=dataset.owner),
        lambda: made.approve(Version.objects.get(pk=version.pk), by=seat.user),
    )
    assert (version.reviews.count(), Approval.objects.count()) == (2, 1)
    actions = Entry.objects.filter(object_id=str(version.request_id)).values_list("action", flat=True)
    assert [list(actions).count(f"request.{name}") for name in ("endorse", "approve")] == [1, 1]


def test_a_newer_version_and_an_approval_exclude_each_other():
    item = make.code_request(at="submitted")
    version = made.version(item)
    services.save_draft(item, by=item.author, number=item.draft_number, code="print('newer')")
    at_once(lambda: made.approve(version), lambda: made.submission(item))
    item = made.fresh(item)
    assert item.latest_id != version.pk
    with pytest.raises(Refused):
        made.start(item)


def test_a_revocation_and_a_start_leave_nothing_running():
    item = make.code_request(at="approved")
    at_once(
        lambda: made.start(item), lambda: services.revoke(item, by=item.dataset.owner, reason="A mistake.")
    )
    assert not Run.objects.exclude(state="cancelled").exists()


def test_a_freeze_and_an_opening_leave_nothing_running():
    run = made.claimed(made.start(make.code_request(at="approved")))
    owner = run.request.dataset.owner
    at_once(
        lambda: lifecycle.execute(run, WritesOutputs()),
        lambda: datasets.freeze(run.request.dataset, by=owner, reason="A look."),
    )
    assert made.fresh_run(run).state in ("cancelled", "succeeded")


def test_two_workers_on_one_lease_keep_one_set_of_outputs():
    run = made.claimed(made.start(make.code_request(at="approved")))
    at_once(*[lambda: lifecycle.execute(made.fresh_run(run), WritesOutputs())] * 2)
    made.announced(run)
    assert Release.objects.count() == 1
    assert list(run.outputs.values_list("name", flat=True)) == ["result.json"]
    assert Entry.objects.filter(action="run.succeed").count() == 1


def test_a_decision_is_taken_once():
    item = make.code_request(at="ran")
    release, owner = Release.objects.get(), item.dataset.owner
    releases.set_verdict(release.run.outputs.get(), by=owner, verdict="release")
    got = at_once(
        lambda: releases.decide(release, by=owner, decision="release"),
        lambda: releases.decide(release, by=owner, decision="reject", comment="No."),
    )
    assert sorted(type(one) is Conflict for one in got) == [False, True]


def test_a_cancel_and_a_claim_end_in_one_of_two_ways():
    run = made.start(make.code_request(at="approved"))
    name = make.worker().name
    at_once(lambda: claims.claim(name), lambda: services.cancel_run(run, by=run.request.author))
    assert made.fresh_run(run).state in ("cancelled", "cancelling")
