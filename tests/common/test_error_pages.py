"""Error pages say why something cannot be done and that nothing was changed, and offer a way on."""

import json

import pytest
from django.contrib.staticfiles.finders import get_finders
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from common.admission import Busy, TooMuchAtOnce
from common.errors import Conflict, Denied, Refused
from common.http import RefusalsMiddleware, back, busy
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
@pytest.mark.parametrize(
    ("error", "status"), [(Busy("Many files."), 503), (TooMuchAtOnce("Many pages."), 429)]
)
def test_who_comes_at_a_bad_moment_is_told_when_to_come_again(error: Busy, status: int) -> None:
    answer = refused(error)
    assert (
        answer.status_code,
        answer["Retry-After"],
        f"data-reason>{error}</p>" in answer.content.decode(),
    ) == (
        status,
        "3",
        True,
    )
    assert "Refresh" not in answer  # a form is not sent again by itself
    assert refused(error, accept="application/json")["Retry-After"] == "3"


@pytest.mark.django_db
def test_a_page_that_was_only_looked_at_comes_again_by_itself() -> None:
    request = RequestFactory().get("/requests/")
    request.user = make.scientist()  # type: ignore[assignment]
    answer = busy(request, Busy("Many files."))
    assert answer["Refresh"] == "3"
    assert "tries again by itself" in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/inbox/", "/people/me/", "/datasets/", "/nowhere/", "/audit/"])
@pytest.mark.parametrize("headers", [{}, {"hx-request": "true"}, {"accept": "application/json"}])
def test_no_private_page_is_kept_by_a_browser(path: str, headers: dict[str, str]) -> None:
    client = Client()
    client.force_login(make.scientist(), backend="django.contrib.auth.backends.ModelBackend")
    kept = client.get(path, headers=headers)["Cache-Control"]
    assert {"no-store", "private"} <= {word.strip() for word in kept.split(",")}


@pytest.mark.django_db
def test_files_that_are_the_same_for_everybody_may_be_kept() -> None:
    answer = Client().get("/static/favicon.svg")
    assert "no-store" not in answer["Cache-Control"]
    answer.close()


@pytest.mark.django_db
def test_built_files_are_served_and_their_sources_are_not() -> None:
    served = {name for finder in get_finders() for name, _ in finder.list([])}
    assert {"favicon.svg", "theme.js"} <= served
    assert [name for name in served if name.startswith(("src/", "entries/", "js/", "css/"))] == []
    assert Client().get("/static/src/entries/app.js").status_code == 404
    assert Client().get("/static/entries/app.js").status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/account/login/", "/nowhere/", "/requests/"])
def test_a_foreign_host_gets_a_page_that_says_so(path: str) -> None:
    answer = Client().get(path, headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert "evil.example" not in answer.content.decode()


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
