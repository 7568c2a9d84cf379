"""Two sites that differ in one person tell a scientist the same, whatever the scientist calls, but for the noise.

What code writes and when it ends is left out by design: a reviewer has read the code, and releases what it wrote. Here
the runs of both sites wrote the same.
"""

import itertools
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from common.rest import rates
from privacy.execution import lifecycle
from privacy.models import Answer, Batch
from tests.client import bridge
from tests.guards.test_api import Call, calls
from tests.makers import accounts, catalogues, datasets
from tests.makers.audit import checkpoint
from tests.portal import scene
from tests.portal.api.site import RANDOM, Clock, Heard, Site, least
from tests.portal.scene import Scene
from tests.rest import bearer

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.uncounted]

SOMEBODY = 7
"""The person in whom the sites differ."""
ROWS = bridge.arrow(seed=1, people=scene.PEOPLE)


def without_them() -> pa.Table:
    return ROWS.filter(pc.fill_null(pc.not_equal(ROWS["person"], SOMEBODY), fill_value=True))


def with_other_values() -> pa.Table:
    """Beyond what is declared, and beyond what others have."""
    rows, own = ROWS, pc.fill_null(pc.equal(ROWS["person"], SOMEBODY), fill_value=False)
    for name, value in {"wage": 31_337.0, "hours": 61, "region": "mars"}.items():
        kind = rows.schema.field(name)
        put = pc.if_else(own, pa.scalar(value, kind.type), rows[name])
        rows = rows.set_column(rows.schema.get_field_index(name), kind, put)
    return rows


WHY = {"reason": "For a second report."}
COUNT = "SELECT COUNT(DISTINCT person) FROM wages"
QUESTIONS = [
    {"sql": COUNT, "error": 5},
    {"sql": "SELECT region, AVG(wage) FROM wages WHERE year > 1984 GROUP BY region", "epsilon": 2},
    {"sql": "SELECT MEDIAN(wage) FROM wages", "error": 0.05},
    {"sql": "SELECT COUNT(*) FROM wages", "share": 0.1},
    {"sql": "SELECT COUNT(*) FROM wages WHERE wage = 31337", "epsilon": 1},
    {"sql": "SELECT COUNT(*) FROM wages WHERE region = 'mars'", "epsilon": 1},
    {"sql": "SELECT CORR(wage, hours) FROM wages", "epsilon": 5},
    {"sql": COUNT, "epsilon": 49},
    {"sql": COUNT, "epsilon": 10**400},
    {"query": {"table": "wages", "measure": {"kind": "max"}}, "epsilon": 1},
]
DRAFT = {
    "purpose": "To know the mean.",
    "code": "def main(wages):\n    return len(wages)\n",
    "parameters": {"a": 1},
}
IN_BLOCKS = {
    "table": "wages",
    "code": "def main(t):\n    return [len(t)]\n",
    "shape": {"kind": "box", "names": ["rows"], "lower": [0], "upper": [99]},
}
ASKED = "POST /api/v1/budgets/<uuid:pk>/answers/"
ASKED_TOGETHER = "POST /api/v1/budgets/<uuid:pk>/batches/"
RECEIPT = "GET /api/v1/answers/<uuid:pk>/receipt/"
READ_TOGETHER = "GET /api/v1/batches/<uuid:pk>/"


def on_each_dataset(built: Scene) -> list[Any]:
    return [{"dataset": pk, "title": "New"} for pk in built.ids["datasets"]]


DONE: dict[str, Any] = {
    "POST /api/v1/datasets/<uuid:pk>/access/": [
        {"purpose": "Growth.", "outputs": "Means."},
        {"purpose": "Growth.", "outputs": "Means.", "terms": 1},
    ],
    "POST /api/v1/access/<uuid:pk>/withdraw/": [{}],
    "POST /api/v1/budgets/<uuid:pk>/price/": QUESTIONS,
    "POST /api/v1/budgets/<uuid:pk>/trial/": QUESTIONS,
    "POST /api/v1/budgets/<uuid:pk>/batches/price/": [{"questions": QUESTIONS[:5]}, {"questions": QUESTIONS}],
    "POST /api/v1/budgets/<uuid:pk>/code-trials/": [{"question": IN_BLOCKS, "share": 0.3}],
    "POST /api/v1/code-trials/<uuid:pk>/answers/": [{}],
    "POST /api/v1/code-trials/<uuid:pk>/stop/": [{}],
    "POST /api/v1/answers/<uuid:pk>/withdraw/": [{}],
    "POST /api/v1/budgets/<uuid:pk>/top-ups/": [{**WHY, "epsilon": 40}, {**WHY, "epsilon": 1}],
    "POST /api/v1/requests/": on_each_dataset,
    "POST /api/v1/requests/<uuid:pk>/runs/": [{}],
    "PATCH /api/v1/requests/<uuid:pk>/": [DRAFT],
    "POST /api/v1/requests/<uuid:pk>/copy/": [{}],
    "POST /api/v1/requests/<uuid:pk>/mock-runs/": [{}],
    "POST /api/v1/requests/<uuid:pk>/submit/": [{}],
    "POST /api/v1/requests/<uuid:pk>/withdraw/": [{}],
    "POST /api/v1/versions/<uuid:pk>/comments/": [{"text": "Because."}, {"text": "Here.", "line": 1}],
    "POST /api/v1/comments/<uuid:pk>/resolve/": [{}],
    "POST /api/v1/comments/<uuid:pk>/unresolve/": [{}],
    "DELETE /api/v1/comments/<uuid:pk>/": [{}],
    "POST /api/v1/runs/<uuid:pk>/cancel/": [{}],
    "POST /api/v1/me/notifications/<uuid:pk>/read/": [{}],
    "POST /api/v1/me/notifications/read-all/": [{}],
    "POST /api/v1/studies/<uuid:pk>/prices/": [{"sql": COUNT, "share": 0.1}, {"sql": COUNT, "error": 5}],
    "POST /api/v1/studies/<uuid:pk>/answers/": [{"sql": COUNT, "share": 0.1}],
    "POST /api/v1/joint-answers/<uuid:pk>/stop/": [{}],
    "POST /api/v1/audit/export/": [{}],
    "POST /api/v1/device/": [{"client": "a script", "scopes": ["read"]}],
    "POST /api/v1/device/token/": [{"device_code": "unknown"}],
    "POST /api/v1/register/": [{}],
    "OPTIONS /api/v1/datasets/<uuid:pk>/uploads/": [{}],
    "OPTIONS /api/v1/uploads/<uuid:pk>/": [{}],
}
"""What scientists may call besides reading, in this order, and what they send. Whatever is not here is refused to them:
a new operation that is not fails until it is here."""


REFUSALS = {403, 404}
NOT_FOR_SCIENTISTS = {
    "GET /api/v1/audit/<uuid:pk>/receipt/",
    "GET /api/v1/datasets/<uuid:pk>/ledger/",
    "GET /api/v1/datasets/<uuid:pk>/promise/",
    "GET /api/v1/datasets/<uuid:pk>/reviewers/",
    "GET /api/v1/datasets/<uuid:pk>/revisions/",
    "GET /api/v1/datasets/<uuid:pk>/sampled-mock/",
    "GET /api/v1/datasets/<uuid:pk>/uploads/",
    "GET /api/v1/invitations/",
    "GET /api/v1/network/portals/<uuid:pk>/api/<path:rest>",  # who has asked for nothing there is no guest there
    "GET /api/v1/people/",
    "GET /api/v1/people/<uuid:pk>/",
    "GET /api/v1/revisions/<uuid:pk>/",
    "GET /api/v1/tables/<uuid:pk>/",
    "GET /api/v1/tables/<uuid:pk>/codebook.csv",
    "GET /api/v1/uploads/<uuid:pk>/",
    "GET /api/v1/workers/",
}
"""What others read. Whatever else can be read has to be there for the scientist, or nothing is compared."""
NOT_DONE = {
    "DELETE /api/v1/comments/<uuid:pk>/": "theirs is published",
    "GET /api/v1/environments/<uuid:pk>/": "it has not been built",
    "GET /api/v1/network/datasets/<uuid:pk>/mock/<slug:table>.parquet": "the other portal is not there",
    "GET /api/v1/joint-answers/<uuid:pk>/receipt/": "it waits for the other portal",
    "POST /api/v1/studies/<uuid:pk>/answers/": "the other portal is not there",
    "POST /api/v1/budgets/<uuid:pk>/code-trials/": "the owner announces too few people",
    "POST /api/v1/code-trials/<uuid:pk>/answers/": "so it could not be asked",
    "POST /api/v1/budgets/<uuid:pk>/top-ups/": "they have asked already",
    "POST /api/v1/device/token/": "nobody knows the code",
    "POST /api/v1/register/": "the portal lets nobody register",
}
PAID = [
    {"sql": COUNT, "epsilon": 3},
    {"sql": "SELECT region, COUNT(*) FROM wages GROUP BY region", "epsilon": 3},
    {"sql": "SELECT SUM(wage) FROM wages WHERE year > 1984", "epsilon": 3},
    {"sql": "SELECT AVG(wage) FROM wages", "epsilon": 3},
]
TOGETHER = {"questions": [PAID[0], {"sql": "SELECT COUNT(*) FROM wages WHERE union", "epsilon": 3}]}
ABOUT_ANSWERS = re.compile("answers|batches|budgets|inbox|notifications|audit|top-ups")
DRAWN = re.compile(r'("(?:value|low|high|half_width)": ?)(?:-?[\d.e-]+|null)')
"""Figures and their intervals."""


@pytest.fixture(autouse=True)
def _no_limits(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setattr(rates, "RATES", dict.fromkeys(rates.RATES, 1_000_000))
    settings.ANSWER_SECONDS = 0.001
    settings.STALE_AFTER = timedelta(days=1)  # a worker's last sign of life is of when the sites' time began


@contextmanager
def site(rows: pa.Table, begin: datetime) -> Iterator[Site]:
    """A site with these rows, whose time begins then. Nothing of it is left afterwards."""
    whole = transaction.atomic()
    setattr(whole, "_from_testcase", True)  # noqa: B010 -- durable transactions may be inside, as inside a test's own
    with pytest.MonkeyPatch.context() as patch, whole:
        clock = Clock(begin)
        patch.setattr(timezone, "now", clock)
        patch.setattr(accounts, "_numbers", itertools.count(1))
        patch.setattr(datasets, "_numbers", itertools.count(1))
        patch.setattr(catalogues, "_numbers", itertools.count(1))
        built = scene.build(rows, answered=False)
        clock.skip(timedelta(hours=1))
        yield Site(built, clock)
        transaction.set_rollback(True)


def heard_before_any_answer(rows: pa.Table, begin: datetime) -> tuple[list[Heard], str]:
    """All that the scientist hears before anything is charged, and what the owner reads of the tables."""
    with site(rows, begin) as here:
        reading = [call for call in calls() if call.method == "get"]
        lists = [call for call in reading if not call.page.takes_an_object]
        heard = [each for call in reading for each in here.hear(call, [None])]
        heard += [each for call in refused_calls() for each in here.hear(call, [least(call)])]
        for call, bodies in done_calls():
            heard += here.hear(call, bodies(here.scene) if callable(bodies) else bodies)
        heard += [each for call in lists for each in here.hear(call, [None])]
        return heard, what_the_owner_reads(here)


def refused_calls() -> list[Call]:
    return [
        call for call in calls() if call.method != "get" and str(call) not in {*DONE, ASKED, ASKED_TOGETHER}
    ]


def done_calls() -> list[tuple[Call, Any]]:
    by_name = {str(call): call for call in calls()}
    return [(by_name[name], bodies) for name, bodies in DONE.items()]


def what_the_owner_reads(here: Site) -> str:
    owner = bearer(here.scene.people["owner"], "publish")
    tables = [reverse("api:table", args=[pk]) for pk in here.scene.ids["tables"]]
    return "".join(here.client.get(path, headers=owner).content.decode() for path in tables)


def test_before_any_answer_every_call_is_answered_alike():
    begin = timezone.now()
    heard, owned = heard_before_any_answer(ROWS, begin)
    for other in (without_them(), with_other_values()):
        again, owned_again = heard_before_any_answer(other, begin)
        assert different(heard, again) == []
        assert without_ids(owned) != without_ids(owned_again)  # there is something that could leak
    statuses = defaultdict(set)
    for each in heard:
        statuses[each.call].add(each.status)
    refused = {str(call): statuses[str(call)] for call in refused_calls()}
    assert {name: found for name, found in refused.items() if not found <= REFUSALS} == {}
    silent = {name for name, found in statuses.items() if min(found) >= 300 and name not in refused}
    assert silent == NOT_FOR_SCIENTISTS | set(NOT_DONE)


def different(one: list[Heard], other: list[Heard]) -> list[tuple[Heard, Heard]]:
    assert [each.call for each in one] == [each.call for each in other]
    assert [each for each in one if each.status >= 500] == []
    return [(left, right) for left, right in zip(one, other, strict=True) if left != right]


def without_ids(text: str) -> str:
    return RANDOM.sub("", text)


def told_about_answers(rows: pa.Table, begin: datetime) -> list[Any]:
    """What the scientist hears while questions are asked and answered, without the figures themselves."""
    with site(rows, begin) as here:
        by_name = {str(call): call for call in calls()}
        ask = by_name[ASKED]
        about = [call for call in calls() if call.method == "get" and ABOUT_ANSWERS.search(call.page.route)]
        told: list[Any] = []
        asked = [(ask, question) for question in [*PAID, PAID[0]]]  # the last one has been answered
        for call, body in [*asked, (by_name[ASKED_TOGETHER], TOGETHER)]:
            told += here.hear(call, [body])
            for answer in Answer.objects.filter(state=Answer.State.PENDING):
                lifecycle.compute(str(answer.pk))
            here.clock.skip(timedelta(minutes=1))  # whatever is released is visible by now
        told += here.hear(ask, [{"sql": COUNT, "epsilon": 49}])  # more than is left
        here.scene.ids["answers"] = [
            str(pk) for pk in Answer.objects.order_by("created_at").values_list("pk", flat=True)
        ]
        here.scene.ids["batches"] = [str(pk) for pk in Batch.objects.values_list("pk", flat=True)]
        told += [each for call in about for each in here.hear(call, [None])]
        checkpoint()
        told += [without_proofs(each) for each in here.hear(by_name[RECEIPT], [None])]
        return [without_figures(each) for each in told]


def without_proofs(heard: Heard) -> Heard:
    """Only what a receipt says, but for the number of a line of the ledger: its proofs are random, as the order and the
    salts of leaves are."""
    found = json.loads(heard.body)["receipt"]
    said = [
        re.sub('(?<="object_id":")[0-9]+|(?<="charge":")[0-9]+', "", each["payload"])
        for each in found["entries"]
    ]
    said.append(found["document"])
    return replace(heard, body="\n".join(said))


def without_figures(heard: Heard) -> Any:
    """Without what is drawn, and the sizes that depend on it: digits, and which tag the content has."""
    headers = {name: value for name, value in heard.headers if name not in {"Content-Length", "ETag"}}
    text = DRAWN.sub(r"\1", heard.body)
    if dict(heard.headers)["Content-Type"].startswith("text/csv"):
        text = re.sub(r"-?\d+(\.\d+)?(e-?\d+)?", "", heard.body)
    return heard.call, heard.status, headers, text


def test_while_questions_are_answered_only_the_figures_differ():
    begin = timezone.now()
    told = told_about_answers(ROWS, begin)
    for other in (without_them(), with_other_values()):
        again = told_about_answers(other, begin)
        assert [(left, right) for left, right in zip(told, again, strict=True) if left != right] == []
    released = [
        body for name, status, _, body in told if name == "GET /api/v1/answers/<uuid:pk>/" and status == 200
    ]
    assert len(released) == len(PAID) + 1  # of the two together, one has been answered
    assert all('"state":"released"' in body and '"released_at":"20' in body for body in released)
    assert [status for name, status, _, _ in told if name == READ_TOGETHER] == [200]
    assert sum("answer.released" in body for name, _, _, body in told if name == RECEIPT) == len(PAID) + 1
    assert {402, 200, 202} <= {status for name, status, _, _ in told if name == ASKED}
