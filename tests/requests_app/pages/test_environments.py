"""Pages of code environments: what everybody sees of them, and what admins do."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from requests_app.models import CodeEnvironment
from tests import make

pytestmark = pytest.mark.django_db

As = Callable[[User], Client]
LIST = "requests:environments"


def environment(**fields: object) -> CodeEnvironment:
    values: dict[str, object] = {
        "name": "survey",
        "requirements": "six==1.17.0\n",
        "by": make.admin(),
        "state": "ready",
        "sha256": "a" * 64,
        "python": "3.11.2",
        "packages": {"six": "1.17.0"},
        "log": "1 package is installed.",
        **fields,
    }
    return CodeEnvironment.objects.create(**values)


def test_everybody_sees_what_code_can_import(as_: As) -> None:
    item = environment()
    client = as_(make.scientist())
    page = client.get(reverse(LIST)).content.decode()
    assert ("numpy==" in page, "survey" in page, 'name="requirements"' in page) == (True, True, False)
    page = client.get(reverse("requests:environment", args=[item.pk])).content.decode()
    assert ("six==1.17.0" in page, item.log in page) == (True, False)


def test_what_is_not_built_is_for_those_who_look_after_it(as_: As) -> None:
    path = reverse("requests:environment", args=[environment(state="failed", log="No such wheel.").pk])
    assert as_(make.scientist()).get(path).status_code == 404
    assert "survey" not in as_(make.scientist()).get(reverse(LIST)).content.decode()
    for person in (make.admin(), make.auditor()):
        assert "No such wheel." in as_(person).get(path).content.decode()


def test_an_admin_has_one_built_tries_again_and_retires(as_: As) -> None:
    client = as_(make.admin())
    answer = client.post(reverse(LIST), {"name": "survey", "requirements": "six==1.17.0\r\n"})
    item = CodeEnvironment.objects.get()
    page = reverse("requests:environment", args=[item.pk])
    assert (answer.status_code, answer["Location"], item.state) == (302, page, "queued")
    CodeEnvironment.objects.update(state="failed", log="No such wheel.")
    client.post(reverse("requests:build_environment", args=[item.pk]))
    item.refresh_from_db()
    assert (item.state, item.log) == ("queued", "")
    CodeEnvironment.objects.update(state="ready", sha256="a" * 64)
    assert "Retire" in client.get(page).content.decode()
    client.post(reverse("requests:retire_environment", args=[item.pk]))
    item.refresh_from_db()
    assert item.state == "retired"


def test_what_was_typed_stays_with_the_reason_against_it(as_: As) -> None:
    answer = as_(make.admin()).post(reverse(LIST), {"name": "survey", "requirements": "six>=1\n"})
    page = answer.content.decode()
    assert (answer.status_code, "six&gt;=1" in page, "name==version" in page) == (400, True, True)


@pytest.mark.parametrize("who", [make.scientist, make.owner, make.auditor])
def test_others_change_nothing(who: Callable[[], User], as_: As) -> None:
    item, client = environment(), as_(who())
    client.post(reverse(LIST), {"name": "other", "requirements": "six==1.17.0"})
    for name in ("build_environment", "retire_environment"):
        assert client.post(reverse(f"requests:{name}", args=[item.pk])).status_code in (403, 404)
    assert list(CodeEnvironment.objects.values_list("name", "state")) == [("survey", "ready")]


def test_the_editor_offers_what_is_ready(as_: As) -> None:
    environment()
    environment(name="broken", state="failed")
    item = make.code_request()
    page = as_(item.author).get(reverse("requests:edit", args=[item.pk])).content.decode()
    assert ('value="survey"' in page, 'value="broken"' in page) == (True, False)


def test_the_list_needs_as_many_queries_for_three_as_for_one(
    as_: As, counted: Callable[[Client, str], None]
) -> None:
    client = as_(make.admin())
    for name in ("one", "two", "three"):
        environment(name=name)
    counted(client, reverse(LIST))
