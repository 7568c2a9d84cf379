"""What each side sees in which phase: pure, as a table."""

from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import pytest

from datasets.models import Dataset
from requests_app import visibility
from requests_app.models import CodeRequest, Review, Run, Version
from requests_app.visibility import Viewer
from tests import make
from tests.makers import requests as made

ME, OTHER = uuid4(), uuid4()


@dataclass
class Remark:
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
        (Remark(author_id=ME, published_at=None), REVIEWER, True),
        (Remark(published_at=None), REVIEWER, False),
        (Remark(published_at=None), AUTHOR, False),
        (Remark(published_at=None), OVERSEER, False),
        (Remark(), AUTHOR, True),
        (Remark(), REVIEWER, True),
        (Remark(), OVERSEER, True),
        (Remark(private=True), AUTHOR, False),
        (Remark(private=True), OVERSEER, False),
        (Remark(private=True), REVIEWER, True),
        (Remark(), BLIND, False),
        (Remark(author_id=ME), BLIND, True),
        (Remark(), BLIND_DECIDED, True),
        (Remark(), BLIND_OVER, True),
    ],
)
def test_who_reads_a_comment(comment, viewer, sees):
    assert visibility.sees_comment(comment, viewer) is sees


def test_a_reply_is_read_only_below_a_comment_that_is():
    root = Remark(private=True, pk=uuid4())
    reply = Remark(parent_id=root.pk, pk=uuid4())
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
    run = Run(
        state=Run.State.RUNNING, exit_code=1, cpu_s=2.0, wall_s=3.0, peak_memory_bytes=4, layers=["seccomp"]
    )
    shown = visibility.redacted(run, reads_log=False)
    assert {getattr(shown, name) for name in visibility.PRIVATE_FACTS} == {None}
    whole = visibility.redacted(run, reads_log=True)
    assert (whole.exit_code, whole.cpu_s, whole.wall_s, whole.peak_memory_bytes) == (1, 2.0, 3.0, 4)
    assert whole.layers == ["seccomp"]


@pytest.mark.parametrize(
    ("viewer", "names"),
    [(AUTHOR, True), (BLIND_AUTHOR, False), (BLIND, True), (REVIEWER, True), (OVERSEER, True)],
)
def test_the_author_of_a_blinded_review_reads_no_reviewers_name(viewer, names):
    assert visibility.names_reviewers(viewer) is names
    assert visibility.shows_name_of(OTHER, viewer) is names
    assert visibility.shows_name_of(viewer.pk, viewer) is True, "their own"


def test_everybody_reads_the_name_of_the_author():
    assert visibility.shows_name_of(OTHER, replace(BLIND_AUTHOR, pk=ME, author=OTHER)) is True


@pytest.mark.parametrize(
    ("viewer", "parent", "held"),
    [
        (REVIEWER, None, True),
        (replace(REVIEWER, has_decided=True), None, False),
        (replace(REVIEWER, is_open=False), None, False),
        (AUTHOR, None, False),
        (AUTHOR, Remark(), False),
        (REVIEWER, Remark(), False),
        (REVIEWER, Remark(published_at=None), True),
        (replace(REVIEWER, has_decided=True), Remark(published_at=None), True),
    ],
)
def test_when_a_comment_waits_for_the_verdict(viewer, parent, held):
    assert visibility.is_held(viewer, parent) is held


@pytest.mark.django_db
def test_pages_get_what_the_viewer_may_read():
    item = make.code_request(at="submitted", dataset=make.dataset(policy={"blinded": True}))
    version, owner = made.version(item), item.dataset.owner
    seat = make.reviewer(item.dataset)

    def viewer(user, reviews=()):
        return visibility.viewer_of(version, user, reviews)

    made.services.comment(version, by=owner, text="Mine.")
    said = list(version.comments.all())
    assert visibility.seen_by(said, viewer(owner)) == said
    assert visibility.seen_by(said, viewer(seat.user)) == []
    assert visibility.seen_by(said, viewer(item.author)) == []
    assert visibility.record_names_reviewers(item) is False
    made.approve(version)
    given = list(version.reviews.all())
    version = made.version(made.fresh(item))
    assert visibility.verdicts(given, viewer(seat.user, given)) == given
    assert visibility.verdicts(given, viewer(item.author, given)) == given


@pytest.mark.django_db
def test_who_a_person_is_to_a_version():
    item = make.code_request(at="submitted")
    version = made.version(item)
    auditor = make.auditor()

    def roles(user):
        viewer = visibility.viewer_of(version, user, [])
        return viewer.is_author, viewer.is_reviewer, viewer.is_auditor, viewer.has_part

    assert roles(item.author) == (True, False, False, True)
    assert roles(item.dataset.owner) == (False, True, False, True)
    assert roles(auditor) == (False, False, True, True)
    assert roles(make.user()) == (False, False, False, False)


@pytest.mark.parametrize(
    ("blinded", "state", "announced"),
    [
        (False, CodeRequest.State.IN_REVIEW, True),
        (True, CodeRequest.State.IN_REVIEW, False),
        (True, CodeRequest.State.APPROVED, True),
        (True, CodeRequest.State.REJECTED, True),
    ],
)
def test_the_author_of_a_blinded_request_is_notified_of_the_outcome_alone(blinded, state, announced):
    item = CodeRequest(dataset=Dataset(blinded=blinded), state=state)
    assert visibility.announces_verdict(Review(version=Version(request=item))) is announced


@pytest.mark.parametrize(
    ("state", "reads_code", "sees"),
    [
        ("rejected", True, True),
        ("rejected", False, False),
        ("revoked", False, True),
        ("expired", False, True),
    ],
)
def test_who_reads_why_a_request_is_in_its_state(state, reads_code, sees):
    assert visibility.sees_reason(CodeRequest(state=state), reads_code=reads_code) is sees
