"""This portal's identity, and the portals that it knows."""

from network.models.identity import Identity, IdentityKey
from network.models.peers import Peer, PeerKey

__all__ = ["Identity", "IdentityKey", "Peer", "PeerKey"]
