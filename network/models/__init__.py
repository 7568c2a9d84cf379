"""This portal's identity, and the portals that it knows."""

from network.models.identity import Identity, IdentityKey
from network.models.peers import Peer, PeerKey
from network.models.witnesses import LogAlarm, SignedCheckpoint, WitnessKey

__all__ = ["Identity", "IdentityKey", "LogAlarm", "Peer", "PeerKey", "SignedCheckpoint", "WitnessKey"]
