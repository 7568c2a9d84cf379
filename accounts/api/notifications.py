"""A person's notifications."""

from uuid import UUID

from django.db.models import QuerySet
from django_filters import ChoiceFilter, FilterSet
from rest_framework import serializers

from accounts import services
from accounts.models import Notification
from common.rest.bodies import Item
from common.rest.endpoints import Endpoint, acts, lists
from common.rest.grants import Call, one, require_every_dataset


class NotificationItem(Item):
    """What happened, and the page to open."""

    id = serializers.UUIDField()
    text = serializers.CharField()
    url = serializers.CharField(help_text="The path of a page of the portal.")
    created_at = serializers.DateTimeField()
    read_at = serializers.DateTimeField(allow_null=True)


class NotificationFilters(FilterSet):
    """Which notifications to list."""

    unread = ChoiceFilter(
        choices=[("true", "Only unread ones"), ("false", "Only read ones")],
        method="by_unread",
        null_label=None,
        help_text="Only unread ones, or only those that you have read.",
    )

    def by_unread(self, rows: "QuerySet[Notification]", name: str, value: str) -> "QuerySet[Notification]":
        return rows.filter(read_at__isnull=value == "true")


class Notifications(Endpoint):
    """Your notifications."""

    @lists(NotificationItem, filters=NotificationFilters)
    def get(self, call: Call) -> "QuerySet[Notification]":
        """List your notifications."""
        return _own(call)


class NotificationRead(Endpoint):
    """Whether you have read a notification."""

    @acts(NotificationItem, scope="read")
    def post(self, call: Call, pk: UUID) -> Notification:
        """Mark a notification as read."""
        return services.read_notification(one(call, _own(call), dataset=None, pk=pk), by=call.user)


class NotificationsRead(Endpoint):
    """Whether you have read your notifications."""

    @acts(None, scope="read")
    def post(self, call: Call) -> None:
        """Mark all your notifications as read."""
        require_every_dataset(call)
        services.read_all_notifications(by=call.user)


def _own(call: Call) -> "QuerySet[Notification]":
    require_every_dataset(call)
    return Notification.objects.visible_to(call.user)
