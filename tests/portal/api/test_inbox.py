"""The inbox in the API: what the page shows, with references and paths, within a token's datasets."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from common.rest import rates
from portal.api.inbox import ADDRESSES
from portal.inbox_page import KINDS
from privacy.execution import lifecycle
from privacy.models import TopUp
from tests import make
from tests.makers import privacy as shares
from tests.rest import bearer, problem

pytestmark = pytest.mark.django_db
PATH = "/api/v1/inbox/"


@pytest.fixture(autouse=True)
def _no_calls_yet() -> None:
    rates.counts.clear()


def read(client: Client, person: User, **fields: Any) -> dict[str, Any]:
    content: dict[str, Any] = client.get(PATH, headers=bearer(person, **fields)).json()
    return content


def test_every_kind_has_an_address():
    assert set(ADDRESSES) == set(KINDS)


def test_an_empty_inbox(client: Client):
    assert read(client, make.scientist()) == {"items": [], "totals": {}}


def test_a_reviewer_sees_what_to_review_to_check_and_to_grant(client: Client):
    dataset = make.dataset(title="Wages")
    to_review = make.code_request(at="submitted", dataset=dataset, title="Mean wage")
    ran = make.code_request(at="ran", dataset=dataset)
    wish = make.access_request(dataset)
    content = read(client, dataset.owner)
    assert content["totals"] == {"review": 1, "check": 1, "access": 1}
    items = {item["kind"]: item for item in content["items"]}
    to_review.refresh_from_db()
    assert items["review"] == {
        "kind": "review",
        "title": "Mean wage",
        "dataset": {"id": str(dataset.pk), "title": "Wages"},
        "who": to_review.author.name,
        "since": to_review.state_changed_at.isoformat().replace("+00:00", "Z"),
        "object": {"id": str(to_review.latest_id)},
        "path": f"/api/v1/versions/{to_review.latest_id}/",
        "page": f"/requests/versions/{to_review.latest_id}/",
    }
    release = ran.runs.get(kind="private").release
    check = {"object": {"id": str(release.pk)}, "path": f"/api/v1/releases/{release.pk}/"}
    assert {name: items["check"][name] for name in check} == check
    assert items["access"]["path"] == f"/api/v1/access/{wish.pk}/"


@pytest.mark.parametrize(
    ("at", "kind", "resource"),
    [("draft", "draft", "requests"), ("approved", "run", "requests"), ("released", "released", "releases")],
)
def test_an_author_sees_what_to_do_next(client: Client, at: str, kind: str, resource: str):
    item = make.code_request(at=at)
    found = [each for each in read(client, item.author)["items"] if each["kind"] == kind]
    (pk,) = [each["object"]["id"] for each in found]
    assert found[0]["path"] == f"/api/v1/{resource}/{pk}/"
    assert resource == "releases" or pk == str(item.pk)


def test_budgets_answers_and_registrations(client: Client):
    share = shares.budget()
    make.grant(share.promise.dataset, share.scientist)
    answer = shares.answer(share, epsilon=0.5)
    lifecycle.compute(str(answer.pk))
    answer.refresh_from_db()
    type(answer).objects.filter(pk=answer.pk).update(visible_at=answer.created_at)
    top_up = TopUp.objects.create(budget=share, epsilon=1.5, reason="More.")
    newcomer = make.user(state=User.State.PENDING, name="Noor New")
    paths = [
        item["path"]
        for person in (share.scientist, share.promise.dataset.owner, make.admin())
        for item in read(client, person)["items"]
    ]
    assert paths == [
        f"/api/v1/answers/{answer.pk}/",
        f"/api/v1/top-ups/{top_up.pk}/",
        f"/api/v1/people/{newcomer.pk}/",
    ]


def test_a_token_for_some_datasets_sees_what_is_about_them(client: Client):
    owner = make.owner()
    one, two = make.dataset(owner=owner), make.dataset(owner=owner)
    for dataset in (one, two, two):
        make.access_request(dataset)
    content = read(client, owner, dataset_ids=[one.pk])
    assert content["totals"] == {"access": 1}
    assert [item["dataset"]["id"] for item in content["items"]] == [str(one.pk)]
    make.user(state=User.State.PENDING)
    assert read(client, make.admin(), dataset_ids=[one.pk]) == {"items": [], "totals": {}}


def test_a_token_needs_the_scope(client: Client):
    problem(client.get(PATH, headers=bearer(make.scientist(), "work")), 403, "token_scope")
    problem(client.get(f"{PATH}?kind=review", headers=bearer(make.scientist())), 400, "invalid")
