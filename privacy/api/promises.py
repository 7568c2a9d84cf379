"""The promise of a dataset: make it, read it, publish numbers of rows, read the ledger."""

from typing import Any, Literal
from uuid import UUID

from django.db.models import QuerySet
from django_filters import FilterSet, IsoDateTimeFilter, UUIDFilter
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.rest.bodies import Body, Item
from common.rest.endpoints import Endpoint, acts, creates, lists, reads
from common.rest.grants import Call, one
from common.rest.references import DatasetReference, Reference
from privacy import models, queries, services
from privacy.api.budgets import HolderReference, the_promise

MOST_NAMES = 1000
STATES: dict[str, Literal["reserved", "spent", "given_back"]] = {
    models.LedgerLine.Kind.RESERVE: "reserved",
    models.LedgerLine.Kind.COMMIT: "spent",
    models.LedgerLine.Kind.VOID: "given_back",
}


class PromiseItem(Item):
    """What the owner guarantees to each person in a dataset."""

    dataset = DatasetReference()
    epsilon = serializers.FloatField()
    delta = serializers.FloatField()
    scientists = serializers.IntegerField(help_text="How many may share it.")
    budgets_given = serializers.SerializerMethodField(help_text="To scientists.")
    share_given = serializers.SerializerMethodField(
        help_text="The part of it that is given out in budgets and for sampled mocks."
    )
    people = serializers.IntegerField(source="public_size", help_text="About how many there are (public).")
    rows = serializers.DictField(
        source="public_rows", child=serializers.IntegerField(), help_text="About how many, by table (public)."
    )
    constants = serializers.ListField(
        child=serializers.CharField(), help_text="Columns that never change for the same person."
    )
    undeclared_values = serializers.SerializerMethodField(
        help_text="Values that are not declared are released if many people share them."
    )
    extended_allowed = serializers.BooleanField(help_text="Budgets may continue after they are used up.")
    created_at = serializers.DateTimeField()

    def get_budgets_given(self, promise: models.Promise) -> int:
        return queries.given_to_scientists(promise.budgets.all())

    def get_share_given(self, promise: models.Promise) -> float:
        return queries.given_away(promise, list(promise.budgets.all()))

    def get_undeclared_values(self, promise: models.Promise) -> bool:
        return promise.threshold_delta > 0


class NewPromise(Body):
    """A promise to make. One that allows extended mode is made in the browser only."""

    epsilon = serializers.FloatField(help_text="For everybody together and for ever.")
    people = serializers.IntegerField(help_text="About how many the dataset holds. This becomes public.")
    scientists = serializers.IntegerField(default=3, help_text="How many may share it.")
    constants = serializers.ListField(child=serializers.CharField(), default=list, max_length=MOST_NAMES)
    undeclared_values = serializers.BooleanField(default=False, help_text="It takes half of delta.")
    rows = serializers.DictField(
        child=serializers.IntegerField(), default=dict, help_text="About how many, by table. Becomes public."
    )


class PublicRows(Body):
    """About how many rows tables hold. Tables that are left out become secret again."""

    rows = serializers.DictField(child=serializers.IntegerField())


class LedgerItem(Item):
    """One charge: who asked what, when, and what it cost."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    scientist = HolderReference(source="budget")
    answer = serializers.SerializerMethodField()
    question = serializers.SerializerMethodField(help_text="In words; empty if nothing was computed.")
    share = serializers.SerializerMethodField(help_text="Of the budget at the time.")
    state = serializers.SerializerMethodField()

    @extend_schema_field(Reference(allow_null=True))
    def get_answer(self, line: models.LedgerLine) -> dict[str, object] | None:
        answer = getattr(line, "answer", None)
        return Reference(answer).data if answer else None

    def get_question(self, line: models.LedgerLine) -> str:
        return queries.title_of_line(line)

    def get_share(self, line: models.LedgerLine) -> float:
        return queries.share_at_the_time(line)

    def get_state(self, line: models.LedgerLine) -> Literal["reserved", "spent", "given_back"]:
        settled = getattr(line, "settled_by", None)
        return STATES[settled.kind if settled else line.kind]


class LedgerFilters(FilterSet):
    """Which charges to list."""

    scientist = UUIDFilter("budget__scientist", help_text="The id of a person.")
    since = IsoDateTimeFilter("at", lookup_expr="gte", help_text="The first moment.")
    until = IsoDateTimeFilter("at", lookup_expr="lt", help_text="The moment before which charges are listed.")


def promise_again(call: Call, pk: UUID) -> models.Promise:
    """Return a promise that this call has made before."""
    rows = models.Promise.objects.filter(dataset__in=queries.overseen_by(call.user).order_by().values("pk"))
    return one(call, rows, dataset="dataset", pk=pk)


class DatasetPromise(Endpoint):
    """The promise of a dataset."""

    @reads(PromiseItem)
    def get(self, call: Call, pk: UUID) -> models.Promise:
        """Read the promise of a dataset that you own or oversee."""
        return the_promise(call, pk)

    @creates(
        PromiseItem,
        body=NewPromise,
        again=promise_again,
        scope="budgets",
        confirms="Make a promise for a dataset",
    )
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> models.Promise:
        """Let your dataset answer automatically. A promise is made once, and cannot be weakened or taken back."""
        dataset = one(call, queries.overseen_by(call.user), dataset="pk", pk=pk)
        return services.protect(
            dataset,
            by=call.user,
            epsilon=fields["epsilon"],
            public_size=fields["people"],
            scientists=fields["scientists"],
            constants=fields["constants"],
            undeclared_values=fields["undeclared_values"],
            public_rows=fields["rows"],
        )


class DatasetRows(Endpoint):
    """The numbers of rows that are public."""

    @acts(PromiseItem, body=PublicRows, scope="budgets", confirms="Publish how many rows there are")
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> models.Promise:
        """Publish about how many rows the tables of your dataset hold, or withdraw it. Errors are computed from it."""
        return services.publish_rows(the_promise(call, pk), fields["rows"], by=call.user)


class DatasetLedger(Endpoint):
    """The ledger of a dataset."""

    @lists(LedgerItem, filters=LedgerFilters, order=("at", "pk"))
    def get(self, call: Call, pk: UUID) -> "QuerySet[models.LedgerLine]":
        """List every charge of a dataset that you own or, as an auditor, oversee."""
        promise = one(call, queries.with_ledger_for(call.user), dataset="pk", pk=pk).promise
        return queries.ledger(promise).prefetch_related(f"answer__{queries.SAID_WITH}")
