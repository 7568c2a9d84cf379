"""Datasets of other portals, as those tell them: the list, one of them, and its mock data."""

from io import BytesIO
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django_filters import CharFilter, FilterSet, UUIDFilter
from rest_framework import serializers

from common.http import as_download
from common.rest.bodies import Item
from common.rest.endpoints import Endpoint, lists, reads, sends
from common.rest.grants import Call, one, require_every_dataset
from common.rest.references import Reference
from datasets.api.catalogue import DeclaredTableItem
from network import models, search
from network.services import catalogue


class PortalReference(Item):
    """Another portal, by the name of its institution."""

    id = serializers.UUIDField()
    name = serializers.CharField(source="__str__")
    url = serializers.CharField()


class RemoteDatasetItem(Item):
    """A dataset of another portal, in the words of that portal."""

    id = serializers.UUIDField(help_text="Its id here.")
    dataset = Reference(source="remote_id", help_text="The dataset on the other portal, by its id there.")
    portal = PortalReference(source="peer")
    name = serializers.CharField(help_text="Its name in code on the other portal.")
    title = serializers.CharField()
    summary = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())
    institution = serializers.CharField(help_text="Its owner’s.")
    read_at = serializers.DateTimeField(
        source="peer.catalogue.fetched_at", help_text="When the other portal last told it."
    )


class RemoteTermsItem(Item):
    """The terms of use."""

    number = serializers.IntegerField()
    text = serializers.CharField()


class RemotePromiseItem(Item):
    """What is promised to each person in the dataset, for everybody together."""

    epsilon = serializers.FloatField()
    delta = serializers.FloatField()


class RemoteDatasetDetail(RemoteDatasetItem):
    """A dataset of another portal, with its schema and terms."""

    description = serializers.CharField()
    revision = serializers.IntegerField(help_text="The number of the published one.")
    terms = RemoteTermsItem(allow_null=True)
    automatic = RemotePromiseItem(
        source="promise", allow_null=True, help_text="The promise, if it answers questions automatically."
    )
    tables = DeclaredTableItem(many=True, source="tables_declared")
    sampled_mocks = serializers.DictField(
        source="sampled_epsilons",
        child=serializers.FloatField(),
        help_text="Tables whose mock data is drawn from a private synthetic table, with the ε that it cost.",
    )


class RemoteFilters(FilterSet):
    """The filters of the list."""

    text = CharFilter(
        method="with_text",
        max_length=100,
        help_text="Beginnings of words: of the title, name, tags, summary and description, of the portal and the "
        "owner’s institution, and of tables and columns.",
    )
    portal = UUIDFilter("peer", help_text="The id of another portal.")

    def with_text(
        self, rows: QuerySet[models.RemoteDataset], name: str, text: str
    ) -> QuerySet[models.RemoteDataset]:
        return search.with_words(rows, text)


def _one(call: Call, pk: UUID) -> models.RemoteDataset:
    """Return a dataset that another portal lists, or raise Http404."""
    require_every_dataset(call)
    rows = models.RemoteDataset.objects.visible_to(call.user).select_related("peer__catalogue")
    return one(call, rows, dataset=None, pk=pk)


class RemoteDatasets(Endpoint):
    """The datasets that other portals show this one."""

    @lists(RemoteDatasetItem, filters=RemoteFilters)
    def get(self, call: Call) -> QuerySet[models.RemoteDataset]:
        """List the datasets of other portals. Those of this portal are in its own list of datasets."""
        require_every_dataset(call)
        return models.RemoteDataset.objects.visible_to(call.user).select_related("peer__catalogue")


class RemoteDataset(Endpoint):
    """A dataset of another portal."""

    @reads(RemoteDatasetDetail)
    def get(self, call: Call, pk: UUID) -> models.RemoteDataset:
        """Read what another portal tells of a dataset: its schema, its terms, what it answers."""
        return _one(call, pk)


class RemoteMock(Endpoint):
    """The mock data of a table of another portal, as Parquet."""

    @sends("application/octet-stream")
    def get(self, call: Call, pk: UUID, table: str) -> HttpResponseBase:
        """Download the mock data of a table, which this portal fetches from the other one. It does not open it."""
        item = _one(call, pk)
        return as_download(BytesIO(catalogue.mock_of(item, table)), name=catalogue.mock_name(item, table))
