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


def test_every_query_parameter_says_what_it_takes():
    description = json.loads(OPENAPI.read_text())
    found = {
        f"{path} {each['name']}": each
        for path, methods in description["paths"].items()
        for operation in methods.values()
        for each in operation.get("parameters", [])
        if each["in"] == "query"
    }
    assert found != {}
    silent = [name for name, each in found.items() if not each.get("description", "").endswith(".")]
    assert (silent, [name for name, each in found.items() if "type" not in each["schema"]]) == ([], [])
    days = {"since": {"type": "string", "format": "date"}, "dataset": {"type": "string", "format": "uuid"}}
    assert {name: found[f"/api/v1/audit/ {name}"]["schema"] for name in days} == days


OF_ITS_OWN_FORMAT = {"RecordItem", "Problem"}
"""The record of a release, which is stored as it was made, and problems, whose `request_id` is of the call."""


ELSEWHERE = {"StandingItem", "StudyPortal"}
"""What names an object of another portal, which this one knows by its id there alone."""


def test_a_reference_is_an_object_with_its_id():
    """In answers. In bodies it is the id, under the same name: nothing has a name that ends with _id."""
    schemas = json.loads(OPENAPI.read_text())["components"]["schemas"]
    fields = [
        (name, field, json.dumps(schema))
        for name, item in schemas.items()
        if name not in OF_ITS_OWN_FORMAT
        for field, schema in item.get("properties", {}).items()
    ]
    assert [each for each in fields if each[1].endswith(("_id", "_ids"))] == []
    bodies = {name for name in schemas if name.endswith("Request") and f"{name}Request" not in schemas}
    alone = {(name, field) for name, field, schema in fields if '"uuid"' in schema and field != "id"}
    assert {name for name, _ in alone} <= bodies | ELSEWHERE
    assert ("NewBudgetRequest", "scientist") in alone


def test_the_page_of_the_documentation_is_open(client: Client, db: None):
    assert b"api-docs" in client.get("/api/v1/docs/").content
