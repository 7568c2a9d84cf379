"""What beat does: lost workers, lost bells, and what time ends."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import Notification
from common.errors import Conflict
from datasets import storage
from requests_app import services
from requests_app.execution import completion, sweep
from requests_app.models import Approval, CodeRequest, Output, Release, Run, RunLog, Worker
from runner.contract import JobResult, OutputFile, Status
from tests import make
from tests.makers import requests as made

pytestmark = pytest.mark.django_db

SILENT = timedelta(seconds=60)


def in_hand(state="running", *, silent=SILENT, missed=2):
    """A run in progress whose last heartbeat is this old."""
    run = made.claimed(made.start(make.code_request(at="approved")))
    beat = timezone.now() - silent
    return made.fresh_run(run, state=state, heartbeat_at=beat, missed_beats=missed)


def now(run):
    """Its state and code, once its end is announced if it has ended."""
    fresh = made.announced(run)
    return fresh.state, fresh.close_code


@pytest.mark.parametrize("state", ["starting", "running", "collecting"])
def test_a_run_whose_worker_is_gone_fails_and_everybody_is_told(state):
    run = in_hand(state)
    sweep.sweep_runs()
    assert now(run) == ("failed", "WORKER_LOST")
    told = Notification.objects.filter(text="The run of “Mean wage” failed (WORKER_LOST).")
    people = {run.request.author.pk, run.request.dataset.owner.pk}
    assert set(told.values_list("user", flat=True)) == people


def test_a_cancel_whose_worker_is_gone_is_done():
    run = in_hand("cancelling")
    sweep.sweep_runs()
    assert now(run) == ("cancelled", "")


def test_two_rounds_of_silence_are_not_enough():
    run = in_hand(missed=1)
    sweep.sweep_runs()
    assert now(run) == ("running", "")


def test_a_burst_of_rounds_is_no_silence():
    run = in_hand(silent=timedelta(0), missed=0)
    for _ in range(10):
        sweep.sweep_runs()
    assert now(run) == ("running", "")


def test_a_clock_that_jumped_is_no_silence_while_the_heart_beats():
    run = in_hand(silent=-timedelta(hours=1), missed=0)
    sweep.sweep_runs()
    assert now(run) == ("running", "")


def test_a_heartbeat_from_the_future_does_not_keep_a_lost_run():
    run = in_hand(silent=-timedelta(hours=1))
    sweep.sweep_runs()
    assert now(run) == ("failed", "WORKER_LOST")


def test_a_waiting_run_is_not_touched():
    run = made.start(make.code_request(at="approved"))
    for _ in range(5):
        sweep.sweep_runs()
    assert now(run) == ("queued", "")


def test_a_result_that_was_collected_is_kept_though_its_worker_is_gone():
    run = in_hand("collecting")
    path = storage.new_outputs(run.pk, run.lease) / "n.json"
    path.write_bytes(b'{"n": 100}')
    file = OutputFile(name="n.json", type="json", bytes=10, sha256=storage.sha256_of(path))
    result = JobResult(status=Status.SUCCEEDED, outputs=(file,), stdout="a private line")
    storage.note_result(run.pk, run.lease, completion.as_text(result))
    sweep.sweep_runs()
    assert now(run) == ("succeeded", "")
    assert storage.output_path(run.pk, "n.json").read_bytes() == b'{"n": 100}'
    assert (Release.objects.get().state, RunLog.objects.get().stdout) == ("held", "a private line")
    assert storage.noted_result(run.pk, run.lease) is None


def noted(run, text=None):
    """What a worker leaves behind when it dies after storing its result."""
    path = storage.new_outputs(run.pk, run.lease) / "n.json"
    path.write_bytes(b'{"n": 100}')
    file = OutputFile(name="n.json", type="json", bytes=10, sha256=storage.sha256_of(path))
    result = JobResult(status=Status.SUCCEEDED, outputs=(file,))
    storage.note_result(run.pk, run.lease, text or completion.as_text(result))


@pytest.mark.parametrize("state", ["starting", "running"])
def test_a_noted_result_is_kept_though_the_row_does_not_say_collecting_yet(state):
    run = in_hand(state)
    noted(run)
    sweep.sweep_runs()
    assert now(run) == ("succeeded", "")
    assert storage.output_path(run.pk, "n.json").read_bytes() == b'{"n": 100}'


def test_a_noted_result_of_a_run_that_is_being_cancelled_is_not_kept():
    run = in_hand("cancelling")
    noted(run)
    sweep.sweep_runs()
    assert (now(run), run.outputs.count()) == (("cancelled", ""), 0)


def test_a_run_that_cannot_be_ended_does_not_keep_others_from_their_end():
    broken, other = in_hand("collecting"), in_hand()
    noted(broken, text="not what was noted")
    sweep.sweep_runs()
    assert (now(broken), now(other)) == (("collecting", ""), ("failed", "WORKER_LOST"))
    for _ in range(sweep.GIVE_UP_AFTER):
        sweep.sweep_runs()
    assert now(broken) == ("failed", "WORKER_LOST")


def test_files_that_were_moved_before_a_commit_that_failed_are_kept():
    run = in_hand("collecting")
    attempt = storage.new_outputs(run.pk, run.lease)
    (attempt / "n.json").write_bytes(b'{"n": 100}')
    digest = storage.sha256_of(attempt / "n.json")
    storage.keep_outputs(run.pk, attempt)
    file = OutputFile(name="n.json", type="json", bytes=10, sha256=digest)
    completion.finish(run.pk, run.lease, JobResult(status=Status.SUCCEEDED, outputs=(file,)))
    assert now(run) == ("succeeded", "")
    assert storage.output_path(run.pk, "n.json").read_bytes() == b'{"n": 100}'


def rung(callbacks):
    return Run.objects.exclude(rung_at=None).count(), len(callbacks)


def test_a_lost_bell_is_rung_again(django_capture_on_commit_callbacks):
    made.start(make.code_request(at="approved"))
    make.worker()
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        sweep.sweep_runs()
    assert rung(callbacks) == (1, 1)


def test_nothing_is_rung_when_nobody_could_answer(django_capture_on_commit_callbacks):
    made.start(make.code_request(at="approved"))
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        sweep.sweep_runs()
    assert rung(callbacks) == (0, 0)


# Time


def past():
    return timezone.now() - timedelta(seconds=1)


def test_an_approval_expires_and_its_waiting_run_is_cancelled():
    item = make.code_request(at="approved")
    run = made.start(item)
    Approval.objects.update(expires_at=past())
    sweep.expire()
    assert made.fresh(item).state == CodeRequest.State.EXPIRED
    assert now(run) == ("cancelled", "")
    assert Notification.objects.filter(user=item.author, text__contains="it has expired").count() == 1


def test_a_run_that_began_in_time_may_finish():
    run = in_hand()
    Approval.objects.update(expires_at=past())
    sweep.expire()
    assert now(run) == ("running", "")
    assert made.fresh(run.request).state == CodeRequest.State.APPROVED


def test_an_expired_request_may_be_submitted_again():
    item = make.code_request(at="approved")
    Approval.objects.update(expires_at=past())
    sweep.expire()
    made.submission(made.fresh(item))
    assert made.fresh(item).state == CodeRequest.State.SUBMITTED


def test_held_outputs_that_nobody_checked_go(django_capture_on_commit_callbacks):
    item = make.code_request(at="ran")
    Release.objects.update(expires_at=past())
    with django_capture_on_commit_callbacks(execute=True):
        sweep.expire()
    assert Release.objects.get().state == Release.State.EXPIRED
    with pytest.raises(Conflict, match="has been deleted"):
        storage.output_path(item.runs.get().pk, "result.json")
    assert Notification.objects.filter(text__contains="were not checked in time").count() == 2


def test_what_is_not_over_stays():
    item = make.code_request(at="ran")
    sweep.expire()
    assert made.fresh(item).state == CodeRequest.State.APPROVED
    assert Release.objects.get().state == Release.State.HELD


def test_old_trials_lose_their_files():
    run = made.execute(made.trial(make.code_request()))
    sweep.expire()
    assert storage.output_path(run.pk, "result.json").is_file()
    made.fresh_run(run, finished_at=timezone.now() - timedelta(days=31))
    sweep.expire()
    assert Output.objects.get().bytes_gone_at is not None
    with pytest.raises(Conflict):
        storage.output_path(run.pk, "result.json")


def test_what_attempts_left_behind_is_swept(settings):
    gone, here = uuid4(), in_hand()
    storage.new_outputs(gone, gone)
    storage.new_outputs(here.pk, here.lease)
    storage.note_result(gone, gone, "{}")
    sweep.expire()
    assert storage.attempt_folder(gone, gone).is_dir()
    assert {(gone, gone), (here.pk, here.lease)} <= storage.old_attempts(-1)
    storage.drop_attempt(gone, gone)
    assert (gone, gone) not in storage.old_attempts(-1)


def test_workers_that_left_long_ago_are_forgotten():
    make.worker("old@test", heartbeat_at=timezone.now() - timedelta(days=2))
    make.worker("new@test")
    sweep.expire()
    assert list(Worker.objects.values_list("name", flat=True)) == ["new@test"]


def test_a_cancelled_run_is_not_run_again_by_a_late_bell():
    run = made.start(make.code_request(at="approved"))
    make.worker()
    services.cancel_run(run, by=run.request.author)
    sweep.sweep_runs()
    assert now(run) == ("cancelled", "")
