"""This portal with an identity, and other portals: as tests of the network have them."""

from typing import Any

import pytest

from tests.makers import studies as makers
from tests.network.conftest import other, own, peer, portals
from tests.studies.asked import admitted, asks, with_portals

__all__ = ["other", "own", "peer", "portals"]


@pytest.fixture
def dataset(own):
    return makers.offered()


@pytest.fixture
def study(portals, dataset) -> Any:
    """A study of another portal, with a third one, in which this portal takes part and counts on nobody."""
    return with_portals(portals, dataset)


@pytest.fixture
def guest(study, dataset):
    return admitted(study, dataset)


@pytest.fixture
def asker(study, guest):
    return asks(study, guest)
