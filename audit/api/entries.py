"""Search and export the part of the audit log that one may read."""

from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django_filters import CharFilter, ChoiceFilter, DateFilter, FilterSet, UUIDFilter
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from audit import export, queries, services
from audit.models import Entry
from common import heavy_views
from common.rest import lists as pages
from common.rest.bodies import Item
from common.rest.endpoints import Endpoint, lists, sends
from common.rest.grants import Call, within
from common.rest.references import Reference

ORDER = ("at", "key")


class ActorItem(Item):
    """Who did it. `name` is their address at the time, or Weir."""

    id = serializers.CharField(source="actor_id")
    name = serializers.CharField(source="who")


class ObjectItem(Item):
    """What it was done to, as it was called at the time."""

    id = serializers.CharField(source="object_id")
    type = serializers.CharField(source="object_type")
    name = serializers.CharField(source="object_label")


class EntryItem(Item):
    """One thing that happened."""

    id = serializers.UUIDField(source="key")
    at = serializers.DateTimeField()
    action = serializers.CharField()
    actor = ActorItem(source="*")
    object = ObjectItem(source="*")
    dataset = serializers.SerializerMethodField()
    person = serializers.SerializerMethodField(help_text="Whom it concerns.")
    changes = serializers.JSONField(help_text="Each changed field with its old and its new value.")
    detail = serializers.JSONField()
    hash = serializers.SerializerMethodField()

    @extend_schema_field(Reference(allow_null=True))
    def get_dataset(self, entry: Entry) -> dict[str, str] | None:
        return {"id": entry.dataset_id} if entry.dataset_id else None

    @extend_schema_field(Reference(allow_null=True))
    def get_person(self, entry: Entry) -> dict[str, str] | None:
        return {"id": entry.person_id} if entry.person_id else None

    def get_hash(self, entry: Entry) -> str:
        """The hash of its link in the chain."""
        link = getattr(entry, "link", None)
        return link.hash if link else ""


class EntryFilters(FilterSet):
    """The filters of the page's search. Days are days in UTC, both included."""

    text = CharFilter(max_length=100, help_text="Words in the action, the object or the actor.")
    dataset = UUIDFilter(help_text="The id of a dataset.")
    person = CharFilter(max_length=254, help_text="A person's id, or a part of the actor's address.")
    action = CharFilter(max_length=60, help_text="How the action begins: “run.”, “run.start”.")
    object = UUIDFilter(help_text="The id of an object.")
    since = DateFilter(help_text="The first day.")
    until = DateFilter(help_text="The last day.")
    received = ChoiceFilter(
        choices=[("true", "Only releases, downloads and recalls")],
        null_label=None,
        help_text="Only what somebody received.",
    )

    def filter_queryset(self, queryset: "QuerySet[Entry]") -> "QuerySet[Entry]":
        return queries.matching(queryset, wanted(self.form.cleaned_data))


def wanted(given: dict[str, Any]) -> queries.Search:
    """Return the search that the filters describe."""
    chosen = {name: value for name, value in given.items() if value}
    for name in {"dataset", "object"} & set(chosen):
        chosen[name] = str(chosen[name])
    return queries.Search(**{**chosen, "received": "received" in chosen})


class Audit(Endpoint):
    """The audit log."""

    @lists(EntryItem, filters=EntryFilters, order=ORDER, scope="audit")
    def get(self, call: Call) -> "QuerySet[Entry]":
        """List the entries that you may read."""
        readable = Entry.objects.visible_to(call.user).select_related("link")
        return within(call, readable, "dataset_id")


class AuditExport(Endpoint):
    """The audit log as a file."""

    @sends("text/csv", filters=EntryFilters, scope="audit", rate="changes")
    def post(self, call: Call) -> StreamingHttpResponse:
        """Export the entries that you may read as CSV, newest first. This is a POST because it is recorded."""
        search = wanted(pages.filtered(call, Entry.objects.none(), EntryFilters).form.cleaned_data)
        limited = call.auth.dataset_ids if call.auth else None
        with heavy_views.turn(heavy_views.COMPUTING, call):
            pieces = services.export_csv(search, by=call.user, dataset_ids=limited)
        return export.sent(call._request, pieces)  # noqa: SLF001 -- streams as Django's request was received
