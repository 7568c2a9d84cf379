"""Schemathesis, run as a program against a portal: its settings, and what it says in the end."""

import base64
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.guards.test_source import ROOT
from tests.portal.scene import Scene

SETTINGS = """
seed = {seed}
hooks = "tests.portal.fuzzing.hooks"
headers = {{ Authorization = "Bearer {secret}" }}
continue-on-failure = true
request-timeout = 60
cache.enabled = false
output.sanitization.enabled = false

[generation]
max-examples = {examples}
database = "none"
no-shrink = true
# Neither NUL nor half a pair of surrogates can be stored: tests/common/rest/test_endpoints.py sends both.
allow-x00 = false
codec = "utf-8"

[checks]
# It takes what a rule refuses for malformed. tests/portal/fuzzing/hooks.py tells them apart by the code.
positive_data_acceptance.enabled = false
# Whatever is wrong with a call, something else may be wrong with it too, and be said first.
negative_data_rejection.expected-statuses = ["4xx"]
missing_required_header.expected-statuses = ["4xx"]

# A stream of events does not end: tests/portal/api/test_live.py.
[[operations]]
include-path = "/api/v1/events/"
enabled = false

# A recursive description has borders without end: tests/privacy/engine/language/test_json_schema.py.
[[operations]]
include-path-regex = "/budgets/.id./(price|trial|answers)/"
include-method = "POST"
phases.coverage.enabled = false

[[operations]]
include-path-regex = "/(ledger|checkpoints)/"
parameters."query.cursor" = {{ dictionary = "cursors_of_numbers" }}

[dictionaries]
{dictionaries}

[parameters]
"query.cursor" = {{ dictionary = "cursors" }}
"header.If-Match" = {{ dictionary = "etags", probability = 0.8 }}
"query.dataset" = {{ dictionary = "datasets", probability = 0.8 }}
"query.request" = {{ dictionary = "requests", probability = 0.8 }}
"query.against" = {{ dictionary = "versions", probability = 0.8 }}
"body.dataset" = {{ dictionary = "datasets", probability = 0.8 }}
"body.scientist" = {{ dictionary = "people", probability = 0.8 }}
"body.parent" = {{ dictionary = "comments", probability = 0.8 }}
"body.seen" = {{ dictionary = "hashes", probability = 0.8 }}
"""
KNOWN = ("datasets", "requests", "versions", "people", "comments", "hashes")
"""What bodies and filters name, of what there is in the scene."""


@dataclass(frozen=True)
class Caller:
    """Who calls: an access token, by its id and its secret."""

    token: str
    secret: str


@dataclass(frozen=True)
class Plan:
    """What to run, and for how long."""

    phases: str
    examples: int
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What the program said, and how often each status was answered."""

    code: int
    text: str
    statuses: Counter[int]


def run(url: str, caller: Caller, scene: Scene, home: Path, plan: Plan) -> Outcome:
    """Run it against the portal at this URL. It keeps its files in `home`."""
    told, settings, calls = home / "told.json", home / "schemathesis.toml", home / "calls.har"
    told.write_text(json.dumps({"ids": scene.ids, "token": caller.token}))
    filled = {"seed": plan.seed, "examples": plan.examples, "dictionaries": _dictionaries(scene.ids)}
    settings.write_text(SETTINGS.format(secret=caller.secret, **filled))
    command = [sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", str(settings), "run"]
    options = ["--phases", plan.phases, "--report", "har", "--report-har-path", str(calls)]
    done = subprocess.run(
        [*command, *options, f"{url}/api/v1/schema/"],
        cwd=home,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}", "WEIR_FUZZ": str(told)},
        capture_output=True,
        text=True,
        check=False,
    )
    return Outcome(done.returncode, done.stdout + done.stderr, _statuses(calls))


def _dictionaries(ids: dict[str, list[str]]) -> str:
    values = {
        "cursors": [_cursor("ffffffff-ffff-4fff-bfff-ffffffffffff")],
        "cursors_of_numbers": [_cursor("99")],
        "etags": ["*"],
        **{name: ids[name] for name in KNOWN},
    }
    return "\n".join(f"{name} = {{ values = {json.dumps(each)} }}" for name, each in values.items())


def _cursor(pk: str) -> str:
    """A cursor as lists make them; everything comes after it."""
    text = json.dumps(["2100-01-01T00:00:00+00:00", pk])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _statuses(calls: Path) -> Counter[int]:
    entries = json.loads(calls.read_text())["log"]["entries"]
    return Counter(each["response"]["status"] for each in entries)
