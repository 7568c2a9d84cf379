"""The one call that need not be signed with a known key: an unknown portal introduces itself."""

from django.http import HttpResponse

from network.incoming import PeerRequest, open_call, reply
from network.services import introductions

BODY = 4_000


@open_call("POST", limit=BODY)
def peers(request: PeerRequest) -> HttpResponse:
    """Note that a portal introduces itself. The answer is the same whatever becomes of it."""
    url = request.document.get("url")
    if isinstance(url, str):
        introductions.asked(url)
    return reply({}, 202)
