"""Sampled mocks: an owner prices and makes a synthetic table, and replaces the mock data of a dataset with it."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.http import found
from common.rest.bodies import Body, Item
from common.rest.endpoints import Endpoint, acts, creates, reads
from common.rest.grants import Call, one
from datasets.api.catalogue import SampledMockItem
from datasets.queries import sampled_mocks
from privacy import models
from privacy.api.answers import AnswerItem
from privacy.api.budgets import the_promise
from privacy.engine.language.learning import MAX_SYNTHETIC_COLUMNS
from privacy.services import sampled_mocks as services
from privacy.services.sampled_mocks import MockQuote

DRAWS = "Draw mock data from private rows"
REPLACES = "Replace mock data"
RECENT = 20


class MockState(Item):
    """What mock data of a dataset is sampled, and what has been made for it."""

    share_left = serializers.SerializerMethodField(
        help_text="The part of the promise that sampled mocks may still take."
    )
    shown = serializers.SerializerMethodField(help_text="The sampled mocks that everybody sees now.")
    answers = serializers.SerializerMethodField(help_text="Synthetic tables for mock data, newest first.")

    def get_share_left(self, promise: models.Promise) -> float:
        return services.room(promise)

    @extend_schema_field(SampledMockItem(many=True))
    def get_shown(self, promise: models.Promise) -> Any:
        revision = promise.dataset.current
        return SampledMockItem(sampled_mocks(revision).values() if revision else (), many=True).data

    @extend_schema_field(AnswerItem(many=True))
    def get_answers(self, promise: models.Promise) -> Any:
        return AnswerItem(services.answers_of(promise)[:RECENT], many=True).data


class MockPrice(Item):
    """What a synthetic table for mock data costs, and how exact it is."""

    share = serializers.FloatField(help_text="Of the promise, for good.")
    share_left = serializers.FloatField(source="left", help_text="What sampled mocks may take, before this.")
    epsilon = serializers.FloatField(help_text="Of this table alone.")
    delta = serializers.FloatField(source="quote.delta")
    people_off = serializers.FloatField(
        help_text="How far counts of a kept pair are off, in 95 of 100 cases."
    )
    seconds = serializers.FloatField(help_text="From its charge to the answer.")


class WantedMock(Body):
    """A synthetic table for the mock data of a table."""

    table = serializers.CharField()
    columns = serializers.ListField(child=serializers.CharField(), max_length=MAX_SYNTHETIC_COLUMNS)
    bins = serializers.IntegerField(default=16, help_text="The most parts of a number's bounds.")
    focus = serializers.CharField(
        default=None, allow_null=True, help_text="A column whose pairs with the others matter most."
    )
    share = serializers.FloatField(help_text="Of the promise, such as 0.05; all sampled mocks: at most 0.2.")


class ChosenAnswer(Body):
    """Which synthetic table the mock data is drawn from."""

    answer = serializers.UUIDField(help_text="The id of a released answer of `answers`.")


class ChosenTable(Body):
    """Which table gets its declared mock back."""

    table = serializers.CharField()


def the_mock_answer(call: Call, promise: models.Promise, pk: UUID) -> models.Answer:
    """Return a synthetic table that was made for mock data. Raises Http404."""
    return found(services.answers_of(promise).filter(pk=pk))


def made_again(call: Call, pk: UUID) -> models.Answer:
    """Return what this call has made before. Raises Http404."""
    rows = models.Answer.objects.visible_to(call.user)
    return one(call, rows, dataset="budget__promise__dataset", pk=pk)


class SampledMock(Endpoint):
    """Mock data of a dataset that is drawn from private rows."""

    @reads(MockState)
    def get(self, call: Call, pk: UUID) -> models.Promise:
        """Read which mock data of a dataset that you own or oversee is sampled, and what was made for it."""
        return the_promise(call, pk)

    @creates(
        AnswerItem,
        body=WantedMock,
        again=made_again,
        at="api:answer",
        hands_key=True,
        scope="budgets",
        confirms=DRAWS,
    )
    def post(self, call: Call, fields: dict[str, Any], *, key: UUID, pk: UUID) -> models.Answer:
        """Make a synthetic table for mock data of your dataset. Only you see it until you replace the mock data."""
        return services.make(the_promise(call, pk), by=call.user, key=key, **fields)


class SampledMockPrice(Endpoint):
    """The price of mock data that is drawn from private rows."""

    @acts(MockPrice, body=WantedMock, scope="budgets")
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> MockQuote:
        """Price a synthetic table for mock data. It costs nothing to ask."""
        return services.quote(the_promise(call, pk), by=call.user, **fields)


class SampledMockReplace(Endpoint):
    """The mock data that everybody sees."""

    @acts(MockState, body=ChosenAnswer, scope="budgets", confirms=REPLACES)
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> models.Promise:
        """Replace the mock data of a table of your dataset by rows drawn from a synthetic table."""
        promise = the_promise(call, pk)
        services.replace_mock(the_mock_answer(call, promise, fields["answer"]), by=call.user)
        return promise


class SampledMockUndo(Endpoint):
    """The mock data that is drawn from declarations."""

    @acts(MockState, body=ChosenTable, scope="budgets", confirms=REPLACES)
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> models.Promise:
        """Go back to the declared mock of a table of your dataset."""
        promise = the_promise(call, pk)
        services.restore_mock(promise, fields["table"], by=call.user)
        return promise
