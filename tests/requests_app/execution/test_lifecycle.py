"""What a worker does with a run: every ending, what is kept, and who is told."""

from dataclasses import replace
from uuid import uuid4

import pytest

from accounts.models import Notification
from common.errors import Conflict
from datasets import services as datasets
from datasets import storage
from requests_app import services
from requests_app.execution import claims, completion, lifecycle
from requests_app.models import Approval, CodeRequest, Output, RefusedOutput, Release, Run, RunLog, Worker
from runner.contract import CloseCode, JobResult, OutputFile, RefusedFile, SandboxUnavailable, Status
from tests import make
from tests.makers import requests as made
from tests.makers.requests import WritesOutputs

pytestmark = pytest.mark.django_db


class Ends(WritesOutputs):
    """An executor that ends with this result, after doing something while the code would run."""

    def __init__(self, result=None, *, meanwhile=lambda: None):
        super().__init__()
        self.result, self.meanwhile = result, meanwhile

    def run(self, spec, *, started=lambda: None, cancelled=lambda: False):
        done = super().run(spec, started=started, cancelled=cancelled)
        self.meanwhile()
        return self.result or done


class Raises(WritesOutputs):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def run(self, spec, *, started=lambda: None, cancelled=lambda: False):
        raise self.error


def private():
    return made.start(make.code_request(at="approved"))


def test_a_job_gets_the_sealed_tables_and_the_datasets_limits():
    dataset = make.dataset(policy={"wall_seconds": 60, "memory_mb": 512})
    executor = WritesOutputs()
    item = make.code_request(at="ran", dataset=dataset, executor=executor, parameters={"year": 1991})
    (spec,) = executor.specs
    table = dataset.current.tables.get()
    assert {name: storage.sha256_of(path) for name, path in spec.inputs.items()} == {
        "wages": table.stored_sha256
    }
    assert (spec.code, spec.parameters) == (made.version(item).code, {"year": 1991})
    assert (spec.limits.wall_s, spec.limits.memory_mb, spec.environment.name) == (60.0, 512, "default")


def test_a_trial_gets_mock_tables_only():
    executor = WritesOutputs()
    run = made.execute(made.trial(make.code_request()), executor)
    home = storage.mock_folder(run.revision)
    assert executor.specs[0].inputs == {"wages": home / "wages.parquet"}


def test_a_success_holds_its_outputs_with_their_checks():
    run = made.execute(private(), WritesOutputs({"n.json": b'{"people": 3}'}))
    output = Output.objects.get()
    assert (run.state, run.close_code) == (Run.State.SUCCEEDED, "")
    assert (output.name, output.type, output.verdict) == ("n.json", "json", "pending")
    assert [check["name"] for check in output.checks if not check["ok"]] == ["small counts"]
    assert Release.objects.get().state == Release.State.HELD
    assert storage.output_path(run.pk, "n.json").read_bytes() == b'{"people": 3}'
    assert RunLog.objects.get().stdout == "a private line"


def test_author_and_reviewers_are_told_different_things():
    run = made.execute(private())
    mine = Notification.objects.filter(user=run.request.author).order_by("created_at").last()
    theirs = Notification.objects.filter(user=run.request.dataset.owner, text__contains="check").last()
    assert mine.text == "“Mean wage” has run. Its outputs are waiting to be checked."
    assert theirs.url == f"/requests/releases/{run.release.pk}/"


@pytest.mark.parametrize("code", CloseCode)
def test_a_failure_has_a_code_and_leaves_no_file(code):
    run = made.execute(private(), WritesOutputs(code=code))
    assert (run.state, run.close_code) == (Run.State.FAILED, code)
    assert not Output.objects.exists()
    assert not Release.objects.exists()
    assert RunLog.objects.get().stderr == "a private message"


def test_what_a_failure_tells_its_author_holds_no_message():
    run = made.execute(private(), WritesOutputs(code=CloseCode.EXIT_NONZERO))
    texts = Notification.objects.filter(user=run.request.author).values_list("text", flat=True)
    assert "The run of “Mean wage” failed (EXIT_NONZERO)." in set(texts)
    assert not [text for text in texts if "private message" in text]


def test_an_exception_names_its_class_and_line():
    result = JobResult(
        status=Status.FAILED, code=CloseCode.EXCEPTION, error_class="KeyError", error_line=3, stderr="income"
    )
    run = made.execute(private(), Ends(result))
    assert (run.close_code, run.error_class, run.error_line) == ("EXCEPTION", "KeyError", 3)


def test_another_failure_names_none():
    result = JobResult(status=Status.FAILED, code=CloseCode.TIME_LIMIT, error_class="KeyError", error_line=3)
    run = made.execute(private(), Ends(result))
    assert (run.error_class, run.error_line) == ("", None)


def test_success_without_a_file_is_no_success_on_private_data():
    nothing = JobResult(status=Status.SUCCEEDED, exit_code=0)
    assert made.execute(private(), Ends(nothing)).close_code == "OUTPUT_MISSING"
    assert made.execute(made.trial(make.code_request()), Ends(nothing)).state == Run.State.SUCCEEDED


def test_refused_files_are_kept_by_name_and_reason():
    result = JobResult(
        status=Status.FAILED,
        code=CloseCode.OUTPUT_TYPE,
        refused=(RefusedFile(name="x.pkl\x00", reason="A pickle."),),
    )
    made.execute(private(), Ends(result))
    assert RefusedOutput.objects.get().reason == "A pickle."


def test_a_crash_of_the_runner_itself_ends_the_run():
    run = private()
    with pytest.raises(RuntimeError):
        made.execute(run, Raises(RuntimeError("broken")))
    assert made.fresh_run(run).close_code == "INTERNAL"


def test_a_full_disk_ends_the_run():
    run = private()
    lost = JobResult(
        status=Status.SUCCEEDED, outputs=(OutputFile(name="n.json", type="json", bytes=1, sha256="0" * 64),)
    )
    with pytest.raises(FileNotFoundError):
        made.execute(run, Ends(lost))
    assert made.fresh_run(run).close_code == "INTERNAL"


def test_a_sandbox_that_does_not_hold_closes_the_worker_and_costs_no_run():
    run = private()
    made.execute(run, Raises(SandboxUnavailable("No user namespaces.")))
    run = made.fresh_run(run)
    assert (run.close_code, run.opened_at) == ("INTERNAL", None)
    assert Worker.objects.get().refusal == "No user namespaces."
    assert claims.claim("sandbox@test") is None


# Private data is opened only for what was approved


def prepared():
    return made.claimed(private())


def end(run, executor=None):
    spy = executor or WritesOutputs()
    done = lifecycle.execute(run, spy)
    return done.close_code, len(spy.specs)


BLOCKED = ("POLICY_BLOCKED", 0)


def test_nothing_is_opened_for_a_request_that_is_not_approved():
    run = prepared()
    CodeRequest.objects.update(state="revoked")
    assert end(run) == BLOCKED


def test_nothing_is_opened_after_the_approval_has_ended():
    run = prepared()
    Approval.objects.update(ended_at=run.created_at)
    assert end(run) == BLOCKED


def test_nothing_is_opened_after_the_approval_has_run_out():
    run = prepared()
    Approval.objects.update(expires_at=run.created_at)
    assert end(run) == BLOCKED


@pytest.mark.parametrize(
    "change", [{"code": "print('other')"}, {"parameters": {"year": 1}}, {"environment": "other"}]
)
def test_nothing_is_opened_for_anything_but_what_was_approved(change):
    run = prepared()
    Run.objects.filter(pk=run.pk).update(**change)
    code, opened = end(made.fresh_run(run))
    assert (code in ("POLICY_BLOCKED", "INTERNAL"), opened) == (True, 0)


def test_nothing_is_opened_of_another_revision():
    run = prepared()
    other = make.dataset().current
    Run.objects.filter(pk=run.pk).update(revision=other)
    assert end(made.fresh_run(run)) == BLOCKED


def test_nothing_is_opened_for_an_author_whose_access_has_ended():
    run = prepared()
    run.request.dataset.grants.update(expires_at=run.created_at)
    assert end(run) == BLOCKED


def test_nothing_is_opened_when_a_file_is_not_what_was_sealed():
    run = prepared()
    table = run.revision.tables.get()
    path = storage.folder("tables") / table.stored_name
    path.chmod(0o600)
    path.write_bytes(b"short")
    assert end(run) == ("INTERNAL", 0)


def test_data_is_opened_once_and_the_opening_is_on_record():
    run = prepared()
    assert end(run) == ("", 1)
    assert made.fresh_run(run).opened_at is not None


# Leases and cancelling


def test_only_a_claimed_run_is_executed():
    with pytest.raises(Conflict):
        lifecycle.execute(private(), WritesOutputs())


def test_a_worker_whose_lease_was_lost_writes_nothing():
    run = prepared()
    late = WritesOutputs()
    Run.objects.filter(pk=run.pk).update(lease=uuid4())
    assert lifecycle.execute(run, late).state == Run.State.STARTING
    assert late.specs == []


def test_a_lease_lost_while_the_code_ran_ends_without_a_trace():
    run = prepared()
    taken = Ends(meanwhile=lambda: Run.objects.update(state="failed", close_code="WORKER_LOST"))
    done = lifecycle.execute(run, taken)
    assert (done.state, done.close_code) == (Run.State.FAILED, "WORKER_LOST")
    assert not Output.objects.exists()
    assert not storage.attempt_folder(run.pk, run.lease).exists()


def test_a_second_worker_on_the_same_lease_changes_nothing():
    run = prepared()
    lifecycle.execute(run, WritesOutputs())
    again = WritesOutputs()
    assert lifecycle.execute(run, again).state == Run.State.ENDING
    made.announced(run)
    assert lifecycle.execute(run, again).state == Run.State.SUCCEEDED
    assert again.specs == []
    assert Release.objects.count() == 1


def test_a_cancel_wins_over_a_success_that_came_after_it():
    run = prepared()
    author = run.request.author
    done = made.announced(lifecycle.execute(run, Ends(meanwhile=lambda: services.cancel_run(run, by=author))))
    assert (done.state, done.cancelled_by) == (Run.State.CANCELLED, author)
    assert not Output.objects.exists()


def test_a_job_that_was_killed_on_request_is_cancelled():
    run = prepared()
    services.cancel_run(run, by=run.request.author)
    done = made.announced(lifecycle.execute(run, Ends(JobResult(status=Status.CANCELLED))))
    assert done.state == Run.State.CANCELLED


def test_a_freeze_between_claim_and_opening_opens_nothing():
    run = prepared()
    datasets.freeze(run.request.dataset, by=run.request.dataset.owner, reason="A look.")
    spy = WritesOutputs()
    assert lifecycle.execute(run, spy).state == Run.State.CANCELLED
    assert spy.specs == []


def test_a_noted_result_reads_back_as_it_was():
    result = JobResult(
        status=Status.FAILED,
        code=CloseCode.OUTPUT_TYPE,
        refused=(RefusedFile(name="a", reason="b"),),
        layers=("seccomp",),
    )
    for one in (result, replace(result, status=Status.SUCCEEDED, code=None)):
        assert completion.from_text(completion.as_text(one)) == one
