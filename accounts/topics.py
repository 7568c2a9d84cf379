"""What notifications are about. People choose by topic which of them also come by e-mail."""

from collections.abc import Iterable

from django.db import models

from common.errors import Refused


class Topic(models.TextChoices):
    """The topic of a notification, as its reader sees it: the same event may be work for one and news for another."""

    WORK = "work", "Work that waits for me"
    ASKED = "asked", "What I asked for"
    COMMENTS = "comments", "Comments"
    TERMS = "terms", "Data, access and budgets"


TOPIC_HELP = {
    Topic.WORK: "requests, outputs and people that I decide on, and what becomes of them.",
    Topic.ASKED: "decisions on my requests, my runs and their outputs, code environments and invitations.",
    Topic.COMMENTS: "on my code, and on code that I review.",
    Topic.TERMS: "new revisions and freezes; changes of my access, budgets, roles and duties.",
}


def every() -> list[str]:
    return list(Topic.values)


def known(chosen: Iterable[str]) -> list[str]:
    """Return the chosen topics once each, in their own order. Raises Refused if one does not exist."""
    wanted = set(chosen)
    if unknown := sorted(wanted - set(Topic.values)):
        raise Refused(f"There is no topic {unknown[0][:50]!r}. The topics are: {', '.join(Topic.values)}.")
    return [topic for topic in Topic.values if topic in wanted]
