"""The notifications and the mail that people get."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from accounts.models.people import User
from common.models import BaseModel


class NotificationQuerySet(models.QuerySet["Notification"]):
    def visible_to(self, user: User) -> "NotificationQuerySet":
        return self.filter(user=user)

    def unread(self) -> "NotificationQuerySet":
        return self.filter(read_at=None)


class Notification(BaseModel):
    """What happened, for one person, and the page to open."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notifications")
    text = models.CharField(max_length=300)
    url = models.CharField(max_length=300)
    read_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager["Notification"]] = NotificationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["user", "read_at"])]

    def __str__(self) -> str:
        return self.text


class Mail(BaseModel):
    """An e-mail waiting to be sent. The row is deleted once it has been sent; the Celery task carries no content."""

    class Kind(models.TextChoices):
        MESSAGE = "message", "What its text says"
        RESET = "reset", "The link to a new password, if the address has an account"
        REGISTERED = "registered", "The link that confirms an address"
        REGISTERED_AGAIN = "registered_again", "That the address has an account already"
        INVITED = "invited", "The link of the newest invitation that is open"

    address = models.EmailField()
    kind = models.CharField(max_length=20, choices=Kind, default=Kind.MESSAGE)
    text = models.TextField(blank=True)
    url = models.CharField(max_length=500, blank=True)
    extra = models.TextField(blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return f"An e-mail to {self.address}"
