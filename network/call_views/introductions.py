"""Portals that want to be known."""

from django.http import HttpResponse

from network import incoming
from network.documents import Fields
from network.incoming import NotJson, PeerRequest
from network.services import peers


@incoming.open_call("POST", limit=2_000)
def introduce(request: PeerRequest) -> HttpResponse:
    """Let a portal wait for an admin. The answer is always the same."""
    try:
        url = Fields(request.document, {"url"}).text("url", 1, 200)
    except ValueError as bad:
        raise NotJson(f"The body cannot be read: {bad}.") from bad
    peers.asked(url)
    return incoming.reply({}, 202)
