"""What pages read: complete, bounded, and with the same number of queries however much there is."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from portal import inbox
from requests_app import queries, services
from requests_app.models import Release, Run
from requests_app.services import outputs, releases
from tests import make
from tests.makers import requests as made

pytestmark = pytest.mark.django_db


def kinds(user):
    return sorted(item.kind for item in inbox.inbox(user))


def test_the_inbox_of_a_reviewer_over_all_datasets():
    dataset, other = make.dataset(), make.dataset()
    seat = make.reviewer(dataset)
    make.reviewer(other, seat.user, decides_access=True)
    first = make.code_request(at="submitted", dataset=dataset)
    make.code_request(at="ran", dataset=other)
    make.access_request(other)
    make.access_request(dataset)
    make.code_request(at="submitted")
    box = inbox.inbox(seat.user)
    assert kinds(seat.user) == ["access", "check", "review"]
    assert [item.since for item in box] == sorted(item.since for item in box)
    (review,) = [item for item in box if item.kind == "review"]
    assert (review.title, review.dataset, review.who) == ("Mean wage", dataset.title, str(first.author))
    assert review.url == f"/requests/versions/{first.latest_id}/"


def test_what_one_has_decided_is_no_longer_in_the_inbox():
    dataset = make.dataset()
    make.reviewer(dataset)
    made.datasets.services.set_policy(dataset, by=dataset.owner, reviewers_needed=2)
    item = make.code_request(at="submitted", dataset=dataset)
    made.approve(made.version(item))
    assert kinds(dataset.owner) == []


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("draft", ["draft"]),
        ("submitted", []),
        ("in_review", []),
        ("changes_requested", ["changes"]),
        ("rejected", []),
        ("approved", ["run"]),
    ],
)
def test_the_inbox_of_an_author(at, expected):
    assert kinds(make.code_request(at=at).author) == expected


def test_an_approval_without_runs_left_waits_for_nobody():
    item = make.code_request(at="submitted")
    made.approve(made.version(item), runs=1)
    assert kinds(item.author) == ["run"]
    made.start(made.fresh(item))
    assert kinds(item.author) == []


def test_outputs_that_were_sent_back_wait_for_their_author():
    item = make.code_request(at="ran")
    releases.decide(
        Release.objects.get(), by=item.dataset.owner, decision="request_changes", comment="Coarser, please."
    )
    assert kinds(item.author) == ["output_changes"]
    services.save_draft(item, by=item.author, number=item.draft_number, code="print(1)")
    made.submission(item)
    assert kinds(item.author) == []


def test_a_release_waits_for_its_author_until_it_is_opened():
    item = make.code_request(at="released")
    assert kinds(item.author) == ["released"]
    outputs.open_released(item.runs.get().outputs.get(), by=item.dataset.owner)
    make.code_request(at="released", author=item.author)
    assert kinds(item.author) == ["released", "released"]
    outputs.open_released(item.runs.get().outputs.get(), by=item.author)
    assert kinds(item.author) == ["released"]


def test_what_has_failed_can_be_run_again_and_what_has_ended_well_need_not():
    item = make.code_request(at="failed")
    assert kinds(item.author) == ["run"]
    run = made.start(item)
    assert kinds(item.author) == []
    made.execute(run)
    assert kinds(item.author) == []


def test_registrations_wait_for_admins_only():
    User.objects.create_user("new@weir.example", name="New", state=User.State.PENDING, is_active=False)
    assert kinds(make.admin()) == ["registration"]
    assert kinds(make.owner()) == []


def count(act):
    with CaptureQueriesContext(
        connection,
    ) as queries_made:
        act()
    return len(queries_made)


def fill(dataset, number):
    for _ in range(number):
        make.code_request(at="submitted", dataset=dataset)
        make.code_request(at="ran", dataset=dataset)
        make.access_request(dataset)


def test_the_inbox_takes_seven_queries_whatever_its_size():
    dataset = make.dataset()
    fill(dataset, 1)
    one = count(lambda: inbox.inbox(dataset.owner))
    fill(dataset, 2)
    assert (one, count(lambda: inbox.inbox(dataset.owner))) == (7, 7)
    assert inbox.inbox(dataset.owner).totals == {"review": 3, "check": 3, "access": 3}


def test_the_inbox_shows_the_oldest_and_says_how_many_there_are(monkeypatch):
    monkeypatch.setattr(inbox, "SHOWN", 2)
    dataset = make.dataset()
    items = [make.code_request(at="submitted", dataset=dataset) for _ in range(3)]
    box = inbox.inbox(dataset.owner)
    assert [item.url for item in box] == [f"/requests/versions/{item.latest_id}/" for item in items[:2]]
    assert (len(box), box.total) == (2, 3)


@pytest.mark.parametrize("read", ["workers", "history", "reason", "position"])
def test_other_lists_take_a_fixed_number_of_queries(read):
    dataset = make.dataset()

    def act():
        run = Run.objects.select_related("request").filter(state="queued").first()
        return {
            "workers": queries.workers,
            "history": lambda: [str(one.run.request.author) for one in queries.release_history(dataset)],
            "reason": lambda: queries.waiting_reason(run),
            "position": lambda: queries.queue_position(run),
        }[read]()

    def add(number):
        for each in range(number):
            make.code_request(at="released", dataset=dataset)
            made.start(make.code_request(at="approved", dataset=make.dataset()))
            make.worker(f"worker{each}@test")

    add(1)
    one = count(act)
    add(2)
    assert count(act) == one


def test_earlier_releases_of_the_same_dataset_newest_first():
    dataset = make.dataset()
    items = [make.code_request(at="released", dataset=dataset) for _ in range(2)]
    make.code_request(at="released")
    history = queries.release_history(dataset)
    assert [release.run.request for release in history] == items[::-1]
    assert queries.release_history(dataset, before=history[0]) == [history[1]]


def test_the_workers_page_tells_what_each_worker_is_at():
    make.worker("a@test")
    make.worker("b@test", refusal="No user namespaces.")
    make.worker("c@test", draining=True)
    make.worker("d@test", heartbeat_at="2020-01-01T00:00Z")
    made.claimed(made.start(make.code_request(at="approved")))
    says = {line.worker.name: (line.says, line.busy) for line in queries.workers()}
    assert says == {
        "a@test": ("Idle", 0),
        "b@test": ("Runs no code", 0),
        "c@test": ("Draining", 0),
        "d@test": ("Not responding", 0),
        "sandbox@test": ("Working", 1),
    }


def test_the_length_of_the_queue():
    assert queries.queue_length() == queries.QueueLength(mock=0, private=0, oldest=None)
    run = made.start(make.code_request(at="approved"))
    made.trial(make.code_request())
    assert queries.queue_length() == queries.QueueLength(mock=1, private=1, oldest=run.created_at)
