"""Notifications about guests: admins learn who asks, and people what another portal says of their asking."""

from django.urls import reverse

from accounts.models import User
from accounts.notifications import notify
from accounts.topics import Topic
from network.models import Admission, AskedElsewhere


def asked(item: Admission) -> None:
    text = f"{item.name} of {item.peer} asks for access to {item.dataset}. An admin has to admit them first."
    notify(User.objects.admins(), text, about=Topic.WORK, url=reverse("network:guests"))


def told(item: AskedElsewhere) -> None:
    """Notify a person that another portal says something new."""
    text = f"{item.title} at {item.peer}: {item.get_state_display().lower()}."
    more = f"It says:\n\n{item.state_reason}" if item.state_reason else ""
    notify([item.user], text, about=Topic.ASKED, url=reverse("network:elsewhere"), more=more)
