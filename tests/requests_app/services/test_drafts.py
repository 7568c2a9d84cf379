"""Drafts: the template, saving from two tabs, trying on mock data."""

from uuid import uuid4

import pytest

from common.errors import Conflict, Denied, Refused
from datasets import services as datasets
from requests_app import services
from requests_app.models import CodeRequest, Run
from tests import make
from tests.makers import requests as made

pytestmark = pytest.mark.django_db


def scientist_with_access(dataset):
    person = make.scientist()
    make.grant(dataset, person)
    return person


def test_a_new_request_begins_with_code_for_the_declared_tables():
    dataset = make.dataset()
    item = services.new_request(dataset, by=scientist_with_access(dataset), title="Means")
    assert item.state == CodeRequest.State.DRAFT
    assert item.code == (
        "def main(wages):\n"
        "    # wages is a pandas DataFrame with the columns person, year, region, wage\n"
        "    return {\n"
        '        "people": int(wages["person"].nunique()),\n'
        '        "mean_wage": float(wages["wage"].mean()),\n'
        "    }\n"
    )


def test_nobody_begins_a_request_without_access():
    with pytest.raises(Denied, match="do not have access"):
        services.new_request(make.dataset(), by=make.scientist())
    assert not CodeRequest.objects.exists()


def test_saving_counts_up_and_keeps_what_is_not_named():
    item = make.code_request()
    saved = services.save_draft(item, by=item.author, number=item.draft_number, purpose="Other")
    assert (saved.draft_number, saved.purpose, saved.code) == (2, "Other", made.CODE)


def test_a_second_tab_overwrites_nothing():
    item = make.code_request()
    services.save_draft(item, by=item.author, number=1, code="first = 1")
    with pytest.raises(Conflict, match="another tab"):
        services.save_draft(item, by=item.author, number=1, code="second = 2")
    assert made.fresh(item).code == "first = 1"


def test_only_the_author_writes_a_draft():
    item = make.code_request()
    with pytest.raises(Denied, match="Only the author"):
        services.save_draft(item, by=item.dataset.owner, number=1, code="x")


@pytest.mark.parametrize("at", ["rejected"])
def test_an_ended_request_is_not_written_any_more(at):
    item = make.code_request(at=at)
    with pytest.raises(Denied, match="has ended"):
        services.save_draft(item, by=item.author, number=item.draft_number, code="x")


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("code", "x" * 200_001, "longer than 200,000"),
        ("title", "x" * 201, "longer than 200"),
        ("purpose", "a\x00b", "invalid character"),
        ("title", "\ud800", "invalid character"),
        ("code", "x\n" * 5_001, "longer than 5,000 lines"),
        ("code", 7, "not a field"),
        ("state", "approved", "not a field"),
        ("parameters", [1], "one JSON object"),
        ("parameters", {"a b": 1}, "cannot name a parameter"),
        ("parameters", {"class": 1}, "cannot name a parameter"),
        ("parameters", {"a": "x" * 10_000}, "longer than 10,000"),
        ("parameters", {"a": "\x00"}, "invalid character"),
        ("parameters", {"a": float("nan")}, "NaN"),
        ("parameters", {"a": [{"b": "\ud800"}]}, "invalid character"),
    ],
)
def test_a_draft_has_limits(field, value, reason):
    item = make.code_request()
    with pytest.raises(Refused, match=reason):
        services.save_draft(item, by=item.author, number=1, **{field: value})
    assert made.fresh(item).draft_number == 1


def test_a_trial_takes_what_is_written_and_the_current_revision():
    item = make.code_request(parameters={"year": 1991})
    run = made.trial(item)
    assert (run.kind, run.state, run.approval, run.version) == (Run.Kind.MOCK, Run.State.QUEUED, None, None)
    assert (run.code, run.parameters, run.revision) == (item.code, {"year": 1991}, item.dataset.current)
    assert run.wall_seconds == 300


def test_the_same_key_starts_one_trial():
    item, key = make.code_request(), uuid4()
    assert made.trial(item, key=key) == made.trial(item, key=key)
    assert Run.objects.count() == 1


def test_a_key_of_another_request_starts_nothing():
    key = uuid4()
    made.trial(make.code_request(), key=key)
    other = make.code_request()
    with pytest.raises(Conflict):
        made.trial(other, key=key)
    assert not other.runs.exists()


def test_three_trials_at_once_are_enough():
    item = make.code_request()
    for _ in range(3):
        made.trial(item)
    with pytest.raises(Refused, match="live mock runs"):
        made.trial(item)


def test_nothing_is_tried_on_a_frozen_dataset():
    item = make.code_request()
    datasets.freeze(item.dataset, by=item.dataset.owner, reason="A leak is looked into.")
    with pytest.raises(Denied, match="frozen"):
        made.trial(made.fresh(item))


def test_line_ends_of_other_systems_become_ours():
    item = make.code_request()
    saved = services.save_draft(item, by=item.author, number=1, code="a = 1\r\nb = 2\r\n", purpose="x\r\ny")
    assert (saved.code, saved.purpose) == ("a = 1\nb = 2\n", "x\r\ny")


def test_only_the_author_copies_a_request():
    item = make.code_request(at="rejected", title="x" * 200)
    with pytest.raises(Denied, match="Only the author"):
        services.copy_request(item, by=item.dataset.owner)
    fresh = services.copy_request(item, by=item.author)
    assert (fresh.title, fresh.code, fresh.state) == ("Copy of " + "x" * 192, item.code, "draft")
