"""The page about errors of the API: every code, with what to do, for anybody."""

import pytest
from django.test import Client
from django.urls import resolve

from common.errors import CODES
from common.rest.advice import ADVICE
from common.rest.problems import DOCS
from tests import make

pytestmark = pytest.mark.django_db


def test_every_code_has_its_advice():
    assert set(CODES) - set(ADVICE) == set()


def test_the_type_of_a_problem_leads_to_its_code(client: Client):
    answer = client.get("/api/v1/me/")
    path, _, code = answer.json()["type"].partition("#")
    page = client.get(path)
    assert (page.status_code, page["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert f'<dt id="{code}">' in page.content.decode()


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_is_explained(client: Client, code: str):
    page = client.get(DOCS).content.decode()
    assert page.count(f'id="{code}"') == 1
    assert CODES[code][1] in page


def test_whoever_is_signed_in_sees_it_in_their_portal(client: Client):
    client.force_login(make.scientist())
    assert "Access tokens" in client.get(DOCS).content.decode()
    assert resolve(DOCS).url_name == "errors"
