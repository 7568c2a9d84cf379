"""Fixtures of the network: other portals on this machine may be called."""

import ipaddress
from collections.abc import Iterator
from typing import Any

import pytest

from tests.network.fake import FakePortal, fake_portal


@pytest.fixture
def loopback(settings: Any) -> None:
    settings.NETWORK_PRIVATE = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.fixture
def other(loopback: None) -> Iterator[FakePortal]:
    """Another portal that answers really."""
    with fake_portal() as portal:
        yield portal
