"""This portal's identity, the portals that it knows, and what they show each other."""

from network.models.catalogue import Catalogue, Listing, RemoteDataset
from network.models.directories import SuggestedPortal
from network.models.guests import Admission, AskedElsewhere
from network.models.identity import Identity, IdentityKey
from network.models.peers import Peer, PeerKey
from network.models.witnesses import LogAlarm, SignedCheckpoint, WitnessKey

__all__ = [
    "Admission",
    "AskedElsewhere",
    "Catalogue",
    "Identity",
    "IdentityKey",
    "Listing",
    "LogAlarm",
    "Peer",
    "PeerKey",
    "RemoteDataset",
    "SignedCheckpoint",
    "SuggestedPortal",
    "WitnessKey",
]
