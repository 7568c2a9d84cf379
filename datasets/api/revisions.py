"""Revisions of one's own datasets: list, begin, publish, discard, retire."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.decorators import method_decorator
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.heavy_views import computing
from common.rest.bodies import Body, Item, WithReason
from common.rest.endpoints import Endpoint, acts, creates, lists, reads
from common.rest.grants import Call, one
from common.rest.references import DatasetReference
from datasets import models, rules, services
from datasets.api.shared import owned


class TableInRevision(Item):
    """A table of a revision, for the owner."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    rows = serializers.IntegerField()


class RevisionItem(Item):
    """A revision, for the owner of its dataset."""

    id = serializers.UUIDField()
    dataset = DatasetReference()
    number = serializers.IntegerField()
    state = serializers.ChoiceField(models.Revision.State.choices)
    note = serializers.CharField(help_text="What is new in it. Scientists can read this.")
    created_at = serializers.DateTimeField()
    published_at = serializers.DateTimeField(allow_null=True)
    sha256 = serializers.CharField(help_text="A keyed hash of content and declarations, once published.")
    tables = serializers.SerializerMethodField()

    @extend_schema_field(TableInRevision(many=True))
    def get_tables(self, revision: models.Revision) -> Any:
        kept = [] if revision.state == models.Revision.State.DISCARDED else revision.tables.all()
        return TableInRevision(kept, many=True).data


class RevisionDetail(RevisionItem):
    """A revision, with what is missing before it can be published."""

    gaps = serializers.SerializerMethodField(help_text="What a draft needs before it can be published.")

    def get_gaps(self, revision: models.Revision) -> list[str]:
        return rules.gaps(revision.dataset) if revision.state == models.Revision.State.DRAFT else []


class NewRevision(Body):
    """A new draft revision."""

    note = serializers.CharField(max_length=500, allow_blank=True, default="", help_text="What is new in it.")


class Publication(Body):
    """The publication of a revision."""

    agreed = serializers.BooleanField(
        default=False, help_text="You agree to what an earlier refusal said of the promise and these rows."
    )


def _mine(call: Call) -> QuerySet[models.Revision]:
    own = models.Revision.objects.visible_to(call.user)
    return own.select_related("dataset__owner").prefetch_related("tables")


def _one(call: Call, pk: UUID) -> models.Revision:
    return one(call, _mine(call), dataset="dataset", pk=pk)


class Revisions(Endpoint):
    """The revisions of your dataset."""

    @lists(RevisionItem, scope="publish")
    def get(self, call: Call, pk: UUID) -> QuerySet[models.Revision]:
        """List the revisions of your dataset, drafts and discarded ones included."""
        return _mine(call).filter(dataset=owned(call, pk))

    @creates(RevisionDetail, body=NewRevision, scope="publish", again=_one, at="api:revision")
    def post(self, call: Call, fields: dict[str, str], pk: UUID) -> models.Revision:
        """Begin a draft revision. The published one stays in use until the draft is published."""
        return services.new_revision(owned(call, pk), by=call.user, note=fields["note"])


class Revision(Endpoint):
    """A revision of your dataset."""

    @reads(RevisionDetail, scope="publish")
    def get(self, call: Call, pk: UUID) -> models.Revision:
        """Read a revision, its tables, and what is missing before it can be published."""
        return _one(call, pk)


class PublishRevision(Endpoint):
    """Publishing a revision."""

    @method_decorator(computing)
    @acts(RevisionDetail, body=Publication, scope="publish", confirms="Publish a revision of a dataset")
    def post(self, call: Call, fields: dict[str, Any], pk: UUID) -> models.Revision:
        """Publish a draft revision. It can no longer be changed, and the revision before it is retired."""
        draft = _one(call, pk)
        services.publish(draft.dataset, by=call.user, agreed=fields["agreed"], only=draft)
        return _one(call, pk)


class DiscardRevision(Endpoint):
    """Discarding a draft revision."""

    @acts(RevisionDetail, scope="publish")
    def post(self, call: Call, pk: UUID) -> models.Revision:
        """Discard a draft revision. Its tables and files are deleted."""
        services.discard(_one(call, pk), by=call.user)
        return _one(call, pk)


class RetireRevision(Endpoint):
    """Retiring a published revision."""

    @acts(RevisionDetail, body=WithReason, scope="publish", confirms="Retire a revision of a dataset")
    def post(self, call: Call, fields: dict[str, str], pk: UUID) -> models.Revision:
        """Retire a published revision. Approvals bound to it end; its content is kept."""
        services.retire_revision(_one(call, pk), by=call.user, reason=fields["reason"])
        return _one(call, pk)
