"""This portal's identity, and the portals that it knows."""

from network.models.guests import Admission, AskedElsewhere
from network.models.identity import Identity, IdentityKey
from network.models.peers import Peer, PeerKey

__all__ = ["Admission", "AskedElsewhere", "Identity", "IdentityKey", "Peer", "PeerKey"]
