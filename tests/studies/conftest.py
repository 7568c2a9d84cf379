"""This portal with an identity, and other portals: as tests of the network have them."""

from tests.network.conftest import other, own, peer, portals

__all__ = ["other", "own", "peer", "portals"]
