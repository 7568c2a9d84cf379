"""Runs: on mock data by the author of a draft or a reviewer, on private data by an approval."""

from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django_filters import ChoiceFilter, FilterSet, UUIDFilter
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common import heavy_views
from common.rest.bodies import Body, Item
from common.rest.endpoints import Endpoint, acts, creates, lists, reads
from common.rest.grants import Call, one, within
from common.rest.references import DatasetReference, NumberedReference, PersonReference
from requests_app import models, queries, rules, services, visibility
from requests_app.api.parts import (
    READERS,
    SIDES,
    ReleaseReference,
    RequestReference,
    reads_private,
    require_reader,
    require_side,
)
from requests_app.api.requests import known, own
from requests_app.api.versions import readable
from requests_app.services import outputs

RELATED = ("request__dataset__owner", "request__author", "version", "revision", "asked_by", "cancelled_by")
PLACE = "api:run"


class RunLine(Item):
    """A run, as everybody who may know of it sees it. The end is announced in steps, not at its moment."""

    id = serializers.UUIDField()
    request = RequestReference()
    dataset = DatasetReference(source="request.dataset")
    kind = serializers.ChoiceField(models.Run.Kind.choices)
    version = NumberedReference(allow_null=True)
    revision = NumberedReference()
    environment = serializers.CharField()
    environment_sha256 = serializers.CharField()
    state = serializers.ChoiceField(models.Run.State.choices)
    close_code = serializers.CharField(help_text="Why it failed: one word of a closed vocabulary, or empty.")
    error_class = serializers.CharField()
    error_line = serializers.IntegerField(allow_null=True)
    asked_by = PersonReference()
    cancelled_by = PersonReference(allow_null=True)
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    wall_seconds = serializers.IntegerField(help_text="The longest that it may take.")
    memory_mb = serializers.IntegerField()
    end_step_seconds = serializers.IntegerField(help_text="The end is announced in steps of this length.")

    def to_representation(self, run: models.Run) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(
            visibility.redacted(run, reads_log=self.reads_private(run))
        )
        return shown

    def reads_private(self, run: models.Run) -> bool:
        """A list says of every run what everybody may know."""
        return False


class WaitsItem(Item):
    """How a queued run waits."""

    position = serializers.IntegerField(allow_null=True)
    estimate = serializers.CharField()
    reason = serializers.CharField()


class RefusedItem(Item):
    """A file that the run wrote and that cannot leave it."""

    name = serializers.CharField()
    reason = serializers.CharField()


class PrivateFacts(Item):
    """What depends on the rows: of a run on private data, for the owner and the reviewers alone."""

    ended_at = serializers.DateTimeField(allow_null=True)
    announced_at = serializers.DateTimeField(source="announce_at", allow_null=True)
    heartbeat_at = serializers.DateTimeField(allow_null=True)
    exit_code = serializers.IntegerField(allow_null=True)
    signal = serializers.IntegerField(allow_null=True)
    wall_s = serializers.FloatField(allow_null=True)
    cpu_s = serializers.FloatField(allow_null=True)
    peak_memory_bytes = serializers.IntegerField(allow_null=True)
    stdout_bytes = serializers.IntegerField()
    stderr_bytes = serializers.IntegerField()
    layers = serializers.ListField(child=serializers.CharField())
    refused_outputs = RefusedItem(many=True)


class RunItem(RunLine):
    """A run, with what it waits for, its release, and what only those who may read its log see."""

    parameters = serializers.SerializerMethodField(help_text="Null if you may not read the code.")
    waits = serializers.SerializerMethodField()
    release = serializers.SerializerMethodField()
    private = serializers.SerializerMethodField()

    def reads_private(self, run: models.Run) -> bool:
        return reads_private(self.context["call"], run)

    @extend_schema_field(serializers.DictField(child=serializers.JSONField(allow_null=True), allow_null=True))
    def get_parameters(self, run: models.Run) -> dict[str, object] | None:
        why = rules.may_read_code(self.context["call"].user, run.request)
        return run.parameters if why is None else None

    @extend_schema_field(WaitsItem(allow_null=True))
    def get_waits(self, run: models.Run) -> dict[str, object] | None:
        waits = queries.waits(run)
        return None if waits is None else WaitsItem(waits).data

    @extend_schema_field(ReleaseReference(allow_null=True))
    def get_release(self, run: models.Run) -> dict[str, object] | None:
        release = getattr(run, "release", None)
        return None if release is None else ReleaseReference(release).data

    @extend_schema_field(PrivateFacts(allow_null=True))
    def get_private(self, run: models.Run) -> dict[str, object] | None:
        return PrivateFacts(run).data if self.reads_private(run) else None


class RunFilters(FilterSet):
    """The filters of lists of runs. None is by state: when a state changes may depend on the rows."""

    kind = ChoiceFilter(choices=models.Run.Kind.choices, help_text="On mock data, or on private data.")
    request = UUIDFilter(help_text="The id of a request.")
    dataset = UUIDFilter(field_name="request__dataset", help_text="The id of a dataset.")
    live = ChoiceFilter(
        choices=[("true", "In progress"), ("false", "Ended")],
        method="of_liveness",
        help_text="Whether the end has not been announced yet.",
    )

    def of_liveness(self, rows: Any, name: str, value: str) -> Any:
        live = {"state__in": models.Run.LIVE}
        return rows.filter(**live) if value == "true" else rows.exclude(**live)


def run_of(call: Call, pk: UUID) -> models.Run:
    """Return a run that this person may know of."""
    rows = models.Run.objects.visible_to(call.user).select_related(*RELATED, "release")
    return one(call, rows, dataset="request__dataset", pk=pk)


def live_key(run: models.Run) -> str:
    return f"run:{run.pk}" if run.state in models.Run.LIVE else ""


def status_of(run: models.Run) -> int:
    return HTTPStatus.ACCEPTED if run.state in models.Run.LIVE else HTTPStatus.CREATED


starts_run = partial(
    creates, RunItem, again=run_of, at=PLACE, status=status_of, live=live_key, hands_key=True
)
"""The decorator of each POST that queues a run."""


def _listed(call: Call, rows: "QuerySet[models.Run]") -> "QuerySet[models.Run]":
    return within(call, rows.select_related(*RELATED), "request__dataset")


class Runs(Endpoint):
    """Runs of all requests."""

    @lists(RunLine, filters=RunFilters)
    def get(self, call: Call) -> "QuerySet[models.Run]":
        """List the runs that you may know of."""
        return _listed(call, models.Run.objects.visible_to(call.user))


class RequestRuns(Endpoint):
    """The runs of a request."""

    @lists(RunLine, filters=RunFilters)
    def get(self, call: Call, pk: UUID) -> "QuerySet[models.Run]":
        """List this request's runs."""
        return _listed(call, models.Run.objects.visible_to(call.user).filter(request=known(call, pk)))

    @starts_run(scope=SIDES)
    def post(self, call: Call, key: UUID, pk: UUID) -> models.Run:
        """Start a run on the private data, within the approval."""
        item = known(call, pk)
        require_side(call, item)
        return run_of(call, services.start_run(item, by=call.user, key=key).pk)


class RequestMockRuns(Endpoint):
    """Mock runs of your draft."""

    @starts_run(scope="work", rate="mock_runs")
    def post(self, call: Call, key: UUID, pk: UUID) -> models.Run:
        """Run your saved draft on mock data. You see everything that it writes."""
        return run_of(call, services.run_on_mock(own(call, pk), by=call.user, key=key).pk)


class NewTry(Body):
    """The parameters to try a version with."""

    parameters = serializers.DictField(
        child=serializers.JSONField(allow_null=True),
        required=False,
        help_text="Arguments of main(). Without them, the version's own.",
    )


class VersionMockRuns(Endpoint):
    """Mock runs of a version, as reviewers try it."""

    @starts_run(body=NewTry, scope="review", rate="mock_runs")
    def post(self, call: Call, body: dict[str, Any], key: UUID, pk: UUID) -> models.Run:
        """Try a version under review on mock data, with parameters of your own. Its author does not see it.

        It replaces your run of this version that is in progress.
        """
        version = readable(call, pk)
        parameters = body.get("parameters", version.parameters)
        return run_of(call, services.try_on_mock(version, by=call.user, key=key, parameters=parameters).pk)


class Run(Endpoint):
    """One run."""

    @reads(RunItem, live=live_key)
    def get(self, call: Call, pk: UUID) -> models.Run:
        """Read a run. `private` is null for its author if it ran on private data."""
        return run_of(call, pk)


class RunCancel(Endpoint):
    """The end of a run before its time."""

    @acts(RunItem, scope=SIDES)
    def post(self, call: Call, pk: UUID) -> models.Run:
        """Cancel a run: at once while it is queued, otherwise within seconds."""
        run = run_of(call, pk)
        require_side(call, run.request)
        services.cancel_run(run, by=call.user)
        return run_of(call, pk)


class LogItem(Item):
    """What a run wrote to its streams, as far as it is stored."""

    stdout = serializers.CharField()
    stderr = serializers.CharField()


class RunLogFile(Endpoint):
    """The log of a run."""

    @reads(LogItem, scope=READERS)
    def get(self, call: Call, pk: UUID) -> models.RunLog:
        """Read the whole log, if you may. Each time that a log of private data is read is recorded."""
        run = run_of(call, pk)
        require_reader(call, run)
        with heavy_views.turn(heavy_views.COMPUTING, call):
            return outputs.open_log(run, by=call.user, download=True)
