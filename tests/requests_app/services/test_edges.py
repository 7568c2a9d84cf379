"""What verbs and rules of the review lane refuse: at the wrong time, too much, or of the wrong person."""

from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import Role
from audit.models import Entry
from common.errors import Conflict, Denied, Refused
from datasets import services as datasets
from datasets.models import Revision
from datasets.queries import current_revision
from requests_app import rules, services
from requests_app.code import fingerprint
from requests_app.models import Approval, CodeRequest, Comment, Output, Release, Run
from requests_app.services import outputs, releases
from tests import make
from tests.makers import requests as made

pytestmark = pytest.mark.django_db


def held(**policy):
    item = make.code_request(at="ran", dataset=make.dataset(policy=policy))
    return item, Release.objects.get(run__request=item)


# Approvals and runs


def test_an_approval_is_of_this_code_this_version_and_this_revision():
    item = make.code_request(at="approved")

    def approval():
        found = Approval.objects.select_related("version__request", "version__revision").get()
        assert rules.approval_is_live(found) is None
        return found

    other, older, retired = approval(), approval(), approval()
    other.sha256 = "0" * 64
    older.version.request.latest_id = uuid4()
    retired.version.revision.state = Revision.State.RETIRED
    refused = [rules.approval_is_live(each) for each in (other, older, retired)]
    assert None not in refused
    assert len(set(refused)) == 3
    assert rules.may_run_again(item.author, item) is None


def test_what_was_never_approved_is_not_run():
    item = make.code_request(at="submitted")
    assert rules.may_run_again(item.author, item) == rules.NOT_APPROVED
    assert rules.approved_environment_stands(item.author, item) == rules.NOT_APPROVED
    assert rules.may_open_data(made.trial(item)) is not None
    assert rules.live_approval(item) is None
    with pytest.raises(Denied):
        services.start_run(item, by=item.author, key=uuid4())
    assert not Run.objects.filter(kind=Run.Kind.PRIVATE).exists()


def test_data_is_not_opened_in_an_environment_that_has_changed():
    item = make.code_request(at="approved")
    run = made.claimed(made.start(item))
    assert run.approval is not None
    assert rules.may_open_data(run) is None
    run.approval.version.environment_sha256 = "0" * 64
    assert "has changed" in (rules.may_open_data(run) or "")


def test_an_environment_that_is_gone_has_changed():
    assert rules.environment_has_changed("nowhere", "0" * 64) is not None
    assert rules.environment_is_retired("nowhere") is None


def test_a_run_does_not_go_on_over_a_revision_that_is_retired():
    run = made.start(make.code_request(at="approved"))
    assert rules.may_continue(run) is None
    run.revision.state = Revision.State.RETIRED
    assert "retired" in (rules.may_continue(run) or "")


# Who cannot come to oversee


@pytest.mark.parametrize("at", ["submitted", "approved", "ran"])
def test_an_author_with_something_under_way_cannot_come_to_oversee(at):
    author = make.code_request(at=at).author
    assert rules.keeps_duties_apart(author, Role.AUDITOR) is not None
    assert rules.keeps_duties_apart(author, Role.OWNER) is None


def test_an_author_whose_runs_are_over_waits_for_what_is_held():
    item = make.code_request(at="ran")
    services.revoke(item, by=item.dataset.owner, reason="It is enough.")
    assert "held" in (rules.keeps_duties_apart(item.author, Role.AUDITOR) or "")
    made.release(Run.objects.get(request=item), by=item.dataset.owner)
    assert rules.keeps_duties_apart(item.author, Role.AUDITOR) is None


def test_a_trial_under_way_keeps_its_author_from_overseeing():
    item = make.code_request()
    made.trial(item)
    assert "in progress" in (rules.keeps_duties_apart(item.author, Role.ADMIN) or "")


# Opening what a run has left


def test_a_held_file_is_taken_home_where_the_policy_says_so_and_recorded():
    item, release = held(held_downloads=True)
    output = release.run.outputs.get()
    path = outputs.open_held_download(output, by=item.dataset.owner)
    assert path.read_bytes() == b'{"mean_wage": 1507.5}'
    assert Entry.objects.filter(action="output.download_held").count() == 1
    for by in (item.author, make.admin(), make.auditor()):
        with pytest.raises(Denied):
            outputs.open_held_download(output, by=by)
    assert Entry.objects.filter(action="output.download_held").count() == 1


def test_only_files_of_private_runs_are_held():
    item = make.code_request()
    run = made.trial(item)
    assert rules.may_download_held(item.dataset.owner, run) is not None
    assert "policy" in (rules.may_download_held(item.dataset.owner, held()[1].run) or "")


def test_bytes_that_are_gone_are_not_opened():
    item, release = held()
    output = release.run.outputs.get()
    made.release(release.run, by=item.dataset.owner)
    Output.objects.filter(pk=output.pk).update(bytes_gone_at=timezone.now())
    with pytest.raises(Conflict, match="been deleted"):
        outputs.open_released(output, by=item.author)


def test_a_look_at_a_private_log_is_recorded_and_one_at_a_trials_is_not():
    item = make.code_request(at="ran")
    run = Run.objects.get(request=item)
    assert outputs.open_log(run, by=item.dataset.owner).stdout == "a private line"
    outputs.open_log(run, by=item.dataset.owner, download=True)
    with pytest.raises(Denied):
        outputs.open_log(run, by=item.author)
    trial = made.trial(make.code_request())
    assert outputs.open_log(trial, by=trial.request.author).stdout == ""
    actions = list(Entry.objects.filter(action__startswith="log.").values_list("action", flat=True))
    assert sorted(actions) == ["log.download", "log.view"]


def test_a_verdict_needs_something_held():
    item = make.code_request(at="failed")
    run = Run.objects.get(request=item)
    with pytest.raises(Conflict):
        releases._open_release(run, by=item.dataset.owner)


def test_who_reads_the_record_of_a_release():
    item = make.code_request(at="released")
    release = Release.objects.get()
    readers = {
        name
        for name, person in {
            "author": item.author,
            "owner": item.dataset.owner,
            "auditor": make.auditor(),
            "admin": make.admin(),
            "stranger": make.scientist(),
        }.items()
        if rules.may_read_record(person, release) is None
    }
    assert readers == {"author", "owner", "auditor"}
    assert rules.may_read_record(item.dataset.owner, held()[1]) is not None


# Comments and verdicts


def test_a_version_has_room_for_so_many_comments(monkeypatch):
    item = make.code_request(at="submitted")
    version = made.version(item)
    monkeypatch.setattr("requests_app.services.comments.COMMENTS_PER_VERSION", 1)
    services.comment(version, by=item.author, text="The first.")
    with pytest.raises(Refused, match="at most 1"):
        services.comment(version, by=item.author, text="The second.")
    assert Comment.objects.count() == 1


def test_a_remark_that_is_held_back_is_answered_by_its_writer_alone_and_not_resolved():
    item = make.code_request(at="submitted")
    version, owner = made.version(item), item.dataset.owner
    remark = services.comment(version, by=owner, text="Why the mean?")
    assert remark.published_at is None
    with pytest.raises(Refused, match="cannot be answered"):
        services.comment(version, by=make.reviewer(item.dataset).user, text="Yes.", parent=remark)
    answer = services.comment(version, by=owner, text="Or the median?", parent=remark)
    assert answer.published_at is None
    with pytest.raises(Refused, match="published"):
        services.resolve(remark, by=owner)
    remark.refresh_from_db()
    assert remark.resolved_at is None


def test_words_of_a_verdict_are_bounded():
    item = make.code_request(at="submitted")
    version = made.version(item)
    for comment, refusal in (("a" * 10_001, "10,000"), ("a\x00b", "invalid character")):
        with pytest.raises(Refused, match=refusal):
            services.review(
                version, by=item.dataset.owner, seen=version.sha256, verdict="reject", comment=comment
            )
    assert made.fresh(item).state == CodeRequest.State.SUBMITTED


# Drafts


def test_nothing_is_bound_to_a_dataset_without_a_published_revision():
    dataset = make.dataset()
    assert services.template_code(make.current(dataset)).startswith("def main(wages):")
    datasets.retire_revision(make.current(dataset), by=dataset.owner, reason="It is wrong.")
    with pytest.raises(Refused, match="no published revision"):
        current_revision(dataset)


def test_a_draft_begins_as_it_was_saved():
    item = make.code_request(code="def main(wages):\n    return {}\n", parameters={"of": "Åland"})
    begun = services.draft_of(item)
    assert begun["code"] == item.code
    assert begun["parameters"] == '{\n  "of": "Åland"\n}'
    assert services.draft_of(make.code_request())["parameters"] == ""


def test_a_title_is_fixed_once_it_is_submitted():
    item = make.code_request(at="changes_requested")
    with pytest.raises(Refused, match="title"):
        services.save_draft(item, by=item.author, number=item.draft_number, title="Another title")
    services.save_draft(item, by=item.author, number=item.draft_number, title=item.title, purpose="Again.")
    assert (made.fresh(item).title, made.fresh(item).purpose) == (item.title, "Again.")


def test_code_that_is_not_there_is_not_tried():
    item = make.code_request(code=" \n")
    with pytest.raises(Refused, match="no code"):
        made.trial(item)
    assert not Run.objects.exists()


def test_a_template_takes_the_mean_of_a_number_where_there_is_one():
    dataset = make.dataset(published=False)
    revision = make.draft(dataset)
    table = revision.tables.get()
    assert '"mean_wage"' in services.template_code(revision)
    table.columns.filter(name="wage").update(type="category")
    assert '"mean_year"' in services.template_code(revision)
    table.columns.filter(name="year").update(type="category")
    assert "mean_" not in services.template_code(revision)
    assert "nunique()" in services.template_code(revision)
    table.columns.update(is_subject=False)
    assert "len(wages)" in services.template_code(revision)
    table.columns.all().delete()
    table.delete()
    assert services.template_code(revision) == "def main():\n    return {}\n"


def test_what_is_compared_when_data_is_opened_is_the_hash_of_all_that_decides():
    item = make.code_request(at="approved")
    run = made.claimed(made.start(item))
    run.code += "\n"
    assert fingerprint.of_code(run.code) != fingerprint.of_code(item.code)
    assert "differs from what was approved" in (rules.may_open_data(run) or "")
