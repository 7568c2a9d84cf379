"""What each side sees in which phase: pure, as a table."""

from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from requests_app import visibility
from requests_app.visibility import Viewer
from tests import make
from tests.makers import requests as made

ME, OTHER = uuid4(), uuid4()


@dataclass
class Said:
    author_id: UUID = OTHER
    published_at: object | None = "then"
    private: bool = False
    parent_id: UUID | None = None
    pk: UUID = ME


AUTHOR = Viewer(pk=ME, is_author=True, is_open=True)
REVIEWER = Viewer(pk=ME, is_reviewer=True, is_open=True)
BLIND = Viewer(pk=ME, is_reviewer=True, is_open=True, blinded=True)
BLIND_DECIDED = Viewer(pk=ME, is_reviewer=True, is_open=True, blinded=True, has_decided=True)
BLIND_OVER = Viewer(pk=ME, is_reviewer=True, blinded=True)
BLIND_AUTHOR = Viewer(pk=ME, is_author=True, is_open=True, blinded=True)
OVERSEER = Viewer(pk=ME, is_open=True)


@pytest.mark.parametrize(
    ("comment", "viewer", "sees"),
    [
        (Said(author_id=ME, published_at=None), REVIEWER, True),
        (Said(published_at=None), REVIEWER, False),
        (Said(published_at=None), AUTHOR, False),
        (Said(published_at=None), OVERSEER, False),
        (Said(), AUTHOR, True),
        (Said(), REVIEWER, True),
        (Said(), OVERSEER, True),
        (Said(private=True), AUTHOR, False),
        (Said(private=True), OVERSEER, False),
        (Said(private=True), REVIEWER, True),
        (Said(), BLIND, False),
        (Said(author_id=ME), BLIND, True),
        (Said(), BLIND_DECIDED, True),
        (Said(), BLIND_OVER, True),
    ],
)
def test_who_reads_a_comment(comment, viewer, sees):
    assert visibility.sees_comment(comment, viewer) is sees


def test_a_reply_is_read_only_below_a_comment_that_is():
    root = Said(private=True, pk=uuid4())
    reply = Said(parent_id=root.pk, pk=uuid4())
    assert visibility.seen_by([root, reply], AUTHOR) == []
    assert visibility.seen_by([root, reply], REVIEWER) == [root, reply]


@pytest.mark.parametrize(
    ("reviewer", "viewer", "sees"),
    [
        (OTHER, AUTHOR, True),
        (OTHER, REVIEWER, True),
        (OTHER, BLIND, False),
        (ME, BLIND, True),
        (OTHER, BLIND_DECIDED, True),
        (OTHER, BLIND_OVER, True),
        (OTHER, BLIND_AUTHOR, False),
        (OTHER, OVERSEER, True),
    ],
)
def test_who_reads_a_verdict(reviewer, viewer, sees):
    assert visibility.sees_verdict(reviewer, viewer) is sees


def test_what_a_run_used_goes_where_the_log_goes():
    assert not set(visibility.PRIVATE_FACTS) & set(visibility.run_facts(reads_log=False))
    assert set(visibility.PRIVATE_FACTS) < set(visibility.run_facts(reads_log=True))


@pytest.mark.django_db
def test_the_author_of_a_blinded_review_reads_no_reviewers_name():
    item = make.code_request(at="changes_requested", dataset=make.dataset(policy={"blinded": True}))
    owner = item.dataset.owner
    assert visibility.name_of(owner, item, item.author) == "A reviewer"
    assert visibility.name_of(item.author, item, item.author) == str(item.author)
    assert visibility.name_of(owner, item, owner) == str(owner)
    assert (visibility.names_reviewers(item, item.author), visibility.names_reviewers(item, owner)) == (
        False,
        True,
    )


@pytest.mark.django_db
def test_pages_get_what_the_viewer_may_read():
    item = make.code_request(at="submitted", dataset=make.dataset(policy={"blinded": True}))
    version, owner = made.version(item), item.dataset.owner
    seat = make.reviewer(item.dataset)
    made.services.comment(version, by=owner, text="Mine.")
    said = list(version.comments.all())
    assert visibility.comments(said, item, owner) == said
    assert visibility.comments(said, item, seat.user) == []
    assert visibility.comments(said, item, item.author) == []
    assert (visibility.comments([], item, owner), visibility.reviews([], item, owner)) == ([], [])
    made.approve(version)
    item, given = made.fresh(item), list(version.reviews.all())
    assert visibility.reviews(given, item, seat.user) == given
    assert visibility.reviews(given, item, item.author) == given
