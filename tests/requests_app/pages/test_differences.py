"""What an approval is for is what is compared: parameters, environment and data, as well as code and texts."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from requests_app import services
from requests_app.models import CodeRequest, Version
from requests_app.presentation import differences
from tests import make
from tests.makers import requests as lane

pytestmark = pytest.mark.django_db


def resubmitted(item: CodeRequest, **draft: Any) -> Version:
    item = lane.fresh(item)
    services.save_draft(item, by=item.author, number=item.draft_number, **draft)
    return lane.submission(lane.fresh(item))


def seen(version: Version) -> str:
    client = Client()
    client.force_login(version.request.dataset.owner)
    page = client.get(reverse("requests:review", args=[version.pk])).content.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_a_changed_threshold_is_shown_though_the_code_is_the_same() -> None:
    item = make.code_request(at="submitted", parameters={"least": 10, "year": 1990})
    version = resubmitted(item, parameters={"least": 1, "by": "region"}, context="Finer <b>groups</b>.")
    page = seen(version)
    assert "+0 −0 and parameter by, parameter least, parameter year and more" in page
    assert "Changed since version 1, besides the code:" in page
    for line in (
        "Parameter least 10 → 1",
        "Parameter year 1990 → none",
        "Parameter by none → &quot;region&quot;",
        "Context A first look. → Finer &lt;b&gt;groups&lt;/b&gt;.",
    ):
        assert line in page


def test_data_and_environment_are_compared() -> None:
    item = make.code_request(at="submitted")
    first = lane.version(item)
    make.next_revision(item.dataset)
    second = resubmitted(item, purpose="To know more.")
    second.environment_sha256 = "0" * 64
    found = {each.name: (each.before, each.after) for each in differences.between(first, second)}
    assert found == {
        "data revision": ("1", "2"),
        "environment": (f"default {first.environment_sha256[:12]}", "default 000000000000"),
        "purpose": ("To know the mean wage.", "To know more."),
    }
