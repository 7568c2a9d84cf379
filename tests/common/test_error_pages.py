"""What people see when something cannot be done: why, that nothing changed, and a way on."""

import json

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from common.errors import Conflict, Denied, Refused
from common.http import RefusalsMiddleware, back
from portal import views
from tests import make


def refused(error: Refused, **headers: str) -> HttpResponse:
    middleware = RefusalsMiddleware(lambda request: HttpResponse())
    request = RequestFactory().post("/requests/", headers=headers)
    request.user = make.scientist()  # type: ignore[assignment]
    answer = middleware.process_exception(request, error)
    assert answer is not None
    return answer


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "status", "heading"),
    [
        (Denied("You wrote this."), 403, "You may not do this"),
        (Conflict("It is newer."), 409, "Something changed in the meantime"),
        (Refused("It is too long."), 400, "This was not done"),
    ],
)
def test_a_refusal_becomes_a_page_with_the_reason(error: Refused, status: int, heading: str) -> None:
    answer = refused(error)
    text = answer.content.decode()
    assert (answer.status_code, f"<h1>{heading}</h1>" in text) == (status, True)
    assert f"data-reason>{error}</p>" in text


@pytest.mark.django_db
def test_a_script_gets_the_refusal_as_json() -> None:
    answer = refused(Conflict("It is newer."), accept="application/json")
    assert json.loads(answer.content) == {"code": "conflict", "detail": "It is newer."}


@pytest.mark.django_db
def test_a_stranger_finds_the_not_found_page_and_the_way_to_sign_in() -> None:
    answer = Client().get("/nowhere/")
    assert (answer.status_code, "/account/login/?next=/nowhere/" in answer.content.decode()) == (404, True)


@pytest.mark.django_db
def test_a_form_without_its_token_changes_nothing_and_says_so() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make.scientist(), backend="django.contrib.auth.backends.ModelBackend")
    answer = client.post(
        "/people/me/", {"name": "Other"}, headers={"referer": "http://testserver/people/me/"}
    )
    text = answer.content.decode()
    assert (answer.status_code, "This form is out of date" in text) == (403, True)
    assert 'href="http://testserver/people/me/"' in text


def test_the_page_of_a_failure_needs_neither_database_nor_person() -> None:
    answer = views.failed(HttpRequest())
    assert (answer.status_code, "Something went wrong" in answer.content.decode()) == (500, True)


@pytest.mark.parametrize(
    ("referer", "expected"),
    [
        ("http://testserver/requests/", "http://testserver/requests/"),
        ("http://testserver/here/", ""),
        ("https://elsewhere.example/", ""),
        ("javascript:alert(1)", ""),
        ("", ""),
    ],
)
def test_back_leads_to_another_page_of_this_portal_or_nowhere(referer: str, expected: str) -> None:
    assert back(RequestFactory().get("/here/", headers={"referer": referer})) == expected


@pytest.mark.django_db
def test_the_gallery_is_not_part_of_the_product() -> None:
    assert Client().get("/components/").status_code == 404
