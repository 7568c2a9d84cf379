"""The output check: held files, verdicts for each, the record, downloads, recall."""

import pytest
from django.db import IntegrityError, transaction

from accounts.models import Notification
from audit.models import Entry
from common.errors import Conflict, Denied, Refused
from datasets import storage
from requests_app.code import fingerprint
from requests_app.models import Output, Release
from requests_app.services import outputs, releases
from runner.gates import previews
from tests import make
from tests.makers import requests as made

pytestmark = pytest.mark.django_db

TWO = {"mean.json": b'{"mean_wage": 1507.5}', "notes.txt": b"Nothing odd.\n"}


def held(**policy):
    item = make.code_request(at="ran", executor=made.WritesOutputs(TWO), **policy)
    return item, Release.objects.get(run__request=item)


def test_outputs_are_held_and_their_author_gets_nothing():
    item, release = held()
    assert release.state == Release.State.HELD
    for output in release.run.outputs.all():
        with pytest.raises(Denied):
            outputs.open_held(output, by=item.author)
        with pytest.raises(Denied, match="not released"):
            outputs.open_released(output, by=item.author)


@pytest.mark.parametrize("who", ["author", "stranger", "admin", "auditor"])
def test_only_reviewers_check(who):
    item, release = held()
    by = {
        "author": lambda: item.author,
        "stranger": make.scientist,
        "admin": make.admin,
        "auditor": make.auditor,
    }[who]()
    with pytest.raises(Denied):
        releases.begin_check(release, by=by)
    with pytest.raises(Denied):
        releases.set_verdict(release.run.outputs.first(), by=by, verdict="release")
    with pytest.raises(Denied):
        releases.decide(release, by=by, decision="reject", comment="No.")
    with pytest.raises(Denied):
        outputs.open_held(release.run.outputs.first(), by=by)


def test_the_database_itself_keeps_authors_from_releasing():
    item, release = held()
    with pytest.raises(IntegrityError, match="nobody_releases_their_own_output"), transaction.atomic():
        Release.objects.filter(pk=release.pk).update(decided_by=item.author)


def test_a_view_of_held_output_is_in_the_audit_log():
    item, release = held()
    output = release.run.outputs.get(name="mean.json")
    assert outputs.open_held(output, by=item.dataset.owner).read_bytes() == TWO["mean.json"]
    entry = Entry.objects.get(action="output.view")
    assert (entry.actor_id, entry.object_id) == (str(item.dataset.owner.pk), str(output.pk))


def test_every_file_needs_a_verdict_first():
    item, release = held()
    owner = item.dataset.owner
    releases.set_verdict(release.run.outputs.get(name="mean.json"), by=owner, verdict="release")
    with pytest.raises(Refused, match="Give every file a verdict"):
        releases.decide(release, by=owner, decision="release")


def test_a_release_lets_something_out():
    item, release = held()
    for output in release.run.outputs.all():
        releases.set_verdict(output, by=item.dataset.owner, verdict="withhold")
    with pytest.raises(Refused, match="No file is marked"):
        releases.decide(release, by=item.dataset.owner, decision="release")


def released():
    item, release = held()
    owner = item.dataset.owner
    releases.set_verdict(release.run.outputs.get(name="mean.json"), by=owner, verdict="release")
    releases.set_verdict(release.run.outputs.get(name="notes.txt"), by=owner, verdict="withhold")
    return item, releases.decide(release, by=owner, decision="release")


def test_what_is_released_is_downloaded_and_what_is_withheld_is_not(django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        item, release = released()
    mean, notes = release.run.outputs.order_by("name")
    assert outputs.open_released(mean, by=item.author).read_bytes() == TWO["mean.json"]
    assert Entry.objects.filter(action="output.download", actor_id=str(item.author.pk)).count() == 1
    with pytest.raises(Conflict, match="not released"):
        outputs.open_released(notes, by=item.author)
    with pytest.raises(Conflict, match="has been deleted"):
        storage.output_path(release.run_id, "notes.txt")


def test_the_record_tells_the_whole_chain():
    item, release = released()
    record = release.record
    version = made.version(item)
    assert record["format"] == "weir-release/1"
    assert record["request"] == {"id": str(item.pk), "title": item.title, "author": item.author.email}
    assert record["version"]["sha256"] == version.sha256
    assert record["version"]["code_sha256"] == fingerprint.of_code(version.code)
    assert record["dataset"]["revision_sha256"] == version.revision.sha256
    assert [review["reviewer"] for review in record["reviews"]] == [item.dataset.owner.email]
    assert record["decided_by"] == item.dataset.owner.email
    (output,) = record["outputs"]
    assert (output["name"], output["sha256"]) == (
        "mean.json",
        release.run.outputs.get(name="mean.json").sha256,
    )
    assert {"type", "size"} <= {check["name"] for check in output["checks"]}


def test_the_record_holds_nothing_of_what_was_withheld_or_private():
    _, release = released()
    text = str(release.record)
    assert "notes.txt" not in text
    assert "a private line" not in text
    assert "peak_memory" not in text


def test_the_record_names_no_reviewer_of_a_blinded_dataset():
    item = make.code_request(at="released", dataset=make.dataset(policy={"blinded": True}))
    record = Release.objects.get().record
    assert [review["reviewer"] for review in record["reviews"]] == [""]
    assert item.dataset.owner.email not in str(record["reviews"])


@pytest.mark.parametrize("decision", ["reject", "request_changes"])
def test_a_refusal_says_why_and_its_bytes_go(decision, django_capture_on_commit_callbacks):
    item, release = held()
    with pytest.raises(Refused, match="Give a reason"):
        releases.decide(release, by=item.dataset.owner, decision=decision)
    with django_capture_on_commit_callbacks(execute=True):
        releases.decide(release, by=item.dataset.owner, decision=decision, comment="Cells are too small.")
    assert set(release.run.outputs.exclude(bytes_gone_at=None).values_list("name", flat=True)) == set(TWO)
    with pytest.raises(Conflict, match="has been deleted"):
        storage.output_path(release.run_id, "mean.json")


def test_a_decision_is_taken_once():
    item, release = released()
    for decision in ("release", "reject", "request_changes"):
        with pytest.raises(Conflict):
            releases.decide(release, by=item.dataset.owner, decision=decision, comment="Again.")
    with pytest.raises(Conflict):
        releases.set_verdict(release.run.outputs.first(), by=item.dataset.owner, verdict="withhold")


@pytest.mark.parametrize("who", ["owner", "admin"])
def test_a_recall_ends_downloads_and_tells_everybody(who):
    item, release = released()
    by = item.dataset.owner if who == "owner" else make.admin()
    with pytest.raises(Refused, match="Give a reason"):
        releases.recall(release, by=by, reason="")
    releases.recall(release, by=by, reason="A cell was too small.")
    with pytest.raises(Denied, match="not released"):
        outputs.open_released(release.run.outputs.get(name="mean.json"), by=item.author)
    assert Notification.objects.filter(user=item.author, text__contains="recalled").count() == 1


def test_a_reviewer_or_the_author_does_not_recall():
    item, release = released()
    for person in (item.author, make.reviewer(item.dataset).user):
        with pytest.raises(Denied):
            releases.recall(release, by=person, reason="No.")


def test_a_file_that_was_tampered_with_is_not_opened():
    item, release = held()
    output = release.run.outputs.get(name="mean.json")
    storage.output_path(release.run_id, "mean.json").write_bytes(b"{}")
    with pytest.raises(Conflict, match="changed since the run wrote it"):
        outputs.open_held(output, by=item.dataset.owner)


def test_verdicts_and_decisions_are_of_the_known_kinds():
    item, release = held()
    with pytest.raises(Refused):
        releases.set_verdict(release.run.outputs.first(), by=item.dataset.owner, verdict="pending")
    with pytest.raises(Refused):
        releases.decide(release, by=item.dataset.owner, decision="recall")
    with pytest.raises(Refused):
        releases.set_verdict(
            release.run.outputs.first(), by=item.dataset.owner, verdict="withhold", comment="x" * 2001
        )


# An excerpt of the log


def test_an_edited_excerpt_of_a_failed_runs_log_can_be_released():
    item = make.code_request(at="failed")
    run = item.runs.get()
    output = releases.add_log_excerpt(run, by=item.dataset.owner, text="It wants a column `income`.\n")
    release = made.release(run)
    assert release.record["outputs"][0]["written_by"] == "a reviewer"
    assert outputs.open_released(output, by=item.author).read_text() == "It wants a column `income`.\n"


def test_only_a_reviewer_adds_an_excerpt_once_and_while_it_is_open():
    item = make.code_request(at="ran")
    run = item.runs.get()
    with pytest.raises(Denied):
        releases.add_log_excerpt(run, by=item.author, text="x")
    with pytest.raises(Refused):
        releases.add_log_excerpt(run, by=item.dataset.owner, text=" ")
    releases.add_log_excerpt(run, by=item.dataset.owner, text="x")
    with pytest.raises(Conflict, match="already"):
        releases.add_log_excerpt(run, by=item.dataset.owner, text="x")
    made.release(run)
    with pytest.raises(Conflict, match="A decision on these outputs"):
        releases.add_log_excerpt(run, by=item.dataset.owner, text="x")


def test_a_live_runs_log_and_a_trials_log_are_not_excerpted():
    item = make.code_request(at="approved")
    with pytest.raises(Denied):
        releases.add_log_excerpt(made.start(item), by=item.dataset.owner, text="x")
    trial = made.execute(made.trial(make.code_request()))
    with pytest.raises(Denied):
        releases.add_log_excerpt(trial, by=trial.request.dataset.owner, text="x")


def test_a_trials_files_are_its_authors_at_once():
    item = make.code_request()
    run = made.execute(made.trial(item))
    output = Output.objects.get(run=run)
    assert outputs.open_held(output, by=item.author).read_bytes() == b'{"mean_wage": 1507.5}'
    assert not Release.objects.exists()
    with pytest.raises(Conflict, match="No output of this run"):
        outputs.open_released(output, by=item.author)


# Files to send


def test_a_file_to_send_is_a_mock_runs_or_released_or_held_where_the_policy_allows_it():
    dataset = make.dataset(policy={"held_downloads": True})
    item = make.code_request(at="ran", dataset=dataset)
    output = Output.objects.get(run__request=item)
    assert outputs.open_file(output, by=dataset.owner).exists()
    with pytest.raises(Denied):
        outputs.open_file(output, by=item.author)
    made.release(output.run)
    released = Output.objects.get(pk=output.pk)
    assert outputs.open_file(released, by=item.author).exists()
    assert actions() == ["output.download_held", "output.download"]
    trial = Output.objects.get(run=made.execute(made.trial(item)))
    assert outputs.open_file(trial, by=item.author).exists()
    with pytest.raises(Denied):
        outputs.open_file(trial, by=dataset.owner)


def actions():
    return list(
        Entry.objects.filter(action__startswith="output.download")
        .order_by("pk")
        .values_list("action", flat=True)
    )


@pytest.mark.sandbox
def test_a_look_at_a_held_file_is_noted_and_at_a_mock_runs_not():
    item = make.code_request(at="ran")
    output = Output.objects.get(run__request=item)
    looked = outputs.look(output, by=item.dataset.owner, place=previews.Place())
    assert (looked.model["kind"], looked.is_noted, output.looks.count()) == ("json", True, 1)
    trial = Output.objects.get(run=made.execute(made.trial(item)))
    assert outputs.look(trial, by=item.author, place=previews.Place()).is_noted is False
    assert not trial.looks.exists()


def test_a_released_file_is_shown_to_its_author_as_a_download():
    item = make.code_request(at="released")
    output = Output.objects.get(run__request=item)
    assert outputs.look(output, by=item.author, place=previews.Place()).is_noted is False
    assert actions() == ["output.download"]
    with pytest.raises(Denied):
        outputs.look(output, by=make.scientist(), place=previews.Place())
