"""Every operation of the REST API, whoever calls it: new ones are covered at birth."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.urls import resolve

from accounts.models import User
from common.rest import rates
from common.rest.endpoints import Endpoint, Operation
from common.rest.grants import SCOPES
from tests import make
from tests.guards.pages import Page, every_endpoint
from tests.guards.world import MARK, built_world, world
from tests.rest import bearer

__all__ = ["built_world", "world"]
pytestmark = pytest.mark.django_db
METHODS = ("get", "post", "patch", "delete", "put", "head", "options")


@dataclass(frozen=True)
class Call:
    """One method of one address."""

    page: Page
    method: str
    operation: Operation

    def by(self, client: Client, pk: UUID, **headers: str) -> Any:
        body = {} if self.method == "get" else {"data": "{}", "content_type": "application/json"}
        return getattr(client, self.method)(self.page.path(uuid=pk), headers=headers, **body)

    @property
    def scopes(self) -> tuple[str | None, ...]:
        """The scopes of which one is enough."""
        scope = self.operation.scope
        return scope if isinstance(scope, tuple) else (scope,)

    def __str__(self) -> str:
        return f"{self.method.upper()} /{self.page.route}"


@cache
def calls() -> list[Call]:
    return list(_calls())


def _calls() -> Iterator[Call]:
    for page in every_endpoint():
        view = resolve(page.path(uuid=uuid4())).func.cls  # type: ignore[attr-defined]
        for method in METHODS:
            operation = getattr(getattr(view, method, None), "operation", None)
            if operation is not None:
                yield Call(page, method, operation)


@pytest.fixture(autouse=True)
def _without_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweeps make more calls in a minute than a person may."""
    monkeypatch.setattr(rates, "RATES", dict.fromkeys(rates.RATES, 1_000_000))


def test_every_method_is_an_operation():
    for page in every_endpoint():
        view = resolve(page.path(uuid=uuid4())).func.cls  # type: ignore[attr-defined]
        assert issubclass(view, Endpoint), page.route
        own = {name for name in METHODS if name in vars(view)}
        assert own != set(), page.route
        assert [name for name in own if not hasattr(getattr(view, name), "operation")] == [], page.route


def test_scopes_and_rates_exist():
    assert {scope for call in calls() for scope in call.scopes} <= {*SCOPES, None}
    assert {call.operation.rate for call in calls()} <= set(rates.RATES)


OPEN = {
    "GET /api/v1/": "what the portal is",
    "GET /api/v1/schema/": "documentation",
    "OPTIONS /api/v1/datasets/<uuid:pk>/uploads/": "how the protocol of uploads is spoken, the same for everybody",
    "OPTIONS /api/v1/uploads/<uuid:pk>/": "how the protocol of uploads is spoken, the same for everybody",
    "POST /api/v1/device/": "a program that nobody has signed in yet",
    "POST /api/v1/device/token/": "that program, until somebody has",
    "POST /api/v1/register/": "asking for an account",
}
"""Operations for those who have not signed in, each with its reason."""


def test_only_these_are_open(client: Client):
    assert sorted(str(call) for call in calls() if call.operation.is_open) == sorted(OPEN)


def test_nobody_calls_before_signing_in(client: Client):
    for call in calls():
        answer = call.by(client, uuid4())
        if not call.operation.is_open:
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), str(call)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_token_reaches_the_operations_of_its_scope_and_no_others(client: Client, scope: str):
    header = bearer(make.user("owner", "scientist"), scope, days=1)
    for call in calls():
        answer = call.by(client, uuid4(), **header)
        code = answer.json().get("code") if answer.get("Content-Type", "").endswith("json") else ""
        allowed = call.operation.is_open or scope in call.scopes
        assert (code != "token_scope") == allowed, str(call)
        assert answer.status_code < 500, str(call)


SHARED = {"another owner": {"Study"}}
"""Kinds of objects that people see who have nothing to do with them: any owner may take part in a study."""


@pytest.mark.parametrize("which", ["without a role", "scientist without a grant", "another owner"])
@pytest.mark.slow
def test_what_is_foreign_does_not_exist(client: Client, which: str, world: dict[str, UUID]):
    """Every operation, with a foreign object of its kind, answers as it does with an id that there is not."""
    roles = {"without a role": [], "scientist without a grant": ["scientist"], "another owner": ["owner"]}
    shared = SHARED.get(which, set())
    client.force_login(make.user(*roles[which], name="Stranger"))
    holes = []
    for call in [call for call in calls() if call.page.takes_an_object and call.page.kind not in shared]:
        unknown, known = _seen(call.by(client, uuid4())), _seen(call.by(client, world[call.page.kind]))
        if known != unknown:
            holes.append(f"{call} with a {call.page.kind}: {known}, and {unknown} with an unknown id")
    assert holes == []


def _seen(answer: Any) -> tuple[int, str]:
    """What tells a known object from an unknown one: status and code."""
    content = json.loads(answer.content) if answer.get("Content-Type", "").endswith("json") else {}
    return answer.status_code, content.get("code", "") if isinstance(content, dict) else ""


CATALOGUE = {"GET /api/v1/datasets/"}
"""Lists that may name what is open to be found."""
OF_OWNERS = {"GET /api/v1/studies/", "GET /api/v1/inbox/"}
"""Lists that show every owner the studies that other portals invite to."""


@pytest.mark.parametrize("roles", [[], ["scientist"], ["owner"]], ids=str)
def test_lists_show_nothing_foreign(client: Client, roles: list[str], world: dict[str, UUID]):
    client.force_login(make.user(*roles, name="Stranger"))
    showing = set()
    for call in calls():
        if call.method == "get" and not call.page.takes_an_object:
            answer = call.by(client, uuid4())
            assert answer.status_code < 500, str(call)
            if MARK in answer.content.decode(errors="replace"):
                showing.add(str(call))
    assert showing <= (CATALOGUE | OF_OWNERS if "owner" in roles else CATALOGUE)


@pytest.mark.slow
def test_each_operation_on_an_object_exists_for_somebody(client: Client, world: dict[str, UUID]):
    """The sweeps above prove nothing unless each operation exists for somebody."""
    passed_on = "api:network_portal_api"  # exists for guests of the other portal: tests/network
    unseen = {call for call in calls() if call.page.takes_an_object and call.page.name != passed_on}
    for user in User.objects.filter(is_active=True):
        client.force_login(user)
        for call in sorted(unseen, key=str):
            objects = [world[call.page.kind], *call.page.objects()]
            if call.method != "get" or any(call.by(client, each).status_code != 404 for each in objects):
                unseen.discard(call)
    assert sorted(map(str, unseen)) == []


@pytest.mark.slow
def test_a_token_of_one_dataset_reaches_no_other(client: Client, world: dict[str, UUID]):
    """The owner of everything, with a token of a dataset that has nothing in it."""
    User.objects.filter(pk=world["User"]).update(name="Olu Owner")
    owner = User.objects.get(pk=world["User"])
    other = make.dataset(owner=owner, title="Other")
    header = bearer(owner, *SCOPES, days=1, dataset_ids=[other.pk])
    holes = []
    for call in calls():
        if call.method != "get":
            continue
        if not call.page.takes_an_object:
            found = MARK in call.by(client, uuid4(), **header).content.decode(errors="replace")
            holes += [str(call)] if found else []
            continue
        unknown = _seen(call.by(client, uuid4(), **header))
        known = _seen(call.by(client, world[call.page.kind], **header))
        if known != unknown and call.page.kind not in {"User", "Notification", "AccessToken"}:
            holes.append(f"{call} with a {call.page.kind}: {known}, and {unknown} with an unknown id")
    assert sorted(set(holes) - OF_ONESELF) == []


OF_ONESELF = {"GET /api/v1/me/tokens/"}
"""What is about the person and no dataset: the name of their token has the mark."""
