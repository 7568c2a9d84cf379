"""Notifications about studies. They repeat nothing of rows, and of other portals only what owners read anyway."""

from datetime import timedelta

from django.urls import reverse
from django.utils import timezone

from accounts.models import Notification, Role, User
from accounts.notifications import notify
from accounts.topics import Topic
from network.models import Peer
from studies import queries
from studies.documents import read_study
from studies.models import JointAnswer, Member, Study

MOST_TOLD = 20
"""Notifications of a study in an hour: another portal can change its part as often as it calls."""


def page(study: Study) -> str:
    return reverse("studies:study", args=[study.pk])


def invited(study: Study) -> None:
    """Notify owners, any of whom can join or decline."""
    owners = User.objects.free_for_duties().filter(is_active=True, role_grants__role=Role.OWNER).distinct()
    text = f"{study.founder} invites this portal to the study “{study.title}”."
    notify(owners, text, about=Topic.WORK, url=page(study), more=_purpose(study))


def told(study: Study, member: Member, peer: Peer) -> None:
    """Notify the owner who takes part here that another portal's part has changed, unless it does so all the time."""
    url, hour = page(study), timezone.now() - timedelta(hours=1)
    if Notification.objects.filter(url=url, created_at__gt=hour).count() >= MOST_TOLD:
        return
    text = f"{peer} in the study “{study.title}”: {member.get_state_display().lower()}."
    notify(_concerned(study), text, about=Topic.ASKED, url=url)


def ended(study: Study, *, by: User) -> None:
    text = f"The study “{study.title}” has ended."
    notify(_concerned(study), text, about=Topic.ASKED, url=page(study), by=by, more=study.end_reason)


def joint_released(answer: JointAnswer) -> None:
    _to_scientist(answer, f"{answer.study.title}: your question to several portals has been answered.")


def joint_failed(answer: JointAnswer) -> None:
    text = f"{answer.study.title}: your question to several portals could not be answered."
    _to_scientist(answer, text, more=answer.reason)


def _to_scientist(answer: JointAnswer, text: str, more: str = "") -> None:
    notify(
        [answer.scientist],
        text,
        about=Topic.ASKED,
        url=reverse("studies:answer", args=[answer.pk]),
        more=more,
    )


def _concerned(study: Study) -> list[User]:
    found = queries.participation_of(study)
    return [] if found is None else [found.dataset.owner]


def _purpose(study: Study) -> str:
    return f"Its purpose:\n\n{read_study(study.document).purpose}"
