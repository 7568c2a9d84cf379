"""Whoever may not do something gets the same status whatever they send: the service asks, or else the page does."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from datasets import services as datasets
from requests_app.models import Output, Release
from requests_app.services import releases
from tests import make
from tests.makers import requests as requests_

pytestmark = pytest.mark.django_db


def status(user: User, name: str, pk: Any = None, data: dict[str, Any] | None = None, **options: Any) -> int:
    """By POST, or by GET without data."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    path = reverse(name, args=[pk] if pk else [])
    answer: Any = client.get(path) if data is None else client.post(path, data, **options)
    if (file := getattr(answer, "file_to_stream", None)) is not None:
        file.close()
    return int(answer.status_code)


EDIT = {"number": "0", "title": "Mean wage", "code": "x = 1", "purpose": "", "context": "", "outputs": ""}


@pytest.mark.parametrize("data", [None, {}, EDIT], ids=["looking", "an invalid form", "a valid form"])
def test_others_drafts(data):
    item = make.code_request(at="submitted")
    for user in (item.dataset.owner, make.auditor()):
        assert status(user, "requests:edit", item.pk, data) == 403
        options = {} if data is None else {"content_type": "application/json"}
        assert status(user, "requests:autosave", item.pk, data, **options) == 403


@pytest.mark.parametrize("data", [{"days": "none"}, {"verdict": "grant"}], ids=["invalid", "valid"])
def test_access_by_those_who_do_not_decide_on_it(data):
    item = make.access_request(make.dataset())
    assert status(item.scientist, "datasets:decide", item.pk, data) == 403


@pytest.mark.parametrize("data", [None, {}, {"reason": "Because."}], ids=["looking", "invalid", "valid"])
def test_a_grant_by_those_who_may_not_revoke_it(data):
    grant = make.grant(make.dataset())
    assert status(grant.user, "datasets:revoke", grant.pk, data) == 403


@pytest.mark.parametrize("data", [{}, {"decision": "release"}], ids=["invalid", "valid"])
def test_outputs_by_their_author(data):
    release = Release.objects.get(run__request=make.code_request(at="ran"))
    release.run.outputs.update(verdict=Output.Verdict.RELEASE)
    assert status(release.author, "requests:decide", release.pk, data) == 403
    assert status(release.run.request.dataset.owner, "requests:decide", release.pk, data) == (
        302 if data else 400
    )


@pytest.mark.parametrize("data", [{}, {"reason": "Because."}], ids=["invalid", "valid"])
def test_a_pause_by_an_auditor(data):
    assert status(make.auditor(), "requests:pause", data=data) == 403


PROMISE = {"level": "1", "public_size": "30", "seats": "3", "constants": ["region"], "extended_allowed": "no"}


@pytest.mark.parametrize("data", [None, {"then": "make"}, {**PROMISE, "then": "make"}])
def test_a_promise_for_what_is_not_in_use(data):
    draft, frozen = make.dataset(published=False), make.dataset()
    datasets.freeze(frozen, by=frozen.owner, reason="Because.")
    for dataset in (draft, frozen):
        assert status(dataset.owner, "privacy:protect", dataset.pk, data) == 403


@pytest.mark.parametrize("data", [{}, {"text": "A line."}], ids=["invalid", "valid"])
def test_an_excerpt_by_the_author(data):
    item = make.code_request(at="ran")
    assert status(item.author, "requests:log_excerpt", item.runs.get().pk, data) == 403
    assert status(item.author, "requests:log", item.runs.get().pk) == 403


TWO = {"mean.json": b'{"mean_wage": 1507.5}', "notes.txt": b"Nothing to add."}
STATUSES = {
    "held": {"author": [(404, 404)] * 2, "owner": [(200, 403)] * 2, "auditor": [(404, 404)] * 2},
    "released": {
        "author": [(200, 200), (404, 404)],
        "owner": [(200, 200), (409, 409)],
        "auditor": [(404, 404)] * 2,
    },
    "recalled": {"author": [(404, 404)] * 2, "owner": [(200, 403), (403, 403)], "auditor": [(404, 404)] * 2},
    "rejected": {"author": [(404, 404)] * 2, "owner": [(403, 403)] * 2, "auditor": [(404, 404)] * 2},
}
"""The status of the preview and of the download of both files, the first of which is released if any is."""


@pytest.mark.parametrize("state", STATUSES)
def test_files_that_were_not_released_do_not_exist_for_their_author(state):
    item = make.code_request(at="ran", executor=requests_.WritesOutputs(TWO))
    owner, release = item.dataset.owner, Release.objects.get()
    files = [release.run.outputs.get(name=name) for name in TWO]
    if state in {"released", "recalled"}:
        for output, verdict in zip(files, ("release", "withhold"), strict=True):
            releases.set_verdict(output, by=owner, verdict=verdict)
        releases.decide(release, by=owner, decision="release")
    if state == "recalled":
        releases.recall(release, by=owner, reason="Because.")
    if state == "rejected":
        releases.decide(release, by=owner, decision="reject", comment="No.")
    people = {"author": item.author, "owner": owner, "auditor": make.auditor()}
    found = {
        name: [
            tuple(status(user, f"requests:{page}", output.pk) for page in ("output", "download"))
            for output in files
        ]
        for name, user in people.items()
    }
    assert found == STATUSES[state]
