"""What this portal says about itself: its card to everybody, its state to peers."""

import time

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from common.errors import Refused
from common.http import as_public
from network import identity, incoming
from network.incoming import PeerRequest

CARD_SECONDS = 60


@login_not_required
@csrf_exempt
def card(request: HttpRequest) -> HttpResponse:
    """Send the signed card."""
    if request.method not in {"GET", "HEAD"} or not identity.exists():
        return incoming.nothing(request)
    try:
        incoming.take_of_network(request)
        text = identity.own_card_text()
    except Refused as why:
        return incoming.problem(why)
    return as_public(HttpResponse(text, content_type="application/json"), seconds=CARD_SECONDS)


@incoming.signed_call("GET", invited=True)
def state(request: PeerRequest) -> HttpResponse:
    """Say what time it is here, and which version this is."""
    return incoming.reply({"time": int(time.time()), "version": settings.VERSION})
