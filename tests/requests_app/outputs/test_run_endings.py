"""How runs ended is told unchecked: the owner's side sees in how many ways, and what that can carry."""

import math
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from requests_app.outputs import run_endings
from runner.contract import CloseCode, JobResult, Status
from tests import make
from tests.makers import requests as made
from tests.makers.requests import WritesOutputs

pytestmark = pytest.mark.django_db


class Raises(WritesOutputs):
    def __init__(self, name: str, line: int | None) -> None:
        super().__init__()
        self.result = JobResult(
            status=Status.FAILED, code=CloseCode.EXCEPTION, error_class=name, error_line=line, exit_code=1
        )

    def run(self, spec, *, started=lambda: None, cancelled=lambda: False):
        return self.result


def ran(item, *executors):
    for executor in executors:
        made.execute(made.start(made.fresh(item)), executor)
    return made.fresh(item)


def approval_of(item):
    return made.fresh(item).latest.approval


def scoped(runs=20):
    item = make.code_request(at="submitted", dataset=make.dataset(policy={"max_runs": runs}))
    made.approve(made.version(item), runs=runs)
    return made.fresh(item)


def test_before_the_first_run_nothing_was_told():
    assert run_endings.of(approval_of(scoped())) is None


def test_the_same_ending_again_and_again_tells_nothing():
    item = ran(scoped(), *[Raises("KeyError", 2)] * 3)
    found = run_endings.of(approval_of(item))
    assert (found.runs, found.ways, found.bits, found.are_many) == (
        3, [("EXCEPTION KeyError on line 2", 3)], 0.0, False,
    )  # fmt: skip


def test_each_class_line_and_code_counts_as_a_way_of_its_own():
    ways = [Raises("KeyError", 2), Raises("KeyError", 1), Raises("ValueError", 2), Raises("Exception", None)]
    item = ran(scoped(), *ways, WritesOutputs(code=CloseCode.TIME_LIMIT), WritesOutputs())
    found = run_endings.of(approval_of(item))
    assert (found.runs, len(found.ways), found.are_many) == (6, 6, True)
    assert found.bits == round(6 * math.log2(6), 1)
    assert {way for way, _ in found.ways} >= {"EXCEPTION Exception", "TIME_LIMIT", "SUCCEEDED"}


def test_a_length_is_told_as_well():
    item = ran(scoped(), *[WritesOutputs()] * 2)
    for steps, run in enumerate(item.runs.filter(kind="private"), start=1):
        made.fresh_run(run, finished_at=run.started_at + timedelta(seconds=10 * steps))
    found = run_endings.of(approval_of(item))
    assert (len(found.ways), found.lengths, found.bits) == (1, 2, 2.0)


def test_what_one_run_can_tell_grows_with_lines_and_shrinks_with_longer_steps():
    short = make.code_request(at="submitted").latest
    long = make.code_request(at="submitted", code=made.CODE + "# a line\n" * 4000).latest
    coarse = make.code_request(
        at="submitted", dataset=make.dataset(policy={"end_step_seconds": 900})
    ).latest  # fmt: skip
    told = [run_endings.one_run_can_tell(version) for version in (short, long, coarse)]
    assert told[1] > told[0] > told[2]


def page(user, name, pk):
    client = Client()
    client.force_login(user)
    return " ".join(client.get(reverse(f"requests:{name}", args=[pk])).content.decode().split())


def test_the_owners_side_sees_it_where_it_decides_and_the_author_does_not():
    item = ran(scoped(), *[Raises("KeyError", line) for line in (1, 2, 3, 4)], WritesOutputs())
    owner, words = item.dataset.owner, "have ended in 5 different ways"
    release = item.runs.filter(kind="private").first().release
    assert words in page(owner, "detail", item.pk)
    assert words in page(owner, "check", release.pk)
    assert "read the logs" in page(owner, "check", release.pk)
    assert words not in page(item.author, "detail", item.pk)
    made.submission(item)
    item = made.fresh(item)
    assert words in page(owner, "review", item.latest_id)
    assert words not in page(item.author, "review", item.latest_id)


def test_a_reviewer_reads_what_one_run_can_tell():
    item = make.code_request(at="submitted")
    bits = run_endings.one_run_can_tell(item.latest)
    assert f"no more than {bits} yes-or-no answers ({bits} bits)" in page(
        item.dataset.owner, "review", item.latest_id
    )
