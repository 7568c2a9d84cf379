"""The whole lane through the services: draft, submit, review, run, release."""

import json

import pytest

from audit.models import Entry
from requests_app.services import outputs
from tests import make

pytestmark = pytest.mark.django_db


def test_a_request_goes_from_draft_to_release():
    item = make.code_request(at="released")
    run = item.runs.get()
    output = run.outputs.get()
    assert (item.state, run.state, run.release.state) == ("approved", "succeeded", "released")
    path = outputs.open_released(output, by=item.author)
    assert json.loads(path.read_bytes()) == {"mean_wage": 1507.5}


def test_every_step_of_the_lane_is_in_the_audit_log_once():
    item = make.code_request(at="released")
    steps = Entry.objects.filter(detail__request=str(item.pk)).order_by("id").values_list("action", flat=True)
    assert list(steps) == [
        "request.submit",
        "request.approve",
        "run.ask",
        "run.start",
        "run.open_data",
        "run.running",
        "run.succeed",
        "release.begin_check",
        "output.verdict",
        "release.release",
        "release.recorded",
    ]
