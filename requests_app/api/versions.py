"""Versions: what was submitted, its differences from earlier ones, and verdicts on it."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common import heavy_views
from common.access import require
from common.http import found
from common.rest.bodies import Body, Item, Parameters
from common.rest.endpoints import Endpoint, acts, creates, lists, parameters_of, reads
from common.rest.grants import Call, one
from common.rest.references import ContactReference, NumberedReference
from requests_app import models, queries, rules, services, visibility
from requests_app.api.parts import LaneFinding, RequestReference, RunReference
from requests_app.api.requests import ApprovalItem, known
from requests_app.code import diffs
from requests_app.presentation import differences


class ReviewItem(Item):
    """A verdict on a version. `reviewer` is null for the author of a blinded dataset's request."""

    id = serializers.UUIDField()
    reviewer = serializers.SerializerMethodField()
    verdict = serializers.ChoiceField(models.Review.Verdict.choices)
    comment = serializers.CharField()
    runs = serializers.IntegerField(allow_null=True)
    days = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()

    @extend_schema_field(ContactReference(allow_null=True))
    def get_reviewer(self, review: models.Review) -> dict[str, object] | None:
        is_own = review.reviewer_id == self.context["call"].user.pk
        return ContactReference(review.reviewer).data if is_own or self.context.get("names") else None


class VersionLine(NumberedReference):
    """A version in a list."""

    sha256 = serializers.CharField()
    created_at = serializers.DateTimeField()
    is_approved = serializers.SerializerMethodField()

    def get_is_approved(self, version: models.Version) -> bool:
        return getattr(version, "approval", None) is not None


class ScopeItem(Item):
    """The most that an approval may allow, by the dataset's policy."""

    runs = serializers.IntegerField(source="max_runs")
    days = serializers.IntegerField(source="approval_days")
    approvals_needed = serializers.IntegerField(source="reviewers_needed")


class JudgedVersion(NumberedReference):
    """What has been said of a version."""

    reviews = serializers.SerializerMethodField()
    approval = serializers.SerializerMethodField()
    mock_run = serializers.SerializerMethodField(help_text="The author's mock run of exactly this version.")

    @extend_schema_field(ReviewItem(many=True))
    def get_reviews(self, version: models.Version) -> list[dict[str, object]]:
        given = list(version.reviews.select_related("reviewer"))
        viewer = visibility.viewer_of(version, self.context["call"].user, given)
        context = {**self.context, "names": visibility.names_reviewers(viewer)}
        return [ReviewItem(review, context=context).data for review in visibility.verdicts(given, viewer)]

    @extend_schema_field(ApprovalItem(allow_null=True))
    def get_approval(self, version: models.Version) -> dict[str, object] | None:
        approval = getattr(version, "approval", None)
        return None if approval is None else ApprovalItem(approval).data

    @extend_schema_field(RunReference(allow_null=True))
    def get_mock_run(self, version: models.Version) -> dict[str, object] | None:
        runs = models.Run.objects.visible_to(self.context["call"].user).on_mock_by_author()
        run = runs.filter(version=version).first()
        return None if run is None else RunReference(run).data


class VersionItem(JudgedVersion):
    """One submission of a request: what reviewers read, and what they have said."""

    request = RequestReference()
    author = ContactReference(source="request.author")
    latest = NumberedReference(source="request.latest", help_text="Only the latest version can be approved.")
    sha256 = serializers.CharField(
        help_text="Of code, parameters, revision and environment: what is approved."
    )
    code = serializers.CharField()
    parameters = serializers.DictField(child=serializers.JSONField(allow_null=True))
    purpose = serializers.CharField()
    context = serializers.CharField()  # type: ignore[assignment]  # a serializer's own attribute is something else
    outputs = serializers.CharField()
    revision = NumberedReference()
    environment = serializers.CharField()
    environment_sha256 = serializers.CharField()
    findings = LaneFinding(many=True)
    policy = ScopeItem(source="request.dataset")
    created_at = serializers.DateTimeField()


class DifferenceItem(Item):
    """Something else than the code that differs between two versions."""

    field = serializers.CharField()
    name = serializers.CharField()
    before = serializers.CharField()
    after = serializers.CharField()


class PatchItem(Item):
    """The differences between two versions, as the hunks of a unified diff without file names."""

    against = NumberedReference(
        allow_null=True, help_text="The version that it is compared with, if there is one."
    )
    added = serializers.IntegerField()
    removed = serializers.IntegerField()
    others = DifferenceItem(
        many=True, help_text="What else differs: parameters, data, environment and texts."
    )
    text = serializers.CharField(help_text="Deceptive characters are spelled out.")


class Compared(Parameters):
    """What to compare a version with."""

    against = serializers.UUIDField(
        required=False, default=None, help_text="The id of a version of the same request."
    )


class NewVerdict(Body):
    """A verdict on the code that you have read."""

    seen = serializers.CharField(max_length=64, help_text="The version's `sha256`, as you have read it.")
    verdict = serializers.ChoiceField(models.Review.Verdict.choices)
    comment = serializers.CharField(
        max_length=10_000, allow_blank=True, default="", help_text="Needed unless you approve."
    )
    runs = serializers.IntegerField(required=False, min_value=1, help_text="How many runs you approve.")
    days = serializers.IntegerField(required=False, min_value=1, help_text="For how many days you approve.")


def readable(call: Call, pk: UUID) -> models.Version:
    """Return a version whose code this person may read; raise Denied for others who see the request."""
    version = one(call, queries.versions(call.user), dataset="request__dataset", pk=pk)
    require(rules.may_read_code, call.user, version.request)
    return version


def review_of(call: Call, pk: UUID) -> models.Review:
    """Return one's own verdict."""
    return one(call, call.user.reviews.all(), dataset="version__request__dataset", pk=pk)


class RequestVersions(Endpoint):
    """The versions of a request."""

    @lists(VersionLine)
    def get(self, call: Call, pk: UUID) -> "QuerySet[models.Version]":
        """List what was submitted, if you may read the code."""
        item = known(call, pk)
        require(rules.may_read_code, call.user, item)
        return item.versions.select_related("approval")


class RequestSubmit(Endpoint):
    """The submission of a draft."""

    @creates(VersionItem, scope="work", again=readable, at="api:version", hands_key=True)
    def post(self, call: Call, key: UUID, pk: UUID) -> models.Version:
        """Submit your draft as a new version and request its review."""
        return readable(call, services.submit(known(call, pk), by=call.user, key=key).pk)


class Version(Endpoint):
    """One version."""

    @reads(VersionItem)
    def get(self, call: Call, pk: UUID) -> models.Version:
        """Read a version: its code, what it is bound to, and the verdicts that you may read."""
        return readable(call, pk)


class VersionDiff(Endpoint):
    """The differences between two versions of a request."""

    @reads(PatchItem, parameters=Compared)
    def get(self, call: Call, pk: UUID) -> dict[str, Any]:
        """Compare a version with the one named by `against`; without it, with the last one approved or submitted."""
        version = readable(call, pk)
        base = _base(version, parameters_of(call, Compared)["against"])
        with heavy_views.turn(heavy_views.COMPUTING, call):
            patch = diffs.patch(base.code if base else "", version.code)
        others = differences.between(base, version) if base else []
        return {
            "against": base,
            "added": patch.added,
            "removed": patch.removed,
            "others": others,
            "text": patch.text,
        }


def _base(version: models.Version, wanted: UUID | None) -> models.Version | None:
    if wanted is None:
        offered = queries.bases(queries.earlier_than(version))
        return offered[0].version if offered else None
    return found(
        models.Version.objects.filter(request=version.request_id).select_related("revision"), pk=wanted
    )


class VersionBegin(Endpoint):
    """The beginning of a review."""

    @acts(VersionItem, scope="review")
    def post(self, call: Call, pk: UUID) -> models.Version:
        """Say that you are reading this version. Its author sees that the review has begun."""
        services.begin_review(readable(call, pk), by=call.user)
        return readable(call, pk)


class VersionReview(Endpoint):
    """Verdicts on a version."""

    @creates(
        ReviewItem, body=NewVerdict, scope="review", again=review_of, confirms="Give your verdict on code"
    )
    def post(self, call: Call, body: dict[str, Any], pk: UUID) -> models.Review:
        """Give your verdict on the code that you have seen. The last approval needed allows runs."""
        return services.review(readable(call, pk), by=call.user, **body)
