"""What the page of a run says, and to whom: nothing that is empty, and nothing that is another's."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from requests_app.models import Output, Release
from requests_app.services import releases
from runner.contract import CloseCode
from tests import make
from tests.makers import requests as lane

pytestmark = pytest.mark.django_db
As = Callable[[User], Client]
RESERVED = "For the owner and reviewers only"


def page(client: Client, run: object) -> str:
    return client.get(reverse("requests:run", args=[run.pk])).content.decode()  # type: ignore[attr-defined]


def test_while_it_runs_there_is_no_empty_card_and_a_way_to_look_again(as_: As) -> None:
    run = lane.claimed(lane.start(make.code_request(at="approved")))
    owner = as_(run.request.dataset.owner)
    running = page(owner, run)
    assert RESERVED not in running
    assert "Look again" in running
    ended = page(owner, lane.execute(lane.fresh_run(run, state="queued")))
    assert RESERVED in ended
    assert "Look again" not in ended


def test_a_failure_tells_owners_of_the_log_and_authors_of_what_is_withheld(as_: As) -> None:
    item = make.code_request(at="approved")
    run = lane.execute(lane.start(item), lane.WritesOutputs(code=CloseCode.EXCEPTION))
    owner, author = page(as_(item.dataset.owner), run), page(as_(item.author), run)
    assert "The log has the message and the traceback." in owner
    assert "withheld" not in owner
    assert "The message is withheld because it may quote the data." in author


def test_only_those_who_may_know_are_told_that_some_outputs_were_withheld(as_: As) -> None:
    item = make.code_request(at="approved")
    files = {"a.json": b"1", "b.json": b"2", "c.json": b"3"}
    run = lane.execute(lane.start(item), lane.WritesOutputs(files))
    owner = item.dataset.owner
    for output in Output.objects.all():
        kept = output.name == "c.json"
        releases.set_verdict(output, by=owner, verdict="withhold" if kept else "release")
    releases.decide(Release.objects.get(), by=owner, decision="release")
    told = "2 of 3 outputs of this run are released; the others are withheld."
    assert told in page(as_(owner), run)
    for other in (item.author, make.auditor()):
        shown = page(as_(other), run)
        assert "Outputs of this run are released." in shown
        assert "withheld" not in shown
        assert "c.json" not in shown


def test_an_auditor_sees_names_checks_and_the_record_of_what_was_released(as_: As) -> None:
    item = make.code_request(at="released")
    auditor, run = as_(make.auditor()), item.runs.get()
    shown = page(auditor, run)
    assert "result.json" in shown
    assert "passed" in shown
    record = reverse("requests:record", args=[run.release.pk])
    assert record in shown
    assert auditor.get(record).json()["outputs"][0]["name"] == "result.json"
    assert auditor.get(reverse("requests:output", args=[run.outputs.get().pk])).status_code == 404
