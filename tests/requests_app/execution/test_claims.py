"""Claiming: the bell only wakes a worker; the row says which run it gets, and whether it gets one at all."""

from datetime import timedelta

import pytest

from requests_app import queries, services
from requests_app.execution import claims
from requests_app.models import Run
from tests import make
from tests.makers import requests as made

pytestmark = pytest.mark.django_db


def two_people(dataset=None):
    data = dataset or make.dataset()
    return [make.code_request(at="approved", dataset=data) for _ in range(2)]


def test_a_claim_gives_a_lease_and_a_heartbeat():
    run = made.start(make.code_request(at="approved"))
    got = claims.claim(make.worker().name)
    assert (got.pk, got.state, got.worker) == (run.pk, Run.State.STARTING, "sandbox@test")
    run.refresh_from_db()
    assert run.lease == got.lease
    assert run.heartbeat_at is not None


def test_nothing_waits_nothing_is_claimed():
    assert claims.claim(make.worker().name) is None


def test_a_trial_is_taken_before_a_run_on_private_data():
    first = made.start(make.code_request(at="approved"))
    trial = made.trial(make.code_request())
    assert claims.claim(make.worker().name).pk == trial.pk
    assert claims.claim(make.worker().name).pk == first.pk


@pytest.mark.parametrize(
    "fields", [{"refusal": "No user namespaces."}, {"draining": True}, {"heartbeat_at": "2020-01-01T00:00Z"}]
)
def test_a_worker_that_may_not_run_code_gets_none(fields):
    made.start(make.code_request(at="approved"))
    assert claims.claim(make.worker(**fields).name) is None


def test_an_unknown_worker_gets_nothing():
    made.start(make.code_request(at="approved"))
    make.worker("another@test")
    assert claims.claim("sandbox@test") is None


def test_one_persons_runs_are_bounded():
    dataset, person = make.dataset(), make.scientist()
    runs = [made.start(make.code_request(at="approved", dataset=dataset, author=person)) for _ in range(3)]
    name = make.worker().name
    assert [claims.claim(name).pk for _ in range(2)] == [runs[0].pk, runs[1].pk]
    assert claims.claim(name) is None
    assert queries.waiting_reason(Run.objects.get(pk=runs[2].pk)) == (
        "Other runs of the same person are in progress: at most 2 at once."
    )


def test_a_drained_worker_and_a_pause_hold_runs_up_until_lifted():
    admin = make.admin()
    run = made.start(make.code_request(at="approved"))
    worker = make.worker()
    services.drain_worker(worker, by=admin)
    assert claims.claim(worker.name) is None
    services.undrain_worker(worker, by=admin)
    services.pause_runs(by=admin, reason="Maintenance.")
    assert claims.claim(worker.name) is None
    services.resume_runs(by=admin)
    assert claims.claim(worker.name).pk == run.pk


def test_a_cancelled_run_is_not_claimed():
    run = made.start(make.code_request(at="approved"))
    services.cancel_run(run, by=run.request.author)
    assert claims.claim(make.worker().name) is None


def reason(run):
    return queries.waiting_reason(Run.objects.get(pk=run.pk))


def test_a_waiting_run_says_what_it_waits_for():
    run = made.start(make.code_request(at="approved"))
    assert reason(run) == "No worker is running. Tell an admin."
    make.worker(refusal="/proc is odd on host7")
    assert reason(run).startswith("No worker can run code safely")
    assert "host7" not in reason(run)
    worker = make.worker(refusal="", draining=True)
    assert reason(run) == "The workers take no new runs at the moment: an admin is draining them."
    make.worker(draining=False)
    assert reason(run) == "It starts as soon as a worker is free."
    services.pause_runs(by=make.admin(), reason="Maintenance.")
    assert reason(run) == "An admin has paused all runs: Maintenance."
    assert queries.waiting_reason(made.fresh_run(run, state="running")) == ""
    assert worker.name == "sandbox@test"


def test_a_run_on_a_busy_dataset_says_so():
    dataset = make.dataset()
    *first, last = [make.code_request(at="approved", dataset=dataset) for _ in range(5)]
    name = make.worker(slots=9).name
    for item in first:
        made.start(item)
        claims.claim(name)
    run = made.start(last)
    assert reason(run) == "Other runs on this dataset are in progress: at most 4 at once."


def test_the_last_place_is_kept_for_trials():
    name = make.worker(slots=2).name
    made.start(make.code_request(at="approved"))
    run = made.start(make.code_request(at="approved"))
    claims.claim(name)
    assert claims.claim(name) is None
    assert reason(run) == "All places for runs on private data are taken."


def test_the_position_in_the_queue_follows_the_turns():
    dataset = make.dataset()
    ann, bob = make.scientist(), make.scientist()
    runs = [
        made.start(make.code_request(at="approved", dataset=dataset, author=who)) for who in (ann, ann, bob)
    ]
    assert [queries.queue_position(run) for run in runs] == [1, 3, 2]
    assert queries.queue_position(made.fresh_run(runs[0], state="running")) is None


def test_a_wait_is_estimated_from_how_long_runs_took():
    waiting = made.start(make.code_request(at="approved"))
    assert claims.estimated_wait(waiting, 1) == ""
    made.worker(slots=1)
    assert claims.estimated_wait(waiting, 1) == ""
    ended = made.execute(made.start(make.code_request(at="approved")))
    assert ended.finished_at is not None
    made.fresh_run(ended, started_at=ended.finished_at - timedelta(minutes=20))
    made.worker(slots=1)
    assert claims.estimated_wait(waiting, 1) == "less than a minute"
    assert claims.estimated_wait(waiting, 2) == "about half an hour"
    services.pause_runs(by=make.admin(), reason="The disk is changed.")
    assert claims.estimated_wait(waiting, 2) == ""
    assert claims.estimated_wait(made.fresh_run(ended), None) == ""
