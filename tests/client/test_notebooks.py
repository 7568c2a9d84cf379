"""Every notebook of the docs runs whole on the demo, as it is, for its person."""

import csv
import io
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.core.management import call_command

from audit.verification import verify
from datasets.models import Dataset
from portal.demo import people
from privacy.models import Answer, Budget
from requests_app.models import CodeRequest, Release
from tests.client.live import AUTHOR, OWNER, signed_in, token
from tests.client.notebooks import Executed, execute
from weir.portal import Portal

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.sandbox]
SENT = "Pay of union members by region"
ROLES = {
    "scientist": (people.YUSUF, AUTHOR),
    "owner": (people.TOMAS, (*OWNER, "budgets")),
    "reviewer": (people.PRIYA, ("read", "review")),
    "auditor": (people.JONAS, ("read", "audit")),
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path, as sockets need it."""
    with tempfile.TemporaryDirectory(prefix="weir-") as path:
        yield Path(path)


def test_each_notebook_runs_on_the_demo(live: SimpleNamespace, transactional_db: None, folder: Path):
    call_command("seed_demo", verbosity=0)
    tokens = {name: token(people.find(one), *scopes) for name, (one, scopes) in ROLES.items()}
    with ThreadPoolExecutor(1) as thread, signed_in(live, (people.find(people.INGRID), OWNER)) as (ingrid,):
        running = thread.submit(execute, live.url, folder, tokens)
        review(ingrid, running)
        executed = running.result()
    executed |= execute(live.url, folder, {"code": token(people.find(people.YUSUF), "read", "ask")})
    the_scientist_has_answers_and_files(executed["scientist"])
    the_owner_has_published_and_promised(executed["owner"])
    the_reviewer_has_decided()
    the_auditor_has_found_who_received_what(executed["auditor"])
    the_code_was_answered(executed["code"])


def review(ingrid: Portal, running: Future[Any]) -> None:
    """Approve what the scientist's notebook sends and waits for, and release what it writes."""
    found(lambda: waiting(ingrid, "review"), running).version.approve(runs=1)
    release = found(lambda: waiting(ingrid, "check"), running).release.begin()
    for output in release.outputs:
        output.release()
    release.release()


def waiting(person: Portal, kind: str) -> Any:
    return next((item for item in person.inbox.of(kind) if item.title == SENT), None)


def found(look: Callable[[], Any], running: Future[Any]) -> Any:
    """What `look` finds at last. If the notebooks end before that, what they raised is raised."""
    while not (seen := look()):
        assert not (running.done() and running.result()), "The notebooks have ended without it."
        time.sleep(1)
    return seen


def the_scientist_has_answers_and_files(scientist: Executed):
    assert scientist.said("free") == "True"
    assert "accuracy" in scientist.said("model")
    assert "chance" in scientist.said("predict")
    assert "educ" in scientist.said("table")
    assert scientist.said("budget").endswith("for Yusuf Demir, 5.0 % used")
    assert "may spend only 1.0 % more. Nothing was asked." in scientist.said("limit")
    assert "9.0% of the budget is spent." in scientist.said("limit")
    table = pq.read_table(scientist.folder / "pay_by_region" / "result.parquet")
    assert set(table["region"].to_pylist()) <= {"north central", "north east", "south", "west"}
    record = json.loads((scientist.folder / "pay_by_region" / "record.json").read_text())
    assert (record["request"]["title"], record["version"]["parameters"]) == (
        SENT,
        {"since": 1985, "smallest": 20},
    )


def the_owner_has_published_and_promised(owner: Executed):
    shifts = Dataset.objects.get(name__startswith="shifts_")
    survey = Dataset.objects.get(name="health_survey")
    assert (shifts.state, shifts.current.number) == (Dataset.State.PUBLISHED, 2)
    assert owner.said("gaps") == "[]"
    budgets = Budget.objects.filter(promise__dataset=survey)
    assert {budget.scientist.name for budget in budgets} == {people.MEI.name, people.YUSUF.name}


def the_reviewer_has_decided():
    states = dict(CodeRequest.objects.values_list("title", "state"))
    assert states["Wages by occupation"] == CodeRequest.State.APPROVED
    assert states["Regional wages"] == CodeRequest.State.CHANGES_REQUESTED
    release = Release.objects.get(run__request__title="Returns to schooling, 1987")
    assert release.state == Release.State.RELEASED


def the_auditor_has_found_who_received_what(auditor: Executed):
    received = f"release.release Release of Union wage premium, year by year for {people.MEI.email}"
    assert f"{people.VIKTOR.name}  suspended  scientist" in auditor.said("people")
    assert received in auditor.said("received")
    assert "approved version 1" in auditor.said("history")
    assert "def main(" in auditor.said("code")
    assert "Number of people by occupation 13.2% spent" in auditor.said("ledger")
    assert "'received': '1'" in auditor.said("export")
    lines = list(csv.DictReader(io.StringIO((auditor.folder / "received.csv").read_text())))
    assert people.MEI.email in {line["person"] for line in lines}
    is_intact, head = auditor.said("proof").split()
    position, _, digest = head.partition(":")
    assert is_intact == "True"
    assert verify(position=int(position), head=digest).fault == ""


def the_code_was_answered(code: Executed):
    """Its owner's notebook has given the budget for it."""
    assert "KeyError: 'cigarettes'" in code.said("wrong")
    assert "53 with about 30 people each" in code.said("report")
    assert "whatever happens" in code.said("price")
    assert "95 % interval" in code.said("answer")
    assert code.said("free") == "True"
    assert Answer.objects.get(kind=Answer.Kind.CODE).is_out
