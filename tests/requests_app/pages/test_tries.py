"""Trying a version on the review page, as a reviewer: with and without JavaScript."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from requests_app.models import CodeRequest, Run
from tests import make
from tests.makers import requests as lane

pytestmark = pytest.mark.django_db
As = Callable[[User], Client]
PANEL = {"HX-Request": "true", "HX-Target": "try-panel"}


@pytest.fixture
def item() -> CodeRequest:
    return make.code_request(at="submitted", parameters={"least": 10})


def sent(client: Client, item: CodeRequest, parameters: str, **headers: str) -> Any:
    typed = {"parameters": parameters, "key": str(uuid4())}
    path = reverse("requests:try_on_mock", args=[item.latest_id])
    return client.post(path, typed, headers=headers)


def page(client: Client, item: CodeRequest, **headers: str) -> str:
    return client.get(reverse("requests:review", args=[item.latest_id]), headers=headers).content.decode()


def test_the_form_has_the_versions_parameters_and_shows_what_came_of_it(as_: As, item: CodeRequest) -> None:
    owner = as_(item.dataset.owner)
    assert "&quot;least&quot;: 10" in page(owner, item)
    answer = sent(owner, item, '{"least": 1}')
    assert answer.headers["Location"] == reverse("requests:review", args=[item.latest_id]) + "#try-panel"
    waiting = page(owner, item)
    assert "Look again" in waiting
    assert "No worker is running." in waiting
    run = lane.execute(Run.objects.get())
    done = page(owner, item, **{"HX-Request": "true", "HX-Target": "try-run"})
    assert "a private line" in done
    assert "{&quot;least&quot;: 1}" in done
    assert "main() does not take least: the parameter has no effect." in done
    assert "<html" not in done
    assert "{&quot;least&quot;: 1}" in owner.get(reverse("requests:run", args=[run.pk])).content.decode()


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ("{least: 1}", "This is not valid JSON: line 1, column 2"),
        ("[1]", "Write one JSON object"),
        ('{"a b": 1}', "cannot name a parameter"),
    ],
    ids=["no JSON", "a list", "no name"],
)
def test_an_error_is_shown_at_the_field_and_what_was_typed_stays(
    as_: As, item: CodeRequest, typed: str, error: str
) -> None:
    owner = as_(item.dataset.owner)
    for headers, status in (({}, 400), (PANEL, 200)):
        answer = sent(owner, item, typed, **headers)
        assert answer.status_code == status
        field = answer.content.decode().partition('id="id_parameters_error"')[2].partition("</textarea>")[0]
        assert error in field
        assert field.replace("&quot;", '"').strip().endswith(typed)
    assert not Run.objects.exists()


def test_the_reviewer_stops_it_and_comes_back_to_the_review(as_: As, item: CodeRequest) -> None:
    owner = as_(item.dataset.owner)
    assert "Stop" in sent(owner, item, "", **PANEL).content.decode()
    run = Run.objects.get()
    assert run.parameters == {}
    answer = owner.post(reverse("requests:cancel_run", args=[run.pk]))
    assert answer.headers["Location"] == reverse("requests:review", args=[item.latest_id]) + "#try-panel"
    assert lane.fresh_run(run).state == Run.State.CANCELLED
    assert "Cancelled" in page(owner, item)


def test_reviewers_see_each_others_tries_and_the_author_none(as_: As, item: CodeRequest) -> None:
    run = lane.execute(lane.tried(item, by=make.reviewer(item.dataset).user, least=1))
    assert "Tried by other reviewers" in page(as_(item.dataset.owner), item)
    author = as_(item.author)
    shown = page(author, item)
    assert "Try it yourself" not in shown
    assert "Tried by" not in shown
    assert "The author has not run exactly this version on mock data." in shown
    for name in ("requests:run", "requests:log"):
        assert author.get(reverse(name, args=[run.pk])).status_code == 404
    assert author.get(reverse("requests:output", args=[run.outputs.get().pk])).status_code == 404
    assert "Rea Reviewer" not in author.get(reverse("requests:detail", args=[item.pk])).content.decode()


def test_the_authors_pages_show_their_own_mock_run(as_: As) -> None:
    item = make.code_request(parameters={"least": 10})
    own = lane.execute(lane.trial(item))
    lane.submission(item)
    tried = lane.execute(lane.tried(lane.fresh(item), least=10))
    assert tried.sha256 == own.sha256
    author = as_(item.author)
    for name in ("requests:edit", "requests:submit"):
        shown = author.get(reverse(name, args=[item.pk])).context
        assert own in (shown.get("run"), shown.get("trial"))
    for person in (item.author, item.dataset.owner):
        client = as_(person)
        path = reverse("requests:review", args=[lane.fresh(item).latest_id])
        assert client.get(path).context["mock_run"] == own


def test_where_reviewers_decide_independently_each_sees_only_their_own(as_: As) -> None:
    item = make.code_request(at="submitted", dataset=make.dataset(policy={"blinded": True}))
    run = lane.tried(item, by=make.reviewer(item.dataset).user, least=1)
    owner = as_(item.dataset.owner)
    assert "Tried by other reviewers" not in page(owner, item)
    assert owner.get(reverse("requests:run", args=[run.pk])).status_code == 404


def test_after_the_decision_the_page_says_why_there_is_nothing_to_try(as_: As, item: CodeRequest) -> None:
    lane.approve(lane.version(item))
    owner = as_(item.dataset.owner)
    assert "This version is not under review: approved." in page(owner, item)
    assert sent(owner, item, "").status_code == 403
    assert not Run.objects.exists()
