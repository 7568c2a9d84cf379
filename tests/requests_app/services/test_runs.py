"""Starting and cancelling: only within a live approval, once for each key, and what ends from elsewhere."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import services as accounts
from common.errors import Conflict, Denied
from datasets import services as datasets
from requests_app import queries, rules, services
from requests_app.execution import claims, sweep
from requests_app.models import Approval, CodeRequest, Run
from runner.contract import CloseCode
from tests import make
from tests.makers import requests as made

pytestmark = pytest.mark.django_db


def test_a_run_carries_its_own_copy_of_what_was_approved():
    item = make.code_request(at="approved", parameters={"year": 1991})
    run = made.start(item)
    version = made.version(item)
    assert (run.state, run.kind) == (Run.State.QUEUED, Run.Kind.PRIVATE)
    assert (run.code, run.sha256, run.parameters) == (version.code, version.sha256, {"year": 1991})
    assert (run.revision, run.approval.version) == (version.revision, version)


def test_the_same_key_starts_one_run():
    item, key = make.code_request(at="approved"), uuid4()
    assert made.start(item, key=key) == made.start(item, key=key)
    assert item.runs.count() == 1


def test_the_key_of_another_request_starts_nothing():
    key = uuid4()
    made.start(make.code_request(at="approved"), key=key)
    with pytest.raises(Conflict):
        made.start(make.code_request(at="approved"), key=key)


@pytest.fixture
def other_packages(settings, tmp_path):
    """The default environment, as if an admin had changed its packages."""

    def change():
        folder = tmp_path / "default"
        folder.mkdir()
        (folder / "weir-manifest.json").write_text(json.dumps({"sha256": "f" * 64}))
        settings.ENVIRONMENTS = tmp_path

    return change


def test_nothing_runs_on_an_approval_whose_environment_has_changed(other_packages):
    item = make.code_request(at="approved")
    other_packages()
    with pytest.raises(Denied, match="environment default has changed"):
        made.start(item)
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    "begin", [lambda: made.start(make.code_request(at="approved")), lambda: made.trial(make.code_request())]
)
def test_a_queued_run_whose_environment_changes_before_it_starts_is_blocked(other_packages, begin):
    run = begin()
    other_packages()
    executor = made.WritesOutputs()
    ended = made.execute(run, executor)
    assert (ended.close_code, ended.opened_at, executor.specs) == ("POLICY_BLOCKED", None, [])


def test_one_run_at_a_time():
    item = make.code_request(at="approved")
    made.start(item)
    with pytest.raises(Denied, match="in progress"):
        made.start(item)


@pytest.mark.parametrize("at", ["draft", "submitted", "in_review", "changes_requested", "rejected"])
def test_nothing_runs_unapproved(at):
    item = make.code_request(at=at)
    with pytest.raises(Denied):
        made.start(item)
    assert not Run.objects.exists()


def test_the_approved_runs_are_counted():
    item = make.code_request(at="submitted")
    made.approve(made.version(item), runs=2)
    for _ in range(2):
        made.execute(made.start(item))
    with pytest.raises(Denied, match="All 2 approved runs are used"):
        made.start(item)


def test_a_run_that_never_opened_the_data_does_not_count():
    item = make.code_request(at="submitted")
    made.approve(made.version(item), runs=1)
    services.cancel_run(made.start(item), by=item.author)
    assert made.start(item).state == Run.State.QUEUED


def test_a_failed_run_counts_once_it_has_seen_the_data():
    item = make.code_request(at="submitted")
    made.approve(made.version(item), runs=1)
    made.execute(made.start(item), made.WritesOutputs(code=CloseCode.TIME_LIMIT))
    with pytest.raises(Denied, match="All 1 approved runs are used"):
        made.start(item)


def lost(run):
    """The run as its worker left it: the data is open, and no further sign comes."""
    beat = timezone.now() - timedelta(seconds=60)
    run = made.claimed(run)
    made.fresh_run(run, state="running", opened_at=timezone.now(), heartbeat_at=beat, missed_beats=2)
    sweep.sweep_runs()
    run = made.announced(run)
    assert (run.state, run.close_code) == ("failed", "WORKER_LOST")
    return run


def test_a_run_that_the_machine_lost_does_not_use_up_the_approval():
    item = make.code_request(at="submitted")
    made.approve(made.version(item), runs=1)
    lost(made.start(item))
    assert queries.runs_left(made.fresh(item).latest.approval) == 1
    made.execute(made.start(made.fresh(item)))
    with pytest.raises(Denied, match="All 1 approved runs are used"):
        made.start(made.fresh(item))


def test_runs_cannot_be_lost_without_end():
    item = make.code_request(at="submitted")
    made.approve(made.version(item), runs=1)
    for _ in range(rules.MOST_LOST):
        lost(made.start(made.fresh(item)))
    with pytest.raises(Denied, match="5 runs of this approval were lost"):
        made.start(made.fresh(item))


def test_an_approval_ends_by_the_clock():
    item = make.code_request(at="approved")
    Approval.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(Denied, match="expired"):
        made.start(item)


def test_the_owner_may_start_a_run_too_and_others_may_not():
    item = make.code_request(at="approved")
    with pytest.raises(Denied):
        services.start_run(item, by=make.admin(), key=uuid4())
    assert services.start_run(item, by=item.dataset.owner, key=uuid4()).asked_by == item.dataset.owner


def test_nothing_starts_for_an_author_who_lost_access():
    item = make.code_request(at="approved")
    datasets.revoke_access(item.dataset.grants.get(), by=item.dataset.owner, reason="The project is over.")
    with pytest.raises(Denied, match="do not have access"):
        made.start(made.fresh(item))


def test_a_run_on_private_data_has_an_approval_says_the_database():
    run = made.start(make.code_request(at="approved"))
    with pytest.raises(IntegrityError, match="private_data_needs_an_approval"), transaction.atomic():
        Run.objects.filter(pk=run.pk).update(approval=None)


# Cancel


@pytest.mark.parametrize("who", ["author", "owner", "admin"])
def test_a_waiting_run_is_cancelled_at_once(who):
    item = make.code_request(at="approved")
    by = {"author": item.author, "owner": item.dataset.owner, "admin": make.admin()}[who]
    run = services.cancel_run(made.start(item), by=by)
    assert (run.state, run.cancelled_by) == (Run.State.CANCELLED, by)
    assert run.finished_at is not None


def test_a_run_in_hand_is_asked_to_stop_once():
    run = made.claimed(made.start(make.code_request(at="approved")))
    assert services.cancel_run(run, by=run.request.author).state == Run.State.CANCELLING
    assert services.cancel_run(run, by=run.request.author).state == Run.State.CANCELLING


def test_an_ended_run_is_not_cancelled():
    item = make.code_request(at="ran")
    with pytest.raises(Conflict, match="has ended"):
        services.cancel_run(item.runs.get(), by=item.author)


def test_strangers_and_reviewers_do_not_cancel():
    item = make.code_request(at="approved")
    run = made.start(item)
    for person in (make.scientist(), make.auditor(), make.reviewer(item.dataset).user):
        with pytest.raises(Denied):
            services.cancel_run(run, by=person)


def test_an_owner_does_not_cancel_somebodys_trial():
    item = make.code_request()
    with pytest.raises(Denied):
        services.cancel_run(made.trial(item), by=item.dataset.owner)


# What is ended from elsewhere


def states():
    return dict(Run.objects.values_list("pk", "state"))


def waiting_and_working():
    """A queued run and one in progress, of two requests on one dataset."""
    dataset = make.dataset()
    working = made.claimed(made.start(make.code_request(at="approved", dataset=dataset)))
    return dataset, working, made.start(make.code_request(at="approved", dataset=dataset))


def test_a_freeze_stops_what_is_live():
    dataset, working, waiting = waiting_and_working()
    elsewhere = made.start(make.code_request(at="approved"))
    datasets.freeze(dataset, by=make.admin(), reason="A leak is looked into.")
    assert states() == {working.pk: "cancelling", waiting.pk: "cancelled", elsewhere.pk: "queued"}


def test_after_a_freeze_the_approval_still_stands():
    item = make.code_request(at="approved")
    owner = item.dataset.owner
    datasets.freeze(item.dataset, by=owner, reason="A look.")
    with pytest.raises(Denied, match="frozen"):
        made.start(made.fresh(item))
    datasets.unfreeze(item.dataset, by=owner, reason="All is well.")
    assert made.start(made.fresh(item)).state == Run.State.QUEUED


def test_a_new_revision_expires_approvals_and_stops_what_is_live():
    dataset, working, waiting = waiting_and_working()
    make.next_revision(dataset)
    assert states() == {working.pk: "cancelling", waiting.pk: "cancelled"}
    assert set(CodeRequest.objects.values_list("state", flat=True)) == {"expired"}
    assert set(Approval.objects.values_list("ended_by", flat=True)) == {dataset.owner.pk}


def test_a_revocation_stops_what_runs_on_it():
    run = made.claimed(made.start(make.code_request(at="approved")))
    services.revoke(run.request, by=run.request.dataset.owner, reason="A mistake.")
    assert states() == {run.pk: "cancelling"}


def test_a_suspension_stops_the_persons_runs_and_trials():
    _, working, waiting = waiting_and_working()
    trial = made.trial(make.code_request(author=working.request.author))
    accounts.suspend(working.request.author, by=make.admin(), reason="An incident.")
    assert states() == {working.pk: "cancelling", waiting.pk: "queued", trial.pk: "cancelled"}


def test_the_end_of_access_stops_the_persons_runs():
    _, working, waiting = waiting_and_working()
    grant = working.request.dataset.grants.get(user=working.request.author)
    datasets.revoke_access(grant, by=grant.dataset.owner, reason="The project is over.")
    assert states() == {working.pk: "cancelling", waiting.pk: "queued"}


def test_a_queued_run_of_a_revoked_approval_is_never_claimed():
    run = made.start(make.code_request(at="approved"))
    services.revoke(run.request, by=run.request.dataset.owner, reason="A mistake.")
    assert claims.claim(make.worker().name) is None
