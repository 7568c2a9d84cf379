"""What an author learns of a run's end: one announcement, in steps after the start, everywhere at the same time."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Notification
from audit.models import Entry
from datasets import services as datasets
from requests_app import rules, services, visibility
from requests_app.execution import announcement, claims, completion, lifecycle, sweep
from requests_app.models import Release, Run
from runner.contract import CloseCode, JobResult, Status
from tests import make
from tests.makers import requests as made
from tests.makers.requests import WritesOutputs

START = datetime(2026, 11, 25, 12, 0, 3, tzinfo=UTC)
WENT = ("finished_at", "close_code", "error_class", "error_line", "ended_at", "announce_at", "heartbeat_at")


@pytest.mark.parametrize(
    ("step", "seconds", "told"),
    [
        (10, 0, 10),
        (10, 1.83, 10),
        (10, 9.99, 10),
        (10, 10, 10),
        (10, 10.01, 20),
        (60, 61, 120),
        (900, 5, 900),
    ],
)
def test_a_length_is_rounded_up_to_steps_after_the_start(step, seconds, told):
    run = Run(started_at=START, end_step_seconds=step)
    assert announcement.boundary(run, START + timedelta(seconds=seconds)) == START + timedelta(seconds=told)


def test_starting_at_another_second_tells_no_more_of_a_length():
    """Steps of the wall clock would tell more: the same length would cross one of them or not."""
    took = timedelta(seconds=7.3)
    starts = [START + timedelta(seconds=shift / 10) for shift in range(200)]
    runs = [Run(started_at=start, end_step_seconds=10) for start in starts]
    told = {announcement.boundary(run, start + took) - start for run, start in zip(runs, starts, strict=True)}
    assert told == {timedelta(seconds=10)}


def test_a_time_is_exact_for_who_reads_the_log_alone():
    run = Run(
        kind="private", state="succeeded", started_at=START, ended_at=START + timedelta(seconds=9.5),
        finished_at=START + timedelta(seconds=10),
    )  # fmt: skip
    assert visibility.duration(run, now=START, reads_log=True) == timedelta(seconds=9.5)
    assert visibility.duration(run, now=START, reads_log=False) == timedelta(seconds=10)
    shown = visibility.redacted(run, reads_log=False)
    assert (shown.ended_at, shown.finished_at) == (None, run.finished_at)


def client_of(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


PAGES = ("requests:run", "requests:detail")


def page(run: Run, user, name: str = "requests:run") -> str:
    pk = run.pk if name == "requests:run" else run.request_id
    response = client_of(user).get(reverse(name, args=[pk]))
    text = re.sub(r'data-since="[^"]*"|\d+ s\b', "", response.content.decode())
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def what_the_author_finds(run: Run) -> dict[str, object]:
    """Everything about a run that its author can see, request or count."""
    item = made.fresh(run.request)
    author = item.author
    client = client_of(author)
    log = Entry.objects.exclude(action__startswith="session.")
    shown = visibility.redacted(made.fresh_run(run), reads_log=False)
    return {
        "pages": [page(run, author, name) for name in PAGES],
        "fields": {name: getattr(shown, name) for name in ("state", *WENT)},
        "submit": rules.may_submit(author, item),
        "start": rules.may_start_run(author, item),
        "bell": list(author.notifications.values_list("text", flat=True)),
        "inbox": client.get(reverse("inbox")).content.count(b"<li"),
        "own log": list(log.filter(pk__in=Entry.objects.visible_to(author)).values_list("action", "at")),
        "length of the log": log.count(),
        "places": Run.objects.working().count(),
    }


@pytest.fixture
def begun():
    run = made.claimed(made.start(make.code_request(at="approved")))
    return made.fresh_run(run, state="running")


ENDINGS = {
    "well": WritesOutputs(),
    "badly": WritesOutputs(code=CloseCode.EXIT_NONZERO),
    "by time": WritesOutputs(code=CloseCode.TIME_LIMIT),
}


@pytest.mark.django_db
@pytest.mark.parametrize("how", ENDINGS)
def test_until_its_step_comes_nothing_tells_that_a_run_has_ended(how, django_capture_on_commit_callbacks):
    run = made.claimed(made.start(make.code_request(at="approved")))
    what_the_author_finds(run)  # reads the notifications that lead to these pages
    found = {}

    class Looks(WritesOutputs):
        def run(self, spec, *, started=lambda: None, cancelled=lambda: False):
            result = ENDINGS[how].run(spec, started=started, cancelled=cancelled)
            found.update(what_the_author_finds(run))
            return result

    with django_capture_on_commit_callbacks() as sent:
        lifecycle.execute(run, Looks())
    heard = [callback for callback in sent if "_send" in getattr(callback, "__name__", "")]
    told_while_it_ran = 2  # that it runs: its own page and the request's
    ended = made.fresh_run(run)
    assert (ended.state, ended.finished_at) == ("ending", None)
    assert ended.ended_at is not None
    assert what_the_author_finds(run) == found
    assert len(heard) == told_while_it_ran
    made.announced(run)
    assert what_the_author_finds(run) != found


@pytest.mark.django_db
def test_an_announcement_moves_everything_at_once():
    run = made.claimed(made.start(make.code_request(at="approved")))
    lifecycle.execute(run, WritesOutputs())
    sweep.sweep_runs()
    assert (made.fresh_run(run).state, Release.objects.count()) == ("ending", 0)
    done = made.announced(run)
    assert (done.state, done.finished_at) == ("succeeded", done.announce_at)
    assert Release.objects.get().state == "held"
    assert Entry.objects.filter(action="run.succeed").count() == 1
    assert Notification.objects.filter(user=run.request.author, text__contains="has run").count() == 1


@pytest.mark.django_db
def test_the_end_is_a_whole_number_of_steps_after_the_start():
    run = made.claimed(
        made.start(make.code_request(at="approved", dataset=make.dataset(policy={"end_step_seconds": 60})))
    )
    lifecycle.execute(run, WritesOutputs())
    ended = made.fresh_run(run)
    assert ended.started_at is not None
    assert ended.announce_at == ended.started_at + timedelta(seconds=60)


@pytest.mark.django_db
@pytest.mark.parametrize("name", PAGES)
def test_ended_is_running_for_the_author_and_open_to_the_owner(name):
    run = made.claimed(made.start(make.code_request(at="approved")))
    lifecycle.execute(run, WritesOutputs(code=CloseCode.TIME_LIMIT))
    text = page(run, run.request.author, name)
    assert ("Running" in text, "TIME_LIMIT" in text, "nded, not" in text) == (True, False, False)
    theirs = page(run, run.request.dataset.owner, name)
    assert ("Ended, not announced" in theirs, "TIME_LIMIT" in theirs) == (True, True)


@pytest.mark.django_db
def test_collecting_is_running_for_the_author(begun):
    made.fresh_run(begun, state="collecting")
    assert "ollecting" not in page(begun, begun.request.author)
    assert "Collecting outputs" in page(begun, begun.request.dataset.owner)


@pytest.mark.django_db
@pytest.mark.parametrize("has_ended", [False, True])
def test_a_cancel_by_the_author_takes_as_long_whether_the_code_still_ran_or_not(begun, has_ended):
    if has_ended:
        run = made.fresh_run(begun, state="starting")
        lifecycle.execute(run, WritesOutputs())
        assert made.fresh_run(run).outputs.count() == 1
    author = begun.request.author
    before = made.fresh_run(begun).state
    services.cancel_run(begun, by=author)
    asked = made.fresh_run(begun)
    assert (before == "ending", asked.state) == (has_ended, "cancelling")
    assert asked.announce_at is not None
    sweep.sweep_runs()
    assert made.fresh_run(begun).state == "cancelling"
    if not has_ended:
        completion.finish(begun.pk, asked.lease, JobResult(status=Status.CANCELLED))
        assert made.fresh_run(begun).state == "cancelling"
    done = made.announced(begun)
    assert (done.state, done.close_code, done.outputs.count()) == ("cancelled", "", 0)


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["running", "collecting", "ending"])
def test_the_log_does_not_tell_who_cancels_whether_the_code_still_ran(begun, state):
    ended_at = begun.started_at if state == "ending" else None
    services.cancel_run(made.fresh_run(begun, state=state, ended_at=ended_at), by=begun.request.author)
    asked = Entry.objects.visible_to(begun.request.author).get(action="run.cancel")
    assert asked.changes == {"state": ["running", "cancelling"]}


@pytest.mark.django_db
@pytest.mark.parametrize("has_ended", [False, True])
def test_access_that_runs_out_tells_no_more_than_a_cancel_by_the_author(begun, has_ended):
    if has_ended:
        lifecycle.execute(made.fresh_run(begun, state="starting"), WritesOutputs())
    begun.request.author.grants.update(expires_at=timezone.now())
    sweep.sweep_runs()
    asked = made.fresh_run(begun)
    assert (asked.state, asked.cancelled_by.state) == ("cancelling", "system")
    assert asked.announce_at is not None
    sweep.sweep_runs()
    assert made.fresh_run(begun).state == "cancelling"
    if not has_ended:
        completion.finish(begun.pk, asked.lease, JobResult(status=Status.CANCELLED))
        assert made.fresh_run(begun).state == "cancelling"
    assert made.announced(begun).state == "cancelled"


@pytest.mark.django_db
def test_a_freeze_ends_at_once_what_had_ended_unannounced(begun):
    run = made.fresh_run(begun, state="starting")
    lifecycle.execute(run, WritesOutputs())
    datasets.freeze(run.request.dataset, by=run.request.dataset.owner, reason="A leak.")
    assert made.fresh_run(run).state == "cancelled"
    assert not Release.objects.exists()


@pytest.mark.django_db
def test_the_record_of_a_release_tells_the_announced_end():
    item = make.code_request(at="released")
    run = item.runs.get()
    record = Release.objects.get().record
    assert record["run"]["finished_at"] == run.finished_at.isoformat()
    assert str(run.ended_at.isoformat()) not in str(record)


@pytest.mark.django_db
def test_a_place_is_free_for_others_only_when_the_end_is_announced():
    name = make.worker(slots=1).name
    made.start(make.code_request(at="approved"))
    claimed = claims.claim(name)
    lifecycle.execute(claimed, WritesOutputs())
    other = made.trial(make.code_request())
    assert claims.claim(name) is None
    made.announced(claimed)
    assert claims.claim(name).pk == other.pk


@pytest.mark.django_db
def test_a_trial_ends_at_once_for_its_author():
    run = made.claimed(made.trial(make.code_request()))
    assert lifecycle.execute(run, WritesOutputs()).state == "succeeded"
