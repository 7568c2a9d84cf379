"""Terms of use, and freezing, unfreezing and retiring a dataset."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import Http404
from rest_framework import serializers

from common.rest.bodies import Body, Item, WithReason
from common.rest.endpoints import Endpoint, acts, creates, reads
from common.rest.grants import Call, one
from datasets import models, search, services
from datasets.api.catalogue import RULES, DatasetDetail
from datasets.api.shared import visible

USE = "Freeze or retire a dataset, or lift a freeze"


class TermsItem(Item):
    """A version of the terms of use."""

    id = serializers.UUIDField()
    number = serializers.IntegerField()
    text = serializers.CharField(help_text="Markdown.")
    created_at = serializers.DateTimeField()


class NewTerms(Body):
    """The next version of the terms of use."""

    text = serializers.CharField(max_length=20_000)


def _terms(call: Call, pk: UUID) -> models.Terms:
    visible_ones = models.Dataset.objects.visible_to(call.user).order_by().values("pk")
    return one(call, models.Terms.objects.filter(dataset__in=visible_ones), dataset="dataset", pk=pk)


class DatasetTerms(Endpoint):
    """The terms of use of a dataset."""

    @reads(TermsItem)
    def get(self, call: Call, pk: UUID) -> models.Terms:
        """Read the current terms of use, which everybody who asks for access accepts."""
        if (terms := visible(call, pk).terms) is None:
            raise Http404
        return terms

    @creates(TermsItem, body=NewTerms, scope="publish", confirms=RULES, again=_terms)
    def post(self, call: Call, fields: dict[str, str], pk: UUID) -> models.Terms:
        """Write the next version of the terms. A text that is unchanged makes no new version."""
        return services.write_terms(visible(call, pk), by=call.user, text=fields["text"])


def _use(call: Call, act: Callable[..., models.Dataset], fields: dict[str, Any], pk: UUID) -> models.Dataset:
    act(visible(call, pk), by=call.user, reason=fields["reason"])
    return one(call, search.datasets(call.user), dataset="pk", pk=pk)


class FreezeDataset(Endpoint):
    """Freezing a dataset."""

    @acts(DatasetDetail, body=WithReason, scope=None, confirms=USE)
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> models.Dataset:
        """Stop all work on a dataset until the freeze is lifted. Everything in progress on it is cancelled."""
        return _use(call, services.freeze, fields, pk)


class UnfreezeDataset(Endpoint):
    """Lifting a freeze."""

    @acts(DatasetDetail, body=WithReason, scope=None, confirms=USE)
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> models.Dataset:
        """Lift a freeze."""
        return _use(call, services.unfreeze, fields, pk)


class RetireDataset(Endpoint):
    """Retiring a dataset."""

    @acts(DatasetDetail, body=WithReason, scope=None, confirms=USE)
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> models.Dataset:
        """Retire a dataset for good. No new work can begin on it; its records and content are kept."""
        return _use(call, services.retire, fields, pk)
