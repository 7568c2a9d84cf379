"""Each rule is asked once a request: a view does not ask what its service asks, and a page asks nothing twice."""

import ast
import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import models, transaction
from django.http import HttpResponse
from django.test import Client

from accounts.models import User
from common.access import require
from datasets import rules
from requests_app import workflow
from tests import make
from tests.guards import rules_asked
from tests.guards.clicks import CLICKS
from tests.guards.everything import Cast, built_cast, cast
from tests.guards.pages import Page, every_page
from tests.guards.test_reauthentication import ALLAUTH, ASKS, FACTORS, ORDINARY, SIGNED
from tests.guards.test_source import ROOT, sources
from tests.guards.test_urls import plain_refusals

pytestmark = pytest.mark.django_db
__all__ = ["built_cast", "cast", "plain_refusals"]

TWICE = {
    (
        "privacy:ask",
        "privacy.may_ask",
    ): "the page asks before it prices; the service again, before it charges",
    (
        "privacy:ask_code",
        "privacy.may_ask",
    ): "the service asks before it prices, and again before it charges",
    (
        "privacy:code",
        "privacy.may_ask",
    ): "the page asks before it reads the form; the service again, before it takes the trial",
    (
        "studies:ask",
        "studies.may_ask_in",
    ): "the page asks before it asks the portals; the service again, before it prices",
    (
        "studies:price",
        "studies.may_ask_in",
    ): "the page asks before it reads the form; the service again, before it prices",
    (
        "requests:run_on_mock within the page",
        "requests_app.may_run_on_mock",
    ): "the panel is shown anew: for a key that was used before, the service asks nothing",
    (
        "requests:try_on_mock within the page",
        "requests_app.may_try_on_mock",
    ): "the same, on the review page",
    ("audit:export", "datasets.audited_dataset_ids"): "the choices of the form; then the service's own scope",
}
"""Rules that a click asks twice, each with the reason."""

WITHOUT = {
    "account_logout", "account_reauthenticate",
    "mfa_edit_webauthn", "mfa_reauthenticate", "mfa_reauthenticate_webauthn",
    "network:ask_elsewhere", "network:refresh_elsewhere",  # need another portal: tests/network has one
}  # fmt: skip
STRANGERS = {
    "accounts:confirm_address", "accounts:register", "accounts:welcome",
    "calls:peers", "calls:state", "no_call", "weir_card",
}  # fmt: skip
DURABLE = {
    "privacy:ask",
    "privacy:ask_code",
    "privacy:change",
    "privacy:decide by giving",
    "privacy:mock",
    "privacy:replace_mock",
    "privacy:restore_mock",
    "privacy:withdraw",
}
"""Clicks that commit by themselves, and so cannot be undone here."""


def test_every_address_that_changes_something_has_a_click():
    allauth = {name for name, why in ORDINARY.items() if why in {ALLAUTH, FACTORS, SIGNED}}
    addresses = {name.partition(" ")[0] for name in CLICKS}
    assert sorted(addresses) == sorted({*ASKS, *ORDINARY} - allauth - WITHOUT - STRANGERS)


@pytest.mark.slow
def test_a_click_asks_each_rule_once(client: Client, cast: Cast):
    twice: dict[tuple[str, str], tuple[str, ...]] = {}
    with rules_asked.counting() as begin:
        for name in CLICKS:
            with nullcontext() if name in DURABLE else transaction.atomic():
                click = CLICKS[name](cast)
                asked = begin()
                answer = click.sent(client, name)
                assert answer.status_code in click.done, f"{name}: {answer.status_code} {_said(answer)}"
                if name not in DURABLE:
                    transaction.set_rollback(True)
            twice |= {(name, rule): places for rule, places in asked.repeated().items()}
            _forget(cast)
    assert {each: twice[each] for each in twice.keys() - TWICE} == {}
    assert TWICE.keys() - twice.keys() == set(), "These are asked once by now: take them off the list."


def _said(answer: HttpResponse) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode(errors="replace")).split())[-1000:]


def _forget(cast: Cast) -> None:
    """What a click that was undone has left on the objects in memory."""
    for item in vars(cast).values():
        if isinstance(item, models.Model):
            item.refresh_from_db()


@pytest.mark.slow
@pytest.mark.usefixtures("plain_refusals")
def test_a_page_asks_each_rule_once(client: Client, cast: Cast):
    """Every page of every object, as everybody who has a part in one of them, and as those who oversee."""
    people = [
        cast.person,
        cast.used.owner,
        cast.seat.owner,
        cast.to_review.author,
        make.admin(),
        make.auditor(),
    ]
    pages = [page for page in every_page() if page.name != "account_logout"]
    twice: dict[tuple[str, str], tuple[str, ...]] = {}
    seen = set()
    with rules_asked.counting() as begin:
        for user in people:
            client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
            for page, status, asked in _opened(client, pages, begin):
                twice |= {(page.name, rule): places for rule, places in asked.repeated().items()}
                seen |= {page.name} if status == 200 else set()
    assert twice == {}
    assert seen >= {
        "inbox", "datasets:detail", "datasets:rows", "requests:detail", "requests:edit", "requests:review",
        "requests:run", "requests:log", "requests:check", "requests:output", "requests:download", "privacy:ask",
        "privacy:answer", "privacy:budget", "privacy:dataset", "audit:list", "audit:entry", "accounts:person",
    }  # fmt: skip


def _opened(
    client: Client, pages: list[Page], begin: Callable[[], rules_asked.Asked]
) -> Iterator[tuple[Page, int, rules_asked.Asked]]:
    for page in pages:
        for pk in page.objects() if page.takes_an_object else [uuid4()]:
            with transaction.atomic():
                asked = begin()
                status = _status(client, page.path(uuid=pk))
                transaction.set_rollback(True)
            if status == 405:
                break
            yield page, status, asked


def _status(client: Client, path: str) -> int:
    """The status of a page that was sent to its end."""
    answer: Any = client.get(path)
    if answer.streaming:
        b"".join(answer)
    if (file := getattr(answer, "file_to_stream", None)) is not None:
        file.close()
    return int(answer.status_code)


# Steps whose rule their caller has asked

PROCEEDS = {
    "requests_app/execution/cancellation.py:_stop": "called by cancel",
    "requests_app/execution/cancellation.py:cancel": "called by cancel_run, which asks, and on behalf of the portal",
    "requests_app/services/releases.py:_begun": "called by begin_check and set_verdict, which ask",
    "requests_app/services/releases.py:decide": "asks",
    "requests_app/services/reviews.py:begin_review": "asks",
    "requests_app/services/reviews.py:review": "asks, in two parts for an approval",
    "requests_app/services/submissions.py:submit": "asks",
    "requests_app/workflow.py:move": "asks",
}
"""Every function that takes a step by `workflow.proceed`, which asks nothing itself, with where the rule is asked."""


def test_every_step_that_asks_nothing_itself_is_known():
    assert sorted({place for path in sources() for place in _proceeds(path)}) == sorted(PROCEEDS)


def _proceeds(path: Path) -> Iterator[str]:
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
            if any(getattr(each, "attr", getattr(each, "id", "")) == "proceed" for each in calls):
                yield f"{path.relative_to(ROOT)}:{function.name}"


# What counts


def test_the_same_question_is_found_and_other_questions_are_not():
    dataset, person = make.dataset(), make.user()
    with rules_asked.counting() as begin:
        asked = begin()
        require(rules.may_edit, dataset.owner, dataset)
        rules.may_edit(User.objects.get(pk=person.pk), dataset)
        rules.is_reviewer(dataset.owner, dataset)  # asks is_dataset_owner below
        rules.is_dataset_owner(dataset.owner, dataset)
        assert asked.repeated() == {}
        rules.may_edit(person, dataset)
        here = "tests.guards.test_rules_once.test_the_same_question_is_found_and_other_questions_are_not"
        assert asked.repeated() == {"datasets.may_edit": (here, here)}
        assert begin().repeated() == {}


def test_the_rules_of_steps_are_counted_too():
    item = make.code_request(at="submitted")
    with rules_asked.counting() as begin:
        asked = begin()
        workflow.refusals(["approve", "endorse"], item, by=item.dataset.owner)
        assert asked.names() == {"requests_app.may_approve": 1}
        workflow.refusal("approve", item, by=item.dataset.owner)
        assert set(asked.repeated()) == {"requests_app.may_approve"}
