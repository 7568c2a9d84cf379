"""The portal's addresses, and one that takes documents: what other parts build with `incoming`."""

from django.http import Http404, HttpResponse
from django.urls import path

from common.errors import Conflict
from network import incoming
from network.incoming import PeerRequest
from portal.urls import (  # noqa: F401 -- Django looks for them here
    handler400,
    handler403,
    handler404,
    handler429,
    handler500,
)
from portal.urls import urlpatterns as portals_own


@incoming.signed_call("POST", "GET", limit=1_000)
def echo(request: PeerRequest) -> HttpResponse:
    if request.document.get("say") == "conflict":
        raise Conflict("Something changed.")
    if request.document.get("say") == "missing":
        raise Http404
    return incoming.reply({"heard": request.document, "from": request.peer.name})


urlpatterns = [path("net/1/echo", echo), *portals_own]
