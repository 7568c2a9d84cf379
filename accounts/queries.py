"""Reads for the pages about people, each in a bounded number of queries."""

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from accounts.models import Invitation, Notification, Session, User


def pending(user: User) -> QuerySet[User]:
    """Return the registrations without a decision, oldest first."""
    return User.objects.visible_to(user).filter(state=User.State.PENDING).order_by("created_at")


def unread_count(user: User) -> int:
    return Notification.objects.filter(user=user, read_at=None).count()


def people(user: User, *, text: str = "", role: str = "", state: str = "") -> QuerySet[User]:
    """Return the people whom `user` may see, filtered, with their roles prefetched."""
    found = matching(User.objects.visible_to(user), text=text, role=role, state=state)
    return found.order_by("name", "email")


def matching(found: QuerySet[User], *, text: str = "", role: str = "", state: str = "") -> QuerySet[User]:
    """Return the people among `found` who match, with their roles prefetched and their live sessions counted."""
    found = found.prefetch_related("role_grants")
    for word in text.split()[:5]:
        found = found.filter(
            Q(name__icontains=word) | Q(email__icontains=word) | Q(affiliation__icontains=word)
        )
    if role:
        found = found.filter(role_grants__role=role)
    if state:
        found = found.filter(state=state)
    return found.annotate(live_sessions=_live_sessions())


def sessions_of(person: User) -> QuerySet[Session]:
    return person.sessions.filter(expire_date__gt=timezone.now()).order_by("-signed_in_at")


def invitations(user: User) -> QuerySet[Invitation]:
    found = Invitation.objects.all()
    return found.visible_to(user).select_related("invited_by", "accepted_by")


def _live_sessions() -> Count:
    return Count("sessions", filter=Q(sessions__expire_date__gt=timezone.now()), distinct=True)
