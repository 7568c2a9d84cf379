"""Search and export the part of the audit log that one may read."""

from functools import cached_property
from typing import Any
from uuid import UUID

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
from common.rest.endpoints import Endpoint, lists, reads, sends
from common.rest.grants import Call, one, within
from common.rest.references import Reference

ORDER = ("at", "key")


class ActorItem(Item):
    """Who did it. `name` is their address at the time, or Weir."""

    id = serializers.CharField(source="actor_id")
    name = serializers.CharField(source="who")


class ConcernedItem(Item):
    """Whom it concerns. `name` is their address when they last did something, or empty if they never did."""

    id = serializers.CharField()
    name = serializers.CharField()


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
    words = serializers.CharField(help_text="What happened, in words.")
    actor = ActorItem(source="*")
    object = ObjectItem(source="*")
    dataset = serializers.SerializerMethodField()
    person = serializers.SerializerMethodField()
    receiver = serializers.SerializerMethodField()
    changes = serializers.JSONField(help_text="Each changed field with its old and its new value.")
    detail = serializers.JSONField()
    hash = serializers.SerializerMethodField()

    @extend_schema_field(Reference(allow_null=True))
    def get_dataset(self, entry: Entry) -> dict[str, str] | None:
        return {"id": entry.dataset_id} if entry.dataset_id else None

    @extend_schema_field(ConcernedItem(allow_null=True))
    def get_person(self, entry: Entry) -> dict[str, str] | None:
        if not entry.person_id:
            return None
        return {"id": entry.person_id, "name": self._addresses.get(entry.person_id, "")}

    def get_receiver(self, entry: Entry) -> str:
        """The address of who received something derived from the dataset by this; empty if nobody did."""
        return queries.receiver_of(entry, self._addresses)

    @cached_property
    def _addresses(self) -> dict[str, str]:
        """The addresses of everybody whom the entries of this answer concern, by one query."""
        shown: Any = self.root.instance
        return queries.addresses({each.person_id for each in (shown if isinstance(shown, list) else [shown])})

    def get_hash(self, entry: Entry) -> str:
        """The hash of its link in the chain."""
        link = getattr(entry, "link", None)
        return link.hash if link else ""


class PlaceItem(Item):
    """Its place in the chain of hashes."""

    position = serializers.IntegerField()
    previous = serializers.CharField(help_text="The hash of the link before it.")


class EntryDetail(EntryItem):
    """One thing that happened, and whether it is still what was recorded."""

    is_intact = serializers.BooleanField(
        source="link.is_intact",
        default=None,
        allow_null=True,
        help_text="Whether its hash follows from its text and the hash before it. Null until it has joined the chain.",
    )
    place = serializers.SerializerMethodField()

    @extend_schema_field(PlaceItem(allow_null=True))
    def get_place(self, entry: Entry) -> dict[str, object] | None:
        """For those who read the whole log: for others, positions would tell how much else happens."""
        link = getattr(entry, "link", None)
        return PlaceItem(link).data if link and self.context["call"].user.oversees else None


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
        choices=[("true", "Only what somebody received")],
        null_label=None,
        help_text="Only what somebody received: files, answers, logs, rows.",
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
        return within(call, _readable(call), "dataset_id")


class AuditEntry(Endpoint):
    """One entry of the audit log."""

    @reads(EntryDetail, scope="audit")
    def get(self, call: Call, pk: UUID) -> Entry:
        """Read one entry, with its place in the chain of hashes if you may read the whole log."""
        return one(call, _readable(call), dataset="dataset_id", key=pk)


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


def _readable(call: Call) -> "QuerySet[Entry]":
    return Entry.objects.visible_to(call.user).select_related("link")
