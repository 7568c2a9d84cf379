"""Who may do what, and whom an object exists for."""

import pytest

from accounts.models import User
from requests_app import queries, rules
from requests_app.models import CodeRequest, Output, Release, Run
from requests_app.services import releases
from tests import make
from tests.makers import requests as made

pytestmark = pytest.mark.django_db

PEOPLE = ("author", "owner", "reviewer", "other_owner", "scientist", "admin", "auditor")


def cast(item):
    """One person for each role towards this request."""
    return {
        "author": item.author,
        "owner": item.dataset.owner,
        "reviewer": make.reviewer(item.dataset).user,
        "other_owner": make.owner(),
        "scientist": make.scientist(),
        "admin": make.admin(),
        "auditor": make.auditor(),
    }


def who(rule, item, on=None):
    """The people whom the rule allows."""
    return {name for name, person in cast(item).items() if rule(person, on or item) is None}


def seen(queryset, item, pk):
    return {name for name, person in cast(item).items() if queryset(person).filter(pk=pk).exists()}


SIDE = {"author", "owner", "reviewer", "auditor"}


@pytest.mark.parametrize(
    ("at", "readers"), [("draft", {"author"}), ("submitted", SIDE), ("approved", SIDE), ("released", SIDE)]
)
def test_whom_a_request_exists_for(at, readers):
    item = make.code_request(at=at)
    assert seen(CodeRequest.objects.visible_to, item, item.pk) == readers
    known = readers | ({"admin"} if at != "draft" else set())
    assert seen(CodeRequest.objects.known_to, item, item.pk) == known


def test_whom_a_run_and_a_release_exist_for():
    item = make.code_request(at="ran")
    run = item.runs.get()
    assert seen(Run.objects.visible_to, item, run.pk) == SIDE | {"admin"}
    assert seen(Release.objects.visible_to, item, run.release.pk) == SIDE | {"admin"}


def test_a_trial_is_its_authors_until_it_is_submitted():
    item = make.code_request()
    run = made.trial(item)
    assert seen(Run.objects.visible_to, item, run.pk) == {"author"}
    made.submission(item)
    assert seen(Run.objects.visible_to, item, run.pk) == {"author", "owner", "reviewer"}


def test_who_reads_code():
    assert who(rules.may_read_code, make.code_request(at="submitted")) == SIDE


def test_who_reads_a_log_and_held_output():
    item = make.code_request(at="ran")
    run = item.runs.get()
    assert who(rules.may_read_log, item, run) == {"owner", "reviewer"}
    assert who(rules.may_read_output, item, run) == {"owner", "reviewer"}


def test_who_reads_the_log_of_a_trial():
    item = make.code_request()
    run = made.trial(item)
    assert who(rules.may_read_log, item, run) == {"author"}
    made.submission(item)
    assert who(rules.may_read_log, item, made.fresh_run(run)) == {"author", "owner", "reviewer"}


@pytest.mark.parametrize(
    ("blinded", "reviewers"), [(False, {"owner", "reviewer"}), (True, {"owner"})], ids=["open", "blinded"]
)
def test_what_a_reviewer_tries_is_never_its_authors(blinded, reviewers):
    """Where reviewers decide independently, it is only for who has tried it: here the owner."""
    item = make.code_request(at="submitted", dataset=make.dataset(policy={"blinded": blinded}))
    run = made.execute(made.tried(item))
    assert seen(Run.objects.visible_to, item, run.pk) == reviewers
    assert seen(queries.outputs_of_runs, item, run.outputs.get().pk) == reviewers
    assert who(rules.may_read_log, item, run) == {"owner", "reviewer"}
    assert who(rules.may_read_output, item, run) == {"owner", "reviewer"}
    assert who(rules.may_cancel_run, item, run) == {"owner"}
    assert rules.may_cancel_run(User.objects.system(), run) is None


def test_who_tries_a_version():
    item = make.code_request(at="submitted")
    assert who(rules.may_try_on_mock, item, made.version(item)) == {"owner", "reviewer"}
    make.reviewer(item.dataset, item.author)
    assert rules.may_try_on_mock(item.author, made.version(item)) == (
        "Somebody else has to review your request and its outputs."
    )


def test_an_author_with_a_reviewers_seat_does_not_read_their_own_held_output():
    item = make.code_request(at="ran")
    make.reviewer(item.dataset, item.author)
    run = item.runs.get()
    assert rules.may_read_log(item.author, run) == "Somebody else has to review your request and its outputs."
    assert (
        rules.may_check_output(item.author, run.release)
        == "Somebody else has to review your request and its outputs."
    )


def test_who_downloads_what_is_released():
    item = make.code_request(at="released")
    assert who(rules.may_download_release, item, Release.objects.get()) == {"author", "owner", "reviewer"}


def test_who_opens_a_file_while_it_is_held_and_once_it_is_released_or_recalled():
    item = make.code_request(at="ran")
    output = Output.objects.get()
    assert who(rules.may_open_output, item, output) == {"owner", "reviewer"}
    release = made.release(output.run)
    assert who(rules.may_open_output, item, Output.objects.get()) == {"author", "owner", "reviewer"}
    releases.recall(release, by=item.dataset.owner, reason="A mistake.")
    assert who(rules.may_open_output, item, Output.objects.get()) == {"owner", "reviewer"}


def test_who_cancels_revokes_and_recalls():
    item = make.code_request(at="released")
    run = made.start(made.fresh(item))
    assert who(rules.may_cancel_run, item, run) == {"author", "owner", "admin"}
    assert who(rules.may_revoke, item) == {"owner", "admin"}
    assert who(rules.may_recall, item, Release.objects.get()) == {"owner", "admin"}


def test_who_sees_the_workers():
    item = make.code_request()
    assert who(rules.may_see_workers, item) == {"admin", "auditor"}
    assert who(rules.may_manage_workers, item) == {"admin"}


def test_a_suspended_person_does_nothing():
    item = make.code_request(at="submitted")
    for person in (item.author, item.dataset.owner):
        person.is_active = False
    for rule in (rules.may_edit, rules.may_submit, rules.may_run_on_mock, rules.may_withdraw):
        assert rule(item.author, item) == "This account is not active. Ask an admin."
    for rule in (rules.may_review, rules.may_begin_review, rules.may_revoke):
        assert rule(item.dataset.owner, item) == "This account is not active. Ask an admin."


def test_a_role_that_was_taken_ends_runs_to_come():
    item = make.code_request(at="approved")
    item.author.role_grants.all().delete()
    assert "data scientists" in str(rules.may_start_run(made.fresh(item).author, made.fresh(item)))
