"""The history of a request, and what a submission of its draft would freeze."""

from typing import Any
from uuid import UUID

from rest_framework import serializers

from common.rest.bodies import Item
from common.rest.endpoints import Endpoint, reads
from common.rest.grants import Call
from common.rest.references import NumberedReference, PersonReference
from requests_app import services, workflow
from requests_app.api.parts import RunReference
from requests_app.api.requests import known, own
from requests_app.models import CodeRequest
from requests_app.presentation import history


class EventItem(Item):
    """Something that happened to a request."""

    at = serializers.DateTimeField()
    who = PersonReference(
        allow_null=True, help_text="Null: the portal, or somebody whose name you do not see."
    )
    what = serializers.CharField(help_text="In words.")
    note = serializers.CharField(help_text="The reason that was given, or empty.")


class HistoryItem(Item):
    """What has happened to a request: its last 50 versions and 50 runs on private data."""

    events = EventItem(many=True, help_text="The newest first.")


class RequestHistory(Endpoint):
    """The history of a request."""

    @reads(HistoryItem)
    def get(self, call: Call, pk: UUID) -> history.History:
        """Read what has happened to a request, as its page shows it."""
        return history.of(known(call, pk), call.user)


class SnapshotItem(Item):
    """What a submission of the draft would freeze, as it is now."""

    number = serializers.IntegerField(help_text="Of the version that it would make.")
    sha256 = serializers.CharField(
        help_text="Of code, parameters, revision and environment: what is approved."
    )
    code_sha256 = serializers.CharField()
    revision = NumberedReference()
    environment = serializers.CharField()
    environment_sha256 = serializers.CharField()
    parameters = serializers.DictField(child=serializers.JSONField(allow_null=True))
    mock_run = RunReference(allow_null=True, help_text="A mock run of exactly this.")
    ends_approval = serializers.BooleanField(help_text="A new version ends the approval of the last one.")
    submit_refusal = serializers.CharField(allow_null=True, help_text="Why you cannot submit it now.")


class RequestSnapshot(Endpoint):
    """What a submission would freeze."""

    @reads(SnapshotItem)
    def get(self, call: Call, pk: UUID) -> dict[str, Any]:
        """Read what a submission of your saved draft would freeze, before you submit it."""
        item = own(call, pk)
        bound = services.snapshot(item)
        names = ("sha256", "code_sha256", "revision", "environment", "environment_sha256", "parameters")
        return {
            **{name: getattr(bound, name) for name in names},
            "number": item.latest.number + 1 if item.latest else 1,
            "mock_run": item.runs.on_mock_by_author().filter(sha256=bound.sha256).first(),
            "ends_approval": item.state == CodeRequest.State.APPROVED,
            "submit_refusal": workflow.refusal("submit", item, by=call.user),
        }
