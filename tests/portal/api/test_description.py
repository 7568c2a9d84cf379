"""The description of the API: complete, and the one that is served."""

import json

from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS

from portal.api.views import OPENAPI
from portal.management.commands.openapi import generated


def test_the_committed_description_is_that_of_the_code():
    assert OPENAPI.read_text() == generated(), "Run `manage.py openapi` and commit what it writes."


def test_everybody_can_download_it(client: Client, db: None):
    answer = client.get("/api/v1/schema/")
    assert (answer.status_code, answer.json()["openapi"][:3]) == (200, "3.1")
    assert answer.json() == json.loads(OPENAPI.read_text())


def test_it_is_made_without_a_warning(capsys):
    with GENERATOR_STATS.silence():
        generated()
    assert dict(GENERATOR_STATS._warn_cache) == {}
    assert dict(GENERATOR_STATS._error_cache) == {}


def test_every_operation_says_what_it_does():
    description = json.loads(OPENAPI.read_text())
    operations = [each for path in description["paths"].values() for each in path.values()]
    ids = [each["operationId"] for each in operations]
    assert len(ids) == len(set(ids))
    assert [each["operationId"] for each in operations if not each.get("description", "").endswith(".")] == []


def test_the_page_of_the_documentation_is_open(client: Client, db: None):
    assert b"api-docs" in client.get("/api/v1/docs/").content
