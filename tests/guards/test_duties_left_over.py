"""Somebody with every duty comes to oversee, past all verbs: by no page and no verb can they do more than anybody who
oversees. Which pages and verbs there are is read off the portal itself."""

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import models, transaction
from django.test import Client

from accounts.models import EXCLUSIVE_ROLES, User
from common.errors import Refused
from datasets import services as datasets
from datasets.models import Dataset, Upload
from datasets.services import inspection, uploads
from privacy import services as budgets
from privacy.services import questions, sampled_mocks
from requests_app import rules
from requests_app import services as lane
from requests_app.models import CodeRequest, Comment, Run
from requests_app.services import outputs, releases
from runner.gates import previews
from tests import make
from tests.guards.everything import Cast, build, built_cast, cast, comes_to_oversee, fresh
from tests.guards.pages import Page, every_page
from tests.guards.test_urls import plain_refusals
from tests.makers import mocks as drawn
from tests.makers import privacy as shares
from tests.makers import requests as requests_

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
ROLES = sorted(EXCLUSIVE_ROLES)
__all__ = ["built_cast", "cast", "plain_refusals"]


# By pages

WORDS: dict[str, str] = {
    "reason": "Because.",
    "text": "Some words.",
    "comment": "Some words.",
    "note": "Some words.",
    "purpose": "To know.",
    "outputs": "Means.",
    "title": "Odd",
    "verdict": "reject",
    "decision": "reject",
    "epsilon": "1.5",
    "number": "0",
}


@dataclass(frozen=True)
class Asked:
    """One call: a page, an object, and how."""

    page: Page
    pk: UUID
    method: str


def answered(client: Client, asked: Asked) -> tuple[int, str, frozenset[str]]:
    """What a call is answered: its status, where it leads, and which forms and links are on the page. It is undone."""
    given = {**WORDS, "key": str(uuid4())} if asked.method == "post" else {}
    with transaction.atomic():
        answer = getattr(client, asked.method)(asked.page.path(uuid=asked.pk), given)
        body = b"".join(answer) if answer.streaming else answer.content
        if (file := getattr(answer, "file_to_stream", None)) is not None:
            file.close()
        transaction.set_rollback(True)
    links = re.findall(r'(?:action|href|hx-post)="([^"#]+)', body.decode(errors="replace"))
    return answer.status_code, answer.get("Location", ""), frozenset(links)


@pytest.mark.usefixtures("plain_refusals")
def test_no_page_gives_more_to_who_has_duties_left_over(client: Client, cast: Cast):
    client.force_login(cast.person)
    client.raise_request_exception = False
    opened = list(_opened(client))
    names = {asked.page.name for asked in opened}
    assert names >= {
        "datasets:rows", "datasets:policy", "datasets:upload", "datasets:decide", "requests:verdict",
        "requests:check", "requests:log", "requests:output", "requests:download", "requests:edit",
        "requests:start_run", "privacy:ask", "privacy:decide", "privacy:promise",
    }  # fmt: skip
    for role in ROLES:
        plain = make.user(role)
        client.force_login(plain)
        allowed = {asked: answered(client, asked) for asked in opened}
        left = comes_to_oversee(cast.person, role)
        client.force_login(left)
        more = {
            f"{asked.method} {asked.page.route}": (
                *mine[:2],
                *allowed[asked][:2],
                mine[2] ^ allowed[asked][2],
            )
            for asked in opened
            if (mine := answered(client, asked)) != allowed[asked]
        }
        assert "\n".join(f"{name}: {each}" for name, each in more.items()) == "", role


def _opened(client: Client) -> Iterator[Asked]:
    """What their duties open to them: every page, with every object of its kind, that answers neither 404 nor 405."""
    for page in every_page():
        if page.name in {"account_logout", "accounts:end_sessions"} or page.app in {
            "account",
            "people",
            "components",
            "audit",
        }:
            continue
        for pk in page.objects() if page.takes_an_object else [uuid4()]:
            for method in ("get", "post"):
                asked = Asked(page, pk, method)
                if answered(client, asked)[0] not in {404, 405}:
                    yield asked


# By verbs

MODULES: list[ModuleType] = [
    datasets,
    uploads,
    inspection,
    lane,
    outputs,
    releases,
    budgets,
    questions,
    sampled_mocks,
]
Call = Callable[[Cast, User], object]


def _quote(cast: Cast, by: User) -> questions.Quote:
    return questions.quote(
        cast.budget, questions.read_sql(cast.budget, shares.PEOPLE_COUNTED).query, by=by, epsilon=0.2
    )


CALLS: dict[str, Call] = {
    "datasets.create": lambda c, by: datasets.create(by=by, name="odd", title="Odd"),
    "datasets.update": lambda c, by: datasets.update(c.own, by=by, title="Odd"),
    "datasets.set_policy": lambda c, by: datasets.set_policy(c.own, by=by, max_runs=3),
    "datasets.write_terms": lambda c, by: datasets.write_terms(c.own, by=by, text="Be kind."),
    "datasets.new_revision": lambda c, by: datasets.new_revision(c.own, by=by, note="More."),
    "datasets.declare": lambda c, by: datasets.declare(_table(c), by=by, columns={}, description="Odd."),
    "datasets.publish": lambda c, by: (Upload.objects.all().delete(), datasets.publish(c.draft, by=by)),
    "datasets.discard": lambda c, by: datasets.discard(make.draft(c.draft), by=by),
    "datasets.retire_revision": lambda c, by: datasets.retire_revision(
        make.current(c.own), by=by, reason="Old."
    ),
    "datasets.retire": lambda c, by: datasets.retire(c.own, by=by, reason="Old."),
    "datasets.add_reviewer": lambda c, by: datasets.add_reviewer(c.own, by=by, user=make.user()),
    "datasets.remove_reviewer": lambda c, by: datasets.remove_reviewer(c.own.reviewers.all()[0], by=by),
    "datasets.transfer": lambda c, by: datasets.transfer(c.own, by=by, to=make.owner(), reason="Leaving."),
    "datasets.ask_access": lambda c, by: make.access_request(make.dataset(), by),
    "datasets.decide_access": lambda c, by: [
        datasets.decide_access(_wish(dataset), by=by, grant=True) for dataset in (c.own, c.seat)
    ],
    "uploads.begin": lambda c, by: uploads.begin(make.draft(c.draft), by=by, file_name="more.csv", size=3),
    "uploads.receive": lambda c, by: uploads.receive(c.upload, by=by, offset=0, chunk=b"a,b"),
    "uploads.take": lambda c, by: uploads.take(
        make.draft(c.draft), by=by, file_name="more.csv", size=3, chunks=[b"a,b"]
    ),
    "uploads.cancel": lambda c, by: uploads.cancel(c.upload, by=by),
    "uploads.remove_table": lambda c, by: uploads.remove_table(_table(c), by=by),
    "inspection.rows": lambda c, by: inspection.rows(make.current(c.own).tables.all()[0], by=by, first=0),
    "inspection.check_fit": lambda c, by: inspection.check_fit(_table(c), by=by),
    "lane.new_request": lambda c, by: lane.new_request(c.used, by=by, title="Odd"),
    "lane.save_draft": lambda c, by: lane.save_draft(c.drafted, by=by, number=1, purpose="Odd."),
    "lane.run_on_mock": lambda c, by: lane.run_on_mock(c.drafted, by=by, key=uuid4()),
    "lane.copy_request": lambda c, by: lane.copy_request(c.drafted, by=by),
    "lane.submit": lambda c, by: lane.submit(c.drafted, by=by, key=uuid4()),
    "lane.withdraw": lambda c, by: lane.withdraw(c.submitted, by=by),
    "lane.begin_review": lambda c, by: lane.begin_review(requests_.version(c.to_review), by=by),
    "lane.comment": lambda c, by: lane.comment(requests_.version(c.to_review), by=by, text="Odd."),
    "lane.drop_comment": lambda c, by: lane.drop_comment(c.comment, by=by),
    "lane.resolve": lambda c, by: lane.resolve(_published(c), by=by),
    "lane.unresolve": lambda c, by: lane.unresolve(_published(c), by=by),
    "lane.review": lambda c, by: requests_.approve(requests_.version(c.to_review), by=by),
    "lane.try_on_mock": lambda c, by: lane.try_on_mock(
        requests_.version(c.to_review), by=by, key=uuid4(), parameters={}
    ),
    "lane.start_run": lambda c, by: lane.start_run(c.approved, by=by, key=uuid4()),
    "releases.begin_check": lambda c, by: releases.begin_check(c.to_check, by=by),
    "releases.set_verdict": lambda c, by: releases.set_verdict(_output(c), by=by, verdict="withhold"),
    "releases.decide": lambda c, by: releases.decide(c.to_check, by=by, decision="reject", comment="No."),
    "outputs.open_held": lambda c, by: outputs.open_held(_output(c), by=by),
    "outputs.open_held_download": lambda c, by: outputs.open_held_download(_output(c), by=by),
    "outputs.open_released": lambda c, by: outputs.open_released(c.received.run.outputs.all()[0], by=by),
    "outputs.open_file": lambda c, by: outputs.open_file(_output(c), by=by),
    "outputs.look": lambda c, by: outputs.look(_output(c), by=by, place=previews.Place()),
    "outputs.open_log": lambda c, by: outputs.open_log(c.to_check.run, by=by),
    "releases.add_log_excerpt": lambda c, by: releases.add_log_excerpt(c.to_check.run, by=by, text="A line."),
    "budgets.protect": lambda c, by: budgets.protect(
        _unprotected(c), by=by, epsilon=1.0, public_size=30, constants=[]
    ),
    "budgets.publish_rows": lambda c, by: budgets.publish_rows(c.own.promise, {"wages": 90}, by=by),
    "budgets.give_budget": lambda c, by: budgets.give_budget(
        c.own.promise, make.scientist(), by=by, epsilon=0.3
    ),
    "budgets.close_budget": lambda c, by: budgets.close_budget(c.given, by=by, reason="Done."),
    "budgets.change_budget": lambda c, by: budgets.change_budget(c.given, by=by, epsilon=1.2),
    "budgets.ask_top_up": lambda c, by: budgets.ask_top_up(c.budget, by=by, epsilon=1.5, reason="More."),
    "budgets.decide_top_up": lambda c, by: budgets.decide_top_up(c.top_up, by=by, grant=False, note="No."),
    "questions.quote": _quote,
    "questions.ask": lambda c, by: questions.ask(c.budget, _quote(c, c.person), key=uuid4(), by=by),
    "sampled_mocks.quote": lambda c, by: sampled_mocks.quote(c.own.promise, by=by, **drawn.WANTED),
    "sampled_mocks.make": lambda c, by: sampled_mocks.make(c.own.promise, by=by, key=uuid4(), **drawn.WANTED),
    "sampled_mocks.replace_mock": lambda c, by: sampled_mocks.replace_mock(
        drawn.written(c.own.promise), by=by
    ),
    "sampled_mocks.restore_mock": lambda c, by: sampled_mocks.restore_mock(
        c.own.promise, drawn.written_as_shown(c.own.promise).table.name, by=by
    ),
}
"""Every verb that uses a duty, as somebody who has the duty calls it."""

DURABLE = {"budgets.change_budget", "questions.ask", "sampled_mocks.make"}
"""Verbs that commit by themselves, and so cannot be undone here."""

OVERSEERS = "an admin's own: what they may stop or call back as such"
ADMINS = "an admin's own, about the portal"
EXEMPT = {
    "datasets.freeze": OVERSEERS,
    "datasets.unfreeze": OVERSEERS,
    "datasets.revoke_access": OVERSEERS,
    "datasets.withdraw_access": "gives up what one asked for",
    "lane.revoke": OVERSEERS,
    "lane.cancel_run": OVERSEERS,
    "releases.recall": OVERSEERS,
    "budgets.note_export": "an auditor's own: they read the ledger",
    "inspection.try_fit": "checks the fit as check_fit does, and returns why that was not possible",
    "questions.charged": "is called by services that have asked the rules",
    "questions.ask_all": "asks the same rule as asking one question",
    "uploads.retry": "asks the same rule as receiving, of an upload that has failed",
    "uploads.reread": "asks the same rule as receiving, of an upload that is stored whole",
    "uploads.look": "asks the same rule as receiving, of an upload that is stored whole",
    "uploads.keep_table": "asks the same rule as removing, of an earlier table",
    **dict.fromkeys(
        (
            "lane.add_environment", "lane.build_again", "lane.remove_environment", "lane.retire_environment",
            "lane.drain_worker", "lane.undrain_worker", "lane.pause_runs", "lane.resume_runs",
        ),
        ADMINS,
    ),
}  # fmt: skip


def verbs() -> set[str]:
    """Every public function of the services that somebody calls in their own name."""
    short = {datasets: "datasets", lane: "lane", budgets: "budgets"}
    return {
        f"{short.get(module, module.__name__.rpartition('.')[2])}.{name}"
        for module in MODULES
        for name, verb in vars(module).items()
        if not name.startswith("_")
        and inspect.isfunction(verb)
        and "by" in inspect.signature(verb).parameters
        if verb.__module__.partition(".")[0] == module.__name__.partition(".")[0] and name not in IMPORTED
    }


IMPORTED = {"require", "change", "notify", "record", "record_output", "create_budget"}


def _table(cast: Cast) -> Any:
    return make.draft(cast.draft).tables.all()[0]


def _wish(dataset: Dataset) -> Any:
    return dataset.access_requests.filter(state="pending")[0]


def _output(cast: Cast) -> Any:
    return cast.to_check.run.outputs.all()[0]


def _published(cast: Cast) -> Comment:
    Comment.objects.filter(pk=cast.comment.pk).update(published_at=cast.comment.created_at)
    return cast.comment


def _unprotected(cast: Cast) -> Dataset:
    Upload.objects.all().delete()
    Dataset.objects.filter(pk=cast.draft.pk).update(state="published")
    revision = make.current(cast.own)
    type(revision).objects.filter(pk=make.draft(cast.draft).pk).update(
        state="published", schema=revision.schema
    )
    return Dataset.objects.get(pk=cast.draft.pk)


def test_every_verb_is_tried_or_says_why_not():
    assert set(CALLS) & set(EXEMPT) == set()
    assert sorted({*CALLS, *EXEMPT}) == sorted(verbs())


def test_with_their_duties_a_person_can_do_all_of_this():
    """Otherwise the next test would show nothing."""
    cast = build()  # whose files no other test has touched
    for name in sorted(CALLS, key=DURABLE.__contains__):
        undo = nullcontext() if name in DURABLE else transaction.atomic()
        with undo:
            try:
                CALLS[name](cast, fresh(cast.person))
            except Refused as refused:
                pytest.fail(f"{name}: {refused}")
            if name not in DURABLE:
                transaction.set_rollback(True)
        _forget(cast)


def _forget(cast: Cast) -> None:
    """What a verb that was undone has left on the objects in memory."""
    for item in vars(cast).values():
        if isinstance(item, models.Model):
            item.refresh_from_db()


@pytest.mark.parametrize("role", ROLES)
def test_with_duties_left_over_they_can_do_none_of_it(cast: Cast, role: str):
    left = comes_to_oversee(fresh(cast.person), role)
    done = []
    for name, call in CALLS.items():
        try:
            with transaction.atomic():
                call(cast, fresh(left))
                done.append(name)
                transaction.set_rollback(True)
        except Refused:
            pass
        _forget(cast)
    assert done == []


@pytest.mark.parametrize("role", ROLES)
def test_what_they_approved_counts_no_more(cast: Cast, role: str):
    """Two approvals are needed: one was given by somebody who has come to oversee since."""
    dataset = make.dataset(policy=None)
    first, second = make.reviewer(dataset).user, make.reviewer(dataset).user
    datasets.set_policy(dataset, by=dataset.owner, reviewers_needed=2)
    item = make.code_request(at="submitted", dataset=dataset)
    requests_.approve(requests_.version(item), by=first)
    comes_to_oversee(first, role)
    requests_.approve(requests_.version(item), by=second)
    assert requests_.fresh(item).state == CodeRequest.State.IN_REVIEW
    requests_.approve(requests_.version(item))
    assert requests_.fresh(item).state == CodeRequest.State.APPROVED


@pytest.mark.parametrize("role", ROLES)
def test_they_are_told_nothing_of_what_others_do(cast: Cast, role: str):
    comes_to_oversee(cast.person, role)
    before = cast.person.notifications.count()
    lane.comment(requests_.version(cast.to_review), by=cast.to_review.author, text="A secret plan.")
    make.code_request(at="submitted", dataset=cast.seat)
    assert cast.person.notifications.count() == before


def test_a_run_of_theirs_does_not_open_the_data(cast: Cast):
    run = requests_.claimed(requests_.start(cast.approved))
    comes_to_oversee(cast.person, "auditor")
    why = rules.may_open_data(Run.objects.get(pk=run.pk))
    assert why == "Admins and auditors oversee work with data, so they cannot hold a duty on it themselves."
