"""Other portals for their guests: which there are, asking for access there, and calls of their API."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpResponse
from django_filters import ChoiceFilter, FilterSet
from rest_framework import serializers

from common.rest.bodies import Body, Item
from common.rest.endpoints import Endpoint, creates, lists, operation_of, reads
from common.rest.grants import Call, one, require_every_dataset, require_scope
from common.rest.passed_on import forwards
from network import guest_documents
from network.models import AskedElsewhere, Peer
from network.services import elsewhere


class OtherPortalReference(Item):
    """Another portal, by name."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class AskingItem(Item):
    """What you have asked another portal for, and what it last said of it."""

    id = serializers.UUIDField()
    portal = OtherPortalReference(source="peer")
    dataset = serializers.CharField(help_text="The id of the dataset there.")
    title = serializers.CharField()
    purpose = serializers.CharField()
    outputs = serializers.CharField()
    state = serializers.ChoiceField(AskedElsewhere.State.choices)
    state_reason = serializers.CharField()
    created_at = serializers.DateTimeField()
    checked_at = serializers.DateTimeField(allow_null=True, help_text="When the other portal was asked last.")


class NewAsking(Body):
    """What to ask another portal for."""

    portal = serializers.UUIDField(help_text="The id of the other portal here.")
    dataset = serializers.UUIDField(help_text="The id of the dataset there.")
    purpose = serializers.CharField(
        max_length=4000, help_text="The question that you want to answer, and for whom."
    )
    outputs = serializers.CharField(max_length=4000, help_text="What you want released.")
    terms = serializers.IntegerField(
        min_value=1,
        required=False,
        allow_null=True,
        help_text="The version of the terms that you have read and accept. Leave it out if there are none.",
    )
    agreed = serializers.BooleanField(
        help_text="That the other portal is told your name, e-mail address and affiliation."
    )


class AskingFilters(FilterSet):
    """The filters of the list of askings."""

    state = ChoiceFilter(choices=AskedElsewhere.State.choices, help_text="What the other portal last said.")


def _peers(call: Call) -> QuerySet[Peer]:
    return Peer.objects.visible_to(call.user).exclude(url="")


def _askings(call: Call) -> QuerySet[AskedElsewhere]:
    """Return what the person has asked for. It is of no dataset here, so a token must reach all."""
    require_every_dataset(call)
    return AskedElsewhere.objects.visible_to(call.user).select_related("peer")


def _asking(call: Call, pk: UUID) -> AskedElsewhere:
    return one(call, _askings(call), dataset=None, pk=pk)


class Askings(Endpoint):
    """Access that you have asked for at other portals."""

    @lists(AskingItem, filters=AskingFilters)
    def get(self, call: Call) -> QuerySet[AskedElsewhere]:
        """List what you have asked other portals for."""
        return _askings(call)

    @creates(AskingItem, body=NewAsking, scope="work", again=_asking, at="api:network_asking", hands_key=True)
    def post(self, call: Call, fields: dict[str, Any], key: UUID) -> AskedElsewhere:
        """Ask another portal for access to one of its datasets. It is told your name, address and affiliation."""
        require_every_dataset(call)
        peer = one(call, _peers(call), dataset=None, pk=fields.pop("portal"))
        dataset = fields.pop("dataset")
        return elsewhere.ask(peer, dataset, elsewhere.Wish(**{"terms": None, **fields}), by=call.user)


class Asking(Endpoint):
    """Access that you have asked for at another portal."""

    @reads(AskingItem)
    def get(self, call: Call, pk: UUID) -> AskedElsewhere:
        """Read what you have asked another portal for, and what it last said of it."""
        return _asking(call, pk)


class PortalApi(Endpoint):
    """The REST API of another portal, as one's guest there.

    Paths in answers (`next`, `Location`) are those of the other portal's API.
    """

    body_limit = guest_documents.LONGEST_BODY
    schema = None  # type: ignore[assignment]  # described by the other portal

    @forwards(scope=guest_documents.SCOPES)
    def get(self, call: Call, content: bytes, pk: UUID, rest: str) -> HttpResponse:
        """Read from another portal in your name."""
        return _passed(call, content, pk, rest)

    @forwards(scope=guest_documents.SCOPES, rate="changes")
    def post(self, call: Call, content: bytes, pk: UUID, rest: str) -> HttpResponse:
        """Act at another portal in your name."""
        return _passed(call, content, pk, rest)

    @forwards(scope=guest_documents.SCOPES, rate="changes")
    def patch(self, call: Call, content: bytes, pk: UUID, rest: str) -> HttpResponse:
        """Change something of yours at another portal."""
        return _passed(call, content, pk, rest)

    @forwards(scope=guest_documents.SCOPES, rate="changes")
    def delete(self, call: Call, content: bytes, pk: UUID, rest: str) -> HttpResponse:
        """Delete something of yours at another portal."""
        return _passed(call, content, pk, rest)


def _passed(call: Call, content: bytes, pk: UUID, rest: str) -> HttpResponse:
    """Pass on a call if the token has the scope that the same call needs here, and return what comes back."""
    require_every_dataset(call)
    peer = one(call, _peers(call), dataset=None, pk=pk)
    method, path = str(call.method), f"{settings.API}{rest}"
    query = str(call.META.get("QUERY_STRING", ""))
    headers = {name: call.headers[name] for name in guest_documents.HEADERS if name in call.headers}
    match = guest_documents.place_of(method, path, query, headers)
    operation = operation_of(match.func.cls, method)  # type: ignore[attr-defined]  # an endpoint's view has it
    if operation is not None and not operation.is_open:
        require_scope(call, operation.scope)
    scopes = call.auth.scopes if call.auth is not None else frozenset(guest_documents.SCOPES)
    found = elsewhere.pass_on(
        peer,
        by=call.user,
        scopes=scopes,
        method=method,
        path=path,
        query=query,
        headers=headers,
        body=content or None,
    )
    answer = HttpResponse(found.content, status=found.status)
    del answer["Content-Type"]
    for name, value in found.headers.items():
        answer[name] = value
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer
