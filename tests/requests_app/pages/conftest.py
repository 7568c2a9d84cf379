"""What tests of the review lane's pages share."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User


@pytest.fixture
def as_() -> Callable[[User], Client]:
    """A separate client for each person, so that several can be signed in at once."""

    def signed_in(person: User) -> Client:
        client = Client()
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return signed_in


@pytest.fixture
def counted(django_assert_max_num_queries: Any) -> Callable[..., None]:
    """Open a page with at most ten queries."""

    def open_page(client: Client, path: str) -> None:
        with django_assert_max_num_queries(11):
            assert client.get(path).status_code == 200

    return open_page
