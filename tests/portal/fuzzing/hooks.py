"""What schemathesis cannot know from the description of the API. It runs as a program, and imports this module."""

import json
import os
import re
from pathlib import Path

import django
import schemathesis
from hypothesis import strategies as st

django.setup()  # the random questions are beside the tables that they are about

from privacy.presentation import exports  # noqa: E402 -- as above
from tests.client.bridge import questions  # noqa: E402 -- as above
from tests.guards.pages import word_of  # noqa: E402 -- as above
from weir.grammar import to_wire  # noqa: E402 -- as above

TOLD = json.loads(Path(os.environ["WEIR_FUZZ"]).read_text())
IDS, OWN_TOKEN = TOLD["ids"], TOLD["token"]
PATH = {"table": st.just("wages"), "form": st.sampled_from([*exports.FORMS, "other"])}
UUID_ = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PRICES = st.sampled_from([{"epsilon": 0.01}, {"epsilon": 1.0}, {"error": 5.0}, {"share": 0.001}])
ASKED = r"/budgets/\{id\}/(price|trial|answers)/"
ASKED_TOGETHER = re.compile(r"/studies/\{id\}/(prices|answers)/$")
PRICES_TOGETHER = st.sampled_from([{"error": 50.0}, {"share": 0.001}])
CODE = "/budgets/{id}/code-trials/"
TRIED = st.fixed_dictionaries(
    {
        "table": st.just("wages"),
        "code": st.sampled_from(
            ["def main(t):\n    return [len(t)]\n", "def main(t, state=None):\n    return 'up'"]
        ),
        "shape": st.sampled_from(
            [
                {"kind": "box", "names": ["rows"], "lower": [0], "upper": [99]},
                {"kind": "ball", "size": 3, "radius": 1.5},
                {"kind": "votes", "labels": ["up", "down"]},
            ]
        ),
        "people": st.none() | st.integers(1, 10**9),
        "blocks": st.none() | st.integers(20, 1500),
    }
)
"""Code that can be tried, if there are enough people."""
MOCK = re.compile(r"/sampled-mock/(price/)?$")
MOCKED = st.fixed_dictionaries(
    {
        "table": st.just("wages"),
        "columns": st.lists(st.sampled_from(["region", "wage", "hours", "union"]), min_size=1, unique=True),
        "bins": st.integers(2, 8),
        "share": st.floats(0.001, 0.05),
    }
)
"""Synthetic tables for mock data."""


@schemathesis.hook
def before_generate_path_parameters(context, strategy):
    """Address what exists: with random ids every answer is 404. Invalid ids are tried where nothing else can be."""
    operation = context.operation
    if not operation.path_parameters or not (operation.query or operation.body or operation.headers):
        return _known(operation.path) | strategy
    return _known(operation.path)


def _ids(path: str) -> list[str]:
    return IDS.get(word_of(path)) or ["00000000-0000-4000-8000-000000000000"]


def _known(path: str):
    parts = {"id": st.sampled_from(_ids(path)), **PATH}
    return st.fixed_dictionaries({name: parts[name] for name in re.findall(r"\{(\w+)\}", path)})


@schemathesis.hook
def map_case(context, case):
    """The same where cases are not drawn: a valid id becomes one that exists."""
    ids, given = _ids(case.path), (case.path_parameters or {}).get("id")
    if isinstance(given, str) and UUID_.fullmatch(given) and given not in ids:
        case.path_parameters["id"] = ids[int(given[:8], 16) % len(ids)]
    return case


@schemathesis.hook
def filter_case(context, case) -> bool:
    """A run that revoked its own token would be one of refusals from then on."""
    return OWN_TOKEN not in (case.path_parameters or {}).values()


@schemathesis.hook
def before_generate_body(context, strategy):
    """Ask what can be asked: what has only the right form is refused with the first name of a column."""
    if context.operation.path.endswith(CODE):
        return st.builds(
            lambda question, share: {"question": question, "share": share}, TRIED, st.floats(0.01, 1)
        )
    if MOCK.search(context.operation.path):
        return MOCKED
    if ASKED_TOGETHER.search(context.operation.path):
        return st.builds(
            lambda query, price: {"query": to_wire(query), **price}, questions(), PRICES_TOGETHER
        )
    if not re.search(ASKED, context.operation.path):
        return strategy
    return st.builds(lambda query, price: {"query": to_wire(query), **price}, questions(), PRICES)


schemathesis.openapi.media_type("application/offset+octet-stream", st.binary(max_size=20))

FORM = {"invalid", "not_json", "etag_missing", "tus_version", "unsupported_media_type", "not_acceptable"}
"""Codes for what is malformed, whoever sends it and whatever there is."""
CHECKED_BY_FORMS = {
    "/api/v1/register/": "passwords and time zones",
    "/api/v1/datasets/{id}/uploads/": "what is Base64 of what",
}
"""Addresses that refuse what JSON Schema cannot describe."""


@schemathesis.check
def is_not_malformed(context, response, case) -> None:
    """A rule may refuse what the description allows. It is never malformed: that would be a wrong description.

    This is what `positive_data_acceptance` is about, which cannot tell a rule from a form.
    """
    if case.meta.generation.mode == "negative" or case.operation.path in CHECKED_BY_FORMS:
        return
    if response.status_code < 400 or "problem+json" not in response.headers["content-type"][0]:
        return
    found = response.json()
    assert found["code"] not in FORM or "place" in found, f"{found['detail']} {found.get('fields', '')}"
