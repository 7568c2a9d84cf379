"""Releases: the output check, the decision, the record, and recalls."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django_filters import ChoiceFilter, FilterSet, UUIDFilter
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from audit.api.signed_log import ReceiptItem, item_of
from common.rest.bodies import Body, Item, WithReason
from common.rest.endpoints import Endpoint, acts, lists, reads
from common.rest.grants import Call, one, within
from common.rest.references import ContactReference, DatasetReference
from requests_app import models, queries, rules, visibility, workflow
from requests_app.api.outputs import OutputItem, readable_in
from requests_app.api.parts import RequestReference, RunReference, reads_private
from requests_app.services import receipts, releases


class ReleaseLine(Item):
    """The decision on a run's outputs: held, then released or not, perhaps recalled."""

    id = serializers.UUIDField()
    run = RunReference()
    request = RequestReference(source="run.request")
    dataset = DatasetReference(source="run.request.dataset")
    author = ContactReference()
    state = serializers.ChoiceField(models.Release.State.choices)
    turn = serializers.SerializerMethodField(help_text="Who has to act next.")
    created_at = serializers.DateTimeField()
    state_changed_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(help_text="Outputs without a decision by then are deleted.")
    decided_at = serializers.DateTimeField(allow_null=True)
    recalled_at = serializers.DateTimeField(allow_null=True)
    recall_reason = serializers.CharField()

    def get_turn(self, release: models.Release) -> str:
        return str(workflow.TURN["release"][release.state])


class ReleaseItem(ReleaseLine):
    """A release, with the files that you may open: all of them as a reviewer, otherwise those released to you."""

    comment = serializers.SerializerMethodField()
    decided_by = serializers.SerializerMethodField()
    outputs = serializers.SerializerMethodField()

    def get_comment(self, release: models.Release) -> str:
        reads = rules.may_read_code(self.context["call"].user, release.run.request) is None
        return release.comment if reads else ""

    @extend_schema_field(ContactReference(allow_null=True))
    def get_decided_by(self, release: models.Release) -> dict[str, object] | None:
        version = release.run.version
        if version is None or release.decided_by is None:
            return None
        viewer = visibility.viewer_of(version, self.context["call"].user, ())
        return ContactReference(release.decided_by).data if visibility.names_reviewers(viewer) else None

    @extend_schema_field(OutputItem(many=True))
    def get_outputs(self, release: models.Release) -> list[dict[str, object]]:
        call = self.context["call"]
        context = {**self.context, "reads_private": reads_private(call, release.run)}
        files = readable_in(call, release.run).select_related("added_by").prefetch_related("looks")
        return [OutputItem(output, context=context).data for output in files]


class ReleaseFilters(FilterSet):
    """The filters of the list of releases."""

    state = ChoiceFilter(choices=models.Release.State.choices, help_text="The state of the release.")
    request = UUIDFilter(field_name="run__request", help_text="The id of a request.")
    dataset = UUIDFilter(field_name="run__request__dataset", help_text="The id of a dataset.")


class NewDecision(Body):
    """The decision on a run's outputs as a whole."""

    decision = serializers.ChoiceField(list(releases.DECISIONS))
    comment = serializers.CharField(
        max_length=4000,
        allow_blank=True,
        default="",
        help_text="The author reads it. Needed unless you release.",
    )


class RecordItem(Item):
    """The machine-readable record of a release. For auditors, files have a fingerprint instead of their hash."""

    format = serializers.CharField()
    release = serializers.UUIDField()
    lane = serializers.CharField()
    request = serializers.DictField(child=serializers.JSONField())
    dataset = serializers.DictField(child=serializers.JSONField())
    version = serializers.DictField(child=serializers.JSONField())
    approval = serializers.DictField(child=serializers.JSONField())
    reviews = serializers.ListField(child=serializers.DictField(child=serializers.JSONField()))
    run = serializers.DictField(child=serializers.JSONField(allow_null=True))
    outputs = serializers.ListField(child=serializers.DictField(child=serializers.JSONField()))
    decided_by = serializers.CharField()
    decided_at = serializers.DateTimeField()


def release_of(call: Call, pk: UUID) -> models.Release:
    """Return a release that this person may know of."""
    related = (
        "run__request__dataset__owner",
        "run__request__author",
        "run__version__request__dataset",
        "author",
        "decided_by",
    )
    rows = models.Release.objects.visible_to(call.user).select_related(*related)
    release = one(call, rows, dataset="run__request__dataset", pk=pk)
    release.run.release = release
    return release


class Releases(Endpoint):
    """Releases of all requests."""

    @lists(ReleaseLine, filters=ReleaseFilters)
    def get(self, call: Call) -> "QuerySet[models.Release]":
        """List the releases that you may know of, those that wait for a check included."""
        rows = models.Release.objects.visible_to(call.user).select_related("run__request__dataset", "author")
        return within(call, rows, "run__request__dataset")


class Release(Endpoint):
    """One release."""

    @reads(ReleaseItem)
    def get(self, call: Call, pk: UUID) -> models.Release:
        """Read a release. Held files are there for the owner and the reviewers alone."""
        return release_of(call, pk)


class ReleaseBegin(Endpoint):
    """The beginning of an output check."""

    @acts(ReleaseItem, scope="review")
    def post(self, call: Call, pk: UUID) -> models.Release:
        """Begin the output check. The files are compared with what has been released meanwhile."""
        releases.begin_check(release_of(call, pk), by=call.user)
        return release_of(call, pk)


class ReleaseDecide(Endpoint):
    """The decision on held outputs."""

    @acts(ReleaseItem, body=NewDecision, scope="review", confirms="Decide on held outputs")
    def post(self, call: Call, body: dict[str, Any], pk: UUID) -> models.Release:
        """Release the files marked for release, or none. Files that are not released are deleted."""
        releases.decide(release_of(call, pk), by=call.user, **body)
        return release_of(call, pk)


class ReleaseRecall(Endpoint):
    """The end of a release."""

    @acts(ReleaseItem, body=WithReason, scope="review", confirms="Recall a release")
    def post(self, call: Call, body: dict[str, Any], pk: UUID) -> models.Release:
        """Recall a release: end its downloads, and ask everybody who had access to delete their copies."""
        releases.recall(release_of(call, pk), by=call.user, reason=body["reason"])
        return release_of(call, pk)


class ReleaseRecord(Endpoint):
    """The record of a release."""

    @reads(RecordItem, scope=("work", "review", "audit"))
    def get(self, call: Call, pk: UUID) -> dict[str, Any]:
        """Read the record: the code, the data, the decision, and the released files with their hashes."""
        return queries.record_for(call.user, release_of(call, pk))


class ReleaseReceipt(Endpoint):
    """The receipt of a release."""

    @reads(ReceiptItem, scope=("work", "review"))
    def get(self, call: Call, pk: UUID) -> dict[str, object]:
        """Read the receipt: the record as its author reads it, and the proof that the log holds it. For the author, the
        owner and the reviewers, also after a recall."""
        return item_of(receipts.of_release(release_of(call, pk), by=call.user))
