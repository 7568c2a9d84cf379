"""Calls of other portals that ask this one, a directory, which portals it works with."""

from django.http import HttpResponse

from network.incoming import PeerRequest, reply, signed_call
from network.services import directories


@signed_call("GET")
def directory(request: PeerRequest) -> HttpResponse:
    """Name the portals that this directory works with."""
    return reply(directories.named_to(request.peer))
