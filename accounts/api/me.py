"""Oneself: profile and access tokens."""

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts import services
from accounts.models import AccessToken, User
from accounts.services import tokens
from accounts.topics import Topic
from common.rest.bodies import Body, Item
from common.rest.endpoints import Endpoint, acts, changes, lists, reads
from common.rest.grants import Call, TokenScope, one
from common.rest.references import Reference


class PersonItem(Item):
    """A person, to themselves."""

    id = serializers.UUIDField()
    email = serializers.EmailField()
    name = serializers.CharField()
    affiliation = serializers.CharField()
    time_zone = serializers.CharField()
    mail_topics = serializers.ListField(child=serializers.ChoiceField(Topic.choices))
    roles = serializers.SerializerMethodField()
    scopes = serializers.SerializerMethodField()

    def get_roles(self, person: User) -> list[str]:
        return sorted(person.roles)

    def get_scopes(self, person: User) -> list[str]:
        """What this call's token allows; of a session, everything."""
        grant = self.context["call"].auth
        return sorted(grant.scopes)


class Profile(Body):
    """What people can change about themselves."""

    name = serializers.CharField(max_length=150)
    affiliation = serializers.CharField(max_length=200, allow_blank=True)
    time_zone = serializers.CharField(max_length=64)
    mail_topics = serializers.ListField(
        child=serializers.ChoiceField(Topic.choices),
        max_length=len(Topic),
        help_text="The topics of notifications that you also want by e-mail.",
    )


class TokenItem(Item):
    """An access token, without its secret."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    ending = serializers.CharField(help_text="The last four characters.")
    scopes = serializers.ListField(child=serializers.CharField())
    datasets = serializers.SerializerMethodField(
        help_text="The only datasets that it reaches, or null for all."
    )
    origin = serializers.ChoiceField(AccessToken.Origin.choices)
    state = serializers.ChoiceField(["live", "expired", "revoked"])
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    last_used_on = serializers.DateField(allow_null=True)

    @extend_schema_field(Reference(many=True, allow_null=True))
    def get_datasets(self, token: AccessToken) -> Any:
        ids = token.dataset_ids
        return None if ids is None else Reference(map(UUID, ids), many=True).data


class Me(Endpoint):
    """The person who calls."""

    @reads(PersonItem)
    def get(self, call: Call) -> User:
        """Who you are, your roles, and what your token allows."""
        return call.user

    @changes(body=Profile, scope=None)
    def patch(self, call: Call, fields: dict[str, object]) -> None:
        """Change your name, affiliation, time zone or topics of mail."""
        call.user = services.update_profile(call.user, by=call.user, **fields)


class Tokens(Endpoint):
    """Your access tokens. They are made in the browser, or by signing in a program."""

    @lists(TokenItem)
    def get(self, call: Call) -> "QuerySet[AccessToken]":
        """List your access tokens, also those that have expired or were revoked. One for some datasets lists itself."""
        return _own(call)


class Token(Endpoint):
    """One of your access tokens."""

    @reads(TokenItem)
    def get(self, call: Call, pk: UUID) -> AccessToken:
        """Read one of your access tokens."""
        return one(call, _own(call), dataset=None, pk=pk)

    @acts(None)
    def delete(self, call: Call, pk: UUID) -> None:
        """Revoke the token. It stops working at once. A token can revoke only itself; a session, all."""
        token = one(call, _own(call), dataset=None, pk=pk)
        if call.auth is not None and call.auth.is_token and call.auth.token_id != token.pk:
            raise TokenScope("An access token can revoke only itself. Revoke others in the browser.")
        tokens.revoke(token, by=call.user)


def _own(call: Call) -> "QuerySet[AccessToken]":
    """Return one's tokens. One that reaches only some datasets sees itself alone: others may name more datasets."""
    rows, grant = AccessToken.objects.visible_to(call.user), call.auth
    return rows if grant is None or grant.dataset_ids is None else rows.filter(Q(pk=grant.token_id))
