"""Who may run beside whom, through the claim: the attack is a trial that listens to a private run on its kernel."""

from datetime import timedelta

import pytest

from datasets import services as datasets
from requests_app import queries
from requests_app.execution import claims, lifecycle
from requests_app.models import Run
from tests import make
from tests.makers import requests as made
from tests.makers.requests import WritesOutputs

pytestmark = pytest.mark.django_db


@pytest.fixture
def worker():
    return make.worker(kernel="boot-1")


@pytest.fixture
def sender(worker):
    """A run on private data in progress."""
    item = make.code_request(at="approved")
    made.start(item)
    return claims.claim(worker.name)


def tries(author, dataset=None):
    """A queued mock run of this person, on this dataset or on another."""
    return made.trial(make.code_request(dataset=dataset, author=author))


def starts(run, name="sandbox@test"):
    got = claims.claim(name)
    return got is not None and got.pk == run.pk


def test_nobody_listens_to_their_own_private_run(sender):
    author = sender.request.author
    assert not starts(tries(author, sender.request.dataset))
    assert not starts(tries(author))


@pytest.mark.parametrize("how", ["granted", "asked", "was granted", "wrote", "reviews", "owns"])
def test_nobody_who_has_to_do_with_the_dataset_listens(sender, how):
    dataset, other = sender.request.dataset, make.scientist()
    if how == "asked":
        make.access_request(dataset, other)
    elif how == "reviews":
        make.reviewer(dataset, other)
    elif how == "owns":
        other = dataset.owner
        other.role_grants.create(role="scientist", granted_by=other, reason="A test.")
        other = type(other).objects.get(pk=other.pk)
    else:
        grant = make.grant(dataset, other)
        if how == "wrote":
            make.code_request(dataset=dataset, author=other)
        if how in ("was granted", "wrote"):
            datasets.revoke_access(grant, by=dataset.owner, reason="It is over.")
    assert not starts(tries(other))


def test_what_a_reviewer_of_the_dataset_tries_waits(sender):
    item = make.code_request(at="submitted", dataset=sender.request.dataset)
    run = made.tried(item)
    assert not starts(run)
    assert "on a dataset that you work with" in queries.waiting_reason(run)


def test_what_a_stranger_tries_of_somebodys_code_waits_and_does_not_say_why(sender):
    run = made.tried(make.code_request(at="submitted", author=sender.request.author))
    assert not starts(run)
    assert queries.waiting_reason(run).startswith(
        "Another run is in progress that must not overlap with this one."
    )


def test_a_stranger_to_the_dataset_does_not_wait(sender):
    assert starts(tries(make.scientist()))


def test_with_strict_isolation_strangers_wait_too(sender):
    datasets.set_policy(sender.request.dataset, by=sender.request.dataset.owner, run_isolation="strict")
    trial = tries(make.scientist())
    assert not starts(trial)
    reason = queries.waiting_reason(trial)
    assert reason.startswith("A run on private data is in progress that must not overlap with any mock run.")


def test_a_private_run_does_not_begin_beside_a_listener(worker):
    item = make.code_request(at="approved")
    assert starts(tries(item.author, item.dataset))
    run = made.start(item)
    assert not starts(run)
    assert queries.waiting_reason(run) == (
        "Somebody who uses this dataset is running code on mock data. It starts within 5 minutes."
    )


def test_with_strict_isolation_a_private_run_waits_for_strangers_too(worker):
    dataset = make.dataset(policy={"run_isolation": "strict"})
    item = make.code_request(at="approved", dataset=dataset)
    assert starts(tries(make.scientist()))
    assert not starts(made.start(item))


def test_the_wait_ends_with_the_announcement_and_not_before(sender, worker):
    trial = tries(sender.request.author, sender.request.dataset)
    lifecycle.execute(sender, WritesOutputs())
    assert Run.objects.get(pk=sender.pk).ended_at is not None
    assert not starts(trial)
    made.announced(sender)
    assert starts(trial)


@pytest.mark.parametrize(
    ("fields", "may"),
    [
        ({"kernel": "boot-2"}, True),
        ({"kernel": "boot-1"}, False),
        ({"kernel": ""}, False),
        ({"kernel": "boot-1", "separates_kernels": True}, True),
    ],
)
def test_what_counts_is_the_kernel(sender, fields, may):
    make.worker("other@test", **fields)
    trial = tries(sender.request.author, sender.request.dataset)
    assert starts(trial, "other@test") is may


def test_runs_with_kernels_of_their_own_do_not_wait_for_each_other(worker):
    make.worker(kernel="boot-1", separates_kernels=True)
    item = make.code_request(at="approved")
    made.start(item)
    assert claims.claim(worker.name) is not None
    assert starts(tries(item.author, item.dataset))
    kernels = set(Run.objects.working().values_list("kernel", flat=True))
    assert len(kernels) == 2


def test_an_author_is_told_why_and_how_long_at_most_and_nothing_of_whose_run_it_is(sender):
    other = make.scientist()
    make.grant(sender.request.dataset, other)
    trial = tries(other)
    assert not starts(trial)
    reason = queries.waiting_reason(trial)
    assert reason == (
        "A run on private data is in progress on a dataset that you work with. Mock runs could observe it, "
        "so yours waits until it has ended. It starts within 61 minutes."
    )
    assert claims.estimated_wait(trial, 1) == ""
    assert str(sender.request.author) not in reason


def test_the_bound_that_is_told_does_not_depend_on_what_the_run_does(sender):
    trial = tries(sender.request.author)
    started = sender.started_at - timedelta(minutes=30)
    made.fresh_run(sender, started_at=started)
    before = queries.waiting_reason(trial)
    lifecycle.execute(made.fresh_run(sender), WritesOutputs())
    assert "within 31 minutes" in before
    assert queries.waiting_reason(trial) == before


def test_a_bell_is_rung_for_what_may_start(sender, worker, django_capture_on_commit_callbacks):
    held, free = tries(sender.request.author), tries(make.scientist())
    with django_capture_on_commit_callbacks(execute=True):
        claims.ring_next()
    assert Run.objects.get(pk=free.pk).rung_at is not None
    assert Run.objects.get(pk=held.pk).rung_at is None
