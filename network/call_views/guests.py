"""Calls of other portals about their people who are, or want to be, guests here. Every call is signed."""

from uuid import UUID

from django.http import HttpResponse

from network import guest_documents
from network.incoming import PeerRequest, reply, signed_call
from network.services import forwarding
from network.services import guests as services

CALL_LIMIT = 1_700_000
"""Bytes of a call that is passed on: the body of the longest call of the API, in base64, and more."""


@signed_call("GET")
def offered_dataset(request: PeerRequest, pk: UUID) -> HttpResponse:
    """Say what has to be known before asking for a dataset: its title and its terms."""
    dataset = services.offered(request.peer, pk)
    terms = dataset.terms
    return reply(
        {
            "title": dataset.title,
            "terms": terms.number if terms else None,
            "terms_text": terms.text if terms else "",
        }
    )


@signed_call("POST")
def ask(request: PeerRequest) -> HttpResponse:
    """Take the asking of a person of the other portal."""
    given = guest_documents.read(guest_documents.Asking, request.document)
    return _said(services.ask(request.peer, given))


@signed_call("POST")
def state(request: PeerRequest) -> HttpResponse:
    """Say what has become of an asking."""
    given = guest_documents.read(guest_documents.StateOf, request.document)
    return _said(services.standing(request.peer, given["person"], given["dataset"]))


@signed_call("POST", limit=CALL_LIMIT, for_guests=True)
def api(request: PeerRequest) -> HttpResponse:
    """Run a call of the REST API as a guest."""
    given = guest_documents.read(guest_documents.ApiCall, request.document)
    return reply(forwarding.answer(request.peer, given))


def _said(found: services.Standing) -> HttpResponse:
    return reply({"state": found.state, "reason": found.reason})
