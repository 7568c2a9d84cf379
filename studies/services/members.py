"""What portals of a study tell each other about taking part: own words that are still to be told, and theirs."""

import time
from datetime import timedelta
from uuid import UUID

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.http import Http404
from django.utils import timezone

from accounts.models import User
from audit import log
from common import commit, live, rows
from network import calls
from network.models import Peer
from studies import notifications, queries
from studies.models import Member, Participation, Study
from studies.words import Word

TASK = "studies.tasks.tell_members"
AGAIN = timedelta(minutes=5)
"""After which a portal that has refused a word is told it again. One that cannot be called is told once it answers."""
AT_ONCE = 200
SECONDS = 50
"""Then the rest is left to the next minute."""
REFUSED = 400


def say(study: Study, state: str, participation: Participation | None = None) -> None:
    """Note this portal's own part in a locked study, and have the other portals told after commit."""
    member = queries.own_member(study)
    dataset = None if participation is None else participation.dataset
    member.state = state
    member.number += 1
    member.dataset = None if dataset is None else dataset.pk
    member.dataset_title = "" if dataset is None else dataset.title
    member.public_size = None if dataset is None else dataset.promise.public_size
    member.told_at = timezone.now()
    member.save()
    live.changed("study", study.pk)
    tell_soon()


def tell_soon() -> None:
    """Have a worker tell the other portals, after commit."""
    commit.after(current_app.send_task, TASK)


@transaction.atomic
def member_told(peer: Peer, pk: UUID, word: Word) -> None:
    """Note what another portal tells about its part in a study. An older word, or the same again, changes nothing.

    Raises Http404 for a study that the portal is not in.
    """
    study = _shared(peer, pk)
    member = study.members.get(url=peer.url)
    if word.number <= member.number:
        return
    before = member.state
    member.peer, member.number, member.state = peer, word.number, word.state
    member.dataset, member.dataset_title = word.dataset, word.dataset_title
    member.public_size, member.told_at = word.public_size, timezone.now()
    member.save()
    if before != member.state:
        log.record(
            "study.member", by=User.objects.system_actor(), on=study, portal=peer.url,
            changes={"state": (before, member.state)},
        )  # fmt: skip
        notifications.told(study, member, peer)
    live.changed("study", study.pk)


def _shared(peer: Peer, pk: UUID) -> Study:
    """Return a study that a portal is in, locked. Raises Http404."""
    found = Study.objects.filter(members__url=peer.url, pk=pk).first()
    if found is None:
        raise Http404
    return rows.locked(found)


def tell() -> int:
    """Tell other portals what they have not taken yet of this portal's words; return how many took something.

    Portals whose last call failed are left out until polling finds that they answer again.
    """
    _find_peers()
    count, silent, ends = 0, set(), time.monotonic() + SECONDS
    for member in _to_be_told()[:AT_ONCE]:
        if time.monotonic() > ends:
            break
        if member.peer_id in silent or member.peer is None:
            continue
        try:
            count += _tell(member, member.peer)
        except calls.Unreachable as failed:
            silent.add(member.peer_id)
            _note(member, trouble=str(failed))
    return count


def _find_peers() -> None:
    """Connect the members of open studies with the peers at their addresses, which may have become known since."""
    known = dict(Peer.objects.known().values_list("url", "pk"))
    for member in Member.objects.filter(study__ended_at=None).exclude(url=settings.BASE_URL):
        if member.peer_id != known.get(member.url):
            Member.objects.filter(pk=member.pk).update(peer=known.get(member.url))


def _to_be_told() -> QuerySet[Member]:
    own = Member.objects.filter(study=OuterRef("study"), url=settings.BASE_URL).values("number")
    not_invited = Q(study__founder=None, study__ended_at=None, sent_number=None)
    not_told = Q(said__gt=0) & (
        Q(sent_number__lt=F("said")) | Q(sent_number=None, study__founder__isnull=False)
    )
    due = Q(tried_at=None) | Q(trouble="") | Q(tried_at__lt=timezone.now() - AGAIN)
    others = Member.objects.exclude(url=settings.BASE_URL).filter(peer__in=Peer.objects.reachable())
    found = others.annotate(said=Subquery(own)).filter(not_invited | not_told, due, said__isnull=False)
    return found.select_related("study", "peer").order_by(F("tried_at").asc(nulls_first=True), "pk")


def _tell(member: Member, peer: Peer) -> bool:
    """Tell a portal of a study what it does not know: the study, that it has ended, or this portal's part in it.

    Returns whether it took all of it. Raises Unreachable.
    """
    study = member.study
    own = queries.own_member(study)
    if study.founder_id is None and member.sent_number is None:
        if not _took(member, peer, "PUT", "", {"study": study.document}):
            return False
        _note(member, sent_number=0)
    if study.ended_at is not None and study.founder_id is None:
        took = _took(member, peer, "POST", "/end", {"reason": study.end_reason})
    else:
        took = own.number == 0 or _took(member, peer, "PUT", "/participation", word_of(own).document)
    if took:
        _note(member, sent_number=own.number)
    return took


def word_of(member: Member) -> Word:
    """Return this portal's own part in a study as other portals are told of it."""
    return Word(
        number=member.number,
        state=member.state,
        dataset=member.dataset,
        dataset_title=member.dataset_title,
        public_size=member.public_size,
    )


def _took(member: Member, peer: Peer, method: str, path: str, document: dict[str, object]) -> bool:
    reply = calls.call(peer, method, f"/net/1/studies/{member.study_id}{path}", document)
    if reply.status >= REFUSED:
        words = str(reply.document.get("detail", "")) or "It refused without a reason."
        _note(member, trouble=f"{peer} says: {words}")
        return False
    return True


def _note(member: Member, *, trouble: str = "", sent_number: int | None = None) -> None:
    if sent_number is not None:
        member.sent_number = sent_number
    member.tried_at, member.trouble = timezone.now(), trouble[:300]
    member.save(update_fields=["sent_number", "tried_at", "trouble"])
