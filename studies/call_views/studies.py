"""Calls of other portals about studies: invitations, who takes part, and how one of their people stands here."""

from uuid import UUID

from django.http import HttpResponse

from network.incoming import PeerRequest, reply, signed_call
from studies import words
from studies.services import members, standings, studies


@signed_call("PUT")
def invitation(request: PeerRequest, pk: UUID) -> HttpResponse:
    """Take a study that the caller has founded and invites this portal to."""
    studies.take_invitation(request.peer, pk, words.study(request.document))
    return reply({})


@signed_call("POST")
def end(request: PeerRequest, pk: UUID) -> HttpResponse:
    """Note that the caller has ended its study."""
    studies.end_told(request.peer, pk, words.reason(request.document))
    return reply({})


@signed_call("PUT")
def participation(request: PeerRequest, pk: UUID) -> HttpResponse:
    """Note the caller's part in a study."""
    members.member_told(request.peer, pk, words.word(request.document))
    return reply({})


@signed_call("POST")
def standing(request: PeerRequest, pk: UUID) -> HttpResponse:
    """Say whether and how a person of the caller can ask here in a study."""
    return reply(standings.for_peer(request.peer, pk, words.person(request.document)).document)
