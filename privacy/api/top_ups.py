"""Requests for a larger budget: ask, read, decide."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django_filters import ChoiceFilter, FilterSet, UUIDFilter
from rest_framework import serializers

from common.rest.bodies import Body, Item
from common.rest.endpoints import Endpoint, acts, creates, lists, reads
from common.rest.grants import Call, one, within
from common.rest.references import DatasetReference, PersonReference, Reference
from privacy import models, services
from privacy.api.budgets import the_budget


class TopUpItem(Item):
    """A request for a larger budget."""

    id = serializers.UUIDField()
    budget = Reference()
    dataset = DatasetReference(source="budget.promise.dataset")
    scientist = PersonReference(source="budget.scientist")
    epsilon = serializers.FloatField(help_text="Of the whole budget.")
    reason = serializers.CharField()
    state = serializers.ChoiceField(models.TopUp.State.choices)
    decision_note = serializers.CharField()
    created_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)


class TopUpFilters(FilterSet):
    """Which requests to list."""

    dataset = UUIDFilter("budget__promise__dataset", help_text="The id of a dataset.")
    state = ChoiceFilter(choices=models.TopUp.State.choices, help_text="What was decided, or pending.")


class NewTopUp(Body):
    """A request for a larger budget."""

    epsilon = serializers.FloatField(help_text="Of the whole budget.")
    reason = serializers.CharField(allow_blank=True, help_text="For the owner.")


class TopUpDecision(Body):
    """The owner's decision."""

    grant = serializers.BooleanField()
    note = serializers.CharField(
        required=False, allow_blank=True, default="", help_text="To the scientist; needed to decline."
    )


def visible_top_ups(call: Call) -> "QuerySet[models.TopUp]":
    """The requests that this call may see."""
    rows = models.TopUp.objects.visible_to(call.user).select_related(
        "budget__promise__dataset", "budget__scientist"
    )
    return within(call, rows, "budget__promise__dataset")


def the_top_up(call: Call, pk: UUID) -> models.TopUp:
    """A request that this call may see. Raises Http404."""
    return one(call, visible_top_ups(call), dataset=None, pk=pk)


class TopUps(Endpoint):
    """Requests for larger budgets."""

    @lists(TopUpItem, filters=TopUpFilters)
    def get(self, call: Call) -> "QuerySet[models.TopUp]":
        """List your own requests for larger budgets, and those for budgets of your datasets."""
        return visible_top_ups(call)


class BudgetTopUps(Endpoint):
    """The requests for more of one budget."""

    @lists(TopUpItem)
    def get(self, call: Call, pk: UUID) -> "QuerySet[models.TopUp]":
        """List the requests for more of one budget."""
        return visible_top_ups(call).filter(budget=the_budget(call, pk))

    @creates(TopUpItem, body=NewTopUp, again=the_top_up, at="api:top_up", scope="ask")
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> models.TopUp:
        """Ask the owner for a larger budget."""
        return services.ask_top_up(the_budget(call, pk), by=call.user, **fields)


class TopUp(Endpoint):
    """One request for a larger budget."""

    @reads(TopUpItem)
    def get(self, call: Call, pk: UUID) -> models.TopUp:
        """Read a request for a larger budget, and the decision."""
        return the_top_up(call, pk)


class TopUpDecide(Endpoint):
    """The decision on a request for a larger budget."""

    @acts(TopUpItem, body=TopUpDecision, scope="budgets", confirms="Decide on a larger budget")
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> models.TopUp:
        """Give the larger budget, or decline with a note. A budget that has been used cannot shrink again."""
        services.decide_top_up(the_top_up(call, pk), by=call.user, **fields)
        return the_top_up(call, pk)
