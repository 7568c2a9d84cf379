"""What tests about people share."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from accounts.tasks import send_mail
from portal.celery import app
from tests import make


@pytest.fixture
def as_(client: Client) -> Callable[[User], Client]:
    """The test client, signed in as somebody."""

    def signed_in(person: User) -> Client:
        client.force_login(person)
        return client

    return signed_in


@pytest.fixture
def sign_in(client: Client) -> Callable[..., Client]:
    """The test client, signed in through the form as a person would do it."""
    cache.clear()  # rate limits of earlier tests

    def signed_in(person: User, password: str = make.PASSWORD) -> Client:
        client.post("/account/login/", {"login": person.email, "password": password})
        return client

    return signed_in


@pytest.fixture
def tasks_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks sent by name run at once, so that their mail can be read."""
    monkeypatch.setattr(app, "send_task", lambda name: {send_mail.name: send_mail}[name].apply())


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    """Hashing that costs nothing: these tests sign in many times."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
