"""What pages ask about people, each in a bounded number of queries."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from accounts.models import Invitation, Notification, Session, User

WAITING_LIMIT = 50


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something about people that waits for this person, for the inbox."""

    kind: str
    title: str
    url: str
    since: datetime


def waiting_for(user: User) -> list[Waiting]:
    """Registrations that an admin has to decide, oldest first."""
    if not user.is_admin:
        return []
    return [
        Waiting(
            "registration",
            f"{person} asks for an account",
            reverse("accounts:registrations"),
            person.created_at,
        )
        for person in pending(user)[:WAITING_LIMIT]
    ]


def pending(user: User) -> QuerySet[User]:
    """Registrations without a decision, oldest first."""
    return User.objects.visible_to(user).filter(state=User.State.PENDING).order_by("created_at")


def unread_count(user: User) -> int:
    return Notification.objects.filter(user=user, read_at=None).count()


def people(user: User, *, text: str = "", role: str = "", state: str = "") -> QuerySet[User]:
    """The people this person may see, filtered, with their roles at hand."""
    found = User.objects.visible_to(user).prefetch_related("role_grants")
    for word in text.split()[:5]:
        found = found.filter(
            Q(name__icontains=word) | Q(email__icontains=word) | Q(affiliation__icontains=word)
        )
    if role:
        found = found.filter(role_grants__role=role)
    if state:
        found = found.filter(state=state)
    return found.annotate(live_sessions=_live_sessions()).order_by("name", "email")


def sessions_of(person: User) -> QuerySet[Session]:
    return person.sessions.filter(expire_date__gt=timezone.now()).order_by("-signed_in_at")


def invitations(user: User) -> QuerySet[Invitation]:
    found = Invitation.objects.all()
    return found.visible_to(user).select_related("invited_by", "accepted_by")


def _live_sessions() -> Count:
    return Count("sessions", filter=Q(sessions__expire_date__gt=timezone.now()), distinct=True)
