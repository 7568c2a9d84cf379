"""This portal with an identity, and other portals."""

import ipaddress
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache

from network import identity
from network.models import Peer
from tests import make
from tests.network.portals import Portal


@pytest.fixture
def own(db: None) -> str:
    """This portal with an identity; the recovery key."""
    cache.clear()
    return identity.set_up("Hospital A", by=make.admin())


@pytest.fixture
def portals(own: str, settings: Any) -> Iterator[Callable[..., Portal]]:
    """Make other portals, which this one may call on loopback."""
    settings.NETWORK_PRIVATE = [ipaddress.ip_network("127.0.0.0/8")]
    made: list[Portal] = []

    def make_portal(name: str = "Hospital B") -> Portal:
        made.append(Portal(name))
        return made[-1]

    yield make_portal
    for portal in made:
        portal.close()


@pytest.fixture
def other(portals: Callable[..., Portal]) -> Portal:
    return portals()


@pytest.fixture
def peer(other: Portal) -> Peer:
    """The other portal as this one knows it: active."""
    return other.peer()


@pytest.fixture
def echo(settings: Any) -> None:
    """Serve an address that takes documents: see tests/network/echo.py."""
    settings.ROOT_URLCONF = "tests.network.echo"
