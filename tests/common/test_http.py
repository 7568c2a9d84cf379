"""Requests by programs: their body is a JSON object of bounded size, or the answer says what is wrong with it."""

from uuid import uuid4

import pytest
from django.http import Http404
from django.test import RequestFactory

from accounts.models import User
from common.errors import Refused
from common.http import body_json, found


def sent(body: bytes) -> dict[str, object]:
    return body_json(RequestFactory().post("/", body, content_type="application/json"), limit=100)


def test_an_object_is_read() -> None:
    assert sent(b'{"epsilon": 0.5}') == {"epsilon": 0.5}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"a": "%s"}' % (b"x" * 100), "longer than 100 bytes"),
        (b"epsilon=1", "is not JSON: line 1, column 1: a value is expected"),
        (b'{"a": NaN}', "is not JSON: it contains NaN"),
        (b'{"a": "\xff"}', r"is not JSON\. Send"),
        (b"[1, 2]", "is not a JSON object"),
        (b"", "is not JSON"),
    ],
)
def test_anything_else_is_refused_in_words(body: bytes, why: str) -> None:
    with pytest.raises(Refused, match=why):
        sent(body)


@pytest.mark.django_db
@pytest.mark.parametrize("pk", [uuid4(), "no-identifier", "\x00"])
def test_what_does_not_exist_is_not_found_whatever_was_asked_for(pk: object) -> None:
    with pytest.raises(Http404):
        found(User.objects.all(), pk=pk)
