"""People and invitations, for admins and auditors. Changes are made in the browser."""

from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from django_filters import CharFilter, ChoiceFilter, FilterSet
from rest_framework import serializers

from accounts import queries, rules
from accounts.models import Invitation, Role, User
from common.rest.bodies import Item
from common.rest.endpoints import Endpoint, lists, reads
from common.rest.grants import Call, one, require_every_dataset
from common.rest.references import PersonReference

STATES = [(state.value, state.label) for state in User.State if state != User.State.SYSTEM]


class SomebodyItem(Item):
    """An account, to those who look after accounts."""

    id = serializers.UUIDField()
    email = serializers.EmailField()
    name = serializers.CharField()
    affiliation = serializers.CharField()
    state = serializers.ChoiceField(STATES)
    state_reason = serializers.CharField()
    roles = serializers.SerializerMethodField()
    email_confirmed_at = serializers.DateTimeField(allow_null=True)
    live_sessions = serializers.IntegerField(help_text="In how many browsers they are signed in.")
    created_at = serializers.DateTimeField()

    def get_roles(self, person: User) -> list[str]:
        return sorted(grant.role for grant in person.role_grants.all())


class PeopleFilters(FilterSet):
    """Which people to list."""

    text = CharFilter(max_length=100, help_text="Words in the name, the address or the affiliation.")
    role = ChoiceFilter(choices=Role.choices, null_label=None, help_text="Those with this role.")
    state = ChoiceFilter(choices=STATES, null_label=None, help_text="The state of the account.")

    def filter_queryset(self, queryset: "QuerySet[User]") -> "QuerySet[User]":
        return queries.matching(queryset, **self.form.cleaned_data)


class InvitationItem(Item):
    """An invitation. Its link is shown to nobody again."""

    id = serializers.UUIDField()
    email = serializers.EmailField()
    roles = serializers.ListField(child=serializers.ChoiceField(Role.choices))
    state = serializers.ChoiceField(["open", "accepted", "withdrawn", "expired"])
    invited_by = PersonReference()
    accepted_by = PersonReference(allow_null=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    accepted_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class People(Endpoint):
    """Everybody with an account."""

    @lists(SomebodyItem, filters=PeopleFilters)
    def get(self, call: Call) -> "QuerySet[User]":
        """List the people with an account. Admins and auditors alone can."""
        return _people(call)


class Person(Endpoint):
    """Somebody with an account."""

    @reads(SomebodyItem)
    def get(self, call: Call, pk: UUID) -> User:
        """Read about somebody with an account. Admins and auditors alone can."""
        return one(call, queries.matching(_people(call)), dataset=None, pk=pk)


class Invitations(Endpoint):
    """Invitations to the portal."""

    @lists(InvitationItem)
    def get(self, call: Call) -> "QuerySet[Invitation]":
        """List the invitations in every state. Admins and auditors alone can."""
        _only_overseers(call)
        return queries.invitations(call.user)


def _people(call: Call) -> "QuerySet[User]":
    _only_overseers(call)
    return User.objects.visible_to(call.user)


def _only_overseers(call: Call) -> None:
    """As on the pages: for others, there is nothing here. People are of no dataset, so a token must reach all."""
    if rules.is_overseer(call.user):
        raise Http404
    require_every_dataset(call)
