"""Reviews: who may, of what they saw, with which scope, and what is held back until then."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from accounts.models import Notification
from common.errors import Conflict, Denied, Refused
from datasets import services as datasets
from requests_app import services
from requests_app.models import Approval, CodeRequest, Comment, Review
from tests import make
from tests.makers import requests as made

pytestmark = pytest.mark.django_db


def verdict(version, *, by, verdict="approve", **words):
    return services.review(version, by=by, seen=version.sha256, verdict=verdict, **words)


def two_needed(*, reviewers=1):
    """A dataset that needs two approvals, with this many reviewers besides its owner."""
    dataset = make.dataset()
    given = [make.reviewer(dataset) for _ in range(reviewers)]
    datasets.set_policy(dataset, by=dataset.owner, reviewers_needed=2)
    return dataset, *given


def test_an_approval_is_for_the_hash_the_reviewer_saw():
    item = make.code_request(at="submitted")
    verdict(made.version(item), by=item.dataset.owner, runs=2, days=7)
    approval = Approval.objects.get()
    assert (approval.sha256, approval.runs_allowed) == (made.version(item).sha256, 2)
    assert made.fresh(item).state == CodeRequest.State.APPROVED


def test_a_stale_approval_is_refused():
    item = make.code_request(at="submitted")
    seen = made.version(item)
    services.save_draft(item, by=item.author, number=item.draft_number, code="print('newer')")
    made.submission(item)
    with pytest.raises(Conflict, match="A newer version has been submitted"):
        verdict(seen, by=item.dataset.owner)
    assert not Approval.objects.exists()
    assert not Review.objects.exists()


def test_a_verdict_on_another_hash_is_refused():
    item = make.code_request(at="submitted")
    with pytest.raises(Conflict, match="A newer version has been submitted"):
        services.review(made.version(item), by=item.dataset.owner, seen="0" * 64, verdict="approve")


def test_the_author_never_reviews_not_even_with_a_seat():
    dataset = make.dataset()
    item = make.code_request(at="submitted", dataset=dataset)
    make.reviewer(dataset, item.author)
    with pytest.raises(Denied, match="Somebody else"):
        verdict(made.version(item), by=item.author)


def test_the_database_itself_keeps_authors_from_reviewing():
    item = make.code_request(at="submitted")
    with pytest.raises(IntegrityError, match="nobody_reviews_their_own_request"), transaction.atomic():
        Review.objects.create(
            version=made.version(item), reviewer=item.author, author=item.author, verdict="approve"
        )


@pytest.mark.parametrize("who", ["stranger", "admin", "auditor"])
def test_others_do_not_review(who):
    person = {"stranger": make.scientist, "admin": make.admin, "auditor": make.auditor}[who]()
    item = make.code_request(at="submitted")
    with pytest.raises(Denied):
        verdict(made.version(item), by=person)


def test_two_reviewers_are_needed_where_the_dataset_says_so():
    dataset, reviewer = two_needed()
    item = make.code_request(at="submitted", dataset=dataset)
    verdict(made.version(item), by=dataset.owner, runs=3, days=10)
    assert made.fresh(item).state == CodeRequest.State.IN_REVIEW
    assert not Approval.objects.exists()
    verdict(made.version(item), by=reviewer.user, runs=1, days=20)
    approval = Approval.objects.get()
    days = round((approval.expires_at - approval.created_at) / timedelta(days=1))
    assert (approval.runs_allowed, days) == (1, 10)
    assert made.fresh(item).state == CodeRequest.State.APPROVED


def test_one_person_is_not_two_reviewers():
    dataset, _ = two_needed()
    item = make.code_request(at="submitted", dataset=dataset)
    verdict(made.version(item), by=dataset.owner)
    with pytest.raises(Denied, match="given your verdict"):
        verdict(made.version(item), by=dataset.owner)


def test_the_approval_of_somebody_who_lost_the_seat_does_not_count():
    dataset, reviewer, other = two_needed(reviewers=2)
    item = make.code_request(at="submitted", dataset=dataset)
    verdict(made.version(item), by=reviewer.user)
    datasets.remove_reviewer(reviewer, by=dataset.owner)
    verdict(made.version(item), by=other.user)
    assert made.fresh(item).state == CodeRequest.State.IN_REVIEW
    verdict(made.version(item), by=dataset.owner)
    assert made.fresh(item).state == CodeRequest.State.APPROVED


@pytest.mark.parametrize("negative", ["reject", "request_changes"])
def test_a_negative_verdict_says_why(negative):
    item = make.code_request(at="submitted")
    with pytest.raises(Refused, match="Tell the author what has to change"):
        verdict(made.version(item), by=item.dataset.owner, verdict=negative, comment="  ")
    verdict(made.version(item), by=item.dataset.owner, verdict=negative, comment="Too fine a grid.")
    assert made.fresh(item).state_reason == "Too fine a grid."


@pytest.mark.parametrize(("runs", "days"), [(0, 1), (6, 1), (1, 0), (1, 31)])
def test_the_scope_stays_within_the_policy(runs, days):
    item = make.code_request(at="submitted")
    with pytest.raises(Refused, match="This dataset allows"):
        verdict(made.version(item), by=item.dataset.owner, runs=runs, days=days)


def test_a_verdict_is_one_of_three():
    item = make.code_request(at="submitted")
    with pytest.raises(Refused, match="Choose a verdict"):
        verdict(made.version(item), by=item.dataset.owner, verdict="withdraw")


def test_what_is_bound_to_a_retired_revision_is_not_approved():
    item = make.code_request(at="submitted")
    make.next_revision(item.dataset)
    with pytest.raises(Denied, match="retired"):
        verdict(made.version(item), by=item.dataset.owner)


def test_beginning_a_review_twice_is_one_step():
    item = make.code_request(at="submitted")
    services.begin_review(made.version(item), by=item.dataset.owner)
    services.begin_review(made.version(item), by=item.dataset.owner)
    assert made.fresh(item).state == CodeRequest.State.IN_REVIEW


@pytest.mark.parametrize("at", ["submitted", "in_review"])
@pytest.mark.parametrize("who", ["auditor", "scientist"])
def test_who_does_not_review_is_refused_also_when_a_review_is_under_way(at, who):
    item = make.code_request(at=at)
    with pytest.raises(Denied):
        services.begin_review(made.version(item), by=getattr(make, who)())
    assert made.fresh(item).state == at


@pytest.mark.parametrize("at", ["submitted", "in_review"])
def test_an_author_does_not_begin_their_own_review(at):
    item = make.code_request(at=at)
    with pytest.raises(Denied):
        services.begin_review(made.version(item), by=item.author)


def test_a_reviewers_comments_are_held_until_the_verdict():
    item = make.code_request(at="submitted")
    said = services.comment(made.version(item), by=item.dataset.owner, text="Why not the median?", line=2)
    assert said.published_at is None
    assert made.fresh(item).state == CodeRequest.State.IN_REVIEW
    assert not Notification.objects.filter(user=item.author, text__contains="comments").exists()
    verdict(made.version(item), by=item.dataset.owner, verdict="request_changes", comment="See line 2.")
    said.refresh_from_db()
    assert said.published_at is not None


def test_a_verdict_publishes_nobody_elses_comments():
    dataset, reviewer = two_needed()
    item = make.code_request(at="submitted", dataset=dataset)
    mine = services.comment(made.version(item), by=reviewer.user, text="Mine.")
    verdict(made.version(item), by=dataset.owner)
    mine.refresh_from_db()
    assert mine.published_at is None


def test_an_answer_of_the_author_is_read_at_once():
    item = make.code_request(at="changes_requested")
    said = services.comment(made.version(item), by=item.author, text="The median is too coarse.")
    assert said.published_at is not None
    assert Notification.objects.filter(user=item.dataset.owner, text__contains="New comments").exists()


def test_an_answer_hangs_below_its_comment_and_stays_private_with_it():
    item = make.code_request(at="changes_requested")
    private = services.comment(made.version(item), by=item.dataset.owner, text="Among us.", private=True)
    reviewer = make.reviewer(item.dataset)
    answer = services.comment(made.version(item), by=reviewer.user, text="Yes.", parent=private)
    assert (answer.private, answer.parent) == (True, private)
    on_line = services.comment(made.version(item), by=reviewer.user, text="Here.", line=2)
    below = services.comment(made.version(item), by=reviewer.user, text="And here.", line=1, parent=on_line)
    assert below.line == 2
    with pytest.raises(Refused, match="cannot be answered"):
        services.comment(made.version(item), by=item.author, text="?", parent=private)
    with pytest.raises(Refused, match="cannot be answered"):
        services.comment(made.version(item), by=reviewer.user, text="?", parent=answer)


@pytest.mark.parametrize(
    ("text", "line"), [(" ", None), ("x" * 4001, None), ("a\x00", None), ("x", 0), ("x", 9)]
)
def test_a_comment_has_limits(text, line):
    item = make.code_request(at="submitted")
    with pytest.raises(Refused):
        services.comment(made.version(item), by=item.dataset.owner, text=text, line=line)
    assert not Comment.objects.exists()


def test_strangers_do_not_comment_and_authors_not_privately():
    item = make.code_request(at="submitted")
    with pytest.raises(Denied):
        services.comment(made.version(item), by=make.scientist(), text="Hello")
    with pytest.raises(Refused, match="private comment"):
        services.comment(made.version(item), by=item.author, text="Hello", private=True)


def test_a_held_comment_can_be_taken_back_by_its_author_only():
    item = make.code_request(at="submitted")
    reviewer = make.reviewer(item.dataset)
    said = services.comment(made.version(item), by=item.dataset.owner, text="Hm.")
    with pytest.raises(Denied):
        services.drop_comment(said, by=reviewer.user)
    services.drop_comment(said, by=item.dataset.owner)
    assert not Comment.objects.exists()


def test_a_published_comment_is_not_taken_back():
    item = make.code_request(at="changes_requested")
    said = services.comment(made.version(item), by=item.author, text="Hm.")
    with pytest.raises(Conflict, match="published"):
        services.drop_comment(said, by=item.author)


def test_a_thread_is_resolved_and_opened_again():
    item = make.code_request(at="changes_requested")
    said = services.comment(made.version(item), by=item.author, text="Done.")
    services.resolve(said, by=item.dataset.owner)
    said.refresh_from_db()
    assert said.resolved_by == item.dataset.owner
    services.unresolve(said, by=item.author)
    said.refresh_from_db()
    assert said.resolved_at is None
    with pytest.raises(Denied):
        services.resolve(said, by=make.scientist())


@pytest.mark.parametrize("who", ["owner", "admin"])
def test_an_approval_is_revoked_with_a_reason(who):
    item = make.code_request(at="approved")
    by = item.dataset.owner if who == "owner" else make.admin()
    with pytest.raises(Refused, match="Give a reason"):
        services.revoke(item, by=by, reason=" ")
    services.revoke(item, by=by, reason="The purpose has changed.")
    item = made.fresh(item)
    assert (item.state, item.state_reason) == (CodeRequest.State.REVOKED, "The purpose has changed.")
    assert made.version(item).approval.ended_by == by
    assert Notification.objects.filter(user=item.author, text__contains="The purpose has changed.").exists()


def test_a_reviewer_does_not_revoke():
    item = make.code_request(at="approved")
    reviewer = make.reviewer(item.dataset)
    with pytest.raises(Denied):
        services.revoke(item, by=reviewer.user, reason="No.")
