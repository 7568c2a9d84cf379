"""Every page of the review lane, for everybody who has a part in it."""

import pytest
from django.test import Client
from django.urls import reverse

from requests_app.models import CodeRequest
from tests import make

pytestmark = pytest.mark.django_db


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def paths(item: CodeRequest) -> list[str]:
    run = item.runs.filter(kind="private").first()
    found = [reverse("requests:detail", args=[item.pk])]
    found += [reverse("requests:review", args=[version.pk]) for version in item.versions.all()]
    if run is not None:
        found.append(reverse("requests:run", args=[run.pk]))
    return found


@pytest.mark.parametrize(
    "at",
    ["submitted", "in_review", "changes_requested", "rejected", "approved", "ran", "failed", "released"],
)
def test_pages_open_in_every_state(at):
    item = make.code_request(at=at)
    for person in (item.author, item.dataset.owner, make.auditor()):
        client = signed_in(person)
        for path in paths(item):
            assert client.get(path).status_code == 200
        assert client.get(reverse("requests:inbox")).status_code == 200
        assert client.get(reverse("requests:list")).status_code == 200
