"""Calls that nobody thought of, by each role: none fails, and none is answered in a way that is not described.

`WEIR_FUZZ_EXAMPLES=50` makes so many calls of each operation, walks along every border of its description, and follows
objects from call to call. That takes some minutes for each role.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from accounts.services import tokens
from common.rest.grants import SCOPES
from tests import serving
from tests.portal import scene
from tests.portal.fuzzing import program

ROLES = ("scientist", "owner", "reviewer", "admin", "auditor")[: 2 if os.environ.get("CI") else None]
"""Who calls. In CI those who can call most, for time: sweeps in tests/guards and tests/portal/api call as everybody."""
LONG = int(os.environ.get("WEIR_FUZZ_EXAMPLES", "0"))
SEED = int(os.environ.get("WEIR_FUZZ_SEED", "1"))
PLAN = (
    program.Plan("examples,coverage,fuzzing,stateful", LONG, SEED)
    if LONG
    else program.Plan("fuzzing", 3, SEED)
)


pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.slow,
    pytest.mark.uncounted,
    *([pytest.mark.timeout(3 * 3600)] if LONG else []),
]


@pytest.fixture(scope="module")
def portal(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A portal without workers, which would take the runs of the scene, and its URL."""
    port, log = serving.free_port(), tmp_path_factory.mktemp("portal") / "web.log"
    url = f"http://127.0.0.1:{port}"
    named = {"WEIR_BASE_URL": url, "WEIR_REGISTRATION": "1"}
    with serving.web_server(port, log, module="tests.portal.fuzzing.generous", **named):
        yield url
    written = log.read_text().splitlines()
    assert [line for line in written if "Traceback" in line or " ERROR " in line] == []


@pytest.mark.parametrize("role", ROLES)
def test_no_call_fails_or_is_answered_as_it_is_not_described(portal: str, role: str, tmp_path: Path):
    built = scene.build()
    token, secret = tokens.make(by=built.people[role], name="fuzzing", scopes=list(SCOPES), days=1)
    outcome = program.run(portal, program.Caller(str(token.pk), secret), built, tmp_path, PLAN)
    assert outcome.code == 0, outcome.text
    assert proves_something(outcome.statuses)
    mine = httpx.get(f"{portal}/api/v1/me/", headers={"Authorization": f"Bearer {secret}"})
    assert mine.json()["id"] == str(built.people[role].pk)


def proves_something(statuses: Counter[int]) -> bool:
    """Whether a fair part of the calls did what they asked for, and few were not let in at all."""
    done = sum(count for status, count in statuses.items() if status < 300)
    not_let_in = (
        statuses[401] + statuses[429]
    )  # each success is repeated without a token and with a wrong one
    return done >= statuses.total() / 10 and not_let_in <= statuses.total() / 2 and statuses[429] == 0
