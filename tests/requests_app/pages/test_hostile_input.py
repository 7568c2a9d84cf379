"""What hostile people send and listen for: odd numbers, odd characters, depth, other titles, counts of what is held."""

import json
from collections.abc import Callable

import pytest
from django.db.models import Model
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts.models import User
from audit.models import Entry
from common import live
from datasets import services as dataset_services
from requests_app import services
from requests_app.models import CodeRequest, Output, Release
from requests_app.services import releases
from tests import make
from tests.makers import datasets as data
from tests.makers import requests as lane

pytestmark = pytest.mark.django_db
As = Callable[[User], Client]


def url(name: str, item: Model) -> str:
    return reverse(f"requests:{name}", args=[item.pk])


def autosave(author: Client, item: CodeRequest, body: bytes) -> HttpResponse:
    return author.post(  # type: ignore[return-value]
        url("autosave", item), body, content_type="application/json", headers={"accept": "application/json"}
    )


def typed(item: CodeRequest, **fields: object) -> bytes:
    words = {name: getattr(item, name) for name in ("title", "code", "purpose", "context", "outputs")}
    return json.dumps({"number": item.draft_number, "parameters": "", **words, **fields}).encode()


@pytest.mark.parametrize(
    "parameters",
    [
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1e999}',
        '{"a": "\\ud800"}',
        '{"\\ud800": 1}',
        '{"a": "\\u0000"}',
        '{"a": ' + "[" * 4_000 + "]" * 4_000 + "}",
        '{"a": ' + "9" * 5_000 + "}",
        "[" * 9_000,
    ],
)
def test_parameters_that_are_no_plain_json_are_named_and_the_rest_is_saved(as_: As, parameters: str) -> None:
    item = make.code_request()
    answer = autosave(as_(item.author), item, typed(item, parameters=parameters, purpose="Another one."))
    assert list(json.loads(answer.content)["errors"]) == ["parameters"]
    assert lane.fresh(item).purpose == "Another one."


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b"\xff\xfe", b"{", b"[]", b'{"number": 1e999}', b'{"title": "\\ud800"}']
)
def test_a_body_that_is_no_plain_json_is_refused(as_: As, body: bytes) -> None:
    item = make.code_request()
    answer = autosave(as_(item.author), item, body)
    assert (answer.status_code, json.loads(answer.content)["code"]) == (400, "refused")
    assert lane.fresh(item).draft_number == item.draft_number


def test_code_that_nobody_could_review_is_not_saved(as_: As) -> None:
    item = make.code_request()
    answer = autosave(as_(item.author), item, typed(item, code="x = 1\n" * 5_001))
    assert list(json.loads(answer.content)["errors"]) == ["code"]
    assert lane.fresh(item).code == item.code


@pytest.mark.parametrize(
    "path",
    [
        "/requests/?q=%00&state=%00&whose=x&dataset=x&page=99999999999999999999",
        "/audit/?since=0001-01-01&until=9999-12-31",
        "/audit/?text=%00&dataset=%00&person=%00&object=%00&action=%00&before=-1",
        "/audit/?before=999999999999999999",
        "/datasets/?q=%00&page=-1",
        "/people/?q=%00&role=%00&page=x",
        "/people/notifications/?page=99999999999999999999",
    ],
)
def test_no_address_breaks_a_page(as_: As, path: str) -> None:
    for person in (make.scientist(), make.owner(), make.admin(), make.auditor()):
        assert as_(person).get(path).status_code in (200, 404)


# What a submitted request is called


def test_the_title_is_fixed_once_reviewers_know_it(as_: As) -> None:
    item = make.code_request(at="approved", title="Mean wage")
    author = as_(item.author)
    answer = autosave(author, item, typed(item, title="All wages", purpose="Another one."))
    assert json.loads(answer.content)["errors"] == {}
    now = lane.fresh(item)
    assert (now.title, now.purpose) == ("Mean wage", "Another one.")
    assert "Fixed since version 1" in author.get(url("edit", item)).content.decode()


# What the author could count while outputs are held


def test_open_pages_are_told_once_however_many_files_are_decided_on(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"{number}.json": b"{}" for number in range(3)}
    item = make.code_request(at="ran", executor=lane.WritesOutputs(files))
    releases.begin_check(Release.objects.get(), by=item.dataset.owner)
    told: list[str] = []
    monkeypatch.setattr(live, "changed", lambda kind, pk: told.append(kind))
    for output in Output.objects.all():
        releases.set_verdict(output, by=item.dataset.owner, verdict="withhold")
    assert told == []


def test_the_log_names_no_hash_by_which_a_small_answer_could_be_found(as_: As) -> None:
    item = make.code_request(at="released")
    output = Output.objects.get()
    as_(item.author).get(url("download", output))
    entries = Entry.objects.filter(object_type="output")
    assert {entry.action for entry in entries} == {"output.verdict", "output.download"}
    assert not [entry for entry in entries if output.sha256 in entry.payload]
    assert len({entry.detail["content"] for entry in entries}) == 1


# Blinded reviews, and admins


def test_a_blinded_review_shows_no_other_verdict_before_ones_own(as_: As) -> None:
    dataset = data.dataset(policy={"blinded": True})
    second = data.reviewer(dataset).user
    dataset_services.set_policy(dataset, by=dataset.owner, reviewers_needed=2)
    item = make.code_request(at="submitted", dataset=dataset)
    version = lane.version(item)
    services.review(
        version, by=dataset.owner, seen=version.sha256, verdict="approve", comment="Sound method."
    )
    for person in (second, item.author):
        page = as_(person).get(url("detail", item)).content.decode()
        assert "Sound method." not in page
        assert "approved version 1" not in page
    assert not item.author.notifications.filter(text__contains="approval").exists()


def test_a_blinded_release_names_no_reviewer_to_its_author(as_: As) -> None:
    dataset = data.dataset(policy={"blinded": True})
    hidden = data.reviewer(dataset, make.user(name="Hidden", email="hidden@weir.example")).user
    item = make.code_request(at="released", dataset=dataset, reviewer=hidden)
    record = as_(item.author).get(url("record", Release.objects.get())).content.decode()
    assert item.author.email in record
    assert "hidden@weir.example" not in record


def test_an_admin_reads_no_words_of_a_review(as_: As) -> None:
    item = make.code_request(at="rejected")
    admin = as_(make.admin()).get(url("detail", item)).content.decode()
    assert "Too fine." not in admin
    assert "Too fine." in as_(item.author).get(url("detail", item)).content.decode()


def test_the_owner_is_told_on_the_page_why_a_run_cannot_start(as_: As) -> None:
    item = make.code_request(at="submitted")
    lane.approve(lane.version(item), runs=1)
    lane.execute(lane.start(lane.fresh(item)))
    page = as_(item.dataset.owner).get(url("detail", item)).content.decode()
    assert "All 1 approved runs are used." in page


def test_a_freeze_by_an_admin_names_the_admin(as_: As) -> None:
    item = make.code_request(at="approved")
    dataset_services.freeze(item.dataset, by=make.admin(), reason="An incident.")
    page = as_(item.author).get(url("detail", item)).content.decode()
    assert "Work can continue once an admin lifts the freeze." in page
