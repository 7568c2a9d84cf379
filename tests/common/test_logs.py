"""Secrets in addresses of pages do not reach the log."""

import logging
import re
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from accounts import services
from common.logs import OneLine, masked
from tests import make
from tests.guards.pages import every_page

SECRET = "s3cret-Of_an:invitation"
PATHS = [
    f"/people/welcome/{SECRET}/",
    f"/people/register/confirm/{SECRET}/",
    f"/account/password/reset/key/0f0f-{SECRET}/",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "line",
    [
        "Forbidden (Permission denied): {}",
        "<WebRequest at 0x7f method=GET uri={} clientproto=HTTP/1.1>",
        '{{"code": 410, "request": "GET {}?x=1"}}',
        "GET http://weir.example.org{} HTTP/1.1",
        "{0} and {0}",
    ],
)
def test_a_path_that_opens_something_is_masked(path: str, line: str) -> None:
    told = masked(line.format(path))
    assert (SECRET in told, "[secret]" in told) == (False, True)
    assert masked(line.format(path.replace("/", "%2F"))).count(SECRET) == 0


def test_other_paths_are_left_as_they_are() -> None:
    for path in ("/people/", "/people/welcome/", "/account/password/reset/", "/inbox/?page=2"):
        assert masked(path) == path


def test_tracebacks_are_masked_too() -> None:
    with pytest.raises(ValueError, match="invitation") as caught:
        int(PATHS[0])
    told = (ValueError, caught.value, caught.tb)
    record = logging.LogRecord("x", logging.ERROR, "x", 1, "%s", (PATHS[1],), told)
    assert SECRET not in OneLine().format(record)


def test_every_page_whose_address_holds_a_secret_is_masked() -> None:
    """A new argument by one of these names is covered, or this fails."""
    arguments = {"secret", "token", "key"}
    routes = [page for page in every_page() if arguments & {name for name, _ in page.arguments}]
    assert routes != []
    for page in routes:
        path = "/" + re.sub(r"<(?:\w+:)?\w+>", SECRET, page.route)
        assert SECRET not in masked(path), page.route
    reset = reverse("account_reset_password_from_key", kwargs={"uidb36": "1a", "key": SECRET})
    assert SECRET not in masked(reset)


def test_every_handler_writes_through_it() -> None:
    logging_settings: dict[str, Any] = settings.LOGGING
    used = {handler["formatter"] for handler in logging_settings["handlers"].values()}
    assert {logging_settings["formatters"][name]["()"] for name in used} == {"common.logs.OneLine"}


@pytest.mark.django_db
def test_a_used_invitation_is_not_in_the_log(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    admin = make.admin()
    item, link = services.invite("noor@weir.example", by=admin, roles=["scientist"])
    services.revoke_invitation(item, by=admin)
    path = link[link.index("/people/") :]
    assert client.get(path).status_code == 410
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(path, {}).status_code == 403
    secret = path.split("/")[3]
    told = [record for record in caplog.records if secret in record.getMessage()]
    assert {record.name for record in told} >= {"django.request", "django.security.csrf"}
    assert [line for line in map(OneLine().format, told) if secret in line or "[secret]" not in line] == []
