"""Sessions name their browser in words."""

import pytest
from django.test import Client

from accounts.templatetags.browsers import in_words
from tests import make

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
    "Mobile/15E148 Safari/604.1"
)


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        (SAFARI, "Mobile Safari on iOS"),
        ("curl/8.9.1", "curl"),
        ("Acme (Windows NT 10.0)", "A program on Windows"),
        ("", "Unknown program"),
        ("(" * 200, "Unknown program"),
    ],
)
def test_a_browser_is_named(user_agent: str, words: str) -> None:
    assert in_words(user_agent) == words


@pytest.mark.django_db
def test_ones_sessions_are_listed_by_browser(client: Client) -> None:
    client.force_login(make.user())
    session = client.session
    session["device"] = FIREFOX
    session.save()
    page = client.get("/people/me/").content.decode()
    assert f'<span title="{FIREFOX}">Firefox on Linux</span>' in page
