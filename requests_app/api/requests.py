"""Requests and their drafts."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django_filters import CharFilter, ChoiceFilter, FilterSet, UUIDFilter
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common import heavy_views
from common.access import require
from common.errors import Conflict
from common.rest.bodies import Body, Item, WithReason
from common.rest.endpoints import Endpoint, acts, changes, creates, lists, reads
from common.rest.grants import Call, one, within
from common.rest.problems import Stale
from common.rest.references import ContactReference, DatasetReference, NumberedReference
from datasets.models import Dataset
from requests_app import queries, rules, services, visibility, workflow
from requests_app.api.parts import LaneFinding
from requests_app.models import CodeRequest
from requests_app.services.drafts import LIMITS

CODE_BODY = 1_200_000
"""Bytes of a body that contains code: its characters may be escaped."""


class DraftItem(Item):
    """What the author is writing, and nobody else sees."""

    number = serializers.IntegerField(source="draft_number", help_text="Counts how often it was saved.")
    saved_at = serializers.DateTimeField(source="draft_saved_at", allow_null=True)
    code = serializers.CharField()
    parameters = serializers.DictField(child=serializers.JSONField(allow_null=True))
    purpose = serializers.CharField()
    context = serializers.CharField()  # type: ignore[assignment]  # a serializer's own attribute is something else
    outputs = serializers.CharField()
    environment = serializers.CharField()


class ApprovalItem(Item):
    """Permission to run one version, a number of times, until a date."""

    sha256 = serializers.CharField(help_text="Of the code, parameters, revision and environment.")
    runs_allowed = serializers.IntegerField()
    runs_left = serializers.SerializerMethodField()
    expires_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    end_reason = serializers.CharField()

    def get_runs_left(self, approval: Any) -> int:
        return queries.runs_left(approval)


class RequestLine(Item):
    """A request in a list."""

    id = serializers.UUIDField()
    title = serializers.CharField()
    state = serializers.ChoiceField(CodeRequest.State.choices)
    turn = serializers.SerializerMethodField(help_text="Who has to act next.")
    dataset = DatasetReference()
    author = ContactReference()
    latest = NumberedReference(allow_null=True)
    created_at = serializers.DateTimeField()
    state_changed_at = serializers.DateTimeField()

    def get_turn(self, item: CodeRequest) -> str:
        return str(workflow.TURN["request"][item.state])


class RequestItem(RequestLine):
    """A request, with its approval and, for its author, the draft."""

    state_reason = serializers.SerializerMethodField()
    approval = serializers.SerializerMethodField()
    draft = serializers.SerializerMethodField()

    def get_state_reason(self, item: CodeRequest) -> str:
        reads_code = rules.may_read_code(self.context["call"].user, item) is None
        return item.state_reason if visibility.sees_reason(item, reads_code=reads_code) else ""

    @extend_schema_field(ApprovalItem(allow_null=True))
    def get_approval(self, item: CodeRequest) -> dict[str, object] | None:
        approval = rules.live_approval(item)
        return None if approval is None else ApprovalItem(approval).data

    @extend_schema_field(DraftItem(allow_null=True))
    def get_draft(self, item: CodeRequest) -> dict[str, object] | None:
        is_author = rules.is_author(self.context["call"].user, item) is None
        return DraftItem(item).data if is_author else None


class NewRequest(Body):
    """A new draft. It begins with code for the dataset's tables that runs unchanged."""

    dataset = serializers.UUIDField(help_text="The id of a dataset.")
    title = serializers.CharField(max_length=LIMITS["title"], allow_blank=True, default="")


class RequestDraft(Body):
    """The fields of a draft that are to change."""

    title = serializers.CharField(max_length=LIMITS["title"], allow_blank=True)
    code = serializers.CharField(max_length=LIMITS["code"], allow_blank=True, trim_whitespace=False)
    parameters = serializers.DictField(
        child=serializers.JSONField(allow_null=True), help_text="Each name is an argument of main()."
    )
    purpose = serializers.CharField(max_length=LIMITS["purpose"], allow_blank=True)
    context = serializers.CharField(  # type: ignore[assignment]  # a serializer's own attribute is something else
        max_length=LIMITS["context"], allow_blank=True
    )
    outputs = serializers.CharField(max_length=LIMITS["outputs"], allow_blank=True)
    environment = serializers.CharField(max_length=63)


class RequestFilters(FilterSet):
    """The filters of the list of requests."""

    text = CharFilter(max_length=100, help_text="Words of the title, or of the author's name.")
    whose = ChoiceFilter(
        choices=[("mine", "Mine"), ("to_review", "To review")],
        help_text="Your own, or waiting for your verdict.",
    )
    state = ChoiceFilter(choices=CodeRequest.State.choices, help_text="The state of the request.")
    dataset = UUIDFilter(help_text="The id of a dataset.")

    def filter_queryset(self, queryset: Any) -> Any:
        given = self.form.cleaned_data
        return queries.narrowed(queryset, {**given, "q": given["text"]}, user=self.request.user)


def known(call: Call, pk: UUID) -> CodeRequest:
    """Return a request that this person may know of. Admins do, without reading its code."""
    related = ("dataset__owner", "author", "latest__approval", "latest__revision")
    rows = CodeRequest.objects.known_to(call.user).select_related(*related)
    return one(call, rows, dataset="dataset", pk=pk)


def own(call: Call, pk: UUID) -> CodeRequest:
    """Return the author's own request; raise Denied for others who may know of it."""
    item = known(call, pk)
    require(rules.may_edit, call.user, item)
    return item


class Requests(Endpoint):
    """Requests to run code on private data: your own, and those that you may review."""

    @lists(RequestLine, filters=RequestFilters)
    def get(self, call: Call) -> "QuerySet[CodeRequest]":
        """List the requests that you may know of."""
        rows = CodeRequest.objects.known_to(call.user).select_related("dataset", "author", "latest")
        return within(call, rows, "dataset")

    @creates(RequestItem, body=NewRequest, scope="work", again=known, at="api:request")
    def post(self, call: Call, body: dict[str, Any]) -> CodeRequest:
        """Begin a draft on a dataset that you have access to."""
        dataset = one(call, Dataset.objects.visible_to(call.user), dataset="pk", pk=body["dataset"])
        return services.new_request(dataset, by=call.user, title=body["title"])


class Request(Endpoint):
    """One request."""

    body_limit = CODE_BODY
    item: CodeRequest | None = None
    """What `get` has read: a change is one of this, by its draft's number."""

    @reads(RequestItem)
    def get(self, call: Call, pk: UUID) -> CodeRequest:
        """Read a request. Its draft is there for its author alone."""
        self.item = known(call, pk)
        return self.item

    @changes(body=RequestDraft, scope="work")
    def patch(self, call: Call, fields: dict[str, Any], pk: UUID) -> None:
        """Save these fields of your draft."""
        item = self.item or known(call, pk)
        try:
            services.save_draft(item, by=call.user, number=item.draft_number, **fields)
        except Conflict as saved:
            raise Stale(
                "This draft was saved while you changed it. Read it again, then change it."
            ) from saved


class DraftFindings(Item):
    """What reviewers will be pointed to, and why the draft cannot be submitted yet."""

    number = serializers.IntegerField(help_text="Of the draft that was looked at.")
    findings = LaneFinding(many=True)
    submit_refusal = serializers.CharField(allow_null=True)


class RequestFindings(Endpoint):
    """The findings in your draft."""

    @reads(DraftFindings)
    def get(self, call: Call, pk: UUID) -> dict[str, Any]:
        """Look at your saved draft as a reviewer's page would, without running it."""
        item = own(call, pk)
        with heavy_views.turn(heavy_views.COMPUTING, call):
            found = queries.hints(item.code, queries.described(item.dataset), item)
        refusal = workflow.refusal("submit", item, by=call.user)
        return {"number": item.draft_number, "findings": found, "submit_refusal": refusal}


class RequestCopy(Endpoint):
    """A copy of your request."""

    @creates(RequestItem, scope="work", again=known, at="api:request")
    def post(self, call: Call, pk: UUID) -> CodeRequest:
        """Begin a new request with a copy of this one's draft."""
        return services.copy_request(known(call, pk), by=call.user)


class RequestWithdraw(Endpoint):
    """The end of a request by its author."""

    @acts(RequestItem, scope="work")
    def post(self, call: Call, pk: UUID) -> CodeRequest:
        """Withdraw your request before it is decided."""
        services.withdraw(known(call, pk), by=call.user)
        return known(call, pk)


class RequestRevoke(Endpoint):
    """The end of an approval."""

    @acts(RequestItem, body=WithReason, scope="review", confirms="Revoke an approval")
    def post(self, call: Call, body: dict[str, Any], pk: UUID) -> CodeRequest:
        """End the approval, with a reason, and cancel its runs."""
        services.revoke(known(call, pk), by=call.user, reason=body["reason"])
        return known(call, pk)
