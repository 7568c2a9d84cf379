"""Notifications about guests: admins learn who asks, and people what another portal says of their asking."""

from datetime import timedelta

from django.urls import reverse
from django.utils import timezone

from accounts.models import Notification, User
from accounts.notifications import notify
from accounts.topics import Topic
from network.models import Admission, AskedElsewhere

MOST_TOLD = 20
"""Notifications of one person in an hour: what another portal says can change as often as it is asked."""


def asked(item: Admission) -> None:
    text = f"{item.name} of {item.peer} asks for access to {item.dataset}. An admin has to admit them first."
    notify(User.objects.admins(), text, about=Topic.WORK, url=reverse("network:guests"))


def told(item: AskedElsewhere) -> None:
    """Notify a person that another portal says something new, unless it does so all the time."""
    page, hour = reverse("network:elsewhere"), timezone.now() - timedelta(hours=1)
    if Notification.objects.filter(user=item.user, url=page, created_at__gt=hour).count() >= MOST_TOLD:
        return
    text = f"{item.title} at {item.peer}: {item.get_state_display().lower()}."
    more = f"It says:\n\n{item.state_reason}" if item.state_reason else ""
    notify([item.user], text, about=Topic.ASKED, url=page, more=more)
