"""Calls of other portals about datasets: what they see of them, and their mock data."""

from uuid import UUID

from django.http import Http404, HttpResponse

from common.rest import etags
from datasets.services.mocks import FORMS
from network import entries
from network.incoming import PeerRequest, reply, signed_call
from network.services import listings


@signed_call("GET")
def catalogue(request: PeerRequest) -> HttpResponse:
    """Tell a portal what it sees of our datasets, or that this is what it has already."""
    response = reply(listings.offered(request.peer))
    tag = entries.tag_of(response.content)
    if tag in etags.given(request.headers.get("If-None-Match", "")):
        response = HttpResponse(status=304)
    response["ETag"] = tag
    return response


@signed_call("GET")
def mock(request: PeerRequest, pk: UUID, table: str) -> HttpResponse:
    """Send the mock data of a table as Parquet."""
    content = listings.mock_of(request.peer, pk, table)
    if content is None:
        raise Http404
    return HttpResponse(content, content_type=FORMS["parquet"])
